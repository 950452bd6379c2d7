// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/gate"
	"sengu.dev/sengu/internal/decide/rollout"
)

// gated is a scene in which ada has started the run, which has come to a gate before staging, and will come to another
// one before production. Two hours have gone since.
func gated(first v1alpha1.GateSpecTemplate) *scene {
	s := newScene("staging", "production")
	first.Name = "go"
	s.strategy.Stages[0].BeforeGates = []v1alpha1.GateSpecTemplate{first}
	s.strategy.Stages[1].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "late", Approval: &v1alpha1.ApprovalGate{}}}
	s.Snapshot.Run.Annotations = map[string]string{v1alpha1.AnnotationCreatedBy: "ada"}
	s.ApproveAfter = 3 * hour
	for range 2 {
		d := rollout.Decide(s.Snapshot, epoch)
		s.Snapshot.Run.Status = d.Status
		for _, a := range d.Actions {
			switch a.Kind {
			case rollout.ActionCreateGate:
				s.Snapshot.Gates = append(s.Snapshot.Gates, &v1alpha1.Gate{ObjectMeta: metav1.ObjectMeta{Name: a.Gate}, Spec: *a.GateSpec})
			case rollout.ActionDecideGate:
				s.gate(a.Gate).Status = *a.GateStatus
			}
		}
	}
	s.From = epoch.Add(2 * hour)
	return s
}

func (s *scene) gate(name string) *v1alpha1.Gate {
	for _, g := range s.Snapshot.Gates {
		if g.Name == name {
			return g
		}
	}
	panic(name)
}

// says what a person decides on a gate.
func (s *scene) says(by string, decision v1alpha1.GateDecisionKind, name string) {
	g := s.gate(name)
	g.Status.Decisions = append(g.Status.Decisions, v1alpha1.GateDecision{By: by, At: metav1.NewTime(epoch), Decision: decision, Comment: "not today"})
}

