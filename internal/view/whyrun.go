// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"

	"sengu.dev/sengu/api/v1alpha1"
)

// run explains a run, from the top.
func (w *why) run(run *v1alpha1.UpgradeRun) {
	w.met[run.Name] = true
	w.names["run"] = run.Name
	if run.Spec.StrategyRef != nil {
		w.names["strategy"] = run.Spec.StrategyRef.Name
	}
	st := &run.Status
	otherwise := string(cmp.Or(st.Phase, v1alpha1.RunPhaseNotStarted)) + ", " + finished(st.Counts) + " clusters"
	w.far = []string{finished(st.Counts) + " clusters of the run are done"}
	if Final(run) {
		w.ended(run)
		return
	}
	w.waits("run "+run.Name, st.Waiting, otherwise)
	w.notSeen("run "+run.Name, &run.ObjectMeta, st.ObservedGeneration, st.Phase == "")
	moving := w.ofRun(run)
	switch {
	case !run.DeletionTimestamp.IsZero():
		w.toSafePoint(v1alpha1.ReasonRunDeleted, run.Name+" is being deleted", moving)
	case failing(st):
		w.failed(run)
	case run.Spec.State == v1alpha1.RunStateStop:
		w.toSafePoint(v1alpha1.ReasonStoppedByUser, run.Name+" is being stopped", moving)
	case run.Spec.State == v1alpha1.RunStatePause:
		w.toSafePoint(v1alpha1.ReasonPausedByUser, run.Name+" is being paused", moving)
	case st.Resolved == nil:
		w.notStarted(run)
	default:
		w.walk(run)
	}
}

// ofRun are the upgrades in flight of a run.
func (w *why) ofRun(run *v1alpha1.UpgradeRun) []*v1alpha1.ClusterUpgrade {
	return w.flying(func(u *v1alpha1.ClusterUpgrade) bool { return u.Spec.RunRef.Name == run.Name })
}

// toSafePoint explains a run that starts nothing new: what still moves holds it up.
func (w *why) toSafePoint(reason, what string, moving []*v1alpha1.ClusterUpgrade) {
	if len(moving) == 0 {
		w.conclude(cause{reason: reason})
		return
	}
	u := hardest(moving)
	w.lead = "run " + what + ", and " + Clean(u.Spec.Cluster) + " is on its way to a safe point"
	if reason == v1alpha1.ReasonPausedByUser {
		w.also = append(w.also, Fix{"To let the run go on instead", w.command("sengu run resume {run}")})
	}
	w.upgrade(u)
}

// notStarted explains a run that is not accepted.
func (w *why) notStarted(run *v1alpha1.UpgradeRun) {
	wait := run.Status.Waiting
	if wait == nil {
		w.conclude(cause{reason: v1alpha1.ReasonControllerBehind, message: "nobody has looked at run " + run.Name + " yet"})
		return
	}
	w.nameCluster(wait.Message, nil)
	w.conclude(causeOf(wait))
}

// nameCluster notes the cluster that a message is about: the one of the fleet, or of the candidates, that it names.
func (w *why) nameCluster(message string, candidates []string) {
	if candidates == nil {
		for name := range w.clusters {
			candidates = append(candidates, name)
		}
	}
	if name := namedIn(message, candidates); name != "" {
		w.names["cluster"] = name
	}
}

// walk goes to the stage in hand.
func (w *why) walk(run *v1alpha1.UpgradeRun) {
	if stage := inHand(run); stage != nil {
		w.stage(run, stage)
		return
	}
	wait := run.Status.Waiting
	if wait == nil {
		w.conclude(cause{reason: v1alpha1.ReasonAccepted})
		return
	}
	// All stages are done, and something else is missing at the end.
	w.nameCluster(wait.Message, nil)
	if c := w.clusters[w.names["cluster"]]; c != nil && wait.Reason == v1alpha1.ReasonClusterNotReady {
		w.cluster(c, causeOf(wait))
		return
	}
	w.conclude(causeOf(wait))
}

// inHand is the stage that a run waits for: the one that says what the run says, else the one that the run names.
func inHand(run *v1alpha1.UpgradeRun) *v1alpha1.RunStageStatus {
	var found *v1alpha1.RunStageStatus
	for i := range run.Status.Stages {
		s := &run.Status.Stages[i]
		switch {
		case done(s) || s.Waiting != nil && s.Waiting.Reason == v1alpha1.ReasonPreviousStage:
		case saysTheSame(s.Waiting, run.Status.Waiting):
			return s
		case s.Name == run.Status.CurrentStage, found == nil:
			found = s
		}
	}
	return found
}

// done says that a stage is through.
func done(s *v1alpha1.RunStageStatus) bool {
	return s.Phase == v1alpha1.StagePhaseSucceeded || s.Phase == v1alpha1.StagePhaseSkipped
}

func saysTheSame(a, b *v1alpha1.Waiting) bool {
	return a != nil && b != nil && a.Reason == b.Reason && a.Message == b.Message
}

