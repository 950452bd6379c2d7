// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/budget"
)

// defaultConcurrency is how many clusters of a run may be in flight when its strategy does not say.
const defaultConcurrency = 50

// walk goes through the stages: everything before the first that is not finished is finished, and nothing after it
// begins.
func (p *pass) walk(failure *failure) {
	p.st.Phase = v1alpha1.RunPhaseRunning
	limit, err := budget.Concurrency("maxConcurrency", p.st.Strategy.MaxConcurrency, len(p.members), defaultConcurrency)
	if err != nil {
		limit = 1 // it was checked at the start; a record that was edited by hand still moves carefully
	}
	room := budget.Room{{Max: limit, Used: running(p.members)}}
	if fleet := p.fleetLimit(); fleet != nil {
		p.fleet = fleet
		room = append(room, fleet)
	}
	p.holdMutexes()
	if p.walkStages(room, failure) {
		p.finish()
		return
	}
	for _, s := range p.stages {
		if s.st.Waiting != nil && s.st.Waiting.Reason != v1alpha1.ReasonPreviousStage {
			p.st.CurrentStage = s.spec.Name
			p.waiting = firstWait(p.waiting, s.st.Waiting)
			break
		}
	}
	if !anyInFlight(p.members) {
		p.st.Phase = v1alpha1.RunPhasePending
	}
	if failure != nil && !slices.ContainsFunc(p.stages, (*stage).inHand) {
		p.stopForFailure(failure)
	}
}

// walkStages does what can be done in each stage that may be in hand, and says whether all are finished.
func (p *pass) walkStages(room budget.Room, failure *failure) bool {
	finished := make([]bool, len(p.stages))
	for i, s := range p.stages {
		if first := p.firstBefore(i, finished); first != nil {
			p.stageWaitsFor(s, first)
			continue
		}
		if failure != nil && !s.begun() {
			continue // FinishStage: what was begun is finished, and nothing else begins
		}
		finished[i] = p.walkStage(s, room)
	}
	return failure == nil && !slices.Contains(finished, false)
}

// walkStage does what can be done in a stage now, and says whether it is finished.
func (p *pass) walkStage(s *stage, room budget.Room) bool {
	members := s.members
	if s.skipped {
		s.st.Phase = v1alpha1.StagePhaseSkipped
		return !anyInFlight(members) || p.stageWaits(s, v1alpha1.ReasonClustersInFlight, "clusters of a skipped stage go to a safe point")
	}
	if s.st.FinishedAt != nil && settled(members) {
		return true
	}
	if open, wait := p.gatesOpen(s.spec.BeforeGates, gatePlace{stage: s.spec.Name, timing: v1alpha1.GateTimingBefore}, &s.st.Gates); !open {
		s.st.Phase = v1alpha1.StagePhaseWaiting
		s.st.Waiting = p.newWait(s.before, wait.Reason, wait.Message, untilOf(wait))
		return false
	}
	limit, err := budget.Concurrency("maxConcurrency", s.spec.MaxConcurrency, len(members), room[0].Max)
	if err != nil {
		limit = 1
	}
	room = append(slices.Clone(room), &budget.Limit{Max: limit, Used: running(members)})
	all := true
	for _, g := range s.groups {
		all = p.walkGroup(s, g, room) && all
	}
	if !all {
		s.st.Phase = v1alpha1.StagePhaseRunning
		p.stageInFlight(s)
		return false
	}
	return p.soakAndGates(s)
}

// stageInFlight says what a stage waits for whose clusters are not done: those in flight, or what keeps the others.
func (p *pass) stageInFlight(s *stage) {
	var moving []string
	for _, m := range s.members {
		if m.state == memberInFlight {
			moving = append(moving, m.name)
		}
	}
	if len(moving) > 0 {
		slices.Sort(moving)
		s.st.Waiting = p.newWait(s.before, v1alpha1.ReasonClustersInFlight, "upgrading "+few(moving), time.Time{})
		return
	}
	s.st.Phase = v1alpha1.StagePhaseWaiting
	for _, g := range s.groups {
		s.st.Waiting = firstWait(s.st.Waiting, g.st.Waiting)
	}
}

