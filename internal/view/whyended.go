// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"

	"sengu.dev/sengu/api/v1alpha1"
)

// failing says that a run starts nothing new because of failures, or has ended so.
func failing(st *v1alpha1.UpgradeRunStatus) bool {
	if st.Phase == v1alpha1.RunPhaseFailed {
		return true
	}
	if st.Waiting == nil {
		return false
	}
	_, fails := ofFailures[st.Waiting.Reason]
	return fails
}

// ended explains a run to which nothing more happens by itself.
func (w *why) ended(run *v1alpha1.UpgradeRun) {
	object := "run " + run.Name
	switch run.Status.Phase {
	case v1alpha1.RunPhaseSucceeded:
		message := fmt.Sprintf("run %s has succeeded: %s clusters are on %s", run.Name, finished(run.Status.Counts), target(run))
		w.link(object, v1alpha1.ReasonOnTarget, message, run.Status.FinishedAt)
		w.conclude(cause{reason: v1alpha1.ReasonOnTarget, message: message})
	case v1alpha1.RunPhaseStopped:
		w.link(object, v1alpha1.ReasonStoppedByUser, "stopped with "+finished(run.Status.Counts)+" clusters done", run.Status.FinishedAt)
		w.conclude(cause{reason: v1alpha1.ReasonStoppedByUser})
	default:
		w.waits(object, run.Status.Waiting, "failed")
		w.late = "" // it waits for a person, and nobody promised to look again
		w.failed(run)
	}
}

// failed explains a run by the cause of most of its failures.
func (w *why) failed(run *v1alpha1.UpgradeRun) {
	c := causeOf(run.Status.Waiting)
	c.reason = cmp.Or(c.reason, v1alpha1.ReasonTooManyFailures)
	if c.reason == v1alpha1.ReasonClustersSetAside {
		w.setAside(run, c)
		return
	}
	w.failedPlaces(run)
	causes := slices.Clone(run.Status.Causes)
	slices.SortStableFunc(causes, func(a, b v1alpha1.RunCause) int { return cmp.Compare(len(b.Clusters), len(a.Clusters)) })
	for i := range causes {
		w.link("cause "+causes[i].ID, causes[i].ID, few(cleanAll(causes[i].Clusters))+": "+causes[i].Message, nil)
	}
	first := ""
	if len(causes) > 0 && len(causes[0].Clusters) > 0 {
		first = causes[0].Clusters[0]
		c.message = fmt.Sprintf("%s by %s (%s): %s", count(len(causes[0].Clusters), "cluster"), Clean(causes[0].ID),
			few(cleanAll(causes[0].Clusters)), causes[0].Message)
		if more := len(causes) - 1; more > 0 {
			c.message += "; and by " + count(more, "other cause")
		}
	}
	w.names["cluster"] = first
	w.remedies(w.upgrades[[2]string{run.Name, first}], causes)
	w.conclude(c)
	w.e.Fix = append(w.takeAlso(), w.e.Fix...)
	w.e.Fix = append(w.e.Fix, Fix{"Or leave what failed out, for good, cluster by cluster", w.command(`sengu run skip {run} cluster {cluster} --reason "…"`)})
	if moving := w.ofRun(run); len(moving) > 0 && !Final(run) {
		w.e.NextChange = NextChange{By: ByEvent, What: "cluster " + Clean(hardest(moving).Spec.Cluster) + ", which is still in flight, is at a safe point"}
	}
}

// failedPlaces adds the stages and groups in which clusters failed.
func (w *why) failedPlaces(run *v1alpha1.UpgradeRun) {
	for i := range run.Status.Stages {
		s := &run.Status.Stages[i]
		if s.Counts.Failed == 0 {
			continue
		}
		w.link("stage "+s.Name, "", countsSentence(s.Counts), nil)
		for j := range s.Groups {
			if g := &s.Groups[j]; g.Counts.Failed > 0 {
				w.link("group "+s.Name+"/"+g.Name, "", countsSentence(g.Counts), nil)
			}
		}
	}
}

// takeAlso takes the remedies out of the fixes that come last: they come first.
func (w *why) takeAlso() []Fix {
	remedies := w.also
	w.e.Fix = slices.DeleteFunc(w.e.Fix, func(f Fix) bool { return slices.Contains(remedies, f) })
	w.also = nil
	return remedies
}

// remedies are what the diagnosis recommends, else what is known of the reason.
func (w *why) remedies(u *v1alpha1.ClusterUpgrade, causes []v1alpha1.RunCause) {
	if u != nil && u.Status.Diagnosis != nil {
		d := u.Status.Diagnosis
		w.e.Guide = Clean(d.GuideURL)
		if title := Clean(d.Title); title != "" {
			w.lead = title
		}
		for _, r := range d.Remedies {
			w.also = append(w.also, Fix{Do: capital(Clean(r.Action))})
		}
	}
	if len(w.also) > 0 || len(causes) == 0 {
		return
	}
	for _, f := range ofFailures[causes[0].ID].do {
		w.also = append(w.also, Fix{w.sentence(f.Do, ""), w.command(f.Command)})
	}
}

// setAside explains a run that is done but for clusters that were not available.
func (w *why) setAside(run *v1alpha1.UpgradeRun, c cause) {
	for i := range run.Status.Stages {
		s := &run.Status.Stages[i]
		for j := range s.Groups {
			for _, a := range s.Groups[j].Aside {
				if a.State != v1alpha1.AsideSetAside {
					continue
				}
				message := "set aside in group " + s.Name + "/" + s.Groups[j].Name
				if cluster := w.clusters[a.Cluster]; cluster != nil {
					if problem := trouble(cluster); problem != nil {
						message += ": " + problem.Message
					}
				}
				w.link("cluster "+a.Cluster, a.Reason, message, a.Since)
				w.names["cluster"] = cmp.Or(w.names["cluster"], a.Cluster)
			}
		}
	}
	w.conclude(c)
}

// failedUpgrade explains a cluster whose upgrade failed.
func (w *why) failedUpgrade(u *v1alpha1.ClusterUpgrade) {
	st := &u.Status
	reason := cmp.Or(st.Reason, v1alpha1.ReasonOperationFailed)
	w.link("cluster "+u.Spec.Cluster, reason, cmp.Or(st.Message, "failed without a message"), st.FinishedAt)
	for i := range st.Steps {
		if s := &st.Steps[i]; s.Result == v1alpha1.StepResultFailed {
			w.link("step "+step(s.Name, u.Spec.Hops), s.Reason, s.Message, s.FinishedAt)
		}
	}
	w.remedies(u, nil)
	if d := st.Diagnosis; d != nil {
		for _, e := range d.Evidence {
			w.link("evidence", "", e, nil)
		}
	}
	if _, known := whyTexts[reason]; !known {
		w.conclude(cause{reason: v1alpha1.ReasonOperationFailed, message: reason + ": " + st.Message})
		w.e.Reason = Clean(reason)
	} else {
		w.conclude(cause{reason: reason, message: st.Message})
	}
	w.e.Fix = append(w.takeAlso(), w.e.Fix...)
	w.e.Fix = append(w.e.Fix, Fix{retryRun.Do, w.command(retryRun.Command)})
	w.e.NextChange = NextChange{By: ByPerson, What: "the run is retried"}
}
