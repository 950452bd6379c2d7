// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestDefaultFleet(t *testing.T) {
	file, err := Parse(Default)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range file.Clusters {
		got[c.Name] = c.Labels["env"] + " " + c.Version
	}
	want := map[string]string{
		"staging-1": "staging 1.36", "canary-1": "canary 1.36", "prod-tokyo-1": "production 1.36", "prod-osaka-1": "production 1.36",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the default fleet (-want +got):\n%s", diff)
	}
	// The clusters share their workloads through an anchor of YAML.
	for _, c := range file.Clusters {
		replicas := map[string]int{}
		for _, w := range c.Workloads {
			replicas[w.Name] = w.Replicas
		}
		if replicas["web"] != 6 || replicas["import-catalogue"] != 1 || replicas["node-agent"] != 0 {
			t.Errorf("the replicas of %s are %v", c.Name, replicas)
		}
	}
}

func TestWhatIsNotWrittenHasADefault(t *testing.T) {
	file, err := Parse([]byte(`
nodes: {replaceDelay: 2s}
clusters:
- name: one
  version: "1.36"
  nodePools: [{name: user, count: 1}]
  workloads: [{kind: Deployment, name: web}]
- name: two
  version: "1.36"
  nodes: {replaceDelay: 0s}
  nodePools: [{name: user, count: 1}]
`))
	if err != nil {
		t.Fatal(err)
	}
	one := file.Clusters[0]
	want := NodePool{Name: "user", Mode: "User", Count: 1, CPU: "4", Memory: "16Gi", MaxPods: 110}
	if diff := cmp.Diff(want, one.NodePools[0]); diff != "" {
		t.Errorf("a node pool (-want +got):\n%s", diff)
	}
	if w := one.Workloads[0]; w.Namespace != "default" || w.Replicas != 1 || w.CPU != "100m" {
		t.Errorf("a workload is %+v", w)
	}
	if got := one.Nodes.ReplaceDelay.Or(-1); got != 2*time.Second {
		t.Errorf("the first cluster's delay is %s, want the file's 2s", got)
	}
	if got := file.Clusters[1].Nodes.ReplaceDelay.Or(-1); got != 0 {
		t.Errorf("the second cluster's delay is %s, want its own 0s", got)
	}
}

// TestKeptDefinitionReadsBack: a lab keeps its clusters as YAML between two starts.
func TestKeptDefinitionReadsBack(t *testing.T) {
	file, err := Parse(Default)
	if err != nil {
		t.Fatal(err)
	}
	content, err := yaml.Marshal(file.Clusters[0])
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseCluster(content)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, content)
	}
	if diff := cmp.Diff(file.Clusters[0], *again, cmp.AllowUnexported(Duration{})); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
}

