// SPDX-License-Identifier: Apache-2.0

// Package act executes what the deciders decided. Every action is idempotent: executing it again after a crash
// or a lost answer changes nothing twice.
package act

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/upgrade"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// parallelCalls bounds the calls to one cluster at a time: enough to empty ten nodes at once, and far below
// what an API server's priority and fairness gives one client.
const parallelCalls = 16

// Target is what the actions of a cluster upgrade work on.
type Target struct {
	// Provider of the cluster.
	Provider provider.Provider
	// Member is access to the cluster's own API; nil when the provider moves the nodes.
	Member member.Access
	// Owner marks the nodes that this cluster upgrade cordons.
	Owner string
	// Leads says whether this process may change anything now; nil: it always may. It is asked before every change,
	// because a process can stand still between any two of them for as long as it takes another one to take over.
	Leads func() bool
}

// ErrNotLeading says that another process may be at work on the same, so that nothing was done. It is not a failure of
// the work: who leads goes on with it.
var ErrNotLeading = errors.New("this process does not lead any more")

func (t Target) leads() bool { return t.Leads == nil || t.Leads() }

// Outcome is what became of the actions.
type Outcome struct {
	// Started operations by request key.
	Started map[string]*provider.Operation
	// Failures by request key for operations, by node for cordons. Refused evictions are not failures: the
	// budget is waited out.
	Failures map[string]error
	// Evicted pods: granted. Refused: the budget said no.
	Evicted, Refused int32
}

// Upgrade executes the actions of a cluster upgrade: first the changes of nodes and the operations in their
// order, then the evictions side by side. What is left when this process does not lead any more is not done.
func Upgrade(ctx context.Context, t Target, actions []upgrade.Action) Outcome {
	out := Outcome{Started: map[string]*provider.Operation{}, Failures: map[string]error{}}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(parallelCalls)
	for _, a := range actions {
		if !t.leads() {
			break
		}
		switch a.Kind {
		case upgrade.ActionCordon, upgrade.ActionUncordon, upgrade.ActionQuarantine:
			if err := changeNode(ctx, t, a); err != nil {
				out.Failures[a.Node] = err
			}
		case upgrade.ActionEvict:
			g.Go(func() error {
				if !t.leads() {
					return nil
				}
				err := evict(ctx, t, a)
				mu.Lock()
				defer mu.Unlock()
				out.countEviction(a, err)
				return nil
			})
		default:
			op, err := start(ctx, t.Provider, a)
			if err != nil {
				out.Failures[a.RequestKey] = err
				continue
			}
			out.Started[a.RequestKey] = op
		}
	}
	_ = g.Wait()
	return out
}

// Steer asks the scheduler to keep replacements off the outdated nodes, and takes that back from all others. It is
// cheap when nothing changes. A member that cannot steer is left as it is.
func Steer(ctx context.Context, t Target, outdated []string) error {
	steerer, ok := t.Member.(member.Steerer)
	if !ok {
		return nil
	}
	if !t.leads() {
		return ErrNotLeading
	}
	return steerer.Steer(ctx, t.Owner, outdated)
}

func (o *Outcome) countEviction(a upgrade.Action, err error) {
	var refused *member.RefusedError
	switch {
	case err == nil:
		o.Evicted++
	case errors.As(err, &refused):
		o.Refused++
	default:
		o.Failures[a.Pod.Node] = err
	}
}

func changeNode(ctx context.Context, t Target, a upgrade.Action) error {
	if t.Member == nil {
		return noMember(a)
	}
	switch a.Kind {
	case upgrade.ActionCordon:
		return t.Member.Cordon(ctx, a.Node, t.Owner)
	case upgrade.ActionUncordon:
		return t.Member.Uncordon(ctx, a.Node, t.Owner)
	default:
		return t.Member.Quarantine(ctx, a.Node, t.Owner, a.Reason)
	}
}

func evict(ctx context.Context, t Target, a upgrade.Action) error {
	if t.Member == nil {
		return noMember(a)
	}
	return t.Member.Evict(ctx, member.PodRef{Namespace: a.Pod.Namespace, Name: a.Pod.Name, UID: a.Pod.UID})
}

func noMember(a upgrade.Action) error {
	return provider.Retry(v1alpha1.ReasonMemberUnreachable, nil, "%s of node %s needs the cluster's API, which cannot be reached now", a.Kind, a.Node)
}

func start(ctx context.Context, p provider.Provider, a upgrade.Action) (*provider.Operation, error) {
	switch a.Kind {
	case upgrade.ActionUpgradeControlPlane:
		return p.StartUpgrade(ctx, provider.UpgradeRequest{Key: a.RequestKey, Version: a.Version})
	case upgrade.ActionUpgradeNodePool:
		if pools, ok := p.(provider.NodePoolUpgrader); ok {
			return pools.StartNodePoolUpgrade(ctx, provider.NodePoolUpgradeRequest{
				Key: a.RequestKey, Pool: a.Pool, Version: a.Version, Image: a.Image,
				MaxSurge: a.MaxSurge, MaxUnavailable: a.MaxUnavailable, DrainTimeout: a.DrainTimeout, NodeSoak: a.NodeSoak,
			})
		}
	case upgrade.ActionAddNode, upgrade.ActionReplaceNode, upgrade.ActionRemoveNode:
		if nodes, ok := p.(provider.NodeReplacer); ok {
			return startNode(ctx, nodes, a)
		}
	}
	return nil, provider.Rejected(v1alpha1.ReasonCapabilityMissing, "the provider cannot do %s: use a provider that can", a.Kind)
}

func startNode(ctx context.Context, nodes provider.NodeReplacer, a upgrade.Action) (*provider.Operation, error) {
	switch a.Kind {
	case upgrade.ActionAddNode:
		return nodes.AddNode(ctx, provider.AddNodeRequest{Key: a.RequestKey, Pool: a.Pool, Version: a.Version, Image: a.Image})
	case upgrade.ActionReplaceNode:
		return nodes.ReplaceNode(ctx, provider.ReplaceNodeRequest{Key: a.RequestKey, Pool: a.Pool, Node: a.Node, Version: a.Version, Image: a.Image})
	default:
		return nodes.RemoveNode(ctx, provider.RemoveNodeRequest{Key: a.RequestKey, Pool: a.Pool, Node: a.Node})
	}
}
