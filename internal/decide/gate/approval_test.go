// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// asked is when the run has come to the gate in these tests, and eve is who started it.
var asked = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

func says(person string, decision v1alpha1.GateDecisionKind, after time.Duration, with ...func(*v1alpha1.GateDecision)) v1alpha1.GateDecision {
	d := v1alpha1.GateDecision{By: person, Decision: decision, At: metav1.NewTime(asked.Add(after)), Comment: "why not"}
	for _, f := range with {
		f(&d)
	}
	return d
}

func approves(person string, after time.Duration, with ...func(*v1alpha1.GateDecision)) v1alpha1.GateDecision {
	return says(person, v1alpha1.GateDecisionApprove, after, with...)
}

func refuses(person string, after time.Duration) v1alpha1.GateDecision {
	return says(person, v1alpha1.GateDecisionRefuse, after)
}

func ofGroup(group string) func(*v1alpha1.GateDecision) {
	return func(d *v1alpha1.GateDecision) { d.Groups = []string{group} }
}

func noFailures(d *v1alpha1.GateDecision) { d.Condition = v1alpha1.GateConditionNoFailures }

func notAfter(after time.Duration) func(*v1alpha1.GateDecision) {
	return func(d *v1alpha1.GateDecision) { d.NotAfter = &metav1.Time{Time: asked.Add(after)} }
}

