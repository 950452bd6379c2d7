// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller/herald"
)

// emit tells what changed for a person between two records of a run.
func emit(ctx context.Context, r events.EventRecorder, run *v1alpha1.UpgradeRun, before v1alpha1.UpgradeRunStatus) {
	h := herald.New(ctx, r, run, "Run")
	emitInput(h, &before, &run.Status)
	emitPhase(h, &before, &run.Status)
	was := map[string]*v1alpha1.RunStageStatus{}
	for i := range before.Stages {
		was[before.Stages[i].Name] = &before.Stages[i]
	}
	for i := range run.Status.Stages {
		st := &run.Status.Stages[i]
		if was[st.Name] == nil {
			was[st.Name] = &v1alpha1.RunStageStatus{}
		}
		emitStage(h, was[st.Name], st)
	}
}

// emitInput tells whether the input is accepted, and what follows from what a person asked for later.
func emitInput(h *herald.Herald, before, after *v1alpha1.UpgradeRunStatus) {
	was := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionReady)
	if is != nil && is.Status != metav1.ConditionUnknown && (was == nil || was.Status != is.Status || was.Reason != is.Reason) {
		if is.Status == metav1.ConditionTrue {
			h.Normal(is.Reason, "%s", is.Message)
		} else {
			h.Warning(is.Reason, "%s", is.Message)
		}
	}
	if before.Attempt > 0 && after.Attempt > before.Attempt {
		h.Normal(v1alpha1.ReasonRetried, "a person asked to try again what has failed: this is attempt %d", after.Attempt)
	}
	if n := after.Counts.Skipped - before.Counts.Skipped; n > 0 {
		h.Normal(v1alpha1.ReasonSkippedByUser, "%d clusters are skipped by a person's decision", n)
	}
}

// waits are told of when they begin: they last, and a person may want to change something.
var waits = []string{
	v1alpha1.ReasonOutsideWindow, v1alpha1.ReasonFrozen, v1alpha1.ReasonWindowTooShort, v1alpha1.ReasonNeverOpens,
	v1alpha1.ReasonCalendarMissing, v1alpha1.ReasonInvalidCalendar, v1alpha1.ReasonFleetConcurrencyReached,
	v1alpha1.ReasonCanaryFailed, v1alpha1.ReasonSameCause,
}

func emitPhase(h *herald.Herald, before, after *v1alpha1.UpgradeRunStatus) {
	if before.Phase == v1alpha1.RunPhasePaused && (after.Phase == v1alpha1.RunPhaseRunning || after.Phase == v1alpha1.RunPhasePending) {
		h.Normal(v1alpha1.ReasonResumed, "the run goes on")
	}
	if after.Phase != before.Phase && after.Phase != "" {
		note := string(after.Phase)
		if after.Waiting != nil {
			note = after.Waiting.Message
		}
		if after.Phase == v1alpha1.RunPhaseFailed || after.Phase == v1alpha1.RunPhaseStopping {
			h.Warning(string(after.Phase), "%s", note)
		} else {
			h.Normal(string(after.Phase), "%s", note)
		}
		return
	}
	if w := after.Waiting; w != nil && slices.Contains(waits, w.Reason) && (before.Waiting == nil || before.Waiting.Reason != w.Reason) {
		h.Normal(w.Reason, "%s", w.Message)
	}
}

func emitStage(h *herald.Herald, before, after *v1alpha1.RunStageStatus) {
	if after.Phase != before.Phase && after.Phase != v1alpha1.StagePhaseNotStarted && after.Phase != "" {
		h.Normal("Stage"+string(after.Phase), "stage %s: %s", after.Name, after.Phase)
	}
	switch is, was := after.SoakState, before.SoakState; {
	case is == was:
	case is == v1alpha1.SoakStateInterrupted:
		why := "a cluster is not healthy"
		if after.Waiting != nil && after.Waiting.Reason == v1alpha1.ReasonSoakInterrupted {
			why = after.Waiting.Message
		}
		h.Warning(v1alpha1.ReasonSoakInterrupted, "stage %s: %s", after.Name, why)
	case is == v1alpha1.SoakStateCounting && was == v1alpha1.SoakStateInterrupted:
		h.Normal(v1alpha1.ReasonSoaking, "stage %s: healthy time is counted on", after.Name)
	case is == v1alpha1.SoakStateDone:
		h.Normal(v1alpha1.ReasonSoakDone, "stage %s: the soak is over", after.Name)
	}
	emitGates(h, after.Name, before.Gates, after.Gates)
	groups := map[string][]v1alpha1.RunGateStatus{}
	for _, g := range before.Groups {
		groups[g.Name] = g.Gates
	}
	for _, g := range after.Groups {
		emitGates(h, after.Name+"/"+g.Name, groups[g.Name], g.Gates)
	}
}

// gateReasons are the words for what has become of a gate.
var gateReasons = map[v1alpha1.GateState]string{
	v1alpha1.GateStatePending: v1alpha1.ReasonGateClosed, v1alpha1.GateStatePassed: v1alpha1.ReasonGatePassed,
	v1alpha1.GateStateRefused: v1alpha1.ReasonGateRefused, v1alpha1.GateStateSkipped: v1alpha1.ReasonGateSkipped,
}

func emitGates(h *herald.Herald, place string, before, after []v1alpha1.RunGateStatus) {
	was := map[string]v1alpha1.GateState{}
	for _, g := range before {
		was[g.Gate] = g.State
	}
	for _, g := range after {
		reason := gateReasons[g.State]
		if reason == "" || g.State == was[g.Gate] {
			continue
		}
		if g.State == v1alpha1.GateStateRefused {
			h.Warning(reason, "gate %s of %s: %s", g.Name, place, g.State)
		} else {
			h.Normal(reason, "gate %s of %s: %s", g.Name, place, g.State)
		}
	}
}
