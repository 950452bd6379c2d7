// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/gate"
)

// createAtOnce bounds how many gates one pass creates. What is created brings the next pass.
const createAtOnce = 100

// gatePlace is where gates stand; an empty group: they are the stage's.
type gatePlace struct {
	stage, group string
	timing       v1alpha1.GateTiming
	soaking      bool // the gates stand after a stage whose soak is not over
}

func (g gatePlace) place() v1alpha1.GatePlace {
	return v1alpha1.GatePlace{Stage: g.stage, Group: g.group, Timing: g.timing}
}

// createGates creates every gate of the run that does not exist, so that people can decide in advance.
func (p *pass) createGates() {
	ended := map[string]bool{}
	for _, s := range p.stages {
		ended[s.spec.Name] = s.skipped || s.st.FinishedAt != nil
	}
	left := createAtOnce
	for place, t := range gate.All(p.st.Strategy) {
		name := gate.Name(p.s.Run.Name, place, t.Name)
		skipped := ended[place.Stage] || p.skips.groups[place.Stage+"/"+place.Group] || p.skips.gates[gateKey(place.Stage, place.Group, t.Name)]
		if p.gates[name] != nil || skipped {
			continue
		}
		if left--; left < 0 {
			return
		}
		p.actions = append(p.actions, Action{Kind: ActionCreateGate, Stage: place.Stage, Group: place.Group, Gate: name,
			Reason:   "people can decide in advance",
			GateSpec: &v1alpha1.GateSpec{Type: typeOf(t), RunRef: v1alpha1.LocalObjectReference{Name: p.s.Run.Name}, Place: place, Template: *t}})
	}
}

// gatesOpen evaluates all gates of a place together, writes what they are into the record, and says whether all are
// open, and if not what the first closed one waits for. A gate is open when it is Passed or Skipped for good: the pass
// that finds the evidence writes that into the gate, on condition that nobody has decided meanwhile, and the pass that
// reads it goes on.
func (p *pass) gatesOpen(templates []v1alpha1.GateSpecTemplate, place gatePlace, record *[]v1alpha1.RunGateStatus) (bool, *v1alpha1.Waiting) {
	var closed *v1alpha1.Waiting
	for i := range templates {
		t := &templates[i]
		entry := v1alpha1.RunGateStatus{Name: t.Name, Timing: string(place.timing), Gate: gate.Name(p.s.Run.Name, place.place(), t.Name)}
		object := p.gates[entry.Gate]
		if p.skips.gates[gateKey(place.stage, place.group, t.Name)] && !passed(object) {
			p.skipGate(&entry, object, place)
		} else {
			p.evaluate(&entry, object, t, place)
		}
		setGate(record, entry)
		if entry.State != v1alpha1.GateStatePassed && entry.State != v1alpha1.GateStateSkipped {
			closed = firstWait(closed, p.closedGate(t, &entry, place))
		}
	}
	return closed == nil, closed
}

// passed says whether a gate is open for good.
func passed(object *v1alpha1.Gate) bool {
	return object != nil && (object.Status.State == v1alpha1.GateStatePassed || object.Status.State == v1alpha1.GateStateSkipped)
}

func (p *pass) skipGate(entry *v1alpha1.RunGateStatus, object *v1alpha1.Gate, place gatePlace) {
	entry.State, entry.Reason, entry.Message = v1alpha1.GateStateSkipped, v1alpha1.ReasonSkippedByUser, "a person skipped it in the run"
	if object != nil {
		p.actions = append(p.actions, Action{Kind: ActionSkipGate, Stage: place.stage, Group: place.group, Gate: entry.Gate, Reason: entry.Message})
	}
}

