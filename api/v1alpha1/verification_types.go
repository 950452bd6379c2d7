// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FlowStepType is a kind of step in an application flow.
// +kubebuilder:validation:Enum=HTTP;GRPC;WebSocket;TCP;Kubernetes;Exec;Browser
type FlowStepType string

// The kinds of steps in an application flow.
const (
	FlowStepHTTP       FlowStepType = "HTTP"
	FlowStepGRPC       FlowStepType = "GRPC"
	FlowStepWebSocket  FlowStepType = "WebSocket"
	FlowStepTCP        FlowStepType = "TCP"
	FlowStepKubernetes FlowStepType = "Kubernetes"
	FlowStepExec       FlowStepType = "Exec"
	FlowStepBrowser    FlowStepType = "Browser"
)

// FlowStep is one step of an application flow.
type FlowStep struct {
	// name of the step, unique in its flow.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// type of the step.
	// +required
	Type FlowStepType `json:"type,omitempty"`

	// request of the step; its keys depend on the type.
	// +optional
	Request *apiextensionsv1.JSON `json:"request,omitempty"`

	// assert is a CEL expression over the response. Not set: any answer that the protocol calls success.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Assert string `json:"assert,omitempty"`

	// timeout of the step. Not set: 10s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) > duration('0s')",message="must be a duration like 90s, 30m or 168h and more than 0s; days are not a unit"
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// Flow is a journey through an application as its users make it.
type Flow struct {
	// name of the flow.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// steps in their order.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Steps []FlowStep `json:"steps,omitempty"`
}

// Probe watches an address all the time.
type Probe struct {
	// name of the probe.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// type of the connections.
	// +required
	// +kubebuilder:validation:Enum=NewConnections;ReusedConnections;LongSessions
	Type string `json:"type,omitempty"`

	// url that is probed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	URL string `json:"url,omitempty"`

	// interval of the probe. Not set: 1s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) > duration('0s')",message="must be a duration like 90s, 30m or 168h and more than 0s; days are not a unit"
	Interval *metav1.Duration `json:"interval,omitempty"`
}

// MetricCheck asks a metrics server.
type MetricCheck struct {
	// name of the check.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// query in PromQL; a value other than 0 is a pass.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Query string `json:"query,omitempty"`

	// interval between measurements. Not set: 1m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) > duration('0s')",message="must be a duration like 90s, 30m or 168h and more than 0s; days are not a unit"
	Interval *metav1.Duration `json:"interval,omitempty"`

	// count of measurements. Not set: 5.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Count int32 `json:"count,omitempty"`

	// failureLimit is how many measurements may fail. Not set: 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	FailureLimit int32 `json:"failureLimit,omitempty"`

	// noDataPolicy says what an empty answer means; it is never a pass. Not set: Fail.
	// +optional
	// +kubebuilder:validation:Enum=Fail;Wait
	NoDataPolicy string `json:"noDataPolicy,omitempty"`
}

// VerificationSpec says how it is proved that a cluster serves.
// +kubebuilder:validation:XValidation:rule="has(self.flows) || has(self.probes) || has(self.metrics)",message="name at least one flow, probe or metric: no evidence is no proof"
type VerificationSpec struct {
	// flows through applications.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Flows []Flow `json:"flows,omitempty"`

	// probes that run all the time.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Probes []Probe `json:"probes,omitempty"`

	// metrics that are asked for.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Metrics []MetricCheck `json:"metrics,omitempty"`

	// baseline that results are compared with. Not set: BeforeUpgrade.
	// +optional
	// +kubebuilder:validation:Enum=BeforeUpgrade;Peers
	Baseline string `json:"baseline,omitempty"`

	// minSamples below which the result is unknown, which is not a pass. Not set: 1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	MinSamples int32 `json:"minSamples,omitempty"`
}

// Verification proves that a cluster serves.
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=vf,categories=sengu
// +kubebuilder:printcolumn:name="Flows",type=string,JSONPath=`.spec.flows[*].name`
// +kubebuilder:printcolumn:name="Probes",type=string,JSONPath=`.spec.probes[*].name`
// +kubebuilder:printcolumn:name="Metrics",type=string,JSONPath=`.spec.metrics[*].name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Verification struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says how it is proved that a cluster serves.
	// +required
	Spec VerificationSpec `json:"spec,omitempty,omitzero"`
}

// VerificationList is a list of Verifications.
// +kubebuilder:object:root=true
type VerificationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Verification `json:"items"`
}
