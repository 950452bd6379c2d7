// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ChannelMode says who starts an upgrade.
// +kubebuilder:validation:Enum=Auto;Manual
type ChannelMode string

const (
	// ChannelModeAuto: Sengu starts it, as far as its earned trust allows.
	ChannelModeAuto ChannelMode = "Auto"
	// ChannelModeManual: a person starts it.
	ChannelModeManual ChannelMode = "Manual"
)

// TrustLevel is how much Sengu may do by itself, from least to most.
// +kubebuilder:validation:Enum=Observe;Propose;Approve;Auto
type TrustLevel string

const (
	// TrustLevelObserve: it says what it sees.
	TrustLevelObserve TrustLevel = "Observe"
	// TrustLevelPropose: it proposes a run that a person creates.
	TrustLevelPropose TrustLevel = "Propose"
	// TrustLevelApprove: it creates the run and waits for an approval.
	TrustLevelApprove TrustLevel = "Approve"
	// TrustLevelAuto: it creates and starts the run.
	TrustLevelAuto TrustLevel = "Auto"
)

// PolicyChannels says who starts which kind of upgrade.
type PolicyChannels struct {
	// nodeImage upgrades. Not set: Auto.
	// +optional
	NodeImage ChannelMode `json:"nodeImage,omitempty"`

	// patch upgrades. Not set: Auto.
	// +optional
	Patch ChannelMode `json:"patch,omitempty"`

	// minor upgrades. Not set: Manual.
	// +optional
	Minor ChannelMode `json:"minor,omitempty"`
}

// TrustPromotion says what earns the next level.
type TrustPromotion struct {
	// runs that must have succeeded in a row.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Runs int32 `json:"runs,omitempty"`

	// days since the last failure.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3650
	Days int32 `json:"days"`
}

// PolicyTrust says how trust is earned and lost.
type PolicyTrust struct {
	// start level. Not set: Propose.
	// +optional
	Start TrustLevel `json:"start,omitempty"`

	// ladder of levels, from least to most. Not set: [Observe, Propose, Approve, Auto].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Ladder []TrustLevel `json:"ladder,omitempty"`

	// promoteAfter says what earns the next level. Not set: a person promotes.
	// +optional
	PromoteAfter *TrustPromotion `json:"promoteAfter,omitempty"`

	// demoteOn says what costs a level. Not set: Failure.
	// +optional
	// +kubebuilder:validation:Enum=Failure;Never
	DemoteOn string `json:"demoteOn,omitempty"`
}

// UpgradePolicySpec says what may be upgraded automatically, how far, and how trust is earned.
type UpgradePolicySpec struct {
	// clusterSelector of the clusters that this policy speaks of. Not set: every cluster of the fleet.
	// +optional
	ClusterSelector *metav1.LabelSelector `json:"clusterSelector,omitempty"`

	// strategyRef names the strategy of the runs.
	// +required
	StrategyRef LocalObjectReference `json:"strategyRef,omitempty,omitzero"`

	// channels say who starts which kind of upgrade.
	// +optional
	Channels PolicyChannels `json:"channels,omitempty,omitzero"`

	// trust says how trust is earned and lost.
	// +optional
	Trust PolicyTrust `json:"trust,omitempty,omitzero"`
}

// PolicyRecord is the record of one kind of upgrade.
type PolicyRecord struct {
	// kind of upgrade.
	// +required
	Kind UpgradeKind `json:"kind,omitempty"`

	// level that was earned.
	// +optional
	Level TrustLevel `json:"level,omitempty"`

	// runs that count.
	// +optional
	Runs int32 `json:"runs"`

	// failures among them.
	// +optional
	Failures int32 `json:"failures"`

	// since when the record counts.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`

	// needs is what the next level needs, for a person to read.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Needs string `json:"needs,omitempty"`
}

// UpgradePolicyStatus is the record of a policy.
type UpgradePolicyStatus struct {
	// observedGeneration is the spec's generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// records of the kinds of upgrade, one for each.
	// +optional
	// +listType=map
	// +listMapKey=kind
	// +kubebuilder:validation:MaxItems=3
	Records []PolicyRecord `json:"records,omitempty"`

	// conditions are Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// UpgradePolicy says what may be upgraded automatically.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=up,categories=sengu
// +kubebuilder:printcolumn:name="Strategy",type=string,JSONPath=`.spec.strategyRef.name`
// +kubebuilder:printcolumn:name="Node Image",type=string,JSONPath=`.spec.channels.nodeImage`
// +kubebuilder:printcolumn:name="Patch",type=string,JSONPath=`.spec.channels.patch`
// +kubebuilder:printcolumn:name="Minor",type=string,JSONPath=`.spec.channels.minor`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type UpgradePolicy struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what may be upgraded automatically.
	// +required
	Spec UpgradePolicySpec `json:"spec,omitempty,omitzero"`

	// status is the record of the policy.
	// +optional
	Status UpgradePolicyStatus `json:"status,omitempty,omitzero"`
}

// UpgradePolicyList is a list of UpgradePolicies.
// +kubebuilder:object:root=true
type UpgradePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []UpgradePolicy `json:"items"`
}
