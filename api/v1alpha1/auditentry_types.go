// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AuditActorKind says whether a person or a controller acted.
// +kubebuilder:validation:Enum=User;Controller
type AuditActorKind string

const (
	// AuditActorUser is a person or a program that speaks to the hub by its own name.
	AuditActorUser AuditActorKind = "User"
	// AuditActorController is a controller of Sengu.
	AuditActorController AuditActorKind = "Controller"
)

// AuditUnknown is the name of an actor that the hub did not write down.
const AuditUnknown = "unknown"

// AuditAction is what happened.
// +kubebuilder:validation:Enum=RunCreated;RunStarted;RunPaused;RunResumed;RunStopped;RunRetried;RunChanged;RunSucceeded;RunFailed;RunEnded;RunDeleted;Skipped;StageStarted;StageFailed;SoakDone;StageFinished;GateAsked;GateApproved;GateRefused;GatePassed;GateSkipped;ClusterStarted;ClusterSucceeded;ClusterFailed;ClusterSkipped;ClusterSetAside
type AuditAction string

const (
	// AuditRunCreated: somebody created a run.
	AuditRunCreated AuditAction = "RunCreated"
	// AuditRunStarted: the run was accepted, and its target, strategy and clusters were frozen.
	AuditRunStarted AuditAction = "RunStarted"
	// AuditRunPaused: somebody asked the run to pause.
	AuditRunPaused AuditAction = "RunPaused"
	// AuditRunResumed: somebody let the run go on.
	AuditRunResumed AuditAction = "RunResumed"
	// AuditRunStopped: somebody stopped the run for good.
	AuditRunStopped AuditAction = "RunStopped"
	// AuditRunRetried: somebody asked to retry what failed.
	AuditRunRetried AuditAction = "RunRetried"
	// AuditRunChanged: the run was changed more often than its record can explain, for example paused and resumed
	// while no controller ran.
	AuditRunChanged AuditAction = "RunChanged"
	// AuditRunSucceeded: every cluster that no person skipped is on the target and healthy.
	AuditRunSucceeded AuditAction = "RunSucceeded"
	// AuditRunFailed: clusters failed, and nothing is in flight.
	AuditRunFailed AuditAction = "RunFailed"
	// AuditRunEnded: a stopped run has come to its end at a safe point.
	AuditRunEnded AuditAction = "RunEnded"
	// AuditRunDeleted: somebody deleted the run.
	AuditRunDeleted AuditAction = "RunDeleted"
	// AuditSkipped: somebody left a cluster, group, stage, soak or gate out of the run.
	AuditSkipped AuditAction = "Skipped"
	// AuditStageStarted: the first cluster of a stage was started.
	AuditStageStarted AuditAction = "StageStarted"
	// AuditStageFailed: more clusters of a stage failed than allowed.
	AuditStageFailed AuditAction = "StageFailed"
	// AuditSoakDone: the healthy time of a stage was counted to its end, or skipped.
	AuditSoakDone AuditAction = "SoakDone"
	// AuditStageFinished: a stage was finished, soaked and through its gates, or skipped.
	AuditStageFinished AuditAction = "StageFinished"
	// AuditGateAsked: the run came to a gate.
	AuditGateAsked AuditAction = "GateAsked"
	// AuditGateApproved: somebody approved a gate.
	AuditGateApproved AuditAction = "GateApproved"
	// AuditGateRefused: somebody, or the evidence, said no.
	AuditGateRefused AuditAction = "GateRefused"
	// AuditGatePassed: a gate opened.
	AuditGatePassed AuditAction = "GatePassed"
	// AuditGateSkipped: a gate was passed over by a person's decision.
	AuditGateSkipped AuditAction = "GateSkipped"
	// AuditClusterStarted: the upgrade of a cluster began.
	AuditClusterStarted AuditAction = "ClusterStarted"
	// AuditClusterSucceeded: a cluster is on the target and healthy.
	AuditClusterSucceeded AuditAction = "ClusterSucceeded"
	// AuditClusterFailed: the upgrade of a cluster failed.
	AuditClusterFailed AuditAction = "ClusterFailed"
	// AuditClusterSkipped: the upgrade of a cluster was ended by a person's decision.
	AuditClusterSkipped AuditAction = "ClusterSkipped"
	// AuditClusterSetAside: the run goes on without a cluster that was not available for too long.
	AuditClusterSetAside AuditAction = "ClusterSetAside"
)

// AuditActor is who or what acted.
type AuditActor struct {
	// kind of the actor.
	// +required
	Kind AuditActorKind `json:"kind,omitempty"`

	// name of the person as the hub knows it, or of the controller; unknown: the hub did not write it down.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name,omitempty"`
}

