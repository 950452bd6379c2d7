// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"sengu.dev/sengu/api/v1alpha1"
)

var epoch = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

// record is a run in the middle of its first stage.
func record() v1alpha1.UpgradeRunStatus {
	return v1alpha1.UpgradeRunStatus{
		Phase: v1alpha1.RunPhaseRunning, CurrentStage: "staging", Progress: "1/4", Counts: v1alpha1.RunCounts{Total: 4, Succeeded: 1, NotStarted: 3},
		Resolved: &v1alpha1.ResolvedTarget{Version: "1.37.2"},
		Stages: []v1alpha1.RunStageStatus{{
			Name: "staging", Phase: v1alpha1.StagePhaseRunning, Counts: v1alpha1.RunCounts{Total: 4},
			Gates:  []v1alpha1.RunGateStatus{{Name: "ok", State: v1alpha1.GateStatePending}},
			Groups: []v1alpha1.RunGroupStatus{{Name: "all", Phase: v1alpha1.StagePhaseRunning, Clusters: []string{"a", "b", "c", "d"}}},
		}},
	}
}

// TestWhatCanWait: counts and what is waited for are written once a second; whatever a later pass or a person decides
// on is written at once.
func TestWhatCanWait(t *testing.T) {
	waiting := &v1alpha1.Waiting{Reason: v1alpha1.ReasonClustersInFlight, Message: "upgrading a"}
	tests := map[string]struct {
		change   func(st *v1alpha1.UpgradeRunStatus)
		wantWait bool
	}{
		"how many are in flight": {change: func(st *v1alpha1.UpgradeRunStatus) { st.Counts.Running++ }, wantWait: true},
		"how far it is":          {change: func(st *v1alpha1.UpgradeRunStatus) { st.Progress = "2/4" }, wantWait: true},
		"what it waits for":      {change: func(st *v1alpha1.UpgradeRunStatus) { st.Waiting = waiting }, wantWait: true},
		"the counts of a stage":  {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].Counts.Running++ }, wantWait: true},
		"what a stage waits for": {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].Waiting = waiting }, wantWait: true},
		"the counts of a group":  {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].Groups[0].Counts.Running++ }, wantWait: true},
		"what a group waits for": {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].Groups[0].Waiting = waiting }, wantWait: true},
		"who waits aside": {change: func(st *v1alpha1.UpgradeRunStatus) {
			st.Stages[0].Groups[0].Aside = []v1alpha1.RunAside{{Cluster: "a", Reason: v1alpha1.ReasonClusterBusy, State: "Waiting"}}
		}, wantWait: true},
		"who is set aside": {change: func(st *v1alpha1.UpgradeRunStatus) {
			st.Stages[0].Groups[0].Aside = []v1alpha1.RunAside{{Cluster: "a", Reason: v1alpha1.ReasonClusterBusy, State: "SetAside"}}
		}},
		"the phase":               {change: func(st *v1alpha1.UpgradeRunStatus) { st.Phase = v1alpha1.RunPhaseStopping }},
		"the stage in hand":       {change: func(st *v1alpha1.UpgradeRunStatus) { st.CurrentStage = "production" }},
		"the frozen target":       {change: func(st *v1alpha1.UpgradeRunStatus) { st.Resolved.Version = "1.37.3" }},
		"the frozen strategy":     {change: func(st *v1alpha1.UpgradeRunStatus) { st.Strategy = &v1alpha1.UpgradeStrategySpec{} }},
		"the attempt":             {change: func(st *v1alpha1.UpgradeRunStatus) { st.Attempt = 2 }},
		"when it began":           {change: func(st *v1alpha1.UpgradeRunStatus) { st.StartedAt = &metav1.Time{Time: epoch} }},
		"when it ended":           {change: func(st *v1alpha1.UpgradeRunStatus) { st.FinishedAt = &metav1.Time{Time: epoch} }},
		"why clusters failed":     {change: func(st *v1alpha1.UpgradeRunStatus) { st.Causes = []v1alpha1.RunCause{{ID: "QuotaExceeded"}} }},
		"a condition":             {change: func(st *v1alpha1.UpgradeRunStatus) { st.Conditions = []metav1.Condition{{Type: "Succeeded"}} }},
		"which command was seen":  {change: func(st *v1alpha1.UpgradeRunStatus) { st.ObservedGeneration = 7 }},
		"the phase of a stage":    {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].Phase = v1alpha1.StagePhaseSoaking }},
		"a gate":                  {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].Gates[0].State = v1alpha1.GateStatePassed }},
		"a soak":                  {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].SoakState = v1alpha1.SoakStateDone }},
		"how long it has soaked":  {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].SoakedFor = &metav1.Duration{Duration: time.Minute} }},
		"when a stage ended":      {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].FinishedAt = &metav1.Time{Time: epoch} }},
		"the phase of a group":    {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].Groups[0].Phase = v1alpha1.StagePhaseFailed }},
		"the clusters of a group": {change: func(st *v1alpha1.UpgradeRunStatus) { st.Stages[0].Groups[0].Clusters = []string{"a"} }},
		"counts and a phase":      {change: func(st *v1alpha1.UpgradeRunStatus) { st.Counts.Failed++; st.Phase = v1alpha1.RunPhaseFailed }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWriter(t)
			w.write(t, epoch, false) // as long ago as it takes to meet the limit
			tc.change(&w.next)
			w.write(t, epoch.Add(progressEvery-1), tc.wantWait)
			w.write(t, epoch.Add(progressEvery), false)
		})
	}
}

