// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FailureAction says what a run does when more clusters failed than allowed.
// +kubebuilder:validation:Enum=Stop;FinishStage
type FailureAction string

const (
	// FailureActionStop starts nothing new; what is in flight goes to a safe point. This is the default.
	FailureActionStop FailureAction = "Stop"
	// FailureActionFinishStage still starts the other clusters of the stage, but no later stage.
	FailureActionFinishStage FailureAction = "FinishStage"
)

// SoakHealth says which time counts for a soak.
// +kubebuilder:validation:Enum=Required;Ignored
type SoakHealth string

const (
	// SoakHealthRequired counts only time in which every upgraded cluster of the stage is healthy. This is the default.
	SoakHealthRequired SoakHealth = "Required"
	// SoakHealthIgnored counts all time.
	SoakHealthIgnored SoakHealth = "Ignored"
)

// SoakHistory says which runs' healthy time counts for a soak.
// +kubebuilder:validation:Enum=Run;Fleet
type SoakHistory string

const (
	// SoakHistoryRun counts only what this run has seen. This is the default.
	SoakHistoryRun SoakHistory = "Run"
	// SoakHistoryFleet also counts what earlier runs of the fleet have counted in a stage of the same name on the
	// same frozen target.
	SoakHistoryFleet SoakHistory = "Fleet"
)

// Soak is healthy time that must pass before the next stage.
type Soak struct {
	// duration of healthy time, for example 168h. 0s: no soak.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('0s')",message="must be a duration like 90s, 30m or 168h; days are not a unit"
	Duration metav1.Duration `json:"duration,omitempty,omitzero"`

	// health says which time counts. Not set: Required.
	// +optional
	Health SoakHealth `json:"health,omitempty"`

	// history says which runs' healthy time counts. Not set: Run.
	// +optional
	History SoakHistory `json:"history,omitempty"`
}

// StageOrder says which stages come before a stage.
// +kubebuilder:validation:Enum=Sequence;Graph
type StageOrder string

const (
	// StageOrderSequence lets each stage wait for the one before it in the list. This is the default.
	StageOrderSequence StageOrder = "Sequence"
	// StageOrderGraph lets each stage wait for the stages that its dependsOn names; one that names none begins at once.
	StageOrderGraph StageOrder = "Graph"
)

// ClusterOrderKey is what clusters of a group are ordered by.
// +kubebuilder:validation:Enum=Label;Nodes
type ClusterOrderKey string

const (
	// ClusterOrderLabel orders by a whole number in a label; clusters without it come last. This is the default.
	ClusterOrderLabel ClusterOrderKey = "Label"
	// ClusterOrderNodes orders by the number of nodes when the run starts, which is what an upgrade costs.
	ClusterOrderNodes ClusterOrderKey = "Nodes"
)

// OrderDirection is ascending or descending.
// +kubebuilder:validation:Enum=Ascending;Descending
type OrderDirection string

const (
	// OrderAscending: the smallest first. This is the default.
	OrderAscending OrderDirection = "Ascending"
	// OrderDescending: the largest first.
	OrderDescending OrderDirection = "Descending"
)

// ClusterOrder says in which order the clusters of a group start. Equal ones start by name.
// +kubebuilder:validation:XValidation:rule="!has(self.label) || !has(self.by) || self.by == 'Label'",message="label goes with by: Label"
type ClusterOrder struct {
	// by which key. Not set: Label.
	// +optional
	By ClusterOrderKey `json:"by,omitempty"`

	// label whose value is a whole number. Not set: sengu.dev/order.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Label string `json:"label,omitempty"`

	// direction of the order. Not set: Ascending.
	// +optional
	Direction OrderDirection `json:"direction,omitempty"`
}

// UnavailableAction says what a run does with clusters that cannot be upgraded now.
// +kubebuilder:validation:Enum=Wait;SetAside
type UnavailableAction string

const (
	// UnavailableWait lets their group wait for them; the others of the group start meanwhile. This is the default.
	UnavailableWait UnavailableAction = "Wait"
	// UnavailableSetAside lets the run go on without them and reports them at its end. One that becomes available
	// while its stage is in hand is picked up; a retry of the run tries the others.
	UnavailableSetAside UnavailableAction = "SetAside"
)

// UnavailablePolicy says what happens to clusters that are stopped, unreachable, unhealthy or busy with something else.
type UnavailablePolicy struct {
	// action to take. Not set: Wait.
	// +optional
	Action UnavailableAction `json:"action,omitempty"`

	// after which time a cluster is set aside. Not set: 24h.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('0s')",message="must be a duration like 90s, 30m or 168h; days are not a unit"
	After *metav1.Duration `json:"after,omitempty"`
}

