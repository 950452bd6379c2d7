// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/internal/lab/labtest"
	"sengu.dev/sengu/internal/labapi"
)

// fleet has one cluster for each group of stories, so that they run side by side.
const fleet = `
nodes: {replaceDelay: 300ms}
clusters:
- name: life
  version: "1.36"
  region: japaneast
  labels: {env: staging}
  nodePools:
  - {name: system, mode: System, count: 1, zones: [a]}
  - {name: user, count: 3, zones: [a, b, c], cpu: "8", memory: 32Gi, maxPods: 50}
  workloads:
  - {kind: Deployment, name: web, namespace: shop, replicas: 3, nodePool: user, service: true, pdb: {maxUnavailable: 1}, startDelay: 700ms, stopDelay: 500ms}
  - {kind: StatefulSet, name: db, namespace: shop, replicas: 2, nodePool: user, pdb: {minAvailable: 1}}
  - {kind: DaemonSet, name: agent, namespace: kube-system}
  - {kind: Job, name: import, namespace: shop, nodePool: user, runTime: 1s}
  - {kind: Pod, name: shell, namespace: shop, nodePool: user, stopDelay: 30s, terminationGracePeriod: 1s}
- name: faults
  version: "1.36"
  nodePools: [{name: user, count: 2}]
  workloads:
  - {kind: Deployment, name: web, replicas: 4, startDelay: 100ms, stopDelay: 100ms}
- name: requests
  version: "1.34"
  nodePools: [{name: user, count: 2}, {name: other, count: 1}]
`

// TestLab tells what a lab does, on three clusters of one lab side by side.
func TestLab(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, fleet)
	for name, stories := range map[string]func(t *testing.T, w world){"life": life, "faults": faults, "requests": requests} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stories(t, visit(t, l, name))
		})
	}
}

func story(t *testing.T, w world, name string, tell func(w world)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		w.T = t
		tell(w)
	})
}

// life of a cluster, in order.
func life(t *testing.T, w world) {
	story(t, w, "nodes are what the fleet file says", nodesAreAsWritten)
	story(t, w, "workloads run", workloadsRun)
	story(t, w, "an eviction is refused while the budget is used up, and allowed when a replacement is ready", budgetHolds)
	story(t, w, "a pod ends with its grace period though it would take longer", graceCapsStop)
	story(t, w, "a replaced node comes back under a new name with the new version", nodeIsReplaced)
	story(t, w, "the control plane moves to the next minor in place and keeps everything", upgradeInPlace)
	story(t, w, "a node of the new version joins, and leaves", nodeJoinsAndLeaves)
}

func nodesAreAsWritten(w world) {
	c := w.describe()
	got := fmt.Sprintln(c.Region, c.Labels["env"], c.ControlPlane.Version, c.ControlPlane.State, c.BusyWith)
	if want := fmt.Sprintln("japaneast", "staging", "1.36.0", "Running", ""); got != want {
		w.Errorf("described as %s, want %s", got, want)
	}
	user := w.pool("user")
	if user.Mode != labapi.ModeUser || user.Desired != 3 || len(user.Nodes) != 3 {
		w.Fatalf("pool user is %+v", user)
	}
	zones := map[string]bool{}
	for _, n := range user.Nodes {
		node := w.node(n.Name)
		zones[node.Labels[corev1.LabelTopologyZone]] = true
		got := fmt.Sprintln(node.Labels["sengu.dev/node-pool"], node.Labels["sengu.dev/node-pool-mode"], node.Status.NodeInfo.KubeletVersion,
			node.Status.Capacity.Cpu(), node.Status.Allocatable.Memory(), node.Status.Allocatable.Pods(), nodeReady(node), n.Ready, len(node.Spec.Taints))
		if want := fmt.Sprintln("user", "User", "v1.36.0", "8", "32Gi", "50", "True", true, 0); got != want {
			w.Errorf("node %s is %s, want %s", n.Name, got, want)
		}
		if node.Labels["sengu.dev/node-image"] != user.Image || node.Status.NodeInfo.OSImage != user.Image {
			w.Errorf("node %s has image %s, want %s", n.Name, node.Status.NodeInfo.OSImage, user.Image)
		}
	}
	if len(zones) != 3 {
		w.Errorf("three nodes are in zones %v, want one in each of three", zones)
	}
	system := w.node(w.pool("system").Nodes[0].Name)
	if len(system.Spec.Taints) != 1 || system.Spec.Taints[0].Effect != corev1.TaintEffectPreferNoSchedule {
		w.Errorf("a System node has taints %v, want one soft one", system.Spec.Taints)
	}
}

