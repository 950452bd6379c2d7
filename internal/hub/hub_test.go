// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	watchtools "k8s.io/client-go/tools/watch"

	"sengu.dev/sengu/internal/hub"
	"sengu.dev/sengu/internal/hub/hubtest"
)

var (
	widgets = schema.GroupVersionResource{Group: "test.sengu.dev", Version: "v1", Resource: "widgets"}
	gates   = schema.GroupVersionResource{Group: "test.sengu.dev", Version: "v1", Resource: "gates"}
	secrets = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
)

// longWait is far more than anything here takes, for machines that do other work beside.
const longWait = 60 * time.Second

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		runChild(dir)
		return
	}
	os.Exit(m.Run())
}

// TestAPI tells what people and controllers do with a hub, all on one hub and each in its own namespace.
func TestAPI(t *testing.T) {
	h := hubtest.Start(t, os.DirFS("testdata/crds"))
	stories := map[string]func(*testing.T, *hub.Hub, string){
		"a kind is applied, listed as a table and checked by its rules": kubectlStory,
		"a kind explains its fields":                                    explainStory,
		"kubectl wait sees a condition become true":                     waitStory,
		"what an owner owns goes with it":                               ownerStory,
		"a namespace goes with what is in it":                           namespaceStory,
		"each group may do what it should and no more":                  rightsStory,
		"a user has a right in one fleet only":                          fleetRightStory,
		"nobody comes in without a certificate of this hub":             strangerStory,
		"a platform team's own rule is enforced":                        policyStory,
	}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) { story(t, h, newNamespace(t, h)) })
	}
}

func kubectlStory(t *testing.T, h *hub.Hub, namespace string) {
	client := dynamicFor(t, userConfig(t, h, hub.User{Name: "alice", Groups: []string{hub.GroupAdmins}})).Resource(widgets).Namespace(namespace)
	ctx := t.Context()
	for range 2 { // the second apply changes nothing
		if _, err := client.Apply(ctx, "one", widget("one", 3), metav1.ApplyOptions{FieldManager: "kubectl"}); err != nil {
			t.Fatalf("apply: %v", err)
		}
	}
	got, err := client.Get(ctx, "one", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got.GetGeneration() != 1 {
		t.Errorf("generation after applying the same twice = %d, want 1", got.GetGeneration())
	}

	_, err = client.Apply(ctx, "two", widget("two", 11), metav1.ApplyOptions{FieldManager: "kubectl"})
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "at most 10 things") {
		t.Errorf("a widget of 11 things: got %v, want it refused by its rule", err)
	}

	kube := kubeFor(t, h.AdminConfig())
	table, err := kube.Discovery().RESTClient().Get().AbsPath("/apis/test.sengu.dev/v1/namespaces/"+namespace+"/widgets").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(ctx)
	if err != nil || !strings.Contains(string(table), `"name":"Size"`) {
		t.Errorf("the list as a table: %v, want a column Size in %s", err, table)
	}
}

// explainStory is what kubectl explain does.
func explainStory(t *testing.T, h *hub.Hub, _ string) {
	client := kubeFor(t, h.AdminConfig())
	resources, err := client.Discovery().ServerResourcesForGroupVersion("test.sengu.dev/v1")
	if err != nil || len(resources.APIResources) == 0 {
		t.Fatalf("discovery of test.sengu.dev/v1: %v, %v", resources, err)
	}
	// kubectl refuses to work with a server whose version it cannot read.
	if version, err := client.Discovery().ServerVersion(); err != nil || !strings.HasPrefix(version.GitVersion, "v1.") {
		t.Errorf("version: %v, %v, want v1.<minor>.<patch>", version, err)
	}
	// The aggregator merges the documents in the background, some 100 ms after the kind is served.
	eventually(t, "OpenAPI v3 describes the field size", func(ctx context.Context) error {
		document, err := client.Discovery().RESTClient().Get().AbsPath("/openapi/v3/apis/test.sengu.dev/v1").DoRaw(ctx)
		if err != nil {
			return err
		}
		if !strings.Contains(string(document), "size is how many things the widget holds.") {
			return errors.New("the document does not tell of the field")
		}
		return nil
	})
}

