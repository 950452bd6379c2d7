// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ProviderSpec says what can change a cluster. Exactly one key is set.
// +kubebuilder:validation:XValidation:rule="[has(self.aks), has(self.local), has(self.simulated)].filter(x, x).size() == 1",message="set exactly one provider: aks, local or simulated"
type ProviderSpec struct {
	// aks is an Azure Kubernetes Service cluster.
	// +optional
	AKS *AKSProvider `json:"aks,omitempty"`

	// local is a cluster of the lab on this machine.
	// +optional
	Local *LocalProvider `json:"local,omitempty"`

	// simulated is a cluster in memory, for rehearsals and forecasts.
	// +optional
	Simulated *SimulatedProvider `json:"simulated,omitempty"`
}

// AKSProvider names an Azure Kubernetes Service cluster.
type AKSProvider struct {
	// subscriptionID of the cluster. Immutable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`
	// +kubebuilder:validation:MaxLength=36
	SubscriptionID string `json:"subscriptionID,omitempty"`

	// resourceGroup of the cluster. Immutable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=90
	ResourceGroup string `json:"resourceGroup,omitempty"`

	// name of the managed cluster. Immutable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// endpoint of Azure Resource Manager, an https address. Not set: the public cloud.
	// +optional
	// +kubebuilder:validation:Pattern=`^https://`
	// +kubebuilder:validation:MaxLength=512
	Endpoint string `json:"endpoint,omitempty"`
}

// LocalProvider names a cluster of a lab: real control planes on this machine.
type LocalProvider struct {
	// endpoint of the lab's management API, for example http://127.0.0.1:40123.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^https?://`
	// +kubebuilder:validation:MaxLength=512
	Endpoint string `json:"endpoint,omitempty"`

	// cluster is the name of the cluster in the lab.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Cluster string `json:"cluster,omitempty"`

	// tokenSecretRef is the Secret's key that holds the lab's management token.
	// +required
	TokenSecretRef SecretKeyReference `json:"tokenSecretRef,omitempty,omitzero"`
}

// SimulatedProvider describes a cluster that exists in memory only.
type SimulatedProvider struct {
	// version the control plane and the nodes start at, for example 1.36.1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^[0-9]+\.[0-9]+\.[0-9]+$`
	// +kubebuilder:validation:MaxLength=20
	Version string `json:"version,omitempty"`

	// nodeStyle says who moves the nodes: Provider (as AKS and EKS node pools do) or Sengu (node by node).
	// Not set: Provider.
	// +optional
	// +kubebuilder:validation:Enum=Provider;Sengu
	NodeStyle string `json:"nodeStyle,omitempty"`

	// nodes in the cluster's one pool. Not set: 3.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5000
	Nodes int32 `json:"nodes,omitempty"`

	// region of the cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region,omitempty"`

	// controlPlaneDuration of one control-plane upgrade. Not set: 10m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('0s')",message="must be a duration like 90s, 30m or 168h; days are not a unit"
	ControlPlaneDuration *metav1.Duration `json:"controlPlaneDuration,omitempty"`

	// nodeDuration of the upgrade of one node. Not set: 4m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('0s')",message="must be a duration like 90s, 30m or 168h; days are not a unit"
	NodeDuration *metav1.Duration `json:"nodeDuration,omitempty"`

	// failures are scripted: each entry makes one operation fail.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Failures []SimulatedFailure `json:"failures,omitempty"`
}

