// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
)

// SurgeAndUnavailable resolves how many nodes more than usual a pool may have and how many may be missing, for a
// pool of size nodes. maxSurge is rounded up and maxUnavailable down, so that neither takes more capacity away than
// was allowed; maxSurge that is not set is 10 %. Both 0 means that no node can ever be renewed.
func SurgeAndUnavailable(r v1alpha1.NodeRollout, size int) (surge, unavailable int) {
	surge = (size + 9) / 10
	if r.MaxSurge != nil {
		surge = portion(r.MaxSurge, size, 99)
	}
	return surge, min(portion(r.MaxUnavailable, size, 0), size)
}

// portion resolves a number or a percentage of size; up is added to the hundredths before they are cut off, so 99
// rounds up and 0 rounds down. What cannot be read is 0.
func portion(v *intstr.IntOrString, size, up int) int {
	if v == nil {
		return 0
	}
	if v.Type == intstr.Int {
		return max(0, v.IntValue())
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(v.StrVal, "%"))
	if err != nil {
		return 0
	}
	return max(0, size*percent+up) / 100
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
	all := p.s.Cluster.Spec.NodeRollout
	r := all.NodeRollout
	for _, own := range all.Pools {
		if own.Name != pool {
			continue
		}
		r.MaxSurge = first(own.MaxSurge, r.MaxSurge)
		r.MaxUnavailable = first(own.MaxUnavailable, r.MaxUnavailable)
		r.DrainTimeout = first(own.DrainTimeout, r.DrainTimeout)
		r.NodeSoak = first(own.NodeSoak, r.NodeSoak)
		r.NodeReadyTimeout = first(own.NodeReadyTimeout, r.NodeReadyTimeout)
		if own.Undrainable != "" {
			r.Undrainable = own.Undrainable
		}
	}
	return settings{
		rollout:          r,
		drainTimeout:     duration(r.DrainTimeout, 30*time.Minute),
		nodeSoak:         duration(r.NodeSoak, 0),
		nodeReadyTimeout: duration(r.NodeReadyTimeout, 15*time.Minute),
		quarantine:       r.Undrainable == v1alpha1.UndrainableQuarantine,
	}
}

func first[T any](own, common *T) *T {
	if own != nil {
		return own
	}
	return common
}

func duration(d *metav1.Duration, unset time.Duration) time.Duration {
	if d == nil {
		return unset
	}
	return d.Duration
}
