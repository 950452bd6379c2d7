// SPDX-License-Identifier: Apache-2.0

package member

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	lifecyclev1alpha1 "k8s.io/api/lifecycle/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"

	"sengu.dev/sengu/internal/lab/labtest"
	"sengu.dev/sengu/internal/lab/pki"
	"sengu.dev/sengu/internal/lab/process"
)

// apiWithRequests starts an API server that serves eviction requests, alone: Kubernetes 1.37 has no controller that
// acts on them, so the tests play it. It returns an administrator's kubeconfig.
func apiWithRequests(t *testing.T) []byte {
	t.Helper()
	if testing.Short() {
		t.Skip("needs an API server")
	}
	binary, dir := labtest.Binary(t), t.TempDir()
	if err := pki.Ensure(dir); err != nil {
		t.Fatal(err)
	}
	port, err := process.ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(port.Close)
	run := func(name string, arguments ...string) {
		p, err := process.Start(process.Spec{
			Path: binary, Arguments: append([]string{name}, arguments...), Dir: dir, Log: filepath.Join(dir, name+".log"), Record: filepath.Join(dir, "pids"),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Stop(time.Second) })
	}
	run("etcd", "--name=lab", "--data-dir=etcd", "--log-level=error", "--unsafe-no-fsync",
		"--listen-client-urls=unix://etcd.sock", "--advertise-client-urls=unix://etcd.sock", "--listen-peer-urls=unix://peer.sock",
		"--initial-advertise-peer-urls=unix://peer.sock", "--initial-cluster=lab=unix://peer.sock")
	run("kube-apiserver", "--etcd-servers=unix://etcd.sock", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port.Number), "--permit-port-sharing=true",
		"--tls-cert-file="+pki.CertificateFile, "--tls-private-key-file="+pki.KeyFile, "--token-auth-file="+pki.TokenFile,
		"--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+pki.ServiceAccountKeyFile, "--service-account-signing-key-file="+pki.ServiceAccountKeyFile,
		"--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none", "--disable-admission-plugins=ServiceAccount",
		"--feature-gates=EvictionRequestAPI=true", "--runtime-config=lifecycle.k8s.io/v1alpha1=true", "--shutdown-delay-duration=0s")
	tokens, err := pki.Tokens(dir)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, pki.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	return kubeconfigWith(t, func(c *testConfig) {
		c.cluster.Server, c.cluster.CertificateAuthorityData = fmt.Sprintf("https://127.0.0.1:%d", port.Number), ca
		*c.user = api.AuthInfo{Token: tokens[pki.Admin]}
	})
}

// worldWithRequests is access to an API that serves eviction requests, with one node.
func worldWithRequests(t *testing.T) *world {
	t.Helper()
	kubeconfig := apiWithRequests(t)
	d := NewDirectory(Config{Clock: clock.RealClock{}, Log: logr.Discard()})
	t.Cleanup(d.Close)
	access, err := d.Open(t.Context(), "m", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, access: access}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS, cfg.Burst = 100, 100
	w.client = kubernetes.NewForConfigOrDie(cfg)
	w.until("the API answers", func() bool { return w.view() != nil })
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}
	if _, err := w.client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestEvictionRequests plays pods that want to be told before they go, and those who would tell them.
