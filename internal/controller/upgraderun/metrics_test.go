// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"sengu.dev/sengu/api/v1alpha1"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) *metav1.Time { return new(metav1.NewTime(noon.Add(-d))) }

func runNamed(name string, st v1alpha1.UpgradeRunStatus) *v1alpha1.UpgradeRun {
	return &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: name, UID: types.UID(name)}, Status: st}
}

func gateOf(run *v1alpha1.UpgradeRun, name string, state v1alpha1.GateState) *v1alpha1.Gate {
	return &v1alpha1.Gate{
		ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: name, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("UpgradeRun"))}},
		Spec:       v1alpha1.GateSpec{Type: v1alpha1.GateTypeApproval, RunRef: v1alpha1.LocalObjectReference{Name: run.Name}},
		Status:     v1alpha1.GateStatus{State: state},
	}
}

// TestMetricsTellHowRunsAre: of those that go on, and of those that have ended today.
func TestMetricsTellHowRunsAre(t *testing.T) {
	soaking := runNamed("soaking", v1alpha1.UpgradeRunStatus{
		Phase: v1alpha1.RunPhasePending, Resolved: &v1alpha1.ResolvedTarget{Version: "1.37.2"}, Counts: v1alpha1.RunCounts{Total: 3, Succeeded: 1, NotStarted: 2},
		Waiting: &v1alpha1.Waiting{Reason: v1alpha1.ReasonSoaking, Since: ago(90 * time.Second)},
	})
	failed := runNamed("failed", v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseFailed, FinishedAt: ago(time.Hour), Counts: v1alpha1.RunCounts{Failed: 1},
		Waiting: &v1alpha1.Waiting{Reason: v1alpha1.ReasonTooManyFailures, Since: ago(time.Hour)}})
	old := runNamed("old", v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseSucceeded, FinishedAt: ago(25 * time.Hour)})
	unseen := runNamed("unseen", v1alpha1.UpgradeRunStatus{})
	elected := make(chan struct{})
	c := &collector{hub: fakeHub(t, soaking, failed, old, unseen,
		gateOf(soaking, "open", v1alpha1.GateStatePassed), gateOf(soaking, "closed", ""), gateOf(failed, "left", v1alpha1.GateStatePending)),
		clock: clocktesting.NewFakePassiveClock(noon), elected: elected}
	if n := testutil.CollectAndCount(c); n != 0 {
		t.Errorf("a process that does not lead tells of %d series", n)
	}
	close(elected)
	want := `
# HELP sengu_gate_pending 1 while a gate that a run has come to is closed.
# TYPE sengu_gate_pending gauge
sengu_gate_pending{gate="closed",namespace="emea",run="soaking",type="Approval"} 1
# HELP sengu_run_info 1 for each run, with the exact version that it goes to (empty: node images only, or not frozen yet).
# TYPE sengu_run_info gauge
sengu_run_info{namespace="emea",run="failed",target=""} 1
sengu_run_info{namespace="emea",run="soaking",target="1.37.2"} 1
sengu_run_info{namespace="emea",run="unseen",target=""} 1
# HELP sengu_run_phase 1 for the phase in which a run is.
# TYPE sengu_run_phase gauge
sengu_run_phase{namespace="emea",phase="Failed",run="failed"} 1
sengu_run_phase{namespace="emea",phase="NotStarted",run="unseen"} 1
sengu_run_phase{namespace="emea",phase="Pending",run="soaking"} 1
# HELP sengu_run_waiting 1 while a run waits, with the reason.
# TYPE sengu_run_waiting gauge
sengu_run_waiting{namespace="emea",reason="Soaking",run="soaking"} 1
# HELP sengu_run_waiting_seconds How long a run has waited for that reason.
# TYPE sengu_run_waiting_seconds gauge
sengu_run_waiting_seconds{namespace="emea",reason="Soaking",run="soaking"} 90
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "sengu_gate_pending", "sengu_run_info", "sengu_run_phase", "sengu_run_waiting", "sengu_run_waiting_seconds"); err != nil {
		t.Error(err)
	}
	if got := testutil.CollectAndCount(c, "sengu_run_clusters"); got != 21 {
		t.Errorf("%d series of clusters, want 7 states of 3 runs", got)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}

// TestSeriesEndWithTheirRun: nothing is left of a run that was deleted.
func TestSeriesEndWithTheirRun(t *testing.T) {
	run := runNamed("gone", v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseRunning})
	hub, elected := fakeHub(t, run), make(chan struct{})
	close(elected)
	c := &collector{hub: hub, clock: clocktesting.NewFakePassiveClock(noon), elected: elected}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	if n, err := testutil.GatherAndCount(registry); err != nil || n == 0 {
		t.Errorf("%d series, %v", n, err)
	}
	if err := hub.Delete(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if n, err := testutil.GatherAndCount(registry); err != nil || n != 0 {
		t.Errorf("%d series of a run that is gone, %v", n, err)
	}
}

func fakeHub(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}
