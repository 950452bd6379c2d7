// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// UpgradeMethod says how a cluster is upgraded.
// +kubebuilder:validation:Enum=InPlace;BlueGreen
type UpgradeMethod string

const (
	// UpgradeMethodInPlace upgrades the control plane and renews the nodes. This is the default.
	UpgradeMethodInPlace UpgradeMethod = "InPlace"
	// UpgradeMethodBlueGreen moves traffic to a neighbour cluster on the target.
	UpgradeMethodBlueGreen UpgradeMethod = "BlueGreen"
)

// ClusterUpgradeState is what the run wants of a cluster upgrade.
// +kubebuilder:validation:Enum=Run;Hold;Skip
type ClusterUpgradeState string

const (
	// ClusterUpgradeStateRun lets the upgrade go on. This is the default.
	ClusterUpgradeStateRun ClusterUpgradeState = "Run"
	// ClusterUpgradeStateHold brings it to a safe point, where it stays: no cordoned node, no operation in flight.
	ClusterUpgradeStateHold ClusterUpgradeState = "Hold"
	// ClusterUpgradeStateSkip brings it to a safe point and ends it there.
	ClusterUpgradeStateSkip ClusterUpgradeState = "Skip"
)

// ClusterUpgradeSpec is the work on one cluster.
type ClusterUpgradeSpec struct {
	// cluster is the name of the Cluster. Immutable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="cluster is immutable"
	Cluster string `json:"cluster,omitempty"`

	// runRef names the UpgradeRun that this belongs to. Immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="runRef is immutable"
	RunRef LocalObjectReference `json:"runRef,omitempty,omitzero"`

	// hops are the exact control-plane versions to go through, one minor at a time; the last is the target.
	// Empty with scope NodeImageOnly. Immutable.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="hops are immutable: the target is frozen"
	Hops []string `json:"hops,omitempty"`

	// nodeImages for new nodes, one for each family. Empty: the image that the provider pairs with the version.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=256
	NodeImages []string `json:"nodeImages,omitempty"`

	// scope of the upgrade. Not set: Full.
	// +optional
	Scope UpgradeScope `json:"scope,omitempty"`

	// method of the upgrade. Not set: InPlace.
	// +optional
	Method UpgradeMethod `json:"method,omitempty"`

	// calendarRefs name the MaintenanceCalendars of the stage, which hold together with the cluster's own and the
	// fleet's. Immutable.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="calendarRefs are immutable"
	CalendarRefs []LocalObjectReference `json:"calendarRefs,omitempty"`

	// state that the run wants. Not set: Run.
	// +optional
	State ClusterUpgradeState `json:"state,omitempty"`

	// attempt grows by one to retry from the first unfinished step with the same target. Not set: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Attempt int32 `json:"attempt,omitempty"`
}

// ClusterUpgradePhase says where a cluster upgrade is.
// +kubebuilder:validation:Enum=NotStarted;Running;Holding;Held;Succeeded;Failed;Skipped
type ClusterUpgradePhase string

const (
	// ClusterUpgradePhaseNotStarted: nothing was changed yet.
	ClusterUpgradePhaseNotStarted ClusterUpgradePhase = "NotStarted"
	// ClusterUpgradePhaseRunning: steps are in hand.
	ClusterUpgradePhaseRunning ClusterUpgradePhase = "Running"
	// ClusterUpgradePhaseHolding: on the way to a safe point.
	ClusterUpgradePhaseHolding ClusterUpgradePhase = "Holding"
	// ClusterUpgradePhaseHeld: at a safe point.
	ClusterUpgradePhaseHeld ClusterUpgradePhase = "Held"
	// ClusterUpgradePhaseSucceeded: on the target and healthy. Final.
	ClusterUpgradePhaseSucceeded ClusterUpgradePhase = "Succeeded"
	// ClusterUpgradePhaseFailed: at a safe point after a failure. A retry goes on from here.
	ClusterUpgradePhaseFailed ClusterUpgradePhase = "Failed"
	// ClusterUpgradePhaseSkipped: ended by a person's decision. Final.
	ClusterUpgradePhaseSkipped ClusterUpgradePhase = "Skipped"
)

// StepResult is the outcome of a step.
// +kubebuilder:validation:Enum=Running;Succeeded;Failed;NotNeeded
type StepResult string

