// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// UpgradeScope says which parts of a cluster are upgraded.
// +kubebuilder:validation:Enum=Full;ControlPlaneOnly;NodeImageOnly
type UpgradeScope string

const (
	// UpgradeScopeFull upgrades the control plane and then the nodes. This is the default.
	UpgradeScopeFull UpgradeScope = "Full"
	// UpgradeScopeControlPlaneOnly upgrades the control plane and leaves the nodes.
	UpgradeScopeControlPlaneOnly UpgradeScope = "ControlPlaneOnly"
	// UpgradeScopeNodeImageOnly replaces node images and keeps every Kubernetes version.
	UpgradeScopeNodeImageOnly UpgradeScope = "NodeImageOnly"
)

// NodeImageSelection says which image new nodes get.
// +kubebuilder:validation:Enum=Latest;Consistent;Keep;Custom
type NodeImageSelection string

const (
	// NodeImageLatest takes the newest image offered when each cluster starts. This is the default.
	NodeImageLatest NodeImageSelection = "Latest"
	// NodeImageConsistent takes the newest image that every cluster of the run is offered when the run starts.
	NodeImageConsistent NodeImageSelection = "Consistent"
	// NodeImageKeep leaves the image as it is.
	NodeImageKeep NodeImageSelection = "Keep"
	// NodeImageCustom takes the images that are named.
	NodeImageCustom NodeImageSelection = "Custom"
)

// NodeImageTarget says which image new nodes get.
// +kubebuilder:validation:XValidation:rule="(self.type == 'Custom') == has(self.custom)",message="custom images go with type Custom, and only with it"
type NodeImageTarget struct {
	// type of the selection.
	// +required
	Type NodeImageSelection `json:"type,omitempty"`

	// custom images, one for each family.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=256
	Custom []string `json:"custom,omitempty"`
}

// UpgradeTarget is what a run moves its clusters to.
// +kubebuilder:validation:XValidation:rule="(has(self.scope) && self.scope == 'NodeImageOnly') != has(self.kubernetes)",message="kubernetes is needed, except for scope NodeImageOnly, which must not name it"
type UpgradeTarget struct {
	// kubernetes version: "1.37" is the newest patch of that minor that all clusters of the run are offered,
	// "1.37.2" is exact.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9]+\.[0-9]+(\.[0-9]+)?$`
	// +kubebuilder:validation:MaxLength=20
	Kubernetes string `json:"kubernetes,omitempty"`

	// nodeImage for new nodes. Not set: type Latest.
	// +optional
	NodeImage *NodeImageTarget `json:"nodeImage,omitempty"`

	// scope of the upgrade. Not set: Full.
	// +optional
	Scope UpgradeScope `json:"scope,omitempty"`
}

// RunState is what a person wants of a run.
// +kubebuilder:validation:Enum=Run;Pause;Stop
type RunState string

const (
	// RunStateRun lets the run go on. This is the default.
	RunStateRun RunState = "Run"
	// RunStatePause starts nothing new and brings clusters in flight to a safe point; Run goes on from there.
	RunStatePause RunState = "Pause"
	// RunStateStop ends the run at a safe point. It cannot be taken back.
	RunStateStop RunState = "Stop"
)

// SkipKind is a kind of thing that a person may skip.
// +kubebuilder:validation:Enum=Cluster;Group;Stage;Soak;Gate
type SkipKind string

// The kinds of things that a person may skip.
const (
	SkipKindCluster SkipKind = "Cluster"
	SkipKindGroup   SkipKind = "Group"
	SkipKindStage   SkipKind = "Stage"
	SkipKindSoak    SkipKind = "Soak"
	SkipKindGate    SkipKind = "Gate"
)