func TestEvictionRequests(t *testing.T) {
	w := worldWithRequests(t)
	access := w.access
	requests := w.client.LifecycleV1alpha1().EvictionRequests("default")

	t.Run("a pod without responders is evicted at once", func(t *testing.T) {
		pod := w.guarded(t, "plain", false)
		w.evict(t, pod)
		if !w.ending(t, pod) {
			t.Error("it was not evicted")
		}
		if _, err := requests.Get(t.Context(), requestName(pod), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("an eviction request was made: %v", err)
		}
	})
	t.Run("a pod with responders waits for them, and the request goes with it", func(t *testing.T) {
		pod := w.guarded(t, "polite", true)
		w.evict(t, pod)
		w.evict(t, pod) // a lost answer
		r, err := requests.Get(t.Context(), requestName(pod), metav1.GetOptions{})
		if err != nil || r.Spec.Target.Pod.UID != pod.UID {
			t.Fatalf("request %+v, %v", r, err)
		}
		w.observe(t, r, nil)
		w.until("that it was observed is shown", func() bool {
			return access.(*live).current().requestOf(pod).Status.ObservedGeneration != nil
		})
		if granted, _ := w.view().Eviction(string(pod.UID)); granted.IsZero() || w.ending(t, pod) {
			t.Errorf("granted at %s, ending: %t; it is on its way and must be left alone", granted, w.ending(t, pod))
		}
		if err := w.client.CoreV1().Pods("default").Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
			t.Fatal(err)
		}
		w.until("the request is deleted", func() bool {
			_, err := requests.Get(t.Context(), requestName(pod), metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
	})
	t.Run("responders that fail are passed over", func(t *testing.T) {
		pod := w.guarded(t, "failing", true)
		w.evict(t, pod)
		r, err := requests.Get(t.Context(), requestName(pod), metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		w.observe(t, r, &metav1.Condition{
			Type: string(lifecyclev1alpha1.EvictionConditionFailed), Status: metav1.ConditionTrue, Reason: "NoFurtherResponder", LastTransitionTime: metav1.Now(),
		})
		w.until("it must be asked again", func() bool {
			granted, _ := w.view().Eviction(string(pod.UID))
			return granted.IsZero()
		})
		w.evict(t, pod)
		if !w.ending(t, pod) {
			t.Error("it was not evicted")
		}
	})
	t.Run("a request that nobody observes is given up", func(t *testing.T) {
		pod := w.guarded(t, "alone", true)
		w.evict(t, pod)
		if w.ending(t, pod) {
			t.Fatal("it was evicted at once")
		}
		w.until("it must be asked again", func() bool {
			granted, _ := w.view().Eviction(string(pod.UID))
			return granted.IsZero()
		})
		w.evict(t, pod)
		if !w.ending(t, pod) {
			t.Error("it was not evicted")
		}
	})
	t.Run("a node that is not drained any more withdraws them", func(t *testing.T) {
		pod := w.guarded(t, "stopped", true)
		w.evict(t, pod)
		w.until("the request is shown", func() bool { return access.(*live).current().requestOf(pod) != nil })
		if err := access.Uncordon(t.Context(), "n", "upgrade-1"); err != nil {
			t.Fatal(err)
		}
		if _, err := requests.Get(t.Context(), requestName(pod), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("the request is still there: %v", err)
		}
	})
}

// guarded makes a running pod on the node, and waits until the cache shows it.
func (w *world) guarded(t *testing.T, name string, responders bool) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}
	if responders {
		pod.Spec.EvictionResponders = []corev1.EvictionResponder{{Name: "example.com/mover", Priority: new(int32(5000))}}
	}
	pod, err := w.client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod.Status.Phase = corev1.PodRunning
	if pod, err = w.client.CoreV1().Pods("default").UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the pod is shown", func() bool {
		p := w.access.(*live).current().pod("default", name)
		return p != nil && p.Status.Phase == corev1.PodRunning
	})
	return pod
}

func (w *world) evict(t *testing.T, pod *corev1.Pod) {
	t.Helper()
	if err := w.access.Evict(t.Context(), ref(*pod)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) ending(t *testing.T, pod *corev1.Pod) bool {
	t.Helper()
	now, err := w.client.CoreV1().Pods("default").Get(t.Context(), pod.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	return now.DeletionTimestamp != nil
}

// observe writes what the controller of eviction requests would.
func (w *world) observe(t *testing.T, r *lifecyclev1alpha1.EvictionRequest, c *metav1.Condition) {
	t.Helper()
	r.Status.ObservedGeneration = &r.Generation
	if c != nil {
		r.Status.Conditions = []metav1.Condition{*c}
	}
	if _, err := w.client.LifecycleV1alpha1().EvictionRequests(r.Namespace).UpdateStatus(t.Context(), r, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}