// ApprovalGate waits for the decision of people. Never only of those who started the run: who created, resumed or
// retried it. It opens when the clusters that come next are healthy and none of them is Blocked.
type ApprovalGate struct {
	// approvers are user or group names (group:NAME) that may decide. Empty: anyone who may update gates.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=128
	Approvers []string `json:"approvers,omitempty"`

	// count of different approvers needed. Not set: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Count int32 `json:"count,omitempty"`

	// expiresAfter is how long the approval may take from when the run has come to the gate. After that, approvals must
	// be given anew. Not set: it does not expire.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) > duration('0s')",message="must be a duration like 90s, 30m or 168h and more than 0s; days are not a unit"
	ExpiresAfter *metav1.Duration `json:"expiresAfter,omitempty"`
}

// ScheduledStartGate waits for an instant.
// +kubebuilder:validation:XValidation:rule="has(self.at) != has(self.next)",message="set exactly one of at and next"
// +kubebuilder:validation:XValidation:rule="!has(self.next) || has(self.timeZone)",message="next needs a timeZone"
type ScheduledStartGate struct {
	// at is a fixed instant.
	// +optional
	At *metav1.Time `json:"at,omitempty"`

	// next is the next such weekday and time after the gate is reached, for example "MON 09:00". In the hour that a
	// change of clocks leaves out it is as much later; of an hour that comes twice it is the first.
	// +optional
	// +kubebuilder:validation:Pattern=`^(MON|TUE|WED|THU|FRI|SAT|SUN) ([01][0-9]|2[0-3]):[0-5][0-9]$`
	// +kubebuilder:validation:MaxLength=9
	Next string `json:"next,omitempty"`

	// timeZone is an IANA name, for example Asia/Tokyo. Needed with next.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// GateSpecTemplate is one gate of a stage or group. Exactly one key besides name is set.
// +kubebuilder:validation:XValidation:rule="[has(self.approval), has(self.scheduledStart), has(self.verification)].filter(x, x).size() == 1",message="set exactly one of approval, scheduledStart and verification"
type GateSpecTemplate struct {
	// name of the gate, unique among the gates of its place.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// approval waits for people.
	// +optional
	Approval *ApprovalGate `json:"approval,omitempty"`

	// scheduledStart waits for an instant.
	// +optional
	ScheduledStart *ScheduledStartGate `json:"scheduledStart,omitempty"`

	// verification waits for proof by a Verification.
	// +optional
	Verification *LocalObjectReference `json:"verification,omitempty"`
}

// StrategyGroup is a set of clusters that is upgraded in parallel to the other groups of its stage.
type StrategyGroup struct {
	// name of the group, unique in its stage.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// selector of the clusters by their labels. It must select something on purpose: an empty selector is refused.
	// A cluster belongs to exactly one group of all stages.
	// +required
	// +kubebuilder:validation:XValidation:rule="(has(self.matchLabels) && self.matchLabels.size() > 0) || (has(self.matchExpressions) && self.matchExpressions.size() > 0)",message="an empty selector would select every cluster: name at least one label"
	Selector metav1.LabelSelector `json:"selector,omitempty,omitzero"`

	// maxConcurrency of clusters in flight in this group, a number or a percentage of the group,
	// rounded down, at least 1. Not set: 1.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 10000 : self.matches('^([1-9]|[1-9][0-9]|100)%$')",message="must be a number from 1 to 10000 or a percentage from 1% to 100%"
	MaxConcurrency *intstr.IntOrString `json:"maxConcurrency,omitempty"`

	// maxFailures that are tolerated in this group, a number or a percentage of the group, rounded down.
	// Not set: 0, the first failure stops.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 10000 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="must be a number from 0 to 10000 or a percentage from 0% to 100%"
	MaxFailures *intstr.IntOrString `json:"maxFailures,omitempty"`

	// canaries are how many clusters of this group, the first in its order, go before all its others. When one of them
	// fails, the run stops whatever maxFailures allows. Not set: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Canaries int32 `json:"canaries,omitempty"`

	// clusterOrder says in which order clusters start. Not set: by the label sengu.dev/order.
	// +optional
	ClusterOrder *ClusterOrder `json:"clusterOrder,omitempty"`

	// beforeGates must pass before a cluster of this group starts.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	BeforeGates []GateSpecTemplate `json:"beforeGates,omitempty"`

	// afterGates must pass before this group counts as finished.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	AfterGates []GateSpecTemplate `json:"afterGates,omitempty"`
}

// StrategyStage is one step of a strategy: stages follow each other, groups of a stage run in parallel.
// +kubebuilder:validation:XValidation:rule="!has(self.dependsOn) || !self.dependsOn.exists(d, d == self.name)",message="a stage cannot wait for itself"
type StrategyStage struct {
	// name of the stage, unique in the strategy.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// dependsOn names the stages that must be finished before this one begins, all listed before it. With stageOrder
	// Graph only.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=40
	DependsOn []string `json:"dependsOn,omitempty"`

	// calendarRef names a MaintenanceCalendar for the clusters of this stage. It holds together with the cluster's own
	// and the fleet's: all must be open.
	// +optional
	CalendarRef *LocalObjectReference `json:"calendarRef,omitempty"`

	// groups of clusters that are upgraded in parallel.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	Groups []StrategyGroup `json:"groups,omitempty"`

	// maxConcurrency of clusters in flight in this stage over all its groups, a number or a percentage of the
	// stage, rounded down, at least 1. Not set: the run's.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 10000 : self.matches('^([1-9]|[1-9][0-9]|100)%$')",message="must be a number from 1 to 10000 or a percentage from 1% to 100%"
	MaxConcurrency *intstr.IntOrString `json:"maxConcurrency,omitempty"`

	// maxFailures that are tolerated in this stage over all its groups, a number or a percentage of the stage,
	// rounded down. Not set: only the groups' limits count.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 10000 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="must be a number from 0 to 10000 or a percentage from 0% to 100%"
	MaxFailures *intstr.IntOrString `json:"maxFailures,omitempty"`

	// beforeGates must pass before a cluster of this stage starts.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	BeforeGates []GateSpecTemplate `json:"beforeGates,omitempty"`

	// afterGates must pass before the next stage begins; they are asked for during the soak and pass only with it.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	AfterGates []GateSpecTemplate `json:"afterGates,omitempty"`

	// soak is healthy time that must pass after the last cluster of the stage. Not set: none.
	// +optional
	Soak *Soak `json:"soak,omitempty"`
}

// UpgradeStrategySpec is an order of work. A run copies it when it starts: later edits do not matter to that run.
// +kubebuilder:validation:XValidation:rule="(has(self.stageOrder) && self.stageOrder == 'Graph') || self.stages.all(s, !has(s.dependsOn))",message="dependsOn goes with stageOrder: Graph"
type UpgradeStrategySpec struct {
	// maxConcurrency of clusters in flight over the whole run, a number or a percentage of all its clusters,
	// rounded down, at least 1. Not set: 50.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 10000 : self.matches('^([1-9]|[1-9][0-9]|100)%$')",message="must be a number from 1 to 10000 or a percentage from 1% to 100%"
	MaxConcurrency *intstr.IntOrString `json:"maxConcurrency,omitempty"`

	// maxFailures that are tolerated over the whole run, a number or a percentage of all its clusters,
	// rounded down. Not set: only the limits of stages and groups count.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 10000 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="must be a number from 0 to 10000 or a percentage from 0% to 100%"
	MaxFailures *intstr.IntOrString `json:"maxFailures,omitempty"`

	// sameCauseLimit stops the run when this many clusters have failed by the same cause, whatever maxFailures allow.
	// Not set: no such limit.
	// +optional
	// +kubebuilder:validation:Minimum=2
	// +kubebuilder:validation:Maximum=10000
	SameCauseLimit int32 `json:"sameCauseLimit,omitempty"`

	// unavailable says what happens to clusters that cannot be upgraded now. Not set: their group waits for them.
	// +optional
	Unavailable *UnavailablePolicy `json:"unavailable,omitempty"`

	// stageOrder says which stages come before a stage. Not set: Sequence.
	// +optional
	StageOrder StageOrder `json:"stageOrder,omitempty"`

	// stages in their order.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Stages []StrategyStage `json:"stages,omitempty"`

	// onFailure says what happens when more clusters failed than allowed. Not set: Stop.
	// +optional
	OnFailure FailureAction `json:"onFailure,omitempty"`
}

// UpgradeStrategy is a reusable order of work: stages in sequence, groups in parallel, clusters.
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=us,categories=sengu
// +kubebuilder:printcolumn:name="First Stage",type=string,JSONPath=`.spec.stages[0].name`
// +kubebuilder:printcolumn:name="Concurrency",type=string,JSONPath=`.spec.maxConcurrency`
// +kubebuilder:printcolumn:name="On Failure",type=string,JSONPath=`.spec.onFailure`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type UpgradeStrategy struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the order of work.
	// +required
	Spec UpgradeStrategySpec `json:"spec,omitempty,omitzero"`
}

// UpgradeStrategyList is a list of UpgradeStrategies.
// +kubebuilder:object:root=true
type UpgradeStrategyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []UpgradeStrategy `json:"items"`
}
