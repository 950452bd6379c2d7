// SPDX-License-Identifier: Apache-2.0

// Package drain measures how fast all nodes of a real cluster are drained and replaced: by Sengu's drain, by kubectl
// drain node by node, and by kubectl drain on several nodes at once.
//
// Each contestant gets a new lab cluster of the same definition, and the same machine replacement. A watcher with a
// client of its own looks at every change of every pod and asserts that no budget is ever violated.
package drain

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"sengu.dev/sengu/internal/lab"
	"sengu.dev/sengu/internal/labapi"
)

// Config of Run.
type Config struct {
	// Nodes of the cluster, and how many of them may be away at a time.
	Nodes, Parallel int
	// Workloads with as many Replicas each; a budget of maxUnavailable 10 % guards each of them.
	Workloads, Replicas int
	// Delay is the unit of the delays: pods start and stop in 3 to 6 of it, machines are replaced in 5.
	Delay time.Duration
	// Limit for each contestant; one that takes longer is shown as unfinished.
	Limit time.Duration
	// Binary is the path of sengu-lab.
	Binary string
	// Progress gets a line now and then.
	Progress io.Writer
}

// Default is what docs/benchmarks.md shows; binary is the path of sengu-lab.
func Default(binary string, progress io.Writer) Config {
	return Config{
		Nodes: 50, Parallel: 5, Workloads: 10, Replicas: 50, Delay: 500 * time.Millisecond, Limit: 8 * time.Minute,
		Binary: binary, Progress: progress,
	}
}

// Result of Run.
type Result struct {
	// Config as it was run.
	Config Config
	// Budgets is the bound by the budgets: pods to move ÷ budget × (stop + start), of the slowest workload.
	Budgets time.Duration
	// Waves is the bound by the nodes: waves of nodes × (slowest stop + replacement).
	Waves time.Duration
	// KubectlStart is what starting kubectl takes; it is part of each of its drains.
	KubectlStart time.Duration
	// Runs of the contestants.
	Runs []Figures
}

// Bound is the larger of the two bounds.
func (r Result) Bound() time.Duration { return max(r.Budgets, r.Waves) }

// SecondMoves is the bound by the budgets when the pods of the first nodes move twice: while no node is renewed yet,
// there are only nodes for them that are still to come.
func (r Result) SecondMoves() time.Duration {
	return r.Budgets + r.Budgets*time.Duration(r.Config.Parallel)/time.Duration(r.Config.Nodes)
}

// Figures of one contestant.
type Figures struct {
	// Name of the contestant.
	Name string
	// Took from the first cordon until the last new node is Ready, or until the limit was reached.
	Took time.Duration
	// Unfinished: the limit was reached.
	Unfinished bool
	// Granted and Refused evictions, by the API server's audit log.
	Granted, Refused int
	// Spare is the least number of healthy pods that any workload ever had above what its budget asks for.
	Spare int
	// Violations of a budget that the watcher saw.
	Violations int
	// Looks is how many changes of pods the watcher looked at.
	Looks int
}

// contestant drains and replaces all nodes of a cluster.
type contestant struct {
	name string
	run  func(ctx context.Context, c *arena) error
}

// Run lets all contestants run, one after the other. A violated budget is no error; it is in the figures.
func Run(ctx context.Context, c Config) (Result, error) {
	r := Result{Config: c}
	for _, w := range c.workloads() {
		r.Budgets = max(r.Budgets, time.Duration(ceilDiv(c.Replicas, c.budget()))*(w.stop+w.start))
		r.Waves = max(r.Waves, time.Duration(ceilDiv(c.Nodes, c.Parallel))*(w.stop+c.replacement()))
	}
	var err error
	if r.KubectlStart, err = kubectlStart(ctx, c.Binary); err != nil {
		return r, err
	}
	for _, who := range []contestant{
		{"Sengu", func(ctx context.Context, a *arena) error { return ours(ctx, a, true) }},
		{"Sengu, replacements not steered", func(ctx context.Context, a *arena) error { return ours(ctx, a, false) }},
		{fmt.Sprintf("kubectl drain, %d nodes at a time", c.Parallel), func(ctx context.Context, a *arena) error { return kubectl(ctx, a, c.Parallel) }},
		{"kubectl drain, node by node", func(ctx context.Context, a *arena) error { return kubectl(ctx, a, 1) }},
	} {
		f, err := c.measure(ctx, who)
		if err != nil {
			return r, fmt.Errorf("%s: %w", who.name, err)
		}
		r.Runs = append(r.Runs, f)
		fmt.Fprintf(c.Progress, "%s: %.1f s, %d evictions, %d refused, %d violations\n", who.name, f.Took.Seconds(), f.Granted, f.Refused, f.Violations)
	}
	return r, nil
}

// arena is one contestant's cluster.
type arena struct {
	config     Config
	dir        string
	kubeconfig []byte
	client     *labapi.Client
	nodes      []string
}

const clusterName = "arena"

// measure gives the contestant a new cluster and watches it work.
func (c Config) measure(ctx context.Context, who contestant) (f Figures, err error) {
	f.Name = who.name
	dir, err := os.MkdirTemp("", "sengu-bench-drain-")
	if err != nil {
		return f, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fmt.Fprintf(c.Progress, "%s: starting a cluster of %d nodes and %d pods\n", who.name, c.Nodes, c.Workloads*c.Replicas)
	running, err := lab.Start(ctx, lab.Config{Dir: filepath.Join(dir, "lab"), Fleet: c.fleet(), Binary: c.Binary})
	if err != nil {
		return f, err
	}
	defer running.Close()
	a := &arena{config: c, dir: filepath.Join(dir, "lab"), kubeconfig: running.Kubeconfig(clusterName), client: running.Client()}
	described, err := a.client.Cluster(ctx, clusterName)
	if err != nil {
		return f, err
	}
	for _, pool := range described.NodePools {
		for _, n := range pool.Nodes {
			a.nodes = append(a.nodes, n.Name)
		}
	}
	w, err := watch(ctx, c, a.kubeconfig)
	if err != nil {
		return f, err
	}
	limited, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	began := time.Now()
	err = who.run(limited, a)
	f.Took, f.Unfinished = time.Since(began), limited.Err() != nil && ctx.Err() == nil
	if err != nil && !f.Unfinished {
		return f, err
	}
	f.Spare, f.Violations, f.Looks = w.end()
	counted, err := a.client.Evictions(ctx, clusterName)
	if err != nil {
		return f, err
	}
	f.Granted, f.Refused = counted.Granted, counted.Refused
	return f, nil
}

// replace replaces an empty node and waits until the new one is Ready: the same for all contestants.
func (a *arena) replace(ctx context.Context, node string) error {
	op, err := a.client.ReplaceNode(ctx, clusterName, node, labapi.NodeRequest{RequestKey: "bench-" + node})
	for err == nil && op.State == labapi.OperationRunning {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		op, err = a.client.Operation(ctx, op.ID)
	}
	if err != nil {
		return fmt.Errorf("replace node %s: %w", node, err)
	}
	if op.State != labapi.OperationSucceeded {
		return fmt.Errorf("replace node %s: %s: %s", node, op.Code, op.Message)
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