func waitStory(t *testing.T, h *hub.Hub, namespace string) {
	client := dynamicFor(t, h.AdminConfig()).Resource(widgets).Namespace(namespace)
	created, err := client.Create(t.Context(), widget("slow", 1), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	updated := make(chan error, 1)
	go func() {
		changed := created.DeepCopy()
		changed.Object["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}
		_, err := client.UpdateStatus(t.Context(), changed, metav1.UpdateOptions{})
		updated <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), longWait)
	defer cancel()
	_, err = watchtools.Until(ctx, created.GetResourceVersion(), watcher{ctx, client}, func(e watch.Event) (bool, error) {
		conditions, _, err := unstructured.NestedSlice(e.Object.(*unstructured.Unstructured).Object, "status", "conditions")
		return len(conditions) == 1, err
	})
	if err != nil {
		t.Errorf("waiting for the condition: %v", err)
	}
	if err := <-updated; err != nil {
		t.Errorf("updating the status: %v", err)
	}
}

func ownerStory(t *testing.T, h *hub.Hub, namespace string) {
	client := dynamicFor(t, h.AdminConfig()).Resource(widgets).Namespace(namespace)
	owner, err := client.Create(t.Context(), widget("owner", 1), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	owned := widget("owned", 1)
	owned.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "test.sengu.dev/v1", Kind: "Widget", Name: "owner", UID: owner.GetUID()}})
	for _, w := range []*unstructured.Unstructured{owned, widget("free", 1)} {
		if _, err := client.Create(t.Context(), w, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Delete(t.Context(), "owner", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the owned widget is gone", func(ctx context.Context) error {
		return wantNotFound(client.Get(ctx, "owned", metav1.GetOptions{}))
	})
	if _, err := client.Get(t.Context(), "free", metav1.GetOptions{}); err != nil {
		t.Errorf("the widget without an owner: %v, want it still there", err)
	}
}

func namespaceStory(t *testing.T, h *hub.Hub, _ string) {
	namespace := newNamespace(t, h)
	kube, dyn := kubeFor(t, h.AdminConfig()), dynamicFor(t, h.AdminConfig())
	if _, err := dyn.Resource(widgets).Namespace(namespace).Create(t.Context(), widget("one", 1), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "one"}}
	if _, err := kube.CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := kube.CoreV1().Namespaces().Delete(t.Context(), namespace, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace is gone", func(ctx context.Context) error {
		return wantNotFound(kube.CoreV1().Namespaces().Get(ctx, namespace, metav1.GetOptions{}))
	})
	left, err := dyn.Resource(widgets).List(t.Context(), metav1.ListOptions{FieldSelector: "metadata.namespace=" + namespace})
	if err != nil || len(left.Items) != 0 {
		t.Errorf("left of the namespace: %v, %v", left, err)
	}
	if err := kube.CoreV1().Namespaces().Delete(t.Context(), "default", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("deleting the default namespace: %v, want it forbidden", err)
	}
}

