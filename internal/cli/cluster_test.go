// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/hub/hubtest"
)

func TestAClusterIsAddedLookedAtAndRemoved(t *testing.T) {
	s := newSession(t)
	token := write(t, "token", "lab-secret-token\n")

	out := s.must("cluster add staging-1 --provider local --lab-endpoint http://127.0.0.1:1 --lab-token-file " + token + " --label env=staging --max-surge 2")
	if want := "cluster.sengu.dev/staging-1 added\n"; out != want {
		t.Errorf("add says %q, want %q", out, want)
	}
	if got := string(s.secret("staging-1-lab-token").Data["token"]); got != "lab-secret-token" {
		t.Errorf("the token is stored as %q", got)
	}
	if out := s.must("cluster list"); !strings.Contains(out, "staging-1   local") {
		t.Errorf("the list has no row of the cluster:\n%s", out)
	}
	if out, want := s.must("cluster get staging-1 -o jsonpath={.spec.nodeRollout.maxSurge}"), "2"; out != want {
		t.Errorf("maxSurge is %q, want %q", out, want)
	}
	if out, want := s.must("cluster list -o name"), "cluster.sengu.dev/staging-1\n"; out != want {
		t.Errorf("-o name says %q, want %q", out, want)
	}
	if out := s.must("cluster get staging-1 -o yaml"); !strings.HasPrefix(out, "apiVersion: sengu.dev/v1alpha1\nkind: Cluster\n") {
		t.Errorf("-o yaml of one cluster does not begin with its kind:\n%s", out)
	}
	if out := s.must("cluster describe staging-1"); !strings.Contains(out, "local, staging-1 of the lab at http://127.0.0.1:1") || strings.Contains(out, "lab-secret-token") {
		t.Errorf("describe says:\n%s", out)
	}
	if out := s.must("cluster list -l env=production"); out != "" {
		t.Errorf("the list by label holds a cluster without it:\n%s", out)
	}
	if out, want := s.must("cluster remove staging-1"), "cluster.sengu.dev/staging-1 removed\n"; out != want {
		t.Errorf("remove says %q, want %q", out, want)
	}
	if r := s.do("cluster describe staging-1"); r.code != 1 {
		t.Errorf("a removed cluster is described with exit code %d: %s", r.code, r.out)
	}
}

