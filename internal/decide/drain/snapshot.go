// SPDX-License-Identifier: Apache-2.0

// Package drain decides which pods leave which nodes now.
//
// Decide is a pure function of a Snapshot and an instant. It never asks for more evictions than the budgets
// allow at that moment, names precisely what blocks a node, and says when a node is empty. Which nodes are
// drained at all is the caller's decision (package upgrade); Order helps it to choose.
package drain

import (
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// Node is a node that is being drained: it is cordoned.
type Node struct {
	// Name of the node.
	Name string
	// Since is when its drain began; it times out at Since + Snapshot.Timeout.
	Since time.Time
	// Ready says whether its kubelet reports; pods of a node that does not cannot confirm their end.
	Ready bool
}

// Pod is a pod on one of the nodes.
type Pod struct {
	// Namespace and Name of the pod.
	Namespace, Name string
	// UID tells this pod from its successor of the same name.
	UID string
	// Node on which it runs.
	Node string
	// Labels that budgets select by.
	Labels map[string]string
	// Owner is the controller of the pod as kind/name; empty for a bare pod.
	Owner string
	// DaemonSet pods come back at once on the same node, so they stay.
	DaemonSet bool
	// Mirror pods are files on the node, so they stay.
	Mirror bool
	// Finished pods (Succeeded or Failed) hold nothing and no budget counts them.
	Finished bool
	// Pending pods have not started, and the API asks no budget before it evicts them.
	Pending bool
	// Ready as the budgets count it.
	Ready bool
	// Evicting: the API granted its eviction, and the watch has not shown its deletion yet.
	Evicting bool
	// DeletionAt is the deletion timestamp: when its grace period ends. Zero: it is not ending.
	DeletionAt time.Time
	// GracePeriod that it gets when it is evicted.
	GracePeriod time.Duration
	// BlockedSince is when an earlier pass first saw it blocked; zero: it was not.
	BlockedSince time.Time
	// RefusedUntil is until when its eviction is not asked for again, because the API refused it for a reason
	// that no watch would show the end of; zero: it was not refused.
	RefusedUntil time.Time
}

// Budget is a PodDisruptionBudget.
type Budget struct {
	// Namespace and Name of the budget.
	Namespace, Name string
	// Selector of its pods.
	Selector labels.Selector
	// DisruptionsAllowed now, by its status.
	DisruptionsAllowed int
	// Healthy pods now, Desired healthy pods and Expected pods, by its status.
	Healthy, Desired, Expected int
	// Observed says that the status speaks of the present generation of the budget.
	Observed bool
	// AlwaysAllowUnhealthy is unhealthyPodEvictionPolicy AlwaysAllow.
	AlwaysAllowUnhealthy bool
	// Disrupted names the pods whose granted eviction DisruptionsAllowed already counts.
	Disrupted map[string]bool
}

// Snapshot is everything that Decide looks at.
type Snapshot struct {
	// Nodes that are being drained.
	Nodes []Node
	// Pods on these nodes; pods elsewhere do not matter, budgets count them.
	Pods []Pod
	// Budgets of the namespaces of these pods.
	Budgets []Budget
	// Timeout of one node's drain.
	Timeout time.Duration
}

// Eviction is a pod to evict now, and why it may go.
type Eviction struct {
	// Namespace, Name and UID of the pod.
	Namespace, Name, UID string
	// Node on which it runs.
	Node string
	// Reason for people.
	Reason string
}

// Blocker is a pod that may not go now, and why.
type Blocker struct {
	// Pod as namespace/name.
	Pod string
	// Budget as namespace/name; empty when none blocks.
	Budget string
	// Healthy and Desired pods of the budget.
	Healthy, Desired int
	// Reason is one of the documented constants of the API, for example BudgetExhausted.
	Reason string
	// Since is when it was first seen blocked.
	Since time.Time
	// Until is when it is looked at again without an event; zero: only an event helps.
	Until time.Time
}

// NodeState is how far the drain of a node is.
type NodeState struct {
	// Name of the node.
	Name string
	// Drained: nothing is left that a drain moves.
	Drained bool
	// TimedOut: it is not drained and its time is over.
	TimedOut bool
	// PodsLeft to evict or to end.
	PodsLeft int
	// Ending pods are within their grace period (Reason Terminating, Until its end), the last to end first. They
	// block nothing; when no pod is left but these, the node waits for them.
	Ending []Blocker
	// Blockers, those that wait longest first. A node with some blockers may still move with its other pods.
	Blockers []Blocker
}

// Decision is what to do now.
type Decision struct {
	// Evict these pods now, in this order.
	Evict []Eviction
	// Nodes in the order of the snapshot.
	Nodes []NodeState
	// NextLook is when to look without an event: a timeout or the end of a grace period. Zero: wait for an event.
	NextLook time.Time
}
