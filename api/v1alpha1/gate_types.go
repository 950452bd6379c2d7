// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GateType is a kind of gate.
// +kubebuilder:validation:Enum=Approval;Verification;ScheduledStart
type GateType string

// The kinds of gates.
const (
	GateTypeApproval       GateType = "Approval"
	GateTypeVerification   GateType = "Verification"
	GateTypeScheduledStart GateType = "ScheduledStart"
)

// GateState is the state of a gate.
// +kubebuilder:validation:Enum=Pending;Passed;Refused;Skipped
type GateState string

const (
	// GateStatePending: closed, for the reason that is given.
	GateStatePending GateState = "Pending"
	// GateStatePassed: open. Final.
	GateStatePassed GateState = "Passed"
	// GateStateRefused: a person or the evidence said no.
	GateStateRefused GateState = "Refused"
	// GateStateSkipped: a person skipped it. Final.
	GateStateSkipped GateState = "Skipped"
)

// GateTiming says on which side of its place a gate stands.
// +kubebuilder:validation:Enum=Before;After
type GateTiming string

// The sides of a place on which a gate can stand.
const (
	GateTimingBefore GateTiming = "Before"
	GateTimingAfter  GateTiming = "After"
)

// GateDecisionKind is what a person decides.
// +kubebuilder:validation:Enum=Approve;Refuse
type GateDecisionKind string

const (
	// GateDecisionApprove lets the run through the gate.
	GateDecisionApprove GateDecisionKind = "Approve"
	// GateDecisionRefuse keeps the gate closed until the same person approves.
	GateDecisionRefuse GateDecisionKind = "Refuse"
)

// GateCondition is a condition under which an approval counts.
// +kubebuilder:validation:Enum=NoFailures
type GateCondition string

const (
	// GateConditionNoFailures lets an approval count only while no cluster of the run has failed, not even one that a
	// retry has mended.
	GateConditionNoFailures GateCondition = "NoFailures"
)

// GatePlace is where in a run a gate stands.
type GatePlace struct {
	// stage of the run.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Stage string `json:"stage,omitempty"`

	// group in the stage. Not set: the gate is the stage's.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	Group string `json:"group,omitempty"`

	// timing is before or after the place.
	// +required
	Timing GateTiming `json:"timing,omitempty"`
}

// GateSpec is one gate instance of a run. Immutable.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a gate is immutable: decide it in status, or skip it in the run"
type GateSpec struct {
	// type of the gate.
	// +required
	Type GateType `json:"type,omitempty"`

	// runRef names the run.
	// +required
	RunRef LocalObjectReference `json:"runRef,omitempty,omitzero"`

	// place of the gate in the run.
	// +required
	Place GatePlace `json:"place,omitempty,omitzero"`

	// template of the gate in the strategy.
	// +required
	Template GateSpecTemplate `json:"template,omitempty,omitzero"`
}

// GateDecision is one person's decision. Of several by one person the last counts.
// +kubebuilder:validation:XValidation:rule="self.decision == 'Approve' || (!has(self.condition) && !has(self.notAfter))",message="condition and notAfter go with decision: Approve"
// +kubebuilder:validation:XValidation:rule="self.decision == 'Approve' || (has(self.comment) && self.comment.size() > 0)",message="a refusal needs a comment: why"
type GateDecision struct {
	// by whom: the name by which the hub knows the person.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	By string `json:"by,omitempty"`

	// at which instant.
	// +required
	At metav1.Time `json:"at,omitempty,omitzero"`

	// decision made.
	// +required
	Decision GateDecisionKind `json:"decision,omitempty"`

	// groups of the person that are among the approvers.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=128
	Groups []string `json:"groups,omitempty"`

	// condition under which an approval counts. Not set: none.
	// +optional
	Condition GateCondition `json:"condition,omitempty"`

	// notAfter lets an approval count only when the run has come to the gate by then. Not set: whenever that is.
	// +optional
	NotAfter *metav1.Time `json:"notAfter,omitempty"`

	// comment for the record. Needed with a refusal.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Comment string `json:"comment,omitempty"`
}

// GateStatus is the state of a gate. People add to decisions; all else is the controllers'.
type GateStatus struct {
	// state of the gate. Not set: Pending.
	// +optional
	State GateState `json:"state,omitempty"`

	// decidedBy whom or what.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	DecidedBy string `json:"decidedBy,omitempty"`

	// decidedAt which instant.
	// +optional
	DecidedAt *metav1.Time `json:"decidedAt,omitempty"`

	// reason of the state, a documented constant.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message for a person.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// reachedAt is when the run came to the gate. Not set: it has not yet.
	// +optional
	ReachedAt *metav1.Time `json:"reachedAt,omitempty"`

	// opensAt is when a scheduled start opens, fixed when the run comes to the gate.
	// +optional
	OpensAt *metav1.Time `json:"opensAt,omitempty"`

	// until is the next instant at which the state can change by itself.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`

	// decisions of people, in order. Append-only.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Decisions []GateDecision `json:"decisions,omitempty"`

	// evidence shown to those who decide: the readiness of the clusters that come next.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=512
	Evidence []string `json:"evidence,omitempty"`
}

// Gate is one gate instance of a run.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=sengu
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Run",type=string,JSONPath=`.spec.runRef.name`
// +kubebuilder:printcolumn:name="Stage",type=string,JSONPath=`.spec.place.stage`
// +kubebuilder:printcolumn:name="Timing",type=string,JSONPath=`.spec.place.timing`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Decided By",type=string,JSONPath=`.status.decidedBy`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Gate struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is one gate instance of a run.
	// +required
	Spec GateSpec `json:"spec,omitempty,omitzero"`

	// status is the state of the gate.
	// +optional
	Status GateStatus `json:"status,omitempty,omitzero"`
}

// GateList is a list of Gates.
// +kubebuilder:object:root=true
type GateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Gate `json:"items"`
}
