// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// TestWhichCalendarsHoldForACluster: its own, those of its stage and the fleet's; the others of the fleet do not.
func TestWhichCalendarsHoldForACluster(t *testing.T) {
	at := func(o client.Object, name string) client.Object {
		o.SetNamespace(namespace)
		o.SetName(name)
		return o
	}
	nights := &v1alpha1.MaintenanceCalendar{Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: "UTC",
		Windows: []v1alpha1.MaintenanceWindow{{RRule: "FREQ=DAILY", Start: "22:00", Duration: metav1.Duration{Duration: time.Hour}}}}}
	ref := v1alpha1.LocalObjectReference{Name: "nights"}
	for name, tc := range map[string]struct {
		cluster   v1alpha1.ClusterSpec
		upgrade   v1alpha1.ClusterUpgradeSpec
		fleet     v1alpha1.FleetSpec
		wantWaits string
	}{
		"none":        {},
		"its own":     {cluster: v1alpha1.ClusterSpec{CalendarRef: &ref}, wantWaits: v1alpha1.ReasonOutsideWindow},
		"its stage's": {upgrade: v1alpha1.ClusterUpgradeSpec{CalendarRefs: []v1alpha1.LocalObjectReference{ref}}, wantWaits: v1alpha1.ReasonOutsideWindow},
		"the fleet's": {fleet: v1alpha1.FleetSpec{CalendarRefs: []v1alpha1.LocalObjectReference{ref}}, wantWaits: v1alpha1.ReasonOutsideWindow},
		"one that does not exist": {cluster: v1alpha1.ClusterSpec{CalendarRef: &v1alpha1.LocalObjectReference{Name: "days"}},
			wantWaits: v1alpha1.ReasonCalendarMissing},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, at(nights.DeepCopy(), "nights"), at(&v1alpha1.Fleet{Spec: tc.fleet}, v1alpha1.FleetName))
			c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "c"}, Spec: tc.cluster}
			set, err := calendarsFor(t.Context(), w.hub, c, &v1alpha1.ClusterUpgrade{Spec: tc.upgrade})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if wait := set.MayBegin(time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC), v1alpha1.UpgradeKindMinor, 0); wait != nil {
				got = wait.Reason
			}
			if got != tc.wantWaits {
				t.Errorf("at noon it waits for %q, want %q", got, tc.wantWaits)
			}
		})
	}
}

// TestEstimatesAreLearnedNowAndThen: a pass does not read the whole history each time.
func TestEstimatesAreLearnedNowAndThen(t *testing.T) {
	w := newWorld(t)
	c := w.cluster
	now := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	var e Estimates
	samples := func() int {
		t.Helper()
		m, err := e.Of(t.Context(), w.hub, namespace, now)
		if err != nil {
			t.Fatal(err)
		}
		return m.ControlPlane(c).Samples
	}
	if n := samples(); n != 0 {
		t.Fatalf("%d samples in a fleet without history", n)
	}
	u := &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "r-c"}, Spec: v1alpha1.ClusterUpgradeSpec{Cluster: c.Name, Hops: []string{"1.37.2"}}}
	u.Status.Steps = []v1alpha1.StepStatus{{Name: "1.37.2/ControlPlane", Result: v1alpha1.StepResultSucceeded,
		StartedAt: &metav1.Time{Time: now.Add(-time.Hour)}, FinishedAt: &metav1.Time{Time: now.Add(-50 * time.Minute)}}}
	if err := w.hub.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if n := samples(); n != 0 {
		t.Errorf("%d samples at once, want that it is learned later", n)
	}
	if now = now.Add(learnEvery); samples() != 1 {
		t.Errorf("no sample after %s", learnEvery)
	}
}
