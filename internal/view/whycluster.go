// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// WhyCluster explains what a cluster waits for: its upgrade, its turn, or its own health.
func WhyCluster(o WhyObjects, cluster *v1alpha1.Cluster, now time.Time) Explanation {
	w := newWhy(o, now)
	w.e.Subject = "cluster " + Clean(cluster.Name)
	w.names["cluster"] = cluster.Name
	if m := w.membership(cluster); m != nil {
		w.member(cluster, m)
	} else {
		w.idle(cluster)
	}
	return w.finish()
}

// membership is the place of a cluster in a run.
type membership struct {
	run   *v1alpha1.UpgradeRun
	stage *v1alpha1.RunStageStatus
	group *v1alpha1.RunGroupStatus
}

// membership finds the run that works on a cluster, else the newest that will, else the newest that did.
func (w *why) membership(c *v1alpha1.Cluster) *membership {
	var found *membership
	for _, run := range w.runs {
		if m := placeIn(run, c.Name); m != nil && (found == nil || w.closer(m, found, c)) {
			found = m
		}
	}
	return found
}

func placeIn(run *v1alpha1.UpgradeRun, cluster string) *membership {
	for i := range run.Status.Stages {
		s := &run.Status.Stages[i]
		for j := range s.Groups {
			if slices.Contains(s.Groups[j].Clusters, cluster) {
				return &membership{run, s, &s.Groups[j]}
			}
		}
	}
	return nil
}

func (w *why) closer(a, b *membership, c *v1alpha1.Cluster) bool {
	rank := func(m *membership) int {
		u := w.upgrades[[2]string{m.run.Name, c.Name}]
		switch {
		case !Final(m.run) && (m.run.Name == c.Status.ActiveRun || u != nil && inFlight(u)):
			return 2
		case !Final(m.run):
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		a.run.CreationTimestamp.Compare(b.run.CreationTimestamp.Time),
		strings.Compare(a.run.Name, b.run.Name),
	) > 0
}

// member explains a cluster of a run.
func (w *why) member(c *v1alpha1.Cluster, m *membership) {
	w.names["run"], w.names["stage"], w.names["group"] = m.run.Name, m.stage.Name, m.stage.Name+"/"+m.group.Name
	if m.run.Spec.StrategyRef != nil {
		w.names["strategy"] = m.run.Spec.StrategyRef.Name
	}
	u := w.upgrades[[2]string{m.run.Name, c.Name}]
	b := builder{run: m.run}
	switch {
	case u == nil && b.skipped(c.Name, m.stage.Name, m.group.Name):
		w.skipped(c, m)
	case u == nil:
		w.itsTurn(c, m)
	case inFlight(u):
		w.met[m.run.Name] = true
		w.link("run "+m.run.Name, "", "works on it in stage "+m.stage.Name, m.run.Status.StartedAt)
		w.notSeen("run "+m.run.Name, &m.run.ObjectMeta, m.run.Status.ObservedGeneration, false)
		w.upgrade(u)
	default:
		w.atRest(c, m, u)
	}
}

// atRest explains a cluster whose upgrade has ended or is held.
func (w *why) atRest(c *v1alpha1.Cluster, m *membership, u *v1alpha1.ClusterUpgrade) {
	switch u.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseSucceeded:
		w.onTarget(c, m)
	case v1alpha1.ClusterUpgradePhaseFailed:
		w.failedUpgrade(u)
	case v1alpha1.ClusterUpgradePhaseSkipped:
		w.skipped(c, m)
	default:
		if m.run.Spec.State != v1alpha1.RunStatePause {
			w.itsTurn(c, m) // the run goes on, and lets it go on when its turn comes
			return
		}
		w.waits("cluster "+c.Name, u.Status.Waiting, "held at a safe point")
		w.held(u, cause{reason: v1alpha1.ReasonHeld})
	}
}

func (w *why) skipped(c *v1alpha1.Cluster, m *membership) {
	w.link("cluster "+c.Name, v1alpha1.ReasonSkippedByUser, "left out of run "+m.run.Name, nil)
	w.conclude(cause{reason: v1alpha1.ReasonSkippedByUser})
}

// onTarget explains a cluster that is done.
func (w *why) onTarget(c *v1alpha1.Cluster, m *membership) {
	if trouble(c) != nil {
		w.lead = "run " + Clean(m.run.Name) + " has brought cluster " + Clean(c.Name) + " to the target, and it is not healthy now"
		w.cluster(c, cause{})
		return
	}
	message := "run " + m.run.Name + " has brought cluster " + c.Name + " to " + target(m.run)
	w.link("cluster "+c.Name, v1alpha1.ReasonOnTarget, message, nil)
	w.conclude(cause{reason: v1alpha1.ReasonOnTarget, message: message})
}

