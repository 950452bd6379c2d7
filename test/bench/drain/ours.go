// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	decide "sengu.dev/sengu/internal/decide/drain"
	"sengu.dev/sengu/internal/member"
)

const owner = "bench"

// drainer drives the product's own drain: the member's watches, Order, Decide, and evictions.
type drainer struct {
	arena    *arena
	access   member.Access
	steers   bool                 // replacements are kept off nodes that will be drained
	todo     map[string]bool      // nodes that were not started
	since    map[string]time.Time // nodes in hand, by when their drain began
	replaced chan result          // machines that came back
	busy     int                  // nodes in hand or being replaced
}

type result struct {
	node string
	err  error
}

// ours drains with Sengu, and steers replacements or not.
func ours(ctx context.Context, a *arena, steers bool) error {
	changed := make(chan struct{}, 1)
	members := member.NewDirectory(member.Config{Clock: clock.RealClock{}, Log: logr.Discard(), OnChange: func(string) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}})
	defer members.Close()
	access, err := members.Open(ctx, clusterName, a.kubeconfig)
	if err != nil {
		return err
	}
	d := &drainer{arena: a, access: access, steers: steers, todo: map[string]bool{}, since: map[string]time.Time{}, replaced: make(chan result, len(a.nodes))}
	for _, n := range a.nodes {
		d.todo[n] = true
	}
	for len(d.todo)+d.busy > 0 {
		next, err := d.pass(ctx)
		if err != nil {
			return err
		}
		var timer <-chan time.Time
		if !next.IsZero() {
			timer = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d nodes were not done: %w", len(d.todo)+d.busy, ctx.Err())
		case <-changed:
		case <-timer:
		case r := <-d.replaced:
			if r.err != nil {
				return r.err
			}
			d.busy--
		}
	}
	return nil
}

// pass looks once, and does what there is to do.
func (d *drainer) pass(ctx context.Context) (next time.Time, err error) {
	v, err := d.access.View(ctx)
	if err != nil {
		return time.Time{}, nil //nolint:nilerr // not there yet: a change will tell
	}
	if err := d.steer(ctx); err != nil {
		return time.Time{}, err
	}
	budgets := budgetsOf(v)
	if err := d.begin(ctx, v, budgets); err != nil {
		return time.Time{}, err
	}
	s := decide.Snapshot{Budgets: budgets, Timeout: d.arena.config.Limit}
	for _, n := range v.Nodes() {
		since, ok := d.since[n.Name]
		if !ok || !n.Spec.Unschedulable { // a pod may still come until the cordon shows
			continue
		}
		s.Nodes = append(s.Nodes, decide.Node{Name: n.Name, Since: since, Ready: ready(n)})
		s.Pods = append(s.Pods, podsOn(v, n.Name)...)
	}
	decision := decide.Decide(s, time.Now())
	var evictions errgroup.Group
	evictions.SetLimit(16)
	for _, e := range decision.Evict {
		evictions.Go(func() error {
			// A refusal is remembered by the access, and waited out.
			_ = d.access.Evict(ctx, member.PodRef{Namespace: e.Namespace, Name: e.Name, UID: e.UID})
			return nil
		})
	}
	_ = evictions.Wait()
	for _, n := range decision.Nodes {
		if n.Drained {
			delete(d.since, n.Name)
			go func() { d.replaced <- result{n.Name, d.arena.replace(ctx, n.Name)} }()
		}
	}
	return decision.NextLook, nil
}

// steer marks the nodes that are still to come; new ones have another name.
func (d *drainer) steer(ctx context.Context) error {
	s, ok := d.access.(member.Steerer)
	if !d.steers || !ok {
		return nil
	}
	return s.Steer(ctx, owner, slices.Collect(maps.Keys(d.todo)))
}

// begin cordons as many nodes as may be away, the best choice first.
func (d *drainer) begin(ctx context.Context, v member.View, budgets []decide.Budget) error {
	room := min(d.arena.config.Parallel-d.busy, len(d.todo))
	if room <= 0 {
		return nil
	}
	var names []string
	var pods []decide.Pod
	for name := range d.todo {
		names = append(names, name)
		pods = append(pods, podsOn(v, name)...)
	}
	for _, l := range decide.Order(decide.Loads(names, pods, budgets), budgets)[:room] {
		if err := d.access.Cordon(ctx, l.Node, owner); err != nil {
			return err
		}
		delete(d.todo, l.Node)
		d.since[l.Node] = time.Now()
		d.busy++
	}
	return nil
}

func podsOn(v member.View, node string) []decide.Pod {
	var out []decide.Pod
	for _, p := range v.PodsOn(node) {
		pod := decide.FromPod(p)
		granted, refusedUntil := v.Eviction(pod.UID)
		pod.Evicting = !granted.IsZero() && pod.DeletionAt.IsZero()
		pod.RefusedUntil = refusedUntil
		out = append(out, pod)
	}
	return out
}

func budgetsOf(v member.View) []decide.Budget {
	var out []decide.Budget
	for _, b := range v.Budgets() {
		if budget, err := decide.FromBudget(b); err == nil {
			out = append(out, budget)
		}
	}
	return out
}

func ready(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
