// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"cmp"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/windows"
)

// hours are when work on a cluster may be done: while every calendar that holds for it is open. nil: always.
type hours struct {
	calendars *windows.Set
	kind      v1alpha1.UpgradeKind
}

// always is so far away that no forecast comes there.
var always = time.Unix(1<<40, 0)

// month is what calendars are worked out ahead beyond the horizon.
const month = 31 * 24 * time.Hour

// next is the opening in hand, or the first after it, of which at least that much is left; not ok: there is none.
func (w *hours) next(at time.Time, atLeast time.Duration) (from, to time.Time, ok bool) {
	o, ok := w.calendars.Next(at, w.kind, atLeast)
	if !ok {
		return at, at, false
	}
	from, to = later(o.From.In(at.Location()), at), o.To
	if to.IsZero() {
		to = always
	}
	return from, to, true
}

// hoursOf the work on a cluster, by its own calendar, those of its upgrade and those of the fleet.
func (p *player) hoursOf(c *v1alpha1.Cluster, u *v1alpha1.ClusterUpgrade) *hours {
	set := p.s.Calendars.For(c, u.Spec.CalendarRefs, p.s.Fleet)
	if set == nil {
		return nil
	}
	to := ""
	if n := len(u.Spec.Hops); n > 0 {
		to = u.Spec.Hops[n-1]
	}
	return &hours{set, windows.KindOf(cmp.Or(u.Status.FromVersion, c.Status.ControlPlane.Version), to)}
}

// heldBy counts, for each freeze, the clusters of the run that it holds: those that have not ended when it begins.
func (p *player) heldBy() map[freeze]int {
	held := map[freeze]int{}
	st := &p.run.Status
	for i := range st.Stages {
		var refs []v1alpha1.LocalObjectReference
		if ref := st.Strategy.Stages[i].CalendarRef; ref != nil {
			refs = append(refs, *ref)
		}
		for j := range st.Stages[i].Groups {
			for _, name := range st.Stages[i].Groups[j].Clusters {
				p.countFreezes(held, name, refs)
			}
		}
	}
	return held
}

// freeze of a calendar; that it can be compared tells the same one of two clusters.
type freeze struct {
	calendar, reason string
	from, to         int64
}

func (p *player) countFreezes(held map[freeze]int, name string, stage []v1alpha1.LocalObjectReference) {
	c, told := p.clusters[name], p.tell(name)
	if c == nil || told.Done {
		return
	}
	set := p.s.Calendars.For(c, stage, p.s.Fleet)
	for _, f := range set.Freezes(windows.KindOf(c.Status.ControlPlane.Version, p.run.Status.Resolved.Version)) {
		if f.To.After(p.in.From) && (told.End == nil || told.End.After(f.From)) && !f.From.After(p.horizon) && f.From.Before(p.now) {
			held[freeze{f.Calendar, f.Reason, f.From.Unix(), f.To.Unix()}]++
		}
	}
}
