// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

// member is a cluster that is ready unless a reason says why not.
func member(name, version, notReady string) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.Status.ControlPlane.Version = version
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable}
	if notReady != "" {
		ready.Status, ready.Reason = metav1.ConditionFalse, notReady
	}
	c.Status.Conditions = []metav1.Condition{ready}
	return c
}

func TestThePlanTellsWhatComesNowAndWhatLater(t *testing.T) {
	scene := viewtest.NewScene().Many(30)
	status := scene.Run.Status
	status.Stages[2].Gates = []v1alpha1.RunGateStatus{{Name: "approve", Timing: "Before", State: v1alpha1.GateStatePending}}
	golden(t, "plan", view.Plan(&view.PlanInput{
		Snapshot: rollout.Snapshot{
			Run: scene.Run,
			Clusters: []*v1alpha1.Cluster{
				member("staging-1", "1.35.9", ""), member("canary-1", "1.37.2", ""),
				member("prod-tokyo-1", "1.36.3", v1alpha1.ReasonProviderUnreachable), member("prod-osaka-1", "1.36.3", ""),
			},
			BusyWith: map[string]string{"prod-osaka-1": "hotfix"},
		},
		Decision: rollout.Decision{
			Status: status, NextLook: viewtest.Now.Add(30 * time.Second),
			Actions: []rollout.Action{
				{Kind: rollout.ActionStartCluster, Stage: "staging", Group: "all", Cluster: "staging-1", Spec: &v1alpha1.ClusterUpgradeSpec{Hops: []string{"1.36.4", "1.37.2"}}, Reason: "1 of 1 in flight in its group"},
				{Kind: rollout.ActionCreateGate, Stage: "production", Gate: "approve"},
			},
		},
		Now: viewtest.Now, MaxClusters: 3,
	}))
}

func TestThePlanSaysWhyARunWouldNotStart(t *testing.T) {
	golden(t, "plan-refused", view.Plan(&view.PlanInput{
		Snapshot: rollout.Snapshot{Run: viewtest.NewScene().Run},
		Decision: rollout.Decision{Status: scenes()["refused"].Run.Status}, Now: viewtest.Now,
	}))
}

// TestThePlanOfANewRunTellsItsGates that nobody has asked for yet, and does not speak of the run as if it had begun.
func TestThePlanOfANewRunTellsItsGates(t *testing.T) {
	scene := viewtest.NewScene()
	status := *scene.Run.Status.DeepCopy()
	strategy := status.Strategy
	strategy.Stages[0].AfterGates = []v1alpha1.GateSpecTemplate{
		{Name: "monday", ScheduledStart: &v1alpha1.ScheduledStartGate{Next: "MON 06:00", TimeZone: "Asia/Tokyo"}},
	}
	strategy.Stages[1].Groups[0].BeforeGates = []v1alpha1.GateSpecTemplate{
		{Name: "change", ScheduledStart: &v1alpha1.ScheduledStartGate{At: viewtest.Ago(-48 * time.Hour)}},
	}
	strategy.Stages[1].Groups[0].AfterGates = []v1alpha1.GateSpecTemplate{{Name: "proof", Verification: &v1alpha1.LocalObjectReference{Name: "shop"}}}
	status.Stages[0].Phase = v1alpha1.StagePhaseRunning
	status.Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonClustersInFlight, Message: "upgrading staging-1"}
	scene.Run.Status = v1alpha1.UpgradeRunStatus{}
	golden(t, "plan-new", view.Plan(&view.PlanInput{
		Snapshot: rollout.Snapshot{Run: scene.Run, Clusters: []*v1alpha1.Cluster{member("staging-1", "1.36.3", "")}},
		Decision: rollout.Decision{Status: status, Actions: []rollout.Action{
			{Kind: rollout.ActionStartCluster, Stage: "staging", Group: "all", Cluster: "staging-1", Reason: "it runs 1.36.3"},
		}},
		Now: viewtest.Now,
	}))
}

func TestThePlanOfNodeImagesMovesNoVersion(t *testing.T) {
	scene := viewtest.NewScene()
	scene.Run.Spec.Target = v1alpha1.UpgradeTarget{Scope: v1alpha1.UpgradeScopeNodeImageOnly}
	scene.Run.Status.Resolved = &v1alpha1.ResolvedTarget{}
	got := view.Plan(&view.PlanInput{
		Snapshot: rollout.Snapshot{Run: scene.Run, Clusters: []*v1alpha1.Cluster{member("staging-1", "1.36.3", "")}},
		Decision: rollout.Decision{Status: scene.Run.Status}, Now: viewtest.Now,
	})
	for _, want := range []string{"staging-1  stays on 1.36.3\n", "canary-1  stays on its version\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the plan has no %q:\n%s", want, got)
		}
	}
}
