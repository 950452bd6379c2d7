// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/budget"
	"sengu.dev/sengu/internal/decide/calendar"
	"sengu.dev/sengu/internal/decide/gate"
)

// checkRules asserts the safety rules that a run must keep, on what was decided and before it is done. The numbers
// are those of docs/architecture.md.
func (w *world) checkRules(d Decision) {
	w.t.Helper()
	w.ruleConcurrency(d)
	w.ruleFleet(d)
	w.ruleMutexes(d)
	w.ruleWindows(d)
	w.ruleCanaries(d)
	w.ruleStages(d)
	w.ruleFailures(d)
	w.ruleGates(d)
	w.ruleFrozen(d)
	w.ruleWaiting(d)
	w.ruleOneRun(d)
	w.ruleSucceeded(d)
	if w.t.Failed() {
		w.t.Fatalf("so far:\n%s", w.log.String())
	}
}

func starts(d Decision) (names []string) {
	for _, a := range d.Actions {
		if a.Kind == ActionStartCluster {
			names = append(names, a.Cluster)
		}
	}
	return names
}

// moving says whether a cluster is in flight: begun or told to begin, and not at rest.
func (w *world) moving(name string) bool {
	u := w.upgrades[name]
	if u == nil {
		return false
	}
	switch u.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseSucceeded, v1alpha1.ClusterUpgradePhaseSkipped:
		return false
	case v1alpha1.ClusterUpgradePhaseFailed:
		return max(u.Spec.Attempt, 1) > max(u.Status.Attempt, 1)
	case v1alpha1.ClusterUpgradePhaseHeld:
		return state(u) != v1alpha1.ClusterUpgradeStateHold
	}
	return true
}

// Rule 1: limits of concurrency are never exceeded.
func (w *world) ruleConcurrency(d Decision) {
	w.t.Helper()
	begun := w.begins(d)
	count := func(names []string) (n int) {
		for _, name := range names {
			if begun[name] || w.moving(name) {
				n++
			}
		}
		return n
	}
	strategy := d.Status.Strategy
	if strategy == nil {
		return
	}
	var all []string
	for i := range d.Status.Stages {
		var inStage []string
		for j := range d.Status.Stages[i].Groups {
			g := d.Status.Stages[i].Groups[j]
			inStage = append(inStage, g.Clusters...)
			w.atMost("group "+g.Name, count(g.Clusters), strategy.Stages[i].Groups[j].MaxConcurrency, len(g.Clusters), 1)
		}
		all = append(all, inStage...)
		w.atMost("stage "+d.Status.Stages[i].Name, count(inStage), strategy.Stages[i].MaxConcurrency, len(inStage), defaultConcurrency)
	}
	w.atMost("the run", count(all), strategy.MaxConcurrency, len(all), defaultConcurrency)
}

func (w *world) atMost(place string, n int, limit *intstr.IntOrString, total, fallback int) {
	w.t.Helper()
	allowed, err := budget.Concurrency(place, limit, total, fallback)
	if err != nil {
		w.t.Fatal(err)
	}
	if n > allowed {
		w.t.Errorf("rule 1: %d clusters in flight in %s, %d allowed", n, place, allowed)
	}
}

// Rule 1 for the fleet: what starts has room beside all that is in flight in any run.
func (w *world) ruleFleet(d Decision) {
	w.t.Helper()
	begun := w.begins(d)
	if w.fleet == nil || w.fleet.MaxConcurrency == nil || len(begun) == 0 {
		return
	}
	n := len(w.elsewhere)
	for name := range w.clusters {
		if begun[name] || w.moving(name) {
			n++
		}
	}
	w.atMost("the fleet", n, w.fleet.MaxConcurrency, len(w.clusters), 1)
}

// begins are the clusters that a decision brings into flight. One that was on its way to a safe point and goes on never
// left the air.
func (w *world) begins(d Decision) map[string]bool {
	out := map[string]bool{}
	for _, a := range d.Actions {
		if w.moving(a.Cluster) {
			continue
		}
		if a.Kind == ActionStartCluster || a.Kind == ActionRetry || a.Kind == ActionSetState && a.State == v1alpha1.ClusterUpgradeStateRun {
			out[a.Cluster] = true
		}
	}
	return out
}

