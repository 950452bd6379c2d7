// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"strings"
	"testing"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

func TestANodeSaysPreciselyWhatBlocksIt(t *testing.T) {
	blocked := func(reason, pod, budget string, ago time.Duration) v1alpha1.DrainBlocker {
		return v1alpha1.DrainBlocker{Pod: pod, Budget: budget, Healthy: 2, Desired: 3, Reason: reason, Since: viewtest.Ago(ago)}
	}
	tests := map[string]struct {
		blockers []v1alpha1.DrainBlocker
		want     string
	}{
		"nothing": {nil, "node n: 3 pods left for 1m00s"},
		"a budget": {
			[]v1alpha1.DrainBlocker{blocked(v1alpha1.ReasonBudgetExhausted, "shop/a", "shop/cart", 12*time.Second)},
			"node n: 3 pods left, waiting for budget shop/cart (healthy 2, needs 3) for 12s",
		},
		"several pods at one budget are told once, with the longest wait": {
			[]v1alpha1.DrainBlocker{
				blocked(v1alpha1.ReasonBudgetExhausted, "shop/a", "shop/cart", 12*time.Second),
				blocked(v1alpha1.ReasonBudgetExhausted, "shop/b", "shop/cart", 40*time.Second),
			},
			"node n: 3 pods left, waiting for budget shop/cart (healthy 2, needs 3) for 40s",
		},
		"two budgets": {
			[]v1alpha1.DrainBlocker{
				blocked(v1alpha1.ReasonBudgetExhausted, "shop/a", "shop/cart", 0),
				blocked(v1alpha1.ReasonBudgetNeverAllows, "shop/b", "shop/db", 0),
			},
			"node n: 3 pods left, waiting for budget shop/cart (healthy 2, needs 3), budget shop/db can never allow an eviction (healthy 2, needs 3)",
		},
		"a budget that was not evaluated": {
			[]v1alpha1.DrainBlocker{blocked(v1alpha1.ReasonBudgetNotObserved, "shop/a", "shop/cart", 0)},
			"node n: 3 pods left, waiting until the cluster has evaluated budget shop/cart",
		},
		"several budgets for one pod": {
			[]v1alpha1.DrainBlocker{blocked(v1alpha1.ReasonSeveralBudgets, "shop/a", "", 0), blocked(v1alpha1.ReasonSeveralBudgets, "shop/b", "", 0)},
			"node n: 3 pods left, pod shop/a and 1 more matched by several budgets, which the eviction API refuses",
		},
		"a refusal of the API": {
			[]v1alpha1.DrainBlocker{blocked(v1alpha1.ReasonEvictionRefused, "shop/a", "", 0)},
			"node n: 3 pods left, eviction of pod shop/a refused by the API",
		},
		"a pod that ends": {
			[]v1alpha1.DrainBlocker{blocked(v1alpha1.ReasonTerminating, "shop/a", "", 0)},
			"node n: 3 pods left, waiting for pod shop/a to end",
		},
		"a pod that does not end": {
			[]v1alpha1.DrainBlocker{blocked(v1alpha1.ReasonStuckTerminating, "shop/a", "", 90*time.Second)},
			"node n: 3 pods left, pod shop/a should have ended by now for 1m30s",
		},
		"a reason of a later release": {
			[]v1alpha1.DrainBlocker{blocked("MoonPhase", "shop/a", "", 0)},
			"node n: 3 pods left, MoonPhase of pod shop/a",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			scene := viewtest.NewScene()
			scene.Drain("staging-1", 0, 1, v1alpha1.DrainingNode{Name: "n", State: "Draining", PodsLeft: 3, Since: viewtest.Ago(time.Minute), BlockedBy: tc.blockers})
			run := view.NewRun(scene.RunObjects, viewtest.Now)
			if got := run.Stages[0].Groups[0].Clusters[0].Nodes[0].Sentence(); got != tc.want {
				t.Errorf("it says %q, want %q", got, tc.want)
			}
		})
	}
}

func TestStepsAreToldInWords(t *testing.T) {
	tests := map[string]struct {
		step string
		hops []string
		want string
	}{
		"control plane":         {"1.37.2/ControlPlane", []string{"1.37.2"}, "control plane"},
		"a pool":                {"1.37.2/NodePool/user", []string{"1.37.2"}, "nodes of user"},
		"the first of two hops": {"1.36.4/ControlPlane", []string{"1.36.4", "1.37.2"}, "hop 1/2: control plane"},
		"a later release's":     {"1.37.2/Bless", []string{"1.37.2"}, "1.37.2/Bless"},
		"one word":              {"Done", nil, "Done"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			scene := viewtest.NewScene()
			u := scene.Upgrade("staging-1")
			u.Status.CurrentStep, u.Spec.Hops = tc.step, tc.hops
			run := view.NewRun(scene.RunObjects, viewtest.Now)
			if got := run.Stages[0].Groups[0].Clusters[0].Step; got != tc.want {
				t.Errorf("it says %q, want %q", got, tc.want)
			}
		})
	}
}

// The only group of a stage has no line of its own, and must not keep to itself what it waits for.
func TestWhatALonelyGroupWaitsForIsTold(t *testing.T) {
	scene := viewtest.NewScene()
	scene.Stage("staging").Groups[0].Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonClusterBusy, Message: "cluster staging-1 belongs to run hotfix"}
	if got := view.DescribeRun(scene.RunObjects, viewtest.Now); strings.Count(got, "cluster staging-1 belongs to run hotfix") != 2 {
		t.Errorf("the tree and the explanation do not both tell what the group waits for:\n%s", got)
	}
}
