// SPDX-License-Identifier: Apache-2.0

// Package upgrade decides the next actions on one cluster: hops of the control plane, then pools node by node.
//
// Decide is a pure function of a Snapshot and an instant: what is done next follows from the world and the
// record in the ClusterUpgrade's status, never from memory, so that a process which was killed goes on where
// the world is.
package upgrade

import (
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/drain"
	"sengu.dev/sengu/internal/decide/estimate"
	"sengu.dev/sengu/internal/decide/windows"
)

// Snapshot is everything that Decide looks at. Nothing in it may be changed.
type Snapshot struct {
	// Upgrade with its spec and the record so far.
	Upgrade *v1alpha1.ClusterUpgrade
	// Cluster with its settings; nil when it was deleted from the fleet.
	Cluster *v1alpha1.Cluster
	// Provider as it answered in this pass; nil when it did not, and then ProviderProblem says why.
	Provider *Provider
	// ProviderProblem is why the provider or an operation could not be looked at; nil: none.
	ProviderProblem *Problem
	// Member as it answered in this pass; nil when it did not, or when the provider moves the nodes and no
	// access is configured. MemberProblem then says why.
	Member *Member
	// MemberProblem is why the member's API cannot be used; nil: none.
	MemberProblem *Problem
	// Calendars that hold for the cluster; nil: none, so always open.
	Calendars *windows.Set
	// Estimates of how long steps take; nil: the defaults.
	Estimates *estimate.Model
	// Failures of actions of the last pass, by request key (operations) or node name (cordons).
	Failures map[string]Problem
	// Away: nobody looked at this upgrade as early as was wanted. The process has just come up, or the clock was set.
	Away bool
	// Deleting: the upgrade is being deleted, so it must go to a safe point and release its finalizer.
	Deleting bool
}

// Problem is an error of a kind that a decision can be made on.
type Problem struct {
	// Kind of the problem.
	Kind ProblemKind
	// Code is a documented constant or the provider's code.
	Code string
	// Message for a person; text from outside.
	Message string
	// Until is when to look again; zero: the decider chooses.
	Until time.Time
}

// ProblemKind is what a problem means.
type ProblemKind string

// The kinds of problems, as the provider package defines them.
const (
	ProblemRejected ProblemKind = "Rejected"
	ProblemWait     ProblemKind = "Wait"
	ProblemRetry    ProblemKind = "Retry"
)

// Provider is what the provider says of the cluster.
type Provider struct {
	// Version of the control plane, without a leading v.
	Version string
	// Running says whether the control plane is in its running state; State is that in the provider's words.
	Running bool
	State   string
	// Pools by name.
	Pools []Pool
	// BusyWith is the id of an operation that keeps the cluster from being changed; empty: none.
	BusyWith string
	// UpgradesPools and ReplacesNodes are the provider's capabilities.
	UpgradesPools, ReplacesNodes bool
	// Images on offer, oldest first.
	Images []string
	// Operations that the record knows, by request key; one that is missing has not been started yet.
	Operations map[string]Operation
}

// Operation is an operation of the provider as it was seen in this pass.
type Operation struct {
	// ID by which the provider knows it.
	ID string
	// Done, and Succeeded or not.
	Done, Succeeded bool
	// Code and Message of a failure.
	Code, Message string
	// Node that was added or that replaced another, once it is known.
	Node string
	// PercentComplete from 0 to 100; -1: not known.
	PercentComplete int
}

// Pool is a node pool as the provider sees it.
type Pool struct {
	// Name of the pool; Mode is System or User.
	Name string
	Mode v1alpha1.PoolMode
	// Version and Image that new nodes get now.
	Version, Image string
	// Desired nodes, surge not counted.
	Desired int
	// Nodes as the provider sees them: name, version, image, ready. Where the member answers, its view of
	// readiness and cordons counts.
	Nodes []ProviderNode
}

// ProviderNode is a machine as the provider sees it.
type ProviderNode struct {
	// Name of the node.
	Name string
	// Version of its kubelet, and its Image.
	Version, Image string
	// Ready as the provider sees it.
	Ready bool
}

// Member is what the member's own API says.
type Member struct {
	// Nodes of the cluster, by name.
	Nodes []Node
	// Pods on nodes that carry our cordon or are in hand.
	Pods []drain.Pod
	// Budgets of the namespaces of these pods.
	Budgets []drain.Budget
	// PodsPerNode counts the pods that a drain would move, for every node of the cluster; it and
	// BudgetsPerNode help to choose the next node.
	PodsPerNode map[string]int
	// Load is what the order of nodes is chosen by.
	Load []drain.NodeLoad
}

// Node is a node of the member.
type Node struct {
	// Name of the node; Pool it belongs to.
	Name, Pool string
	// Version of its kubelet without a leading v, and its Image; empty when not known.
	Version, Image string
	// Ready, and since when.
	Ready      bool
	ReadySince time.Time
	// Cordoned at all, and by this cluster upgrade; CordonedAt is when we did.
	Cordoned, CordonedByUs bool
	// Quarantined: left cordoned on purpose.
	Quarantined bool
}

// ActionKind is a kind of action.
type ActionKind string

// The kinds of actions, all idempotent. The first five are operations of the provider: their intent is in
// Status.Operations of the same Decision, and must be written before the action is executed.
const (
	ActionUpgradeControlPlane ActionKind = "UpgradeControlPlane"
	ActionUpgradeNodePool     ActionKind = "UpgradeNodePool"
	ActionAddNode             ActionKind = "AddNode"
	ActionReplaceNode         ActionKind = "ReplaceNode"
	ActionRemoveNode          ActionKind = "RemoveNode"
	ActionCordon              ActionKind = "Cordon"
	ActionUncordon            ActionKind = "Uncordon"
	ActionQuarantine          ActionKind = "Quarantine"
	ActionEvict               ActionKind = "Evict"
)

// Action is one thing to do.
type Action struct {
	// Kind of the action.
	Kind ActionKind
	// Reason for people: why now.
	Reason string
	// RequestKey of an operation.
	RequestKey string
	// Version and Image asked for.
	Version, Image string
	// Pool and Node that it is about.
	Pool, Node string
	// Pod to evict.
	Pod drain.Eviction
	// MaxSurge, MaxUnavailable, DrainTimeout and NodeSoak for UpgradeNodePool.
	MaxSurge, MaxUnavailable int
	DrainTimeout, NodeSoak   time.Duration
}

// Decision is what to do now.
type Decision struct {
	// Actions in their order.
	Actions []Action
	// Status that the ClusterUpgrade gets. It holds the intent of every operation among the actions.
	Status v1alpha1.ClusterUpgradeStatus
	// NextLook is when to look without an event; zero: wait for an event.
	NextLook time.Time
	// ReleaseFinalizer: it is at a safe point and may be deleted.
	ReleaseFinalizer bool
	// Outdated nodes will be drained later: the scheduler is asked to put replacements elsewhere where it can, because
	// a pod that lands there moves twice. nil at every safe point: no node keeps that mark.
	Outdated []string
}