func (s *session) secret(name string) *corev1.Secret {
	s.t.Helper()
	c, err := kubernetes.NewForConfig(hubtest.Hub(s.t).AdminConfig())
	if err != nil {
		s.t.Fatal(err)
	}
	secret, err := c.CoreV1().Secrets(s.namespace).Get(s.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

func TestClustersComeFromAFile(t *testing.T) {
	s := newSession(t)
	file := write(t, "clusters.yaml", `
apiVersion: v1
kind: Secret
metadata: {name: lab}
stringData: {token: abc}
---
apiVersion: sengu.dev/v1alpha1
kind: Cluster
metadata: {name: a, labels: {env: staging}}
spec: {provider: {local: {endpoint: "http://127.0.0.1:1", cluster: a, tokenSecretRef: {name: lab, key: token}}}}
---
apiVersion: sengu.dev/v1alpha1
kind: Cluster
metadata: {name: b}
spec: {provider: {simulated: {version: 1.36.1}}}
`)
	if out, want := s.must("cluster add -f "+file), "cluster.sengu.dev/a added\ncluster.sengu.dev/b added\n"; out != want {
		t.Errorf("add -f says %q, want %q", out, want)
	}
	if owners := s.secret("lab").OwnerReferences; len(owners) != 1 || owners[0].Name != "a" {
		t.Errorf("the secret belongs to %v, want cluster a", owners)
	}
}

func TestAdditionsThatAreRefused(t *testing.T) {
	s := newSession(t)
	s.must("cluster add taken --provider simulated --simulated-version 1.36.1")
	tests := map[string]struct {
		line      string
		input     string
		wantCode  int
		wantError string
	}{
		"no name":                  {line: "cluster add --provider local", wantCode: 2, wantError: "'sengu cluster add' needs NAME, or -f FILE"},
		"no provider":              {line: "cluster add x", wantCode: 2, wantError: "error: --provider is needed: aks, local or simulated"},
		"a provider from nowhere":  {line: "cluster add x --provider eks", wantCode: 2, wantError: `--provider is "eks": say aks, local or simulated`},
		"a needed flag is missing": {line: "cluster add x --provider local", wantCode: 2, wantError: "provider local needs --lab-endpoint"},
		"a flag of another":        {line: "cluster add x --provider simulated --simulated-version 1.36.1 --lab-cluster y", wantCode: 2, wantError: "--lab-cluster does not go with --provider simulated"},
		"no token file":            {line: "cluster add x --provider local --lab-endpoint http://127.0.0.1:1 --lab-token-file /nowhere", wantCode: 2, wantError: "/nowhere cannot be read: no such file or directory"},
		"an empty token":           {line: "cluster add x --provider local --lab-endpoint http://127.0.0.1:1 --lab-token-file -", wantCode: 2, wantError: "- has 0 bytes, which cannot be right for a token"},
		"a bad label":              {line: "cluster add x --provider simulated --simulated-version 1.36.1 -L env", wantCode: 2, wantError: `--label "env" is not of the form key=value`},
		"a bad version":            {line: "cluster add x --provider simulated --simulated-version latest", wantCode: 2, wantError: `cluster "x" is not valid: spec.provider.simulated.version: "latest": should match '^[0-9]+\.[0-9]+\.[0-9]+$'`},
		"a bad percentage":         {line: "cluster add x --provider simulated --simulated-version 1.36.1 --max-surge 101%", wantCode: 2, wantError: `must be a number from 0 to 5000 or a percentage from 0% to 100%`},
		"a style of words":         {line: "cluster add x --provider simulated --simulated-version 1.36.1 --simulated-node-style both", wantCode: 2, wantError: "supported values: \"Provider\", \"Sengu\"\n"},
		"a drain of no time":       {line: "cluster add x --provider simulated --simulated-version 1.36.1 --drain-timeout -5m", wantCode: 2, wantError: "spec.nodeRollout.drainTimeout: \"-5m0s\": must be a duration like 90s, 30m or 168h"},
		"a name that is taken":     {line: "cluster add taken --provider simulated --simulated-version 1.36.1", wantCode: 1, wantError: `cluster "taken" exists already: choose another name`},
		"a file with a typo":       {line: "cluster add -f -", input: "apiVersion: sengu.dev/v1alpha1\nkind: Cluster\nmetadata: {name: x}\nspec: {provder: {}}\n", wantCode: 2, wantError: `unknown field "spec.provder"`},
		"a file of other kinds":    {line: "cluster add -f -", input: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n", wantCode: 2, wantError: "only Clusters and their Secrets can be added"},
		"a file of another fleet":  {line: "cluster add -f -", input: "apiVersion: sengu.dev/v1alpha1\nkind: Cluster\nmetadata: {name: x, namespace: other}\nspec: {provider: {simulated: {version: 1.36.1}}}\n", wantCode: 2, wantError: `x is of namespace "other"`},
		"an empty file":            {line: "cluster add -f -", wantCode: 2, wantError: "the standard input holds no Cluster"},
		"a secret nobody needs":    {line: "cluster add -f -", input: "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\napiVersion: sengu.dev/v1alpha1\nkind: Cluster\nmetadata: {name: x}\nspec: {provider: {simulated: {version: 1.36.1}}}\n", wantCode: 2, wantError: `the Secret "s", which none of its Clusters refers to`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.run(t.Context(), tc.input, strings.Fields(tc.line)...)
			if r.code != tc.wantCode || !strings.Contains(r.errOut, tc.wantError) {
				t.Errorf("exit code %d and %q, want %d and %q", r.code, r.errOut, tc.wantCode, tc.wantError)
			}
		})
	}
	clusters := &v1alpha1.ClusterList{}
	if err := s.client().List(t.Context(), clusters, client.InNamespace(s.namespace)); err != nil || len(clusters.Items) != 1 {
		t.Errorf("%d clusters are in the fleet after all refusals (%v), want 1", len(clusters.Items), err)
	}
}

func TestADryRunAddsNothing(t *testing.T) {
	s := newSession(t)
	out := s.must("cluster add x --provider simulated --simulated-version 1.36.1 --dry-run")
	if want := "cluster.sengu.dev/x added (dry run)\n"; out != want {
		t.Errorf("it says %q, want %q", out, want)
	}
	s.must("cluster add x --provider simulated --simulated-version 1.36.1 --dry-run=server")
	if r := s.do("cluster add x --provider simulated --simulated-version 1.36.1 --dry-run=client"); r.code != 2 || !strings.Contains(r.errOut, "say server or none") {
		t.Errorf("a dry run without the hub: exit code %d and %q", r.code, r.errOut)
	}
	if out := s.must("cluster list -o name"); out != "" {
		t.Errorf("the dry run added %s", out)
	}
}
