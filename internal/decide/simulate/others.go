// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// mustRelease says whether other runs have to be done with their clusters now: by the next look the run would go on
// without one of these, or it can start nothing because they take all that the fleet allows.
func (p *player) mustRelease(next time.Time) bool {
	st := &p.run.Status
	idle := !slices.ContainsFunc(p.events, func(e event) bool { return e.cluster != "" })
	for i := range st.Stages {
		for j := range st.Stages[i].Groups {
			g := &st.Stages[i].Groups[j]
			full := g.Waiting != nil && g.Waiting.Reason == v1alpha1.ReasonFleetConcurrencyReached
			if full && idle || setsAside(st.Strategy, g, next) {
				return true
			}
		}
	}
	return false
}

// setsAside says whether a cluster of a group that others work on is set aside by an instant.
func setsAside(s *v1alpha1.UpgradeStrategySpec, g *v1alpha1.RunGroupStatus, by time.Time) bool {
	after, ok := rollout.SetAsideAfter(s)
	return ok && slices.ContainsFunc(g.Aside, func(a v1alpha1.RunAside) bool {
		return a.Reason == v1alpha1.ReasonClusterBusy && !a.Since.Add(after).After(by)
	})
}

// assumeReleased lets other runs be done with their clusters, when nothing else is left to wait for or it is high time,
// and says whether that is something new.
func (p *player) assumeReleased() bool {
	anything := len(p.s.BusyWith)+len(p.s.Taken) > 0
	for _, u := range p.s.Elsewhere {
		if rollout.InFlight(u) {
			p.notes.busy(u.Spec.Cluster, "run "+u.Spec.RunRef.Name)
			anything = true
		}
	}
	for cluster, run := range p.s.BusyWith {
		p.notes.busy(cluster, "run "+run)
	}
	for cluster, run := range p.s.Taken {
		p.notes.busy(cluster, "an object of run "+run)
	}
	p.s.BusyWith, p.s.Taken, p.s.Elsewhere = nil, nil, nil
	return anything
}
