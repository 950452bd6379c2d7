// SPDX-License-Identifier: Apache-2.0

// Package forecast measures how long it takes to tell when a run will end.
package forecast

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
	"sengu.dev/sengu/internal/decide/simulate"
	"sengu.dev/sengu/internal/decide/windows"
)

// repeats of each measurement, of which the median counts.
const repeats = 5

// exactClusters is up to how many clusters the exact play is made as well: it needs a decision for each that ends.
const exactClusters = 1000

// Result is the forecast of one fleet, P50 and P90 together.
type Result struct {
	// Clusters of the fleet, and how many of them are upgraded at a time.
	Clusters, AtOnce int
	// Took a forecast, and Passes that it decided.
	Took   time.Duration
	Passes int
	// P50 and P90 are the virtual times from the begin to the end of the run.
	P50, P90 time.Duration
	// Off is how far the P50 end is from that of the play in which every cluster is decided on by itself; negative:
	// that was not played.
	Off time.Duration
}

// Run measures fleets of 100, 1,000 and 10,000 clusters whose upgrade takes most of a year of nights.
func Run() ([]Result, error) {
	var out []Result
	for _, n := range []int{100, 1000, 10000} {
		in := Input(n)
		var took []time.Duration
		var f *simulate.Forecast
		for range repeats {
			begin := time.Now()
			in.Snapshot.Calendars = calendars(in.From) // their openings are worked out in each forecast anew
			f = simulate.Make(in)
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		if f.Refused != "" || f.ExpectedEnd.P50 == nil || f.ExpectedEnd.P90 == nil {
			return nil, fmt.Errorf("the forecast of %d clusters has no end: %s %+v", n, f.Refused, f.Blockers)
		}
		r := Result{Clusters: n, AtOnce: atOnce(n), Took: took[repeats/2], Passes: f.Passes,
			P50: f.ExpectedEnd.P50.Sub(in.From), P90: f.ExpectedEnd.P90.Sub(in.From), Off: -1}
		if n <= exactClusters {
			in.Exact = true
			r.Off = simulate.Make(in).ExpectedEnd.P50.Sub(*f.ExpectedEnd.P50).Abs()
		}
		out = append(out, r)
	}
	return out, nil
}

// Markdown is the part of the page about forecasts.
func Markdown(results []Result) string {
	var b strings.Builder
	b.WriteString("`simulate.Make`: P50 and P90 of a run of three stages, each with an approval and a soak of a week, over night windows in two\n" +
		"time zones and the freezes of a company. Aim: 10,000 clusters over a year of calendars in less than 2 s.\n\n" +
		"| clusters | at once | a forecast of both | decisions | run takes P50 | P90 | off the exact play |\n|---:|---:|---:|---:|---:|---:|---:|\n")
	days := func(d time.Duration) string { return fmt.Sprintf("%.0f days", d.Hours()/24) }
	for _, r := range results {
		off := "not played"
		if r.Off >= 0 {
			off = r.Off.Round(time.Minute).String()
		}
		fmt.Fprintf(&b, "| %d | %d | %s | %d | %s | %s | %s |\n", r.Clusters, r.AtOnce, r.Took.Round(time.Millisecond), r.Passes, days(r.P50), days(r.P90), off)
	}
	return b.String()
}

// horizon is how far is looked ahead.
const horizon = 2 * simulate.Horizon

// atOnce is such that the run takes most of a year, whatever the size of the fleet.
func atOnce(n int) int { return max(1, n/600) }

// Input of a forecast: three stages with soaks and gates, clusters of many sizes, and windows of six hours in the night.
func Input(n int) simulate.Input {
	s := rollout.Snapshot{Run: &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Spec: v1alpha1.UpgradeRunSpec{
		Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}}}}
	s.Strategy = &v1alpha1.UpgradeStrategySpec{}
	for _, env := range []string{"staging", "canary", "production"} {
		s.Strategy.Stages = append(s.Strategy.Stages, v1alpha1.StrategyStage{
			Name:        env,
			Soak:        &v1alpha1.Soak{Duration: metav1.Duration{Duration: 168 * time.Hour}},
			BeforeGates: []v1alpha1.GateSpecTemplate{{Name: "go", Approval: &v1alpha1.ApprovalGate{}}},
			Groups: []v1alpha1.StrategyGroup{{
				Name: "all", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": env}}, MaxConcurrency: new(intstr.FromInt(atOnce(n))),
			}},
		})
	}
	s.Fleet = &v1alpha1.FleetSpec{CalendarRefs: []v1alpha1.LocalObjectReference{{Name: "company"}}}
	for i := range n {
		s.Clusters = append(s.Clusters, cluster(i, n))
	}
	from := time.Date(2027, 1, 1, 9, 0, 0, 0, time.UTC)
	return simulate.Input{Snapshot: s, From: from, ApproveAfter: time.Hour, Horizon: horizon}
}

func cluster(i, n int) *v1alpha1.Cluster {
	env := "production"
	switch {
	case i < n/20:
		env = "staging"
	case i < n/8:
		env = "canary"
	}
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("cluster-%05d", i), Labels: map[string]string{"env": env, "region": "japaneast"}}}
	c.Spec.Provider.AKS = &v1alpha1.AKSProvider{Name: c.Name}
	c.Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: []string{"berlin", "london"}[i%2]}
	c.Status.ControlPlane.Version = "1.36.1"
	c.Status.NodePools = []v1alpha1.NodePoolStatus{
		{Name: "system", Mode: v1alpha1.PoolModeSystem, Version: "1.36.1", Nodes: 3},
		{Name: "user", Mode: v1alpha1.PoolModeUser, Version: "1.36.1", Nodes: int32(3 + i*7919%28)},
	}
	c.Status.Offers = v1alpha1.ClusterOffers{Kubernetes: []string{"1.36.1", "1.36.2", "1.37.0", "1.37.2"}, Images: []string{"image-1"}}
	for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
		c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue})
	}
	return c
}

// calendars are a night window for every cluster, another zone for production, and a freeze at the end of the year.
func calendars(from time.Time) *windows.Calendars {
	at := func(month time.Month, day int) metav1.Time {
		return metav1.NewTime(time.Date(from.Year(), month, day, 0, 0, 0, 0, time.UTC))
	}
	night := func(name, zone string, freezes ...v1alpha1.Freeze) *v1alpha1.MaintenanceCalendar {
		return &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: zone, Freezes: freezes,
			Windows: []v1alpha1.MaintenanceWindow{{RRule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA", Start: "22:00", Duration: metav1.Duration{Duration: 7 * time.Hour}}}}}
	}
	return windows.Read([]*v1alpha1.MaintenanceCalendar{
		night("berlin", "Europe/Berlin"), night("london", "Europe/London"),
		{ObjectMeta: metav1.ObjectMeta{Name: "company"}, Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: "UTC", Freezes: []v1alpha1.Freeze{
			{From: at(time.March, 25), To: at(time.April, 2), Reason: "end of the quarter"}, {From: at(time.November, 20), To: at(time.December, 2), Reason: "the busiest week"},
		}}},
	})
}