// Skip leaves something out of a run by a person's decision.
// +kubebuilder:validation:XValidation:rule="self.kind == 'Cluster' ? has(self.cluster) : has(self.stage)",message="kind Cluster needs cluster; every other kind needs stage"
// +kubebuilder:validation:XValidation:rule="self.kind != 'Group' || has(self.group)",message="kind Group needs group"
// +kubebuilder:validation:XValidation:rule="self.kind != 'Gate' || has(self.gate)",message="kind Gate needs gate"
type Skip struct {
	// kind of the thing.
	// +required
	Kind SkipKind `json:"kind,omitempty"`

	// cluster to skip, with kind Cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Cluster string `json:"cluster,omitempty"`

	// stage to skip, or the stage in which the group, soak or gate is.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Stage string `json:"stage,omitempty"`

	// group to skip, with kind Group, or the group in which the gate is.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Group string `json:"group,omitempty"`

	// gate to skip, with kind Gate.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Gate string `json:"gate,omitempty"`

	// reason why, for the record.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}

// UpgradeRunSpec says what is upgraded to what, and in which order.
// +kubebuilder:validation:XValidation:rule="has(self.strategyRef) != has(self.strategy)",message="set exactly one of strategyRef and strategy"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.state) || oldSelf.state != 'Stop' || (has(self.state) && self.state == 'Stop')",message="a stopped run stays stopped: create a new run"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.attempt) || (has(self.attempt) && self.attempt >= oldSelf.attempt)",message="attempt only grows"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.skip) || (has(self.skip) && oldSelf.skip.size() <= self.skip.size() && oldSelf.skip.all(s, s in self.skip))",message="skip is append-only: a skip cannot be taken back"
// +kubebuilder:validation:XValidation:rule="has(self.strategyRef) == has(oldSelf.strategyRef) && has(self.strategy) == has(oldSelf.strategy) && has(self.clusterSelector) == has(oldSelf.clusterSelector)",message="strategyRef, strategy and clusterSelector are immutable"
type UpgradeRunSpec struct {
	// target to move the clusters to. Immutable; exact versions are frozen in status when the run starts.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="target is immutable: create a new run"
	Target UpgradeTarget `json:"target,omitempty,omitzero"`

	// strategyRef names an UpgradeStrategy, which is copied into status when the run starts. Immutable.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="strategyRef is immutable: create a new run"
	StrategyRef *LocalObjectReference `json:"strategyRef,omitempty"`

	// strategy given in place. Immutable.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="strategy is immutable: create a new run"
	Strategy *UpgradeStrategySpec `json:"strategy,omitempty"`

	// clusterSelector limits the run to some clusters by label. Not set: every cluster of the fleet. Immutable.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="clusterSelector is immutable: create a new run"
	ClusterSelector *metav1.LabelSelector `json:"clusterSelector,omitempty"`

	// state that is wanted of the run. Not set: Run.
	// +optional
	State RunState `json:"state,omitempty"`

	// attempt grows by one to retry the clusters that failed, with the same frozen target. Not set: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Attempt int32 `json:"attempt,omitempty"`

	// skip leaves things out. Append-only.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	Skip []Skip `json:"skip,omitempty"`
}

// RunPhase says where a run is.
// +kubebuilder:validation:Enum=NotStarted;Running;Pending;Paused;Stopping;Stopped;Succeeded;Failed
type RunPhase string

const (
	// RunPhaseNotStarted: the run was not looked at yet, or its input was refused (see waiting).
	RunPhaseNotStarted RunPhase = "NotStarted"
	// RunPhaseRunning: clusters are in flight.
	RunPhaseRunning RunPhase = "Running"
	// RunPhasePending: nothing is in flight and the run waits (soak, gate, busy cluster).
	RunPhasePending RunPhase = "Pending"
	// RunPhasePaused: a person paused it and nothing is in flight.
	RunPhasePaused RunPhase = "Paused"
	// RunPhaseStopping: nothing new starts and clusters in flight go to a safe point.
	RunPhaseStopping RunPhase = "Stopping"
	// RunPhaseStopped: a person stopped it. Final.
	RunPhaseStopped RunPhase = "Stopped"
	// RunPhaseSucceeded: every cluster that no person skipped is on the target and healthy. Final.
	RunPhaseSucceeded RunPhase = "Succeeded"
	// RunPhaseFailed: more clusters failed than allowed, and nothing is in flight. A retry goes on from here.
	RunPhaseFailed RunPhase = "Failed"
)

// ResolvedTarget is the frozen target: retries use the same.
type ResolvedTarget struct {
	// version of Kubernetes, exact.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`

	// images are exact, for the selections Consistent and Custom.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=256
	Images []string `json:"images,omitempty"`

	// resolvedAt is when the target was frozen.
	// +optional
	ResolvedAt *metav1.Time `json:"resolvedAt,omitempty"`
}

// StagePhase says where a stage or a group is.
// +kubebuilder:validation:Enum=NotStarted;Running;Soaking;Waiting;Succeeded;Failed;Skipped
type StagePhase string

const (
	// StagePhaseNotStarted: no cluster was started and no gate asked for.
	StagePhaseNotStarted StagePhase = "NotStarted"
	// StagePhaseRunning: clusters are in flight or to be started.
	StagePhaseRunning StagePhase = "Running"
	// StagePhaseSoaking: all clusters are done and healthy time is counted.
	StagePhaseSoaking StagePhase = "Soaking"
	// StagePhaseWaiting: a gate is closed, or no cluster can start now.
	StagePhaseWaiting StagePhase = "Waiting"
	// StagePhaseSucceeded: finished within its limits.
	StagePhaseSucceeded StagePhase = "Succeeded"
	// StagePhaseFailed: more clusters failed than allowed.
	StagePhaseFailed StagePhase = "Failed"
	// StagePhaseSkipped: a person skipped it.
	StagePhaseSkipped StagePhase = "Skipped"
)

// RunCounts counts clusters.
type RunCounts struct {
	// total clusters.
	// +optional
	Total int32 `json:"total"`
	// notStarted clusters.
	// +optional
	NotStarted int32 `json:"notStarted"`
	// running clusters: in flight.
	// +optional
	Running int32 `json:"running"`
	// succeeded clusters: on the target and healthy.
	// +optional
	Succeeded int32 `json:"succeeded"`
	// failed clusters.
	// +optional
	Failed int32 `json:"failed"`
	// skipped clusters, by a person.
	// +optional
	Skipped int32 `json:"skipped"`
	// stopped clusters: brought to a safe point before they were done.
	// +optional
	Stopped int32 `json:"stopped"`
	// setAside clusters: not available for too long, so the run goes on without them.
	// +optional
	SetAside int32 `json:"setAside,omitempty"`
	// alreadyOnTarget is how many of the succeeded clusters needed no change.
	// +optional
	AlreadyOnTarget int32 `json:"alreadyOnTarget,omitempty"`
}

// AsideState says whether a run still waits for a cluster that stands aside.
// +kubebuilder:validation:Enum=Waiting;SetAside
type AsideState string

const (
	// AsideWaiting: its group waits for it, and the others go on.
	AsideWaiting AsideState = "Waiting"
	// AsideSetAside: the run goes on without it.
	AsideSetAside AsideState = "SetAside"
)

// RunAside is a cluster that cannot start now for a reason of its own, while others of its group go on.
type RunAside struct {
	// cluster that waits.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Cluster string `json:"cluster,omitempty"`

	// reason is a documented constant.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// since is when it was first found so.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`

	// state is Waiting, or SetAside when the run goes on without it.
	// +optional
	State AsideState `json:"state,omitempty"`
}

// RunGroupStatus is the state of a group in a run.
type RunGroupStatus struct {
	// name of the group.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// phase of the group.
	// +optional
	Phase StagePhase `json:"phase,omitempty"`

	// clusters of the group in the order in which they start; frozen when the run starts.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10000
	// +kubebuilder:validation:items:MaxLength=63
	Clusters []string `json:"clusters,omitempty"`

	// aside are the clusters that cannot start now because they are stopped, unreachable, unhealthy or busy.
	// +optional
	// +listType=map
	// +listMapKey=cluster
	// +kubebuilder:validation:MaxItems=10000
	Aside []RunAside `json:"aside,omitempty"`

	// counts of the group's clusters.
	// +optional
	Counts RunCounts `json:"counts,omitempty,omitzero"`

	// gates of the group.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Gates []RunGateStatus `json:"gates,omitempty"`

	// waiting says why nothing of this group moves.
	// +optional
	Waiting *Waiting `json:"waiting,omitempty"`
}

// RunGateStatus is the state of a gate as the run sees it.
type RunGateStatus struct {
	// name of the gate in the strategy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// timing of the gate: Before or After its place.
	// +optional
	// +kubebuilder:validation:Enum=Before;After
	Timing string `json:"timing,omitempty"`

	// gate is the name of the Gate object.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Gate string `json:"gate,omitempty"`

	// state of the gate.
	// +optional
	State GateState `json:"state,omitempty"`

	// reason of the state, a documented constant.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message for a person.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// until is the next instant at which the state can change by itself.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// SoakState says whether a soak counts.
// +kubebuilder:validation:Enum=Counting;Interrupted;Done
type SoakState string

const (
	// SoakStateCounting: every upgraded cluster of the stage is healthy, and time counts.
	SoakStateCounting SoakState = "Counting"
	// SoakStateInterrupted: a cluster is not healthy, and time does not count.
	SoakStateInterrupted SoakState = "Interrupted"
	// SoakStateDone: the soak is over, or a person skipped it.
	SoakStateDone SoakState = "Done"
)

// RunStageStatus is the state of a stage in a run.
type RunStageStatus struct {
	// name of the stage.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// phase of the stage.
	// +optional
	Phase StagePhase `json:"phase,omitempty"`

	// groups of the stage.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=50
	Groups []RunGroupStatus `json:"groups,omitempty"`

	// counts of the stage's clusters.
	// +optional
	Counts RunCounts `json:"counts,omitempty,omitzero"`

	// gates of the stage.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Gates []RunGateStatus `json:"gates,omitempty"`

	// soakedBefore is the part of soakedFor that earlier runs have counted.
	// +optional
	SoakedBefore *metav1.Duration `json:"soakedBefore,omitempty"`

	// soakedFor is the healthy time counted until soakCountedAt.
	// +optional
	SoakedFor *metav1.Duration `json:"soakedFor,omitempty"`

	// soakCountedAt is the instant until which soakedFor is counted.
	// +optional
	SoakCountedAt *metav1.Time `json:"soakCountedAt,omitempty"`

	// soakState says whether healthy time is counted on from soakCountedAt. Not set: the soak has not begun.
	// +optional
	SoakState SoakState `json:"soakState,omitempty"`

	// startedAt is when the first cluster of the stage was started.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// finishedAt is when the stage was finished, soaked and through its gates.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// waiting says why nothing of this stage moves.
	// +optional
	Waiting *Waiting `json:"waiting,omitempty"`
}

// RunCause groups clusters that failed for the same reason.
type RunCause struct {
	// id of the cause, or the reason of the failed step while no cause is known.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`

	// message of the first of the clusters.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// clusters with this cause.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=63
	Clusters []string `json:"clusters,omitempty"`
}

// ExpectedEnd is a forecast of when a run will be finished.
type ExpectedEnd struct {
	// p50 is an instant that is as likely too early as too late.
	// +optional
	P50 *metav1.Time `json:"p50,omitempty"`

	// p90 is an instant before which it is nine times of ten.
	// +optional
	P90 *metav1.Time `json:"p90,omitempty"`
}

// UpgradeRunStatus is where a run is.
type UpgradeRunStatus struct {
	// observedGeneration is the spec's generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// phase of the run.
	// +optional
	Phase RunPhase `json:"phase,omitempty"`

	// attempt that this status speaks of.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`

	// resolved target, frozen when the run starts.
	// +optional
	Resolved *ResolvedTarget `json:"resolved,omitempty"`

	// strategy as it was when the run started.
	// +optional
	Strategy *UpgradeStrategySpec `json:"strategy,omitempty"`

	// stages of the run.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Stages []RunStageStatus `json:"stages,omitempty"`

	// currentStage is the name of the stage in hand.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	CurrentStage string `json:"currentStage,omitempty"`

	// counts of all the run's clusters.
	// +optional
	Counts RunCounts `json:"counts,omitempty,omitzero"`

	// progress for people, for example "3/4".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Progress string `json:"progress,omitempty"`

	// waiting names the one thing that the run waits for.
	// +optional
	Waiting *Waiting `json:"waiting,omitempty"`

	// causes of failures, grouped over clusters.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=64
	Causes []RunCause `json:"causes,omitempty"`

	// expectedEnd is a forecast.
	// +optional
	ExpectedEnd *ExpectedEnd `json:"expectedEnd,omitempty"`

	// startedAt is when the target was frozen.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// finishedAt is when the run reached a final phase, or Failed.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// conditions are Ready, Progressing, Succeeded.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// UpgradeRun is one execution of a strategy against a target.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ur,categories=sengu
// +kubebuilder:printcolumn:name="Target",type=string,JSONPath=`.status.resolved.version`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Progress",type=string,JSONPath=`.status.progress`
// +kubebuilder:printcolumn:name="Stage",type=string,JSONPath=`.status.currentStage`
// +kubebuilder:printcolumn:name="Waiting",type=string,JSONPath=`.status.waiting.reason`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.waiting.message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 50",message="the name of a run has at most 50 characters: names of cluster upgrades are made from it"
type UpgradeRun struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what is upgraded to what, and in which order.
	// +required
	Spec UpgradeRunSpec `json:"spec,omitempty,omitzero"`

	// status is where the run is.
	// +optional
	Status UpgradeRunStatus `json:"status,omitempty,omitzero"`
}

// UpgradeRunList is a list of UpgradeRuns.
// +kubebuilder:object:root=true
type UpgradeRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []UpgradeRun `json:"items"`
}