// writer writes the records of one run.
type writer struct {
	reconciler
	run  *v1alpha1.UpgradeRun
	next v1alpha1.UpgradeRunStatus
}

func newWriter(t *testing.T) *writer {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	run := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "r"}}
	hub := fake.NewClientBuilder().WithScheme(scheme).WithObjects(run).WithStatusSubresource(run).Build()
	return &writer{run: run, next: record(), reconciler: reconciler{hub: hub, writes: newWrites(), events: events.NewFakeRecorder(100)}}
}

// write writes the next record at an instant, and checks whether it has to wait, until when, and what the hub has.
func (w *writer) write(t *testing.T, now time.Time, wantWait bool) {
	t.Helper()
	if err := w.hub.Get(context.Background(), client.ObjectKeyFromObject(w.run), w.run); err != nil {
		t.Fatal(err)
	}
	due, err := w.reconciler.write(t.Context(), w.run, *w.next.DeepCopy(), now)
	if err != nil {
		t.Fatal(err)
	}
	if !due.IsZero() != wantWait || wantWait && !due.Equal(epoch.Add(progressEvery)) {
		t.Errorf("at %s it is due at %s, want that it waits for %s: %t", now.Sub(epoch), due, progressEvery, wantWait)
	}
	stored := &v1alpha1.UpgradeRun{}
	if err := w.hub.Get(context.Background(), client.ObjectKeyFromObject(w.run), stored); err != nil {
		t.Fatal(err)
	}
	if got := same(stored.Status, w.next); got == wantWait {
		t.Errorf("at %s the hub has the record: %t, want %t", now.Sub(epoch), got, !wantWait)
	}
}

// TestARecordOfAnOldRunIsNotWritten: who writes on an old version gets a conflict, and the write is not counted.
func TestARecordOfAnOldRunIsNotWritten(t *testing.T) {
	w := newWriter(t)
	old := &v1alpha1.UpgradeRun{}
	if err := w.hub.Get(t.Context(), client.ObjectKeyFromObject(w.run), old); err != nil {
		t.Fatal(err)
	}
	w.write(t, epoch, false)
	stale := record()
	stale.Phase = v1alpha1.RunPhaseStopping
	if _, err := w.reconciler.write(t.Context(), old, stale, epoch.Add(time.Minute)); err == nil {
		t.Error("a record was carried on from an old one")
	}
	if at := w.writes.last(client.ObjectKeyFromObject(old)); !at.Equal(epoch) {
		t.Errorf("the last write is noted at %s, want %s", at, epoch)
	}
}
