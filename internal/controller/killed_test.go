// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/hub/hubtest"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/provider"
)

// senguStyle makes a cluster of nodes that Sengu drains, with one more while it does.
func senguStyle(nodes int32) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		c.Spec.Provider.Simulated.NodeStyle = "Sengu"
		c.Spec.Provider.Simulated.Nodes = nodes
		c.Spec.NodeRollout.MaxSurge = new(intstr.FromInt32(1))
	}
}

// TestOneOfTwoProcessesWorks: of two processes on one hub one leads; the other takes over when that one stops.
func TestOneOfTwoProcessesWorks(t *testing.T) {
	f := newFleet(t)
	f.stop()
	var opened [2]atomic.Int64
	var stops [2]func() error
	for i := range stops {
		stops[i] = f.process(hubtest.Hub(t).AdminConfig(), func(o *controller.Options) {
			o.LeaderElection = &controller.LeaderElection{Namespace: f.namespace}
			o.Openers["simulated"] = func(ctx context.Context, c *v1alpha1.Cluster, secret observe.SecretReader) (provider.Provider, error) {
				opened[i].Add(1)
				return f.open(ctx, c, secret)
			}
		})
	}
	f.add("staging-1", "staging", nil)
	f.run("first", "1.37", "staging")
	f.untilPhase("first", v1alpha1.RunPhaseSucceeded)
	leads, other := 0, 1
	if opened[0].Load() == 0 {
		leads, other = 1, 0
	}
	if n := opened[other].Load(); n > 0 {
		t.Fatalf("both work: the other one has reached a cluster %d times", n)
	}
	if err := stops[leads](); err != nil {
		t.Error(err)
	}
	f.add("staging-2", "staging", nil)
	f.run("second", "1.37", "staging")
	f.untilPhase("second", v1alpha1.RunPhaseSucceeded)
	if opened[other].Load() == 0 {
		t.Error("the second run was done by a process that had stopped")
	}
	if got := f.operations("staging-1"); got["ControlPlane"] != 1 {
		t.Errorf("staging-1: operations %v, want those of the first run only", got)
	}
	if err := stops[other](); err != nil {
		t.Error(err)
	}
}

// TestARunThatIsCreatedAnewBeginsAnew: a run of the name of a deleted one takes neither its approvals nor its upgrades
// for its own.
func TestARunThatIsCreatedAnewBeginsAnew(t *testing.T) {
	f := newFleet(t)
	f.add("prod-1", "production", nil)
	gated := strategy("production")
	gated.Stages[0].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{}}}
	create := func(to string) {
		t.Helper()
		f.create(&v1alpha1.UpgradeRun{ObjectMeta: named("next"), Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: to}, Strategy: gated}})
	}
	const gate, upgrade = "next-production-before-ok", "next-prod-1"
	approve := func() {
		t.Helper()
		g := until(f, gate, &v1alpha1.Gate{}, "asked for", func(*v1alpha1.Gate) bool { return true })
		before := g.DeepCopy()
		g.Status.State = v1alpha1.GateStatePassed
		if err := f.Status().Patch(t.Context(), g, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	create("1.37")
	approve()
	first := f.untilPhase("next", v1alpha1.RunPhaseSucceeded)

	// What it leaves behind stays, as with `kubectl delete --cascade=orphan`, or for the moment that it takes to go.
	if err := f.Delete(t.Context(), first, client.PropagationPolicy("Orphan")); err != nil {
		t.Fatal(err)
	}
	f.untilGone("next", &v1alpha1.UpgradeRun{})
	create("1.38")
	waiting := until(f, "next", &v1alpha1.UpgradeRun{}, "waiting", func(r *v1alpha1.UpgradeRun) bool { return r.Status.Waiting != nil })
	if r := waiting.Status.Waiting.Reason; r != v1alpha1.ReasonGateClosed {
		t.Errorf("it waits for %s, want %s: nobody has approved it", r, v1alpha1.ReasonGateClosed)
	}
	f.remove(gate, &v1alpha1.Gate{})
	approve()
	waiting = until(f, "next", &v1alpha1.UpgradeRun{}, "waiting for the name", func(r *v1alpha1.UpgradeRun) bool {
		return r.Status.Waiting != nil && r.Status.Waiting.Reason != v1alpha1.ReasonGateClosed
	})
	if r := waiting.Status.Waiting.Reason; r != v1alpha1.ReasonClusterBusy {
		t.Errorf("it waits for %+v, want %s: the upgrade of the first has its name", waiting.Status.Waiting, v1alpha1.ReasonClusterBusy)
	}
	if got := f.operations("prod-1"); got["ControlPlane"] != 1 {
		t.Errorf("operations %v, want those of the first run only", got)
	}
	f.remove(upgrade, &v1alpha1.ClusterUpgrade{})
	second := f.untilPhase("next", v1alpha1.RunPhaseSucceeded)
	if got := f.operations("prod-1"); got["ControlPlane"] != 2 || second.Status.Resolved.Version == first.Status.Resolved.Version {
		t.Errorf("operations %v to %s, want a second upgrade", got, second.Status.Resolved.Version)
	}
}