// Rule 1 for mutexes: no two clusters that share one are in flight together, and nothing new starts beside one that
// was left in the middle.
func (w *world) ruleMutexes(d Decision) {
	w.t.Helper()
	begun := w.begins(d)
	for name := range begun {
		for _, mutex := range w.clusters[name].Spec.Mutexes {
			for other, c := range w.clusters {
				unfinished := w.elsewhere[other] || begun[other] || w.moving(other) || w.upgrades[name] == nil && w.leftInTheMiddle(other)
				if other != name && unfinished && slices.Contains(c.Spec.Mutexes, mutex) {
					w.t.Errorf("rule 1: %s starts while %s, with the same mutex %s, is not done", name, other, mutex)
				}
			}
		}
	}
}

// leftInTheMiddle says whether a cluster rests at a safe point or failed, and nobody skipped it.
func (w *world) leftInTheMiddle(name string) bool {
	u := w.upgrades[name]
	if u == nil || skipsOf(w.run).clusters[name] {
		return false
	}
	return u.Status.Phase == v1alpha1.ClusterUpgradePhaseHeld || u.Status.Phase == v1alpha1.ClusterUpgradePhaseFailed
}

// Rule 2: what starts does so inside its calendar, and the first step fits what is left.
func (w *world) ruleWindows(d Decision) {
	w.t.Helper()
	for _, name := range starts(d) {
		ref := w.clusters[name].Spec.CalendarRef
		if ref == nil {
			continue
		}
		c, err := calendar.Compile(ref.Name, &w.calendars[ref.Name].Spec)
		if err != nil {
			w.t.Fatal(err)
		}
		state := calendar.Combine(c).At(w.now, v1alpha1.UpgradeKindMinor)
		takes := w.clusters[name].Spec.Provider.Simulated.ControlPlaneDuration.Duration
		if !state.Open || !state.Until.IsZero() && state.Until.Sub(w.now) < takes {
			w.t.Errorf("rule 2: %s starts at %s; its calendar is open: %t, until %s, and the first step takes %s", name, w.now, state.Open, state.Until, takes)
		}
	}
}

// Canaries: nothing else of their group starts before each is on the target or skipped.
func (w *world) ruleCanaries(d Decision) {
	w.t.Helper()
	begun, skipped := w.begins(d), skipsOf(w.run)
	for i := range d.Status.Stages {
		for j := range d.Status.Stages[i].Groups {
			clusters := d.Status.Stages[i].Groups[j].Clusters
			n := min(int(d.Status.Strategy.Stages[i].Groups[j].Canaries), len(clusters))
			for _, canary := range clusters[:n] {
				u := w.upgrades[canary]
				if skipped.clusters[canary] || u != nil && u.Status.Phase == v1alpha1.ClusterUpgradePhaseSucceeded {
					continue
				}
				for _, name := range clusters[n:] {
					if begun[name] {
						w.t.Errorf("%s starts before canary %s is on the target", name, canary)
					}
				}
			}
		}
	}
}

// Rule 4: a stage starts nothing before those that it waits for are finished, soaked and through their gates.
func (w *world) ruleStages(d Decision) {
	w.t.Helper()
	for _, name := range starts(d) {
		own := slices.IndexFunc(d.Status.Stages, func(s v1alpha1.RunStageStatus) bool { return holds(&s, name) })
		for i := range d.Status.Stages[:own] {
			st := &d.Status.Stages[i]
			if d.Status.Strategy.StageOrder == v1alpha1.StageOrderGraph && !slices.Contains(d.Status.Strategy.Stages[own].DependsOn, st.Name) {
				continue
			}
			skipped := st.Phase == v1alpha1.StagePhaseSkipped
			if !skipped && st.FinishedAt == nil {
				w.t.Errorf("rule 4: %s starts before stage %s is finished", name, st.Name)
			}
			spec := d.Status.Strategy.Stages[i]
			if !skipped && spec.Soak != nil && spec.Soak.Duration.Duration > 0 && st.SoakState != v1alpha1.SoakStateDone {
				w.t.Errorf("rule 4: %s starts before stage %s has soaked", name, st.Name)
			}
		}
	}
}

