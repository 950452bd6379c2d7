// SPDX-License-Identifier: Apache-2.0

// Package objects builds the Kubernetes objects of a lab cluster: nodes as KWOK plays them, and workloads.
package objects

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/internal/lab/fleet"
	"sengu.dev/sengu/internal/labapi"
)

// Labels and annotations of nodes and pods. The first three are what tools outside the lab read.
const (
	// PoolLabel holds the name of a node's pool.
	PoolLabel = "sengu.dev/node-pool"
	// ModeLabel holds System or User; nodes of System pools have a soft taint of the same key.
	ModeLabel = "sengu.dev/node-pool-mode"
	// ImageLabel holds a node's image.
	ImageLabel = "sengu.dev/node-image"

	// BootingAnnotation keeps a new node from becoming Ready until the lab takes it away.
	BootingAnnotation = "lab.sengu.dev/booting"
	// DeadAnnotation stops a node's heartbeat.
	DeadAnnotation = "lab.sengu.dev/dead"
	// FrozenAnnotation keeps a pod as it is: its node is dead.
	FrozenAnnotation = "lab.sengu.dev/frozen"
	// StartDelayAnnotation is how long a pod takes to become Ready once it has a node, as 1.5s or 300ms.
	StartDelayAnnotation = "lab.sengu.dev/start-delay"
	// StopDelayAnnotation is how long a pod takes to end once it is deleted, as 1.5s or 300ms.
	StopDelayAnnotation = "lab.sengu.dev/stop-delay"
	// RunTimeAnnotation is how long a Job's pod works, as 1.5s or 300ms.
	RunTimeAnnotation = "lab.sengu.dev/run-time"

	kwokAnnotation = "kwok.x-k8s.io/node"
)

// Machine is a node to build.
type Machine struct {
	// Node is its name, version, image and zone.
	Node labapi.Node
	// Pool it belongs to.
	Pool fleet.NodePool
	// Region of the cluster; may be empty.
	Region string
	// Booting machines are not Ready until the annotation is taken away.
	Booting bool
}

// Node builds the Node object of a machine.
func Node(m Machine) *corev1.Node {
	labels := map[string]string{
		PoolLabel:                      m.Pool.Name,
		ModeLabel:                      m.Pool.Mode,
		ImageLabel:                     m.Node.Image,
		corev1.LabelHostname:           m.Node.Name,
		corev1.LabelOSStable:           "linux",
		corev1.LabelArchStable:         "amd64",
		corev1.LabelInstanceTypeStable: fmt.Sprintf("lab-%s-%s", m.Pool.CPU, m.Pool.Memory),
	}
	maps.Copy(labels, optional(corev1.LabelTopologyZone, m.Node.Zone))
	maps.Copy(labels, optional(corev1.LabelTopologyRegion, m.Region))
	annotations := map[string]string{kwokAnnotation: "fake"}
	if m.Booting {
		annotations[BootingAnnotation] = "true"
	}
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse(m.Pool.CPU),
		corev1.ResourceMemory:           resource.MustParse(m.Pool.Memory),
		corev1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
		corev1.ResourcePods:             *resource.NewQuantity(int64(m.Pool.MaxPods), resource.DecimalSI),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: m.Node.Name, Labels: labels, Annotations: annotations},
		Status: corev1.NodeStatus{
			Capacity:    capacity,
			Allocatable: capacity,
			NodeInfo: corev1.NodeSystemInfo{
				KubeletVersion:          "v" + m.Node.Version,
				OSImage:                 m.Node.Image,
				OperatingSystem:         "linux",
				Architecture:            "amd64",
				KernelVersion:           "lab",
				ContainerRuntimeVersion: "lab://1.0",
			},
		},
	}
	if m.Pool.Mode == labapi.ModeSystem {
		// Soft: workloads stay away while there is another place, and a fleet with System pools only works too.
		node.Spec.Taints = []corev1.Taint{{Key: ModeLabel, Value: labapi.ModeSystem, Effect: corev1.TaintEffectPreferNoSchedule}}
	}
	return node
}

func optional(key, value string) map[string]string {
	if value == "" {
		return nil
	}
	return map[string]string{key: value}
}
