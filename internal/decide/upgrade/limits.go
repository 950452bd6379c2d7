// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/budget"
)

// SurgeAndUnavailable resolves how many nodes more than usual a pool may have and how many may be missing, for a
// pool of size nodes. Both 0 means that no node can ever be renewed.
func SurgeAndUnavailable(r v1alpha1.NodeRollout, size int) (surge, unavailable int) {
	return budget.SurgeAndUnavailable(r, size)
}

// settings are a pool's node rollout with everything filled in.
type settings struct {
	rollout                                  v1alpha1.NodeRollout
	drainTimeout, nodeSoak, nodeReadyTimeout time.Duration
	quarantine                               bool
}

func (r settings) limits(size int) (surge, unavailable int) {
	return SurgeAndUnavailable(r.rollout, size)
}

// settings of a pool: its own where they are set, else the cluster's, else the defaults.
func (p *pass) settings(pool string) settings {
	r := budget.NodeRollout(p.s.Cluster.Spec.NodeRollout, pool)
	return settings{
		rollout:          r,
		drainTimeout:     duration(r.DrainTimeout, 30*time.Minute),
		nodeSoak:         duration(r.NodeSoak, 0),
		nodeReadyTimeout: duration(r.NodeReadyTimeout, 15*time.Minute),
		quarantine:       r.Undrainable == v1alpha1.UndrainableQuarantine,
	}
}

func duration(d *metav1.Duration, unset time.Duration) time.Duration {
	if d == nil {
		return unset
	}
	return d.Duration
}
