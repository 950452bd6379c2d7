// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// PlanInput is what a plan is told from.
type PlanInput struct {
	// Snapshot that was decided on.
	Snapshot rollout.Snapshot
	// Decision for that snapshot: the next actions and the order of everything after them.
	Decision rollout.Decision
	// Now is the instant of the decision.
	Now time.Time
	// MaxClusters shown of one group; zero: all.
	MaxClusters int
}

// Refused says why a run would not start at all; empty: it would.
func (p *PlanInput) Refused() string {
	status := &p.Decision.Status
	if status.Resolved != nil || status.Waiting == nil {
		return ""
	}
	return waitText(newWait(status.Waiting, p.Now))
}

// Plan tells what a run would do next and why, and in which order the rest would follow.
func Plan(p *PlanInput) string {
	t := planText{PlanInput: p, clusters: map[string]*v1alpha1.Cluster{}}
	for _, c := range p.Snapshot.Clusters {
		t.clusters[c.Name] = c
	}
	run := p.Snapshot.Run.DeepCopy()
	run.Status = p.Decision.Status
	v := NewRun(RunObjects{Run: run, Upgrades: p.Snapshot.Upgrades, Gates: p.Snapshot.Gates}, p.Now)
	if refused := p.Refused(); refused != "" {
		return fmt.Sprintf("Run %s would not start: %s.\n", v.Name, strings.TrimSuffix(refused, "."))
	}
	t.add("Run %s: %s to %s, %s. Nothing was changed.", v.Name, count(v.Counts.Total, "cluster"), v.Target, planPhase(&v))
	// That clusters are in flight is no news beside the actions that start them.
	if v.Wait != nil && !(v.Wait.Reason == v1alpha1.ReasonClustersInFlight && len(t.Decision.Actions) > 0) {
		t.add("It waits: %s.", strings.TrimSuffix(v.Wait.Sentence(p.Now), "."))
	}
	t.actions()
	t.add("\nOrder:")
	for i := range v.Stages {
		t.stage(i+1, &v.Stages[i])
	}
	return t.b.String()
}

func planPhase(v *Run) string {
	if v.Final {
		return "which is " + string(v.Phase)
	}
	return "in " + count(len(v.Stages), "stage")
}

type planText struct {
	*PlanInput
	clusters map[string]*v1alpha1.Cluster
	b        strings.Builder
}

func (t *planText) add(format string, args ...any) { fmt.Fprintf(&t.b, format+"\n", args...) }

func (t *planText) actions() {
	if len(t.Decision.Actions) == 0 {
		t.add("\nNow: nothing to do.")
	} else {
		t.add("\nNow:")
	}
	for i := range t.Decision.Actions {
		a := &t.Decision.Actions[i]
		line := "  " + actionText(a)
		if a.Reason != "" {
			line += ": " + Clean(a.Reason)
		}
		t.add("%s", line)
	}
	if !t.Decision.NextLook.IsZero() {
		t.add("Looks again %s.", Until(t.Decision.NextLook, t.Now))
	}
}

// actionText says what an action does, in the words of the command line.
func actionText(a *rollout.Action) string {
	place := Clean(strings.TrimSuffix(a.Stage+"/"+a.Group, "/"))
	switch a.Kind {
	case rollout.ActionStartCluster:
		text := fmt.Sprintf("start cluster %s (%s)", Clean(a.Cluster), place)
		if a.Spec != nil && len(a.Spec.Hops) > 0 {
			text += ", by " + Clean(strings.Join(a.Spec.Hops, ", then "))
		}
		return text
	case rollout.ActionSetState:
		return fmt.Sprintf("set cluster %s to %s", Clean(a.Cluster), a.State)
	case rollout.ActionRetry:
		return fmt.Sprintf("retry cluster %s, attempt %d", Clean(a.Cluster), a.Attempt)
	case rollout.ActionCreateGate:
		return fmt.Sprintf("ask for gate %s (%s)", Clean(a.Gate), place)
	case rollout.ActionDecideGate:
		return fmt.Sprintf("gate %s (%s): %s", Clean(a.Gate), place, Clean(a.Reason))
	case rollout.ActionSkipGate:
		return fmt.Sprintf("skip gate %s (%s)", Clean(a.Gate), place)
	}
	return Clean(string(a.Kind)) + " " + place
}

