// SPDX-License-Identifier: Apache-2.0

// Package hubtest gives tests a real hub. A hub takes about a second to start and a process runs one at a
// time, so a test binary shares one and each test works in a namespace of its own:
//
//	func TestMain(m *testing.M) { hubtest.Main(m, crd.FS, policies.FS) }
//
//	func TestSomething(t *testing.T) {
//		config := hubtest.Hub(t).AdminConfig()
//		namespace := hubtest.Namespace(t)
//		…
//	}
package hubtest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"sengu.dev/sengu/internal/hub"
)

// shared is the hub of the test binary.
var shared struct {
	once     sync.Once
	crds     fs.FS
	policies fs.FS
	dir      string
	hub      *hub.Hub
	err      error
}

// Main runs the tests of a package whose tests call Hub, then stops the hub, removes its data, and ends the
// process. The hub starts when the first test asks for it. It has the kinds, and the admission policies if any are
// given.
func Main(m *testing.M, crds fs.FS, policies ...fs.FS) {
	shared.crds = crds
	for _, files := range policies {
		shared.policies = files
	}
	code := m.Run()
	if shared.hub != nil {
		shared.hub.Close()
	}
	if err := os.RemoveAll(shared.dir); err != nil {
		fmt.Fprintln(os.Stderr, "hubtest:", err)
	}
	os.Exit(code)
}

// Hub returns the hub that the tests of this binary share. The package's TestMain must call Main.
func Hub(t testing.TB) *hub.Hub {
	t.Helper()
	shared.once.Do(func() {
		// A t.TempDir would be gone with the first test that asks for the hub.
		if shared.dir, shared.err = os.MkdirTemp("", "sengu-hubtest-"); shared.err == nil { //nolint:usetesting // see above
			shared.hub, shared.err = hub.Start(context.Background(), hub.Config{DataDir: shared.dir, CRDs: shared.crds, Policies: shared.policies})
		}
	})
	if shared.err != nil {
		t.Fatalf("the shared hub did not start: %v", shared.err)
	}
	return shared.hub
}

// Start starts a hub for one test and stops it with the test. It cannot run beside the shared hub or in
// parallel tests.
func Start(t testing.TB, crds fs.FS) *hub.Hub {
	t.Helper()
	h, err := hub.Start(context.Background(), hub.Config{DataDir: t.TempDir(), CRDs: crds})
	if err != nil {
		t.Fatalf("the hub did not start: %v", err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("the hub did not stop well: %v", err)
		}
	})
	return h
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// Namespace makes a namespace in the shared hub, named after the test, and deletes it when the test ends.
func Namespace(t testing.TB) string {
	t.Helper()
	client, err := kubernetes.NewForConfig(Hub(t).AdminConfig())
	if err != nil {
		t.Fatalf("no client for the shared hub: %v", err)
	}
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
	namespace, err := client.CoreV1().Namespaces().Create(context.Background(), &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: name[:min(len(name), 50)] + "-"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("no namespace for the test: %v", err)
	}
	t.Cleanup(func() {
		// The content goes in the background; the next test does not wait for it.
		if err := client.CoreV1().Namespaces().Delete(context.Background(), namespace.Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("the test's namespace %s stays: %v", namespace.Name, err)
		}
	})
	return namespace.Name
}
