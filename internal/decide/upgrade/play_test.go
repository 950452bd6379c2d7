// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"pgregory.net/rapid"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/estimate"
	"sengu.dev/sengu/internal/decide/windows"
)

// play is a controller on a world: it looks, decides, writes the record down and acts, and may be killed between any
// two of these. After every step the safety rules are asserted.
type play struct {
	*world
	t       rapid.TB
	upgrade *v1alpha1.ClusterUpgrade
	cluster *v1alpha1.Cluster
	// calendar of the cluster; nil: none.
	calendar  *v1alpha1.MaintenanceCalendar
	estimates *estimate.Model
	// what the process remembers, and loses when it is killed
	ids      map[string]string
	failures map[string]Problem
	last     Decision
	deleting bool
	released bool
	passes   int
	// killAfter returns how many actions the process still carries out in a pass before it is killed; negative: all.
	killAfter func(actions int) int
	// at scripted instants something is done.
	script     []scripted
	transcript strings.Builder
	said       string
	// stale: now and then the watches of the cluster show what was a second ago.
	stale  bool
	viewed *Member
	seenAt time.Time
}

type scripted struct {
	when func(*play) bool
	what string
	do   func(*play)
}

func newPlay(t rapid.TB, w *world, hops ...string) *play {
	p := &play{world: w, t: t, ids: map[string]string{}, killAfter: func(int) int { return -1 }}
	p.cluster = &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "prod-1"}}
	p.upgrade = &v1alpha1.ClusterUpgrade{
		ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "run-prod-1", UID: types.UID("u1"), Generation: 1},
		Spec:       v1alpha1.ClusterUpgradeSpec{Cluster: "prod-1", RunRef: v1alpha1.LocalObjectReference{Name: "run"}, Hops: hops},
	}
	w.log = p.note
	return p
}

// limits sets the cluster's node rollout, and the same for the assertions.
func (p *play) limits(surge, unavailable int) *play {
	p.cluster.Spec.NodeRollout.MaxSurge = new(intstr.FromInt(surge))
	p.cluster.Spec.NodeRollout.MaxUnavailable = new(intstr.FromInt(unavailable))
	for _, pool := range p.pools {
		pool.surge, pool.unavailable = surge, unavailable
	}
	return p
}

func (p *play) when(what string, when func(*play) bool, do func(*play)) *play {
	p.script = append(p.script, scripted{when, what, do})
	return p
}

func after(d time.Duration) func(*play) bool {
	return func(p *play) bool { return p.now.Sub(epoch) >= d }
}

// drainingNode says that a node is being drained.
func drainingNode(p *play) bool {
	return slices.ContainsFunc(p.upgrade.Status.NodePools, func(n v1alpha1.NodePoolProgress) bool {
		return slices.ContainsFunc(n.Draining, func(d v1alpha1.DrainingNode) bool { return d.State == stateDraining })
	})
}

// opens gives the cluster a daily window, from a time on the clock in UTC.
func (p *play) opens(start string, d time.Duration) *play {
	p.calendar = &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: "nights"}, Spec: v1alpha1.MaintenanceCalendarSpec{
		TimeZone: "UTC", Windows: []v1alpha1.MaintenanceWindow{{RRule: "FREQ=DAILY", Start: start, Duration: metav1.Duration{Duration: d}}}}}
	p.cluster.Spec.Provider.Local = &v1alpha1.LocalProvider{} // whose steps usually take seconds, as those of the plays do
	return p
}

func setState(s v1alpha1.ClusterUpgradeState) func(*play) {
	return func(p *play) { p.upgrade.Spec.State = s }
}

// note writes a line of the transcript.
func (p *play) note(format string, args ...any) {
	fmt.Fprintf(&p.transcript, "%s  %s\n", p.now.Sub(epoch), fmt.Sprintf(format, args...))
}

