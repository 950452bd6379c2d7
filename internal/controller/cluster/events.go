// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"sengu.dev/sengu/api/v1alpha1"
)

// emit tells what changed for a person: readiness and the control plane's version.
func emit(r events.EventRecorder, before, after *v1alpha1.Cluster) {
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
	if is != nil && (was == nil || was.Status != is.Status || was.Reason != is.Reason) {
		kind := corev1.EventTypeNormal
		if is.Status != metav1.ConditionTrue && after.Status.ActiveRun == "" {
			kind = corev1.EventTypeWarning
		}
		r.Eventf(after, nil, kind, is.Reason, "Observe", "%s", is.Message)
	}
	from, to := before.Status.ControlPlane.Version, after.Status.ControlPlane.Version
	if from != "" && from != to {
		r.Eventf(after, nil, corev1.EventTypeNormal, "ControlPlaneVersion", "Observe", "the control plane went from %s to %s", from, to)
	}
}
