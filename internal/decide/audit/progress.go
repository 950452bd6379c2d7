// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// progress records how a run goes: its start, its stages, its end.
func (s *scribe) progress(run *v1alpha1.UpgradeRun) {
	st := &run.Status
	if st.Resolved != nil {
		at := st.StartedAt
		if at == nil {
			at = st.Resolved.ResolvedAt
		}
		s.add("started", when(at), controller(byRuns), v1alpha1.AuditRunStarted, func(r *v1alpha1.AuditRecord) {
			r.Reason = "the target, the strategy and the clusters are frozen"
			r.Evidence = evidence("version", st.Resolved.Version, "images", list(st.Resolved.Images), "clusters", number(st.Counts.Total), "stages", stages(st))
		})
	}
	for i := range st.Stages {
		s.stage(&st.Stages[i], max(st.Attempt, 1))
	}
	s.ended(st)
}

func stages(st *v1alpha1.UpgradeRunStatus) string {
	var names []string
	for i := range st.Stages {
		names = append(names, st.Stages[i].Name)
	}
	return list(names)
}

func (s *scribe) stage(st *v1alpha1.RunStageStatus, attempt int32) {
	key, of := "stage/"+st.Name+"/", &v1alpha1.AuditSubject{Stage: st.Name}
	tell := func(more ...string) func(*v1alpha1.AuditRecord) {
		return func(r *v1alpha1.AuditRecord) {
			r.Subject = of
			r.Evidence = evidence(append([]string{"phase", string(st.Phase), "clusters", counts(&st.Counts)}, more...)...)
			if st.Waiting != nil {
				r.Reason = st.Waiting.Message
			}
		}
	}
	if st.StartedAt != nil {
		s.add(key+"started", *st.StartedAt, controller(byRuns), v1alpha1.AuditStageStarted, func(r *v1alpha1.AuditRecord) { r.Subject = of })
	}
	if st.Phase == v1alpha1.StagePhaseFailed {
		s.add(key+"failed/"+number(attempt), metav1.Time{}, controller(byRuns), v1alpha1.AuditStageFailed, tell())
	}
	if st.SoakState == v1alpha1.SoakStateDone && st.SoakedFor != nil {
		s.add(key+"soaked", when(st.SoakCountedAt), controller(byRuns), v1alpha1.AuditSoakDone,
			tell("soakedFor", duration(st.SoakedFor), "soakedBefore", duration(st.SoakedBefore)))
	}
	if st.Phase == v1alpha1.StagePhaseSucceeded || st.Phase == v1alpha1.StagePhaseSkipped {
		s.add(key+"finished", when(st.FinishedAt), controller(byRuns), v1alpha1.AuditStageFinished, tell("gates", gates(st.Gates)))
	}
	for i := range st.Groups {
		for _, a := range st.Groups[i].Aside {
			if a.State == v1alpha1.AsideSetAside {
				s.setAside(st.Name, st.Groups[i].Name, &a)
			}
		}
	}
}

// setAside records a cluster once for each time since which it was not available.
func (s *scribe) setAside(stage, group string, a *v1alpha1.RunAside) {
	since := when(a.Since)
	s.add(fmt.Sprintf("cluster/%s/aside/%d", a.Cluster, max(since.Unix(), 0)), metav1.Time{}, controller(byRuns), v1alpha1.AuditClusterSetAside, func(r *v1alpha1.AuditRecord) {
		r.Subject = &v1alpha1.AuditSubject{Stage: stage, Group: group, Cluster: a.Cluster}
		r.Evidence = evidence("reason", a.Reason, "since", since.UTC().Format("2006-01-02T15:04:05Z"))
	})
}

func gates(states []v1alpha1.RunGateStatus) string {
	var out []string
	for _, g := range states {
		out = append(out, fmt.Sprintf("%s %s", g.Name, g.State))
	}
	return list(out)
}