// itsTurn explains a cluster that has not started: its own obstacle, its group's, its stage's, or its run's.
func (w *why) itsTurn(c *v1alpha1.Cluster, m *membership) {
	w.link("cluster "+c.Name, "", "its turn has not come: it is in stage "+m.stage.Name+" of run "+m.run.Name, nil)
	st := &m.run.Status
	switch {
	case Final(m.run), failing(st), !m.run.DeletionTimestamp.IsZero(), m.run.Spec.State == v1alpha1.RunStatePause, m.run.Spec.State == v1alpha1.RunStateStop:
		w.run(m.run)
		return
	case m.stage.Waiting != nil && m.stage.Waiting.Reason == v1alpha1.ReasonPreviousStage:
		w.met[m.run.Name] = true
		w.stagesBefore(m.run, m.stage)
		return
	}
	w.met[m.run.Name] = true
	w.notSeen("run "+m.run.Name, &m.run.ObjectMeta, st.ObservedGeneration, false)
	if a := asideOf(m.group, c.Name); a != nil {
		w.link("group "+w.names["group"], a.Reason, "goes on without "+c.Name+" until it is available", a.Since)
		w.start(m.run, m.group, &v1alpha1.Waiting{Reason: a.Reason, Since: a.Since}, c.Name)
		return
	}
	w.waits("stage "+m.stage.Name, m.stage.Waiting, string(m.stage.Phase))
	switch {
	case closed(m.stage.Gates) != nil:
		w.gate(m.run, gatePath{m.stage.Name, "", closed(m.stage.Gates)}, m.stage.Waiting)
	case m.group.Waiting == nil:
		w.conclude(causeOf(cmp.Or(m.stage.Waiting, st.Waiting)))
	default:
		w.inGroup(m.run, m.stage, m.group)
		if gate := closed(m.group.Gates); gate != nil {
			w.gate(m.run, gatePath{m.stage.Name, m.group.Name, gate}, m.group.Waiting)
			return
		}
		w.start(m.run, m.group, m.group.Waiting, c.Name)
	}
}

func asideOf(g *v1alpha1.RunGroupStatus, cluster string) *v1alpha1.RunAside {
	for i := range g.Aside {
		if g.Aside[i].Cluster == cluster {
			return &g.Aside[i]
		}
	}
	return nil
}

// stagesBefore goes from a stage that has not begun to the one that it waits for.
func (w *why) stagesBefore(run *v1alpha1.UpgradeRun, s *v1alpha1.RunStageStatus) {
	for range run.Status.Stages { // no longer than the list, whatever a record says
		if s.Waiting == nil || s.Waiting.Reason != v1alpha1.ReasonPreviousStage {
			break
		}
		w.waits("stage "+s.Name, s.Waiting, "")
		before := stageBefore(run, s)
		if before == nil {
			w.conclude(causeOf(s.Waiting))
			return
		}
		s = before
	}
	w.lead = "cluster " + Clean(w.names["cluster"]) + " comes after stage " + Clean(s.Name)
	w.stage(run, s)
}

// stageBefore is the first stage that is not done of those that a stage waits for.
func stageBefore(run *v1alpha1.UpgradeRun, s *v1alpha1.RunStageStatus) *v1alpha1.RunStageStatus {
	strategy := run.Status.Strategy
	var needs []string
	graph := strategy != nil && strategy.StageOrder == v1alpha1.StageOrderGraph
	if graph {
		for i := range strategy.Stages {
			if strategy.Stages[i].Name == s.Name {
				needs = strategy.Stages[i].DependsOn
			}
		}
	}
	for i := range run.Status.Stages {
		before := &run.Status.Stages[i]
		if before.Name == s.Name {
			return nil
		}
		if !done(before) && (!graph || slices.Contains(needs, before.Name)) {
			return before
		}
	}
	return nil
}

// cluster explains a cluster by its own condition; otherwise is said when nothing is wrong with it any more.
func (w *why) cluster(c *v1alpha1.Cluster, otherwise cause) {
	w.names["cluster"] = c.Name
	problem := trouble(c)
	if problem == nil {
		w.link("cluster "+c.Name, "", "reachable and healthy: the run has not looked since", nil)
		w.conclude(otherwise)
		return
	}
	w.link("cluster "+c.Name, problem.Reason, problem.Message, &problem.LastTransitionTime)
	w.conclude(cause{problem.Reason, problem.Message, otherwise.until})
}

// idle explains a cluster of no run.
func (w *why) idle(c *v1alpha1.Cluster) {
	if problem := trouble(c); problem != nil {
		w.cluster(c, cause{})
		return
	}
	ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
	busy := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionBusy)
	switch {
	case busy != nil && busy.Status == metav1.ConditionTrue && busy.Reason == v1alpha1.ReasonOperationRunning:
		w.link("cluster "+c.Name, busy.Reason, busy.Message, &busy.LastTransitionTime)
		w.conclude(cause{reason: busy.Reason, message: busy.Message})
	case ready != nil && ready.Status != metav1.ConditionTrue:
		w.link("cluster "+c.Name, ready.Reason, ready.Message, &ready.LastTransitionTime)
		w.conclude(cause{reason: ready.Reason, message: ready.Message})
	default:
		w.link("cluster "+c.Name, v1alpha1.ReasonIdle, "no run has it, and it is reachable and healthy", nil)
		w.conclude(cause{reason: v1alpha1.ReasonIdle})
	}
}
