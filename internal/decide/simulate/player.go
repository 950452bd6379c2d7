// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"container/heap"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// maxPasses ends a forecast that does not get anywhere. Ten thousand clusters one after the other take as many.
const maxPasses = 50000

// player plays one run.
type player struct {
	in      Input
	now     time.Time
	horizon time.Time
	s       rollout.Snapshot
	run     *v1alpha1.UpgradeRun
	last    rollout.Decision
	passes  int

	clusters map[string]*v1alpha1.Cluster
	upgrades map[string]*v1alpha1.ClusterUpgrade // by cluster
	place    map[string]int                      // in s.Upgrades, by cluster
	told     map[string]*Cluster
	asked    map[string]time.Time // when gates are assumed to be opened, by name
	events   events
	free     []slot
	stages   map[string]*Stage
	notes    notes
	made     int // events, to keep those of one instant in their order
}

func newPlayer(in Input) *player {
	p := &player{in: in, now: in.From, horizon: in.From.Add(in.Horizon), s: in.Snapshot,
		clusters: make(map[string]*v1alpha1.Cluster, len(in.Snapshot.Clusters)),
		upgrades: make(map[string]*v1alpha1.ClusterUpgrade, len(in.Snapshot.Clusters)),
		place:    make(map[string]int, len(in.Snapshot.Clusters)),
		told:     make(map[string]*Cluster, len(in.Snapshot.Clusters)),
		asked:    map[string]time.Time{}, stages: map[string]*Stage{},
	}
	p.run = &v1alpha1.UpgradeRun{TypeMeta: in.Snapshot.Run.TypeMeta, ObjectMeta: in.Snapshot.Run.ObjectMeta,
		Spec: in.Snapshot.Run.Spec, Status: in.Snapshot.Run.Status}
	p.s.Run, p.s.Watched = p.run, true
	p.s.Clusters, p.s.Upgrades, p.s.Gates = nil, nil, nil
	if p.run.Spec.State == v1alpha1.RunStatePause {
		p.run.Spec.State = v1alpha1.RunStateRun
		p.notes.add(BlockerPaused, "", "the run is paused: it is assumed that `sengu run resume "+p.run.Name+"` lets it go on at once")
	}
	for _, c := range in.Snapshot.Clusters {
		p.clusters[c.Name] = c
	}
	p.findPlaces()
	for _, u := range in.Snapshot.Upgrades {
		p.keep(p.takeOver(u))
	}
	for _, c := range in.Snapshot.Clusters {
		c = p.assumeWell(c)
		p.clusters[c.Name] = c
		p.s.Clusters = append(p.s.Clusters, c)
	}
	for _, g := range in.Snapshot.Gates {
		p.addGate(g)
	}
	p.s.Index = rollout.NewLastingIndex(&p.s)
	return p
}

// findPlaces notes where the clusters of a run that has started are.
func (p *player) findPlaces() {
	st := &p.run.Status
	for i := range st.Stages {
		for j := range st.Stages[i].Groups {
			for _, name := range st.Stages[i].Groups[j].Clusters {
				told := p.tell(name)
				told.Stage, told.Group = st.Stages[i].Name, st.Stages[i].Groups[j].Name
			}
		}
	}
}

// play decides and jumps until the run has ended, rests for good, or is beyond the horizon.
func (p *player) play() {
	for p.passes < maxPasses {
		p.passes++
		p.last = rollout.Decide(p.s, p.now)
		p.run.Status = p.last.Status
		places := p.takePlaces(p.last.Actions)
		for i := range p.last.Actions {
			a := &p.last.Actions[i]
			p.do(a, later(places[a.Cluster], p.now))
		}
		p.forgetPlaces()
		p.seeStages()
		if p.over() {
			return
		}
		if !p.jump() && !p.assumeReleased() {
			p.stuck()
			return
		}
		if p.now.After(p.horizon) {
			p.notes.add(BlockerHorizon, "", "the run does not end before "+instant(p.horizon)+", which is as far as this forecast looks")
			p.assumeOpenLater()
			return
		}
	}
	p.notes.add(BlockerHorizon, "", "the forecast was given up at "+instant(p.now)+": too much happens in this run")
}

func (p *player) over() bool {
	st := &p.run.Status
	if st.Resolved == nil && st.Waiting != nil || p.last.ReleaseFinalizer {
		return true
	}
	switch st.Phase {
	case v1alpha1.RunPhaseSucceeded, v1alpha1.RunPhaseStopped:
		return true
	case v1alpha1.RunPhaseFailed:
		if st.Waiting != nil {
			p.notes.add(BlockerFailed, "", st.Waiting.Message)
		}
		return true
	}
	return false
}

// end of the run; nil: it has none that can be told.
func (p *player) end() *time.Time {
	if st := &p.run.Status; st.Phase == v1alpha1.RunPhaseSucceeded || st.Phase == v1alpha1.RunPhaseStopped {
		if st.FinishedAt != nil {
			return new(st.FinishedAt.Time)
		}
		return new(p.now)
	}
	return nil
}

// jump goes to the next instant at which something changes, and says whether there is one.
func (p *player) jump() bool {
	next := p.last.NextLook
	if len(p.events) > 0 && (next.IsZero() || p.events[0].at.Before(next)) {
		next = p.events[0].at
	}
	if next.IsZero() {
		return false
	}
	if p.mustRelease(next) && p.assumeReleased() {
		return true
	}
	due := len(p.events) > 0 && !p.events[0].at.After(p.now)
	switch {
	case next.After(p.now):
		p.now = next.In(p.in.From.Location())
	case !due: // a decider that looks again at once must not stop the clock
		p.now = p.now.Add(time.Second)
	}
	if p.now.After(p.horizon) {
		return true
	}
	n := 0
	for ; len(p.events) > 0 && !p.events[0].at.After(p.now); n++ {
		p.happen(heap.Pop(&p.events).(event))
	}
	p.bringForward(n)
	return true
}

// keep holds an upgrade in the snapshot in place of an older one of its cluster.
func (p *player) keep(u *v1alpha1.ClusterUpgrade) {
	name := u.Spec.Cluster
	if i, ok := p.place[name]; ok {
		p.s.Upgrades[i] = u
	} else {
		p.place[name] = len(p.s.Upgrades)
		p.s.Upgrades = append(p.s.Upgrades, u)
	}
	p.upgrades[name] = u
	if p.s.Index != nil {
		p.s.Index.Keep(u)
	}
}

// stamp is an instant as records keep it.
func stamp(t time.Time) *metav1.Time { return new(metav1.NewTime(t)) }

// event is the end of a cluster, or of a gate's wait.
type event struct {
	at      time.Time
	cluster string
	gate    string
	// order of events at one instant: as they were made.
	order int
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].order < e[j].order
	}
	return e[i].at.Before(e[j].at)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push adds an event.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop takes the last one.
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}
