// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller/herald"
)

// emit tells what changed for a person: readiness and the control plane's version.
func emit(ctx context.Context, r events.EventRecorder, before, after *v1alpha1.Cluster) {
	h := herald.New(ctx, r, after, "Observe")
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionReady)
	is := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
	if is != nil && (was == nil || was.Status != is.Status || was.Reason != is.Reason) {
		if is.Status != metav1.ConditionTrue && after.Status.ActiveRun == "" {
			h.Warning(is.Reason, "%s", is.Message)
		} else {
			h.Normal(is.Reason, "%s", is.Message)
		}
	}
	from, to := before.Status.ControlPlane.Version, after.Status.ControlPlane.Version
	if from != "" && from != to {
		h.Normal(v1alpha1.ReasonControlPlaneVersion, "the control plane went from %s to %s", from, to)
	}
}
