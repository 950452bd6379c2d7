// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

func withState(g *v1alpha1.Gate, state v1alpha1.GateState) *v1alpha1.Gate {
	changed := *g
	changed.Status.State = state
	return &changed
}

// gate stands in the modelled world and opens by itself: an approval after the time that people are given, a scheduled
// start at its instant, a verification at once. One that was refused stays closed.
func (p *player) gate(g *v1alpha1.Gate) {
	p.s.Gates = append(p.s.Gates, g)
	if g.Status.State != "" && g.Status.State != v1alpha1.GateStatePending {
		return
	}
	at := p.now
	switch g.Spec.Type {
	case v1alpha1.GateTypeApproval:
		at = at.Add(p.in.ApproveAfter)
		p.notes.approval(g, at)
	case v1alpha1.GateTypeScheduledStart:
		at = opensAt(g.Spec.Template.ScheduledStart, p.now)
		if at.IsZero() {
			p.notes.add(BlockerGate, placeOf(g), "the scheduled start of gate "+placeOf(g)+" cannot be read, so it stays closed")
			return
		}
	case v1alpha1.GateTypeVerification:
		p.notes.add(BlockerVerification, placeOf(g), "gate "+placeOf(g)+" needs proof by a verification: it is assumed to pass at once")
	}
	p.schedule(event{at: at, gate: g})
}

// placeOf a gate, as people write it.
func placeOf(g *v1alpha1.Gate) string {
	if g.Spec.Place.Group != "" {
		return g.Spec.Place.Stage + "/" + g.Spec.Place.Group + "/" + g.Spec.Template.Name
	}
	return g.Spec.Place.Stage + "/" + g.Spec.Template.Name
}

var weekdays = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}

// opensAt is when a scheduled start opens that is reached at an instant; zero: it cannot be read.
func opensAt(s *v1alpha1.ScheduledStartGate, reached time.Time) time.Time {
	switch {
	case s == nil:
		return time.Time{}
	case s.At != nil:
		return later(s.At.Time, reached)
	}
	zone, err := time.LoadLocation(s.TimeZone)
	day, clock, ok := strings.Cut(s.Next, " ")
	hour, parseErr := time.Parse("15:04", clock)
	if err != nil || parseErr != nil || !ok {
		return time.Time{}
	}
	local := reached.In(zone)
	for i := range 8 {
		at := time.Date(local.Year(), local.Month(), local.Day()+i, hour.Hour(), hour.Minute(), 0, 0, zone)
		if weekdays[at.Weekday()] == day && !at.Before(reached) {
			return at
		}
	}
	return time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
