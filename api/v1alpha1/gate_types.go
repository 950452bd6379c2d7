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

// GateDecision is one person's decision.
type GateDecision struct {
	// by whom.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	By string `json:"by,omitempty"`

	// at which instant.
	// +required
	At metav1.Time `json:"at,omitempty,omitzero"`

	// decision made.
	// +required
	// +kubebuilder:validation:Enum=Approve;Refuse
	Decision string `json:"decision,omitempty"`

	// comment for the record.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Comment string `json:"comment,omitempty"`
}

// GateStatus is the state of a gate.
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

	// decisions of people, in order.
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
