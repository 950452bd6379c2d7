// SPDX-License-Identifier: Apache-2.0

package clusterupgrade

import (
	"context"
	"strings"

	"k8s.io/client-go/tools/events"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller/herald"
)

// emit tells what changed for a person: phases, steps that ended, drains that are blocked, nodes that are left behind.
func emit(ctx context.Context, r events.EventRecorder, u *v1alpha1.ClusterUpgrade, before v1alpha1.ClusterUpgradeStatus) {
	h := herald.New(ctx, r, u, "Upgrade")
	emitSteps(h, u, before)
	if before.Attempt > 0 && u.Status.Attempt > before.Attempt {
		h.Normal(v1alpha1.ReasonRetried, "cluster %s is tried again from the first step that is not finished: this is attempt %d", u.Spec.Cluster, u.Status.Attempt)
	}
	if u.Status.Phase != before.Phase {
		emitPhase(h, u)
	}
	emitDrain(herald.New(ctx, r, u, "Drain"), u, before)
}

// emitDrain goes by what is waited for: the condition names each budget, and changes with every node.
func emitDrain(h *herald.Herald, u *v1alpha1.ClusterUpgrade, before v1alpha1.ClusterUpgradeStatus) {
	is, was := blocked(u.Status.Waiting), blocked(before.Waiting)
	switch {
	case is && !was:
		h.Warning(v1alpha1.ReasonDrainBlocked, "%s", u.Status.Waiting.Message)
	case was && !is && u.Status.Phase == v1alpha1.ClusterUpgradePhaseRunning:
		h.Normal(v1alpha1.ReasonDrainMoves, "the drain in cluster %s moves again", u.Spec.Cluster)
	}
	known := quarantined(before.NodePools)
	for node := range quarantined(u.Status.NodePools) {
		if !known[node] {
			h.Warning(v1alpha1.ReasonNodeQuarantined, "node %s of cluster %s could not be drained in its time and is left cordoned", node, u.Spec.Cluster)
		}
	}
}

func blocked(w *v1alpha1.Waiting) bool { return w != nil && w.Reason == v1alpha1.ReasonDrainBlocked }

func quarantined(pools []v1alpha1.NodePoolProgress) map[string]bool {
	nodes := map[string]bool{}
	for _, p := range pools {
		for _, n := range p.Draining {
			if n.State == "Quarantined" {
				nodes[n.Name] = true
			}
		}
	}
	return nodes
}

func emitPhase(h *herald.Herald, u *v1alpha1.ClusterUpgrade) {
	switch u.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseFailed:
		h.Warning(eventReason(u.Status.Reason), "%s", u.Status.Message)
	case "":
	default:
		h.Normal(string(u.Status.Phase), "cluster %s: %s", u.Spec.Cluster, u.Status.Phase)
	}
}

func emitSteps(h *herald.Herald, u *v1alpha1.ClusterUpgrade, before v1alpha1.ClusterUpgradeStatus) {
	was := map[string]v1alpha1.StepResult{}
	for _, s := range before.Steps {
		was[s.Name] = s.Result
	}
	for _, s := range u.Status.Steps {
		if s.Result == was[s.Name] {
			continue
		}
		// That a step began, or looked and found all well, is in the record; an event for each would be half of what the
		// hub stores.
		if s.Result == v1alpha1.StepResultSucceeded && changesCluster(s.Name) {
			h.Normal(v1alpha1.ReasonStepSucceeded, "step %s succeeded", s.Name)
		}
	}
}

// changesCluster says whether a step (stop/kind or stop/kind/pool) does something to the cluster.
func changesCluster(step string) bool {
	_, kind, _ := strings.Cut(step, "/")
	return kind == "ControlPlane" || strings.HasPrefix(kind, "NodePool/")
}

// eventReason keeps provider codes that are no words out of the reason, where the API allows only words.
func eventReason(code string) string {
	for _, c := range code {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return v1alpha1.ReasonOperationFailed
		}
	}
	if code == "" {
		return v1alpha1.ReasonOperationFailed
	}
	return code
}
