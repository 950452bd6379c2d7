// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"cmp"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// defaultSetAsideAfter is how long a cluster may be unavailable when the strategy sets such clusters aside and does
// not say after which time.
const defaultSetAsideAfter = 24 * time.Hour

// SetAsideAfter is how long a cluster may be unavailable until a run goes on without it; false: for as long as it takes.
func SetAsideAfter(s *v1alpha1.UpgradeStrategySpec) (time.Duration, bool) {
	switch policy := s.Unavailable; {
	case policy == nil || policy.Action != v1alpha1.UnavailableSetAside:
		return 0, false
	case policy.After != nil:
		return policy.After.Duration, true
	}
	return defaultSetAsideAfter, true
}

// unavailable says whether a wait is about the state of the cluster itself, which can last for ever: it is stopped,
// unreachable, unhealthy, gone, or somebody else works on it.
func unavailable(w *v1alpha1.Waiting) bool {
	switch w.Reason {
	case v1alpha1.ReasonClusterMissingFromFleet, v1alpha1.ReasonClusterBusy, v1alpha1.ReasonClusterNotReady:
		return true
	}
	return false
}

// standAside notes that a cluster is not available. When that has lasted longer than the strategy wants to wait, the
// run goes on without it. A canary is never set aside: without it nothing is proven.
func (p *pass) standAside(g *group, m *member, wait *v1alpha1.Waiting) {
	i, known := aside(g.st, m.name)
	if !known {
		g.st.Aside = slices.Insert(g.st.Aside, i, v1alpha1.RunAside{Cluster: m.name, Since: p.instant(), State: v1alpha1.AsideWaiting})
	}
	entry := &g.st.Aside[i]
	entry.Reason = wait.Reason
	after, ok := SetAsideAfter(p.st.Strategy)
	if !ok || g.isCanary(m) {
		return
	}
	if due := entry.Since.Add(after); p.now.Before(due) {
		p.lookAt(due)
		return
	}
	entry.State, m.state = v1alpha1.AsideSetAside, memberSetAside
}

// pickUp takes a cluster back that is available again.
func (p *pass) pickUp(g *group, m *member) {
	if i, known := aside(g.st, m.name); known {
		g.st.Aside = slices.Delete(g.st.Aside, i, i+1)
	}
	if m.state == memberSetAside {
		m.state = memberNotStarted
	}
}

// aside finds a cluster among those that wait aside, which are kept by name, or the place where it belongs.
func aside(st *v1alpha1.RunGroupStatus, cluster string) (i int, known bool) {
	return slices.BinarySearchFunc(st.Aside, cluster, func(a v1alpha1.RunAside, name string) int { return cmp.Compare(a.Cluster, name) })
}

func isSetAside(st *v1alpha1.RunGroupStatus, cluster string) bool {
	i, known := aside(st, cluster)
	return known && st.Aside[i].State == v1alpha1.AsideSetAside
}

// forgetAside lets a new attempt of the run try every cluster anew.
func forgetAside(st *v1alpha1.UpgradeRunStatus) {
	for i := range st.Stages {
		for j := range st.Stages[i].Groups {
			st.Stages[i].Groups[j].Aside = nil
		}
	}
}

// setAside are the clusters that the run went on without, each with what was in the way.
func (p *pass) setAside() []string {
	var out []string
	for _, s := range p.stages {
		for _, g := range s.groups {
			for _, m := range g.members {
				if i, known := aside(g.st, m.name); known && m.state == memberSetAside {
					out = append(out, m.name+" ("+g.st.Aside[i].Reason+")")
				}
			}
		}
	}
	return out
}
