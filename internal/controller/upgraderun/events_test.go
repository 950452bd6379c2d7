// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"sengu.dev/sengu/api/v1alpha1"
)

// emitted are the events between two records.
func emitted(before, after v1alpha1.UpgradeRunStatus) []string {
	recorder := events.NewFakeRecorder(100)
	emit(context.Background(), recorder, runNamed("a", after), before)
	close(recorder.Events)
	var out []string
	for e := range recorder.Events {
		out = append(out, e)
	}
	return out
}

// stage is one stage's record.
func stage(s v1alpha1.RunStageStatus) v1alpha1.UpgradeRunStatus {
	s.Name = "staging"
	return v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseRunning, Stages: []v1alpha1.RunStageStatus{s}}
}

func gate(state v1alpha1.GateState) v1alpha1.UpgradeRunStatus {
	return stage(v1alpha1.RunStageStatus{Gates: []v1alpha1.RunGateStatus{{Name: "ok", Gate: "a-staging-before-ok", State: state}}})
}

// TestWhatPeopleSeeAsEvents: each change that matters to a person, once, with a documented reason.
func TestWhatPeopleSeeAsEvents(t *testing.T) {
	waiting := func(phase v1alpha1.RunPhase, reason, message string) v1alpha1.UpgradeRunStatus {
		return v1alpha1.UpgradeRunStatus{Phase: phase, Waiting: &v1alpha1.Waiting{Reason: reason, Message: message}}
	}
	ready := func(status metav1.ConditionStatus, reason, message string) v1alpha1.UpgradeRunStatus {
		return v1alpha1.UpgradeRunStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message}}}
	}
	running := v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseRunning}
	soak := func(state v1alpha1.SoakState, w *v1alpha1.Waiting) v1alpha1.UpgradeRunStatus {
		return stage(v1alpha1.RunStageStatus{SoakState: state, Waiting: w})
	}
	tests := map[string]struct {
		before, after v1alpha1.UpgradeRunStatus
		want          []string
	}{
		"nothing":       {before: running, after: running},
		"only counts":   {before: running, after: v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseRunning, Counts: v1alpha1.RunCounts{Succeeded: 3}}},
		"it is refused": {after: ready(metav1.ConditionFalse, v1alpha1.ReasonNoClusters, "the run selects no cluster"), want: []string{"Warning NoClusters the run selects no cluster"}},
		"it is accepted": {before: ready(metav1.ConditionFalse, v1alpha1.ReasonNoClusters, ""), after: ready(metav1.ConditionTrue, v1alpha1.ReasonAccepted, "all is frozen"),
			want: []string{"Normal Accepted all is frozen"}},
		"it is paused": {before: running, after: waiting(v1alpha1.RunPhasePaused, v1alpha1.ReasonPausedByUser, "a person paused the run"),
			want: []string{"Normal Paused a person paused the run"}},
		"it is resumed": {before: waiting(v1alpha1.RunPhasePaused, v1alpha1.ReasonPausedByUser, ""), after: running,
			want: []string{"Normal Resumed the run goes on", "Normal Running Running"}},
		"it fails": {before: running, after: waiting(v1alpha1.RunPhaseFailed, v1alpha1.ReasonTooManyFailures, "1 failed and 0 may"),
			want: []string{"Warning Failed 1 failed and 0 may"}},
		"it is retried": {before: v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseFailed, Attempt: 1}, after: v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseRunning, Attempt: 2},
			want: []string{"Normal Retried a person asked to try again what has failed: this is attempt 2", "Normal Running Running"}},
		"a first attempt is no retry": {before: running, after: v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseRunning, Attempt: 1}},
		"clusters are skipped": {before: running, after: v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseRunning, Counts: v1alpha1.RunCounts{Skipped: 2}},
			want: []string{"Normal SkippedByUser 2 clusters are skipped by a person's decision"}},
		"no window is open": {before: running, after: waiting(v1alpha1.RunPhaseRunning, v1alpha1.ReasonOutsideWindow, "the next opens at 22:00"),
			want: []string{"Normal OutsideWindow the next opens at 22:00"}},
		"a wait that is seen every minute": {before: running, after: waiting(v1alpha1.RunPhaseRunning, v1alpha1.ReasonConcurrencyReached, "")},
		"a stage begins":                   {before: stage(v1alpha1.RunStageStatus{}), after: stage(v1alpha1.RunStageStatus{Phase: v1alpha1.StagePhaseRunning}), want: []string{"Normal StageRunning stage staging: Running"}},
		"a soak is interrupted": {before: soak(v1alpha1.SoakStateCounting, nil),
			after: soak(v1alpha1.SoakStateInterrupted, &v1alpha1.Waiting{Reason: v1alpha1.ReasonSoakInterrupted, Message: "staging-1: 1 node is not Ready"}),
			want:  []string{"Warning SoakInterrupted stage staging: staging-1: 1 node is not Ready"}},
		"a soak goes on": {before: soak(v1alpha1.SoakStateInterrupted, nil), after: soak(v1alpha1.SoakStateCounting, nil),
			want: []string{"Normal Soaking stage staging: healthy time is counted on"}},
		"a soak is over":      {before: soak(v1alpha1.SoakStateCounting, nil), after: soak(v1alpha1.SoakStateDone, nil), want: []string{"Normal SoakDone stage staging: the soak is over"}},
		"a soak begins":       {before: soak("", nil), after: soak(v1alpha1.SoakStateCounting, nil)},
		"a gate is asked for": {before: stage(v1alpha1.RunStageStatus{}), after: gate(v1alpha1.GateStatePending), want: []string{"Normal GateClosed gate ok of staging: Pending"}},
		"a gate is passed":    {before: gate(v1alpha1.GateStatePending), after: gate(v1alpha1.GateStatePassed), want: []string{"Normal GatePassed gate ok of staging: Passed"}},
		"a gate is refused":   {before: gate(v1alpha1.GateStatePending), after: gate(v1alpha1.GateStateRefused), want: []string{"Warning GateRefused gate ok of staging: Refused"}},
		"a gate is skipped":   {before: gate(v1alpha1.GateStatePending), after: gate(v1alpha1.GateStateSkipped), want: []string{"Normal GateSkipped gate ok of staging: Skipped"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, emitted(tc.before, tc.after)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEventsAreCleanAndBounded: the API takes 1024 bytes, and a message may hold what a cloud wrote.
func TestEventsAreCleanAndBounded(t *testing.T) {
	got := emitted(v1alpha1.UpgradeRunStatus{}, v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseFailed,
		Waiting: &v1alpha1.Waiting{Message: "\x1b[2J" + strings.Repeat("ü", 2000)}})
	if len(got) != 1 || len(got[0]) > len("Warning Failed ")+1024 || strings.Contains(got[0], "\x1b") || !strings.HasPrefix(got[0], `Warning Failed \x1b[2Jü`) {
		t.Errorf("%d bytes: %q", len(got[0]), got)
	}
}
