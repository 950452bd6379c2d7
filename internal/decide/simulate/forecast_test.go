// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
	"sengu.dev/sengu/internal/decide/windows"
)

// epoch is when every forecast begins: a Monday.
var epoch = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

const hour = time.Hour

// scene is a fleet whose clusters take ten minutes for the control plane and four for each of their nodes.
type scene struct {
	Input
	strategy *v1alpha1.UpgradeStrategySpec
}

func newScene(envs ...string) *scene {
	s := &scene{strategy: &v1alpha1.UpgradeStrategySpec{}}
	s.Snapshot.Run = &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Name: "r"},
		Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}}}
	s.Snapshot.Strategy = s.strategy
	s.From = epoch
	for i, env := range envs {
		if !slices.ContainsFunc(s.strategy.Stages, func(st v1alpha1.StrategyStage) bool { return st.Name == env }) {
			s.strategy.Stages = append(s.strategy.Stages, v1alpha1.StrategyStage{Name: env, Groups: []v1alpha1.StrategyGroup{{
				Name: "all", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": env}},
			}}})
		}
		s.add(fmt.Sprintf("%s-%d", env, i+1), env, 3)
	}
	return s
}

func (s *scene) add(name, env string, nodes int32) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"env": env}}}
	c.Spec.Provider.Simulated = &v1alpha1.SimulatedProvider{Version: "1.36.1"}
	c.Status.ControlPlane.Version = "1.36.1"
	c.Status.NodePools = []v1alpha1.NodePoolStatus{{Name: "user", Version: "1.36.1", Nodes: nodes}}
	c.Status.Offers.Kubernetes = []string{"1.36.1", "1.37.2"}
	for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
		c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue})
	}
	s.Snapshot.Clusters = append(s.Snapshot.Clusters, c)
	return c
}

func (s *scene) cluster(name string) *v1alpha1.Cluster {
	for _, c := range s.Snapshot.Clusters {
		if c.Name == name {
			return c
		}
	}
	panic(name)
}

// calendars are given to the fleet.
func (s *scene) calendars(all ...*v1alpha1.MaintenanceCalendar) {
	s.Snapshot.Calendars = windows.Read(all)
}

// nightly is open from a time of the day in UTC on, every day.
func nightly(name, start string, open time.Duration, freezes ...v1alpha1.Freeze) *v1alpha1.MaintenanceCalendar {
	return &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: "UTC", Freezes: freezes,
		Windows: []v1alpha1.MaintenanceWindow{{RRule: "FREQ=DAILY", Start: start, Duration: metav1.Duration{Duration: open}}}}}
}

// lines of a forecast: what happens, by time after the begin, and what could block it.
func lines(f *Forecast) []string {
	after := func(t *time.Time) string {
		if t == nil {
			return "never"
		}
		d := t.Sub(f.From)
		text := strings.TrimSuffix(d.Abs().String(), "m0s")
		if text != d.Abs().String() {
			text += "m"
		}
		if d < 0 {
			return "-" + text
		}
		return "+" + text
	}
	var out []string
	for _, c := range f.Clusters {
		line := fmt.Sprintf("%s %s to %s", c.Name, after(c.Start), after(c.End))
		for _, p := range c.Pauses {
			line += fmt.Sprintf(", pauses %s to %s", after(&p.From), after(&p.To))
		}
		out = append(out, line)
	}
	for _, s := range f.Stages {
		line := fmt.Sprintf("stage %s %s to %s", s.Name, after(s.Start), after(s.End))
		if s.SoakEnd != nil {
			line += ", soaks " + after(s.ClustersEnd) + " to " + after(s.SoakEnd)
		}
		out = append(out, line)
	}
	out = append(out, "ends "+after(f.ExpectedEnd.P50))
	for _, b := range f.Blockers {
		out = append(out, string(b.Kind)+": "+b.Message)
	}
	return out
}

