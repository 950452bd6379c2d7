// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"sengu.dev/sengu/internal/hub"
)

// childDir is set for a process that runs a hub in that directory until its standard input ends.
const childDir = "SENGU_TEST_HUB_DIR"

// childLosesStorage is set for a child whose etcd ends before its API.
const childLosesStorage = "SENGU_TEST_HUB_LOSES_STORAGE"

// runChild is the main function of a child process. It says "ready" or "failed: …" on its standard output.
func runChild(dir string) {
	h, err := hub.Start(context.Background(), hub.Config{DataDir: dir, CRDs: os.DirFS("testdata/crds")})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	fmt.Println("ready")
	go func() {
		<-h.Done()
		if err := h.Err(); err != nil {
			fmt.Println("died:", err)
		}
	}()
	if os.Getenv(childLosesStorage) != "" {
		h.StopStorage()
		if client, err := kubernetes.NewForConfig(h.AdminConfig()); err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, _ = client.CoreV1().Secrets("default").Get(ctx, "any", metav1.GetOptions{}) // makes the etcd client complain
		}
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it, or is gone
	h.Close()
	os.Exit(0)
}

// child is a hub in another process.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Scanner
	stderr *bytes.Buffer
}

// startChild starts a hub in another process and waits until it is ready.
func startChild(t *testing.T, dir string, env ...string) *child {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(executable), stderr: &bytes.Buffer{}}
	c.cmd.Env = append(append(os.Environ(), childDir+"="+dir), env...)
	c.cmd.Stderr = c.stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cmd.Process.Kill(); c.cmd.Wait() })
	c.stdout = bufio.NewScanner(stdout)
	if !c.stdout.Scan() || c.stdout.Text() != "ready" {
		t.Fatalf("the child process says %q, want ready; stderr: %s", c.stdout.Text(), c.stderr)
	}
	return c
}

// stop ends the child in order and returns what it wrote after "ready" and on standard error.
func (c *child) stop(t *testing.T) string {
	t.Helper()
	c.stdin.Close()
	var said strings.Builder
	for c.stdout.Scan() {
		fmt.Fprintln(&said, c.stdout.Text())
	}
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the child process: %v", err)
	}
	return said.String() + c.stderr.String()
}

// kill ends the child with SIGKILL.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

func startHub(t *testing.T, dir string) *hub.Hub {
	t.Helper()
	h, err := hub.Start(context.Background(), hub.Config{DataDir: dir, CRDs: os.DirFS("testdata/crds")})
	if err != nil {
		t.Fatalf("the hub did not start: %v", err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func userConfig(t *testing.T, h *hub.Hub, u hub.User) *rest.Config {
	t.Helper()
	kubeconfig, err := h.Kubeconfig(u)
	if err != nil {
		t.Fatal(err)
	}
	return configFrom(t, kubeconfig)
}

func configFrom(t *testing.T, kubeconfig []byte) *rest.Config {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	return config
}

func dynamicFor(t *testing.T, config *rest.Config) dynamic.Interface {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func kubeFor(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func newNamespace(t *testing.T, h *hub.Hub) string {
	t.Helper()
	namespace, err := kubeFor(t, h.AdminConfig()).CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "story-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

func widget(name string, size int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "test.sengu.dev/v1",
		"kind":       "Widget",
		"metadata":   map[string]any{"name": name},
		"spec":       map[string]any{"size": size},
	}}
}

func fromYAML(t *testing.T, document string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
		t.Fatal(err)
	}
	return object
}

// eventually waits until a check finds nothing wrong.
func eventually(t *testing.T, what string, check func(context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, longWait, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%s: not so after %s: %v", what, longWait, last)
	}
}

func wantNotFound(object any, err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return errors.Join(fmt.Errorf("got %T", object), err)
}

// watcher watches one kind in one namespace.
type watcher struct {
	ctx    context.Context
	client dynamic.ResourceInterface
}

func (w watcher) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return w.client.Watch(w.ctx, options)
}

func (w watcher) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return w.client.Watch(ctx, options)
}
