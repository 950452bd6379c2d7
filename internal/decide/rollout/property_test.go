// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"sengu.dev/sengu/api/v1alpha1"
)

// TestRulesHoldInAnyWorld plays random fleets, strategies, faults and commands of people. The safety rules are
// asserted after every pass; in the end, when everything is mended, the run must reach its end.
func TestRulesHoldInAnyWorld(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		strategy, envs := drawStrategy(r)
		var fleet []string
		for range rapid.IntRange(1, 10).Draw(r, "clusters") {
			fleet = append(fleet, rapid.SampledFrom(envs).Draw(r, "env"))
		}
		w := newWorld(t, strategy, fleet...)
		w.drawLimits(r)
		w.random = rand.New(rand.NewSource(rapid.Int64().Draw(r, "seed")))
		for range rapid.IntRange(5, 80).Draw(r, "steps") {
			w.happen(r)
			w.decide()
		}
		w.mend()
		for range 1500 {
			if final := w.run.Status.Phase; final == v1alpha1.RunPhaseSucceeded || final == v1alpha1.RunPhaseStopped {
				return
			}
			if waiting := w.run.Status.Waiting; w.run.Status.Phase == v1alpha1.RunPhaseFailed || waiting != nil && waiting.Reason == v1alpha1.ReasonMutexHeld {
				w.run.Spec.Attempt = w.run.Status.Attempt + 1 // what waits for the half of a pair that failed waits for a person
			}
			for _, name := range sorted(w.gates) {
				if !passed(w.gates[name]) && w.gates[name].Status.ReachedAt != nil {
					w.says("ada", v1alpha1.GateDecisionApprove, name)
					w.says("bob", v1alpha1.GateDecisionApprove, name)
					w.says("eve", v1alpha1.GateDecisionApprove, name)
				}
			}
			w.now = w.now.Add(time.Minute)
			w.decide()
			for _, name := range sorted(w.upgrades) {
				w.move(name)
			}
		}
		t.Fatalf("the run never ends; so far:\n%s", w.log.String())
	})
}

func drawStrategy(r *rapid.T) (*v1alpha1.UpgradeStrategySpec, []string) {
	s := &v1alpha1.UpgradeStrategySpec{OnFailure: rapid.SampledFrom([]v1alpha1.FailureAction{"", v1alpha1.FailureActionStop, v1alpha1.FailureActionFinishStage}).Draw(r, "onFailure")}
	if rapid.Bool().Draw(r, "graph") {
		s.StageOrder = v1alpha1.StageOrderGraph
	}
	if rapid.Bool().Draw(r, "sets aside") {
		s.Unavailable = &v1alpha1.UnavailablePolicy{Action: v1alpha1.UnavailableSetAside, After: &metav1.Duration{Duration: 3 * time.Minute}}
	}
	if rapid.Bool().Draw(r, "counts causes") {
		s.SameCauseLimit = 2
	}
	if rapid.Bool().Draw(r, "limited") {
		s.MaxConcurrency = number(rapid.IntRange(1, 4).Draw(r, "run concurrency"))
	}
	var envs []string
	for i := range rapid.IntRange(1, 3).Draw(r, "stages") {
		stage := v1alpha1.StrategyStage{Name: fmt.Sprintf("stage%d", i)}
		for _, earlier := range s.Stages {
			if s.StageOrder == v1alpha1.StageOrderGraph && rapid.Bool().Draw(r, "depends") {
				stage.DependsOn = append(stage.DependsOn, earlier.Name)
			}
		}
		if rapid.Bool().Draw(r, "soaks") {
			stage.Soak = soak(time.Duration(rapid.IntRange(0, 20).Draw(r, "minutes")) * time.Minute)
		}
		if rapid.Bool().Draw(r, "gated") {
			stage.BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{Count: rapid.Int32Range(0, 2).Draw(r, "count")}}}
		}
		if rapid.Bool().Draw(r, "gated after") {
			stage.AfterGates = []v1alpha1.GateSpecTemplate{{Name: "go", ScheduledStart: &v1alpha1.ScheduledStartGate{At: &metav1.Time{Time: epoch.Add(time.Minute)}}},
				{Name: "ok", Approval: &v1alpha1.ApprovalGate{ExpiresAfter: &metav1.Duration{Duration: time.Minute}}}}
		}
		if rapid.Bool().Draw(r, "stage limited") {
			stage.MaxConcurrency = percent(fmt.Sprintf("%d%%", rapid.IntRange(1, 100).Draw(r, "stage concurrency")))
		}
		for j := range rapid.IntRange(1, 2).Draw(r, "groups") {
			env := fmt.Sprintf("e%d%d", i, j)
			envs = append(envs, env)
			stage.Groups = append(stage.Groups, v1alpha1.StrategyGroup{
				Name: fmt.Sprintf("g%d", j), Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": env}},
				MaxConcurrency: number(rapid.IntRange(1, 3).Draw(r, "group concurrency")),
				MaxFailures:    number(rapid.IntRange(0, 2).Draw(r, "failures")),
				Canaries:       int32(rapid.IntRange(0, 2).Draw(r, "canaries")),
			})
		}
		s.Stages = append(s.Stages, stage)
	}
	return s, envs
}

