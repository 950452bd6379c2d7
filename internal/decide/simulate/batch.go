// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"container/heap"
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
	taken   bool
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

// slotFor is when a cluster starts: when the first place that it can take was left, its group's before those of its
// stage, and these before any other; or now.
func (p *player) slotFor(a *rollout.Action) time.Time {
	told := p.tell(a.Cluster)
	told.Stage, told.Group = a.Stage, a.Group
	best, rank := -1, 0
	for i := range p.free {
		if p.free[i].taken {
			continue
		}
		left, r := p.told[p.free[i].cluster], 1
		switch {
		case left.Stage == a.Stage && left.Group == a.Group:
			r = 3
		case left.Stage == a.Stage:
			r = 2
		}
		if r > rank {
			best, rank = i, r
		}
	}
	if best < 0 {
		return p.now
	}
	p.free[best].taken = true
	return later(p.free[best].at, p.now)
}