// AuditSubject is the part of the run that a record is about. Empty: the run itself.
type AuditSubject struct {
	// stage of the run.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Stage string `json:"stage,omitempty"`

	// group in the stage.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Group string `json:"group,omitempty"`

	// gate by its name in the strategy.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Gate string `json:"gate,omitempty"`

	// cluster by name.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Cluster string `json:"cluster,omitempty"`
}

// AuditEvidence is one thing that was known when it was decided.
type AuditEvidence struct {
	// name of the evidence.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// value of it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Value string `json:"value,omitempty"`
}

// AuditRecord is one decision or its outcome: who or what, when, on which evidence.
type AuditRecord struct {
	// key names what happened, once in a run: the same key is never recorded twice.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=200
	Key string `json:"key,omitempty"`

	// time at which it happened. When that is not known, it is the time of the entry.
	// +required
	Time metav1.Time `json:"time,omitempty,omitzero"`

	// actor is who or what.
	// +required
	Actor AuditActor `json:"actor,omitempty,omitzero"`

	// action is what happened.
	// +required
	Action AuditAction `json:"action,omitempty"`

	// subject that it is about. Not set: the run itself.
	// +optional
	Subject *AuditSubject `json:"subject,omitempty"`

	// reason for people, as it was given.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`

	// evidence on which it was decided.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Evidence []AuditEvidence `json:"evidence,omitempty"`
}

// AuditCheckpoint says that entries were taken away on purpose, after they were exported.
type AuditCheckpoint struct {
	// through is the sequence of the last entry that was taken away.
	// +required
	// +kubebuilder:validation:Minimum=1
	Through int64 `json:"through,omitempty"`

	// hash of that entry.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash,omitempty"`

	// runs that ended, whose entries were taken away, and that still existed, by their uid: they are not recorded anew.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10000
	// +kubebuilder:validation:items:MaxLength=36
	Runs []string `json:"runs,omitempty"`

	// actor who did it.
	// +required
	Actor AuditActor `json:"actor,omitempty,omitzero"`
}

// AuditEntrySpec is one link of the chain. Immutable.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an audit entry is immutable"
// +kubebuilder:validation:XValidation:rule="has(self.records) != has(self.checkpoint)",message="an entry holds records or a checkpoint"
// +kubebuilder:validation:XValidation:rule="has(self.records) == has(self.run) && has(self.records) == has(self.runUID)",message="records are of a run: name it with run and runUID"
// +kubebuilder:validation:XValidation:rule="(self.sequence == 1) != has(self.previousHash)",message="each entry but the first carries the hash of the one before"
// +kubebuilder:validation:XValidation:rule="!has(self.checkpoint) || self.checkpoint.through < self.sequence",message="a checkpoint speaks of earlier entries"
type AuditEntrySpec struct {
	// sequence number in the fleet, from 1. The entry is named by it, with twelve digits.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=999999999999
	Sequence int64 `json:"sequence,omitempty"`

	// time at which it was written.
	// +required
	Time metav1.Time `json:"time,omitempty,omitzero"`

	// run that the records are of.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Run string `json:"run,omitempty"`

	// runUID tells runs of the same name apart.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=36
	RunUID string `json:"runUID,omitempty"`

	// records in their order.
	// +optional
	// +listType=map
	// +listMapKey=key
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Records []AuditRecord `json:"records,omitempty"`

	// checkpoint instead of records: entries were taken away on purpose.
	// +optional
	Checkpoint *AuditCheckpoint `json:"checkpoint,omitempty"`

	// previousHash is the hash of the entry before. Not set on the first.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	// +kubebuilder:validation:MaxLength=64
	PreviousHash string `json:"previousHash,omitempty"`

	// hash is the SHA-256 of this spec without this field, as JSON with sorted keys and without spaces.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash,omitempty"`
}

// AuditEntry is one link of the fleet's record of decisions: who or what, when, on which evidence. Controllers write
// them; nobody changes one.
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=auditentries,shortName=ae
// +kubebuilder:selectablefield:JSONPath=`.spec.run`
// +kubebuilder:printcolumn:name="Run",type=string,JSONPath=`.spec.run`
// +kubebuilder:printcolumn:name="First Action",type=string,JSONPath=`.spec.records[0].action`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.spec.records[0].actor.name`
// +kubebuilder:printcolumn:name="Through",type=integer,JSONPath=`.spec.checkpoint.through`,priority=1
// +kubebuilder:printcolumn:name="Hash",type=string,JSONPath=`.spec.hash`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.spec.time`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[0-9]{12}$') && int(self.metadata.name) == self.spec.sequence",message="an audit entry is named by its sequence with twelve digits"
type AuditEntry struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is one link of the chain.
	// +required
	Spec AuditEntrySpec `json:"spec,omitempty,omitzero"`
}

// AuditEntryList is a list of AuditEntries.
// +kubebuilder:object:root=true
type AuditEntryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AuditEntry `json:"items"`
}
