// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/hub"
	"sengu.dev/sengu/internal/hub/hubtest"
	"sengu.dev/sengu/internal/operation"
)

// TestAPersonApproves: a run stops at its gate; bob refuses, and when he approves it goes on by itself.
func TestAPersonApproves(t *testing.T) {
	f := newFleet(t)
	f.add("prod-1", "production", nil)
	gated := strategy("production")
	gated.Stages[0].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{Approvers: []string{"group:leads"}}}}
	f.create(&v1alpha1.UpgradeRun{ObjectMeta: named("next"), Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Strategy: gated}})
	const gate = "next-production-before-ok"
	reason := func(want string) *v1alpha1.Gate {
		t.Helper()
		return until(f, gate, &v1alpha1.Gate{}, want, func(g *v1alpha1.Gate) bool { return g.Status.Reason == want })
	}
	asked := reason(v1alpha1.ReasonApprovalNeeded)
	if len(asked.Status.Evidence) != 2 || asked.Status.ReachedAt == nil {
		t.Errorf("what comes next is told as %q, reached at %v", asked.Status.Evidence, asked.Status.ReachedAt)
	}
	bob := person(t, hub.User{Name: "bob", Groups: []string{hub.GroupOperators, "leads"}})
	key := types.NamespacedName{Namespace: asked.Namespace, Name: gate}
	if _, err := operation.RefuseGate(t.Context(), bob, key, "month end", time.Now()); err != nil {
		t.Fatal(err)
	}
	if g := reason(v1alpha1.ReasonApprovalRefused); g.Status.State != v1alpha1.GateStateRefused || g.Status.DecidedBy != "bob" {
		t.Errorf("the gate is %s by %q", g.Status.State, g.Status.DecidedBy)
	}
	if _, err := operation.ApproveGate(t.Context(), bob, key, operation.Approval{At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	run := f.untilPhase("next", v1alpha1.RunPhaseSucceeded)
	if g := reason(v1alpha1.ReasonApproved); g.Status.State != v1alpha1.GateStatePassed || g.Status.DecidedAt == nil || len(g.Status.Decisions) != 2 {
		t.Errorf("the gate is %+v", g.Status)
	}
	if gates := run.Status.Stages[0].Gates; len(gates) != 1 || gates[0].State != v1alpha1.GateStatePassed || gates[0].Reason != v1alpha1.ReasonApproved {
		t.Errorf("the run says of its gate: %+v", gates)
	}
}

// person is a client with the rights of a user of the hub.
func person(t *testing.T, user hub.User) client.Client {
	t.Helper()
	content, err := hubtest.Hub(t).Kubeconfig(user)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(content)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: controller.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
