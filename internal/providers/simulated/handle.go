// SPDX-License-Identifier: Apache-2.0

package simulated

import (
	"context"
	"time"

	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// handle is what both node styles have in common.
type handle struct{ c *Cluster }

// poolHandle is a cluster whose provider moves the nodes.
type poolHandle struct{ handle }

// nodeHandle is a cluster whose nodes Sengu moves.
type nodeHandle struct{ handle }

var (
	_ provider.Provider         = (*poolHandle)(nil)
	_ provider.NodePoolUpgrader = (*poolHandle)(nil)
	_ provider.Pacer            = (*poolHandle)(nil)
	_ provider.Provider         = (*nodeHandle)(nil)
	_ provider.NodeReplacer     = (*nodeHandle)(nil)
	_ provider.Pacer            = (*nodeHandle)(nil)
	_ member.Source             = (*nodeHandle)(nil)
)

// visit does something with a cluster as it is now, if the provider answers for it.
func visit[T any](ctx context.Context, c *Cluster, do func(now time.Time) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.invalid != nil {
		return none, provider.Rejected(provider.CodeUnknownVersion, "the cluster cannot be simulated: %v", c.invalid)
	}
	now := c.clock.Now()
	c.settle(now)
	if c.Unreachable {
		return none, provider.Retry(provider.CodeUnreachable, nil, "the simulated provider does not answer: its outage is played")
	}
	return do(now)
}

// Describe says what the cluster is now.
func (h *handle) Describe(ctx context.Context) (*provider.Description, error) {
	return visit(ctx, h.c, func(time.Time) (*provider.Description, error) {
		f := h.c.failure("Describe")
		switch {
		case f == nil:
			return h.c.describe(), nil
		case f.Code == provider.CodeUnauthorized:
			return nil, provider.Rejected(f.Code, "%s", f.Message)
		}
		return nil, provider.Retry(f.Code, nil, "%s", f.Message)
	})
}

// Offers lists what the cluster can move to now.
func (h *handle) Offers(ctx context.Context) (*provider.Offers, error) {
	return visit(ctx, h.c, func(time.Time) (*provider.Offers, error) { return offersFor(h.c.version), nil })
}

// Operation looks at an operation.
func (h *handle) Operation(ctx context.Context, id string) (*provider.Operation, error) {
	return visit(ctx, h.c, func(now time.Time) (*provider.Operation, error) {
		op := h.c.byID[id]
		if op == nil {
			return nil, provider.Rejected(provider.CodeOperationNotFound, "there is no operation %q", id)
		}
		return op.answer(now), nil
	})
}

// LookAgain is the next instant after now at which something changes by itself; zero: nothing does. It does not move
// the cluster on, so that a change between a caller's Describe and its LookAgain is not lost.
func (h *handle) LookAgain(now time.Time) time.Time {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	switch next := h.c.next; {
	case h.c.changedAt.After(now): // somebody else looked later than the caller
		return h.c.changedAt
	case next.IsZero() || next.After(now):
		return next
	}
	return now.Add(time.Nanosecond)
}

// StartUpgrade starts the upgrade of the control plane.
func (h *handle) StartUpgrade(ctx context.Context, r provider.UpgradeRequest) (*provider.Operation, error) {
	return h.start(ctx, r.Key, request{Kind: kindControlPlane, Version: r.Version})
}

// StartNodePoolUpgrade starts the upgrade of the pool. The time that a drain takes is in the scripted duration.
func (h *poolHandle) StartNodePoolUpgrade(ctx context.Context, r provider.NodePoolUpgradeRequest) (*provider.Operation, error) {
	return h.start(ctx, r.Key, request{
		Kind: kindNodePool, Pool: r.Pool, Version: r.Version, Image: r.Image,
		Surge: r.MaxSurge, Unavailable: r.MaxUnavailable, DrainTimeout: r.DrainTimeout, Soak: r.NodeSoak,
	})
}

// AddNode starts to add a node.
func (h *nodeHandle) AddNode(ctx context.Context, r provider.AddNodeRequest) (*provider.Operation, error) {
	return h.start(ctx, r.Key, request{Kind: kindAddNode, Pool: r.Pool, Version: r.Version, Image: r.Image})
}

// ReplaceNode starts to replace a node: it is gone at once, and its successor comes at the operation's end.
func (h *nodeHandle) ReplaceNode(ctx context.Context, r provider.ReplaceNodeRequest) (*provider.Operation, error) {
	return h.start(ctx, r.Key, request{Kind: kindReplaceNode, Pool: r.Pool, Node: r.Node, Version: r.Version, Image: r.Image})
}

// RemoveNode starts to remove a node: it is gone at once.
func (h *nodeHandle) RemoveNode(ctx context.Context, r provider.RemoveNodeRequest) (*provider.Operation, error) {
	return h.start(ctx, r.Key, request{Kind: kindRemoveNode, Pool: r.Pool, Node: r.Node})
}

// Member returns access to the played API of the cluster itself.
func (h *nodeHandle) Member() member.Access { return &access{h.c} }

func (h *handle) start(ctx context.Context, key string, asked request) (*provider.Operation, error) {
	return visit(ctx, h.c, func(now time.Time) (*provider.Operation, error) {
		op, err := h.c.begin(key, asked, now)
		if err != nil {
			return nil, err
		}
		return op.answer(now), nil
	})
}
