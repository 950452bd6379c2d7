// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"strings"
	"testing"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
	"sengu.dev/sengu/internal/view/viewtest"
)

// decided is a decider that starts the staging cluster of the scenes, and remembers what it was asked about.
func (s *session) decided(seen *rollout.Snapshot) {
	s.config.Plan = func(snapshot rollout.Snapshot, _ time.Time) rollout.Decision {
		*seen = snapshot
		return rollout.Decision{
			Status: viewtest.NewScene().Run.Status,
			Actions: []rollout.Action{{
				Kind: rollout.ActionStartCluster, Stage: "staging", Group: "all", Cluster: "staging-1",
				Spec: &v1alpha1.ClusterUpgradeSpec{Hops: []string{"1.37.2"}}, Reason: "first of its group",
			}},
		}
	}
}

func TestAPlanIsMadeWithoutARun(t *testing.T) {
	s := newSession(t)
	s.strategy()
	s.must("cluster add staging-1 --provider simulated --simulated-version 1.36.1 -L env=staging")
	var seen rollout.Snapshot
	s.decided(&seen)
	out := s.must("run plan --to 1.37 --strategy staging-first -l env=staging")
	if want := "  start cluster staging-1 (staging/all), by 1.37.2: first of its group\n"; !strings.Contains(out, want) {
		t.Errorf("the plan has no %q:\n%s", want, out)
	}
	if seen.Run.Spec.Target.Kubernetes != "1.37" || seen.Strategy == nil || len(seen.Clusters) != 1 || seen.Run.Spec.ClusterSelector == nil {
		t.Errorf("it was decided on %+v", seen)
	}
	if out := s.must("run list -o name"); out != "" {
		t.Errorf("the plan left a run behind: %s", out)
	}
}

func TestAPlanGoesOnForARunThatExists(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.Draining())
	var seen rollout.Snapshot
	s.decided(&seen)
	s.must("run plan to-1-37")
	if seen.Run.Name != "to-1-37" || len(seen.Upgrades) != 2 || len(seen.Gates) != 1 {
		t.Errorf("it was decided on %d upgrades and %d gates of %s", len(seen.Upgrades), len(seen.Gates), seen.Run.Name)
	}
	if out, want := s.must("run plan to-1-37 -o jsonpath={.status.resolved.version}"), "1.37.2"; out != want {
		t.Errorf("-o jsonpath says %q, want %q", out, want)
	}
}

func TestPlansThatAreRefused(t *testing.T) {
	s := newSession(t)
	s.strategy()
	s.config.Plan = func(rollout.Snapshot, time.Time) rollout.Decision {
		return rollout.Decision{Status: v1alpha1.UpgradeRunStatus{
			Phase: v1alpha1.RunPhaseNotStarted, Waiting: &v1alpha1.Waiting{Reason: v1alpha1.ReasonDowngrade, Message: "cluster a runs 1.38.0, which is newer"},
		}}
	}
	tests := map[string]struct {
		line      string
		wantCode  int
		wantError string
	}{
		"nothing to plan":        {"run plan", 2, "'sengu run plan' needs NAME of a run, or --to and --strategy, or -f FILE"},
		"a run that is not":      {"run plan nope", 1, `there is no run "nope"`},
		"half a description":     {"run plan --to 1.37", 2, "--strategy is needed"},
		"the decision says no":   {"run plan --to 1.37 --strategy staging-first", 1, `the run would not start: cluster a runs 1.38.0, which is newer`},
		"the hub's rules say no": {"run plan --to 1 --strategy staging-first", 2, `run "plan" is not valid: spec.target.kubernetes`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.do(tc.line)
			if r.code != tc.wantCode || !strings.Contains(r.errOut, tc.wantError) {
				t.Errorf("exit code %d and %q, want %d and %q", r.code, r.errOut, tc.wantCode, tc.wantError)
			}
		})
	}
}
