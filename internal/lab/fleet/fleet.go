// SPDX-License-Identifier: Apache-2.0

// Package fleet reads the lab's fleet files: which clusters a lab has, their node pools and their workloads.
package fleet

import (
	_ "embed"
	"time"
)

// Default is the fleet of `sengu-lab up` without a file: one staging, one canary and two production clusters.
//
//go:embed default.yaml
var Default []byte

// File is a fleet file.
type File struct {
	// Nodes are the defaults of all nodes.
	Nodes Nodes `yaml:"nodes,omitempty"`
	// Clusters of the lab; at least one.
	Clusters []Cluster `yaml:"clusters"`
}

// Nodes say how machines behave.
type Nodes struct {
	// ReplaceDelay is how long a new node takes to become Ready; 1s if not set.
	ReplaceDelay Duration `yaml:"replaceDelay,omitempty"`
}

// Cluster is one cluster.
type Cluster struct {
	// Name of the cluster, unique in the lab.
	Name string `yaml:"name"`
	// Version of control plane and nodes: "1.36.0", or "1.36" for the oldest offered patch of that minor.
	Version string `yaml:"version,omitempty"`
	// Region and Labels are told to whoever asks; the lab does nothing with them.
	Region string            `yaml:"region,omitempty"`
	Labels map[string]string `yaml:"labels,omitempty"`
	// Nodes overrides the file's.
	Nodes Nodes `yaml:"nodes,omitempty"`
	// NodePools; at least one.
	NodePools []NodePool `yaml:"nodePools"`
	// Workloads that are created once, when the cluster is.
	Workloads []Workload `yaml:"workloads,omitempty"`
}

// NodePool is a set of nodes of the same kind.
type NodePool struct {
	// Name of the pool, unique in the cluster.
	Name string `yaml:"name"`
	// Mode is System or User; User if not set.
	Mode string `yaml:"mode,omitempty"`
	// Count of nodes, 1 to 1000.
	Count int `yaml:"count"`
	// Zones that the nodes are spread over in turn; may be empty.
	Zones []string `yaml:"zones,omitempty"`
	// CPU and Memory of a node as Kubernetes quantities; 4 and 16Gi if not set.
	CPU    string `yaml:"cpu,omitempty"`
	Memory string `yaml:"memory,omitempty"`
	// MaxPods of a node; 110 if not set.
	MaxPods int `yaml:"maxPods,omitempty"`
	// Image of the nodes; the oldest on offer if not set.
	Image string `yaml:"image,omitempty"`
	// Version of the nodes' kubelets; the cluster's if not set.
	Version string `yaml:"version,omitempty"`
}

// Kinds of workloads.
const (
	Deployment  = "Deployment"
	StatefulSet = "StatefulSet"
	DaemonSet   = "DaemonSet"
	Job         = "Job"
	Pod         = "Pod"
)

// Workload is one object with pods, with its budget and service.
type Workload struct {
	// Kind is Deployment, StatefulSet, DaemonSet, Job or Pod.
	Kind string `yaml:"kind"`
	// Name, and Namespace ("default" if not set), which is created.
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace,omitempty"`
	// Replicas of a Deployment or StatefulSet, pods of a Job; 1 if not set.
	Replicas int `yaml:"replicas,omitempty"`
	// PDB is the workload's PodDisruptionBudget; none if not set.
	PDB *PDB `yaml:"pdb,omitempty"`
	// StartDelay until a pod on a node is Ready, StopDelay from its deletion to its end; 1s each if not set. A pod
	// never takes longer to stop than its grace period.
	StartDelay Duration `yaml:"startDelay,omitempty"`
	StopDelay  Duration `yaml:"stopDelay,omitempty"`
	// RunTime of a Job's pod; 5s if not set.
	RunTime Duration `yaml:"runTime,omitempty"`
	// TerminationGracePeriod in whole seconds; 30s if not set.
	TerminationGracePeriod Duration `yaml:"terminationGracePeriod,omitempty"`
	// NodePool whose nodes alone run the pods; empty: any node.
	NodePool string `yaml:"nodePool,omitempty"`
	// Service makes a Service for the pods.
	Service bool `yaml:"service,omitempty"`
	// CPU that a pod requests; 100m if not set.
	CPU string `yaml:"cpu,omitempty"`
}

// PDB is a budget of disruptions; exactly one of the two is set, as a number or a percentage.
type PDB struct {
	// MinAvailable pods that stay ready.
	MinAvailable string `yaml:"minAvailable,omitempty"`
	// MaxUnavailable pods that may be missing.
	MaxUnavailable string `yaml:"maxUnavailable,omitempty"`
}

// Duration is a time.Duration written as in Go: 1.5s, 300ms. Nil-able: a set 0s is not the same as nothing.
type Duration struct {
	value time.Duration
	set   bool
}

// Of is a set duration.
func Of(d time.Duration) Duration { return Duration{value: d, set: true} }

// Or is the duration, or the other one when it is not set.
func (d Duration) Or(other time.Duration) time.Duration {
	if d.set {
		return d.value
	}
	return other
}
