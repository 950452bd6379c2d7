// SPDX-License-Identifier: Apache-2.0

package budget

import (
	"strconv"
	"strings"

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

// NodeRollout of a pool: its own settings where they are set, else the cluster's.
func NodeRollout(all v1alpha1.ClusterNodeRollout, pool string) v1alpha1.NodeRollout {
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
	return r
}

func first[T any](own, common *T) *T {
	if own != nil {
		return own
	}
	return common
}
