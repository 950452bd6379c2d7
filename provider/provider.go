// SPDX-License-Identifier: Apache-2.0

// Package provider is the seam between Sengu and whatever can change a cluster.
//
// A Provider is a handle on one cluster. The required interface is small: describe the cluster, list what it
// is offered, start a control-plane upgrade, look at an operation. Everything else is an optional capability,
// found by type assertion: NodePoolUpgrader where the provider moves the nodes itself (AKS, EKS, GKE),
// NodeReplacer where Sengu drains each node and the provider only replaces machines (the lab, kubeadm), and
// CredentialIssuer where the provider hands out access to the cluster's own API.
//
// Requests that change something carry a request key. The same key always means the same operation: a request
// that is repeated after a crash or a lost answer returns the operation that the first one started.
//
// The providertest package holds the contract as a test suite that every provider passes.
package provider

import (
	"context"
	"time"
)

// Provider is a handle on one cluster. It is safe for concurrent use. Its methods return errors of the kinds
// in this package; a canceled context returns the context's error.
type Provider interface {
	// Describe says what the cluster is now.
	Describe(ctx context.Context) (*Description, error)
	// Offers lists the versions and images that this cluster can move to now.
	Offers(ctx context.Context) (*Offers, error)
	// StartUpgrade starts the upgrade of the control plane and returns without waiting for its end.
	StartUpgrade(ctx context.Context, r UpgradeRequest) (*Operation, error)
	// Operation looks at an operation by the id that a start returned.
	Operation(ctx context.Context, id string) (*Operation, error)
}

// NodePoolUpgrader is the capability of a provider that upgrades a node pool by itself, drain included.
type NodePoolUpgrader interface {
	// StartNodePoolUpgrade starts the upgrade of one pool and returns without waiting for its end.
	StartNodePoolUpgrade(ctx context.Context, r NodePoolUpgradeRequest) (*Operation, error)
}

// NodeReplacer is the capability of a provider that changes single machines while Sengu drains them.
type NodeReplacer interface {
	// AddNode starts to add a node to a pool: surge.
	AddNode(ctx context.Context, r AddNodeRequest) (*Operation, error)
	// ReplaceNode starts to replace a drained node by one of the requested version and image.
	ReplaceNode(ctx context.Context, r ReplaceNodeRequest) (*Operation, error)
	// RemoveNode starts to remove a drained node without a replacement.
	RemoveNode(ctx context.Context, r RemoveNodeRequest) (*Operation, error)
}

// CredentialIssuer is the capability of a provider that hands out access to the cluster's own API.
type CredentialIssuer interface {
	// Credentials returns a kubeconfig and until when it can be used.
	Credentials(ctx context.Context) (*Credentials, error)
}

// Credentials give access to a cluster's own API. They are secret: never log them.
type Credentials struct {
	// Kubeconfig in the usual YAML form.
	Kubeconfig []byte
	// Expires is when new credentials are needed; zero: never.
	Expires time.Time
}

// Description is what a cluster is now.
type Description struct {
	// ControlPlaneVersion as "1.36.3", without a leading v.
	ControlPlaneVersion string
	// State of the control plane.
	State ControlPlaneState
	// StateText is the state in the provider's own words, for people.
	StateText string
	// Region of the cluster; may be empty.
	Region string
	// NodePools by name.
	NodePools []NodePool
	// BusyWith is the id of an operation that keeps the cluster from being changed; empty: none.
	BusyWith string
	// SupportEnds is when the provider stops supporting the control plane's version; zero: unknown.
	SupportEnds time.Time
}

// ControlPlaneState tells whether the control plane can serve.
type ControlPlaneState string

// The states of a control plane.
const (
	ControlPlaneRunning   ControlPlaneState = "Running"
	ControlPlaneUpgrading ControlPlaneState = "Upgrading"
	ControlPlaneStopped   ControlPlaneState = "Stopped"
	ControlPlaneFailed    ControlPlaneState = "Failed"
)

