// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/lab/labtest"
	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/internal/labapi"
)

// TestAFailureStopsTheRunAndIsCompletedForward: staging fails, production is not touched, and when the cause is gone the
// same run goes on to its end.
func TestAFailureStopsTheRunAndIsCompletedForward(t *testing.T) {
	t.Parallel()
	f := newFleet(t, definition("staging-1/staging", "prod-1/production"))
	f.inject("staging-1", labapi.Fault{Kind: labapi.FaultOperationFails, Operation: labapi.OperationReplaceNode,
		Code: "AllocationFailed", Message: "no capacity of this size is left in the zone"})
	f.create()

	said := f.run(1, "run", "watch", "to-1-37")
	wantSaid(t, said, "AllocationFailed", "no capacity of this size is left in the zone")
	f.wantNothingLeft("prod-1", "1.36.0")
	if got := f.operations("prod-1"); len(got) > 0 {
		t.Errorf("production was touched: %v", got)
	}
	for _, n := range f.nodes("staging-1") {
		if n.Spec.Unschedulable || len(n.Spec.Taints) > 0 {
			t.Errorf("staging-1: node %s is left cordoned (%t) or tainted (%v)", n.Name, n.Spec.Unschedulable, n.Spec.Taints)
		}
	}
	wantSaid(t, f.run(0, "run", "describe", "to-1-37"), "AllocationFailed", "retry")

	f.inject("staging-1")
	f.run(0, "run", "retry", "to-1-37")
	f.run(0, "run", "watch", "to-1-37")
	for _, c := range []string{"staging-1", "prod-1"} {
		f.wantNothingLeft(c, release.Newest)
		if got := f.operations(c)[labapi.OperationUpgrade]; got != 1 {
			t.Errorf("%s: the control plane was upgraded %d times, want once", c, got)
		}
	}
}

// TestTheHubIsKilledInTheMiddleOfADrain: the next process goes on where the world is, and does nothing twice. A kill
// between the two halves of an eviction blocks its budget for two minutes, as Kubernetes has it.
func TestTheHubIsKilledInTheMiddleOfADrain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, definition("staging-1/staging"))
	f.create()
	f.untilDraining("staging-1")
	f.kill()
	f.serve()
	f.untilDraining("staging-1")
	f.kill() // and once more, before it can have finished
	f.serve()
	wantSaid(t, f.run(0, "run", "watch", "to-1-37"), "Succeeded")
	f.wantNothingLeft("staging-1", release.Newest)
	got := f.operations("staging-1")
	// One node of surge: two nodes are renewed by one added, one replaced and one removed.
	if got[labapi.OperationUpgrade] != 1 || got[labapi.OperationAddNode] != 1 || got[labapi.OperationReplaceNode]+got[labapi.OperationRemoveNode] != 2 {
		t.Errorf("operations %v, want each once", got)
	}
}

// TestTheClustersAPIIsAwayDuringADrain: the upgrade waits, says for what, and goes on.
func TestTheClustersAPIIsAwayDuringADrain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, definition("staging-1/staging"))
	f.create()
	f.untilDraining("staging-1")
	f.inject("staging-1", labapi.Fault{Kind: labapi.FaultAPICut})
	f.until("the run says that the API is away", func() bool {
		w := f.upgrade("staging-1").Waiting
		return w != nil && w.Reason == v1alpha1.ReasonMemberUnreachable && w.Until != nil
	})
	wantSaid(t, f.run(0, "run", "describe", "to-1-37"), "the cluster's API did not answer", "looks again in")
	f.inject("staging-1")
	f.run(0, "run", "watch", "to-1-37")
	f.wantNothingLeft("staging-1", release.Newest)
}

// TestStoppedInTheMiddle: a stop leaves a cluster that can be used, and a second run takes it further.
func TestStoppedInTheMiddle(t *testing.T) {
	t.Parallel()
	f := newFleet(t, definition("staging-1/staging"))
	f.create()
	f.untilDraining("staging-1")
	f.run(0, "run", "stop", "to-1-37", "--yes")
	f.run(1, "run", "watch", "to-1-37")
	for _, n := range f.nodes("staging-1") {
		if n.Spec.Unschedulable || len(n.Spec.Taints) > 0 {
			t.Errorf("node %s is left cordoned (%t) or tainted (%v)", n.Name, n.Spec.Unschedulable, n.Spec.Taints)
		}
	}
	f.createAs("further")
	f.run(0, "run", "watch", "further")
	f.wantNothingLeft("staging-1", release.Newest)
}