// The outcomes of a step. A step that was not begun is not listed.
const (
	StepResultRunning   StepResult = "Running"
	StepResultSucceeded StepResult = "Succeeded"
	StepResultFailed    StepResult = "Failed"
	StepResultNotNeeded StepResult = "NotNeeded"
)

// StepStatus is the record of one step.
type StepStatus struct {
	// name of the step, unique in the upgrade, for example "1.37.2/ControlPlane" or "1.37.2/NodePool/user".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=160
	Name string `json:"name,omitempty"`

	// startedAt is when the step began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// finishedAt is when the step ended.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// result of the step.
	// +optional
	Result StepResult `json:"result,omitempty"`

	// reason of a failure: a documented constant or the provider's error code.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message for a person.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`
}

// OperationKind is a kind of change that a provider makes.
// +kubebuilder:validation:Enum=ControlPlaneUpgrade;NodePoolUpgrade;AddNode;ReplaceNode;RemoveNode
type OperationKind string

// The kinds of changes that a provider makes.
const (
	OperationControlPlaneUpgrade OperationKind = "ControlPlaneUpgrade"
	OperationNodePoolUpgrade     OperationKind = "NodePoolUpgrade"
	OperationAddNode             OperationKind = "AddNode"
	OperationReplaceNode         OperationKind = "ReplaceNode"
	OperationRemoveNode          OperationKind = "RemoveNode"
)

// OperationStatus is the intent to change something through the provider, written before it is acted on.
// The same request key always means the same operation, so that a repeated request changes nothing twice.
type OperationStatus struct {
	// requestKey identifies the request for ever.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	RequestKey string `json:"requestKey,omitempty"`

	// kind of the operation.
	// +required
	Kind OperationKind `json:"kind,omitempty"`

	// step that wants it.
	// +optional
	// +kubebuilder:validation:MaxLength=160
	Step string `json:"step,omitempty"`

	// pool that is changed.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Pool string `json:"pool,omitempty"`

	// node that is replaced or removed, or that was added.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node,omitempty"`

	// version asked for.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`

	// image asked for.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Image string `json:"image,omitempty"`

	// id in the provider's words, once it is known.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ID string `json:"id,omitempty"`

	// requestedAt is when the intent was written.
	// +optional
	RequestedAt *metav1.Time `json:"requestedAt,omitempty"`
}

// DrainingNode is a node in hand.
type DrainingNode struct {
	// name of the node.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// state of the node: Draining, Replacing, Soaking or Quarantined.
	// +optional
	// +kubebuilder:validation:Enum=Draining;Replacing;Soaking;Quarantined
	State string `json:"state,omitempty"`

	// since is when it was cordoned, or when its present state began.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`

	// podsLeft to evict or to end.
	// +optional
	PodsLeft int32 `json:"podsLeft,omitempty"`

	// blockedBy names precisely what blocks the drain; empty while it moves.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	BlockedBy []DrainBlocker `json:"blockedBy,omitempty"`
}

// DrainBlocker is a pod that may not be evicted now, and why.
type DrainBlocker struct {
	// pod as namespace/name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	Pod string `json:"pod,omitempty"`

	// budget is the PodDisruptionBudget as namespace/name, when one blocks.
	// +optional
	// +kubebuilder:validation:MaxLength=320
	Budget string `json:"budget,omitempty"`

	// healthy pods that the budget counts now.
	// +optional
	Healthy int32 `json:"healthy"`

	// desired healthy pods of the budget.
	// +optional
	Desired int32 `json:"desired"`

	// reason is a documented constant, for example BudgetExhausted or SeveralBudgets.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// since is when this pod was first seen blocked.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
}

// NodePoolProgress is how far a pool is.
type NodePoolProgress struct {
	// name of the pool.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// desired nodes of the pool when its step began: surge comes on top and is taken back.
	// +optional
	Desired int32 `json:"desired"`

	// done nodes: on the target, Ready, uncordoned, soaked.
	// +optional
	Done int32 `json:"done"`

	// total nodes to renew.
	// +optional
	Total int32 `json:"total"`

	// draining are the nodes in hand.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=200
	Draining []DrainingNode `json:"draining,omitempty"`
}

// DrainCounts counts what a drain did.
type DrainCounts struct {
	// evicted pods: the API granted the eviction.
	// +optional
	Evicted int32 `json:"evicted"`

	// refused evictions: the API refused them because of a budget; each was waited out.
	// +optional
	Refused int32 `json:"refused"`

	// waited is how many pods had to wait for a budget before their eviction was asked for.
	// +optional
	Waited int32 `json:"waited"`
}

