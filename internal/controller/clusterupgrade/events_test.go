// SPDX-License-Identifier: Apache-2.0

package clusterupgrade

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/upgrade"
	"sengu.dev/sengu/internal/observe"
)

func upgradeWith(st v1alpha1.ClusterUpgradeStatus) *v1alpha1.ClusterUpgrade {
	return &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: "a-prod-1"},
		Spec: v1alpha1.ClusterUpgradeSpec{Cluster: "prod-1", RunRef: v1alpha1.LocalObjectReference{Name: "a"}}, Status: st}
}

// TestWhatPeopleSeeOfACluster: each change that matters to a person, once.
func TestWhatPeopleSeeOfACluster(t *testing.T) {
	running := v1alpha1.ClusterUpgradeStatus{Phase: v1alpha1.ClusterUpgradePhaseRunning, Attempt: 1}
	with := func(change func(*v1alpha1.ClusterUpgradeStatus)) v1alpha1.ClusterUpgradeStatus {
		st := *running.DeepCopy()
		change(&st)
		return st
	}
	blocked := with(func(st *v1alpha1.ClusterUpgradeStatus) {
		st.Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonDrainBlocked, Message: "budget shop/cart lets no pod go"}
	})
	node := func(state string) v1alpha1.ClusterUpgradeStatus {
		return with(func(st *v1alpha1.ClusterUpgradeStatus) {
			st.NodePools = []v1alpha1.NodePoolProgress{{Name: "user", Draining: []v1alpha1.DrainingNode{{Name: "user-7", State: state}}}}
		})
	}
	tests := map[string]struct {
		before, after v1alpha1.ClusterUpgradeStatus
		want          []string
	}{
		"nothing":         {before: running, after: running},
		"a drain blocks":  {before: running, after: blocked, want: []string{"Warning DrainBlocked budget shop/cart lets no pod go"}},
		"it blocks still": {before: blocked, after: blocked},
		"it moves again":  {before: blocked, after: running, want: []string{"Normal DrainMoves the drain in cluster prod-1 moves again"}},
		"a node is given up": {before: node("Draining"), after: node("Quarantined"),
			want: []string{"Warning NodeQuarantined node user-7 of cluster prod-1 could not be drained in its time and is left cordoned"}},
		"it stays given up": {before: node("Quarantined"), after: node("Quarantined")},
		"it fails with a cloud's code": {before: running, after: with(func(st *v1alpha1.ClusterUpgradeStatus) {
			st.Phase, st.Reason, st.Message = v1alpha1.ClusterUpgradePhaseFailed, "Some code: 7", "no quota"
		}), want: []string{"Warning OperationFailed no quota"}},
		"it is tried again": {
			before: with(func(st *v1alpha1.ClusterUpgradeStatus) { st.Phase = v1alpha1.ClusterUpgradePhaseFailed }),
			after:  with(func(st *v1alpha1.ClusterUpgradeStatus) { st.Attempt = 2 }),
			want: []string{"Normal Retried cluster prod-1 is tried again from the first step that is not finished: this is attempt 2",
				"Normal Running cluster prod-1: Running"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			recorder := events.NewFakeRecorder(100)
			emit(context.Background(), recorder, upgradeWith(tc.after), tc.before)
			close(recorder.Events)
			var got []string
			for e := range recorder.Events {
				got = append(got, e)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDurationsAreObservedOnce: when the record shows the end for the first time.
func TestDurationsAreObservedOnce(t *testing.T) {
	at := func(minutes int) *metav1.Time {
		return new(metav1.NewTime(epoch.Add(time.Duration(minutes) * time.Minute)))
	}
	running := v1alpha1.ClusterUpgradeStatus{Phase: v1alpha1.ClusterUpgradePhaseRunning, StartedAt: at(0), Steps: []v1alpha1.StepStatus{
		{Name: "1.37.2/NodePool/user", Result: v1alpha1.StepResultRunning, StartedAt: at(1)}}}
	done := *running.DeepCopy()
	done.Phase, done.FinishedAt = v1alpha1.ClusterUpgradePhaseSucceeded, at(5)
	done.Steps[0].Result, done.Steps[0].FinishedAt = v1alpha1.StepResultSucceeded, at(4)
	look := &observe.Upgrade{Snapshot: upgrade.Snapshot{Cluster: &v1alpha1.Cluster{Spec: v1alpha1.ClusterSpec{Provider: v1alpha1.ProviderSpec{AKS: &v1alpha1.AKSProvider{}}}}}}
	registry := prometheus.NewPedanticRegistry()
	d := newDurations(registry)
	d.observe(look, &running, &running)
	d.observe(look, &running, &done)
	d.observe(look, &done, &done)
	d.observe(&observe.Upgrade{}, &running, &done) // its cluster was deleted from the fleet
	never := v1alpha1.ClusterUpgradeStatus{Phase: v1alpha1.ClusterUpgradePhaseSkipped, FinishedAt: at(9)}
	d.observe(look, &v1alpha1.ClusterUpgradeStatus{}, &never) // it never began
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			if n := m.GetHistogram().GetSampleCount(); n > 0 {
				got[name] = m.GetHistogram().GetSampleSum() / float64(n)
				if n != 1 {
					t.Errorf("%s was observed %d times", name, n)
				}
			}
		}
	}
	want := map[string]float64{
		"sengu_cluster_upgrade_duration_seconds aks Succeeded": 300,
		"sengu_step_duration_seconds aks Succeeded NodePool":   180,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// TestLabelsOfStepsAreFew: names of pools and versions are without bound.
func TestLabelsOfStepsAreFew(t *testing.T) {
	for step, want := range map[string]string{"1.37.2/ControlPlane": "ControlPlane", "NodeImage/NodePool/user-7": "NodePool", "1.37.2/Dance": "Other", "": "Other"} {
		if got := stepKind(step); got != want {
			t.Errorf("%q is a %s, want %s", step, got, want)
		}
	}
}

// TestMetricsTellOfBlockedDrains: while they are blocked, and of no upgrade that has ended.
func TestMetricsTellOfBlockedDrains(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	blocked := func(name string, phase v1alpha1.ClusterUpgradePhase, status metav1.ConditionStatus) *v1alpha1.ClusterUpgrade {
		u := upgradeWith(v1alpha1.ClusterUpgradeStatus{Phase: phase, Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionDrainBlocked, Status: status, LastTransitionTime: metav1.NewTime(epoch.Add(-time.Minute))}}})
		u.Name, u.Spec.Cluster = name, name
		return u
	}
	elected := make(chan struct{})
	c := &collector{clock: clocktesting.NewFakePassiveClock(epoch), elected: elected, hub: fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		blocked("one", v1alpha1.ClusterUpgradePhaseRunning, metav1.ConditionTrue),
		blocked("moves", v1alpha1.ClusterUpgradePhaseRunning, metav1.ConditionFalse),
		blocked("ended", v1alpha1.ClusterUpgradePhaseFailed, metav1.ConditionTrue),
	).Build()}
	if n := testutil.CollectAndCount(c); n != 0 {
		t.Errorf("a process that does not lead tells of %d series", n)
	}
	close(elected)
	want := `
# HELP sengu_drain_blocked 1 while a budget lets no pod of the nodes in hand go.
# TYPE sengu_drain_blocked gauge
sengu_drain_blocked{cluster="one",namespace="emea",run="a"} 1
# HELP sengu_drain_blocked_seconds How long a drain has been blocked.
# TYPE sengu_drain_blocked_seconds gauge
sengu_drain_blocked_seconds{cluster="one",namespace="emea",run="a"} 60
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