// evaluate looks at one gate that the run has come to, and has the gate written anew when that changes it.
func (p *pass) evaluate(entry *v1alpha1.RunGateStatus, object *v1alpha1.Gate, t *v1alpha1.GateSpecTemplate, place gatePlace) {
	s := gate.Snapshot{Template: t, Starters: gate.StartersOf(p.s.Run), Soaking: place.soaking,
		Verification: p.s.Verifications[entry.Gate]}
	if object != nil {
		s.Status = object.Status
	}
	if t.Approval != nil && !passed(object) {
		run := &v1alpha1.UpgradeRun{Spec: p.s.Run.Spec, Status: *p.st}
		s.AnyFailed = p.anyFailed()
		s.Next = gate.ReadinessOf(gate.Next(run, place.place()), p.clusters, p.st.Resolved.Version)
	}
	r := gate.Evaluate(s, p.now)
	p.lookAt(r.Until)
	entry.State, entry.Reason, entry.Message = r.State, r.Reason, r.Message
	if !r.Until.IsZero() {
		entry.Until = new(metav1.NewTime(r.Until).Rfc3339Copy())
	}
	if r.State == v1alpha1.GateStatePassed && !passed(object) {
		entry.State = v1alpha1.GateStatePending // until the gate says so
	}
	if object == nil {
		return
	}
	if status := p.becomes(&object.Status, r); !equality.Semantic.DeepEqual(&object.Status, status) {
		p.actions = append(p.actions, Action{Kind: ActionDecideGate, Stage: place.stage, Group: place.group, Gate: entry.Gate,
			GateStatus: status, GateVersion: object.ResourceVersion, Reason: r.Message})
	}
}

// becomes is the status of a gate after a result. The decisions of people stay as they are.
func (p *pass) becomes(before *v1alpha1.GateStatus, r gate.Result) *v1alpha1.GateStatus {
	st := before.DeepCopy()
	st.Reason, st.Message, st.Evidence = r.Reason, r.Message, r.Evidence
	st.ReachedAt, st.OpensAt, st.Until = r.ReachedAt, r.OpensAt, nil
	if !r.Until.IsZero() {
		st.Until = new(metav1.NewTime(r.Until).Rfc3339Copy())
	}
	if st.State != r.State || st.DecidedBy != r.DecidedBy {
		st.State, st.DecidedBy, st.DecidedAt = r.State, r.DecidedBy, nil
		if r.DecidedBy != "" {
			st.DecidedAt = p.instant()
		}
	}
	return st
}

// anyFailed says whether a cluster of the run has failed so far: a retry is asked for only after that.
func (p *pass) anyFailed() bool {
	if p.st.Attempt > 1 {
		return true
	}
	for _, u := range p.s.Upgrades {
		if u.Status.Phase == v1alpha1.ClusterUpgradePhaseFailed {
			return true
		}
	}
	return false
}

func typeOf(t *v1alpha1.GateSpecTemplate) v1alpha1.GateType {
	switch {
	case t.ScheduledStart != nil:
		return v1alpha1.GateTypeScheduledStart
	case t.Verification != nil:
		return v1alpha1.GateTypeVerification
	}
	return v1alpha1.GateTypeApproval
}

// closedGate says why a gate is closed, and what to do.
func (p *pass) closedGate(t *v1alpha1.GateSpecTemplate, entry *v1alpha1.RunGateStatus, place gatePlace) *v1alpha1.Waiting {
	path := gate.Path(place.place(), t.Name)
	text := fmt.Sprintf("gate %s: %s", path, entry.Message)
	skip := fmt.Sprintf("`sengu run skip %s gate %s --reason …` passes over it", p.s.Run.Name, path)
	switch entry.Reason {
	case v1alpha1.ReasonApproved, v1alpha1.ReasonScheduleReached, v1alpha1.ReasonVerificationPassed: // the next pass goes on
	case v1alpha1.ReasonApprovalNeeded, v1alpha1.ReasonApprovalExpired, v1alpha1.ReasonApprovalRefused:
		text += fmt.Sprintf("; `sengu gate approve %s %s` approves it, %s", p.s.Run.Name, path, skip)
	default:
		text += "; " + skip
	}
	return &v1alpha1.Waiting{Reason: v1alpha1.ReasonGateClosed, Message: text, Until: entry.Until}
}

// untilOf is the instant in a wait; zero: none.
func untilOf(w *v1alpha1.Waiting) time.Time {
	if w == nil || w.Until == nil {
		return time.Time{}
	}
	return w.Until.Time
}

// setGate writes the state of a gate into the record of its place.
func setGate(record *[]v1alpha1.RunGateStatus, g v1alpha1.RunGateStatus) {
	for i := range *record {
		if (*record)[i].Gate == g.Gate {
			(*record)[i] = g
			return
		}
	}
	*record = append(*record, g)
}