func (t *planText) stage(number int, s *Stage) {
	asked := t.asked(s.Name)
	t.add("%3d. stage %s: %s%s", number, s.Name, count(s.Counts.Total, "cluster"), t.phaseNow(s.Name))
	t.gates("     ", v1alpha1.GateTimingBefore, s.Gates, asked.BeforeGates)
	for i := range s.Groups {
		g := &s.Groups[i]
		ofGroup := askedOfGroup(asked, g.Name)
		t.add("     group %s: %s at once, %s allowed to fail", g.Name, limitText(ofGroup.MaxConcurrency, "1"), limitText(ofGroup.MaxFailures, "0"))
		t.gates("       ", v1alpha1.GateTimingBefore, g.Gates, ofGroup.BeforeGates)
		shown, hidden := chosen(g.Clusters, t.MaxClusters)
		for _, c := range shown {
			t.add("       %s", t.cluster(c))
		}
		if hidden.Total > 0 {
			t.add("       … and %d more", hidden.Total)
		}
		t.gates("       ", v1alpha1.GateTimingAfter, g.Gates, ofGroup.AfterGates)
	}
	if s.Soak != nil {
		t.add("     %s", s.Soak.Sentence())
	}
	t.gates("     ", v1alpha1.GateTimingAfter, s.Gates, asked.AfterGates)
}

// phaseNow is the phase that a stage has before the decision; a plan has not begun anything.
func (t *planText) phaseNow(stage string) string {
	for i := range t.Snapshot.Run.Status.Stages {
		s := &t.Snapshot.Run.Status.Stages[i]
		if s.Name == stage && s.Phase != "" && s.Phase != v1alpha1.StagePhaseNotStarted {
			return ", " + string(s.Phase)
		}
	}
	return ""
}

// gates tells of the gates of a place: those that exist as they are, and those that the strategy will ask for.
func (t *planText) gates(indent string, timing v1alpha1.GateTiming, known []Gate, asked []v1alpha1.GateSpecTemplate) {
	told := map[string]bool{}
	for i := range known {
		if known[i].Timing == string(timing) {
			told[known[i].Name] = true
			t.add("%s%s", indent, known[i].Sentence())
		}
	}
	for i := range asked {
		if name := Clean(asked[i].Name); !told[name] {
			t.add("%sgate %s (%s)%s", indent, name, strings.ToLower(string(timing)), t.opens(&asked[i]))
		}
	}
}

// opens says what a gate will wait for.
func (t *planText) opens(g *v1alpha1.GateSpecTemplate) string {
	switch {
	case g.Approval != nil:
		return ": needs " + count(max(g.Approval.Count, 1), "approval")
	case g.ScheduledStart != nil && g.ScheduledStart.At != nil:
		return ": opens " + Until(g.ScheduledStart.At.Time, t.Now)
	case g.ScheduledStart != nil:
		return ": opens next " + Clean(g.ScheduledStart.Next+" "+g.ScheduledStart.TimeZone)
	case g.Verification != nil:
		return ": needs verification " + Clean(g.Verification.Name)
	}
	return ""
}

// asked is a stage of the frozen strategy, or before the freeze of the one that was found.
func (t *planText) asked(stage string) v1alpha1.StrategyStage {
	strategy := cmp.Or(t.Decision.Status.Strategy, t.Snapshot.Strategy)
	if strategy != nil {
		for i := range strategy.Stages {
			if strategy.Stages[i].Name == stage {
				return strategy.Stages[i]
			}
		}
	}
	return v1alpha1.StrategyStage{}
}

func askedOfGroup(s v1alpha1.StrategyStage, group string) v1alpha1.StrategyGroup {
	for i := range s.Groups {
		if s.Groups[i].Name == group {
			return s.Groups[i]
		}
	}
	return v1alpha1.StrategyGroup{}
}

func (t *planText) cluster(c *Cluster) string {
	text := c.Name
	from, to := c.From, c.To
	if object := t.clusters[c.Name]; object != nil && from == "" {
		from = Clean(object.Status.ControlPlane.Version)
	}
	if to == "" && t.Decision.Status.Resolved != nil {
		to = Clean(t.Decision.Status.Resolved.Version)
	}
	switch {
	case from == to && from != "":
		text += "  control plane on " + to + " already"
	case to == "": // node images alone
		text += "  stays on " + cmp.Or(from, "its version")
	case from == "":
		text += "  to " + to
	default:
		text += "  " + from + " → " + to
	}
	if c.Phase != v1alpha1.ClusterUpgradePhaseNotStarted {
		text += "  " + string(c.Phase)
	}
	if busy := t.Snapshot.BusyWith[c.Name]; busy != "" {
		text += "  waits for run " + Clean(busy)
	}
	if object := t.clusters[c.Name]; object != nil {
		if ready, reason := condition(object.Status.Conditions, v1alpha1.ConditionReady); ready != "True" {
			text += "  not ready" + strings.TrimSuffix(": "+reason, ": ")
		}
	}
	return text
}