// ends are the actions of the phases in which a run rests.
var ends = map[v1alpha1.RunPhase]v1alpha1.AuditAction{
	v1alpha1.RunPhaseSucceeded: v1alpha1.AuditRunSucceeded, v1alpha1.RunPhaseFailed: v1alpha1.AuditRunFailed, v1alpha1.RunPhaseStopped: v1alpha1.AuditRunEnded,
}

func (s *scribe) ended(st *v1alpha1.UpgradeRunStatus) {
	action, over := ends[st.Phase]
	if !over {
		return
	}
	key := "ended/" + string(st.Phase)
	if st.Phase == v1alpha1.RunPhaseFailed {
		key += "/" + number(max(st.Attempt, 1)) // a retry goes on from there, and may fail again
	}
	s.add(key, when(st.FinishedAt), controller(byRuns), action, func(r *v1alpha1.AuditRecord) {
		if st.Waiting != nil {
			r.Reason = st.Waiting.Message
		}
		var causes []string
		for _, c := range st.Causes {
			causes = append(causes, fmt.Sprintf("%s (%d)", c.ID, len(c.Clusters)))
		}
		version := ""
		if st.Resolved != nil {
			version = st.Resolved.Version
		}
		r.Evidence = evidence("clusters", counts(&st.Counts), "version", version, "causes", list(causes))
	})
}

// gate records that a gate was asked for, what people decided, and that it opened.
func (s *scribe) gate(g *v1alpha1.Gate) {
	key := "gate/" + string(g.UID) + "/"
	of := &v1alpha1.AuditSubject{Stage: g.Spec.Place.Stage, Group: g.Spec.Place.Group, Gate: g.Spec.Template.Name}
	s.add(key+"asked", g.CreationTimestamp, controller(byRuns), v1alpha1.AuditGateAsked, func(r *v1alpha1.AuditRecord) {
		r.Subject, r.Evidence = of, evidence("type", string(g.Spec.Type), "timing", string(g.Spec.Place.Timing))
	})
	refused := false
	for i := range g.Status.Decisions {
		d := &g.Status.Decisions[i]
		action := v1alpha1.AuditGateApproved
		if d.Decision == "Refuse" {
			action, refused = v1alpha1.AuditGateRefused, true
		}
		s.add(key+"decision/"+number(i+1), d.At, user(d.By), action, func(r *v1alpha1.AuditRecord) {
			r.Subject, r.Reason = of, d.Comment
			r.Evidence = gateEvidence(g)
		})
	}
	if action := gateActions[g.Status.State]; action != "" && (action != v1alpha1.AuditGateRefused || !refused) {
		s.add(key+string(g.Status.State), when(g.Status.DecidedAt), decider(g), action, func(r *v1alpha1.AuditRecord) {
			r.Subject, r.Reason = of, g.Status.Message
			r.Evidence = gateEvidence(g)
		})
	}
}

var gateActions = map[v1alpha1.GateState]v1alpha1.AuditAction{
	v1alpha1.GateStatePassed: v1alpha1.AuditGatePassed, v1alpha1.GateStateRefused: v1alpha1.AuditGateRefused, v1alpha1.GateStateSkipped: v1alpha1.AuditGateSkipped,
}

// decider is who decided a gate: what the gate says, the run for a skip, the gates' controller for what nobody decides.
func decider(g *v1alpha1.Gate) v1alpha1.AuditActor {
	switch {
	case g.Status.DecidedBy != "" && g.Spec.Type == v1alpha1.GateTypeApproval:
		return user(g.Status.DecidedBy)
	case g.Status.State == v1alpha1.GateStateSkipped:
		return controller(byRuns)
	case g.Spec.Type == v1alpha1.GateTypeApproval:
		return user("")
	}
	return controller(byGates)
}

func gateEvidence(g *v1alpha1.Gate) []v1alpha1.AuditEvidence {
	pairs := []string{"type", string(g.Spec.Type), "reason", g.Status.Reason, "decidedBy", g.Status.DecidedBy}
	for i, e := range g.Status.Evidence[:min(len(g.Status.Evidence), 10)] {
		pairs = append(pairs, "evidence"+number(i+1), e)
	}
	return evidence(pairs...)
}
