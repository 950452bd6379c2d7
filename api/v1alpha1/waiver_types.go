// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// WaiverSpec accepts one finding on some clusters until a day.
type WaiverSpec struct {
	// finding is the id of the finding that is accepted.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Finding string `json:"finding,omitempty"`

	// clusters on which it is accepted, by name.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	// +kubebuilder:validation:items:MaxLength=63
	Clusters []string `json:"clusters,omitempty"`

	// owner of the risk: a person or a team.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Owner string `json:"owner,omitempty"`

	// reason why the risk is accepted.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`

	// expires at this instant; afterwards the finding counts again.
	// +required
	Expires metav1.Time `json:"expires,omitempty,omitzero"`
}

// Waiver is a named, owned, expiring acceptance of a finding.
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=sengu
// +kubebuilder:printcolumn:name="Finding",type=string,JSONPath=`.spec.finding`
// +kubebuilder:printcolumn:name="Owner",type=string,JSONPath=`.spec.owner`
// +kubebuilder:printcolumn:name="Expires",type=date,JSONPath=`.spec.expires`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Waiver struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec accepts one finding on some clusters until a day.
	// +required
	Spec WaiverSpec `json:"spec,omitempty,omitzero"`
}

// WaiverList is a list of Waivers.
// +kubebuilder:object:root=true
type WaiverList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Waiver `json:"items"`
}
