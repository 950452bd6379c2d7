// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// RunObjects are the objects that the view of a run is made from.
type RunObjects struct {
	// Run is what is viewed.
	Run *v1alpha1.UpgradeRun
	// Upgrades of the run, any order.
	Upgrades []*v1alpha1.ClusterUpgrade
	// Gates of the run, any order.
	Gates []*v1alpha1.Gate
}

// Run is the view of a run: what `run watch`, `run describe` and the browser show.
type Run struct {
	// Name of the run.
	Name string
	// Target version, exact once it is frozen.
	Target string
	// Phase of the run.
	Phase v1alpha1.RunPhase
	// Wanted is the state that a person asked for.
	Wanted v1alpha1.RunState
	// Final says that nothing more happens by itself: Succeeded, Stopped or Failed.
	Final bool
	// Counts of clusters.
	Counts v1alpha1.RunCounts
	// Elapsed since the start, until the end; zero before the start.
	Elapsed time.Duration
	// ExpectedEnd is as likely before as after; zero: not known.
	ExpectedEnd time.Time
	// Wait says what the run waits for; nil: it moves.
	Wait *Wait
	// Stages in their order.
	Stages []Stage
	// Causes of failures, grouped over clusters.
	Causes []Cause
}

// Wait says what something waits for.
type Wait struct {
	// Reason is a documented constant.
	Reason string
	// Message is one sentence.
	Message string
	// For is how long it has waited; zero: not known.
	For time.Duration
	// Until is when it is looked at again without an event; zero: it waits for an event.
	Until time.Time
}

// Cause is a reason for failures and the clusters that failed for it.
type Cause struct {
	// ID of the cause.
	ID string
	// Message of the first of the clusters.
	Message string
	// Clusters by name.
	Clusters []string
}

// Stage is the view of a stage.
type Stage struct {
	// Name of the stage.
	Name string
	// Phase of the stage.
	Phase v1alpha1.StagePhase
	// Counts of its clusters.
	Counts v1alpha1.RunCounts
	// Soak of the stage; nil: none.
	Soak *Soak
	// Gates of the stage.
	Gates []Gate
	// Groups of the stage.
	Groups []Group
	// Elapsed since its start, until its end; zero before the start.
	Elapsed time.Duration
	// Wait says what it waits for; nil: it moves.
	Wait *Wait
}

// Soak is healthy time that must pass.
type Soak struct {
	// Duration asked for, and what is Left of it.
	Duration, Left time.Duration
	// Running says whether time counts now.
	Running bool
}

// Gate is the view of a gate.
type Gate struct {
	// Name of the gate in the strategy.
	Name string
	// Timing is Before or After.
	Timing string
	// State of the gate.
	State v1alpha1.GateState
	// Message says what it waits for or who decided.
	Message string
}

// Group is the view of a group.
type Group struct {
	// Name of the group.
	Name string
	// Phase of the group.
	Phase v1alpha1.StagePhase
	// Counts of its clusters.
	Counts v1alpha1.RunCounts
	// Gates of the group.
	Gates []Gate
	// Clusters in the order in which they start.
	Clusters []Cluster
	// Wait says what it waits for; nil: it moves.
	Wait *Wait
}

// NewRun makes the view of a run at an instant.
func NewRun(o RunObjects, now time.Time) Run {
	status := &o.Run.Status
	run := Run{
		Name:    Clean(o.Run.Name),
		Target:  target(o.Run),
		Phase:   cmp.Or(status.Phase, v1alpha1.RunPhaseNotStarted),
		Wanted:  cmp.Or(o.Run.Spec.State, v1alpha1.RunStateRun),
		Counts:  status.Counts,
		Elapsed: between(status.StartedAt, status.FinishedAt, now),
		Wait:    newWait(status.Waiting, now),
		Final:   Final(o.Run),
	}
	if status.ExpectedEnd != nil && status.ExpectedEnd.P50 != nil {
		run.ExpectedEnd = status.ExpectedEnd.P50.Time
	}
	for _, c := range status.Causes {
		run.Causes = append(run.Causes, Cause{ID: Clean(c.ID), Message: Clean(c.Message), Clusters: cleanAll(c.Clusters)})
	}
	b := builder{now: now, run: o.Run, upgrades: map[string]*v1alpha1.ClusterUpgrade{}, gates: map[string]*v1alpha1.Gate{}}
	for _, u := range o.Upgrades {
		b.upgrades[u.Spec.Cluster] = u
	}
	for _, g := range o.Gates {
		b.gates[g.Name] = g
	}
	for i := range status.Stages {
		run.Stages = append(run.Stages, b.stage(&status.Stages[i]))
	}
	return run
}

// Final says that nothing more happens to a run by itself. A retry that was asked for makes a failed run go on
// with the controller's next look.
func Final(run *v1alpha1.UpgradeRun) bool {
	switch run.Status.Phase {
	case v1alpha1.RunPhaseSucceeded, v1alpha1.RunPhaseStopped:
		return true
	case v1alpha1.RunPhaseFailed:
		return max(run.Spec.Attempt, 1) <= max(run.Status.Attempt, 1)
	}
	return false
}

