// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view/viewtest"
)

// theRun reads the run of the scenes.
func (s *session) theRun() *v1alpha1.UpgradeRun {
	s.t.Helper()
	run, err := operation.GetRun(s.t.Context(), s.client(), types.NamespacedName{Namespace: s.namespace, Name: "to-1-37"})
	if err != nil {
		s.t.Fatal(err)
	}
	return run
}

func TestARunIsCreatedAndSteered(t *testing.T) {
	s := newSession(t)
	s.strategy()
	steps := []struct {
		line, want string
	}{
		{"run create to-1-37 --to 1.37 --strategy staging-first -l env!=lab", "upgraderun.sengu.dev/to-1-37 created\n"},
		{"run pause to-1-37", "upgraderun.sengu.dev/to-1-37 paused: clusters in flight go to a safe point\n"},
		{"run pause to-1-37", "upgraderun.sengu.dev/to-1-37 is paused already\n"},
		{"run resume to-1-37", "upgraderun.sengu.dev/to-1-37 resumed\n"},
		{"run resume to-1-37", "upgraderun.sengu.dev/to-1-37 is not paused\n"},
		{"run skip to-1-37 soak staging --reason urgent", "upgraderun.sengu.dev/to-1-37 skips soak staging\n"},
		{"run skip to-1-37 soak staging --reason again", "upgraderun.sengu.dev/to-1-37 skips soak staging already\n"},
		{"run stop to-1-37", "upgraderun.sengu.dev/to-1-37 stopped: clusters in flight go to a safe point\n"},
		{"run stop to-1-37", "upgraderun.sengu.dev/to-1-37 is stopped already\n"},
	}
	for _, step := range steps {
		if got := s.must(step.line); got != step.want {
			t.Errorf("sengu %s says %q, want %q", step.line, got, step.want)
		}
	}
	run := s.theRun()
	if run.Spec.State != v1alpha1.RunStateStop || len(run.Spec.Skip) != 1 || run.Spec.ClusterSelector == nil {
		t.Errorf("the run is %+v", run.Spec)
	}
	if r := s.do("run resume to-1-37"); r.code != 1 || !strings.Contains(r.errOut, "is being stopped, which is final") {
		t.Errorf("a stopped run is resumed with exit code %d: %s", r.code, r.errOut)
	}
	s.must("run delete to-1-37")
	if r := s.do("run list"); r.code != 0 || r.errOut != "No resources found.\n" {
		t.Errorf("after the deletion the list is %q %q", r.out, r.errOut)
	}
}

func TestRunsThatAreRefused(t *testing.T) {
	s := newSession(t)
	s.strategy()
	s.must("run create to-1-37 --to 1.37 --strategy staging-first")
	s.play(doneScene())
	tests := map[string]struct {
		line      string
		wantCode  int
		wantError string
	}{
		"no name":                      {"run create --to 1.37 --strategy staging-first", 2, `"sengu run create" needs NAME`},
		"no version":                   {"run create x --strategy staging-first", 2, "--to is needed"},
		"no strategy":                  {"run create x --to 1.37", 2, "--strategy is needed"},
		"a strategy that is not there": {"run create x --to 1.37 --strategy nope", 1, `there is no strategy "nope"`},
		"a version of words":           {"run create x --to latest --strategy staging-first", 2, `run "x" is not valid: spec.target.kubernetes: "latest"`},
		"an unknown scope":             {"run create x --to 1.37 --scope Nodes --strategy staging-first", 2, `--scope is "Nodes": say Full, ControlPlaneOnly, NodeImageOnly`},
		"a version for images only":    {"run create x --to 1.37 --scope nodeimageonly --strategy staging-first", 2, "--to does not go with --scope NodeImageOnly"},
		"a selector that is none":      {"run create x --to 1.37 --strategy staging-first -l a=b=c", 2, `--selector "a=b=c" cannot be read`},
		"a name that is too long":      {"run create " + strings.Repeat("x", 51) + " --to 1.37 --strategy staging-first", 2, "the name of a run has at most 50 characters"},
		"a name that is taken":         {"run create to-1-37 --to 1.37 --strategy staging-first", 1, `run "to-1-37" exists already`},
		"a run that is not there":      {"run pause nope", 1, `there is no run "nope"`},
		"a run that ended":             {"run pause to-1-37", 1, `run "to-1-37" is Succeeded: there is nothing to pause`},
		"a retry without failures":     {"run retry to-1-37", 1, "no cluster of run \"to-1-37\" has failed"},
		"a skip without a reason":      {"run skip to-1-37 stage staging", 2, "--reason is needed"},
		"a skip of nothing":            {"run skip to-1-37 --reason x", 2, `"sengu run skip" needs cluster|group|stage|soak|gate and PATH`},
		"a skip of a wrong word":       {"run skip to-1-37 node n1 --reason x", 2, `"node" cannot be skipped`},
		"too many words":               {"run pause a b", 2, `"sengu run pause" takes NAME, and "b" is too much`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.do(tc.line)
			if r.code != tc.wantCode || !strings.Contains(r.errOut, tc.wantError) {
				t.Errorf("exit code %d and %q, want %d and %q", r.code, r.errOut, tc.wantCode, tc.wantError)
			}
			if n := strings.Count(r.errOut, "error:"); n != 1 {
				t.Errorf("%d errors are told, want one sentence: %s", n, r.errOut)
			}
		})
	}
}

func TestARunIsLookedAt(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.Draining())
	out := s.must("run list")
	if want := "to-1-37   1.37.2   Running   1/5        canary"; !strings.Contains(out, want) {
		t.Errorf("the list has no %q:\n%s", want, out)
	}
	out = s.must("run describe to-1-37")
	for _, want := range []string{
		"node user-7: 2 pods left, waiting for budget shop/cart (healthy 3, needs 3) for",
		"gate approve (before) closed: 1 of 2 approvals",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the description has no %q:\n%s", want, out)
		}
	}
	if out := strings.Join(strings.Fields(s.must("run list -A -o wide")), " "); !strings.Contains(out, s.namespace+" to-1-37") {
		t.Errorf("the list of all fleets has no row of this one:\n%s", out)
	}
}

func TestStrategiesAreLookedAt(t *testing.T) {
	s := newSession(t)
	s.strategy()
	if out := s.must("strategy list"); !strings.Contains(out, "staging-first   staging → canary → production   25%") {
		t.Errorf("the list is:\n%s", out)
	}
	out := s.must("strategy describe staging-first")
	for _, want := range []string{"1. staging", "group all: env=staging, 1 at once, 0 allowed to fail", "soak: 30s of healthy time", "before: gate approve, 2 approvals by group:platform"} {
		if !strings.Contains(out, want) {
			t.Errorf("the description has no %q:\n%s", want, out)
		}
	}
}
