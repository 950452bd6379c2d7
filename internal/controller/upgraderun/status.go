// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"k8s.io/apimachinery/pkg/api/equality"

	"sengu.dev/sengu/api/v1alpha1"
)

// same compares two records by meaning: an empty list equals none.
func same(a, b v1alpha1.UpgradeRunStatus) bool {
	return equality.Semantic.DeepEqual(a, b)
}
