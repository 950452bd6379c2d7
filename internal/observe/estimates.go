// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/estimate"
)

// learnEvery is how old what was learned from a fleet's history may become: a few upgrades more change a percentile
// little, and reading thousands of records in every pass would be most of what a pass does.
const learnEvery = 5 * time.Minute

// Estimates remember how long steps take in each fleet. The zero value remembers nothing.
type Estimates struct {
	mu      sync.Mutex
	byFleet map[string]learned
}

type learned struct {
	model *estimate.Model
	at    time.Time
}

// Of a fleet, by its namespace, learned from the cluster upgrades that the hub has.
func (e *Estimates) Of(ctx context.Context, hub client.Reader, fleet string, now time.Time) (*estimate.Model, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l, ok := e.byFleet[fleet]; ok && now.Sub(l.at) < learnEvery && !now.Before(l.at) {
		return l.model, nil
	}
	model, err := learn(ctx, hub, fleet)
	if err != nil {
		return nil, err
	}
	if e.byFleet == nil {
		e.byFleet = map[string]learned{}
	}
	e.byFleet[fleet] = learned{model, now}
	return model, nil
}

// learn how long steps take from what every run has done to the clusters of a fleet.
func learn(ctx context.Context, hub client.Reader, fleet string) (*estimate.Model, error) {
	var upgrades v1alpha1.ClusterUpgradeList
	if err := hub.List(ctx, &upgrades, client.InNamespace(fleet), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	var clusters v1alpha1.ClusterList
	if err := hub.List(ctx, &clusters, client.InNamespace(fleet), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	return estimate.Learn(pointers(upgrades.Items), pointers(clusters.Items)), nil
}

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}