func holds(st *v1alpha1.RunStageStatus, cluster string) bool {
	return slices.ContainsFunc(st.Groups, func(g v1alpha1.RunGroupStatus) bool { return slices.Contains(g.Clusters, cluster) })
}

// Rule 5: with more failures than a group allows nothing new starts (onFailure Stop).
func (w *world) ruleFailures(d Decision) {
	w.t.Helper()
	strategy := d.Status.Strategy
	if strategy == nil || cmp.Or(strategy.OnFailure, v1alpha1.FailureActionStop) != v1alpha1.FailureActionStop || len(starts(d)) == 0 {
		return
	}
	for i := range d.Status.Stages {
		stage := &d.Status.Stages[i]
		for j := range stage.Groups {
			g := &stage.Groups[j]
			failed := w.failedIn(d, stage, g)
			allowed, err := budget.Failures("", strategy.Stages[i].Groups[j].MaxFailures, len(g.Clusters), 0)
			if err != nil {
				w.t.Fatal(err)
			}
			if failed > allowed {
				w.t.Errorf("rule 5: %v start although %d of the %d allowed failed in %s", starts(d), failed, allowed, g.Name)
			}
		}
	}
}

// failedIn counts the failed clusters of a group that no person skipped and no retry has taken up.
func (w *world) failedIn(d Decision, stage *v1alpha1.RunStageStatus, g *v1alpha1.RunGroupStatus) int {
	skipped := skipsOf(w.run)
	if skipped.stages[stage.Name] || skipped.groups[stage.Name+"/"+g.Name] {
		return 0
	}
	failed := 0
	for _, name := range g.Clusters {
		u := w.upgrades[name]
		if u == nil || skipped.clusters[name] || w.moving(name) {
			continue
		}
		if u.Status.Phase == v1alpha1.ClusterUpgradePhaseFailed && max(u.Spec.Attempt, 1) >= d.Status.Attempt {
			failed++
		}
	}
	return failed
}

// Rule 6: nothing starts behind a gate that is not passed or skipped, and no gate is passed without evidence.
func (w *world) ruleGates(d Decision) {
	w.t.Helper()
	for _, a := range d.Actions {
		if a.Kind == ActionDecideGate && a.GateStatus.State == v1alpha1.GateStatePassed {
			w.evidenced(d, w.gates[a.Gate])
		}
		if a.Kind != ActionStartCluster {
			continue
		}
		for place, t := range gate.All(d.Status.Strategy) {
			ahead := place.Stage == a.Stage && (place.Group == "" || place.Group == a.Group) && place.Timing == v1alpha1.GateTimingBefore
			name := gate.Name(w.run.Name, place, t.Name)
			if ahead && !passed(w.gates[name]) && !skipsOf(w.run).gates[gateKey(place.Stage, place.Group, t.Name)] {
				w.t.Errorf("rule 6: %s starts behind gate %s, which has not passed", a.Cluster, name)
			}
		}
	}
}

// evidenced checks without the code under test that a gate may be passed now.
func (w *world) evidenced(d Decision, g *v1alpha1.Gate) {
	w.t.Helper()
	switch t := g.Spec.Template; {
	case t.Approval != nil:
		w.evidencedByPeople(g)
		w.evidencedByHealth(d, g)
	case t.ScheduledStart != nil && t.ScheduledStart.At != nil:
		if w.now.Before(t.ScheduledStart.At.Time) {
			w.t.Errorf("rule 6: gate %s is passed before its time", g.Name)
		}
	case t.Verification != nil:
		w.t.Errorf("rule 6: gate %s is passed without a result of its verification", g.Name)
	}
}