// TestAClusterOfOnesOwnIsTheHub: the same controllers work against any Kubernetes with Sengu's kinds, and until it has
// them they say how it gets them.
func TestAClusterOfOnesOwnIsTheHub(t *testing.T) {
	t.Parallel()
	f := newLab(t, definition("management/other", "staging-1/staging"))
	f.hubKubeconfig = f.write("management.kubeconfig", f.lab.Kubeconfig("management"))
	wantSaid(t, f.run(3, "controller"), "is not a hub of Sengu", "sengu hub kinds")

	kubectl := exec.CommandContext(t.Context(), labtest.Binary(t), "kubectl", "--dir", f.path("lab"), "--cluster", "management",
		"apply", "--server-side", "-f", "-")
	kubectl.Stdin = strings.NewReader(f.run(0, "hub", "kinds"))
	if said, err := kubectl.CombinedOutput(); err != nil {
		t.Fatalf("sengu hub kinds | kubectl apply -f -: %v: %s", err, said)
	}
	// An API server reads anew which kinds its admission policies speak of every 5 s, and refuses runs until then.
	trial := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "trial"}, Spec: v1alpha1.UpgradeRunSpec{
		Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, StrategyRef: &v1alpha1.LocalObjectReference{Name: "any"}}}
	f.until("runs are accepted", func() bool { return f.hubClient().Create(t.Context(), trial.DeepCopy(), client.DryRunAll) == nil })
	f.start("controller", "--kubeconfig", f.hubKubeconfig)
	t.Cleanup(f.stop)
	f.addAll("staging-1")
	f.create()
	f.run(0, "run", "watch", "to-1-37")
	f.wantNothingLeft("staging-1", release.Newest)
}

// TestWhatIsWrongIsSaid: a wrong token, a lab that is not there, and a cluster that is not in it each give one sentence,
// and no secret is shown.
func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	f := newFleet(t, definition("one/staging"))
	f.add("wrong-token", "--lab-cluster", "one", "--lab-token-file", f.write("wrong.token", []byte("not-the-token")), "-L", "env=none")
	f.add("no-lab", "--lab-cluster", "one", "--lab-endpoint", "http://127.0.0.1:1", "-L", "env=none")
	f.add("no-such-cluster", "--lab-cluster", "three", "-L", "env=none")
	for name, want := range map[string]string{
		"wrong-token": "the lab refused the token", "no-lab": "does not answer", "no-such-cluster": `has no cluster "three"`,
	} {
		f.until(name+" is looked at", func() bool { return f.condition(name, v1alpha1.ConditionReachable) != "" })
		said := f.run(0, "cluster", "describe", name)
		wantSaid(t, said, want)
		if f.condition(name, v1alpha1.ConditionReachable) == metav1.ConditionTrue {
			t.Errorf("%s is reachable:\n%s", name, said)
		}
		if strings.Contains(said, "not-the-token") {
			t.Errorf("%s: the token is shown", name)
		}
	}
}

// TestCredentialsThatLeadToAnotherCluster are refused: draining the wrong cluster is worse than not draining.
func TestCredentialsThatLeadToAnotherCluster(t *testing.T) {
	t.Parallel()
	f := newFleet(t, definition("one/other", "two/other"))
	hub, key := f.hubClient(), client.ObjectKey{Namespace: "default", Name: "mine"}
	f.add("mine", "--lab-cluster", "one", "--kubeconfig-file", f.write("one.kubeconfig", f.lab.Kubeconfig("one")), "-L", "env=staging")
	f.until("it is known", func() bool { return f.condition("mine", v1alpha1.ConditionReady) == metav1.ConditionTrue })

	var c v1alpha1.Cluster
	if err := hub.Get(t.Context(), key, &c); err != nil {
		t.Fatal(err)
	}
	var secret corev1.Secret
	if err := hub.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: c.Spec.Access.KubeconfigSecretRef.Name}, &secret); err != nil {
		t.Fatal(err)
	}
	secret.Data[c.Spec.Access.KubeconfigSecretRef.Key] = f.lab.Kubeconfig("two")
	if err := hub.Update(t.Context(), &secret); err != nil {
		t.Fatal(err)
	}
	c.Spec.NodeRollout.DrainTimeout = &metav1.Duration{Duration: time.Minute} // a change of the spec has the Secret read at once
	if err := hub.Update(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	f.until("it is refused", func() bool { return f.condition("mine", v1alpha1.ConditionReady) == metav1.ConditionFalse })
	wantSaid(t, f.run(0, "cluster", "describe", "mine"), v1alpha1.ReasonWrongCluster, "correct the kubeconfig")

	f.create()
	f.until("the run waits for it", func() bool {
		var run v1alpha1.UpgradeRun
		err := hub.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "to-1-37"}, &run)
		return err == nil && run.Status.Waiting != nil && strings.Contains(run.Status.Waiting.Message, "another cluster")
	})
	for _, cluster := range []string{"one", "two"} {
		f.wantNothingLeft(cluster, "1.36.0")
		if got := f.operations(cluster); len(got) > 0 {
			t.Errorf("%s was touched: %v", cluster, got)
		}
	}
}