// run plays until the upgrade has ended, is held for good, or nothing can happen any more.
func (p *play) run() *play {
	p.t.Helper()
	for range 20000 {
		p.runScript()
		p.pass()
		p.assertSafe()
		if p.t.Failed() {
			return p
		}
		if p.finished() {
			return p
		}
		next := p.last.NextLook
		if len(p.last.Status.Operations) > 0 { // the controller looks at operations at the provider's pace
			next = earlier(next, p.now.Add(15*time.Second))
		}
		if len(p.failures) > 0 || len(p.last.Actions) > 0 {
			next = earlier(next, p.now.Add(time.Second))
		}
		for _, s := range p.script {
			if s.when != nil {
				next = earlier(next, p.now.Add(p.attention()))
			}
		}
		if !p.advance(next) {
			p.t.Errorf("nothing will ever happen again; waiting %+v\n%s", p.upgrade.Status.Waiting, p.transcript.String())
			return p
		}
	}
	p.t.Errorf("no end after %d passes; waiting %+v\n%s", p.passes, p.upgrade.Status.Waiting, p.transcript.String())
	return p
}

// attention is how often the person of a script looks: seldom while the cluster waits for its window.
func (p *play) attention() time.Duration {
	if p.calendar != nil && p.upgrade.Status.Phase == v1alpha1.ClusterUpgradePhaseHeld {
		return 15 * time.Minute
	}
	return 5 * time.Second
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func (p *play) runScript() {
	for i := range p.script {
		if s := &p.script[i]; s.when != nil && s.when(p) {
			p.note("person: %s", s.what)
			s.do(p)
			s.when = nil
			return
		}
	}
}

func (p *play) finished() bool {
	pending := slices.ContainsFunc(p.script, func(s scripted) bool { return s.when != nil })
	switch p.upgrade.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseFailed:
		return !pending
	case v1alpha1.ClusterUpgradePhaseHeld: // for good, if nobody did anything for an hour
		if p.calendar != nil && p.upgrade.Status.Waiting.Until != nil {
			return false // until the next opening
		}
		return !pending || p.now.Sub(p.upgrade.Status.Waiting.Since.Time) > time.Hour
	case v1alpha1.ClusterUpgradePhaseSucceeded, v1alpha1.ClusterUpgradePhaseSkipped:
		return true
	}
	return p.released
}

// snapshot is what a controller would see now.
func (p *play) snapshot() Snapshot {
	s := Snapshot{Upgrade: p.upgrade.DeepCopy(), Cluster: p.cluster, Failures: p.failures, Deleting: p.deleting, Estimates: p.estimates}
	if p.calendar != nil {
		p.cluster.Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: p.calendar.Name}
		s.Calendars = windows.Read([]*v1alpha1.MaintenanceCalendar{p.calendar}).For(p.cluster, nil, nil)
	}
	s.Provider, s.ProviderProblem = p.provider(p.ids)
	s.Member, s.MemberProblem = p.member(p.upgrade)
	if p.stale && s.Member != nil && p.viewed != nil && p.now.Sub(p.seenAt) <= time.Second && p.rnd.Intn(2) == 0 {
		s.Member = p.viewed
		return s
	}
	p.viewed, p.seenAt = s.Member, p.now
	return s
}

// pass is one reconcile.
func (p *play) pass() {
	p.t.Helper()
	p.passes++
	s := p.snapshot()
	d := Decide(s, p.now)
	if p.passes%5 == 0 {
		p.assertPure(s, d)
	}
	p.last, p.failures = d, nil
	p.assertDecision(d)
	p.upgrade.Status = written(p.t, d.Status)
	p.tell(d)
	p.released = p.released || d.ReleaseFinalizer
	carry := p.killAfter(len(d.Actions))
	for i, a := range d.Actions {
		if i == carry {
			p.note("the process is killed")
			p.ids, p.failures, p.viewed = p.rediscovered(), nil, nil
			return
		}
		p.carryOut(a)
	}
}

// rediscovered are the ids that are in the written record: none, since an id alone is not worth a write. The next
// pass finds operations again by their keys.
func (p *play) rediscovered() map[string]string {
	ids := map[string]string{}
	for _, op := range p.upgrade.Status.Operations {
		if op.ID != "" {
			ids[op.RequestKey] = op.ID
		}
	}
	return ids
}