func TestGatesOfARunThatHasBegun(t *testing.T) {
	const first, late = "r-staging-before-go", "r-production-before-late"
	approval := v1alpha1.GateSpecTemplate{Approval: &v1alpha1.ApprovalGate{}}
	tests := map[string]struct {
		first  v1alpha1.GateSpecTemplate
		change func(*scene)
		want   []string
	}{
		"the time for an approval counts from when the run came to the gate": {
			first: approval,
			want: []string{
				"staging-1 +1h0m to +1h22m", "production-2 +4h22m to +4h44m",
				"stage staging +1h0m to +1h22m", "stage production +4h22m to +4h44m", "ends +4h44m",
				"Approval: gate staging/go needs an approval: it is assumed to be given at 2027-03-01 12:00 UTC",
				"Approval: gate production/late needs an approval: it is assumed to be given at 2027-03-01 15:22 UTC",
			},
		},
		"and is not over before the forecast begins": {
			first:  approval,
			change: func(s *scene) { s.ApproveAfter = time.Minute },
			want: []string{
				"staging-1 +0s to +22m", "production-2 +23m to +45m", "stage staging +0s to +22m", "stage production +23m to +45m", "ends +45m",
				"Approval: gate staging/go needs an approval: it is assumed to be given at 2027-03-01 11:00 UTC",
				"Approval: gate production/late needs an approval: it is assumed to be given at 2027-03-01 11:23 UTC",
			},
		},
		"what was approved in advance needs no assumption": {
			first: approval,
			change: func(s *scene) {
				s.says("bob", v1alpha1.GateDecisionApprove, first)
				s.says("bob", v1alpha1.GateDecisionApprove, late)
			},
			want: []string{"staging-1 +0s to +22m", "production-2 +22m to +44m", "stage staging +0s to +22m", "stage production +22m to +44m", "ends +44m"},
		},
		"the approval of who started the run is not enough": {
			first: approval,
			change: func(s *scene) {
				s.says("bob", v1alpha1.GateDecisionApprove, first)
				s.says("ada", v1alpha1.GateDecisionApprove, late)
			},
			want: []string{"staging-1 +0s to +22m", "production-2 +3h22m to +3h44m", "stage staging +0s to +22m", "stage production +3h22m to +3h44m", "ends +3h44m",
				"Approval: gate production/late needs an approval: it is assumed to be given at 2027-03-01 14:22 UTC"},
		},
		"a gate that was refused stays closed, and the gates behind it are not come to": {
			first:  approval,
			change: func(s *scene) { s.says("bob", v1alpha1.GateDecisionRefuse, first) },
			want: []string{
				"staging-1 never to never", "production-2 never to never", "stage staging never to never", "stage production never to never", "ends never",
				"Stuck: gate staging/go: bob refused: not today; bob takes that back by approving; `sengu gate approve r staging/go` approves it, " +
					"`sengu run skip r gate staging/go --reason …` passes over it",
			},
		},
		"an approved gate before clusters that are blocked": {
			first: approval,
			change: func(s *scene) {
				s.says("bob", v1alpha1.GateDecisionApprove, first)
				s.says("bob", v1alpha1.GateDecisionApprove, late)
				s.cluster("staging-1").Status.Readiness = &v1alpha1.ClusterReadiness{Verdict: v1alpha1.ReadinessBlocked, Blockers: 2}
			},
			want: []string{
				"staging-1 +0s to +22m", "production-2 +22m to +44m", "stage staging +0s to +22m", "stage production +22m to +44m", "ends +44m",
				"Gate: gate staging/go stays closed although it is approved until this is mended, which is assumed: staging-1: Blocked: the checks found 2 blockers",
			},
		},
		"an approval that comes after all that is told": {
			first:  approval,
			change: func(s *scene) { s.Horizon = 30 * time.Minute },
			want: []string{
				"staging-1 never to never", "production-2 never to never", "stage staging never to never", "stage production never to never", "ends never",
				"Horizon: the run does not end before 2027-03-01 11:30 UTC, which is as far as this forecast looks",
				"Approval: gate staging/go needs an approval: it is assumed to be given at 2027-03-01 12:00 UTC",
			},
		},
		"a scheduled start keeps the instant that was fixed when the run came to it": {
			first:  v1alpha1.GateSpecTemplate{ScheduledStart: &v1alpha1.ScheduledStartGate{Next: "MON 10:00", TimeZone: "UTC"}},
			change: func(s *scene) { s.says("bob", v1alpha1.GateDecisionApprove, late) },
			want: []string{ // an hour ago, and not next week
				"staging-1 +0s to +22m", "production-2 +22m to +44m", "stage staging +0s to +22m", "stage production +22m to +44m", "ends +44m",
			},
		},
		"a proof that is there is no assumption": {
			first: v1alpha1.GateSpecTemplate{Verification: &v1alpha1.LocalObjectReference{Name: "v"}},
			change: func(s *scene) {
				s.says("bob", v1alpha1.GateDecisionApprove, late)
				s.Snapshot.Verifications = map[string]*gate.VerificationEvidence{first: {Outcome: gate.OutcomePassed}}
			},
			want: []string{"staging-1 +0s to +22m", "production-2 +22m to +44m", "stage staging +0s to +22m", "stage production +22m to +44m", "ends +44m"},
		},
		"a proof of the contrary keeps the gate closed": {
			first: v1alpha1.GateSpecTemplate{Verification: &v1alpha1.LocalObjectReference{Name: "v"}},
			change: func(s *scene) {
				s.Snapshot.Verifications = map[string]*gate.VerificationEvidence{first: {Outcome: gate.OutcomeFailed, Message: "an error of ten"}}
			},
			want: []string{
				"staging-1 never to never", "production-2 never to never", "stage staging never to never", "stage production never to never", "ends never",
				"Stuck: gate staging/go: verification v failed: an error of ten; `sengu run skip r gate staging/go --reason …` passes over it",
			},
		},
		"a gate that a person skips": {
			first: approval,
			change: func(s *scene) {
				s.says("bob", v1alpha1.GateDecisionApprove, late)
				s.Snapshot.Run.Spec.Skip = []v1alpha1.Skip{{Kind: v1alpha1.SkipKindGate, Stage: "staging", Gate: "go"}}
			},
			want: []string{"staging-1 +0s to +22m", "production-2 +22m to +44m", "stage staging +0s to +22m", "stage production +22m to +44m", "ends +44m"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := gated(tc.first)
			if tc.change != nil {
				tc.change(s)
			}
			kept := s.gate(first).DeepCopy()
			if diff := cmp.Diff(tc.want, lines(Make(s.Input))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(kept, s.gate(first)); diff != "" {
				t.Errorf("the input was changed:\n%s", diff)
			}
		})
	}
}

// TestAnApprovalAndASoakGoOnTogether: people are asked when the soak begins, so the later of the two counts.
func TestAnApprovalAndASoakGoOnTogether(t *testing.T) {
	for approve, want := range map[time.Duration]time.Duration{hour: 5 * hour, 7 * hour: 7 * hour} {
		s := newScene("staging")
		s.strategy.Stages[0].Soak = &v1alpha1.Soak{Duration: metav1.Duration{Duration: 5 * hour}}
		s.strategy.Stages[0].AfterGates = []v1alpha1.GateSpecTemplate{{Name: "go", Approval: &v1alpha1.ApprovalGate{}}}
		s.ApproveAfter = approve
		if f := Make(s.Input); f.ExpectedEnd.P50 == nil || f.ExpectedEnd.P50.Sub(epoch) != want+22*time.Minute {
			t.Errorf("with an approval after %s it ends at %v, want %s after the cluster", approve, f.ExpectedEnd.P50, want)
		}
	}
}