// drawLimits gives some clusters mutexes and the fleet a limit.
func (w *world) drawLimits(r *rapid.T) {
	for _, name := range sorted(w.clusters) {
		if pair := rapid.SampledFrom([]string{"", "", "east", "west"}).Draw(r, "mutex"); pair != "" {
			w.clusters[name].Spec.Mutexes = []string{pair}
		}
	}
	if rapid.Bool().Draw(r, "windows") {
		w.opens("hourly", v1alpha1.MaintenanceWindow{Cron: "30 * * * *", Duration: metav1.Duration{Duration: 20 * time.Minute}})
		for _, name := range sorted(w.clusters) {
			w.takes(name, 5*time.Minute)
			if rapid.Bool().Draw(r, "has a calendar") {
				w.clusters[name].Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: "hourly"}
			}
		}
	}
	if rapid.Bool().Draw(r, "fleet limited") {
		w.fleet = &v1alpha1.FleetSpec{MaxConcurrency: number(rapid.IntRange(1, 4).Draw(r, "fleet concurrency"))}
	}
}

// happen lets one thing happen to the world: most of the time to a cluster, else by somebody's hand.
func (w *world) happen(r *rapid.T) {
	cluster := rapid.SampledFrom(sorted(w.clusters)).Draw(r, "cluster")
	switch rapid.IntRange(0, 12).Draw(r, "event") {
	case 0, 1, 2, 3, 4:
		if w.upgrades[cluster] != nil {
			w.move(cluster)
		}
	case 5:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 900).Draw(r, "seconds")) * time.Second)
	case 6:
		w.health(cluster, rapid.SampledFrom([]metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown}).Draw(r, "health"))
	case 7:
		w.fails[cluster] = rapid.IntRange(0, 2).Draw(r, "fails")
	case 8:
		if w.busy[cluster] = ""; rapid.Bool().Draw(r, "busy") && w.upgrades[cluster] == nil {
			w.busy[cluster] = "other"
		}
		if delete(w.elsewhere, cluster); w.busy[cluster] != "" && rapid.Bool().Draw(r, "in flight") {
			w.elsewhere[cluster] = true
		}
	default:
		w.somebodyActs(r, cluster)
	}
}

// somebodyActs lets a person do one thing.
func (w *world) somebodyActs(r *rapid.T, cluster string) {
	switch rapid.IntRange(0, 3).Draw(r, "act") {
	case 0:
		w.run.Spec.State = rapid.SampledFrom([]v1alpha1.RunState{v1alpha1.RunStateRun, v1alpha1.RunStatePause}).Draw(r, "state")
	case 1:
		if w.run.Status.Phase == v1alpha1.RunPhaseFailed {
			w.run.Spec.Attempt = w.run.Status.Attempt + 1
		}
	case 2:
		for _, name := range sorted(w.gates) {
			if person := rapid.SampledFrom([]string{"", "ada", "bob", "eve"}).Draw(r, "person"); person != "" {
				w.says(person, rapid.SampledFrom([]v1alpha1.GateDecisionKind{v1alpha1.GateDecisionApprove, v1alpha1.GateDecisionApprove, v1alpha1.GateDecisionRefuse}).Draw(r, "decision"), name)
			}
		}
	case 3:
		if rapid.IntRange(0, 9).Draw(r, "really skip") == 0 {
			w.run.Spec.Skip = append(w.run.Spec.Skip, v1alpha1.Skip{Kind: v1alpha1.SkipKindCluster, Cluster: cluster, Reason: "why"})
		}
	}
}

// mend takes away everything that could keep the run from its end.
func (w *world) mend() {
	w.run.Spec.State = v1alpha1.RunStateRun
	w.fails, w.busy, w.elsewhere = map[string]int{}, map[string]string{}, map[string]bool{}
	for name := range w.clusters {
		w.health(name, metav1.ConditionTrue)
	}
}