// RemedyAction is a remedy for a cause.
type RemedyAction struct {
	// id of the remedy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`

	// risk of the remedy.
	// +optional
	// +kubebuilder:validation:Enum=Safe;NeedsApproval;Manual
	Risk string `json:"risk,omitempty"`

	// action for a person to read: what would be done.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Action string `json:"action,omitempty"`
}

// Diagnosis names the likely cause of a failure or a stall.
type Diagnosis struct {
	// cause is the id of the likely cause.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Cause string `json:"cause,omitempty"`

	// title of the cause in one line.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Title string `json:"title,omitempty"`

	// confidence in words.
	// +optional
	// +kubebuilder:validation:Enum=Certain;Likely;Possible;Unknown
	Confidence string `json:"confidence,omitempty"`

	// guideURL leads to the guide.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	GuideURL string `json:"guideURL,omitempty"`

	// evidence that the diagnosis cites.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=1024
	Evidence []string `json:"evidence,omitempty"`

	// remedies for the cause, the recommended first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Remedies []RemedyAction `json:"remedies,omitempty"`
}

// ClusterUpgradeStatus is where a cluster upgrade is.
type ClusterUpgradeStatus struct {
	// observedGeneration is the spec's generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// phase of the upgrade.
	// +optional
	Phase ClusterUpgradePhase `json:"phase,omitempty"`

	// attempt that this status speaks of.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`

	// fromVersion of the control plane when the upgrade began.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	FromVersion string `json:"fromVersion,omitempty"`

	// currentStep is the name of the step in hand.
	// +optional
	// +kubebuilder:validation:MaxLength=160
	CurrentStep string `json:"currentStep,omitempty"`

	// steps that were begun, in order.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=500
	Steps []StepStatus `json:"steps,omitempty"`

	// operations in flight: each intent is written here before it is acted on.
	// +optional
	// +listType=map
	// +listMapKey=requestKey
	// +kubebuilder:validation:MaxItems=500
	Operations []OperationStatus `json:"operations,omitempty"`

	// operationCount numbers request keys, so that a key is never used for two requests.
	// +optional
	OperationCount int32 `json:"operationCount,omitempty"`

	// nodePools progress.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	NodePools []NodePoolProgress `json:"nodePools,omitempty"`

	// nodesRenewed by this upgrade.
	// +optional
	NodesRenewed int32 `json:"nodesRenewed,omitempty"`

	// drain counts of the whole upgrade.
	// +optional
	Drain DrainCounts `json:"drain,omitempty,omitzero"`

	// progress for people, for example "3/6 nodes".
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Progress string `json:"progress,omitempty"`

	// backup that was taken before the first hop.
	// +optional
	Backup *LocalObjectReference `json:"backup,omitempty"`

	// diagnosis of a failure or a stall.
	// +optional
	Diagnosis *Diagnosis `json:"diagnosis,omitempty"`

	// waiting names the one thing that the upgrade waits for.
	// +optional
	Waiting *Waiting `json:"waiting,omitempty"`

	// reason of the failure, when failed: a documented constant or the provider's code.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message of the failure, when failed.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Message string `json:"message,omitempty"`

	// startedAt is when the first step began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// finishedAt is when a final phase, or Failed, was reached.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// conditions are Progressing, Succeeded, DrainBlocked.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ClusterUpgrade is the work on one cluster inside a run. Runs create them; people read them.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=cu,categories=sengu
// +kubebuilder:printcolumn:name="Cluster",type=string,JSONPath=`.spec.cluster`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.fromVersion`
// +kubebuilder:printcolumn:name="Hops",type=string,JSONPath=`.spec.hops`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.currentStep`
// +kubebuilder:printcolumn:name="Progress",type=string,JSONPath=`.status.progress`
// +kubebuilder:printcolumn:name="Waiting",type=string,JSONPath=`.status.waiting.reason`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.waiting.message`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ClusterUpgrade struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the work on one cluster.
	// +required
	Spec ClusterUpgradeSpec `json:"spec,omitempty,omitzero"`

	// status is where the upgrade is.
	// +optional
	Status ClusterUpgradeStatus `json:"status,omitempty,omitzero"`
}

// ClusterUpgradeList is a list of ClusterUpgrades.
// +kubebuilder:object:root=true
type ClusterUpgradeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterUpgrade `json:"items"`
}
