// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/budget"
)

// pass is one pass over one run: the record as it becomes, and what is to be done.
type pass struct {
	s       Snapshot
	now     time.Time
	st      *v1alpha1.UpgradeRunStatus
	actions []Action
	next    time.Time
	waiting *v1alpha1.Waiting
	release bool

	clusters map[string]*v1alpha1.Cluster
	upgrades map[string]*v1alpha1.ClusterUpgrade // by cluster
	gates    map[string]*v1alpha1.Gate
	skips    skips
	stages   []*stage
	members  []*member // of all stages
	mutexes  map[string][]holder
	fleet    *budget.Limit // of all runs; nil: none
}

// Decide returns the next actions of a run and what its record becomes.
func Decide(s Snapshot, now time.Time) Decision {
	p := newPass(s, now)
	switch {
	case s.Deleting:
		p.wait(v1alpha1.ReasonRunDeleted, "the run is being deleted: what is in flight goes to a safe point first")
		p.toSafePoint(func() { p.release = true })
	case p.final():
		p.waiting = p.st.Waiting
	case p.st.Resolved == nil:
		if p.start() {
			p.proceed()
		}
	default:
		p.proceed()
	}
	p.finishStatus()
	return Decision{Actions: p.actions, Status: *p.st, NextLook: p.next, ReleaseFinalizer: p.release}
}

func newPass(s Snapshot, now time.Time) *pass {
	if s.Index == nil {
		s.Index = NewIndex(&s)
	}
	p := &pass{s: s, now: now, st: copyStatus(&s.Run.Status), skips: skipsOf(s.Run),
		clusters: s.Index.clusters, upgrades: s.Index.upgrades, gates: make(map[string]*v1alpha1.Gate, len(s.Gates)),
	}
	for _, g := range s.Gates {
		p.gates[g.Name] = g
	}
	p.st.ObservedGeneration = s.Run.Generation
	if p.st.Phase == "" {
		p.st.Phase = v1alpha1.RunPhaseNotStarted
	}
	if p.st.Resolved != nil {
		if attempt := max(s.Run.Spec.Attempt, 1); attempt > p.st.Attempt && !p.final() {
			p.st.Attempt, p.st.FinishedAt, p.st.Phase = attempt, nil, v1alpha1.RunPhaseRunning
			forgetAside(p.st)
		}
		p.survey()
	}
	return p
}

// final says whether nothing can move the run any more. A failed run can still be retried, or be finished by the
// skips of a person.
func (p *pass) final() bool {
	return p.st.Phase == v1alpha1.RunPhaseSucceeded || p.st.Phase == v1alpha1.RunPhaseStopped
}

// proceed goes on with a run that has started.
func (p *pass) proceed() {
	p.skipInFlight()
	failure := p.mustNotGoOn()
	switch {
	case p.s.Run.Spec.State == v1alpha1.RunStateStop:
		p.st.Phase = v1alpha1.RunPhaseStopping
		p.wait(v1alpha1.ReasonStoppedByUser, "a person stopped the run: nothing new starts, and what is in flight goes to a safe point")
		p.letGoForGood(func() { p.end(v1alpha1.RunPhaseStopped) })
	case p.st.Phase == v1alpha1.RunPhaseFailed && !p.allSettled():
		p.waiting = p.st.Waiting
	case failure != nil && (failure.atOnce || p.onFailure() == v1alpha1.FailureActionStop):
		p.stopForFailure(failure)
	case p.s.Run.Spec.State == v1alpha1.RunStatePause:
		p.wait(v1alpha1.ReasonPausedByUser, "a person paused the run: `sengu run resume` lets it go on")
		p.toSafePoint(func() { p.st.Phase = v1alpha1.RunPhasePaused })
	default:
		p.resume()
		p.walk(failure)
		p.createGates()
	}
}

// toSafePoint asks the clusters in flight to hold, and says when all do.
func (p *pass) toSafePoint(arrived func()) {
	moving := 0
	for _, m := range p.members {
		if m.state != memberInFlight {
			continue
		}
		moving++
		if state(m.upgrade) == v1alpha1.ClusterUpgradeStateRun {
			p.setState(m, v1alpha1.ClusterUpgradeStateHold, "the run starts nothing new, and what is in flight goes to a safe point")
		}
	}
	if moving == 0 {
		arrived()
	}
}

// letGoForGood ends the clusters that are in flight or rest at a safe point, and says when all have ended. Nobody can
// let a stopped run go on, so a cluster that it only held would be kept from every other run for ever.
func (p *pass) letGoForGood(arrived func()) {
	moving := 0
	for _, m := range p.members {
		if m.state != memberInFlight && (m.state != memberHeld || m.upgrade.Status.Phase != v1alpha1.ClusterUpgradePhaseHeld) {
			continue
		}
		moving++
		if state(m.upgrade) != v1alpha1.ClusterUpgradeStateSkip {
			p.setState(m, v1alpha1.ClusterUpgradeStateSkip, "the run was stopped for good, and what is in flight ends at a safe point")
		}
	}
	if moving == 0 {
		arrived()
	}
}

// resume lets the clusters go on that are on their way to a hold: they count as in flight, so no limit stands in the
// way. Those at rest take their turn in startClusters.
func (p *pass) resume() {
	for _, m := range p.members {
		if m.state == memberInFlight && state(m.upgrade) == v1alpha1.ClusterUpgradeStateHold {
			p.setState(m, v1alpha1.ClusterUpgradeStateRun, "the run goes on")
		}
	}
}

func (p *pass) setState(m *member, to v1alpha1.ClusterUpgradeState, reason string) {
	p.actions = append(p.actions, Action{Kind: ActionSetState, Stage: m.stage, Group: m.group, Cluster: m.name,
		Upgrade: m.upgrade.Name, State: to, Reason: reason})
}

func (p *pass) end(phase v1alpha1.RunPhase) {
	p.st.Phase = phase
	if p.st.FinishedAt == nil {
		p.st.FinishedAt = p.instant()
	}
}

// wait notes what the run waits for, if nothing was noted yet: the first is the nearest.
func (p *pass) wait(reason, message string) {
	if p.waiting == nil {
		p.waiting = p.newWait(p.st.Waiting, reason, message, time.Time{})
	}
}

// newWait makes a wait that keeps the since of the same wait before.
func (p *pass) newWait(before *v1alpha1.Waiting, reason, message string, until time.Time) *v1alpha1.Waiting {
	w := &v1alpha1.Waiting{Reason: reason, Message: cut(message, 1024), Since: p.instant()}
	if before != nil && before.Reason == reason && (before.Since == nil || !before.Since.After(p.now)) {
		w.Since = before.Since
	}
	if !until.IsZero() {
		w.Until = new(metav1.NewTime(until).Rfc3339Copy())
		p.lookAt(until)
	}
	return w
}

// lookAt asks for a pass at an instant; the earliest wins.
func (p *pass) lookAt(t time.Time) {
	if !t.IsZero() && (p.next.IsZero() || t.Before(p.next)) {
		p.next = t
	}
}

// instant is now as a record keeps it: whole seconds, as they are when they are read back.
func (p *pass) instant() *metav1.Time { return new(metav1.NewTime(p.now).Rfc3339Copy()) }

func state(u *v1alpha1.ClusterUpgrade) v1alpha1.ClusterUpgradeState {
	if u.Spec.State == "" {
		return v1alpha1.ClusterUpgradeStateRun
	}
	return u.Spec.State
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n -= len("…"); n > 0 && s[n]&0xC0 == 0x80; n-- {
	}
	return s[:n] + "…"
}
