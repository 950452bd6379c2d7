// SPDX-License-Identifier: Apache-2.0

package labapi

import "time"

// ControlPlaneState tells whether a control plane can serve.
type ControlPlaneState string

// The states of a control plane.
const (
	// Running control planes serve.
	Running ControlPlaneState = "Running"
	// Upgrading control planes are being stopped and started with another version.
	Upgrading ControlPlaneState = "Upgrading"
	// Stopped control planes have not been started yet, or were stopped with the lab.
	Stopped ControlPlaneState = "Stopped"
	// Failed control planes did not start or ended by themselves; an upgrade with a new request key starts them again.
	Failed ControlPlaneState = "Failed"
)

// Modes of a node pool.
const (
	// ModeSystem pools hold what the cluster itself needs.
	ModeSystem = "System"
	// ModeUser pools hold the workloads.
	ModeUser = "User"
)

// Cluster is one cluster of the lab as its management API sees it.
type Cluster struct {
	// Name is unique in the lab.
	Name string `json:"name"`
	// Region is a word of the fleet file; it may be empty.
	Region string `json:"region,omitempty"`
	// Labels of the fleet file.
	Labels map[string]string `json:"labels,omitempty"`
	// Server is the URL of the cluster's own API; it stays the same for the cluster's whole life.
	Server string `json:"server"`
	// ControlPlane is its version and state.
	ControlPlane ControlPlane `json:"controlPlane"`
	// NodePools in the order of the fleet file.
	NodePools []NodePool `json:"nodePools"`
	// BusyWith is the id of the control-plane upgrade that is under way; empty: none.
	BusyWith string `json:"busyWith,omitempty"`
}

// ControlPlane is the version and the state of a control plane.
type ControlPlane struct {
	// Version as "1.36.0", without a leading v.
	Version string `json:"version"`
	// State of the control plane.
	State ControlPlaneState `json:"state"`
	// Message says why it is Failed; else it is empty.
	Message string `json:"message,omitempty"`
	// SupportEnds is the day after which the version's minor gets no more patches.
	SupportEnds time.Time `json:"supportEnds,omitzero"`
}

// NodePool is a set of nodes of the same kind.
type NodePool struct {
	// Name is unique in the cluster.
	Name string `json:"name"`
	// Mode is ModeSystem or ModeUser.
	Mode string `json:"mode"`
	// Version that new nodes of the pool get.
	Version string `json:"version"`
	// Image that new nodes of the pool get.
	Image string `json:"image"`
	// Desired number of nodes by the fleet file; surge is not counted.
	Desired int `json:"desired"`
	// Nodes that exist, by name.
	Nodes []Node `json:"nodes"`
}

// Node is one machine.
type Node struct {
	// Name of the Node object; never used again after the node is gone.
	Name string `json:"name"`
	// Version of its kubelet as "1.36.0".
	Version string `json:"version"`
	// Image it runs.
	Image string `json:"image"`
	// Zone it is in; may be empty.
	Zone string `json:"zone,omitempty"`
	// Ready as the Node object says.
	Ready bool `json:"ready"`
}

// Versions are what a cluster is offered.
type Versions struct {
	// Kubernetes versions, oldest first, the current one and older ones included.
	Kubernetes []KubernetesVersion `json:"kubernetes"`
	// Images for nodes, oldest first.
	Images []string `json:"images"`
}

// KubernetesVersion is one version on offer.
type KubernetesVersion struct {
	// Version as "1.37.2".
	Version string `json:"version"`
	// SupportEnds is the day after which its minor gets no more patches.
	SupportEnds time.Time `json:"supportEnds,omitzero"`
	// Genuine versions run their own release's binaries; the others are emulated by the newest one.
	Genuine bool `json:"genuine,omitempty"`
}

// UpgradeRequest asks for another version of the control plane.
type UpgradeRequest struct {
	// RequestKey makes the request repeatable.
	RequestKey string `json:"requestKey"`
	// Version to move to, exact.
	Version string `json:"version"`
}

