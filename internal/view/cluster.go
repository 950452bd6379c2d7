// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// Cluster is the view of one cluster in a run.
type Cluster struct {
	// Name of the cluster.
	Name string
	// Phase of its upgrade; NotStarted while there is none.
	Phase v1alpha1.ClusterUpgradePhase
	// From and To are versions of the control plane; empty when not known.
	From, To string
	// Step in hand, for people, for example "nodes of user".
	Step string
	// Done and Total nodes of the upgrade; Total zero: not known yet.
	Done, Total int32
	// Elapsed since its first step, until its end; zero before.
	Elapsed time.Duration
	// Nodes in hand.
	Nodes []Node
	// Drain counts of the upgrade.
	Drain v1alpha1.DrainCounts
	// Attempt of the upgrade, from 1.
	Attempt int32
	// Wait says what it waits for; nil: it moves.
	Wait *Wait
	// Failure says why it failed; empty: it did not.
	Failure string
	// Remedy is what the diagnosis recommends first; empty: none.
	Remedy string
}

// Node is the view of a node in hand.
type Node struct {
	// Name of the node.
	Name string
	// State is Draining, Replacing, Soaking or Quarantined.
	State string
	// For is how long it has been in that state; zero: not known.
	For time.Duration
	// PodsLeft to evict or to end.
	PodsLeft int32
	// Blockers of its drain; those that have waited longest first.
	Blockers []Blocker
}

// Blocker is what keeps pods of a node from going, over all pods with the same obstacle.
type Blocker struct {
	// Pods that wait, as namespace/name.
	Pods []string
	// Budget as namespace/name; empty when none blocks.
	Budget string
	// Healthy and Desired pods of the budget.
	Healthy, Desired int32
	// Reason is a documented constant, for example BudgetExhausted.
	Reason string
	// For is how long the longest has waited; zero: not known.
	For time.Duration
}

// skipped says that a person left out a cluster, alone or with its group or stage.
func (b *builder) skipped(name, stage, group string) bool {
	return slices.ContainsFunc(b.run.Spec.Skip, func(s v1alpha1.Skip) bool {
		switch s.Kind {
		case v1alpha1.SkipKindCluster:
			return s.Cluster == name
		case v1alpha1.SkipKindGroup:
			return s.Stage == stage && s.Group == group
		case v1alpha1.SkipKindStage:
			return s.Stage == stage
		}
		return false
	})
}

// cluster is the view of a cluster by name; it may not have an upgrade yet.
func (b *builder) cluster(name, stage, group string) Cluster {
	cluster := Cluster{Name: Clean(name), Phase: v1alpha1.ClusterUpgradePhaseNotStarted}
	u := b.upgrades[name]
	if u == nil {
		if b.skipped(name, stage, group) {
			cluster.Phase = v1alpha1.ClusterUpgradePhaseSkipped
		}
		return cluster
	}
	status := &u.Status
	cluster.Phase = cmp.Or(status.Phase, cluster.Phase)
	cluster.From = Clean(status.FromVersion)
	if hops := u.Spec.Hops; len(hops) > 0 {
		cluster.To = Clean(hops[len(hops)-1])
	}
	cluster.Step = step(status.CurrentStep, u.Spec.Hops)
	cluster.Attempt = cmp.Or(status.Attempt, 1)
	cluster.Elapsed = between(status.StartedAt, status.FinishedAt, b.now)
	cluster.Drain = status.Drain
	cluster.Wait = newWait(status.Waiting, b.now)
	for i := range status.NodePools {
		pool := &status.NodePools[i]
		cluster.Done += pool.Done
		cluster.Total += pool.Total
		for j := range pool.Draining {
			cluster.Nodes = append(cluster.Nodes, b.node(&pool.Draining[j]))
		}
	}
	if cluster.Phase == v1alpha1.ClusterUpgradePhaseFailed {
		cluster.Failure, cluster.Remedy = failure(status)
	}
	return cluster
}

func failure(status *v1alpha1.ClusterUpgradeStatus) (why, remedy string) {
	why = Clean(status.Message)
	if reason := Clean(status.Reason); reason != "" {
		why = strings.TrimSuffix(reason+": "+why, ": ")
	}
	if d := status.Diagnosis; d != nil {
		if title := Clean(d.Title); title != "" {
			why = title + " (" + why + ")"
		}
		if len(d.Remedies) > 0 {
			remedy = Clean(d.Remedies[0].Action)
		}
	}
	return cmp.Or(why, "failed without a message"), remedy
}

func (b *builder) node(n *v1alpha1.DrainingNode) Node {
	node := Node{Name: Clean(n.Name), State: Clean(n.State), PodsLeft: n.PodsLeft, For: between(n.Since, nil, b.now)}
	for i := range n.BlockedBy {
		node.Blockers = merged(node.Blockers, b.blocker(&n.BlockedBy[i]))
	}
	return node
}

func (b *builder) blocker(d *v1alpha1.DrainBlocker) Blocker {
	return Blocker{
		Pods: []string{Clean(d.Pod)}, Budget: Clean(d.Budget), Healthy: d.Healthy, Desired: d.Desired,
		Reason: Clean(d.Reason), For: between(d.Since, nil, b.now),
	}
}

// merged adds a blocker to those with the same obstacle: ten pods that wait for one budget are one line.
func merged(blockers []Blocker, next Blocker) []Blocker {
	for i := range blockers {
		known := &blockers[i]
		if known.Budget == next.Budget && known.Reason == next.Reason {
			known.Pods = append(known.Pods, next.Pods...)
			known.For = max(known.For, next.For)
			return blockers
		}
	}
	return append(blockers, next)
}

// step translates the name of a step for people: "1.37.2/NodePool/user" is "nodes of user". With more than one
// hop it says which.
func step(name string, hops []string) string {
	if name == "" {
		return ""
	}
	parts := strings.Split(name, "/")
	text := Clean(name)
	if len(parts) > 1 {
		switch parts[1] {
		case "Preflight":
			text = "preflight"
		case "Backup":
			text = "backup"
		case "ControlPlane":
			text = "control plane"
		case "Verify":
			text = "verify"
		case "NodePool":
			text = "nodes of " + Clean(strings.Join(parts[2:], "/"))
		}
	}
	for i, hop := range hops {
		if len(hops) > 1 && hop == parts[0] {
			return fmt.Sprintf("hop %d/%d: %s", i+1, len(hops), text)
		}
	}
	return text
}
