// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxDisrupted is how many granted evictions the API server lets a budget have outstanding before it refuses more.
const maxDisrupted = 2000

// FromPod says of a pod what a decision needs. What only Sengu knows (Evicting, BlockedSince, RefusedUntil) is left
// to the caller.
func FromPod(pod *corev1.Pod) Pod {
	p := Pod{
		Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID), Node: pod.Spec.NodeName, Labels: pod.Labels,
		Mirror:      pod.Annotations[corev1.MirrorPodAnnotationKey] != "",
		Finished:    pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed,
		Pending:     pod.Status.Phase == corev1.PodPending,
		GracePeriod: corev1.DefaultTerminationGracePeriodSeconds * time.Second,
	}
	if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
		p.Owner = owner.Kind + "/" + owner.Name
		p.DaemonSet = owner.Kind == "DaemonSet"
	}
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		p.GracePeriod = time.Duration(*s) * time.Second
	}
	if pod.DeletionTimestamp != nil {
		p.DeletionAt = pod.DeletionTimestamp.Time
	}
	p.Ready = slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
	return p
}

// FromBudget says of a budget what a decision needs. It returns an error for a selector that cannot be used; the
// eviction API takes no notice of such a budget.
func FromBudget(pdb *policyv1.PodDisruptionBudget) (Budget, error) {
	selector, err := metav1.LabelSelectorAsSelector(pdb.Spec.Selector)
	if err != nil {
		return Budget{}, fmt.Errorf("selector of budget %s/%s: %w", pdb.Namespace, pdb.Name, err)
	}
	b := Budget{
		Namespace: pdb.Namespace, Name: pdb.Name, Selector: selector,
		DisruptionsAllowed: int(pdb.Status.DisruptionsAllowed),
		Healthy:            int(pdb.Status.CurrentHealthy),
		Desired:            int(pdb.Status.DesiredHealthy),
		Expected:           int(pdb.Status.ExpectedPods),
		Observed:           pdb.Status.ObservedGeneration >= pdb.Generation,
	}
	if policy := pdb.Spec.UnhealthyPodEvictionPolicy; policy != nil {
		b.AlwaysAllowUnhealthy = *policy == policyv1.AlwaysAllow
	}
	if c := meta.FindStatusCondition(pdb.Status.Conditions, policyv1.DisruptionAllowedCondition); c != nil &&
		c.Status == metav1.ConditionFalse && c.Reason == policyv1.SyncFailedReason {
		b.Observed = false // its numbers are those of an earlier time, and it allows nothing
	}
	if len(pdb.Status.DisruptedPods) > maxDisrupted {
		b.DisruptionsAllowed = 0
	}
	if n := len(pdb.Status.DisruptedPods); n > 0 {
		b.Disrupted = make(map[string]bool, n)
		for name := range pdb.Status.DisruptedPods {
			b.Disrupted[name] = true
		}
	}
	return b, nil
}

// LoadOf says what draining the node would move. Pods on other nodes are passed over.
func LoadOf(node string, pods []Pod, budgets []Budget) NodeLoad {
	return Loads([]string{node}, pods, budgets)[0]
}

// Loads is LoadOf for many nodes in one pass, in their order.
func Loads(nodes []string, pods []Pod, budgets []Budget) []NodeLoad {
	g := index(budgets)
	out := make([]NodeLoad, len(nodes))
	byName := make(map[string]*NodeLoad, len(nodes))
	for i, name := range nodes {
		out[i] = NodeLoad{Node: name, Budgets: map[string]int{}}
		byName[name] = &out[i]
	}
	for i := range pods {
		p := &pods[i]
		load := byName[p.Node]
		if load == nil || p.DaemonSet || p.Mirror {
			continue
		}
		load.Pods++
		load.LongestGrace = max(load.LongestGrace, int64(p.GracePeriod/time.Second))
		if p.Finished || p.Pending || !p.DeletionAt.IsZero() {
			continue
		}
		if guard, _ := g.of(p); guard != nil {
			load.Budgets[guard.key]++
		}
	}
	return out
}