// written is the status as the API gives it back: whole seconds.
func written(t rapid.TB, s v1alpha1.ClusterUpgradeStatus) v1alpha1.ClusterUpgradeStatus {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var out v1alpha1.ClusterUpgradeStatus
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (p *play) carryOut(a Action) {
	fail := func(key string, problem *Problem) {
		if problem == nil {
			return
		}
		if p.failures == nil {
			p.failures = map[string]Problem{}
		}
		p.failures[key] = *problem
	}
	if slices.Contains([]ActionKind{ActionCordon, ActionUncordon, ActionQuarantine, ActionEvict}, a.Kind) {
		if p.now.Before(p.memberAway) || p.now.Before(p.restartUntil) {
			fail(a.Node, &Problem{Kind: ProblemRetry, Code: v1alpha1.ReasonMemberUnreachable, Message: "no answer"})
			return
		}
		if f := p.take("Reject", a.Kind); f != nil {
			fail(a.Node, &Problem{Kind: ProblemRejected, Code: f.code, Message: "it is not allowed"})
			return
		}
	}
	uid := string(p.upgrade.UID)
	switch a.Kind {
	case ActionCordon:
		p.assertMayCordon(a)
		fail(a.Node, p.cordon(a.Node, uid))
	case ActionUncordon:
		p.uncordon(a.Node, uid)
	case ActionQuarantine:
		p.quarantine(a.Node, uid, a.Reason)
	case ActionEvict:
		p.evict(a.Pod.Name)
	default:
		p.assertMayStart(a)
		id, problem := p.start(a)
		if problem != nil {
			fail(a.RequestKey, problem)
			return
		}
		p.ids[a.RequestKey] = id
	}
}

// tell writes the transcript: what is done, and what changed in the record.
func (p *play) tell(d Decision) {
	evictions := map[string]int{}
	for _, a := range d.Actions {
		switch a.Kind {
		case ActionEvict:
			evictions[a.Node]++
		case ActionCordon, ActionUncordon, ActionQuarantine:
			p.note("%s %s: %s", a.Kind, a.Node, a.Reason)
		default:
			p.note("%s %s: %s", a.Kind, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s (%s)", a.Pool, a.Node, a.Version, a.Image, a.RequestKey)), " "), a.Reason)
		}
	}
	for _, node := range sortedKeys(evictions) {
		p.note("Evict %d pods of %s", evictions[node], node)
	}
	st := d.Status
	now := fmt.Sprintf("%s at %s", st.Phase, st.CurrentStep)
	if st.Progress != "" {
		now += ", " + st.Progress
	}
	if w := st.Waiting; w != nil {
		now += fmt.Sprintf("; %s: %s", w.Reason, w.Message)
	}
	if st.Reason != "" {
		now += fmt.Sprintf("; failed: %s: %s", st.Reason, st.Message)
	}
	if now != p.said {
		p.said = now
		p.note("%s", now)
	}
}

// steps with their results, for tests that look at the record.
func (p *play) steps() map[string]v1alpha1.StepResult {
	out := map[string]v1alpha1.StepResult{}
	for _, s := range p.upgrade.Status.Steps {
		out[s.Name] = s.Result
	}
	return out
}

// wants checks how a story ended.
func (p *play) wants(phase v1alpha1.ClusterUpgradePhase, reason string) {
	p.t.Helper()
	if got := p.upgrade.Status; got.Phase != phase || got.Reason != reason {
		p.t.Errorf("ended %s (%s: %s), want %s (%s)\n%s", got.Phase, got.Reason, got.Message, phase, reason, p.transcript.String())
	}
}

// assertPure calls Decide again on the same snapshot, and looks whether it was changed.
func (p *play) assertPure(s Snapshot, d Decision) {
	p.t.Helper()
	before := s.Upgrade.DeepCopy()
	again := Decide(s, p.now)
	if diff := cmp.Diff(d, again); diff != "" {
		p.t.Errorf("Decide is not deterministic: %s", diff)
	}
	if diff := cmp.Diff(before, s.Upgrade); diff != "" {
		p.t.Errorf("Decide changed its input: %s", diff)
	}
}