// builder holds what the parts of a run's view need.
type builder struct {
	now      time.Time
	run      *v1alpha1.UpgradeRun
	upgrades map[string]*v1alpha1.ClusterUpgrade
	gates    map[string]*v1alpha1.Gate
}

func (b *builder) stage(s *v1alpha1.RunStageStatus) Stage {
	stage := Stage{
		Name:    Clean(s.Name),
		Phase:   cmp.Or(s.Phase, v1alpha1.StagePhaseNotStarted),
		Counts:  s.Counts,
		Soak:    b.soak(s),
		Gates:   b.gateViews(s.Gates),
		Elapsed: between(s.StartedAt, s.FinishedAt, b.now),
		Wait:    newWait(s.Waiting, b.now),
	}
	for i := range s.Groups {
		g := &s.Groups[i]
		group := Group{
			Name:   Clean(g.Name),
			Phase:  cmp.Or(g.Phase, v1alpha1.StagePhaseNotStarted),
			Counts: g.Counts,
			Gates:  b.gateViews(g.Gates),
			Wait:   newWait(g.Waiting, b.now),
		}
		for _, name := range g.Clusters {
			group.Clusters = append(group.Clusters, b.cluster(name, s.Name, g.Name))
		}
		stage.Groups = append(stage.Groups, group)
	}
	return stage
}

// soak reckons the healthy time on from the last count of the controller.
func (b *builder) soak(s *v1alpha1.RunStageStatus) *Soak {
	strategy := cmp.Or(b.run.Status.Strategy, b.run.Spec.Strategy)
	if strategy == nil {
		return nil
	}
	i := slices.IndexFunc(strategy.Stages, func(stage v1alpha1.StrategyStage) bool { return stage.Name == s.Name })
	if i < 0 || strategy.Stages[i].Soak == nil || strategy.Stages[i].Soak.Duration.Duration <= 0 {
		return nil
	}
	soak := &Soak{Duration: strategy.Stages[i].Soak.Duration.Duration, Running: (s.SoakState == v1alpha1.SoakStateCounting)}
	var soaked time.Duration
	if s.SoakedFor != nil {
		soaked = s.SoakedFor.Duration
	}
	if (s.SoakState == v1alpha1.SoakStateCounting) && s.SoakCountedAt != nil && b.now.After(s.SoakCountedAt.Time) {
		soaked += b.now.Sub(s.SoakCountedAt.Time)
	}
	soak.Left = max(0, soak.Duration-soaked)
	return soak
}

func (b *builder) gateViews(gates []v1alpha1.RunGateStatus) []Gate {
	var views []Gate
	for _, g := range gates {
		gate := Gate{Name: Clean(g.Name), Timing: Clean(g.Timing), State: cmp.Or(g.State, v1alpha1.GateStatePending)}
		if object := b.gates[g.Gate]; object != nil {
			gate.State = cmp.Or(object.Status.State, gate.State)
			gate.Message = Clean(object.Status.Message)
			if by := Clean(object.Status.DecidedBy); by != "" && !strings.Contains(gate.Message, by) {
				gate.Message = joined(gate.Message, "by "+by)
			}
		}
		views = append(views, gate)
	}
	return views
}

// target is the frozen version, else what was asked for.
func target(run *v1alpha1.UpgradeRun) string {
	t := run.Spec.Target
	if t.Scope == v1alpha1.UpgradeScopeNodeImageOnly {
		return "node images"
	}
	version := Clean(t.Kubernetes)
	if run.Status.Resolved != nil && run.Status.Resolved.Version != "" {
		version = Clean(run.Status.Resolved.Version)
	}
	if t.Scope == v1alpha1.UpgradeScopeControlPlaneOnly {
		return version + " (control plane only)"
	}
	return version
}

func newWait(w *v1alpha1.Waiting, now time.Time) *Wait {
	if w == nil {
		return nil
	}
	wait := &Wait{Reason: Clean(w.Reason), Message: Clean(w.Message)}
	if w.Since != nil {
		wait.For = max(0, now.Sub(w.Since.Time))
	}
	if w.Until != nil {
		wait.Until = w.Until.Time
	}
	return wait
}

// between is the time from start to end, or to now while there is no end; zero without a start.
func between(start, end *metav1.Time, now time.Time) time.Duration {
	switch {
	case start == nil:
		return 0
	case end != nil && !end.Before(start):
		return end.Sub(start.Time)
	default:
		return max(0, now.Sub(start.Time))
	}
}

func cleanAll(texts []string) []string {
	cleaned := make([]string, len(texts))
	for i, t := range texts {
		cleaned[i] = Clean(t)
	}
	return cleaned
}

// joined puts two pieces of a sentence together, either of which may be empty.
func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}
