// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

func TestAStrategyIsToldInWords(t *testing.T) {
	where := func(env string) metav1.LabelSelector {
		return metav1.LabelSelector{MatchLabels: map[string]string{"env": env}}
	}
	s := &v1alpha1.UpgradeStrategy{ObjectMeta: metav1.ObjectMeta{Name: "careful", Namespace: "default", CreationTimestamp: *viewtest.Ago(time.Hour)},
		Spec: v1alpha1.UpgradeStrategySpec{
			StageOrder: v1alpha1.StageOrderGraph, SameCauseLimit: 3, OnFailure: v1alpha1.FailureActionFinishStage,
			Unavailable: &v1alpha1.UnavailablePolicy{Action: v1alpha1.UnavailableSetAside, After: &metav1.Duration{Duration: 2 * time.Hour}},
			Stages: []v1alpha1.StrategyStage{
				{Name: "east", CalendarRef: &v1alpha1.LocalObjectReference{Name: "nights"}, Soak: &v1alpha1.Soak{Duration: metav1.Duration{Duration: 72 * time.Hour}, History: v1alpha1.SoakHistoryFleet},
					Groups: []v1alpha1.StrategyGroup{{Name: "all", Selector: where("east"), Canaries: 2, MaxConcurrency: new(intstr.FromString("10%")),
						ClusterOrder: &v1alpha1.ClusterOrder{By: v1alpha1.ClusterOrderNodes}}}},
				{Name: "west", Soak: &v1alpha1.Soak{Duration: metav1.Duration{Duration: time.Hour}, Health: v1alpha1.SoakHealthIgnored},
					Groups: []v1alpha1.StrategyGroup{{Name: "all", Selector: where("west"), ClusterOrder: &v1alpha1.ClusterOrder{Label: "risk", Direction: v1alpha1.OrderDescending}}}},
				{Name: "global", DependsOn: []string{"east", "west"}, Groups: []v1alpha1.StrategyGroup{{Name: "all", Selector: where("global")}},
					BeforeGates: []v1alpha1.GateSpecTemplate{{Name: "go", Approval: &v1alpha1.ApprovalGate{Count: 2}}}},
			},
		}}
	golden(t, "describe-strategy", view.DescribeStrategy(s, viewtest.Now))
}

// TestWhoWaitsAsideIsListed with the reason, and not for pages.
func TestWhoWaitsAsideIsListed(t *testing.T) {
	scene := viewtest.NewScene()
	group := &scene.Run.Status.Stages[0].Groups[0]
	group.Aside = []v1alpha1.RunAside{{Cluster: "staging-1", Reason: v1alpha1.ReasonClusterNotReady, Since: viewtest.Ago(3 * time.Hour), State: "SetAside"}}
	text := view.DescribeRun(scene.RunObjects, viewtest.Now)
	if !strings.Contains(text, "staging-1   staging   SetAside   ClusterNotReady   3h00m") {
		t.Errorf("the cluster that is set aside is not listed:\n%s", text)
	}
	for range 50 {
		group.Aside = append(group.Aside, v1alpha1.RunAside{Cluster: "x", Reason: v1alpha1.ReasonClusterBusy, State: "Waiting"})
	}
	if text = view.DescribeRun(scene.RunObjects, viewtest.Now); strings.Count(text, "ClusterBusy") != 19 || !strings.Contains(text, "and 31 more") {
		t.Errorf("51 clusters aside are told as:\n%s", text)
	}
}
