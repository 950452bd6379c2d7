// SPDX-License-Identifier: Apache-2.0

package member

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// strip drops what no decision needs before an object enters the cache. A pod of a usual Deployment shrinks from
// about 9 KiB to 1 KiB, which for 10,000 pods is 80 MiB less for each cluster.
func strip(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Pod:
		return stripPod(o), nil
	case *corev1.Node:
		o.ManagedFields = nil
		o.Status.Images = nil
		o.Status.VolumesInUse = nil
		o.Status.VolumesAttached = nil
	case metav1.Object:
		o.SetManagedFields(nil)
	case cache.DeletedFinalStateUnknown: // its object was stripped when it came
	}
	return object, nil
}

func stripPod(p *corev1.Pod) *corev1.Pod {
	out := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion, Labels: p.Labels,
			DeletionTimestamp: p.DeletionTimestamp, DeletionGracePeriodSeconds: p.DeletionGracePeriodSeconds,
		},
		Spec: corev1.PodSpec{
			NodeName: p.Spec.NodeName, TerminationGracePeriodSeconds: p.Spec.TerminationGracePeriodSeconds,
			EvictionResponders: p.Spec.EvictionResponders, SchedulingGroup: p.Spec.SchedulingGroup,
		},
		Status: corev1.PodStatus{Phase: p.Status.Phase},
	}
	if mirror, ok := p.Annotations[corev1.MirrorPodAnnotationKey]; ok {
		out.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: mirror}
	}
	if owner := metav1.GetControllerOf(p); owner != nil {
		out.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			out.Status.Conditions = []corev1.PodCondition{c}
		}
	}
	return out
}

// nodeMatters says whether an update of a node is more than a heartbeat.
func nodeMatters(a, b *corev1.Node) bool {
	if a.UID != b.UID || !slices.Equal(a.Spec.Taints, b.Spec.Taints) || a.Spec.Unschedulable != b.Spec.Unschedulable ||
		a.Status.NodeInfo.KubeletVersion != b.Status.NodeInfo.KubeletVersion ||
		!maps.Equal(a.Labels, b.Labels) || !maps.Equal(a.Annotations, b.Annotations) {
		return true
	}
	return ready(a) != ready(b)
}

func ready(n *corev1.Node) corev1.ConditionStatus {
	i := slices.IndexFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == corev1.NodeReady })
	if i < 0 {
		return corev1.ConditionUnknown
	}
	return n.Status.Conditions[i].Status
}
