// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LocalObjectReference names an object in the same namespace.
type LocalObjectReference struct {
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// SecretKeyReference names one key of a Secret in the same namespace.
type SecretKeyReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// key inside the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// UpgradeKind is a kind of upgrade that a window, a freeze or a policy speaks of.
// +kubebuilder:validation:Enum=NodeImage;Patch;Minor
type UpgradeKind string

// The kinds of upgrade, from the smallest to the largest.
const (
	// UpgradeKindNodeImage replaces node images and keeps the Kubernetes version.
	UpgradeKindNodeImage UpgradeKind = "NodeImage"
	// UpgradeKindPatch moves to another patch of the same Kubernetes minor.
	UpgradeKindPatch UpgradeKind = "Patch"
	// UpgradeKindMinor moves to a higher Kubernetes minor.
	UpgradeKindMinor UpgradeKind = "Minor"
)

// Waiting says what something that does not move is waiting for.
type Waiting struct {
	// reason is a documented constant: the same word appears in conditions, events, metrics and the CLI.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message is one sentence for a person: what is waited for and what would end the wait.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// until is when Sengu looks again without an event. Not set: it waits for an event.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`

	// since is when this wait began.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
}
