// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"k8s.io/utils/clock"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/internal/providers/local"
	"sengu.dev/sengu/internal/providers/simulated"
	"sengu.dev/sengu/provider"
)

// openers are the providers of this binary, by their key in the API. Simulated clusters live as long as the process:
// after a restart each begins anew at the version of its spec.
func openers() map[string]observe.Opener {
	world := simulated.NewWorld(simulated.Config{Clock: clock.RealClock{}})
	return map[string]observe.Opener{
		"local": openLocal,
		"simulated": func(_ context.Context, c *v1alpha1.Cluster, _ observe.SecretReader) (provider.Provider, error) {
			return world.Open(c.Namespace+"/"+c.Name, *c.Spec.Provider.Simulated), nil
		},
	}
}

// openLocal opens a cluster of a lab. Its token is read from the Secret each time, so that it can be rotated.
func openLocal(ctx context.Context, c *v1alpha1.Cluster, secret observe.SecretReader) (provider.Provider, error) {
	spec := c.Spec.Provider.Local
	token, err := secret(ctx, spec.TokenSecretRef)
	if err != nil {
		return nil, err
	}
	return local.Open(spec.Endpoint, spec.Cluster, string(token))
}
