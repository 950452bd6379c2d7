// SPDX-License-Identifier: Apache-2.0

// Package member reaches the member clusters' own APIs: a cached view of nodes, pods and budgets that is kept
// by watches, and the few writes that a drain needs.
package member

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// Access is a handle on one member's API. It is safe for concurrent use.
type Access interface {
	// View returns the cached state, or an error of the kinds of package provider when the member cannot be
	// reached or its caches are not filled yet.
	View(ctx context.Context) (View, error)
	// Cordon marks a node unschedulable and notes the owner; a node that somebody else cordoned is left as it is
	// and noted too, with the mark that it was cordoned before, so that Uncordon restores what was.
	Cordon(ctx context.Context, node, owner string) error
	// Uncordon takes back what Cordon of the same owner did; a node without that mark is not touched.
	Uncordon(ctx context.Context, node, owner string) error
	// Quarantine leaves a node of this owner cordoned on purpose and notes why.
	Quarantine(ctx context.Context, node, owner, reason string) error
	// Evict asks for the eviction of exactly this pod (by UID). nil: granted, or the pod is gone already.
	// *RefusedError: the API refused it.
	Evict(ctx context.Context, pod PodRef) error
}

// View is the state of a member's nodes, pods and budgets. It does not change once it was returned.
type View interface {
	// UID of the member's kube-system namespace: it tells one cluster from another.
	UID() string
	// Nodes by name.
	Nodes() []*corev1.Node
	// PodsOn a node, any order.
	PodsOn(node string) []*corev1.Pod
	// Budgets of all namespaces.
	Budgets() []*policyv1.PodDisruptionBudget
	// Eviction tells what became of an eviction that was asked for: when it was granted (zero: it was not), and
	// until when it is not asked for again (zero: it was not refused).
	Eviction(podUID string) (granted, refusedUntil time.Time)
}

// PodRef names exactly one pod.
type PodRef struct {
	// Namespace, Name and UID of the pod.
	Namespace, Name, UID string
}

// RefusedError says that the API refused an eviction.
type RefusedError struct {
	// Pod that may not go.
	Pod PodRef
	// Budget is true when a PodDisruptionBudget refused (429 with cause DisruptionBudget).
	Budget bool
	// RetryAfter that the API asked for; zero: not said.
	RetryAfter time.Duration
	// Message of the API; text from outside.
	Message string
}

// Error returns the API's sentence.
func (e *RefusedError) Error() string {
	return "eviction of " + e.Pod.Namespace + "/" + e.Pod.Name + " refused: " + e.Message
}

// ErrNotSynced says that the caches are not filled yet.
var ErrNotSynced = errors.New("the member's caches are not filled yet")

// Source is implemented by provider handles that play the member's API themselves, as the simulated one does.
type Source interface {
	// Member returns access to the played API.
	Member() Access
}