func TestMistakesNameLineAndField(t *testing.T) {
	// Cases fill the second cluster of a file whose first one is right; it begins on line 5.
	cluster := func(lines ...string) string {
		return "clusters:\n- name: right\n  version: \"1.36\"\n  nodePools: [{name: user, count: 1}]\n- " + strings.Join(lines, "\n  ") + "\n"
	}
	workload := func(fields string) string {
		return cluster("name: wrong", `version: "1.36"`, "nodePools: [{name: user, count: 1}]", "workloads:", "- {kind: Deployment, name: ok}", "- {"+fields+"}")
	}
	pool := func(fields string) string {
		return cluster("name: wrong", `version: "1.36"`, "nodePools:", "- {"+fields+"}")
	}
	for name, c := range map[string]struct {
		file      string
		wantLine  int
		wantField string
		wantText  string
	}{
		"an empty file":             {"", 0, "", "empty"},
		"no clusters":               {"nodes: {}", 1, "clusters", "at least one cluster"},
		"not YAML":                  {"clusters: [", 1, "", "did not find"},
		"two documents":             {cluster("name: a", `version: "1.36"`, "nodePools: [{name: u, count: 1}]") + "---\n{}\n", 0, "", "more than one document"},
		"an unknown field":          {cluster("name: wrong", "size: 3"), 6, "clusters[1].size", "no such field"},
		"a text where a number is":  {pool("name: user, count: many"), 8, "clusters[1].nodePools[0].count", `"many" does not fit here: want a whole number`},
		"a list where a text is":    {cluster("name: [a]"), 5, "clusters[1].name", "what is written does not fit here: want a text"},
		"no name":                   {cluster(`version: "1.36"`), 5, "clusters[1].name", "name is missing"},
		"a name with capitals":      {cluster("name: Wrong"), 5, "clusters[1].name", "lower-case"},
		"a name that is too long":   {cluster("name: " + strings.Repeat("x", 41)), 5, "clusters[1].name", "at most 40"},
		"two clusters of one name":  {cluster("name: right", `version: "1.36"`, "nodePools: [{name: u, count: 1}]"), 5, "clusters[1].name", "two clusters"},
		"a version with a v":        {cluster("name: wrong", "version: v1.36.0"), 6, "clusters[1].version", "not a version"},
		"no node pools":             {cluster("name: wrong", `version: "1.36"`), 5, "clusters[1].nodePools", "at least one"},
		"two pools of one name":     {cluster("name: wrong", `version: "1.36"`, "nodePools: [{name: u, count: 1}, {name: u, count: 1}]"), 7, "clusters[1].nodePools[1].name", "two node pools"},
		"an unknown mode":           {pool("name: user, count: 1, mode: Gpu"), 8, "clusters[1].nodePools[0].mode", "neither System nor User"},
		"no nodes":                  {pool("name: user, count: 0"), 8, "clusters[1].nodePools[0].count", "from 1 to 1000"},
		"too many nodes":            {pool("name: user, count: 1001"), 8, "clusters[1].nodePools[0].count", "from 1 to 1000"},
		"a CPU that is no quantity": {pool("name: user, count: 1, cpu: lots"), 8, "clusters[1].nodePools[0].cpu", "not a quantity"},
		"a zone that is no label":   {pool("name: user, count: 1, zones: [a, b c]"), 8, "clusters[1].nodePools[0].zones[1]", "label"},
		"negative pods":             {pool("name: user, count: 1, maxPods: -1"), 8, "clusters[1].nodePools[0].maxPods", "less than 1"},
		"a pool's version":          {pool("name: user, count: 1, version: new"), 8, "clusters[1].nodePools[0].version", "not a version"},
		"an unknown kind":           {workload("kind: CronJob, name: a"), 10, "clusters[1].workloads[1].kind", "none of"},
		"two workloads of one name": {workload("kind: StatefulSet, name: ok"), 10, "clusters[1].workloads[1].name", "two workloads"},
		"replicas of a DaemonSet":   {workload("kind: DaemonSet, name: a, replicas: 2"), 10, "clusters[1].workloads[1].replicas", "has no replicas"},
		"an unknown pool":           {workload("kind: Pod, name: a, nodePool: gpu"), 10, "clusters[1].workloads[1].nodePool", "no node pool gpu"},
		"a delay without a unit":    {workload("kind: Pod, name: a, startDelay: 5"), 10, "clusters[1].workloads[1].startDelay", `"5" is not a duration`},
		"a negative delay":          {workload("kind: Pod, name: a, startDelay: -5s"), 10, "clusters[1].workloads[1].startDelay", "not a duration"},
		"a delay that is a list":    {workload("kind: Pod, name: a, stopDelay: [1s]"), 10, "clusters[1].workloads[1].stopDelay", "what is written is not a duration"},
		"a long text for a number":  {pool("name: user, count: as many as there are"), 8, "clusters[1].nodePools[0].count", "want a whole number"},
		"a region that is no label": {cluster("name: wrong", `version: "1.36"`, "region: Japan East"), 7, "clusters[1].region", "label"},
		"no pods at all":            {pool("name: user, count: 1, maxPods: 0"), 8, "clusters[1].nodePools[0].maxPods", "less than 1"},
		"no replicas at all":        {workload("kind: Deployment, name: a, replicas: 0"), 10, "clusters[1].workloads[1].replicas", "from 1 to 10000"},
		"negative replicas":         {workload("kind: Deployment, name: a, replicas: -1"), 10, "clusters[1].workloads[1].replicas", "from 1 to 10000"},
		"too many replicas":         {workload("kind: Job, name: a, replicas: 99999999999"), 10, "clusters[1].workloads[1].replicas", "from 1 to 10000"},
		"no replicas of a bare pod": {workload("kind: Pod, name: a, replicas: 0"), 10, "clusters[1].workloads[1].replicas", "has no replicas"},
		"a budget with a sign":      {workload(`kind: Deployment, name: a, pdb: {maxUnavailable: "+5%"}`), 10, "clusters[1].workloads[1].pdb.maxUnavailable", "percentage"},
		"half a second of grace":    {workload("kind: Pod, name: a, terminationGracePeriod: 500ms"), 10, "clusters[1].workloads[1].terminationGracePeriod", "whole number of seconds"},
		"an empty budget":           {workload("kind: Deployment, name: a, pdb: {}"), 10, "clusters[1].workloads[1].pdb", "exactly one"},
		"a budget with both":        {workload("kind: Deployment, name: a, pdb: {minAvailable: 1, maxUnavailable: 1}"), 10, "clusters[1].workloads[1].pdb", "exactly one"},
		"a budget of 101%":          {workload(`kind: Deployment, name: a, pdb: {maxUnavailable: "101%"}`), 10, "clusters[1].workloads[1].pdb.maxUnavailable", "percentage"},
		"a budget of some":          {workload("kind: Deployment, name: a, pdb: {minAvailable: some}"), 10, "clusters[1].workloads[1].pdb.minAvailable", "neither a number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.file))
			var got *FieldError
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want a FieldError", err)
			}
			if got.Line != c.wantLine || got.Field != c.wantField || !strings.Contains(got.Problem, c.wantText) {
				t.Errorf("got %q, want line %d, field %q and %q", got, c.wantLine, c.wantField, c.wantText)
			}
		})
	}
}
