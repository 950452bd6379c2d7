// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/internal/providers/local"
	"sengu.dev/sengu/provider"
)

// openers are the providers of this binary, by their key in the API.
func openers() map[string]observe.Opener {
	return map[string]observe.Opener{
		"local": openLocal,
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