// NodePool is a set of nodes that are upgraded together.
type NodePool struct {
	// Name of the pool; nodes of the member carry it in the label that NodePoolLabel names.
	Name string
	// Mode is System or User.
	Mode string
	// Version of Kubernetes that new nodes of the pool get now, as "1.36.3".
	Version string
	// Image that new nodes of the pool get now.
	Image string
	// Desired number of nodes, surge not counted.
	Desired int
	// Nodes that exist.
	Nodes []Node
}

// Node is a machine of a pool as the provider sees it.
type Node struct {
	// Name of the Node object in the member.
	Name string
	// Version of its kubelet, as "1.36.3".
	Version string
	// Image it runs.
	Image string
	// Ready as the provider sees it.
	Ready bool
}

// Offers are the versions and images that a cluster can move to.
type Offers struct {
	// Kubernetes versions, any order; the current one may be among them.
	Kubernetes []OfferedVersion
	// Images for nodes, oldest first.
	Images []string
}

// OfferedVersion is a Kubernetes version on offer.
type OfferedVersion struct {
	// Version as "1.37.2".
	Version string
	// Preview versions are offered, but not chosen for a target that names only a minor.
	Preview bool
}

// UpgradeRequest asks for an upgrade of the control plane.
type UpgradeRequest struct {
	// Key makes the request repeatable.
	Key string
	// Version to move to, exact.
	Version string
}

// NodePoolUpgradeRequest asks for an upgrade of one pool by the provider.
type NodePoolUpgradeRequest struct {
	// Key makes the request repeatable.
	Key string
	// Pool name.
	Pool string
	// Version to move to, exact.
	Version string
	// Image for the nodes; empty: the one that the provider pairs with the version.
	Image string
	// MaxSurge nodes on top, MaxUnavailable nodes missing, resolved to numbers.
	MaxSurge, MaxUnavailable int
	// DrainTimeout of one node, and NodeSoak after each.
	DrainTimeout, NodeSoak time.Duration
}

// AddNodeRequest asks for one more node.
type AddNodeRequest struct {
	// Key makes the request repeatable.
	Key string
	// Pool name.
	Pool string
	// Version and Image of the new node.
	Version, Image string
}

// ReplaceNodeRequest asks for a node in another's place. The replacement may have another name.
type ReplaceNodeRequest struct {
	// Key makes the request repeatable.
	Key string
	// Pool and Node to replace.
	Pool, Node string
	// Version and Image of the replacement.
	Version, Image string
}

// RemoveNodeRequest asks for one node less.
type RemoveNodeRequest struct {
	// Key makes the request repeatable.
	Key string
	// Pool and Node to remove.
	Pool, Node string
}

// OperationState is the state of an operation.
type OperationState string

// The states of an operation.
const (
	OperationRunning   OperationState = "Running"
	OperationSucceeded OperationState = "Succeeded"
	OperationFailed    OperationState = "Failed"
	OperationCanceled  OperationState = "Canceled"
)

// Operation is a change under way, or how it ended.
type Operation struct {
	// ID by which the provider knows it.
	ID string
	// State of the operation.
	State OperationState
	// Code of a failure in the provider's words, for example QuotaExceeded.
	Code string
	// Message of a failure, for people. It is text from outside: escape it where it is shown.
	Message string
	// Node that was added, or that replaced another, once it is known.
	Node string
	// PercentComplete from 0 to 100; -1: not known.
	PercentComplete int
	// StartedAt and FinishedAt by the provider's clock; zero: not known.
	StartedAt, FinishedAt time.Time
}

// Done says whether the operation has ended, well or not.
func (o *Operation) Done() bool { return o.State != OperationRunning }

// NodePoolLabel is the label on a member's Node objects that holds the name of their pool where the provider
// does not set one of its own.
const NodePoolLabel = "sengu.dev/node-pool"

// NodeImageLabel is the label on a member's Node objects that holds their image where the provider does not
// set one of its own.
const NodeImageLabel = "sengu.dev/node-image"

// Pacer is the capability of a provider that knows when it is worth looking again at what is under way. A
// provider without it is asked every DefaultPace.
type Pacer interface {
	// LookAgain returns the next instant after now at which an operation or the description can have changed.
	LookAgain(now time.Time) time.Time
}

// DefaultPace is how often operations are looked at when the provider does not say.
const DefaultPace = 15 * time.Second