// walkGroup starts what may start in a group, and says whether all its clusters have ended and its gates are passed.
func (p *pass) walkGroup(s *stage, g *group, room budget.Room) bool {
	if g.skipped {
		g.st.Phase = v1alpha1.StagePhaseSkipped
		return !anyInFlight(g.members)
	}
	place := gatePlace{stage: s.spec.Name, group: g.spec.Name, timing: v1alpha1.GateTimingBefore}
	if open, wait := p.gatesOpen(g.spec.BeforeGates, place, &g.st.Gates); !open {
		g.st.Phase = v1alpha1.StagePhaseWaiting
		g.st.Waiting = p.newWait(g.before, wait.Reason, wait.Message, untilOf(wait))
		return false
	}
	p.startClusters(s, g, room)
	if !settled(g.members) {
		g.st.Phase = v1alpha1.StagePhaseRunning
		return false
	}
	place.timing = v1alpha1.GateTimingAfter
	if open, wait := p.gatesOpen(g.spec.AfterGates, place, &g.st.Gates); !open {
		g.st.Phase = v1alpha1.StagePhaseWaiting
		g.st.Waiting = p.newWait(g.before, wait.Reason, wait.Message, untilOf(wait))
		return false
	}
	g.st.Phase = v1alpha1.StagePhaseSucceeded
	return true
}

// startClusters starts clusters of a group in their order as far as every limit allows. One that cannot start now
// waits aside, and the next takes its turn.
func (p *pass) startClusters(s *stage, g *group, room budget.Room) {
	limit, err := budget.Concurrency("maxConcurrency", g.spec.MaxConcurrency, len(g.members), 1)
	if err != nil {
		limit = 1
	}
	room = append(slices.Clone(room), &budget.Limit{Max: limit, Used: running(g.members)})
	canaries := g.canariesFirst()
	var keeps *v1alpha1.Waiting
	for _, m := range g.members {
		if !startable(m) {
			continue
		}
		if canaries != nil && !g.isCanary(m) {
			keeps = firstWait(keeps, canaries)
			break
		}
		wait := p.cannotStart(m)
		if wait == nil {
			wait = p.outsideWindow(m, s)
		}
		if wait != nil {
			keeps = firstWait(keeps, wait)
			if unavailable(wait) {
				p.standAside(g, m, wait)
			}
			continue
		}
		p.pickUp(g, m)
		if full := room.Full(); full != nil {
			keeps = p.noRoom(m, full)
			break
		}
		room.Take()
		p.letGo(s, g, m)
	}
	if keeps != nil {
		var until time.Time
		if keeps.Until != nil {
			until = keeps.Until.Time
		}
		g.st.Waiting = p.newWait(g.before, keeps.Reason, keeps.Message, until)
	}
}

// startable says whether a cluster is neither in flight nor done.
func startable(m *member) bool {
	switch m.state {
	case memberNotStarted, memberHeld, memberToRetry, memberSetAside:
		return true
	}
	return false
}

func (p *pass) noRoom(m *member, full *budget.Limit) *v1alpha1.Waiting {
	if full == p.fleet {
		return &v1alpha1.Waiting{Reason: v1alpha1.ReasonFleetConcurrencyReached,
			Message: fmt.Sprintf("%s starts when a cluster of any run is done: the fleet allows %d in flight", m.name, full.Max)}
	}
	return &v1alpha1.Waiting{Reason: v1alpha1.ReasonConcurrencyReached, Message: m.name + " starts when a cluster in flight is done"}
}

// letGo starts a cluster, or lets it go on from the safe point at which it rests.
func (p *pass) letGo(s *stage, g *group, m *member) {
	p.holdMutexesOf(m.cluster, holder{name: m.name, inFlight: true})
	soakAnew(s)
	switch m.state {
	case memberHeld:
		p.setState(m, v1alpha1.ClusterUpgradeStateRun, "the run goes on")
	case memberToRetry:
		p.actions = append(p.actions, Action{Kind: ActionRetry, Stage: m.stage, Group: m.group, Cluster: m.name, Upgrade: m.upgrade.Name,
			Attempt: p.st.Attempt, Claimed: p.claimed(m), Reason: "a person asked to retry what failed, with the same target"})
	default:
		p.startCluster(s, g, m)
		return
	}
	m.state = memberInFlight
}

func (p *pass) startCluster(s *stage, g *group, m *member) {
	spec, err := p.specFor(m.cluster, s)
	if err != nil {
		// It had a way when the run was accepted, and has none now: somebody changed it meanwhile.
		g.st.Waiting = p.newWait(g.before, reasonOf(err), fmt.Sprintf("%s: %v", m.name, err), time.Time{})
		return
	}
	p.actions = append(p.actions, Action{Kind: ActionStartCluster, Stage: s.spec.Name, Group: g.spec.Name, Cluster: m.name,
		Upgrade: UpgradeName(p.s.Run.Name, m.name), Spec: spec, Claimed: p.claimed(m), Reason: startReason(m.cluster, spec)})
	m.state = memberInFlight
	if s.st.StartedAt == nil {
		s.st.StartedAt = p.instant()
	}
}

