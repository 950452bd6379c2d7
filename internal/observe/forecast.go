// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// LookAhead observes what a forecast of a run depends on: what the run does, and how long steps take. Like LookAtRun it
// reads the hub only.
func LookAhead(ctx context.Context, hub client.Reader, run *v1alpha1.UpgradeRun) (rollout.Snapshot, error) {
	s, err := LookAtRun(ctx, hub, run)
	if err != nil {
		return s, err
	}
	s.Estimates, err = learn(ctx, hub, run.Namespace)
	return s, err
}
