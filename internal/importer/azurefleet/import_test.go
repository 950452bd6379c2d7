// SPDX-License-Identifier: Apache-2.0

package azurefleet_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/importer/azurefleet"
)

var update = flag.Bool("update", false, "write the golden files anew")

// story is all that an import gives: the objects as YAML, then the notes.
func story(t *testing.T, r *azurefleet.Result) string {
	t.Helper()
	var b strings.Builder
	var objects []any
	for i := range r.Strategies {
		objects = append(objects, &r.Strategies[i])
	}
	for i := range r.Runs {
		objects = append(objects, &r.Runs[i])
	}
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n" + string(text))
	}
	b.WriteString("---\n")
	for _, n := range r.Notes {
		b.WriteString("# " + n.String() + "\n")
	}
	return b.String()
}

// TestExamples: files as Azure's documentation and tools write them, each with what it becomes in the file beside it.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := azurefleet.Import(content, azurefleet.Options{Name: "unnamed"})
			if err != nil {
				t.Fatal(err)
			}
			got := story(t, r)
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got), run with -update when it is right:\n%s", golden, diff)
			}
		})
	}
}

// strategyOf is an update strategy with the text of its stages.
func strategyOf(stages string) string {
	return `{"name":"s","properties":{"strategy":{"stages":` + stages + `}}}`
}

// runOf is an update run with the text of its properties.
func runOf(properties string) string {
	return `{"name":"r","type":"Microsoft.ContainerService/fleets/updateRuns","properties":{` + properties + `}}`
}

// inGroup is a stage with one group that has these fields too.
func inGroup(fields string) string {
	return strategyOf(`[{"name":"a","groups":[{"name":"g",` + fields + `}]}]`)
}

