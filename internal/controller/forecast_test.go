// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/decide/simulate"
	"sengu.dev/sengu/internal/hub/hubtest"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/internal/providers/simulated"
	"sengu.dev/sengu/provider"
)

// tick is how far the clock of the story goes at a time. All durations in it are whole ticks.
const tick = 2 * time.Minute

// played is a fleet whose controllers and clusters live by a clock that the story moves on.
type played struct {
	*fleet
	clock *clocktesting.FakeClock
	run   *v1alpha1.UpgradeRun
	turn  int
}

func newPlayed(t *testing.T, begin time.Time) *played {
	t.Helper()
	clock := clocktesting.NewFakeClock(begin)
	f := &fleet{t: t, namespace: hubtest.Namespace(t), world: simulated.NewWorld(simulated.Config{Clock: clock})}
	c, err := client.New(hubtest.Hub(t).AdminConfig(), client.Options{Scheme: controller.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	f.Client = c
	stop := f.process(hubtest.Hub(t).AdminConfig(), func(o *controller.Options) { o.Clock = clock })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("the controllers ended with %v", err)
		}
	})
	return &played{fleet: f, clock: clock}
}

// step moves the clock on and lets the controllers look, as their own timers would make them at the latest. It returns
// when nothing is left that they do at this instant.
func (p *played) step() {
	p.t.Helper()
	p.clock.Step(tick)
	p.turn++
	touch := func(o client.Object) {
		before := o.DeepCopyObject().(client.Object)
		o.SetAnnotations(map[string]string{"turn": fmt.Sprint(p.turn)})
		if err := p.Patch(context.Background(), o, client.MergeFrom(before)); err != nil {
			p.t.Fatal(err)
		}
	}
	for _, u := range p.upgrades() {
		touch(&u)
	}
	touch(p.fresh())
	deadline := time.Now().Add(patience)
	for why := p.unsettled(); why != ""; why = p.unsettled() {
		if time.Now().After(deadline) {
			p.t.Fatalf("at %s: %s; the run is %s", p.clock.Now(), why, describe(p.run))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// fresh reads the run.
func (p *played) fresh() *v1alpha1.UpgradeRun {
	p.t.Helper()
	run := &v1alpha1.UpgradeRun{}
	if err := p.Get(context.Background(), p.key("to-1-37"), run); err != nil {
		p.t.Fatal(err)
	}
	p.run = run
	return run
}

// unsettled says what the controllers have still to do at this instant; empty: nothing.
func (p *played) unsettled() string {
	st := &p.fresh().Status
	if st.Phase == v1alpha1.RunPhaseSucceeded {
		return ""
	}
	if len(st.Stages) == 0 {
		return "the run has not begun"
	}
	upgrades := p.upgrades()
	for i := range st.Stages {
		if done, why := p.stageUnsettled(&st.Stages[i], &st.Strategy.Stages[i], upgrades); !done {
			return why
		}
	}
	return "all stages are done, and the run is not"
}

// stageUnsettled says whether a stage is done, and if not what is still to be done in it at this instant; empty: nothing.
func (p *played) stageUnsettled(s *v1alpha1.RunStageStatus, spec *v1alpha1.StrategyStage, upgrades map[string]v1alpha1.ClusterUpgrade) (done bool, why string) {
	inFlight, waiting := 0, 0
	for _, name := range s.Groups[0].Clusters {
		u, begun := upgrades[name]
		switch {
		case !begun:
			waiting++
		case u.Status.Phase != v1alpha1.ClusterUpgradePhaseSucceeded:
			inFlight++
			if !p.works(name, &u.Status) {
				return false, name + " is between two operations"
			}
		}
	}
	rests := p.restsUntil(s.Waiting) || p.restsUntil(s.Groups[0].Waiting) // a gate, or a window
	limit := spec.Groups[0].MaxConcurrency.IntValue()
	switch {
	case inFlight < limit && waiting > 0 && !rests:
		return false, fmt.Sprintf("%d of %d are in flight in %s, and %d wait", inFlight, limit, s.Name, waiting)
	case inFlight > 0 || waiting > 0:
		return false, ""
	case s.FinishedAt != nil:
		return true, ""
	case s.SoakState == v1alpha1.SoakStateCounting && !s.SoakCountedAt.Time.Before(p.clock.Now()):
		return false, ""
	}
	return false, "stage " + s.Name + " is done, and nothing comes of it"
}

// works says whether an operation on a cluster is running, or its window is closed.
func (p *played) works(name string, st *v1alpha1.ClusterUpgradeStatus) bool {
	return st.Phase == v1alpha1.ClusterUpgradePhaseHeld && p.restsUntil(st.Waiting) || slices.ContainsFunc(p.world.Cluster(p.namespace+"/"+name).Operations(),
		func(o simulated.OperationRecord) bool { return o.State == provider.OperationRunning })
}

// restsUntil says whether something waits for an instant that is still to come.
func (p *played) restsUntil(w *v1alpha1.Waiting) bool {
	return w != nil && w.Until != nil && w.Until.After(p.clock.Now())
}

// mornings are open until 10:12, in the middle of an upgrade, and from 10:40 on.
func mornings() *v1alpha1.MaintenanceCalendar {
	window := func(start string, open time.Duration) v1alpha1.MaintenanceWindow {
		return v1alpha1.MaintenanceWindow{RRule: "FREQ=DAILY", Start: start, Duration: metav1.Duration{Duration: open}}
	}
	return &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: "mornings"}, Spec: v1alpha1.MaintenanceCalendarSpec{
		TimeZone: "UTC", Windows: []v1alpha1.MaintenanceWindow{window("09:00", 72*time.Minute), window("10:40", 2*time.Hour)}}}
}

// TestTheForecastIsWhatHappens: a fleet of clusters of several sizes is forecast from the hub, and then upgraded by the
// real controllers and the simulated provider, on a clock that the test moves on. Order and times are the same: through
// a soak, a scheduled start at 9:50, and a window that closes when one cluster is in its middle and another has not
// begun.
//
// They are the same to the second, which is what records keep: the controllers look at the world in each tick, and
// everything in this story takes whole ticks. In life a step that ends between two looks is seen at the next one, so
// that each may be later than foreseen by the time between two looks.
func TestTheForecastIsWhatHappens(t *testing.T) {
	begin := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	p := newPlayed(t, begin)
	for i, nodes := range []int32{3, 5, 1, 4, 2, 6, 2} {
		env := "production"
		if i < 2 {
			env = "staging"
		}
		name := fmt.Sprintf("c%d", i)
		p.add(name, env, func(c *v1alpha1.Cluster) {
			s := c.Spec.Provider.Simulated
			s.Nodes, s.ControlPlaneDuration, s.NodeDuration = nodes, &metav1.Duration{Duration: 3 * tick}, &metav1.Duration{Duration: tick}
		})
		until(p.fleet, name, &v1alpha1.Cluster{}, "described", func(c *v1alpha1.Cluster) bool { return c.Status.Nodes == nodes && len(c.Status.Offers.Kubernetes) > 0 })
	}
	spec := strategy("staging", "production")
	spec.Stages[0].Soak = &v1alpha1.Soak{Duration: metav1.Duration{Duration: 6 * tick}}
	spec.Stages[0].Groups[0].MaxConcurrency = new(intstr.FromInt32(1))
	spec.Stages[1].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "at", ScheduledStart: &v1alpha1.ScheduledStartGate{Next: "MON 09:50", TimeZone: "UTC"}}}
	spec.Stages[1].CalendarRef = &v1alpha1.LocalObjectReference{Name: "mornings"}
	p.create(mornings())
	run := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Name: "to-1-37", Namespace: p.namespace},
		Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Strategy: spec}}
	snapshot, err := observe.LookAhead(context.Background(), p, run)
	if err != nil {
		t.Fatal(err)
	}
	forecast := simulate.Make(simulate.Input{Snapshot: snapshot, From: begin})
	if forecast.ExpectedEnd.P50 == nil {
		t.Fatalf("the forecast has no end: %s %+v", forecast.Refused, forecast.Blockers)
	}

	opens := begin.Add(100 * time.Minute)
	if c5, c6 := forecast.Clusters[5], forecast.Clusters[6]; len(c5.Pauses) != 1 || !c5.Pauses[0].To.Equal(opens) || !c6.Start.Equal(opens) {
		t.Errorf("the window closes without an effect: %+v and %+v", c5, c6)
	}

	p.create(run)
	until(p.fleet, "to-1-37", &v1alpha1.UpgradeRun{}, "started", func(*v1alpha1.UpgradeRun) bool { return p.unsettled() == "" })
	for p.fresh().Status.Phase != v1alpha1.RunPhaseSucceeded {
		if p.clock.Now().After(begin.Add(200 * tick)) {
			t.Fatalf("the run does not end: %s", describe(p.run))
		}
		p.step()
	}
	p.compare(forecast, begin)
}

