// SPDX-License-Identifier: Apache-2.0

package clusterupgrade

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"sengu.dev/sengu/api/v1alpha1"
)

// emit tells what changed for a person: phases, steps that ended, and drains that are blocked.
func emit(r events.EventRecorder, u *v1alpha1.ClusterUpgrade, before v1alpha1.ClusterUpgradeStatus) {
	emitSteps(r, u, before)
	if u.Status.Phase != before.Phase {
		emitPhase(r, u)
	}
	is, was := u.Status.Waiting, before.Waiting
	if is != nil && is.Reason == v1alpha1.ReasonDrainBlocked && (was == nil || was.Reason != is.Reason) {
		r.Eventf(u, nil, corev1.EventTypeWarning, is.Reason, "Drain", "%s", is.Message)
	}
}

func emitPhase(r events.EventRecorder, u *v1alpha1.ClusterUpgrade) {
	switch u.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseFailed:
		r.Eventf(u, nil, corev1.EventTypeWarning, eventReason(u.Status.Reason), "Upgrade", "%s", u.Status.Message)
	case "":
	default:
		r.Eventf(u, nil, corev1.EventTypeNormal, string(u.Status.Phase), "Upgrade", "cluster %s: %s", u.Spec.Cluster, u.Status.Phase)
	}
}

func emitSteps(r events.EventRecorder, u *v1alpha1.ClusterUpgrade, before v1alpha1.ClusterUpgradeStatus) {
	was := map[string]v1alpha1.StepResult{}
	for _, s := range before.Steps {
		was[s.Name] = s.Result
	}
	for _, s := range u.Status.Steps {
		if s.Result == was[s.Name] {
			continue
		}
		// That a step began, or looked and found all well, is in the record; an event for each would be half of what the
		// hub stores.
		if s.Result == v1alpha1.StepResultSucceeded && changesCluster(s.Name) {
			r.Eventf(u, nil, corev1.EventTypeNormal, "StepSucceeded", "Upgrade", "step %s succeeded", s.Name)
		}
	}
}

// changesCluster says whether a step (stop/kind or stop/kind/pool) does something to the cluster.
func changesCluster(step string) bool {
	_, kind, _ := strings.Cut(step, "/")
	return kind == "ControlPlane" || strings.HasPrefix(kind, "NodePool/")
}

// eventReason keeps provider codes that are no words out of the reason, where the API allows only words.
func eventReason(code string) string {
	for _, c := range code {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return v1alpha1.ReasonOperationFailed
		}
	}
	if code == "" {
		return v1alpha1.ReasonOperationFailed
	}
	return code
}
