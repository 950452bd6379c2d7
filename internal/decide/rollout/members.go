// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"sengu.dev/sengu/api/v1alpha1"
)

// memberState is where a cluster is in the run.
type memberState int

const (
	memberNotStarted memberState = iota
	memberInFlight
	memberHeld // at a safe point, not finished
	memberSucceeded
	memberFailed
	memberToRetry  // failed, and a person asked to retry
	memberSkipped  // by a person, and nothing of it is in flight
	memberSetAside // not available for too long: the run goes on without it
)

// member is a cluster of the run.
type member struct {
	name, stage, group string
	cluster            *v1alpha1.Cluster        // nil: deleted from the fleet
	upgrade            *v1alpha1.ClusterUpgrade // nil: not started
	state              memberState
	window             *window // nil: not asked yet
}

// group and stage are those of the frozen strategy with their record and their clusters.
type group struct {
	spec    *v1alpha1.StrategyGroup
	st      *v1alpha1.RunGroupStatus
	before  *v1alpha1.Waiting
	skipped bool
	members []*member
}

type stage struct {
	spec    *v1alpha1.StrategyStage
	st      *v1alpha1.RunStageStatus
	before  *v1alpha1.Waiting
	skipped bool
	groups  []*group
	members []*member // of all groups
}

// survey joins the frozen strategy, the record and the cluster upgrades.
func (p *pass) survey() {
	strategy := p.st.Strategy
	var inRun [][]*member
	for i := range strategy.Stages {
		var inStage [][]*member
		spec, st := &strategy.Stages[i], &p.st.Stages[i]
		s := &stage{spec: spec, st: st, before: st.Waiting, skipped: p.skips.stages[spec.Name]}
		st.Waiting = nil
		for j := range spec.Groups {
			g := &group{spec: &spec.Groups[j], st: &st.Groups[j], before: st.Groups[j].Waiting,
				skipped: s.skipped || p.skips.groups[spec.Name+"/"+spec.Groups[j].Name]}
			g.st.Waiting = nil
			g.members = p.s.Index.group([2]int{i, j}, spec.Name, g.spec.Name, g.st.Clusters)
			for _, m := range g.members {
				m.state = p.stateOf(m, g.skipped || p.skips.clusters[m.name])
				if m.state == memberNotStarted && isSetAside(g.st, m.name) {
					m.state = memberSetAside
				}
			}
			s.groups, inStage = append(s.groups, g), append(inStage, g.members)
		}
		s.members = p.s.Index.join(i, inStage)
		p.stages, inRun = append(p.stages, s), append(inRun, s.members)
	}
	p.members = p.s.Index.join(-1, inRun)
}

func (p *pass) stateOf(m *member, skipped bool) memberState {
	if m.upgrade == nil {
		if skipped {
			return memberSkipped
		}
		return memberNotStarted
	}
	if InFlight(m.upgrade) {
		return memberInFlight
	}
	switch m.upgrade.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseSucceeded:
		return memberSucceeded
	case v1alpha1.ClusterUpgradePhaseSkipped:
		if p.s.Run.Spec.State == v1alpha1.RunStateStop && !skipped {
			return memberHeld // nobody left it out: it was under way when the run was stopped
		}
		return memberSkipped
	case v1alpha1.ClusterUpgradePhaseFailed:
		switch {
		case skipped:
			return memberSkipped
		case max(m.upgrade.Spec.Attempt, 1) < p.st.Attempt:
			return memberToRetry
		}
		return memberFailed
	}
	return memberHeld
}

// counts counts clusters by state.
func counts(members []*member) v1alpha1.RunCounts {
	var c v1alpha1.RunCounts
	for _, m := range members {
		c.Total++
		switch m.state {
		case memberNotStarted, memberToRetry:
			c.NotStarted++
		case memberInFlight:
			c.Running++
		case memberHeld:
			c.Stopped++
		case memberSucceeded:
			c.Succeeded++
			if alreadyOnTarget(m.upgrade) {
				c.AlreadyOnTarget++
			}
		case memberFailed:
			c.Failed++
		case memberSkipped:
			c.Skipped++
		case memberSetAside:
			c.SetAside++
		}
	}
	return c
}

// running counts the clusters in flight alone.
func running(members []*member) (n int) {
	for _, m := range members {
		if m.state == memberInFlight {
			n++
		}
	}
	return n
}

// alreadyOnTarget says whether nothing had to be changed in a cluster.
func alreadyOnTarget(u *v1alpha1.ClusterUpgrade) bool {
	c := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionSucceeded)
	return c != nil && c.Reason == v1alpha1.ReasonAlreadyOnTarget
}

// settled says whether every cluster has ended: succeeded, failed, skipped or set aside.
func settled(members []*member) bool {
	for _, m := range members {
		switch m.state {
		case memberNotStarted, memberInFlight, memberHeld, memberToRetry:
			return false
		}
	}
	return true
}

// allSettled says whether every cluster of the run succeeded or was skipped by a person.
func (p *pass) allSettled() bool {
	for _, m := range p.members {
		if m.state != memberSucceeded && m.state != memberSkipped {
			return false
		}
	}
	return true
}
