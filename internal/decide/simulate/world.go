// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"container/heap"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/estimate"
	"sengu.dev/sengu/internal/decide/rollout"
)

// do is what the controllers and the providers do on an action; a cluster that it starts begins at an instant.
func (p *player) do(a *rollout.Action, begin time.Time) {
	switch a.Kind {
	case rollout.ActionStartCluster:
		u := &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: a.Upgrade}, Spec: *a.Spec}
		u.Status.Phase, u.Status.Attempt = v1alpha1.ClusterUpgradePhaseRunning, max(a.Spec.Attempt, 1)
		p.keep(u)
		told := p.tell(a.Cluster)
		told.Stage, told.Group = a.Stage, a.Group
		p.begin(u, begin, p.s.Estimates.Steps(p.clusters[a.Cluster], a.Spec))
	case rollout.ActionRetry:
		u := p.copyOf(a.Cluster)
		u.Spec.Attempt, u.Spec.State, u.Status.Attempt = a.Attempt, v1alpha1.ClusterUpgradeStateRun, a.Attempt
		u.Status.Phase = v1alpha1.ClusterUpgradePhaseRunning
		p.begin(u, p.now, p.s.Estimates.Remaining(p.clusters[a.Cluster], u, p.now))
	case rollout.ActionSetState:
		p.setState(a)
	case rollout.ActionCreateGate:
		p.addGate(&v1alpha1.Gate{ObjectMeta: metav1.ObjectMeta{Name: a.Gate}, Spec: *a.GateSpec})
		p.wake() // the next pass says what is to be done for it
	case rollout.ActionDecideGate:
		p.writeGate(a.Gate, a.GateStatus)
	case rollout.ActionSkipGate:
		p.setGateState(a.Gate, v1alpha1.GateStateSkipped)
	}
}

// setState lets a held cluster go on, or brings one to a safe point, which takes no time here.
func (p *player) setState(a *rollout.Action) {
	u := p.copyOf(a.Cluster)
	was := u.Status.Phase
	u.Spec.State = a.State
	switch a.State {
	case v1alpha1.ClusterUpgradeStateHold:
		u.Status.Phase = v1alpha1.ClusterUpgradePhaseHeld
	case v1alpha1.ClusterUpgradeStateSkip:
		u.Status.Phase = v1alpha1.ClusterUpgradePhaseSkipped
	default:
		if was == v1alpha1.ClusterUpgradePhaseHeld {
			steps := p.s.Estimates.Remaining(p.clusters[a.Cluster], u, p.now)
			u.Status.Phase = v1alpha1.ClusterUpgradePhaseRunning
			p.begin(u, p.now, steps)
		}
		return
	}
	p.forget(a.Cluster)
	if told := p.told[a.Cluster]; told != nil {
		told.End, told.Phase = new(p.now), u.Status.Phase
	}
	p.wake()
}

// forget that a cluster would have ended.
func (p *player) forget(cluster string) {
	for i := range p.events {
		if p.events[i].cluster == cluster {
			heap.Remove(&p.events, i)
			return
		}
	}
}

// wake makes the next pass happen at this instant.
func (p *player) wake() { p.schedule(event{at: p.now}) }

// copyOf an upgrade that may be changed: those of the input may not.
func (p *player) copyOf(cluster string) *v1alpha1.ClusterUpgrade {
	u := *p.upgrades[cluster]
	p.keep(&u)
	return &u
}

func (p *player) schedule(e event) {
	p.made++
	e.order = p.made
	heap.Push(&p.events, e)
}

