// SPDX-License-Identifier: Apache-2.0

// Package gate decides whether one gate of a run opens.
//
// A gate opens on evidence only: what is missing or unknown keeps it closed. Evaluate is a pure function of a
// Snapshot and an instant; who calls it writes down what it says.
package gate

import (
	"cmp"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// Snapshot is everything that Evaluate looks at. Nothing in it may be changed.
type Snapshot struct {
	// Template of the gate in the frozen strategy.
	Template *v1alpha1.GateSpecTemplate
	// Status of the gate so far: what people decided, and when the run came to it.
	Status v1alpha1.GateStatus
	// Starters are who created, resumed or retried the run. Empty: nobody knows, so no approval counts.
	Starters []string
	// Next is the readiness of the clusters that come next.
	Next Readiness
	// AnyFailed: some cluster of the run has failed, or had to be retried.
	AnyFailed bool
	// Soaking: the gate stands after a stage whose soak is not over.
	Soaking bool
	// Verification is what is known of the verification that the gate names; nil: nothing.
	Verification *VerificationEvidence
}

// Outcome of a verification.
type Outcome string

// The outcomes of a verification. Unknown is never a pass, and nor is anything else.
const (
	OutcomePassed  Outcome = "Passed"
	OutcomeFailed  Outcome = "Failed"
	OutcomeUnknown Outcome = "Unknown"
)

// VerificationEvidence is what a verification has found.
type VerificationEvidence struct {
	// Outcome of it.
	Outcome Outcome
	// Message for a person: what was found.
	Message string
	// Evidence for people, one line each.
	Evidence []string
}

// Result is what a gate becomes.
type Result struct {
	// State, Reason and Message of the gate. Messages carry no instants: those are in Until and OpensAt.
	State           v1alpha1.GateState
	Reason, Message string
	// Evidence for those who decide, bounded.
	Evidence []string
	// DecidedBy whom or what, when it is Passed or Refused.
	DecidedBy string
	// ReachedAt is when the run came to the gate, and OpensAt when a scheduled start opens.
	ReachedAt, OpensAt *metav1.Time
	// Until is the next instant at which the result can change by itself; zero: only by an event.
	Until time.Time
}

// Evaluate says whether a gate that the run has come to is open, and if not why. Passed and Skipped are final.
func Evaluate(s Snapshot, now time.Time) Result {
	r := Result{ReachedAt: s.Status.ReachedAt, OpensAt: s.Status.OpensAt}
	if s.Status.State == v1alpha1.GateStatePassed || s.Status.State == v1alpha1.GateStateSkipped {
		r.State, r.Reason, r.Message = s.Status.State, s.Status.Reason, s.Status.Message
		r.Evidence, r.DecidedBy = s.Status.Evidence, s.Status.DecidedBy
		return r
	}
	r.State = v1alpha1.GateStatePending
	if r.ReachedAt == nil {
		r.ReachedAt = new(metav1.NewTime(now).Rfc3339Copy())
	}
	switch {
	case s.Template.Approval != nil:
		r.approval(&s, now)
	case s.Template.ScheduledStart != nil:
		r.scheduledStart(s.Template.ScheduledStart, now)
	case s.Template.Verification != nil:
		r.verification(s.Template.Verification.Name, s.Verification)
	default: // a kind that a later version knows
		r.Reason, r.Message = v1alpha1.ReasonGateClosed, "this version cannot evaluate it"
	}
	if r.State == v1alpha1.GateStatePassed && s.Soaking {
		r.State, r.DecidedBy, r.Until = v1alpha1.GateStatePending, "", time.Time{}
		r.Message = "it opens when the soak is over: " + r.Message
		r.Reason = v1alpha1.ReasonOpensWithSoak
	}
	r.Message = cut(r.Message, 1024)
	return r
}

func (r *Result) open(by, reason, message string) {
	r.State, r.DecidedBy, r.Reason, r.Message = v1alpha1.GateStatePassed, cut(by, 256), reason, message
}

func (r *Result) closed(reason, message string) { r.Reason, r.Message = reason, message }

// verification opens on a pass and on nothing else.
func (r *Result) verification(name string, found *VerificationEvidence) {
	if found == nil {
		r.closed(v1alpha1.ReasonVerificationMissing, "there is no result of verification "+name)
		return
	}
	for i := range found.Evidence[:min(len(found.Evidence), maxEvidence)] {
		r.Evidence = append(r.Evidence, cut(found.Evidence[i], maxEvidenceLine))
	}
	message := cmp.Or(found.Message, "it says nothing more")
	switch found.Outcome {
	case OutcomePassed:
		r.open("verification "+name, v1alpha1.ReasonVerificationPassed, "verification "+name+" passed: "+message)
	case OutcomeFailed:
		r.State, r.DecidedBy = v1alpha1.GateStateRefused, cut("verification "+name, 256)
		r.closed(v1alpha1.ReasonVerificationFailed, "verification "+name+" failed: "+message)
	default:
		r.closed(v1alpha1.ReasonVerificationUnknown, "verification "+name+" could not tell: "+message)
	}
}

// cut shortens a text to n bytes, at the end of a letter.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n -= len("…"); n > 0 && s[n]&0xC0 == 0x80; n-- {
	}
	return s[:n] + "…"
}
