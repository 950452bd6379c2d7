// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"cmp"
	"fmt"
	"slices"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/budget"
)

// fleetLimit is what the whole fleet allows over all runs, and how much of it is used; nil: the fleet has no limit.
func (p *pass) fleetLimit() *budget.Limit {
	if p.s.Fleet == nil || p.s.Fleet.MaxConcurrency == nil {
		return nil
	}
	limit, err := budget.Concurrency("maxConcurrency of the fleet", p.s.Fleet.MaxConcurrency, len(p.s.Clusters), 1)
	if err != nil {
		limit = 1 // it was checked when it was written; one that cannot be read still moves carefully
	}
	return &budget.Limit{Max: limit, Used: running(p.members) + len(p.elsewhere())}
}

// elsewhere names the clusters that are in flight in other runs.
func (p *pass) elsewhere() []string {
	var out []string
	for _, u := range p.s.Elsewhere {
		if InFlight(u) {
			out = append(out, u.Spec.Cluster)
		}
	}
	return out
}

// holder is a cluster that keeps a mutex from others.
type holder struct {
	name     string
	inFlight bool // not at rest
	failed   bool
}

// holdMutexes notes who holds each mutex: clusters that are in flight, also in other runs, and those of this run that
// were left in the middle, at a safe point or failed. While one of a pair is half upgraded, the other one carries the
// load of both.
func (p *pass) holdMutexes() {
	p.mutexes = map[string][]holder{}
	for _, name := range p.elsewhere() {
		p.holdMutexesOf(p.clusters[name], holder{name: name, inFlight: true})
	}
	for _, m := range p.members {
		switch m.state {
		case memberInFlight, memberHeld, memberFailed, memberToRetry:
			p.holdMutexesOf(m.cluster, holder{m.name, m.state == memberInFlight, m.state == memberFailed})
		}
	}
	for _, holders := range p.mutexes {
		slices.SortFunc(holders, func(a, b holder) int { return cmp.Compare(a.name, b.name) })
	}
}

func (p *pass) holdMutexesOf(c *v1alpha1.Cluster, h holder) {
	if c == nil {
		return
	}
	for _, mutex := range c.Spec.Mutexes {
		p.mutexes[mutex] = append(p.mutexes[mutex], h)
	}
}

// mutexHeld says which other cluster keeps a cluster from starting, or nothing. One that is in the middle itself has
// to get out of it: only what is in flight keeps it.
func (p *pass) mutexHeld(m *member) *v1alpha1.Waiting {
	for _, mutex := range m.cluster.Spec.Mutexes {
		for _, by := range p.mutexes[mutex] {
			if by.name == m.name || m.upgrade != nil && !by.inFlight {
				continue
			}
			message := fmt.Sprintf("%s and %s share mutex %s, and %s is not done", m.name, by.name, mutex, by.name)
			if by.failed {
				message = fmt.Sprintf("%s and %s share mutex %s, and %s failed: retry the run or skip that cluster", m.name, by.name, mutex, by.name)
			}
			return &v1alpha1.Waiting{Reason: v1alpha1.ReasonMutexHeld, Message: message}
		}
	}
	return nil
}

// Ended says whether a cluster upgrade is over. One that failed is, until a retry is asked for.
func Ended(u *v1alpha1.ClusterUpgrade) bool {
	switch u.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseSucceeded, v1alpha1.ClusterUpgradePhaseSkipped:
		return true
	case v1alpha1.ClusterUpgradePhaseFailed:
		return max(u.Spec.Attempt, 1) <= max(u.Status.Attempt, 1)
	}
	return false
}

// InFlight says whether a cluster upgrade has begun or may begin at any moment, and is not at rest.
func InFlight(u *v1alpha1.ClusterUpgrade) bool {
	// At rest as long as nobody wants otherwise: what was told to go on counts at once.
	rests := u.Status.Phase == v1alpha1.ClusterUpgradePhaseHeld && state(u) == v1alpha1.ClusterUpgradeStateHold
	return !rests && !Ended(u)
}
