// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

// playFleet plays a scene with its clusters.
func (s *session) playFleet(f *viewtest.Fleet) {
	s.t.Helper()
	for _, c := range f.Others.Clusters {
		status := c.Status
		put(s, c.DeepCopy(), func(c *v1alpha1.Cluster) { c.Status = status })
	}
	f.Run.Status.ObservedGeneration = 1 // the controllers have seen it
	for _, u := range f.Upgrades {
		u.Status.ObservedGeneration = 1
	}
	s.play(f.Scene)
}

func TestWhyNamesTheOneThing(t *testing.T) {
	s := newSession(t)
	s.playFleet(viewtest.NewFleet(viewtest.Draining()))
	headline := "Budget shop/cart lets no pod leave node user-7 of cluster canary-1: healthy 3, needs 3"
	tests := map[string]struct {
		line string
		want []string
	}{
		"of a run": {"why run to-1-37", []string{
			headline + ".\n", "    kubectl -n shop describe pdb cart\n", "  run to-1-37 ", "  cluster canary-1     DrainBlocked ", "  budget shop/cart     BudgetExhausted ",
			"Next change: when budget shop/cart allows an eviction, which is watched.\n",
		}},
		"of a cluster":                {"why cluster canary-1", []string{headline + ".\n", "works on it in stage canary"}},
		"of a cluster behind it":      {"why cluster prod-berlin-1", []string{"Cluster prod-berlin-1 comes after stage canary: b" + headline[1:] + ".\n"}},
		"of a run by its name alone":  {"why to-1-37", []string{headline + ".\n"}},
		"of a cluster by name alone":  {"why staging-1", []string{"Nothing waits: run to-1-37 has brought cluster staging-1 to 1.37.2.\n"}},
		"in the words of kubectl get": {"why runs to-1-37", []string{headline + ".\n"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			out := s.must(tc.line)
			for _, want := range tc.want {
				if !strings.Contains(out, want) {
					t.Errorf("it has no %q:\n%s", want, out)
				}
			}
		})
	}
	for _, format := range []string{"json", "yaml"} {
		var e view.Explanation
		out := s.must("why run to-1-37 -o " + format)
		asJSON, err := yaml.YAMLToJSON([]byte(out))
		if err != nil || json.Unmarshal(asJSON, &e) != nil || e.Reason != v1alpha1.ReasonBudgetExhausted || len(e.Chain) != 7 {
			t.Errorf("-o %s (%v) is read as %+v:\n%s", format, err, e, out)
		}
	}
}

func TestWhyGivesCommandsThatAreTypedAsTheyStand(t *testing.T) {
	s := newSession(t)
	s.strategy()
	s.must("run create waits --to 1.37 --strategy staging-first") // and no controller runs here
	if out, want := s.must("why waits"), "Nobody has looked at run waits since it was created"; !strings.HasPrefix(out, want) {
		t.Errorf("a run without controllers is explained as\n%s", out)
	}
	scene := viewtest.NewScene()
	scene.Run.Spec.State, scene.Run.Status.Phase = v1alpha1.RunStatePause, v1alpha1.RunPhasePaused
	scene.Run.Status.Waiting, scene.Run.Status.ObservedGeneration = &v1alpha1.Waiting{Reason: v1alpha1.ReasonPausedByUser}, 1
	s.play(scene)
	s.config.Program = "kubectl-sengu"
	if out, want := s.must("why to-1-37 -n "+s.namespace), "\n    kubectl sengu -n "+s.namespace+" run resume to-1-37\n"; !strings.Contains(out, want) {
		t.Errorf("it has no %q:\n%s", want, out)
	}
}

func TestWhyThatCannotBeAnswered(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.Draining())
	s.must("cluster add to-1-37 --provider simulated --simulated-version 1.36.1")
	tests := map[string]struct {
		line      string
		wantCode  int
		wantError string
	}{
		"nothing of that name":  {"why nope", 1, `there is no run or cluster "nope" in namespace`},
		"no run of that name":   {"why run canary-1", 1, `there is no run "canary-1"`},
		"no such cluster":       {"why cluster nope", 1, `there is no cluster "nope"`},
		"two of that name":      {"why to-1-37", 2, `there is a run and a cluster "to-1-37": say 'sengu why run to-1-37' or 'sengu why cluster to-1-37'`},
		"no name":               {"why", 2, `"sengu why" needs NAME`},
		"no name of a run":      {"why run", 2, `"sengu why run" needs NAME`},
		"a kind that is not":    {"why strategy x", 2, `"x" is too much`},
		"a format that is not":  {"why run to-1-37 -o wide", 2, `output format "wide" is not known: say json or yaml`},
		"a kubeconfig to where": {"why to-1-37 --kubeconfig /nowhere", 2, "/nowhere"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.do(tc.line)
			if r.code != tc.wantCode || !strings.Contains(r.errOut, tc.wantError) || r.out != "" {
				t.Errorf("exit code %d, %q and output %q, want %d and %q", r.code, r.errOut, r.out, tc.wantCode, tc.wantError)
			}
		})
	}
	r := s.run(t.Context(), "", "__complete", "why", "to")
	if got, _, _ := strings.Cut(r.out, ":4"); got != "to-1-37\nto-1-37\n" {
		t.Errorf("completed with %q", r.out)
	}
}