// SimulatedFailure makes operations of one kind fail with a code and a message.
type SimulatedFailure struct {
	// operation that fails.
	// +required
	// +kubebuilder:validation:Enum=ControlPlane;NodePool;Node;Describe
	Operation string `json:"operation,omitempty"`

	// times it fails before it succeeds. Not set: always.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Times int32 `json:"times,omitempty"`

	// code that the provider reports, for example QuotaExceeded.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Code string `json:"code,omitempty"`

	// message that the provider reports.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// ClusterAccess says how Sengu reaches the cluster's own API.
type ClusterAccess struct {
	// kubeconfigSecretRef is the Secret's key with a kubeconfig. Not set: the provider issues credentials.
	// +optional
	KubeconfigSecretRef *SecretKeyReference `json:"kubeconfigSecretRef,omitempty"`
}

// UndrainableAction says what happens to a node that cannot be drained in time.
// +kubebuilder:validation:Enum=Stop;Quarantine
type UndrainableAction string

const (
	// UndrainableStop uncordons the node and fails the cluster upgrade; this is the default.
	UndrainableStop UndrainableAction = "Stop"
	// UndrainableQuarantine leaves the node cordoned, marks it and goes on with the others.
	UndrainableQuarantine UndrainableAction = "Quarantine"
)

// PoolMode tells system pools from user pools.
// +kubebuilder:validation:Enum=System;User
type PoolMode string

const (
	// PoolModeSystem pools carry what the cluster itself needs.
	PoolModeSystem PoolMode = "System"
	// PoolModeUser pools carry applications.
	PoolModeUser PoolMode = "User"
)

// NodeRollout says how the nodes of a pool are renewed.
type NodeRollout struct {
	// maxSurge is how many nodes more than usual a pool may have, a number or a percentage of the pool,
	// rounded up. Not set: 10%, at least 1. 0 with maxUnavailable 0 is refused.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 5000 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="must be a number from 0 to 5000 or a percentage from 0% to 100%"
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`

	// maxUnavailable is how many nodes of a pool may be missing, a number or a percentage of the pool,
	// rounded down. Not set: 0.
	// +optional
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 0 && self <= 5000 : self.matches('^([0-9]|[1-9][0-9]|100)%$')",message="must be a number from 0 to 5000 or a percentage from 0% to 100%"
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// drainTimeout is how long one node may take to drain. Not set: 30m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) > duration('0s')",message="must be a duration like 90s, 30m or 168h and more than 0s; days are not a unit"
	DrainTimeout *metav1.Duration `json:"drainTimeout,omitempty"`

	// nodeSoak is how long a new node must have been Ready before the next is touched. Not set: 0s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('0s')",message="must be a duration like 90s, 30m or 168h; days are not a unit"
	NodeSoak *metav1.Duration `json:"nodeSoak,omitempty"`

	// undrainable says what happens to a node that is not drained in drainTimeout. Not set: Stop.
	// +optional
	Undrainable UndrainableAction `json:"undrainable,omitempty"`

	// nodeReadyTimeout is how long a new or replaced node may take to become Ready. Not set: 15m.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) > duration('0s')",message="must be a duration like 90s, 30m or 168h and more than 0s; days are not a unit"
	NodeReadyTimeout *metav1.Duration `json:"nodeReadyTimeout,omitempty"`
}

// PoolNodeRollout overrides the node rollout for one pool.
type PoolNodeRollout struct {
	// name of the pool.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	NodeRollout `json:",inline"`
}

// ClusterNodeRollout says how the nodes of a cluster are renewed, with overrides for pools.
type ClusterNodeRollout struct {
	NodeRollout `json:",inline"`

	// poolOrder is the order of pool modes; pools of one mode follow each other by name.
	// Not set: [System, User].
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=2
	PoolOrder []PoolMode `json:"poolOrder,omitempty"`

	// pools overrides settings for single pools.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	Pools []PoolNodeRollout `json:"pools,omitempty"`
}

// ClusterSpec says what the cluster is and how it wants to be upgraded.
type ClusterSpec struct {
	// provider that can change this cluster. The provider's kind is immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="has(self.aks) == has(oldSelf.aks) && has(self.local) == has(oldSelf.local) && has(self.simulated) == has(oldSelf.simulated)",message="the kind of provider cannot change: delete the Cluster and add it again"
	Provider ProviderSpec `json:"provider,omitempty,omitzero"`

	// access to the cluster's own API.
	// +optional
	Access ClusterAccess `json:"access,omitempty,omitzero"`

	// calendarRef names the MaintenanceCalendar of this cluster. Not set: always open.
	// +optional
	CalendarRef *LocalObjectReference `json:"calendarRef,omitempty"`

	// mutexes are names of which only one cluster at a time may be upgraded, over all runs of the fleet: two clusters
	// that share one, like both of a pair, are never in flight together.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Mutexes []string `json:"mutexes,omitempty"`

	// nodeRollout says how nodes are renewed.
	// +optional
	NodeRollout ClusterNodeRollout `json:"nodeRollout,omitempty,omitzero"`

	// verificationRefs name the Verifications that prove that this cluster serves.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	VerificationRefs []LocalObjectReference `json:"verificationRefs,omitempty"`
}

// ControlPlaneStatus is what the provider says of the control plane.
type ControlPlaneStatus struct {
	// version of the control plane, for example 1.36.3.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`

	// state in the provider's words, for example Running or Upgrading.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	State string `json:"state,omitempty"`
}

// NodePoolStatus is what the provider says of one node pool.
type NodePoolStatus struct {
	// name of the pool.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// mode of the pool.
	// +optional
	Mode PoolMode `json:"mode,omitempty"`

	// version of Kubernetes that the oldest node of the pool runs.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`

	// image of the nodes.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Image string `json:"image,omitempty"`

	// nodes in the pool.
	// +optional
	Nodes int32 `json:"nodes"`

	// ready nodes in the pool.
	// +optional
	Ready int32 `json:"ready"`
}

// ClusterOffers is what the provider offers this cluster now.
type ClusterOffers struct {
	// kubernetes versions that the control plane can move to, oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=64
	Kubernetes []string `json:"kubernetes,omitempty"`

	// images that nodes can be replaced with, newest last.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	Images []string `json:"images,omitempty"`
}

// ReadinessVerdict is the outcome of preflight checks.
// +kubebuilder:validation:Enum=Ready;Warn;Blocked;Unknown
type ReadinessVerdict string

// The verdicts of preflight checks. Unknown is never a pass.
const (
	ReadinessReady   ReadinessVerdict = "Ready"
	ReadinessWarn    ReadinessVerdict = "Warn"
	ReadinessBlocked ReadinessVerdict = "Blocked"
	ReadinessUnknown ReadinessVerdict = "Unknown"
)

// ClusterReadiness is the newest preflight verdict on this cluster.
type ClusterReadiness struct {
	// target version that was checked against.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Target string `json:"target,omitempty"`

	// verdict of the checks.
	// +optional
	Verdict ReadinessVerdict `json:"verdict,omitempty"`

	// blockers found.
	// +optional
	Blockers int32 `json:"blockers"`

	// warnings found.
	// +optional
	Warnings int32 `json:"warnings"`

	// checkedAt is when the checks were made.
	// +optional
	CheckedAt *metav1.Time `json:"checkedAt,omitempty"`
}

// ClusterStatus is what Sengu observed.
type ClusterStatus struct {
	// observedGeneration is the spec's generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// controlPlane as the provider describes it.
	// +optional
	ControlPlane ControlPlaneStatus `json:"controlPlane,omitempty,omitzero"`

	// nodePools as the provider describes them, by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	NodePools []NodePoolStatus `json:"nodePools,omitempty"`

	// nodes in all pools together.
	// +optional
	Nodes int32 `json:"nodes"`

	// region of the cluster.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Region string `json:"region,omitempty"`

	// offers of the provider for this cluster.
	// +optional
	Offers ClusterOffers `json:"offers,omitempty,omitzero"`

	// supportEnds is when the provider stops supporting the control plane's version.
	// +optional
	SupportEnds *metav1.Time `json:"supportEnds,omitempty"`

	// readiness for an upgrade, from preflight checks.
	// +optional
	Readiness *ClusterReadiness `json:"readiness,omitempty"`

	// uid of the member's kube-system namespace, recorded at the first contact; a kubeconfig that later
	// leads to another uid is refused as WrongCluster.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`

	// activeRun names the run that works on this cluster now.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ActiveRun string `json:"activeRun,omitempty"`

	// observedAt is when the provider was last described with success.
	// +optional
	ObservedAt *metav1.Time `json:"observedAt,omitempty"`

	// conditions are Reachable, Healthy, Ready, Busy.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Cluster is one member of the fleet.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=cl,categories=sengu
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.controlPlane.version`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.nodes`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.conditions[?(@.type=="Healthy")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Run",type=string,JSONPath=`.status.activeRun`
// +kubebuilder:printcolumn:name="Readiness",type=string,JSONPath=`.status.readiness.verdict`,priority=1
// +kubebuilder:printcolumn:name="Region",type=string,JSONPath=`.status.region`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Cluster struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what the cluster is and how it wants to be upgraded.
	// +required
	Spec ClusterSpec `json:"spec,omitempty,omitzero"`

	// status is what Sengu observed.
	// +optional
	Status ClusterStatus `json:"status,omitempty,omitzero"`
}

// ClusterList is a list of Clusters.
// +kubebuilder:object:root=true
type ClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Cluster `json:"items"`
}
