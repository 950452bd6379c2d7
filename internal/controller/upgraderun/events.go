// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"sengu.dev/sengu/api/v1alpha1"
)

// emit tells what changed for a person: the phase of the run, and of its stages.
func emit(r events.EventRecorder, run *v1alpha1.UpgradeRun, before v1alpha1.UpgradeRunStatus) {
	if run.Status.Phase != before.Phase && run.Status.Phase != "" {
		kind := corev1.EventTypeNormal
		if run.Status.Phase == v1alpha1.RunPhaseFailed || run.Status.Phase == v1alpha1.RunPhaseStopping {
			kind = corev1.EventTypeWarning
		}
		note := string(run.Status.Phase)
		if run.Status.Waiting != nil {
			note = run.Status.Waiting.Message
		}
		r.Eventf(run, nil, kind, string(run.Status.Phase), "Run", "%s", note)
	}
	was := map[string]v1alpha1.StagePhase{}
	for i := range before.Stages {
		was[before.Stages[i].Name] = before.Stages[i].Phase
	}
	for i := range run.Status.Stages {
		st := &run.Status.Stages[i]
		if st.Phase != was[st.Name] && st.Phase != v1alpha1.StagePhaseNotStarted {
			r.Eventf(run, nil, corev1.EventTypeNormal, "Stage"+string(st.Phase), "Run", "stage %s: %s", st.Name, st.Phase)
		}
	}
}
