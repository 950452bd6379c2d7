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

	// notifications tell people and machines of what happens to runs.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Notifications []Notification `json:"notifications,omitempty"`
}

// FleetStatus is how the settings of the fleet fare.
type FleetStatus struct {
	// observedGeneration is the spec's generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// notifications say how each fares.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Notifications []NotificationStatus `json:"notifications,omitempty"`

	// notificationTest answers the last test that was asked for.
	// +optional
	NotificationTest *NotificationTest `json:"notificationTest,omitempty"`

	// conditions are NotificationsDelivered.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Fleet holds the settings of the fleet in its namespace. There is at most one, named fleet; without it nothing is
// limited beyond the runs.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=fleets,categories=sengu
// +kubebuilder:printcolumn:name="Concurrency",type=string,JSONPath=`.spec.maxConcurrency`
// +kubebuilder:printcolumn:name="Notifications",type=string,JSONPath=`.status.conditions[?(@.type=="NotificationsDelivered")].reason`
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

	// status is how the settings fare.
	// +optional
	Status FleetStatus `json:"status,omitempty,omitzero"`
}

// FleetList is a list of Fleets.
// +kubebuilder:object:root=true
type FleetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Fleet `json:"items"`
}
