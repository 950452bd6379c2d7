// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// TestAFreezeHoldsWhatIsUnderWay: what is in hand is finished, nothing else begins, and when the freeze is lifted the
// run goes on where it was.
func TestAFreezeHoldsWhatIsUnderWay(t *testing.T) {
	f := newFleet(t)
	always := &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: "company"}, Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: "Asia/Tokyo"}}
	f.create(always)
	f.create(&v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.FleetName}, Spec: v1alpha1.FleetSpec{
		CalendarRefs: []v1alpha1.LocalObjectReference{{Name: "company"}}}})
	slow := func(c *v1alpha1.Cluster) {
		c.Spec.Provider.Simulated.ControlPlaneDuration = &metav1.Duration{Duration: 3 * time.Second}
	}
	for _, name := range []string{"prod-1", "prod-2", "prod-3"} {
		f.add(name, "production", slow)
	}
	f.run("to-1-37", "1.37", "production")
	until(f, "to-1-37-prod-1", &v1alpha1.ClusterUpgrade{}, "in hand", func(u *v1alpha1.ClusterUpgrade) bool { return len(u.Status.Operations) > 0 })

	f.freeze("company", v1alpha1.Freeze{From: metav1.NewTime(time.Now().Add(-time.Hour)), To: metav1.NewTime(time.Now().Add(time.Hour)), Reason: "quarter end"})
	held := until(f, "to-1-37-prod-1", &v1alpha1.ClusterUpgrade{}, "held", func(u *v1alpha1.ClusterUpgrade) bool { return u.Status.Phase == v1alpha1.ClusterUpgradePhaseHeld })
	if w := held.Status.Waiting; w == nil || w.Reason != v1alpha1.ReasonFrozen || w.Message != "calendar company is frozen: quarter end" || w.Until == nil {
		t.Errorf("prod-1 waits for %+v, want the freeze with its reason and its end", w)
	}
	if ops := f.operations("prod-1"); ops["ControlPlane"] != 1 || ops["NodePool"] != 0 {
		t.Errorf("operations on prod-1: %v, want the control plane finished and nothing begun after it", ops)
	}
	if n := len(f.operations("prod-3")); n > 0 {
		t.Errorf("prod-3 has begun in the freeze")
	}

	f.freeze("company")
	run := f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
	if run.Status.Counts.Succeeded != 3 {
		t.Errorf("counts %+v, want 3 succeeded", run.Status.Counts)
	}
}

// freeze sets the freezes of a calendar.
func (f *fleet) freeze(name string, freezes ...v1alpha1.Freeze) {
	f.t.Helper()
	var c v1alpha1.MaintenanceCalendar
	if err := f.Get(f.t.Context(), f.key(name), &c); err != nil {
		f.t.Fatal(err)
	}
	c.Spec.Freezes = freezes
	if err := f.Update(f.t.Context(), &c); err != nil {
		f.t.Fatal(err)
	}
}

// TestALimitOfTheFleetHoldsOverAllRuns: three runs that may each have two clusters in flight have one between them.
func TestALimitOfTheFleetHoldsOverAllRuns(t *testing.T) {
	f := newFleet(t)
	f.create(&v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.FleetName}, Spec: v1alpha1.FleetSpec{MaxConcurrency: new(intstr.FromInt32(1))}})
	envs := []string{"one", "two", "three"}
	for _, env := range envs {
		f.add(env+"-a", env, nil)
		f.add(env+"-b", env, nil)
		run := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Name: env}, Spec: v1alpha1.UpgradeRunSpec{
			Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Strategy: strategy(env),
			ClusterSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"env": env}},
		}}
		f.create(run)
	}
	deadline, most := time.Now().Add(patience), 0
	for ended := 0; ended < len(envs); {
		most, ended = max(most, f.inFlight()), 0
		for _, env := range envs {
			var run v1alpha1.UpgradeRun
			if err := f.Get(t.Context(), f.key(env), &run); err != nil {
				t.Fatal(err)
			}
			if run.Status.Phase == v1alpha1.RunPhaseSucceeded {
				ended++
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d runs have succeeded after %s", ended, len(envs), patience)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if most != 1 {
		t.Errorf("%d clusters were in flight at once, want 1", most)
	}
}

func (f *fleet) inFlight() (n int) {
	f.t.Helper()
	var list v1alpha1.ClusterUpgradeList
	if err := f.List(f.t.Context(), &list, client.InNamespace(f.namespace)); err != nil {
		f.t.Fatal(err)
	}
	for i := range list.Items {
		if rollout.InFlight(&list.Items[i]) {
			n++
		}
	}
	return n
}
