// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

const namespace = "fleet"

// world is a hub with one cluster, a provider that says what a test tells it to, and a clock.
type world struct {
	t       *testing.T
	clock   *clocktesting.FakeClock
	hub     client.Client
	handles *Handles
	cluster *v1alpha1.Cluster
	cloud   *cloud
	// open is what the opener of the provider does; nil: it returns cloud.
	open   func(secret SecretReader) (provider.Provider, error)
	opened int
	// hubSays is the answer to every read of the hub; nil: what it has.
	hubSays error
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	w := &world{t: t, clock: clocktesting.NewFakeClock(time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)), cloud: &cloud{
		says: &provider.Description{ControlPlaneVersion: "1.36.3", State: provider.ControlPlaneRunning},
	}}
	w.cluster = &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "c", UID: "uid-1", Generation: 1},
		Spec: v1alpha1.ClusterSpec{Provider: v1alpha1.ProviderSpec{Simulated: &v1alpha1.SimulatedProvider{}}}}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w.hub = fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, w.cluster)...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
			if w.hubSays != nil {
				return w.hubSays
			}
			return c.Get(ctx, key, o, options...)
		},
	}).Build()
	members := member.NewDirectory(member.Config{Clock: w.clock, Log: logr.Discard()})
	t.Cleanup(members.Close)
	w.handles = NewHandles(HandlesConfig{Secrets: w.hub, Members: members, Clock: w.clock, Openers: map[string]Opener{
		"simulated": func(_ context.Context, _ *v1alpha1.Cluster, secret SecretReader) (provider.Provider, error) {
			w.opened++
			if w.open != nil {
				return w.open(secret)
			}
			return w.cloud, nil
		},
	}})
	return w
}

// look at the upgrade of the cluster, with operations in its record.
func (w *world) look(operations ...v1alpha1.OperationStatus) *Upgrade {
	w.t.Helper()
	u := &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "r-c", UID: "upgrade-1"}, Spec: v1alpha1.ClusterUpgradeSpec{Cluster: "c"}}
	u.Status.Operations = operations
	look, err := LookAtUpgrade(w.t.Context(), w.hub, w.handles, u, w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	return look
}

// cloud is a provider, and the cluster's own API.
type cloud struct {
	says      *provider.Description
	fails     error // every call
	failsFor  map[string]error
	asked     int // to describe
	member    member.Access
	issues    func() *provider.Credentials
	operation *provider.Operation
}

func (c *cloud) Describe(context.Context) (*provider.Description, error) {
	c.asked++
	return c.says, errors.Join(c.fails, c.failsFor["Describe"])
}

func (c *cloud) Offers(context.Context) (*provider.Offers, error) {
	if err := errors.Join(c.fails, c.failsFor["Offers"]); err != nil {
		return nil, err
	}
	return &provider.Offers{Images: []string{"linux-1"}}, nil
}

func (c *cloud) StartUpgrade(context.Context, provider.UpgradeRequest) (*provider.Operation, error) {
	return nil, errors.New("observing starts nothing")
}

func (c *cloud) Operation(context.Context, string) (*provider.Operation, error) {
	return c.operation, c.failsFor["Operation"]
}

// played is a cloud that plays the member, and issuing one that hands out kubeconfigs.
type (
	played  struct{ *cloud }
	issuing struct{ *cloud }
)

func (p played) Member() member.Access { return p.member }

func (i issuing) Credentials(context.Context) (*provider.Credentials, error) {
	return i.issues(), i.failsFor["Credentials"]
}

// api is a member's API: a view with a uid, or why there is none.
type api struct {
	member.Access
	uid   string
	fails error
}

func (a *api) View(context.Context) (member.View, error) {
	if a.fails != nil {
		return nil, a.fails
	}
	return a, nil
}

func (a *api) UID() string                                { return a.uid }
func (a *api) Nodes() []*corev1.Node                      { return nil }
func (a *api) PodsOn(string) []*corev1.Pod                { return nil }
func (a *api) Budgets() []*policyv1.PodDisruptionBudget   { return nil }
func (a *api) Eviction(string) (granted, until time.Time) { return time.Time{}, time.Time{} }

// kubeconfig that can be used, of a server that never answers.
func kubeconfig(token string) []byte {
	return fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Config","current-context":"c",
"contexts":[{"name":"c","context":{"cluster":"c","user":"u"}}],
"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],
"users":[{"name":"u","user":{"token":%q}}]}`, token)
}

func secret(key string, data []byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "access"}, Data: map[string][]byte{key: data}}
}

func refersTo(name, key string) func(*world) {
	return func(w *world) {
		w.cluster.Spec.Access.KubeconfigSecretRef = &v1alpha1.SecretKeyReference{Name: name, Key: key}
		if err := w.hub.Update(w.t.Context(), w.cluster); err != nil {
			w.t.Fatal(err)
		}
	}
}

func key() types.NamespacedName { return types.NamespacedName{Namespace: namespace, Name: "c"} }

// TestAnAnswerFromTheFuture: the clock was set back since the provider was asked. What it said does not count until that
// hour has come again.
func TestAnAnswerFromTheFuture(t *testing.T) {
	w := newWorld(t)
	w.look()
	asked, opened := w.cloud.asked, w.opened
	w.look()
	if w.cloud.asked != asked || w.opened != opened {
		t.Fatalf("asked %d times, opened %d times: the last answer is fresh, and this tells nothing", w.cloud.asked-asked, w.opened-opened)
	}
	w.clock.SetTime(w.clock.Now().Add(-24 * time.Hour))
	w.look()
	if w.cloud.asked != asked+1 || w.opened != opened+1 {
		t.Errorf("asked %d times and opened %d times after the clock was set back, want once each", w.cloud.asked-asked, w.opened-opened)
	}
}