func TestForecasts(t *testing.T) {
	tests := map[string]struct {
		envs   []string
		change func(*scene)
		want   []string
	}{
		"staging, then production one after the other": {
			envs: []string{"staging", "production", "production"},
			want: []string{
				"staging-1 +0s to +22m", "production-2 +22m to +44m", "production-3 +44m to +1h6m",
				"stage staging +0s to +22m", "stage production +22m to +1h6m", "ends +1h6m",
			},
		},
		"two at a time, and the larger one ends later": {
			envs: []string{"production", "production", "production"},
			change: func(s *scene) {
				s.strategy.Stages[0].Groups[0].MaxConcurrency = new(intstr.FromInt32(2))
				s.cluster("production-1").Status.NodePools[0].Nodes = 10
			},
			want: []string{
				"production-1 +0s to +50m", "production-2 +0s to +22m", "production-3 +22m to +44m",
				"stage production +0s to +50m", "ends +50m",
			},
		},
		"a soak of a week": {
			envs: []string{"staging", "production"},
			change: func(s *scene) {
				s.strategy.Stages[0].Soak = &v1alpha1.Soak{Duration: metav1.Duration{Duration: 168 * hour}}
			},
			want: []string{
				"staging-1 +0s to +22m", "production-2 +168h22m to +168h44m",
				"stage staging +0s to +168h22m, soaks +22m to +168h22m", "stage production +168h22m to +168h44m", "ends +168h44m",
			},
		},
		"an approval takes the time that people are given": {
			envs: []string{"staging", "production"},
			change: func(s *scene) {
				s.ApproveAfter = 2 * hour
				s.strategy.Stages[1].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "go", Approval: &v1alpha1.ApprovalGate{}}}
			},
			want: []string{
				"staging-1 +0s to +22m", "production-2 +2h22m to +2h44m", "stage staging +0s to +22m", "stage production +2h22m to +2h44m", "ends +2h44m",
				"Approval: gate production/go needs an approval: it is assumed to be given at 2027-03-01 11:22 UTC",
			},
		},
		"scheduled starts open by themselves": {
			envs: []string{"staging", "production"},
			change: func(s *scene) {
				s.strategy.Stages[0].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "at", ScheduledStart: &v1alpha1.ScheduledStartGate{At: &metav1.Time{Time: epoch.Add(hour)}}}}
				s.strategy.Stages[1].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "next", ScheduledStart: &v1alpha1.ScheduledStartGate{Next: "TUE 09:00", TimeZone: "Asia/Tokyo"}}}
			},
			want: []string{ // Tuesday 09:00 in Tokyo is midnight in UTC
				"staging-1 +1h0m to +1h22m", "production-2 +15h0m to +15h22m", "stage staging +1h0m to +1h22m", "stage production +15h0m to +15h22m", "ends +15h22m",
			},
		},
		"a verification is assumed, and said": {
			envs: []string{"staging"},
			change: func(s *scene) {
				s.strategy.Stages[0].Groups[0].AfterGates = []v1alpha1.GateSpecTemplate{{Name: "proof", Verification: &v1alpha1.LocalObjectReference{Name: "v"}}}
			},
			want: []string{
				"staging-1 +0s to +22m", "stage staging +0s to +22m", "ends +22m",
				"Verification: gate staging/all/proof needs proof by a verification: it is assumed to pass at once",
			},
		},
		"nothing begins outside the window, and who has none goes before": {
			envs: []string{"production", "production"},
			change: func(s *scene) {
				s.cluster("production-1").Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: "night"}
				s.calendars(nightly("night", "22:00", 2*hour))
			},
			want: []string{
				"production-1 +13h0m to +13h22m", "production-2 +0s to +22m", "stage production +0s to +13h22m", "ends +13h22m",
			},
		},
		"what does not fit any more waits for the next window": {
			envs: []string{"production"},
			change: func(s *scene) {
				s.strategy.Stages[0].CalendarRef = &v1alpha1.LocalObjectReference{Name: "short"}
				s.calendars(nightly("short", "09:00", 20*time.Minute))
			},
			want: []string{
				"production-1 +0s to +24h12m, pauses +10m to +24h0m", "stage production +0s to +24h12m", "ends +24h12m",
			},
		},
		"a freeze holds production": {
			envs: []string{"staging", "production"},
			change: func(s *scene) {
				s.strategy.Stages[1].CalendarRef = &v1alpha1.LocalObjectReference{Name: "year"}
				s.calendars(&v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: "year"}, Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: "UTC",
					Freezes: []v1alpha1.Freeze{{From: metav1.NewTime(epoch), To: metav1.NewTime(epoch.Add(48 * hour)), Reason: "year end"}}}})
			},
			want: []string{
				"staging-1 +0s to +22m", "production-2 +48h0m to +48h22m", "stage staging +0s to +22m", "stage production +48h0m to +48h22m", "ends +48h22m",
				`Freeze: freeze "year end" of calendar year holds 1 cluster from 2027-03-01 09:00 UTC to 2027-03-03 09:00 UTC`,
			},
		},
		"a window that is too short": {
			envs: []string{"production"},
			change: func(s *scene) {
				s.cluster("production-1").Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: "tiny"}
				s.calendars(nightly("tiny", "22:00", 11*time.Minute))
			},
			want: []string{
				"production-1 +13h0m to never", "stage production +13h0m to never", "ends never",
				"Window: no window of at least 12m0s before 2028-03-01 09:00 UTC for production-1",
			},
		},
		"a calendar that does not exist": {
			envs: []string{"production"},
			change: func(s *scene) {
				s.cluster("production-1").Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: "lost"}
				s.calendars()
			},
			want: []string{
				"production-1 never to never", "stage production never to never", "ends never",
				"Stuck: production-1: calendar lost does not exist: create it, or take the reference away",
			},
		},
		"clusters that are not well, and one that others work on": {
			envs: []string{"production", "production"},
			change: func(s *scene) {
				s.cluster("production-1").Status.Conditions[1] = metav1.Condition{Type: v1alpha1.ConditionHealthy, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNodesNotReady}
				s.Snapshot.BusyWith = map[string]string{"production-2": "other"}
			},
			want: []string{
				"production-1 +0s to +22m", "production-2 +22m to +44m", "stage production +0s to +44m", "ends +44m",
				"Health: not healthy now (NodesNotReady), and assumed to be from the start on: production-1",
				"Busy: run other works on clusters, and is assumed to be done with them in time: production-2",
			},
		},
		"the fleet's limit and a mutex are taken by another run": {
			envs: []string{"production", "production"},
			change: func(s *scene) {
				s.Snapshot.Fleet = &v1alpha1.FleetSpec{MaxConcurrency: new(intstr.FromInt32(1))}
				s.cluster("production-1").Spec.Mutexes = []string{"pair"}
				s.add("asia-3", "asia", 3).Spec.Mutexes = []string{"pair"}
				s.Snapshot.Elsewhere = []*v1alpha1.ClusterUpgrade{{Spec: v1alpha1.ClusterUpgradeSpec{Cluster: "asia-3", RunRef: v1alpha1.LocalObjectReference{Name: "other"}}}}
				s.Snapshot.Run.Spec.ClusterSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"env": "production"}}
			},
			want: []string{
				"production-1 +0s to +22m", "production-2 +22m to +44m", "stage production +0s to +44m", "ends +44m",
				"Busy: run other works on clusters, and is assumed to be done with them in time: asia-3",
			},
		},
		"the fleet's limit is not kept until the first in line may begin": {
			envs: []string{"production", "production"},
			change: func(s *scene) {
				s.Snapshot.Fleet = &v1alpha1.FleetSpec{MaxConcurrency: new(intstr.FromInt32(1))}
				s.cluster("production-1").Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: "night"}
				s.calendars(nightly("night", "22:00", 2*hour))
				s.Snapshot.Elsewhere = []*v1alpha1.ClusterUpgrade{{Spec: v1alpha1.ClusterUpgradeSpec{Cluster: "asia-3", RunRef: v1alpha1.LocalObjectReference{Name: "other"}}}}
			},
			want: []string{
				"production-1 +13h0m to +13h22m", "production-2 +0s to +22m", "stage production +0s to +13h22m", "ends +13h22m",
				"Busy: run other works on clusters, and is assumed to be done with them in time: asia-3",
			},
		},
		"a run that is paused": {
			envs:   []string{"staging"},
			change: func(s *scene) { s.Snapshot.Run.Spec.State = v1alpha1.RunStatePause },
			want: []string{
				"staging-1 +0s to +22m", "stage staging +0s to +22m", "ends +22m",
				"Paused: the run is paused: it is assumed that `sengu run resume r` lets it go on at once",
			},
		},
		"longer than the forecast looks": {
			envs: []string{"staging"},
			change: func(s *scene) {
				s.Horizon = hour
				s.strategy.Stages[0].Soak = &v1alpha1.Soak{Duration: metav1.Duration{Duration: 2 * hour}}
			},
			want: []string{
				"staging-1 +0s to +22m", "stage staging +0s to never", "ends never",
				"Horizon: the run does not end before 2027-03-01 10:00 UTC, which is as far as this forecast looks",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScene(tc.envs...)
			if tc.change != nil {
				tc.change(s)
			}
			kept := s.Snapshot.Run.DeepCopy()
			if diff := cmp.Diff(tc.want, lines(Make(s.Input))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(kept, s.Snapshot.Run); diff != "" {
				t.Errorf("the input was changed:\n%s", diff)
			}
		})
	}
}

