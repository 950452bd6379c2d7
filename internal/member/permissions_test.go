// SPDX-License-Identifier: Apache-2.0

package member

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/examples"
)

// asDocumented gives a service account the access of examples/member-access.yaml and returns its kubeconfig.
func (w *world) asDocumented() []byte {
	w.t.Helper()
	admin := w.lab.Kubeconfig("one")
	cfg, err := clientcmd.RESTConfigFromKubeConfig(admin)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := client.New(cfg, client.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	for documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(examples.MemberAccess), 4096); ; {
		var o unstructured.Unstructured
		err := documents.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = c.Create(w.t.Context(), &o)
		}
		if err != nil {
			w.t.Fatalf("examples/member-access.yaml: %v", err)
		}
		w.t.Cleanup(func() { _ = c.Delete(context.Background(), &o) })
	}
	token, err := w.client.CoreV1().ServiceAccounts("sengu").CreateToken(w.t.Context(), "sengu", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	kubeconfig, err := clientcmd.Load(admin)
	if err != nil {
		w.t.Fatal(err)
	}
	for name := range kubeconfig.AuthInfos {
		kubeconfig.AuthInfos[name] = &api.AuthInfo{Token: token.Status.Token}
	}
	data, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

// TestTheDocumentedAccessIsEnough does all that Sengu does in a cluster with the access of examples/member-access.yaml.
func TestTheDocumentedAccessIsEnough(t *testing.T) {
	admin := newWorld(t)
	pod := admin.settled("free", 2)[0]
	kubeconfig := admin.asDocumented()
	d := NewDirectory(Config{Clock: clock.RealClock{}, Log: logr.Discard()})
	defer d.Close()
	access, err := d.Open(t.Context(), "fleet/documented", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the caches are filled", func() bool {
		v, err := access.View(t.Context())
		return err == nil && v.UID() != "" && len(v.Nodes()) == 3 && len(v.Budgets()) > 0
	})
	node := pod.Spec.NodeName
	defer admin.patchNode(node, `{"metadata":{"annotations":{"sengu.dev/quarantined":null}},"spec":{"unschedulable":null,"taints":null}}`)
	for name, do := range map[string]func() error{
		"steer":  func() error { return access.(Steerer).Steer(t.Context(), "upgrade-1", []string{node}) },
		"cordon": func() error { return access.Cordon(t.Context(), node, "upgrade-1") },
		"evict":  func() error { return access.Evict(t.Context(), ref(pod)) },
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := access.Uncordon(t.Context(), node, "upgrade-1"); err != nil {
		t.Errorf("uncordon: %v", err)
	}
	if err := errors.Join(access.Cordon(t.Context(), node, "upgrade-1"), access.Quarantine(t.Context(), node, "upgrade-1", "a drain that took too long")); err != nil {
		t.Errorf("quarantine: %v", err)
	}

	cfg, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	mine := kubernetes.NewForConfigOrDie(cfg)
	if _, err := mine.CoreV1().Secrets("").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("reading Secrets: %v, want forbidden", err)
	}
	if err := mine.CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("deleting a pod past its budget: %v, want forbidden", err)
	}
}
