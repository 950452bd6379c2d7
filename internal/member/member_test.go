// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"sengu.dev/sengu/internal/lab"
	"sengu.dev/sengu/internal/lab/labtest"
)

// theFleet is one small real cluster that the tests of this package share; each test has a workload of its own.
const theFleet = `
nodes: {replaceDelay: 200ms}
clusters:
- name: one
  version: "1.37"
  nodePools:
  - {name: pool, count: 3}
  workloads:
  - {kind: Deployment, name: pair, namespace: shop, replicas: 2, pdb: {maxUnavailable: 1}, startDelay: 1s, stopDelay: 500ms}
  - {kind: Deployment, name: many, namespace: shop, replicas: 12, pdb: {maxUnavailable: 10}, startDelay: 200ms, stopDelay: 200ms}
  - {kind: Deployment, name: free, namespace: shop, replicas: 2, startDelay: 200ms, stopDelay: 200ms}
  - {kind: Deployment, name: twice, namespace: shop, replicas: 1, startDelay: 200ms, stopDelay: 200ms, pdb: {maxUnavailable: 1}}
  - {kind: DaemonSet, name: agent, namespace: platform, startDelay: 200ms, stopDelay: 200ms}
`

// shared is the lab of this package; the first test that needs it starts it.
var shared struct {
	sync.Once
	lab *lab.Lab
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.lab != nil {
		_ = shared.lab.Close()
	}
	_ = os.RemoveAll(shared.dir)
	os.Exit(code)
}

// theLab returns the running lab, and skips the test with -short.
func theLab(t *testing.T) *lab.Lab {
	t.Helper()
	if testing.Short() {
		t.Skip("needs the lab")
	}
	binary := labtest.Binary(t)
	shared.Do(func() {
		// A t.TempDir would be gone with the first test that asks for the lab.
		if shared.dir, shared.err = os.MkdirTemp("", "sengu-member-"); shared.err == nil { //nolint:usetesting // see above
			shared.lab, shared.err = lab.Start(context.Background(), lab.Config{Dir: shared.dir, Fleet: []byte(theFleet), Binary: binary})
		}
	})
	if shared.err != nil {
		t.Fatalf("the lab does not start: %v", shared.err)
	}
	return shared.lab
}

// world is one test's access to the cluster, and an administrator's client beside it.
type world struct {
	t       *testing.T
	lab     *lab.Lab
	access  Access
	client  kubernetes.Interface
	changes atomic.Int64
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, lab: theLab(t)}
	d := NewDirectory(Config{Clock: clock.RealClock{}, Log: logr.Discard(), OnChange: func(string) { w.changes.Add(1) }})
	t.Cleanup(d.Close)
	var err error
	w.access, err = d.Open(t.Context(), "fleet/one", w.lab.Kubeconfig("one"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(w.lab.Kubeconfig("one"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS, cfg.Burst = 100, 100
	w.client = kubernetes.NewForConfigOrDie(cfg)
	w.until("the caches are filled", func() bool { return w.view() != nil })
	return w
}

// view returns what the member shows, nil if it cannot.
func (w *world) view() View {
	v, err := w.access.View(w.t.Context())
	if err != nil {
		return nil
	}
	return v
}

// until waits for a condition; 30 s are for a busy machine.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	until(w.t, what, is)
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// pods of a workload, Ready and not ending, as the API has them.
func (w *world) pods(app string) []corev1.Pod {
	w.t.Helper()
	list, err := w.client.CoreV1().Pods("shop").List(w.t.Context(), metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []corev1.Pod
	for _, p := range list.Items {
		if podReady(&p) && p.DeletionTimestamp == nil {
			out = append(out, p)
		}
	}
	return out
}

// settled waits until a workload has its pods, and its budget has room again in our cache.
func (w *world) settled(app string, pods int) []corev1.Pod {
	w.t.Helper()
	w.until(app+" is settled", func() bool {
		if len(w.pods(app)) < pods {
			return false
		}
		for _, b := range w.view().Budgets() {
			if b.Name == app && (b.Status.DisruptionsAllowed == 0 || int(b.Status.CurrentHealthy) < pods) {
				return false
			}
		}
		return true
	})
	return w.pods(app)
}

func ref(p corev1.Pod) PodRef {
	return PodRef{Namespace: p.Namespace, Name: p.Name, UID: string(p.UID)}
}

func (w *world) node(name string) *corev1.Node {
	w.t.Helper()
	n, err := w.client.CoreV1().Nodes().Get(w.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// patchNode as somebody else would.
func (w *world) patchNode(name, patch string) {
	w.t.Helper()
	if _, err := w.client.CoreV1().Nodes().Patch(w.t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// wantKeptOn checks that the cache keeps of a pod what decisions need, and nothing else.
func wantKeptOn(t *testing.T, node string, p *corev1.Pod) {
	t.Helper()
	if p.Spec.NodeName != node {
		t.Errorf("%s is shown on %s and runs on %s", p.Name, node, p.Spec.NodeName)
	}
	if len(p.ManagedFields) > 0 || len(p.Spec.Containers) > 0 {
		t.Errorf("%s is kept with fields that no decision needs", p.Name)
	}
	if len(p.Labels) == 0 || len(p.OwnerReferences) != 1 || p.Spec.TerminationGracePeriodSeconds == nil || p.Status.Phase == "" {
		t.Errorf("%s lost fields that decisions need: %+v", p.Name, p)
	}
}

func TestViewShowsWhatTheAPIHas(t *testing.T) {
	w := newWorld(t)
	ns, err := w.client.CoreV1().Namespaces().Get(t.Context(), metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	v := w.view()
	if v.UID() != string(ns.UID) {
		t.Errorf("uid %q, want %q", v.UID(), ns.UID)
	}
	var names []string
	pods := 0
	for _, n := range v.Nodes() {
		names = append(names, n.Name)
		for _, p := range v.PodsOn(n.Name) {
			pods++
			wantKeptOn(t, n.Name, p)
		}
	}
	if len(names) != 3 || !strings.HasPrefix(names[0], "one-") && names[0] > names[1] {
		t.Errorf("nodes %v, want 3 by name", names)
	}
	all, err := w.client.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.until("every pod is shown on its node", func() bool { return pods == len(all.Items) })
	if got := len(v.Budgets()); got != 3 {
		t.Errorf("%d budgets, want 3", got)
	}
}