// stage explains a stage that has been reached.
func (w *why) stage(run *v1alpha1.UpgradeRun, s *v1alpha1.RunStageStatus) {
	w.names["stage"] = s.Name
	w.waits("stage "+s.Name, s.Waiting, fmt.Sprintf("%s, %s clusters", cmp.Or(s.Phase, v1alpha1.StagePhaseNotStarted), finished(s.Counts)))
	moving := w.ofStage(run.Name, s.Groups...)
	switch {
	case len(moving) > 0:
		w.moving(run, s, hardest(moving))
	case s.Phase == v1alpha1.StagePhaseSoaking:
		w.soak(run, s)
	case closed(s.Gates) != nil:
		w.gate(run, gatePath{s.Name, "", closed(s.Gates)}, s.Waiting)
	default:
		w.waitingGroup(run, s)
	}
}

// moving explains a stage by the cluster in flight that is held up most.
func (w *why) moving(run *v1alpha1.UpgradeRun, s *v1alpha1.RunStageStatus, u *v1alpha1.ClusterUpgrade) {
	for i := range s.Groups {
		if g := &s.Groups[i]; slices.Contains(g.Clusters, u.Spec.Cluster) {
			w.inGroup(run, s, g)
		}
	}
	w.upgrade(u)
}

func (w *why) inGroup(run *v1alpha1.UpgradeRun, s *v1alpha1.RunStageStatus, g *v1alpha1.RunGroupStatus) {
	w.names["group"] = s.Name + "/" + g.Name
	flying := w.ofStage(run.Name, *g)
	w.waits("group "+s.Name+"/"+g.Name, g.Waiting, fmt.Sprintf("%s clusters, %d in flight", finished(g.Counts), len(flying)))
}

// waitingGroup explains a stage nothing of which is in flight by the group that says what the stage says.
func (w *why) waitingGroup(run *v1alpha1.UpgradeRun, s *v1alpha1.RunStageStatus) {
	var chosen *v1alpha1.RunGroupStatus
	for i := range s.Groups {
		g := &s.Groups[i]
		if g.Waiting != nil && (chosen == nil || saysTheSame(g.Waiting, s.Waiting) && !saysTheSame(chosen.Waiting, s.Waiting)) {
			chosen = g
		}
	}
	switch {
	case chosen != nil:
		w.inGroup(run, s, chosen)
		if gate := closed(chosen.Gates); gate != nil && chosen.Phase == v1alpha1.StagePhaseWaiting {
			w.gate(run, gatePath{s.Name, chosen.Name, gate}, chosen.Waiting)
			return
		}
		w.start(run, chosen, chosen.Waiting, aboutWhom(chosen))
	case s.Waiting != nil:
		w.conclude(causeOf(s.Waiting))
	case run.Status.Waiting != nil:
		w.conclude(causeOf(run.Status.Waiting))
	default:
		w.conclude(cause{reason: v1alpha1.ReasonAccepted})
	}
}

// aboutWhom is the cluster that a group waits for: the one that waits aside for the same reason, else one that the
// message names.
func aboutWhom(g *v1alpha1.RunGroupStatus) string {
	if name := namedIn(g.Waiting.Message, g.Clusters); name != "" {
		return name
	}
	for _, a := range g.Aside {
		if a.Reason == g.Waiting.Reason {
			return a.Cluster
		}
	}
	return ""
}

// soak explains a stage whose healthy time is counted, or is not.
func (w *why) soak(run *v1alpha1.UpgradeRun, s *v1alpha1.RunStageStatus) {
	for _, g := range s.Gates {
		if path := (gatePath{s.Name, "", &g}); g.State == v1alpha1.GateStatePending && isApproval(run, path) {
			w.also = append(w.also, Fix{"Gate " + path.String() + " can be decided meanwhile: it passes with the soak", approveCommand(w, run, path)})
		}
	}
	b := builder{now: w.now, run: run}
	soak := b.soak(s)
	c := causeOf(s.Waiting)
	if soak == nil {
		w.conclude(c)
		return
	}
	if s.SoakState != v1alpha1.SoakStateCounting {
		w.link("soak of "+s.Name, v1alpha1.ReasonSoakInterrupted, soak.Sentence(), nil)
		w.interrupted(run, s, c)
		return
	}
	if w.notCarried(s) {
		w.conclude(c)
		return
	}
	w.link("soak of "+s.Name, v1alpha1.ReasonSoaking, soak.Sentence(), nil)
	c.message = Elapsed(soak.Left) + " of " + Elapsed(soak.Duration) + " of healthy time are left"
	c.reason = v1alpha1.ReasonSoaking
	w.conclude(c)
}

// interrupted finds the cluster that keeps a soak from counting.
func (w *why) interrupted(run *v1alpha1.UpgradeRun, s *v1alpha1.RunStageStatus, c cause) {
	for i := range s.Groups {
		for _, name := range s.Groups[i].Clusters {
			u := w.upgrades[[2]string{run.Name, name}]
			cluster := w.clusters[name]
			if u == nil || u.Status.Phase != v1alpha1.ClusterUpgradePhaseSucceeded || cluster == nil || trouble(cluster) == nil {
				continue
			}
			w.lead = "the soak of stage " + Clean(s.Name) + " does not count"
			w.also = append(w.also, Fix{"If it cannot wait, do without the rest of the soak", w.command(`sengu run skip {run} soak {stage} --reason "…"`)})
			w.cluster(cluster, c)
			return
		}
	}
	w.conclude(cause{v1alpha1.ReasonSoakInterrupted, c.message, c.until})
}