func TestARunThatCannotStartIsRefused(t *testing.T) {
	s := newScene("staging")
	s.Snapshot.Run.Spec.Target.Kubernetes = "1.99"
	if f := Make(s.Input); !strings.Contains(f.Refused, "1.99 is not offered") || len(f.Clusters) != 0 {
		t.Errorf("refused %q with %d clusters", f.Refused, len(f.Clusters))
	}
}

// TestTheSlowPercentileEndsLater: the timeline is told with one, and both ends are known.
func TestTheSlowPercentileEndsLater(t *testing.T) {
	s := newScene("production")
	s.cluster("production-1").Spec.Provider = v1alpha1.ProviderSpec{AKS: &v1alpha1.AKSProvider{Name: "c"}} // 10m and 5m a node, or 20m and 12m
	for percentile, want := range map[Percentile]time.Duration{P50: 25 * time.Minute, P90: 56 * time.Minute} {
		s.Percentile = percentile
		f := Make(s.Input)
		if got := f.Clusters[0].End.Sub(epoch); got != want {
			t.Errorf("at %s the cluster ends after %s, want %s", percentile, got, want)
		}
		if p50, p90 := f.ExpectedEnd.P50.Sub(epoch), f.ExpectedEnd.P90.Sub(epoch); p50 != 25*time.Minute || p90 != 56*time.Minute {
			t.Errorf("told at %s the run ends at %s or %s, want 25m or 56m", percentile, p50, p90)
		}
		if last := f.Blockers[len(f.Blockers)-1]; last.Kind != BlockerEstimate || last.Message != "no history of provider aks yet: defaults are used for production-1" {
			t.Errorf("that defaults were used is told as %+v", last)
		}
	}
}