// begin lays the work on a cluster into its windows.
func (p *player) begin(u *v1alpha1.ClusterUpgrade, at time.Time, steps []estimate.Step) {
	c := p.clusters[u.Spec.Cluster]
	windows := p.hoursOf(c, u)
	course := way{p.in.Percentile, windows, p.horizon}.walk(steps, at)
	told := p.tell(u.Spec.Cluster)
	if told.Start == nil && !course.start.IsZero() {
		told.Start = new(course.start)
	}
	told.End, told.Phase = nil, ""
	told.Samples = estimate.Sum(steps).Samples
	told.Pauses = append(told.Pauses, course.pauses...)
	p.notes.estimated(c, steps)
	if course.tooLong != nil {
		p.notes.tooLong(u.Spec.Cluster, windows, course.tooLong, p.horizon)
		return
	}
	p.schedule(event{at: course.end, cluster: u.Spec.Cluster})
}

func (p *player) tell(cluster string) *Cluster {
	if p.told[cluster] == nil {
		p.told[cluster] = &Cluster{Name: cluster}
	}
	return p.told[cluster]
}

// happen makes an event true.
func (p *player) happen(e event) {
	switch {
	case e.gate != "":
		p.openGate(e.gate, e.at)
	case e.cluster != "":
		u := p.upgrades[e.cluster] // made by keep, never of the input
		ended := *u
		ended.Status.Phase, ended.Status.FinishedAt = v1alpha1.ClusterUpgradePhaseSucceeded, stamp(e.at)
		p.keep(&ended)
		p.tell(e.cluster).End = new(e.at)
		p.free = append(p.free, slot{at: e.at, cluster: e.cluster})
	}
}

// takeOver carries an upgrade of the record into the modelled world.
func (p *player) takeOver(u *v1alpha1.ClusterUpgrade) *v1alpha1.ClusterUpgrade {
	told := p.tell(u.Spec.Cluster)
	if u.Status.StartedAt != nil {
		told.Start = new(u.Status.StartedAt.Time)
	}
	switch u.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseSucceeded, v1alpha1.ClusterUpgradePhaseSkipped, v1alpha1.ClusterUpgradePhaseFailed:
		if max(u.Spec.Attempt, 1) <= max(u.Status.Attempt, 1) || u.Status.Phase != v1alpha1.ClusterUpgradePhaseFailed {
			told.Done = true
			if u.Status.FinishedAt != nil {
				told.End = new(u.Status.FinishedAt.Time)
			}
			if u.Status.Phase != v1alpha1.ClusterUpgradePhaseSucceeded {
				told.Phase = u.Status.Phase
			}
			return u
		}
	case v1alpha1.ClusterUpgradePhaseHeld, v1alpha1.ClusterUpgradePhaseHolding:
		if u.Spec.State == v1alpha1.ClusterUpgradeStateHold {
			held := *u
			held.Status.Phase = v1alpha1.ClusterUpgradePhaseHeld
			return &held
		}
	}
	flying := *u
	flying.Status.Phase, flying.Status.Attempt = v1alpha1.ClusterUpgradePhaseRunning, max(u.Spec.Attempt, 1)
	if c := p.clusters[u.Spec.Cluster]; c != nil {
		p.begin(&flying, p.now, p.s.Estimates.Remaining(c, u, p.now))
	}
	return &flying
}

// assumeWell returns a cluster as it is when nothing stands in its way, and notes what is assumed for that.
func (p *player) assumeWell(c *v1alpha1.Cluster) *v1alpha1.Cluster {
	well := true
	for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
		found := meta.FindStatusCondition(c.Status.Conditions, kind)
		if found == nil || found.Status != metav1.ConditionTrue {
			well = false
			p.notes.unwell(c.Name, kind, found)
			break
		}
	}
	busy := meta.IsStatusConditionTrue(c.Status.Conditions, v1alpha1.ConditionBusy)
	if well && !busy {
		return c
	}
	assumed := *c
	assumed.Status.Conditions = nil
	for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
		assumed.Status.Conditions = append(assumed.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue})
	}
	if busy && p.upgrades[c.Name] == nil {
		p.notes.busy(c.Name, "an operation that Sengu did not start")
	}
	return &assumed
}