func TestInputThatIsRefused(t *testing.T) {
	full := `"managedClusterUpdate":{"upgrade":{"type":"Full","kubernetesVersion":"1.37.2"}}`
	for name, tc := range map[string]struct{ input, want string }{
		"empty":                      {"", "it is empty"},
		"YAML":                       {"stages:\n- name: a\n", "it is not JSON: export with '-o json'"},
		"UTF-16":                     {"\xff\xfe{\x00}\x00", "it is UTF-16, as PowerShell writes it"},
		"no text":                    {"{\"a\":\"\xff\"}", "it is not UTF-8 text"},
		"wrong JSON":                 {`{"a":}`, "it is not JSON: invalid character"},
		"cut off":                    {strategyOf(`[]`)[:30], "it ends in the middle"},
		"two values":                 {`{} {}`, "something follows the JSON"},
		"huge":                       {`{"a":"` + strings.Repeat("x", 16<<20) + `"}`, "and at most 16777216 are read"},
		"a key twice":                {strategyOf(`[{"name":"a","name":"b"}]`), "properties.strategy.stages[0].name is there twice"},
		"another resource":           {`{"type":"Microsoft.ContainerService/managedClusters","name":"m"}`, "neither an update strategy nor an update run (no equal: it: a resource of type microsoft.containerservice/managedclusters"},
		"something else":             {`{"kind":"Pod"}`, "neither an update strategy nor an update run"},
		"a list of numbers":          {`[1]`, "[0] is no resource of Azure but 1"},
		"nothing in it":              {`[]`, "neither an update strategy nor an update run"},
		"no name":                    {`{"properties":{"strategy":{"stages":[]}}}`, "it has no name: say one with --name"},
		"a name that no object has":  {`{"name":"A_b","strategy":{"stages":[]}}`, `it has the name "A_b"`},
		"an expression":              {`{"name":"[parameters('x')]","strategy":{"stages":[]}}`, "name is an expression of a template"},
		"an expression in a version": {runOf(`"managedClusterUpdate":{"upgrade":{"type":"Full","kubernetesVersion":"[parameters('v')]"}}`), "kubernetesVersion is an expression of a template"},
		"no stages":                  {strategyOf(`[]`), "properties.strategy holds 0 stages"},
		"stages that are no list":    {strategyOf(`7`), "properties.strategy.stages must be a list, and is 7"},
		"a stage that is no object":  {strategyOf(`["a"]`), `properties.strategy.stages[0] must be an object, and is "a"`},
		"no strategy":                {`{"type":"Microsoft.ContainerService/fleets/updateStrategies","name":"s","properties":{}}`, "properties.strategy is missing"},
		"a stage without a name":     {strategyOf(`[{}]`), "stages[0] has no name"},
		"a stage without clusters":   {strategyOf(`[{"name":"a"}]`), "neither groups nor a memberSelector"},
		"two stages of one name":     {strategyOf(`[{"name":"a","groups":[{"name":"g"}]},{"name":"a"}]`), "which another one beside it has"},
		"a number of concurrency":    {inGroup(`"maxConcurrency":3`), "maxConcurrency must be a string, and is 3"},
		"no concurrency":             {inGroup(`"maxConcurrency":"0"`), `maxConcurrency is "0", and must be a number`},
		"too many failures":          {inGroup(`"maxAllowedFailures":"101%"`), `maxAllowedFailures is "101%"`},
		"a negative wait":            {strategyOf(`[{"name":"a","groups":[{"name":"g"}],"afterStageWaitInSeconds":-1}]`), "afterStageWaitInSeconds is -1, which is no time to wait"},
		"a wait beyond all time":     {strategyOf(`[{"name":"a","groups":[{"name":"g"}],"afterStageWaitInSeconds":9223372037}]`), "which is no time to wait"},
		"a wait in words":            {strategyOf(`[{"name":"a","groups":[{"name":"g"}],"afterStageWaitInSeconds":"1h"}]`), "must be a whole number"},
		"a selector of nothing":      {inGroup(`"memberSelector":{"byLabel":""}`), "selects nothing on purpose"},
		"a selector nobody reads":    {inGroup(`"memberSelector":{"byLabel":"a in ("}`), "cannot be read as a label selector"},
		"a selector of numbers":      {inGroup(`"memberSelector":{"byLabel":"a>3"}`), "compares numbers"},
		"an unknown gate":            {inGroup(`"beforeGates":[{"displayName":"x","type":"Moon"}]`), `is of type "Moon"`},
		"nine gates":                 {inGroup(`"beforeGates":[` + strings.Repeat(`{"type":"Approval"},`, 8) + `{"type":"Approval"}]`), "holds 9 gates"},
		"a start without a time":     {inGroup(`"beforeGates":[{"type":"ScheduledStart"}]`), "scheduledStartConfiguration is missing"},
		"a start on no day":          {inGroup(start("Someday", "10:00", "+00:00")), `startDay is "Someday"`},
		"a start at no time":         {inGroup(start("Friday", "25:00", "+00:00")), `startTime is "25:00"`},
		"an offset too far":          {inGroup(start("Friday", "10:00", "+14:30")), `utcOffset is "+14:30"`},
		"an offset in words":         {inGroup(start("Friday", "10:00", "CET")), `utcOffset is "CET"`},
		"no update":                  {runOf(``), "managedClusterUpdate is missing"},
		"no upgrade":                 {runOf(`"managedClusterUpdate":{}`), "upgrade is missing"},
		"an unknown type":            {runOf(`"managedClusterUpdate":{"upgrade":{"type":"Half"}}`), `type is "Half"`},
		"no version":                 {runOf(`"managedClusterUpdate":{"upgrade":{"type":"Full"}}`), `kubernetesVersion is ""`},
		"a version with images":      {runOf(`"managedClusterUpdate":{"upgrade":{"type":"NodeImageOnly","kubernetesVersion":"1.37"}}`), "goes with type Full and ControlPlaneOnly only"},
		"unknown images":             {runOf(`"managedClusterUpdate":{"upgrade":{"type":"NodeImageOnly"},"nodeImageSelection":{"type":"Newest"}}`), `type is "Newest"`},
		"custom without images":      {runOf(`"managedClusterUpdate":{"upgrade":{"type":"NodeImageOnly"},"nodeImageSelection":{"type":"Custom"}}`), "holds 0 images"},
		"a run's name is too long":   {`{"name":"` + strings.Repeat("r", 51) + `","managedClusterUpdate":{}}`, "at most 50"},
		"a strategy with no name":    {runOf(full + `,"updateStrategyId":"/x/"`), "updateStrategyId has the name"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := azurefleet.Import([]byte(tc.input), azurefleet.Options{})
			if err == nil {
				t.Fatalf("it was imported:\n%s", story(t, r))
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q, want one line with %q", err, tc.want)
			}
		})
	}
}

func start(day, at, offset string) string {
	return `"beforeGates":[{"type":"ScheduledStart","scheduledStartConfiguration":{"startDay":"` + day + `","startTime":"` + at + `","utcOffset":"` + offset + `"}}]`
}