// NodeRequest asks for a new node, alone or in another's place.
type NodeRequest struct {
	// RequestKey makes the request repeatable.
	RequestKey string `json:"requestKey"`
	// Version of the new node's kubelet; empty: the pool's.
	Version string `json:"version,omitempty"`
	// Image of the new node; empty: the pool's.
	Image string `json:"image,omitempty"`
}

// PoolTarget is what new nodes of a pool get.
type PoolTarget struct {
	// Version of the kubelet; empty: unchanged.
	Version string `json:"version,omitempty"`
	// Image of the node; empty: unchanged.
	Image string `json:"image,omitempty"`
}

// OperationKind says what an operation does.
type OperationKind string

// The kinds of operations.
const (
	// OperationUpgrade moves a control plane to another version.
	OperationUpgrade OperationKind = "Upgrade"
	// OperationAddNode adds a node to a pool.
	OperationAddNode OperationKind = "AddNode"
	// OperationReplaceNode deletes a node and creates a new one, with a new name, in its pool.
	OperationReplaceNode OperationKind = "ReplaceNode"
	// OperationRemoveNode deletes a node.
	OperationRemoveNode OperationKind = "RemoveNode"
)

// OperationKinds lists all kinds.
func OperationKinds() []OperationKind {
	return []OperationKind{OperationUpgrade, OperationAddNode, OperationReplaceNode, OperationRemoveNode}
}

// OperationState is the state of an operation.
type OperationState string

// The states of an operation.
const (
	// OperationRunning is under way.
	OperationRunning OperationState = "Running"
	// OperationSucceeded has ended well.
	OperationSucceeded OperationState = "Succeeded"
	// OperationFailed has ended with a code and a message.
	OperationFailed OperationState = "Failed"
	// OperationCanceled ended because its cluster was deleted.
	OperationCanceled OperationState = "Canceled"
)

// Operation is a change under way, or how it ended.
type Operation struct {
	// ID is unique in the lab.
	ID string `json:"id"`
	// Kind of change.
	Kind OperationKind `json:"kind"`
	// Cluster it changes.
	Cluster string `json:"cluster"`
	// RequestKey it was asked for with.
	RequestKey string `json:"requestKey"`
	// State of the operation.
	State OperationState `json:"state"`
	// Code of a failure, for example QuotaExceeded.
	Code string `json:"code,omitempty"`
	// Message of a failure, one sentence.
	Message string `json:"message,omitempty"`
	// Target is what was asked for.
	Target OperationTarget `json:"target"`
	// NewNode is the name of the node that was added, or that replaced another.
	NewNode string `json:"newNode,omitempty"`
	// StartedAt by the lab's clock.
	StartedAt time.Time `json:"startedAt"`
	// FinishedAt by the lab's clock; zero while it runs.
	FinishedAt time.Time `json:"finishedAt,omitzero"`
}

// OperationTarget is what an operation was asked for.
type OperationTarget struct {
	// Pool whose nodes it changes; empty for an upgrade.
	Pool string `json:"pool,omitempty"`
	// Node that it replaces or removes.
	Node string `json:"node,omitempty"`
	// Version to move to, or of the new node.
	Version string `json:"version,omitempty"`
	// Image of the new node.
	Image string `json:"image,omitempty"`
}

// Done says whether the operation has ended, well or not.
func (o *Operation) Done() bool { return o.State != OperationRunning }

// Evictions are what the audit log of a cluster's API server says: a witness that no client can talk to.
type Evictions struct {
	// Granted evictions were answered with 201.
	Granted int `json:"granted"`
	// Refused evictions were answered with 429: a PodDisruptionBudget did not allow them then.
	Refused int `json:"refused"`
	// Other answers: the pod was gone, the request was wrong, the server failed.
	Other int `json:"other"`
}
