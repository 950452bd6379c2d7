// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FleetName is the name of the one Fleet of a namespace.
const FleetName = "fleet"

// FleetSpec holds for every run of the fleet.
type FleetSpec struct {
	// maxConcurrency of clusters in flight over all runs, a number or a percentage of the fleet, rounded down, at
	// least 1. Not set: only the limits of the runs count.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 10000 : self.matches('^([1-9]|[1-9][0-9]|100)%$')",message="must be a number from 1 to 10000 or a percentage from 1% to 100%"
	MaxConcurrency *intstr.IntOrString `json:"maxConcurrency,omitempty"`

	// calendarRefs name MaintenanceCalendars for every cluster of the fleet, for example the company's freezes. They
	// hold together with the cluster's own and the stage's: all must be open.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	CalendarRefs []LocalObjectReference `json:"calendarRefs,omitempty"`
}

// Fleet holds the settings of the fleet in its namespace. There is at most one, named fleet; without it nothing is
// limited beyond the runs.
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=fleets,categories=sengu
// +kubebuilder:printcolumn:name="Concurrency",type=string,JSONPath=`.spec.maxConcurrency`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="self.metadata.name == 'fleet'",message="the settings of a fleet are named fleet: there is one in a namespace"
type Fleet struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec holds for every run of the fleet.
	// +optional
	Spec FleetSpec `json:"spec,omitempty,omitzero"`
}

// FleetList is a list of Fleets.
// +kubebuilder:object:root=true
type FleetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Fleet `json:"items"`
}
