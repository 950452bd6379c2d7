// SPDX-License-Identifier: Apache-2.0

// Package simulated is the provider of clusters that exist in memory only: for rehearsals, forecasts and tests.
//
// Everything that happens in a World follows from its clock: an operation is a start, a duration and an outcome, and
// what has become of it by now is worked out when somebody looks. There are no goroutines and no timers, so a world
// of thousands of clusters costs nothing while nobody looks, and virtual time works as well as real time.
//
// A cluster has one pool. Its nodes are moved either by the provider, as AKS, EKS and GKE do, or by Sengu; then the
// provider also plays the cluster's own API, with workloads and a budget.
package simulated

import (
	"encoding/json"
	"fmt"
	"sync"

	"k8s.io/utils/clock"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/provider"
)

// Config is what a World needs.
type Config struct {
	// Clock that everything follows from.
	Clock clock.PassiveClock
}

// World holds simulated clusters by key. It is safe for concurrent use.
type World struct {
	clock clock.PassiveClock

	mu       sync.Mutex
	clusters map[string]*Cluster
}

// NewWorld returns a world without clusters.
func NewWorld(c Config) *World {
	return &World{clock: c.Clock, clusters: map[string]*Cluster{}}
}

// Open returns a handle on the cluster of a key. The cluster begins to exist, as spec says, when its key is opened
// for the first time; later specs do not change it. The handle is a provider.NodePoolUpgrader or, with node style
// Sengu, a provider.NodeReplacer and a member.Source.
func (w *World) Open(key string, spec v1alpha1.SimulatedProvider) provider.Provider {
	w.mu.Lock()
	c := w.clusters[key]
	if c == nil || c.invalid != nil {
		c = newCluster(key, spec, w.clock)
		w.clusters[key] = c
	}
	w.mu.Unlock()
	if c.Spec.NodeStyle == styleSengu {
		return &nodeHandle{handle{c}}
	}
	return &poolHandle{handle{c}}
}

// Cluster returns the cluster of a key, or nil when it was never opened.
func (w *World) Cluster(key string) *Cluster {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clusters[key]
}

// State returns the world as JSON, from which Restore goes on.
func (w *World) State() ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	states := map[string]json.RawMessage{}
	for key, c := range w.clusters {
		data, err := c.save()
		if err != nil {
			return nil, fmt.Errorf("save the simulated cluster %s: %w", key, err)
		}
		states[key] = data
	}
	return json.Marshal(states)
}

// Restore puts the clusters of an earlier State in place of those that the world has. What was under way goes on:
// time has passed for it. Handles that were opened before speak to clusters of the past; open them again.
func (w *World) Restore(data []byte) error {
	var states map[string]state
	if err := json.Unmarshal(data, &states); err != nil {
		return fmt.Errorf("restore the simulated world: %w", err)
	}
	clusters := map[string]*Cluster{}
	for key, s := range states {
		clusters[key] = restoreCluster(key, s, w.clock)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clusters = clusters
	return nil
}
