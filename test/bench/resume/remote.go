// SPDX-License-Identifier: Apache-2.0

package resume

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"sengu.dev/sengu/internal/providers/simulated"
	"sengu.dev/sengu/provider"
)

// The simulated clusters live in this process, and the controllers that are killed in another one, as those of a cloud
// do. What is between them is as simple as it can be.

// call is one request to the cloud, and reply its answer.
type call struct {
	Key     string // of the cluster
	Verb    string
	ID      string                          `json:",omitempty"`
	Upgrade provider.UpgradeRequest         `json:",omitzero"`
	Pool    provider.NodePoolUpgradeRequest `json:",omitzero"`
}

type reply struct {
	Description *provider.Description `json:",omitempty"`
	Offers      *provider.Offers      `json:",omitempty"`
	Operation   *provider.Operation   `json:",omitempty"`
	// Problem is why it could not be done: one sentence.
	Problem string `json:",omitempty"`
}

// The verbs of a call.
const (
	verbDescribe  = "describe"
	verbOffers    = "offers"
	verbOperation = "operation"
	verbUpgrade   = "upgrade"
	verbPool      = "upgradePool"
)

// cloud answers calls and notes when each cluster was first looked at, and first changed, since it was last asked to.
type cloud struct {
	world *simulated.World

	mu              sync.Mutex
	keys            map[string]bool // request keys that are known
	looked, changed map[string]time.Time
}

func newCloud(w *simulated.World) *cloud {
	c := &cloud{world: w, keys: map[string]bool{}}
	c.reset()
	return c
}

// reset begins to note anew.
func (c *cloud) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked, c.changed = map[string]time.Time{}, map[string]time.Time{}
}

// counts clusters that were looked at, and changed.
func (c *cloud) counts() (looked, changed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.looked), len(c.changed)
}

// span is when the first and the last cluster of those were noted.
func (c *cloud) span(of map[string]time.Time) (first, last time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, at := range of {
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return first, last
}

// note that the upgrade of a cluster was looked at, and whether something new was asked for.
func (c *cloud) note(cluster, requestKey string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if _, ok := c.looked[cluster]; !ok {
		c.looked[cluster] = now
	}
	if _, ok := c.changed[cluster]; !ok && requestKey != "" && !c.keys[requestKey] {
		c.changed[cluster] = now
	}
	if requestKey != "" {
		c.keys[requestKey] = true
	}
}

// ServeHTTP answers one call.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q call
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var a reply
	var err error
	p := c.world.Open(q.Key, *spec())
	switch q.Verb {
	case verbDescribe:
		a.Description, err = p.Describe(r.Context())
	case verbOffers:
		a.Offers, err = p.Offers(r.Context())
	case verbOperation:
		c.note(q.Key, "")
		a.Operation, err = p.Operation(r.Context(), q.ID)
	case verbUpgrade:
		c.note(q.Key, q.Upgrade.Key)
		a.Operation, err = p.StartUpgrade(r.Context(), q.Upgrade)
	case verbPool:
		c.note(q.Key, q.Pool.Key)
		a.Operation, err = p.(provider.NodePoolUpgrader).StartNodePoolUpgrade(r.Context(), q.Pool)
	}
	if err != nil {
		a = reply{Problem: err.Error()}
	}
	_ = json.NewEncoder(w).Encode(a)
}

// remote is a cluster as the controllers' process reaches it.
type remote struct{ url, key string }

func (r *remote) call(ctx context.Context, q call) (*reply, error) {
	q.Key = r.key
	body, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, provider.Retry(provider.CodeUnreachable, err, "the cloud does not answer")
	}
	defer func() { _ = response.Body.Close() }()
	var a reply
	if err := json.NewDecoder(response.Body).Decode(&a); err != nil {
		return nil, provider.Retry(provider.CodeUnreachable, err, "the cloud does not make sense")
	}
	if a.Problem != "" {
		return nil, provider.Retry(provider.CodeUnreachable, nil, "%s", a.Problem)
	}
	return &a, nil
}

// Describe says what the cluster is now.
func (r *remote) Describe(ctx context.Context) (*provider.Description, error) {
	a, err := r.call(ctx, call{Verb: verbDescribe})
	if err != nil {
		return nil, err
	}
	return a.Description, nil
}

// Offers lists what the cluster can move to.
func (r *remote) Offers(ctx context.Context) (*provider.Offers, error) {
	a, err := r.call(ctx, call{Verb: verbOffers})
	if err != nil {
		return nil, err
	}
	return a.Offers, nil
}

func (r *remote) operation(ctx context.Context, q call) (*provider.Operation, error) {
	a, err := r.call(ctx, q)
	if err != nil {
		return nil, err
	}
	return a.Operation, nil
}

// Operation looks at an operation.
func (r *remote) Operation(ctx context.Context, id string) (*provider.Operation, error) {
	return r.operation(ctx, call{Verb: verbOperation, ID: id})
}

// StartUpgrade starts the upgrade of the control plane.
func (r *remote) StartUpgrade(ctx context.Context, q provider.UpgradeRequest) (*provider.Operation, error) {
	return r.operation(ctx, call{Verb: verbUpgrade, Upgrade: q})
}

// StartNodePoolUpgrade starts the upgrade of the pool.
func (r *remote) StartNodePoolUpgrade(ctx context.Context, q provider.NodePoolUpgradeRequest) (*provider.Operation, error) {
	return r.operation(ctx, call{Verb: verbPool, Pool: q})
}
