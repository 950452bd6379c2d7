// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"strings"

	"sengu.dev/sengu/api/v1alpha1"
)

// gatePlace is where gates stand; an empty group: they are the stage's.
type gatePlace struct {
	stage, group string
	timing       v1alpha1.GateTiming
}

// gatesOpen asks for all gates of a place together, writes their states, and says whether all are open, and if not
// what the first closed one waits for. Only Passed and Skipped are open: a gate without a state has no evidence.
func (p *pass) gatesOpen(templates []v1alpha1.GateSpecTemplate, place gatePlace, record *[]v1alpha1.RunGateStatus) (bool, *v1alpha1.Waiting) {
	var closed *v1alpha1.Waiting
	for i := range templates {
		t := &templates[i]
		name := p.gateName(place, t.Name)
		gate, state := p.gates[name], v1alpha1.GateStatePending
		skipped := p.skips.gates[gateKey(place.stage, place.group, t.Name)]
		switch {
		case gate == nil && !skipped:
			p.askFor(name, t, place)
		case gate != nil && gate.Status.State != "":
			state = gate.Status.State
		}
		if skipped && state != v1alpha1.GateStatePassed && state != v1alpha1.GateStateSkipped {
			if gate != nil {
				p.actions = append(p.actions, Action{Kind: ActionSkipGate, Stage: place.stage, Group: place.group, Gate: name, Reason: "a person skipped it in the run"})
			}
			state = v1alpha1.GateStateSkipped
		}
		setGate(record, v1alpha1.RunGateStatus{Name: t.Name, Timing: string(place.timing), Gate: name, State: state})
		if state != v1alpha1.GateStatePassed && state != v1alpha1.GateStateSkipped {
			closed = firstWait(closed, p.closedGate(t, gate, place))
		}
	}
	return closed == nil, closed
}

func (p *pass) gateName(place gatePlace, gate string) string {
	parts := []string{p.s.Run.Name, place.stage}
	if place.group != "" {
		parts = append(parts, place.group)
	}
	return strings.Join(append(parts, strings.ToLower(string(place.timing)), gate), "-")
}

func (p *pass) askFor(name string, t *v1alpha1.GateSpecTemplate, place gatePlace) {
	p.actions = append(p.actions, Action{Kind: ActionCreateGate, Stage: place.stage, Group: place.group, Gate: name,
		Reason: fmt.Sprintf("the run has come to gate %s", t.Name),
		GateSpec: &v1alpha1.GateSpec{
			Type: typeOf(t), RunRef: v1alpha1.LocalObjectReference{Name: p.s.Run.Name},
			Place: v1alpha1.GatePlace{Stage: place.stage, Group: place.group, Timing: place.timing}, Template: *t,
		}})
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

// closedGate says why a gate is closed, and what to do: nothing decides gates by itself in this version.
func (p *pass) closedGate(t *v1alpha1.GateSpecTemplate, gate *v1alpha1.Gate, place gatePlace) *v1alpha1.Waiting {
	path := place.stage + "/" + t.Name
	if place.group != "" {
		path = place.stage + "/" + place.group + "/" + t.Name
	}
	skip := fmt.Sprintf("`sengu run skip %s gate %s --reason …` passes over it", p.s.Run.Name, path)
	kind := typeOf(t)
	if gate != nil && gate.Status.State != "" {
		text := fmt.Sprintf("gate %s (%s) is %s", path, kind, gate.Status.State)
		if gate.Status.Message != "" {
			text += ": " + gate.Status.Message
		}
		return &v1alpha1.Waiting{Reason: v1alpha1.ReasonGateClosed, Message: text + "; " + skip}
	}
	if kind == v1alpha1.GateTypeApproval {
		return &v1alpha1.Waiting{Reason: v1alpha1.ReasonGateClosed, Message: fmt.Sprintf("gate %s waits for an approval; %s", path, skip)}
	}
	return &v1alpha1.Waiting{Reason: v1alpha1.ReasonGateNotSupported,
		Message: fmt.Sprintf("gate %s (%s) stays closed: this version cannot evaluate it; %s", path, kind, skip)}
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