func rightsStory(t *testing.T, h *hub.Hub, namespace string) {
	kube := kubeFor(t, h.AdminConfig())
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}}
	if _, err := kube.CoreV1().Secrets(namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	list := func(r schema.GroupVersionResource) func(dynamic.Interface) error {
		return func(c dynamic.Interface) error {
			_, err := c.Resource(r).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
			return err
		}
	}
	create := func(r schema.GroupVersionResource, kind string) func(dynamic.Interface) error {
		return func(c dynamic.Interface) error {
			w := widget("", 1)
			w.SetKind(kind)
			w.SetGenerateName("try-")
			_, err := c.Resource(r).Namespace(namespace).Create(t.Context(), w, metav1.CreateOptions{})
			return err
		}
	}
	requests := map[string]func(dynamic.Interface) error{
		"list widgets": list(widgets), "list secrets": list(secrets),
		"create a widget": create(widgets, "Widget"), "create a gate": create(gates, "Gate"),
	}
	cases := map[string]struct {
		groups      []string
		wantAllowed []string
	}{
		"admin":    {[]string{hub.GroupAdmins}, []string{"list widgets", "list secrets", "create a widget", "create a gate"}},
		"operator": {[]string{hub.GroupOperators}, []string{"list widgets", "create a gate"}},
		"viewer":   {[]string{hub.GroupViewers}, []string{"list widgets"}},
		"nobody":   {nil, nil},
	}
	for name, c := range cases {
		config := userConfig(t, h, hub.User{Name: name, Groups: c.groups})
		client := dynamicFor(t, config)
		for request, do := range requests {
			err := do(client)
			allowed := false
			for _, a := range c.wantAllowed {
				allowed = allowed || a == request
			}
			switch {
			case allowed && err != nil:
				t.Errorf("%s: %s: %v, want it allowed", name, request, err)
			case !allowed && !apierrors.IsForbidden(err):
				t.Errorf("%s: %s: %v, want it forbidden", name, request, err)
			}
		}
		if _, err := kubeFor(t, config).Discovery().ServerVersion(); err != nil {
			t.Errorf("%s: discovery: %v, want it open to all users", name, err)
		}
	}
}

func fleetRightStory(t *testing.T, h *hub.Hub, namespace string) {
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bob"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "bob"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "sengu-operator"},
	}
	if _, err := kubeFor(t, h.AdminConfig()).RbacV1().RoleBindings(namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	bob := dynamicFor(t, userConfig(t, h, hub.User{Name: "bob"})).Resource(widgets)
	eventually(t, "bob may read his fleet", func(ctx context.Context) error {
		_, err := bob.Namespace(namespace).List(ctx, metav1.ListOptions{})
		return err
	})
	if _, err := bob.Namespace("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("bob in another fleet: %v, want it forbidden", err)
	}
}

func strangerStory(t *testing.T, h *hub.Hub, _ string) {
	known := userConfig(t, h, hub.User{Name: "alice", Groups: []string{hub.GroupAdmins}})
	nameless := rest.AnonymousClientConfig(known)
	err := kubeFor(t, nameless).Discovery().RESTClient().Get().AbsPath("/api").Do(t.Context()).Error()
	if !apierrors.IsUnauthorized(err) {
		t.Errorf("without a certificate: %v, want unauthorized", err)
	}
	// A proxy's headers must not make a user.
	transport, err := rest.TransportFor(nameless)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.URL()+"/api/v1/secrets", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Remote-User", "admin")
	request.Header.Set("X-Remote-Group", "system:masters")
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("with a proxy's headers: status %d, want 401", response.StatusCode)
	}
}

func policyStory(t *testing.T, h *hub.Hub, namespace string) {
	dyn := dynamicFor(t, h.AdminConfig())
	apply := func(resource, document string) {
		t.Helper()
		object := fromYAML(t, document)
		r := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource}
		if _, err := dyn.Resource(r).Apply(t.Context(), object.GetName(), object, metav1.ApplyOptions{FieldManager: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	apply("validatingadmissionpolicies", `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: small-widgets}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [test.sengu.dev], apiVersions: [v1], operations: [CREATE], resources: [widgets]}]
  validations: [{expression: object.spec.size < 9, message: our team has no room for this}]
`)
	apply("validatingadmissionpolicybindings", `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: small-widgets}
spec: {policyName: small-widgets, validationActions: [Deny]}
`)
	client := dyn.Resource(widgets).Namespace(namespace)
	// The rule takes effect when the API has compiled it, which is within a second.
	eventually(t, "a widget of 9 things is refused", func(ctx context.Context) error {
		w := widget("", 9)
		w.SetGenerateName("big-")
		_, err := client.Create(ctx, w, metav1.CreateOptions{})
		if err != nil && strings.Contains(err.Error(), "no room for this") {
			return nil
		}
		return errors.Join(errors.New("not refused for the rule"), err)
	})
}
