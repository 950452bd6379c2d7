// SPDX-License-Identifier: Apache-2.0

package view_test

import (
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