func (w *world) evidencedByPeople(g *v1alpha1.Gate) {
	w.t.Helper()
	last := map[string]v1alpha1.GateDecisionKind{}
	for _, one := range g.Status.Decisions {
		last[one.By] = one.Decision
	}
	others := false
	for person, decision := range last {
		others = others || person != "eve" && decision == v1alpha1.GateDecisionApprove
		if decision == v1alpha1.GateDecisionRefuse {
			w.t.Errorf("rule 6: gate %s is passed although %s refuses", g.Name, person)
		}
	}
	if !others {
		w.t.Errorf("rule 6: gate %s is passed, and nobody has approved but who started the run", g.Name)
	}
}

func (w *world) evidencedByHealth(d Decision, g *v1alpha1.Gate) {
	w.t.Helper()
	for i := range d.Status.Stages {
		s := &d.Status.Stages[i]
		if g.Spec.Place.Timing != v1alpha1.GateTimingBefore || s.Name != g.Spec.Place.Stage {
			continue
		}
		for name := range w.clusters {
			if holds(s, name) && !skipsOf(w.run).clusters[name] && unhealthy(w.clusters[name]) != "" {
				w.t.Errorf("rule 6: gate %s is passed although %s, which comes next, is not healthy", g.Name, name)
			}
		}
	}
}

// Rule 7: the target is frozen.
func (w *world) ruleFrozen(d Decision) {
	w.t.Helper()
	if w.frozen == nil {
		w.frozen = d.Status.Resolved.DeepCopy()
		return
	}
	if diff := gocmp.Diff(w.frozen, d.Status.Resolved); diff != "" {
		w.t.Errorf("rule 7: the target changed:\n%s", diff)
	}
	for _, a := range d.Actions {
		if a.Kind == ActionStartCluster && len(a.Spec.Hops) > 0 && a.Spec.Hops[len(a.Spec.Hops)-1] != w.frozen.Version {
			w.t.Errorf("rule 7: %s is sent to %v, not to %s", a.Cluster, a.Spec.Hops, w.frozen.Version)
		}
	}
}

// Rule 8: everything that waits says why.
func (w *world) ruleWaiting(d Decision) {
	w.t.Helper()
	ended := d.Status.Phase == v1alpha1.RunPhaseSucceeded
	if !ended && d.Status.Waiting == nil {
		w.t.Errorf("rule 8: the run is %s and does not say what it waits for", d.Status.Phase)
	}
	if d.Status.Waiting != nil && (d.Status.Waiting.Reason == "" || d.Status.Waiting.Message == "") {
		w.t.Errorf("rule 8: waiting without a reason or a sentence: %+v", d.Status.Waiting)
	}
}

// Rule 10: nothing starts on a cluster that another run works on.
func (w *world) ruleOneRun(d Decision) {
	w.t.Helper()
	for _, name := range starts(d) {
		if by := w.busy[name]; by != "" {
			w.t.Errorf("rule 10: %s starts while run %s works on it", name, by)
		}
	}
}

// Rule 12: Succeeded means that every cluster that no person skipped is on the target and healthy.
func (w *world) ruleSucceeded(d Decision) {
	w.t.Helper()
	if d.Status.Phase != v1alpha1.RunPhaseSucceeded || w.run.Status.Phase == v1alpha1.RunPhaseSucceeded {
		return
	}
	skipped := skipsOf(w.run)
	for i := range d.Status.Stages {
		st := &d.Status.Stages[i]
		for _, g := range st.Groups {
			for _, name := range g.Clusters {
				u := w.upgrades[name]
				byPerson := skipped.clusters[name] || skipped.stages[st.Name] || skipped.groups[st.Name+"/"+g.Name]
				done := u != nil && u.Status.Phase == v1alpha1.ClusterUpgradePhaseSucceeded && unhealthy(w.clusters[name]) == ""
				if !byPerson && !done {
					w.t.Errorf("rule 12: Succeeded although %s is not on the target and healthy", name)
				}
			}
		}
	}
}

func TestRulesAreChecked(t *testing.T) {
	// The rules run after every pass of every story; a world in which none is looked at would pass them all.
	w := newWorld(t, order("staging"), "staging")
	w.settle()
	if w.frozen == nil || w.run.Status.Phase != v1alpha1.RunPhaseSucceeded {
		t.Fatalf("the simplest run ended %s", w.run.Status.Phase)
	}
}
