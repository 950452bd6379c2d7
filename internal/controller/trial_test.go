// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// trial is one fleet that lives through a story with processes that die where it says.
type trial struct {
	story *story
	lives []*life // one for each process

	arena     *arena
	namespace string
	ended     chan struct{}
	// person is what the person has come to, and stuck why the story has no end.
	person, stuck string

	mu       sync.Mutex
	created  map[string]int    // objects by kind and name: how often
	requests map[string]string // what was asked for, by its key
	faults   []string
}

func (tr *trial) fault(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.faults = append(tr.faults, fmt.Sprintf(format, args...))
}

func (tr *trial) noteCreated(what string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.created[what]++
}

// seen is what a person sees of the fleet.
type seen struct {
	run      *v1alpha1.UpgradeRun // nil: gone
	upgrades []v1alpha1.ClusterUpgrade
	clusters []v1alpha1.Cluster
}

// look reads the fleet. What it returns is not to be changed: a cache's objects are not copied.
func (tr *trial) look(ctx context.Context, from client.Reader) (s seen, err error) {
	var runs v1alpha1.UpgradeRunList
	var upgrades v1alpha1.ClusterUpgradeList
	var clusters v1alpha1.ClusterList
	for _, list := range []client.ObjectList{&runs, &upgrades, &clusters} {
		if err := from.List(ctx, list, client.InNamespace(tr.namespace), client.UnsafeDisableDeepCopy); err != nil {
			return s, err
		}
	}
	if len(runs.Items) > 0 {
		s.run = &runs.Items[0]
	}
	s.upgrades, s.clusters = upgrades.Items, clusters.Items
	return s, nil
}

// live is the person of the story: waits, acts, and in the end sees what became of it.
func (tr *trial) live(ctx context.Context) {
	defer close(tr.ended)
	for _, step := range tr.story.person {
		tr.person = step.name
		if !tr.until(ctx, step.when) {
			return
		}
		if err := step.do(ctx, tr); err != nil {
			tr.stuck = fmt.Sprintf("the person cannot %s: %v", step.name, err)
			return
		}
	}
	tr.person = "wait for the end"
	tr.until(ctx, func(s seen) bool { return tr.story.over(s) && free(s) })
}

// free says whether no run has a claim on a cluster any more.
func free(s seen) bool {
	return !slices.ContainsFunc(s.clusters, func(c v1alpha1.Cluster) bool { return c.Status.ActiveRun != "" })
}

