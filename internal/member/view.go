// SPDX-License-Identifier: Apache-2.0

package member

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// view reads the caches of a session. The objects in them are never changed, only replaced.
type view struct {
	uid     string
	session *session
	access  *live
}

// UID of the member's kube-system namespace.
func (v *view) UID() string { return v.uid }

// Nodes by name.
func (v *view) Nodes() []*corev1.Node {
	nodes := casts[*corev1.Node](v.session.nodes.List())
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes
}

// PodsOn a node, any order.
func (v *view) PodsOn(node string) []*corev1.Pod {
	objects, _ := v.session.pods.ByIndex(podsByNode, node) // the index exists
	return casts[*corev1.Pod](objects)
}

// Budgets of all namespaces.
func (v *view) Budgets() []*policyv1.PodDisruptionBudget {
	return casts[*policyv1.PodDisruptionBudget](v.session.budgets.List())
}

// Eviction tells what became of an eviction that was asked for.
func (v *view) Eviction(podUID string) (granted, refusedUntil time.Time) {
	now := v.access.clock().Now()
	if r := v.session.requestByUID(podUID); r != nil && !v.access.evictions.isDirect(podUID) {
		if v.access.givenUp(r) {
			return time.Time{}, time.Time{}
		}
		return r.CreationTimestamp.Time, time.Time{}
	}
	return v.access.evictions.outcome(podUID, v.session, now)
}