func workloadsRun(w world) {
	for app, want := range map[string]int{"web": 3, "db": 2} {
		pods := w.pods("shop", app)
		if len(pods) != want {
			w.Errorf("%s has %d pods, want %d", app, len(pods), want)
		}
		for _, pod := range pods {
			if !ready(&pod) || w.node(pod.Spec.NodeName).Labels["sengu.dev/node-pool"] != "user" {
				w.Errorf("pod %s on %s: ready %v", pod.Name, pod.Spec.NodeName, ready(&pod))
			}
		}
	}
	if got := len(w.pods("kube-system", "agent")); got != 4 {
		w.Errorf("the DaemonSet has %d pods, want one on each of 4 nodes", got)
	}
	if _, err := w.kube.CoreV1().Services("shop").Get(w.Context(), "web", metav1.GetOptions{}); err != nil {
		w.Error(err)
	}
	w.eventually("the Job completes", func(ctx context.Context) error {
		job, err := w.kube.BatchV1().Jobs("shop").Get(ctx, "import", metav1.GetOptions{})
		if err == nil && job.Status.Succeeded != 1 {
			err = fmt.Errorf("%d pods succeeded", job.Status.Succeeded)
		}
		return err
	})
}

func (w world) evict(pod corev1.Pod) error {
	return w.kube.CoreV1().Pods(pod.Namespace).EvictV1(w.Context(), &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}})
}

func budgetHolds(w world) {
	before := w.evictions()
	pods := w.pods("shop", "web")
	if err := w.evict(pods[0]); err != nil {
		w.Fatalf("the first eviction: %v", err)
	}
	if err := w.evict(pods[1]); !apierrors.IsTooManyRequests(err) {
		w.Fatalf("the second eviction at once: %v, want 429", err)
	}
	started := time.Now()
	w.eventually("the second eviction is allowed", func(context.Context) error { return w.evict(pods[1]) })
	if waited := time.Since(started); waited < 500*time.Millisecond {
		w.Errorf("the budget was free after %s, before a replacement can have been ready (700ms)", waited)
	}
	w.eventually("the evicted pods are gone", func(context.Context) error {
		for _, pod := range w.pods("shop", "web") {
			if pod.Name == pods[0].Name || pod.Name == pods[1].Name {
				return fmt.Errorf("%s is still there", pod.Name)
			}
		}
		return nil
	})
	after := w.evictions()
	if after.Granted-before.Granted != 2 || after.Refused-before.Refused < 1 {
		w.Errorf("the witness counted %+v after %+v, want 2 more granted and at least one more refused", after, before)
	}
}

func (w world) evictions() labapi.Evictions {
	w.Helper()
	counted, err := w.cloud.Evictions(w.Context(), w.name)
	return *must(w, counted, err)
}

func graceCapsStop(w world) {
	started := time.Now()
	if err := w.kube.CoreV1().Pods("shop").Delete(w.Context(), "shell", metav1.DeleteOptions{}); err != nil {
		w.Fatal(err)
	}
	if pod, err := w.kube.CoreV1().Pods("shop").Get(w.Context(), "shell", metav1.GetOptions{}); err != nil || pod.DeletionTimestamp == nil {
		w.Fatalf("right after its deletion the pod should be terminating: %v", err)
	}
	w.eventually("the pod is gone", func(ctx context.Context) error {
		_, err := w.kube.CoreV1().Pods("shop").Get(ctx, "shell", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(errors.New("it is there"), err)
	})
	if took := time.Since(started); took < 900*time.Millisecond || took > 10*time.Second {
		w.Errorf("the pod was gone after %s, want its grace period of 1s", took)
	}
}

func nodeIsReplaced(w world) {
	old := w.pool("user").Nodes[0]
	op := w.succeed(w.cloud.ReplaceNode(w.Context(), w.name, old.Name, labapi.NodeRequest{RequestKey: "replace", Image: "lab-linux-2026.11.1"}))
	names := func() []string {
		var names []string
		for _, n := range w.pool("user").Nodes {
			names = append(names, n.Name)
		}
		return names
	}
	if op.NewNode == "" || op.NewNode == old.Name || slices.Contains(names(), old.Name) || !slices.Contains(names(), op.NewNode) {
		w.Fatalf("%s was replaced by %q, the pool has %v", old.Name, op.NewNode, names())
	}
	if _, err := w.kube.CoreV1().Nodes().Get(w.Context(), old.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		w.Errorf("the old Node object: %v, want not found", err)
	}
	node := w.node(op.NewNode)
	if nodeReady(node) != corev1.ConditionTrue || node.Status.NodeInfo.OSImage != "lab-linux-2026.11.1" || node.Labels[corev1.LabelTopologyZone] != old.Zone {
		w.Errorf("the new node: ready %s, image %s, zone %s", nodeReady(node), node.Status.NodeInfo.OSImage, node.Labels[corev1.LabelTopologyZone])
	}
	if took := op.FinishedAt.Sub(op.StartedAt); took < 300*time.Millisecond {
		w.Errorf("the replacement took %s, less than the fleet file's 300ms", took)
	}
	left, err := w.kube.CoreV1().Pods("").List(w.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + old.Name})
	if n := len(must(w, left, err).Items); n != 0 {
		w.Errorf("%d pods still run on the machine that is gone", n)
	}
}

