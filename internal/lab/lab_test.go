// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"sengu.dev/sengu/internal/lab"
	"sengu.dev/sengu/internal/labapi"
)

// limit is how long a test waits for something that takes seconds on an idle machine.
const limit = 60 * time.Second

// world is a cluster of a lab with the two ways to it.
type world struct {
	*testing.T
	name     string
	cloud    *labapi.Client
	endpoint string
	kube     kubernetes.Interface
}

func visit(t *testing.T, l *lab.Lab, name string) world {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig(l.Kubeconfig(name))
	if err != nil {
		t.Fatalf("read the kubeconfig of %s: %v", name, err)
	}
	config.QPS, config.Burst = 100, 200
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return world{T: t, name: name, cloud: l.Client(), endpoint: l.Endpoint(), kube: kube}
}

// eventually waits until what is tried succeeds.
func (w world) eventually(what string, try func(ctx context.Context) error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			w.Fatalf("%s: not within %s: %v", what, limit, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// must ends the test at an error.
func must[T any](t testing.TB, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// finish waits for the end of an operation.
func (w world) finish(op *labapi.Operation, err error) *labapi.Operation {
	w.Helper()
	noError(w, err)
	w.eventually("the end of "+string(op.Kind), func(ctx context.Context) error {
		if op, err = w.cloud.Operation(ctx, op.ID); err != nil {
			return err
		}
		if !op.Done() {
			return fmt.Errorf("it is %s", op.State)
		}
		return nil
	})
	return op
}

// noError ends the test at an error.
func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// succeed waits for the good end of an operation.
func (w world) succeed(op *labapi.Operation, err error) *labapi.Operation {
	w.Helper()
	done := w.finish(op, err)
	if done.State != labapi.OperationSucceeded {
		w.Fatalf("%s ended %s: %s: %s", done.Kind, done.State, done.Code, done.Message)
	}
	return done
}

// failWith waits for the bad end of an operation.
func (w world) failWith(code string, op *labapi.Operation, err error) {
	w.Helper()
	done := w.finish(op, err)
	if done.State != labapi.OperationFailed || done.Code != code || done.Message == "" {
		w.Errorf("%s ended %s with code %q and message %q, want Failed with %s and a sentence", done.Kind, done.State, done.Code, done.Message, code)
	}
}

// refused checks that an error is a refusal with a status and code.
func refused(t testing.TB, err error, status int, code string) {
	t.Helper()
	_ = refusedBy(t, err, status, code)
}

// refusedBy is refused for whoever reads on in the refusal.
func refusedBy(t testing.TB, err error, status int, code string) *labapi.Error {
	t.Helper()
	var refusal *labapi.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("got error %v, want %d %s", err, status, code)
	}
	if refusal.Status != status || refusal.Code != code || refusal.Message == "" {
		t.Errorf("got %d %s %q, want %d %s and a sentence", refusal.Status, refusal.Code, refusal.Message, status, code)
	}
	return refusal
}

func (w world) describe() *labapi.Cluster {
	w.Helper()
	described, err := w.cloud.Cluster(w.Context(), w.name)
	return must(w, described, err)
}

func (w world) pool(name string) labapi.NodePool {
	w.Helper()
	for _, pool := range w.describe().NodePools {
		if pool.Name == name {
			return pool
		}
	}
	w.Fatalf("%s has no pool %s", w.name, name)
	return labapi.NodePool{}
}

func (w world) node(name string) *corev1.Node {
	w.Helper()
	node, err := w.kube.CoreV1().Nodes().Get(w.Context(), name, metav1.GetOptions{})
	return must(w, node, err)
}

func (w world) pods(namespace, app string) []corev1.Pod {
	w.Helper()
	list, err := w.kube.CoreV1().Pods(namespace).List(w.Context(), metav1.ListOptions{LabelSelector: "app=" + app})
	return must(w, list, err).Items
}

func ready(pod *corev1.Pod) bool { return condition(pod.Status.Conditions, corev1.PodReady) }

func condition(all []corev1.PodCondition, kind corev1.PodConditionType) bool {
	for _, c := range all {
		if c.Type == kind {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func nodeReady(node *corev1.Node) corev1.ConditionStatus {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status
		}
	}
	return "missing"
}