func (tr *trial) until(ctx context.Context, when func(seen) bool) bool {
	for {
		s, err := tr.look(ctx, tr.arena.sight)
		if err == nil && when(s) {
			return true
		}
		select {
		case <-ctx.Done():
			tr.stuck = fmt.Sprintf("the person still wants to %s; %s", tr.person, s)
			return false
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// String tells it to people.
func (s seen) String() string {
	var b strings.Builder
	if s.run == nil {
		b.WriteString("there is no run")
	} else {
		fmt.Fprintf(&b, "run %s", describe(s.run))
	}
	for i := range s.upgrades {
		fmt.Fprintf(&b, "\n    %s: %s", s.upgrades[i].Name, describe(&s.upgrades[i]))
	}
	for i := range s.clusters {
		if by := s.clusters[i].Status.ActiveRun; by != "" {
			fmt.Fprintf(&b, "\n    %s is claimed by %s", s.clusters[i].Name, by)
		}
	}
	return b.String()
}

// open opens a cluster for one of the processes.
func (tr *trial) open(generation int, c *v1alpha1.Cluster) provider.Provider {
	p := tr.arena.world.Open(tr.namespace+"/"+c.Name, *c.Spec.Provider.Simulated)
	asking := asking{tr: tr, life: tr.lives[generation], cluster: c.Name}
	if nodes, ok := p.(provider.NodeReplacer); ok {
		return &mortalNodes{Provider: p, Pacer: p.(provider.Pacer), nodes: nodes, source: p.(member.Source), asking: asking}
	}
	return &mortalPools{Provider: p, Pacer: p.(provider.Pacer), pools: p.(provider.NodePoolUpgrader), asking: asking}
}

// asking is how a process that may die asks a provider for something.
type asking struct {
	tr      *trial
	life    *life
	cluster string
}

// ask starts an operation. Its intent must be in the record, and its key must stand for nothing else.
func (a asking) ask(ctx context.Context, key, what, on string, start func() (*provider.Operation, error)) (op *provider.Operation, err error) {
	err = a.life.change(what, func() error {
		what := what + " " + on
		a.checkIntent(ctx, key)
		a.tr.mu.Lock()
		if before := a.tr.requests[key]; before != "" && before != what {
			a.tr.faults = append(a.tr.faults, fmt.Sprintf("the key %s stands for %q and for %q", key, before, what))
		}
		a.tr.requests[key] = what
		a.tr.mu.Unlock()
		op, err = start()
		return err
	})
	if err != nil {
		return nil, err
	}
	return op, nil
}

func (a asking) checkIntent(ctx context.Context, key string) {
	s, err := a.tr.look(ctx, a.tr.arena.hub)
	if err != nil {
		return // the process is being stopped
	}
	for i := range s.upgrades {
		for _, op := range s.upgrades[i].Status.Operations {
			if op.RequestKey == key {
				return
			}
		}
	}
	a.tr.fault("%s is asked for on %s, and no record holds its intent", key, a.cluster)
}

// mortalPools is a cluster whose provider moves the nodes, as a process that may die reaches it.
type mortalPools struct {
	provider.Provider
	provider.Pacer
	pools provider.NodePoolUpgrader
	asking
}

func (m *mortalPools) StartUpgrade(ctx context.Context, r provider.UpgradeRequest) (*provider.Operation, error) {
	return m.ask(ctx, r.Key, "upgrade the control plane to "+r.Version, "", func() (*provider.Operation, error) { return m.Provider.StartUpgrade(ctx, r) })
}

func (m *mortalPools) StartNodePoolUpgrade(ctx context.Context, r provider.NodePoolUpgradeRequest) (*provider.Operation, error) {
	return m.ask(ctx, r.Key, "upgrade a pool to "+r.Version, r.Pool, func() (*provider.Operation, error) { return m.pools.StartNodePoolUpgrade(ctx, r) })
}

// mortalNodes is a cluster whose nodes Sengu moves, as a process that may die reaches it.
type mortalNodes struct {
	provider.Provider
	provider.Pacer
	nodes  provider.NodeReplacer
	source member.Source
	asking
}

func (m *mortalNodes) StartUpgrade(ctx context.Context, r provider.UpgradeRequest) (*provider.Operation, error) {
	return m.ask(ctx, r.Key, "upgrade the control plane to "+r.Version, "", func() (*provider.Operation, error) { return m.Provider.StartUpgrade(ctx, r) })
}

func (m *mortalNodes) AddNode(ctx context.Context, r provider.AddNodeRequest) (*provider.Operation, error) {
	return m.ask(ctx, r.Key, "add a node", r.Pool, func() (*provider.Operation, error) { return m.nodes.AddNode(ctx, r) })
}

func (m *mortalNodes) ReplaceNode(ctx context.Context, r provider.ReplaceNodeRequest) (*provider.Operation, error) {
	return m.ask(ctx, r.Key, "replace a node", r.Node, func() (*provider.Operation, error) { return m.nodes.ReplaceNode(ctx, r) })
}

func (m *mortalNodes) RemoveNode(ctx context.Context, r provider.RemoveNodeRequest) (*provider.Operation, error) {
	return m.ask(ctx, r.Key, "remove a node", r.Node, func() (*provider.Operation, error) { return m.nodes.RemoveNode(ctx, r) })
}

// Member is access to the cluster's own API.
func (m *mortalNodes) Member() member.Access {
	access := m.source.Member()
	return &mortalMember{Access: access, steerer: access.(member.Steerer), life: m.life}
}

// mortalMember is a cluster's own API, as a process that may die reaches it.
type mortalMember struct {
	member.Access
	steerer member.Steerer
	life    *life
}

func (m *mortalMember) Cordon(ctx context.Context, node, owner string) error {
	return m.life.change("cordon", func() error { return m.Access.Cordon(ctx, node, owner) })
}

func (m *mortalMember) Uncordon(ctx context.Context, node, owner string) error {
	return m.life.change("uncordon", func() error { return m.Access.Uncordon(ctx, node, owner) })
}

func (m *mortalMember) Quarantine(ctx context.Context, node, owner, reason string) error {
	return m.life.change("quarantine", func() error { return m.Access.Quarantine(ctx, node, owner, reason) })
}

func (m *mortalMember) Evict(ctx context.Context, pod member.PodRef) error {
	return m.life.change("evict", func() error { return m.Access.Evict(ctx, pod) })
}

// Steer is called in every pass; it is a change when it changes something.
func (m *mortalMember) Steer(ctx context.Context, owner string, nodes []string) error {
	if v, err := m.View(ctx); err == nil {
		marked := map[string]bool{}
		for _, n := range v.Nodes() {
			if len(n.Spec.Taints) > 0 {
				marked[n.Name] = true
			}
		}
		if slices.Equal(slices.Sorted(maps.Keys(marked)), slices.Sorted(slices.Values(nodes))) {
			return nil
		}
	}
	return m.life.change("steer", func() error { return m.steerer.Steer(ctx, owner, nodes) })
}