func upgradeInPlace(w world) {
	emulated := func() string {
		version, err := w.kube.Discovery().ServerVersion()
		return must(w, version, err).EmulationMinor
	}
	before := uids(w)
	if got := emulated(); got != "36" {
		w.Errorf("before the upgrade /version emulates minor %q, want 36", got)
	}
	op := w.succeed(w.cloud.Upgrade(w.Context(), w.name, labapi.UpgradeRequest{RequestKey: "up", Version: "1.37.2"}))
	w.Logf("the control plane was upgraded in %s", op.FinishedAt.Sub(op.StartedAt))
	if got := w.describe(); got.ControlPlane.Version != "1.37.2" || got.ControlPlane.State != labapi.Running || got.BusyWith != "" {
		w.Errorf("after the upgrade: %+v", got.ControlPlane)
	}
	if got := emulated(); got != "37" {
		w.Errorf("after the upgrade /version emulates minor %q, want 37", got)
	}
	after := uids(w)
	for name, uid := range before {
		if after[name] != uid {
			w.Errorf("%s has uid %q after the upgrade, want %q", name, after[name], uid)
		}
	}
	pods := w.pods("shop", "web")
	w.eventually("an eviction is allowed after the upgrade", func(context.Context) error { return w.evict(pods[0]) })
	w.eventually("the controllers of the new version replace the pod", func(context.Context) error {
		count := 0
		for _, pod := range w.pods("shop", "web") {
			if ready(&pod) && pod.DeletionTimestamp == nil {
				count++
			}
		}
		if count != 3 {
			return fmt.Errorf("%d pods are ready", count)
		}
		return nil
	})
}

// uids of the objects that must survive an upgrade.
func uids(w world) map[string]string {
	w.Helper()
	all := map[string]string{}
	for _, pod := range append(w.pods("shop", "web"), w.pods("shop", "db")...) {
		all["pod "+pod.Name] = string(pod.UID)
	}
	nodes, err := w.kube.CoreV1().Nodes().List(w.Context(), metav1.ListOptions{})
	for _, node := range must(w, nodes, err).Items {
		all["node "+node.Name] = string(node.UID)
	}
	budget, err := w.kube.PolicyV1().PodDisruptionBudgets("shop").Get(w.Context(), "web", metav1.GetOptions{})
	all["budget"] = string(must(w, budget, err).UID)
	return all
}

func nodeJoinsAndLeaves(w world) {
	if _, err := w.cloud.SetTarget(w.Context(), w.name, "user", labapi.PoolTarget{Version: "1.37.2"}); err != nil {
		w.Fatal(err)
	}
	op := w.succeed(w.cloud.AddNode(w.Context(), w.name, "user", labapi.NodeRequest{RequestKey: "add"}))
	if got := w.node(op.NewNode).Status.NodeInfo.KubeletVersion; got != "v1.37.2" {
		w.Errorf("the new node runs %s, want the pool's target v1.37.2", got)
	}
	if pool := w.pool("user"); len(pool.Nodes) != 4 || pool.Desired != 3 {
		w.Errorf("the pool has %d nodes and wants %d, want 4 and 3: a surge is not counted", len(pool.Nodes), pool.Desired)
	}
	w.succeed(w.cloud.RemoveNode(w.Context(), w.name, op.NewNode, "remove"))
	if got := len(w.pool("user").Nodes); got != 3 {
		w.Errorf("after the removal the pool has %d nodes, want 3", got)
	}
	_, err := w.cloud.RemoveNode(w.Context(), w.name, op.NewNode, "remove again")
	refused(w, err, http.StatusNotFound, labapi.CodeNodeNotFound)
}
