// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// approved is a strategy of staging and production with an approval between them.
func approved(a v1alpha1.ApprovalGate) func() *v1alpha1.UpgradeStrategySpec {
	return func() *v1alpha1.UpgradeStrategySpec {
		s := order("staging", "production")
		s.Stages[1].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &a}}
		return s
	}
}

func withoutFailures(d *v1alpha1.GateDecision) { d.Condition = v1alpha1.GateConditionNoFailures }

// TestGates tells what opens a gate and what keeps it closed, as TestStories does for the rest.
func TestGates(t *testing.T) {
	const ok = "r-production-before-ok"
	approve, refuse := v1alpha1.GateDecisionApprove, v1alpha1.GateDecisionRefuse
	cases := map[string]struct {
		strategy func() *v1alpha1.UpgradeStrategySpec
		story    func(w *world)
		want     v1alpha1.RunPhase
	}{
		"who started the run cannot approve it alone": {
			strategy: approved(v1alpha1.ApprovalGate{}),
			story: func(w *world) {
				w.settle()
				w.says("eve", approve, ok)
				w.settle()
				w.note("ada approves too")
				w.says("ada", approve, ok)
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"an approval in advance lets the run through": {
			strategy: approved(v1alpha1.ApprovalGate{}),
			story: func(w *world) {
				w.decide()
				w.note("ada approves while staging is under way, if nothing fails")
				w.says("ada", approve, ok, withoutFailures)
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"an approval in advance is void after a failure": {
			strategy: approved(v1alpha1.ApprovalGate{}),
			story: func(w *world) {
				w.fails["staging-1"] = 1
				w.decide()
				w.says("ada", approve, ok, withoutFailures)
				w.settle()
				w.note("the failure is mended")
				w.run.Spec.Attempt = 2
				w.settle()
			},
			want: v1alpha1.RunPhasePending,
		},
		"a gate that is approved stays closed while what comes next is blocked": {
			strategy: approved(v1alpha1.ApprovalGate{}),
			story: func(w *world) {
				w.clusters["production-2"].Status.Readiness = &v1alpha1.ClusterReadiness{Target: "1.37.2", Verdict: v1alpha1.ReadinessBlocked, Blockers: 2}
				w.settle()
				w.says("ada", approve, ok)
				w.settle()
				w.note("the blockers are gone")
				w.clusters["production-2"].Status.Readiness.Verdict = v1alpha1.ReadinessReady
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a gate that is approved stays closed while what comes next is not healthy": {
			strategy: approved(v1alpha1.ApprovalGate{}),
			story: func(w *world) {
				w.health("production-2", metav1.ConditionUnknown)
				w.settle()
				w.says("ada", approve, ok)
				w.settle()
				w.note("it is healthy again")
				w.health("production-2", metav1.ConditionTrue)
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"an approval that comes too late asks anew": {
			strategy: approved(v1alpha1.ApprovalGate{Count: 2, ExpiresAfter: &metav1.Duration{Duration: time.Hour}}),
			story: func(w *world) {
				w.settle()
				w.says("ada", approve, ok)
				w.settle()
				w.now = w.now.Add(2 * time.Hour)
				w.settle()
				w.note("bob approves two hours later, and ada again")
				w.says("bob", approve, ok)
				w.settle()
				w.says("ada", approve, ok)
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a refusal is taken back by the one who refused": {
			strategy: approved(v1alpha1.ApprovalGate{}),
			story: func(w *world) {
				w.settle()
				w.says("bob", refuse, ok)
				w.says("ada", approve, ok)
				w.settle()
				w.note("bob has changed his mind")
				w.says("bob", approve, ok)
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a scheduled start opens by itself": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging", "production")
				s.Stages[1].Groups[0].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "monday", ScheduledStart: &v1alpha1.ScheduledStartGate{Next: "MON 19:00", TimeZone: "Asia/Tokyo"}}}
				return s
			},
			story: func(w *world) {
				d := w.settle()
				w.note("the run looks again by itself")
				if w.now = d.NextLook; w.now.IsZero() {
					w.t.Fatal("it never looks again")
				}
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a gate after a stage opens with its soak": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging", "production")
				s.Stages[0].Soak = soak(2 * time.Minute)
				s.Stages[0].AfterGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{}}}
				return s
			},
			story: func(w *world) {
				w.settle()
				w.says("ada", approve, "r-staging-after-ok")
				w.settle()
				if g := w.gates["r-staging-after-ok"]; g.Status.State != v1alpha1.GateStatePending || g.Status.Reason != v1alpha1.ReasonOpensWithSoak {
					w.t.Errorf("during the soak the gate is %s, %s", g.Status.State, g.Status.Reason)
				}
				for range 3 {
					w.now = w.now.Add(time.Minute)
					w.settle()
				}
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.strategy(), "staging", "production")
			tc.story(w)
			if got := w.run.Status.Phase; got != tc.want {
				t.Errorf("the run is %s, want %s", got, tc.want)
			}
			w.golden()
		})
	}
}

// TestADecisionInBetweenIsNotPassedOver: ada refuses while the pass writes that the gate is open.
func TestADecisionInBetweenIsNotPassedOver(t *testing.T) {
	w := newWorld(t, approved(v1alpha1.ApprovalGate{})(), "staging", "production")
	w.settle()
	w.says("bob", v1alpha1.GateDecisionApprove, "r-production-before-ok")
	d := Decide(w.snapshot(), w.now)
	if i := slices.IndexFunc(d.Actions, func(a Action) bool { return a.Kind == ActionDecideGate }); i < 0 || d.Actions[i].GateStatus.State != v1alpha1.GateStatePassed {
		t.Fatalf("the gate is not about to open: %+v", d.Actions)
	}
	if len(starts(d)) > 0 {
		t.Errorf("%v start before it is written that the gate is open", starts(d))
	}
	w.says("ada", v1alpha1.GateDecisionRefuse, "r-production-before-ok")
	w.run.Status = d.Status
	for _, a := range d.Actions {
		w.do(a)
	}
	w.settle()
	if g := w.gates["r-production-before-ok"]; g.Status.State != v1alpha1.GateStateRefused || len(w.upgrades) != 1 {
		t.Errorf("the gate is %s and %d clusters were started", g.Status.State, len(w.upgrades))
	}
}

// TestGatesExistFromTheStart, so that people can decide in advance; but not those of parts that are left out.
func TestGatesExistFromTheStart(t *testing.T) {
	s := order("staging", "canary", "production")
	for i := range s.Stages {
		s.Stages[i].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{}}}
		s.Stages[i].Groups[0].AfterGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{}}}
	}
	w := newWorld(t, s, "staging", "canary", "production")
	w.run.Spec.Skip = []v1alpha1.Skip{{Kind: v1alpha1.SkipKindStage, Stage: "canary", Reason: "why"},
		{Kind: v1alpha1.SkipKindGate, Stage: "production", Gate: "ok", Reason: "why"}}
	w.decide()
	want := []string{"r-production-all-after-ok", "r-staging-all-after-ok", "r-staging-before-ok"}
	if got := sorted(w.gates); !slices.Equal(got, want) {
		t.Errorf("gates %v, want %v", got, want)
	}
}

