// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/gate"
)

// addGate puts a gate into the modelled world.
func (p *player) addGate(g *v1alpha1.Gate) {
	p.s.Gates = append(p.s.Gates, g)
	p.ask(g)
}

// gate finds one by its name; it is there, because the run has it.
func (p *player) gate(name string) **v1alpha1.Gate {
	return &p.s.Gates[slices.IndexFunc(p.s.Gates, func(g *v1alpha1.Gate) bool { return g.Name == name })]
}

// writeGate gives a gate the status that was decided, in a copy: those of the input stay as they are.
func (p *player) writeGate(name string, status *v1alpha1.GateStatus) {
	g := p.gate(name)
	changed := **g
	changed.Status = *status
	*g = &changed
	if status.State == v1alpha1.GateStatePassed {
		p.wake() // the next pass goes on
		return
	}
	p.ask(&changed)
}

func (p *player) setGateState(name string, state v1alpha1.GateState) {
	status := (*p.gate(name)).Status
	status.State = state
	p.writeGate(name, &status)
}

// ask stands for those whom a gate waits for that the run has come to: people approve after the time that they are
// given, and verifications pass at once. A scheduled start opens by itself, and one that was refused stays closed.
func (p *player) ask(g *v1alpha1.Gate) {
	if g.Status.ReachedAt == nil || !pending(g) {
		return
	}
	at := p.now
	switch g.Spec.Type {
	case v1alpha1.GateTypeApproval:
		if !approved(g) {
			at = later(g.Status.ReachedAt.Add(p.in.ApproveAfter).In(p.now.Location()), p.now)
		}
	case v1alpha1.GateTypeVerification:
	default:
		return
	}
	if sooner, ok := p.asked[g.Name]; ok && !at.Before(sooner) {
		return
	}
	p.asked[g.Name] = at
	p.schedule(event{at: at, gate: g.Name})
}

func pending(g *v1alpha1.Gate) bool {
	return g.Status.State == "" || g.Status.State == v1alpha1.GateStatePending
}

// approved says whether people have approved already, and something else keeps the gate closed.
func approved(g *v1alpha1.Gate) bool { return g.Status.Reason == v1alpha1.ReasonNextClustersBlocked }

// openGate lets the run through a gate that was asked for, unless that was decided meanwhile by what is known.
func (p *player) openGate(name string, at time.Time) {
	g := *p.gate(name)
	if !pending(g) {
		return
	}
	p.assumeOpen(g, at)
	p.setGateState(name, v1alpha1.GateStatePassed)
}

// assumeOpen notes what is assumed for a gate to open at an instant.
func (p *player) assumeOpen(g *v1alpha1.Gate, at time.Time) {
	path := gate.Path(g.Spec.Place, g.Spec.Template.Name)
	if g.Spec.Type == v1alpha1.GateTypeVerification {
		p.notes.add(BlockerVerification, path, "gate "+path+" needs proof by a verification: it is assumed to pass at once")
		return
	}
	if !approved(g) {
		p.notes.found = append(p.notes.found, Blocker{Kind: BlockerApproval, Where: path, From: new(at),
			Message: fmt.Sprintf("gate %s needs an approval: it is assumed to be given at %s", path, instant(at))})
	}
	next := gate.ReadinessOf(gate.Next(p.run, g.Spec.Place), p.clusters, p.run.Status.Resolved.Version)
	if next.Blocked != "" {
		p.notes.add(BlockerGate, path, fmt.Sprintf("gate %s stays closed although it is approved until this is mended, which is assumed: %s", path, next.Blocked))
	}
}

// assumeOpenLater notes the approvals that are asked for and come after all that a forecast tells.
func (p *player) assumeOpenLater() {
	for _, e := range p.events {
		if e.gate != "" && pending(*p.gate(e.gate)) {
			p.assumeOpen(*p.gate(e.gate), e.at)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
