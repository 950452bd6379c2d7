// SPDX-License-Identifier: Apache-2.0

package estimate

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// defaults are what is assumed of a provider that the fleet has no history of.
type defaults struct {
	controlPlane, node Duration
}

const minute = time.Minute

// The simulated provider's durations where its cluster sets none, as its API documents them.
const (
	simulatedControlPlane = 10 * minute
	simulatedNode         = 4 * minute
)

// aks is on the slow side on purpose: a window that is planned too long costs less than one that is too short. Azure
// promises no times; people report 3 to 4 minutes a node without pods that resist, and 5 to 15 minutes a control plane.
var aks = defaults{
	controlPlane: Duration{P50: 10 * minute, P90: 20 * minute},
	node:         Duration{P50: 5 * minute, P90: 12 * minute},
}

// lab is a cluster of processes on this machine.
var lab = defaults{
	controlPlane: Duration{P50: 15 * time.Second, P90: 40 * time.Second},
	node:         Duration{P50: 10 * time.Second, P90: 40 * time.Second},
}

// defaultsOf a cluster. A simulated cluster takes as long as it is told to; where Sengu moves its nodes, pods that
// resist come on top.
func defaultsOf(c *v1alpha1.Cluster) defaults {
	switch p := &c.Spec.Provider; {
	case p.Simulated != nil:
		d := defaults{controlPlane: exactly(p.Simulated.ControlPlaneDuration, simulatedControlPlane), node: exactly(p.Simulated.NodeDuration, simulatedNode)}
		if !WholePools(c) {
			d.node.P90 *= 2
		}
		return d
	case p.Local != nil:
		return lab
	}
	return aks
}

func exactly(set *metav1.Duration, unset time.Duration) Duration {
	if set != nil {
		unset = max(0, set.Duration)
	}
	return Duration{P50: unset, P90: unset}
}

// providerOf names what a cluster can be compared with. Simulated clusters are alike when they are told to take as
// long as each other.
func providerOf(c *v1alpha1.Cluster) string {
	switch p := &c.Spec.Provider; {
	case p.Simulated != nil:
		d := defaultsOf(c)
		return fmt.Sprintf("simulated %s %s %s", d.controlPlane.P50, d.node.P50, p.Simulated.NodeStyle)
	case p.Local != nil:
		return "local"
	case p.AKS != nil:
		return "aks"
	}
	return ""
}

// WholePools says whether the provider renews the nodes of a cluster pool by pool, so that nothing can hold it
// between two nodes.
func WholePools(c *v1alpha1.Cluster) bool {
	p := &c.Spec.Provider
	return p.AKS != nil || p.Simulated != nil && p.Simulated.NodeStyle != "Sengu"
}