// moment is something that was foreseen, and when it really was.
type moment struct {
	what           string
	foreseen, real time.Duration
}

func (p *played) compare(forecast *simulate.Forecast, begin time.Time) {
	p.t.Helper()
	var moments []moment
	add := func(what string, foreseen, seen time.Time) {
		moments = append(moments, moment{what, foreseen.Sub(begin), seen.Sub(begin)})
	}
	upgrades := p.upgrades()
	for _, c := range forecast.Clusters {
		st := upgrades[c.Name].Status
		add(c.Name+" starts", *c.Start, st.StartedAt.Time)
		add(c.Name+" ends", *c.End, st.FinishedAt.Time)
	}
	for i, s := range forecast.Stages {
		add("stage "+s.Name+" ends", *s.End, p.run.Status.Stages[i].FinishedAt.Time)
	}
	add("the run ends", *forecast.ExpectedEnd.P50, p.run.Status.FinishedAt.Time)

	for _, m := range moments {
		if m.real != m.foreseen {
			p.t.Errorf("%s after %s, foreseen after %s", m.what, m.real, m.foreseen)
		}
	}
	by := func(at func(moment) time.Duration) []string {
		var names []string
		sorted := slices.SortedStableFunc(slices.Values(moments), func(a, b moment) int { return int((at(a) - at(b)) / time.Second) })
		for _, m := range sorted {
			names = append(names, m.what)
		}
		return names
	}
	foreseen := by(func(m moment) time.Duration { return m.foreseen })
	if diff := cmp.Diff(foreseen, by(func(m moment) time.Duration { return m.real })); diff != "" {
		p.t.Errorf("the order of what happens (-foreseen +real):\n%s", diff)
	}
	if n := len(moments); n != 17 {
		p.t.Errorf("%d moments were compared, want 17", n)
	}
}
