// SPDX-License-Identifier: Apache-2.0

// Package rollout decides the next actions of a run: stages in sequence, groups in parallel, clusters within
// their limits.
//
// Decide is a pure function of a Snapshot and an instant. The controller, `sengu run plan` and the tests call
// the same function.
package rollout

import (
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/estimate"
	"sengu.dev/sengu/internal/decide/gate"
	"sengu.dev/sengu/internal/decide/windows"
)

// Snapshot is everything that Decide looks at. Nothing in it may be changed.
type Snapshot struct {
	// Run with its spec and the record so far.
	Run *v1alpha1.UpgradeRun
	// Strategy that strategyRef leads to; nil when it does not exist. Once the run has started, the copy in
	// its status counts.
	Strategy *v1alpha1.UpgradeStrategySpec
	// Clusters of the fleet, any order.
	Clusters []*v1alpha1.Cluster
	// Upgrades that belong to this run, any order.
	Upgrades []*v1alpha1.ClusterUpgrade
	// Gates that belong to this run, any order.
	Gates []*v1alpha1.Gate
	// Verifications are what is known of the verifications that gates wait for, by the name of the Gate. Nothing runs
	// verifications in this version: their gates stay closed.
	Verifications map[string]*gate.VerificationEvidence
	// BusyWith names, for each cluster that another run works on, that run.
	BusyWith map[string]string
	// Taken names, for each cluster whose ClusterUpgrade cannot be created because another one has its name, the run
	// of that one. It may be an earlier run of this run's name that is still being deleted.
	Taken map[string]string
	// Fleet holds the settings of the fleet; nil: none.
	Fleet *v1alpha1.FleetSpec
	// Calendars of the fleet; nil: none.
	Calendars *windows.Calendars
	// Estimates of how long steps take; nil: the defaults.
	Estimates *estimate.Model
	// Elsewhere are the cluster upgrades of other runs, any order; those that have ended may be left out.
	Elsewhere []*v1alpha1.ClusterUpgrade
	// SoakedBefore is, for each stage by name, the healthy time that earlier runs of the fleet have counted on the
	// same frozen target; it is looked at when a soak with history Fleet begins.
	SoakedBefore map[string]time.Duration
	// Watched: somebody has seen all the time since the last look, as in a forecast, where nothing happens unseen. A
	// soak is then counted in one look at its end, however long it is.
	Watched bool
	// Index of Clusters and Upgrades; nil: Decide makes one.
	Index *Index
	// Deleting: the run is being deleted, so it must go to a safe point and release its finalizer.
	Deleting bool
}

// ActionKind is a kind of action.
type ActionKind string

// The kinds of actions, all idempotent.
const (
	// ActionStartCluster claims a cluster for the run and creates its ClusterUpgrade.
	ActionStartCluster ActionKind = "StartCluster"
	// ActionSetState sets spec.state of a ClusterUpgrade.
	ActionSetState ActionKind = "SetState"
	// ActionRetry sets spec.attempt of a ClusterUpgrade that failed, and its state to Run.
	ActionRetry ActionKind = "Retry"
	// ActionCreateGate creates a Gate.
	ActionCreateGate ActionKind = "CreateGate"
	// ActionDecideGate writes the status of a Gate, on condition that it is as it was when that was decided.
	ActionDecideGate ActionKind = "DecideGate"
	// ActionSkipGate marks a Gate as skipped by a person's decision in the run.
	ActionSkipGate ActionKind = "SkipGate"
)

// Action is one thing to do.
type Action struct {
	// Kind of the action.
	Kind ActionKind
	// Reason for people: why now.
	Reason string
	// Stage, Group and Cluster that it is about.
	Stage, Group, Cluster string
	// Upgrade is the name of the ClusterUpgrade.
	Upgrade string
	// Spec of the ClusterUpgrade to create, with StartCluster.
	Spec *v1alpha1.ClusterUpgradeSpec
	// State to set, with SetState.
	State v1alpha1.ClusterUpgradeState
	// Attempt to set, with Retry.
	Attempt int32
	// Claimed is the run whose claim the cluster still carries although that run holds it no more, with StartCluster
	// and Retry; empty: none. A claim that anybody else has made since is not taken over.
	Claimed string
	// Gate is the name of the Gate, and GateSpec its spec with CreateGate.
	Gate     string
	GateSpec *v1alpha1.GateSpec
	// GateStatus that the Gate gets with DecideGate, and GateVersion the version of the Gate that it was decided on.
	GateStatus  *v1alpha1.GateStatus
	GateVersion string
}

// Decision is what to do now.
type Decision struct {
	// Actions in their order.
	Actions []Action
	// Status that the run gets.
	Status v1alpha1.UpgradeRunStatus
	// NextLook is when to look without an event; zero: wait for an event.
	NextLook time.Time
	// ReleaseFinalizer: nothing is in flight and the run may be deleted.
	ReleaseFinalizer bool
}