// TestAStartKeepsItsInstant: whatever the offset, the gate opens at the same time as there.
func TestAStartKeepsItsInstant(t *testing.T) {
	for name, tc := range map[string]struct{ day, at, offset, wantNext, wantZone string }{
		"UTC":                             {"Monday", "09:00", "+00:00", "MON 09:00", "Etc/UTC"},
		"no offset is UTC":                {"monday", "09:00", "", "MON 09:00", "Etc/UTC"},
		"minus nothing is UTC":            {"Monday", "09:00", "-00:00", "MON 09:00", "Etc/UTC"},
		"east":                            {"Tuesday", "09:00", "+09:00", "TUE 09:00", "Etc/GMT-9"},
		"west":                            {"Friday", "18:00", "-05:00", "FRI 18:00", "Etc/GMT+5"},
		"as far east as there is":         {"Friday", "18:00", "+14:00", "FRI 18:00", "Etc/GMT-14"},
		"as far west as zones go":         {"Friday", "18:00", "-12:00", "FRI 18:00", "Etc/GMT+12"},
		"farther west: the next day":      {"Friday", "18:00", "-13:00", "SAT 07:00", "Etc/UTC"},
		"half an hour":                    {"Thursday", "10:00", "+05:30", "THU 04:30", "Etc/UTC"},
		"half an hour: the day before":    {"Thursday", "00:10", "+05:30", "WED 18:40", "Etc/UTC"},
		"three quarters: the week before": {"Sunday", "02:00", "+05:45", "SAT 20:15", "Etc/UTC"},
		"half an hour west: next week":    {"Saturday", "23:00", "-03:30", "SUN 02:30", "Etc/UTC"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := azurefleet.Import([]byte(inGroup(start(tc.day, tc.at, tc.offset))), azurefleet.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := r.Strategies[0].Spec.Stages[0].Groups[0].BeforeGates[0].ScheduledStart
			if got.Next != tc.wantNext || got.TimeZone != tc.wantZone {
				t.Errorf("%s in %s, want %s in %s", got.Next, got.TimeZone, tc.wantNext, tc.wantZone)
			}
		})
	}
}

func TestSelectors(t *testing.T) {
	in := func(key string, op metav1.LabelSelectorOperator, values ...string) metav1.LabelSelectorRequirement {
		return metav1.LabelSelectorRequirement{Key: key, Operator: op, Values: values}
	}
	for name, tc := range map[string]struct {
		text string
		want metav1.LabelSelector
	}{
		"equal":           {"a=1,b==2", metav1.LabelSelector{MatchLabels: map[string]string{"a": "1", "b": "2"}}},
		"not equal":       {"a!=1", metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{in("a", "NotIn", "1")}}},
		"sets":            {"a in (2,1), b notin (3)", metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{in("a", "In", "1", "2"), in("b", "NotIn", "3")}}},
		"there or not":    {"a,!b", metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{in("a", "Exists"), in("b", "DoesNotExist")}}},
		"one label twice": {"a=1,a=2", metav1.LabelSelector{MatchLabels: map[string]string{"a": "1"}, MatchExpressions: []metav1.LabelSelectorRequirement{in("a", "In", "2")}}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := azurefleet.Import([]byte(inGroup(`"memberSelector":{"byLabel":"`+tc.text+`"}`)), azurefleet.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := r.Strategies[0].Spec.Stages[0].Groups[0].Selector
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestAStageThatAllowsNothingKeepsDoingSo: there a stage that says nothing allows no failure, here it allows as many as
// its groups.
func TestAStageThatAllowsNothingKeepsDoingSo(t *testing.T) {
	for name, tc := range map[string]struct{ input, want string }{
		"a group allows some":   {inGroup(`"maxAllowedFailures":"2"`), "0"},
		"a group allows none":   {inGroup(`"maxAllowedFailures":"0"`), "<nil>"},
		"nobody says anything":  {inGroup(`"maxConcurrency":"1"`), "<nil>"},
		"the stage allows some": {strategyOf(`[{"name":"a","maxAllowedFailures":"3","groups":[{"name":"g"}]}]`), "3"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := azurefleet.Import([]byte(tc.input), azurefleet.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := "<nil>"
			if limit := r.Strategies[0].Spec.Stages[0].MaxFailures; limit != nil {
				got = limit.String()
			}
			if got != tc.want {
				t.Errorf("the stage allows %s failures, want %s", got, tc.want)
			}
		})
	}
}

// TestOptions: a byte order mark is no obstacle, and people choose the label of groups.
func TestOptions(t *testing.T) {
	bom := append([]byte("\xef\xbb\xbf"), inGroup(`"maxConcurrency":"100%"`)...)
	r, err := azurefleet.Import(bytes.TrimSpace(bom), azurefleet.Options{GroupLabel: "team"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"team": "g"}
	if diff := cmp.Diff(want, r.Strategies[0].Spec.Stages[0].Groups[0].Selector.MatchLabels); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r, err = azurefleet.Import([]byte(runOf(`"managedClusterUpdate":{"upgrade":{"type":"Full","kubernetesVersion":"1.37"}}`)), azurefleet.Options{}); err != nil {
		t.Fatal(err)
	}
	if state := r.Runs[0].Spec.State; state != v1alpha1.RunStatePause {
		t.Errorf("the run is %q, and applying it would start it", state)
	}
}

// FuzzImport: whatever a file holds, an import ends with objects or with one sentence.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{strategyOf(`[{"name":"a"}]`), runOf(``), `{"value":[null]}`, `[[]]`, `{"resources":{"a":{"type":"x/y"}}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := azurefleet.Import(content, azurefleet.Options{Name: "n"})
		if (r == nil) == (err == nil) {
			t.Errorf("result %v with error %v", r, err)
		}
	})
}