// TestGatesThatCanNeverOpenAreRefused before anything starts.
func TestGatesThatCanNeverOpenAreRefused(t *testing.T) {
	w := newWorld(t, order("staging"), "staging")
	w.strategy.Stages[0].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "go", ScheduledStart: &v1alpha1.ScheduledStartGate{Next: "MON 09:00", TimeZone: "Asia/Tokio"}}}
	d := Decide(w.snapshot(), w.now)
	if st := d.Status; st.Resolved != nil || st.Waiting.Reason != v1alpha1.ReasonInvalidStrategy || !strings.Contains(st.Waiting.Message, `gate staging/go: there is no time zone "Asia/Tokio"`) {
		t.Errorf("the run is %s and says %+v", st.Phase, st.Waiting)
	}
}

// TestEveryGateOfAPlaceIsLookedAt: each has its own reason, and the run looks again for each, not only for the first.
func TestEveryGateOfAPlaceIsLookedAt(t *testing.T) {
	s := order("production")
	s.Stages[0].BeforeGates = []v1alpha1.GateSpecTemplate{
		{Name: "ok", Approval: &v1alpha1.ApprovalGate{}},
		{Name: "go", ScheduledStart: &v1alpha1.ScheduledStartGate{At: &metav1.Time{Time: epoch.Add(time.Hour)}}},
		{Name: "shop", Verification: &v1alpha1.LocalObjectReference{Name: "shop"}},
	}
	w := newWorld(t, s, "production")
	d := w.settle()
	if !d.NextLook.Equal(epoch.Add(time.Hour)) {
		t.Errorf("it looks again at %s, want when the second gate opens", d.NextLook)
	}
	w.now = d.NextLook
	w.settle()
	want := map[string]string{"ok": v1alpha1.ReasonApprovalNeeded, "go": v1alpha1.ReasonScheduleReached, "shop": v1alpha1.ReasonVerificationMissing}
	for _, g := range w.run.Status.Stages[0].Gates {
		if g.Reason != want[g.Name] || g.Message == "" {
			t.Errorf("gate %s is %s: %s; want %s", g.Name, g.Reason, g.Message, want[g.Name])
		}
	}
	w.says("ada", v1alpha1.GateDecisionApprove, "r-production-before-ok")
	if w.settle(); len(w.upgrades) > 0 {
		t.Error("a cluster starts although the verification has not passed")
	}
}
