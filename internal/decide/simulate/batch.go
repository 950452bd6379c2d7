// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"container/heap"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// A decision looks at every cluster of the run, so one decision for each cluster that ends grows with the square of the
// fleet. In a large fleet the next few ends are therefore brought forward to one decision, and each cluster that it
// starts takes the place, and the instant, of one that has ended. No time is lost by that. What can differ from the
// cluster-by-cluster play is which of the waiting clusters takes which place, and it is not done where it would matter
// more: at the end of a group, and before its canaries have succeeded.

const (
	// exactly is up to how many clusters every end is decided on by itself.
	exactFleet = 500
	// targetPasses is about how many decisions a larger fleet gets.
	targetPasses = 250
)

// slot is a place that a cluster has left, and when.
type slot struct {
	at      time.Time
	cluster string
	// taken by a cluster of its own group, or lent to one of another.
	taken, lent bool
}

// bringForward lets more clusters end in this pass, of which the ends come next.
func (p *player) bringForward(already int) {
	total := int(p.run.Status.Counts.Total)
	if p.in.Exact || total <= exactFleet {
		return
	}
	waiting := p.waiting()
	// Of those in flight at most half, so that the places go on side by side.
	for range max(0, min(total/targetPasses, (len(p.events)+already)/2)-already) {
		if len(p.events) == 0 || p.events[0].cluster == "" {
			return
		}
		next := p.events[0]
		if look := p.last.NextLook; !look.IsZero() && !next.at.Before(look) {
			return
		}
		u := p.tell(next.cluster)
		key := u.Stage + "/" + u.Group
		if waiting[key] <= len(p.free)+1 {
			return
		}
		p.happen(heap.Pop(&p.events).(event))
	}
}

// waiting is how many clusters each group has to start that may be started in any number.
func (p *player) waiting() map[string]int {
	out := map[string]int{}
	st := &p.run.Status
	for i := range st.Stages {
		for j := range st.Stages[i].Groups {
			g := &st.Stages[i].Groups[j]
			if spec := groupSpec(st.Strategy, i, j); spec == nil || spec.Canaries > g.Counts.Succeeded {
				continue
			}
			out[st.Stages[i].Name+"/"+g.Name] = int(g.Counts.NotStarted)
		}
	}
	return out
}

func groupSpec(s *v1alpha1.UpgradeStrategySpec, stage, group int) *v1alpha1.StrategyGroup {
	if s == nil || stage >= len(s.Stages) || group >= len(s.Stages[stage].Groups) {
		return nil
	}
	return &s.Stages[stage].Groups[group]
}

// forgetPlaces keeps the places that their groups have not taken and that are still to be left: the record has their
// clusters as ended already, so whoever takes one later must not begin before.
func (p *player) forgetPlaces() {
	p.free = slices.DeleteFunc(p.free, func(s slot) bool { return s.taken || !s.at.After(p.now) })
}

// takePlaces says when each of the clusters begins that were told to start. Clusters take the places of their own group
// in the order in which they are left. What starts beside them, because another limit has room, takes the place that
// was left in its stage or elsewhere, if there is one; or it begins now.
func (p *player) takePlaces(actions []rollout.Action) map[string]time.Time {
	starts := map[string]time.Time{}
	for _, near := range []func(a *rollout.Action, left *Cluster) bool{
		func(a *rollout.Action, left *Cluster) bool { return left.Stage == a.Stage && left.Group == a.Group },
		func(a *rollout.Action, left *Cluster) bool { return left.Stage == a.Stage },
		func(*rollout.Action, *Cluster) bool { return true },
	} {
		for i := range actions {
			a := &actions[i]
			if _, has := starts[a.Cluster]; has || a.Kind != rollout.ActionStartCluster {
				continue
			}
			if at, ok := p.take(a, near); ok {
				starts[a.Cluster] = at
			}
		}
	}
	return starts
}

// take takes the first free place that is near enough.
func (p *player) take(a *rollout.Action, near func(*rollout.Action, *Cluster) bool) (time.Time, bool) {
	for i := range p.free {
		s := &p.free[i]
		left := p.told[s.cluster]
		own := left.Stage == a.Stage && left.Group == a.Group
		if s.taken || s.lent && !own || !near(a, left) {
			continue
		}
		s.taken, s.lent = own, true // one that is lent is still waited for by its own group
		return later(s.at, p.now), true
	}
	return time.Time{}, false
}
