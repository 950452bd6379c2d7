// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"sengu.dev/sengu/api/v1alpha1"
)

// emit tells when a calendar became usable, or no longer is.
func emit(r events.EventRecorder, before, after *v1alpha1.MaintenanceCalendar) {
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
	if was != nil && was.Status == is.Status && was.Reason == is.Reason {
		return
	}
	kind := corev1.EventTypeNormal
	if is.Status != metav1.ConditionTrue {
		kind = corev1.EventTypeWarning
	}
	r.Eventf(after, nil, kind, is.Reason, "Compile", "%s", is.Message)
}