// claimed is the run whose claim is left on a cluster; p.cannotStart has found that it holds it no more.
func (p *pass) claimed(m *member) string {
	if by := m.cluster.Status.ActiveRun; by != p.s.Run.Name {
		return by
	}
	return ""
}

// UpgradeName is the name of the ClusterUpgrade of a cluster in a run.
func UpgradeName(run, cluster string) string { return run + "-" + cluster }

func startReason(c *v1alpha1.Cluster, spec *v1alpha1.ClusterUpgradeSpec) string {
	switch {
	case len(spec.Hops) == 0:
		return "its nodes get " + strings.Join(spec.NodeImages, ", ")
	case spec.Hops[0] == c.Status.ControlPlane.Version:
		return "its control plane runs " + spec.Hops[0] + " already: its nodes and its health are looked at"
	}
	return fmt.Sprintf("it runs %s and goes to %s", c.Status.ControlPlane.Version, strings.Join(spec.Hops, ", then "))
}

// cannotStart says why a cluster cannot start now, or nothing.
func (p *pass) cannotStart(m *member) *v1alpha1.Waiting {
	no := func(reason, format string, args ...any) *v1alpha1.Waiting {
		return &v1alpha1.Waiting{Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
	if m.cluster == nil {
		return no(v1alpha1.ReasonClusterMissingFromFleet, "%s is no longer in the fleet: add it again, or skip it with `sengu run skip`", m.name)
	}
	if run := p.s.BusyWith[m.name]; run != "" {
		return no(v1alpha1.ReasonClusterBusy, "run %s works on %s: it starts when that run is done with it", run, m.name)
	}
	if run := p.s.Taken[m.name]; run != "" && m.upgrade == nil {
		return no(v1alpha1.ReasonClusterBusy, "%s has to wait: there is a cluster upgrade %s already, of another run (%s): it starts when that one is deleted",
			m.name, UpgradeName(p.s.Run.Name, m.name), run)
	}
	conditions := m.cluster.Status.Conditions
	if busy := meta.FindStatusCondition(conditions, v1alpha1.ConditionBusy); busy != nil && busy.Status == metav1.ConditionTrue && busy.Reason == v1alpha1.ReasonOperationRunning {
		return no(v1alpha1.ReasonClusterBusy, "%s: %s", m.name, busy.Message)
	}
	// One that was begun may be unhealthy because of that: going on is how it becomes healthy.
	if problem := unhealthy(m.cluster); problem != "" && m.upgrade == nil {
		return no(v1alpha1.ReasonClusterNotReady, "%s: %s", m.name, problem)
	}
	return p.mutexHeld(m)
}

// unhealthy says what is wrong with a cluster. A condition that is missing or unknown is not a pass.
func unhealthy(c *v1alpha1.Cluster) string {
	if c == nil {
		return "it is no longer in the fleet"
	}
	for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
		condition := meta.FindStatusCondition(c.Status.Conditions, kind)
		if condition == nil {
			return "its health is not known yet"
		}
		if condition.Status != metav1.ConditionTrue {
			return condition.Message
		}
	}
	return ""
}

// finish ends a run all of whose stages are finished.
func (p *pass) finish() {
	p.st.CurrentStage = ""
	var failed []*member
	for _, m := range p.members {
		switch m.state {
		case memberFailed:
			failed = append(failed, m)
		case memberSucceeded:
			if problem := unhealthy(m.cluster); problem != "" {
				p.wait(v1alpha1.ReasonClusterNotReady, fmt.Sprintf("all clusters are on the target, and %s is not healthy: %s", m.name, problem))
			}
		}
	}
	if len(failed) > 0 {
		p.waiting = nil
		p.end(v1alpha1.RunPhaseFailed)
		p.wait(v1alpha1.ReasonClustersFailed, "clusters failed, no more than allowed; retry or skip them: "+failures(failed))
		return
	}
	if out := p.setAside(); len(out) > 0 {
		p.waiting = nil
		p.end(v1alpha1.RunPhaseFailed)
		p.wait(v1alpha1.ReasonClustersSetAside, "all is done but for clusters that were not available; retry or skip them: "+few(out))
		return
	}
	if p.waiting != nil {
		p.st.Phase = v1alpha1.RunPhasePending
		return
	}
	p.end(v1alpha1.RunPhaseSucceeded)
}

func (p *pass) stageWaits(s *stage, reason, message string) bool {
	s.st.Waiting = p.newWait(s.before, reason, message, time.Time{})
	return false
}

func anyInFlight(members []*member) bool {
	return slices.ContainsFunc(members, func(m *member) bool { return m.state == memberInFlight })
}

func firstWait(a, b *v1alpha1.Waiting) *v1alpha1.Waiting {
	if a != nil {
		return a
	}
	return b
}
