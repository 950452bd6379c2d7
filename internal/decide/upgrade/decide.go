// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// Decide says what is done next on one cluster, and what its record becomes. It changes nothing in the snapshot.
//
// Every pass goes the same way: settle what was asked for before, then either work on the first step that is not
// finished, or, when a person, a failure or a deletion says so, go to a safe point.
func Decide(s Snapshot, now time.Time) Decision {
	p := newPass(s, now)
	if p.ended() {
		return Decision{Status: *p.st, ReleaseFinalizer: s.Deleting}
	}
	p.rememberOnlyThePast()
	p.begin()
	if s.Cluster == nil {
		p.withoutCluster()
		return p.decision()
	}
	p.beginDrainsAnew()
	p.settle()
	if p.aim() == aimWork {
		p.work()
		p.restOutsideWindow()
	}
	if a := p.aim(); a != aimWork && !p.over() {
		// What was decided for nodes before the failure was found is not begun any more.
		p.actions = slices.DeleteFunc(p.actions, func(a Action) bool { return a.Kind == ActionEvict || a.Kind == ActionCordon })
		p.goToSafePoint(a)
	}
	return p.decision()
}

// pass is what is known and decided in one call of Decide.
type pass struct {
	s   Snapshot
	now time.Time
	// was is the record as it came in, and st what it becomes.
	was, st *v1alpha1.ClusterUpgradeStatus
	members map[string]*Node
	actions []Action
	next    time.Time
	wait    *v1alpha1.Waiting
	// release the finalizer.
	release bool
	// unstarted: an operation of the record is not known to have started.
	unstarted bool
	// putOff: the provider said not now to an operation that was then given up.
	putOff bool
	// outdated are the nodes of the pool in hand that will be drained later.
	outdated []string
	// closed is why the calendars let something not begin; nil: they were not in the way.
	closed *v1alpha1.Waiting
	// blocked are the obstacles of nodes in hand that cannot move at all.
	blocked []string
}

func newPass(s Snapshot, now time.Time) *pass {
	p := &pass{s: s, now: now, was: &s.Upgrade.Status, st: s.Upgrade.Status.DeepCopy(), members: map[string]*Node{}}
	if s.Member != nil {
		for i := range s.Member.Nodes {
			p.members[s.Member.Nodes[i].Name] = &s.Member.Nodes[i]
		}
	}
	return p
}

// aim is where a pass wants to go.
type aim string

const (
	aimWork   aim = "work"
	aimFail   aim = "fail"
	aimHold   aim = "hold"
	aimSkip   aim = "skip"
	aimDelete aim = "delete"
)

// aim follows from what a person wants and from what failed; a person's last word comes first.
func (p *pass) aim() aim {
	switch {
	case p.s.Deleting:
		return aimDelete
	case p.s.Upgrade.Spec.State == v1alpha1.ClusterUpgradeStateSkip:
		return aimSkip
	case p.failing():
		return aimFail
	case p.s.Upgrade.Spec.State == v1alpha1.ClusterUpgradeStateHold:
		return aimHold
	}
	return aimWork
}

// failing says whether a step has failed: the reason is in the record from then on, and the phase follows when the
// cluster is at a safe point.
func (p *pass) failing() bool { return p.st.Reason != "" }

// over says whether this pass ended the upgrade.
func (p *pass) over() bool { return p.st.Phase == v1alpha1.ClusterUpgradePhaseSucceeded }

// ended says whether nothing is left to do unless a person asks for a retry.
func (p *pass) ended() bool {
	switch p.st.Phase {
	case v1alpha1.ClusterUpgradePhaseSucceeded, v1alpha1.ClusterUpgradePhaseSkipped:
		return true
	case v1alpha1.ClusterUpgradePhaseFailed:
		return p.s.Deleting || p.attempt() <= max(p.st.Attempt, 1)
	}
	return false
}

func (p *pass) attempt() int32 { return max(p.s.Upgrade.Spec.Attempt, 1) }

// begin notes that a pass is made, and takes back the failures of an earlier attempt: it goes on from the first
// step that is not finished, to the same target.
func (p *pass) begin() {
	p.st.ObservedGeneration = p.s.Upgrade.Generation
	if p.st.Phase == "" {
		p.st.Phase = v1alpha1.ClusterUpgradePhaseNotStarted
	}
	if p.st.Attempt == 0 {
		p.st.Attempt = p.attempt()
	}
	if p.attempt() <= p.st.Attempt {
		return
	}
	p.st.Attempt = p.attempt()
	p.st.Reason, p.st.Message, p.st.FinishedAt, p.st.Diagnosis = "", "", nil, nil
	for i := range p.st.Steps {
		if s := &p.st.Steps[i]; s.Result == v1alpha1.StepResultFailed {
			*s = v1alpha1.StepStatus{Name: s.Name, StartedAt: p.stamp(), Result: v1alpha1.StepResultRunning}
		}
	}
	for i := range p.st.NodePools { // what was quarantined is tried again
		pool := &p.st.NodePools[i]
		pool.Draining = slices.DeleteFunc(pool.Draining, func(d v1alpha1.DrainingNode) bool { return d.State != stateDraining })
	}
}

// withoutCluster ends an upgrade whose cluster was deleted from the fleet: nothing of it can be reached any more.
func (p *pass) withoutCluster() {
	if p.s.Deleting {
		p.end(v1alpha1.ClusterUpgradePhaseSkipped)
		p.release = true
		return
	}
	p.fail(p.st.CurrentStep, v1alpha1.ReasonClusterMissingFromFleet,
		"cluster "+p.s.Upgrade.Spec.Cluster+" was deleted from the fleet, so nothing more can be done to it; what was in hand stays as it is")
	p.end(v1alpha1.ClusterUpgradePhaseFailed)
}

// order of actions: what frees capacity first, and evictions last because they are made side by side.
var order = []ActionKind{
	ActionUncordon, ActionQuarantine, ActionCordon, ActionUpgradeControlPlane, ActionUpgradeNodePool,
	ActionAddNode, ActionReplaceNode, ActionRemoveNode, ActionEvict,
}

// decision is the outcome of the pass. Actions of a kind stay in the order in which they were decided, which for
// nodes and evictions says what is best done first.
func (p *pass) decision() Decision {
	slices.SortStableFunc(p.actions, func(a, b Action) int {
		return cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind))
	})
	p.finishStatus()
	return Decision{Actions: p.actions, Status: *p.st, NextLook: p.next, ReleaseFinalizer: p.release, Outdated: p.outdated}
}

// do adds an action.
func (p *pass) do(a Action) { p.actions = append(p.actions, a) }

// lookAt makes the next pass happen at t at the latest; an instant that is over or zero does not count.
func (p *pass) lookAt(t time.Time) {
	if t.After(p.now) && (p.next.IsZero() || t.Before(p.next)) {
		p.next = t
	}
}

// stamp is now as the record keeps it: the API keeps whole seconds.
func (p *pass) stamp() *metav1.Time {
	t := metav1.NewTime(p.now.Truncate(time.Second))
	return &t
}