func TestApproval(t *testing.T) {
	const pending, passed, refused = v1alpha1.GateStatePending, v1alpha1.GateStatePassed, v1alpha1.GateStateRefused
	hour := &metav1.Duration{Duration: time.Hour}
	type decisions = []v1alpha1.GateDecision
	cases := map[string]struct {
		gate      v1alpha1.ApprovalGate
		decisions decisions
		starters  []string      // not set: eve
		after     time.Duration // when it is looked at
		anyFailed bool
		blocked   string

		wantState   v1alpha1.GateState
		wantReason  string
		wantMessage string        // a part of it
		wantBy      string        // decided by
		wantUntil   time.Duration // 0: by an event only
	}{
		"nobody has decided": {wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "waits for an approval"},
		"somebody else than the starter approves": {decisions: decisions{approves("ada", 0)},
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantMessage: "approved by ada", wantBy: "ada"},
		"the starter alone": {decisions: decisions{approves("eve", 0)},
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "eve started the run: it waits for the approval of somebody else"},
		"two are needed and the starter is one": {gate: v1alpha1.ApprovalGate{Count: 2}, decisions: decisions{approves("eve", 0), approves("ada", 0)},
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "eve, ada"},
		"two are needed and both have started it": {gate: v1alpha1.ApprovalGate{Count: 2}, starters: []string{"eve", "ada"}, decisions: decisions{approves("eve", 0), approves("ada", 0)},
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "eve, ada started the run"},
		"two are needed and one approves twice": {gate: v1alpha1.ApprovalGate{Count: 2}, decisions: decisions{approves("ada", 0), approves("ada", time.Minute)}, after: time.Hour,
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "waits for the approval of 2 people, and has that of ada"},
		"nobody knows who started it": {starters: []string{}, decisions: decisions{approves("ada", 0)},
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "not recorded who started the run"},

		"an approver by name": {gate: v1alpha1.ApprovalGate{Approvers: []string{"ada"}}, decisions: decisions{approves("ada", 0)},
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "ada"},
		"an approver by group": {gate: v1alpha1.ApprovalGate{Approvers: []string{"group:leads"}}, decisions: decisions{approves("bob", 0, ofGroup("leads"))},
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "bob"},
		"somebody of another group": {gate: v1alpha1.ApprovalGate{Approvers: []string{"group:leads"}}, decisions: decisions{approves("bob", 0, ofGroup("interns"))},
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "bob is not among the approvers"},
		"somebody who is called like a group": {gate: v1alpha1.ApprovalGate{Approvers: []string{"group:leads"}}, decisions: decisions{approves("leads", 0)},
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "leads is not among the approvers"},
		"somebody of a group that is called like an approver": {gate: v1alpha1.ApprovalGate{Approvers: []string{"ada"}}, decisions: decisions{approves("bob", 0, ofGroup("ada"))},
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "bob is not among the approvers"},
		"a refusal by somebody who may not decide": {gate: v1alpha1.ApprovalGate{Approvers: []string{"ada"}}, decisions: decisions{approves("ada", 0), refuses("bob", 0)},
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "ada"},

		"one refusal weighs more than approvals": {decisions: decisions{approves("ada", 0), refuses("bob", 0), approves("cy", 0)},
			wantState: refused, wantReason: v1alpha1.ReasonApprovalRefused, wantMessage: "bob refused: why not; bob takes that back by approving", wantBy: "bob"},
		"the starter may refuse": {decisions: decisions{approves("ada", 0), refuses("eve", 0)},
			wantState: refused, wantReason: v1alpha1.ReasonApprovalRefused, wantBy: "eve"},
		"a refusal is taken back": {decisions: decisions{refuses("bob", 0), approves("bob", time.Second)}, after: time.Hour,
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "bob"},
		"an approval is taken back": {decisions: decisions{approves("bob", 0), refuses("bob", time.Second)}, after: time.Hour,
			wantState: refused, wantReason: v1alpha1.ReasonApprovalRefused, wantBy: "bob"},
		"a refusal is not taken back by somebody else": {decisions: decisions{refuses("bob", 0), approves("ada", time.Second)}, after: time.Hour,
			wantState: refused, wantReason: v1alpha1.ReasonApprovalRefused, wantBy: "bob"},

		"it is looked at again when it expires": {gate: v1alpha1.ApprovalGate{ExpiresAfter: hour}, after: time.Minute,
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantUntil: time.Hour},
		"it expires": {gate: v1alpha1.ApprovalGate{ExpiresAfter: hour}, after: time.Hour,
			wantState: pending, wantReason: v1alpha1.ReasonApprovalExpired, wantMessage: "not approved within 1h0m0s"},
		"an approval in the last second is in time, whenever it is looked at": {gate: v1alpha1.ApprovalGate{ExpiresAfter: hour}, decisions: decisions{approves("ada", time.Hour-time.Second)}, after: 5 * time.Hour,
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "ada"},
		"an approval too late asks anew and is one": {gate: v1alpha1.ApprovalGate{ExpiresAfter: hour}, decisions: decisions{approves("ada", 3*time.Hour)}, after: 3 * time.Hour,
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "ada"},
		"an approval too late voids those before": {gate: v1alpha1.ApprovalGate{Count: 2, ExpiresAfter: hour}, decisions: decisions{approves("ada", 0), approves("bob", 3*time.Hour)}, after: 3 * time.Hour,
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "has that of bob", wantUntil: 4 * time.Hour},
		"what was asked anew expires too": {gate: v1alpha1.ApprovalGate{Count: 2, ExpiresAfter: hour}, decisions: decisions{approves("ada", 0), approves("bob", 3*time.Hour)}, after: 4 * time.Hour,
			wantState: pending, wantReason: v1alpha1.ReasonApprovalExpired},
		"the starter's approval does not keep it from expiring": {gate: v1alpha1.ApprovalGate{ExpiresAfter: hour}, decisions: decisions{approves("eve", 0)}, after: time.Hour,
			wantState: pending, wantReason: v1alpha1.ReasonApprovalExpired},
		"an approval in advance counts from when it is asked": {gate: v1alpha1.ApprovalGate{Count: 2, ExpiresAfter: hour}, decisions: decisions{approves("ada", -48*time.Hour)}, after: time.Minute,
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "has that of ada", wantUntil: time.Hour},
		"of two refusals one is taken back": {decisions: decisions{refuses("bob", 0), refuses("cy", time.Second), approves("bob", 2*time.Second)}, after: time.Hour,
			wantState: refused, wantReason: v1alpha1.ReasonApprovalRefused, wantBy: "cy"},
		"a refusal does not expire": {gate: v1alpha1.ApprovalGate{ExpiresAfter: hour}, decisions: decisions{refuses("ada", 0)}, after: 9 * time.Hour,
			wantState: refused, wantReason: v1alpha1.ReasonApprovalRefused, wantBy: "ada"},
		"a clock that is a little ahead": {decisions: decisions{approves("ada", time.Minute)},
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "ada"},
		"an approval of next year": {gate: v1alpha1.ApprovalGate{ExpiresAfter: hour}, decisions: decisions{approves("ada", 365*24*time.Hour)}, after: time.Minute,
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "dated in the future", wantUntil: time.Hour},

		"in advance, for a run without failures, and there are none": {decisions: decisions{approves("ada", -time.Hour, noFailures)},
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "ada"},
		"in advance, for a run without failures, and there is one": {decisions: decisions{approves("ada", -time.Hour, noFailures)}, anyFailed: true,
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "the approval of ada was given for a run without failures"},
		"approved anew after the failure": {decisions: decisions{approves("ada", -time.Hour, noFailures), approves("ada", 0)}, anyFailed: true,
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "ada"},
		"in advance, until an instant that was kept": {decisions: decisions{approves("ada", -time.Hour, notAfter(0))}, after: 9 * time.Hour,
			wantState: passed, wantReason: v1alpha1.ReasonApproved, wantBy: "ada"},
		"in advance, until an instant that was missed": {decisions: decisions{approves("ada", -time.Hour, notAfter(-time.Second))},
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "given for an earlier time"},
		"a condition of a later version": {decisions: decisions{approves("ada", 0, func(d *v1alpha1.GateDecision) { d.Condition = "FullMoon" })},
			wantState: pending, wantReason: v1alpha1.ReasonApprovalNeeded, wantMessage: "cannot evaluate"},

		"what comes next is blocked": {decisions: decisions{approves("ada", 0)}, blocked: "prod-1: Blocked",
			wantState: pending, wantReason: v1alpha1.ReasonNextClustersBlocked, wantMessage: "approved by ada, and opens when this is mended: prod-1: Blocked"},
		"an approval that waits for what is blocked does not expire": {gate: v1alpha1.ApprovalGate{ExpiresAfter: hour}, decisions: decisions{approves("ada", 0)}, blocked: "prod-1: Blocked", after: 9 * time.Hour,
			wantState: pending, wantReason: v1alpha1.ReasonNextClustersBlocked},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			starters := tc.starters
			if starters == nil {
				starters = []string{"eve"}
			}
			s := Snapshot{Template: &v1alpha1.GateSpecTemplate{Name: "ok", Approval: &tc.gate}, Starters: starters, AnyFailed: tc.anyFailed,
				Next:   Readiness{Blocked: tc.blocked, Evidence: []string{"1 cluster comes next: 1 ready"}},
				Status: v1alpha1.GateStatus{ReachedAt: &metav1.Time{Time: asked}, Decisions: tc.decisions}}
			got := Evaluate(s, asked.Add(tc.after))
			if got.State != tc.wantState || got.Reason != tc.wantReason || !strings.Contains(got.Message, tc.wantMessage) {
				t.Errorf("it is %s, %s: %s; want %s, %s: …%s…", got.State, got.Reason, got.Message, tc.wantState, tc.wantReason, tc.wantMessage)
			}
			until := time.Time{}
			if tc.wantUntil > 0 {
				until = asked.Add(tc.wantUntil)
			}
			if got.DecidedBy != tc.wantBy || !got.Until.Equal(until) {
				t.Errorf("decided by %q and looked at again at %s; want %q and %s", got.DecidedBy, got.Until, tc.wantBy, until)
			}
			if len(got.Evidence) != 1 {
				t.Errorf("evidence %q does not tell of what comes next", got.Evidence)
			}
		})
	}
}

func TestWhoStartedARun(t *testing.T) {
	run := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
		v1alpha1.AnnotationCreatedBy: "eve", v1alpha1.AnnotationStartedBy: "eve\nbob", v1alpha1.AnnotationChangedBy: "cy",
	}}}
	if got := strings.Join(StartersOf(run), ","); got != "eve,bob" {
		t.Errorf("%s started it, want eve and bob: who only changed something did not", got)
	}
	delete(run.Annotations, v1alpha1.AnnotationCreatedBy)
	if got := StartersOf(run); len(got) > 0 {
		t.Errorf("%v started a run, although it is not recorded who created it", got)
	}
}