// TestTheSlowWhoMeetNoWindowAreTold: a run that ends at P50 and not at P90 says why.
func TestTheSlowWhoMeetNoWindowAreTold(t *testing.T) {
	s := newScene("production")
	s.Horizon = 30 * time.Minute
	s.cluster("production-1").Spec.Provider = v1alpha1.ProviderSpec{AKS: &v1alpha1.AKSProvider{Name: "c"}}
	f := Make(s.Input)
	if f.ExpectedEnd.P50 == nil || f.ExpectedEnd.P90 != nil {
		t.Fatalf("it ends at %v or %v", f.ExpectedEnd.P50, f.ExpectedEnd.P90)
	}
	if last := f.Blockers[len(f.Blockers)-1]; !strings.HasPrefix(last.Message, "at P90: the run does not end before") {
		t.Errorf("the last word is %q", last.Message)
	}
}

// TestAForecastOfARunningRunGoesOnFromItsRecord: what is done is history, what is in flight needs the rest of its time.
func TestAForecastOfARunningRunGoesOnFromItsRecord(t *testing.T) {
	s := newScene("production", "production", "production", "production")
	s.strategy.Stages[0].Groups[0].MaxConcurrency = new(intstr.FromInt32(2))
	d := rollout.Decide(s.Snapshot, epoch)
	s.Snapshot.Run.Status = d.Status
	at := func(m int) *metav1.Time { return new(metav1.NewTime(epoch.Add(time.Duration(m) * time.Minute))) }
	upgrade := func(cluster string, phase v1alpha1.ClusterUpgradePhase) *v1alpha1.ClusterUpgrade {
		u := &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "r-" + cluster}, Spec: v1alpha1.ClusterUpgradeSpec{Cluster: cluster, Hops: []string{"1.37.2"}, Attempt: 1}}
		u.Status.Phase, u.Status.Attempt, u.Status.StartedAt, u.Status.FromVersion = phase, 1, at(0), "1.36.1"
		return u
	}
	done := upgrade("production-1", v1alpha1.ClusterUpgradePhaseSucceeded)
	done.Status.FinishedAt = at(22)
	flying := upgrade("production-2", v1alpha1.ClusterUpgradePhaseRunning)
	flying.Status.Steps = []v1alpha1.StepStatus{{Name: "1.37.2/ControlPlane", StartedAt: at(20), Result: v1alpha1.StepResultRunning}}
	s.Snapshot.Upgrades = []*v1alpha1.ClusterUpgrade{done, flying}
	s.From = at(24).Time

	want := []string{
		"production-1 -24m to -2m", "production-2 -24m to +18m", // six minutes of the control plane and twelve of nodes
		"production-3 +0s to +22m", "production-4 +18m to +40m", "stage production -24m to +40m", "ends +40m",
	}
	if diff := cmp.Diff(want, lines(Make(s.Input))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if f := Make(s.Input); !f.Clusters[0].Done || f.Clusters[1].Done {
		t.Errorf("history is %t and %t, want the first alone", f.Clusters[0].Done, f.Clusters[1].Done)
	}

	flying.Status.Phase, flying.Spec.State = v1alpha1.ClusterUpgradePhaseHeld, v1alpha1.ClusterUpgradeStateHold
	flying.Status.Steps = nil
	if f := Make(s.Input); f.Clusters[1].End.Sub(s.From) != 22*time.Minute {
		t.Errorf("the held cluster ends after %s, want 22m from now", f.Clusters[1].End.Sub(s.From))
	}

	flying.Status.Phase, flying.Spec.State, flying.Status.Reason = v1alpha1.ClusterUpgradePhaseFailed, "", "QuotaExceeded"
	f := Make(s.Input)
	if f.ExpectedEnd.P50 != nil || f.Phase != v1alpha1.RunPhaseFailed || f.Blockers[0].Kind != BlockerFailed {
		t.Errorf("with a failure it is %s, ends at %v, and the first blocker is %+v", f.Phase, f.ExpectedEnd.P50, f.Blockers)
	}
	s.Snapshot.Run.Spec.Attempt = 2
	if f := Make(s.Input); f.Clusters[1].End == nil || f.Clusters[1].End.Sub(s.From) != 22*time.Minute || f.ExpectedEnd.P50 == nil {
		t.Errorf("after a retry the cluster ends at %v, want 22m from now", f.Clusters[1].End)
	}
}
