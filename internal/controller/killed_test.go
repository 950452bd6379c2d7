// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"errors"
	"maps"
	"math/rand"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/hub/hubtest"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/provider"
)

// senguStyle makes a cluster of nodes that Sengu drains, with one more while it does.
func senguStyle(nodes int32) func(*v1alpha1.Cluster) {
	return func(c *v1alpha1.Cluster) {
		c.Spec.Provider.Simulated.NodeStyle = "Sengu"
		c.Spec.Provider.Simulated.Nodes = nodes
		c.Spec.NodeRollout.MaxSurge = new(intstr.FromInt32(1))
	}
}

// severed is the way to the hub of a process that is killed at one of its writes: before the write reaches the hub, or
// before its answer reaches the process. Nothing gets through afterwards.
type severed struct {
	next   http.RoundTripper
	left   atomic.Int64 // writes until then
	answer bool         // the write still gets through, and its answer does not
	once   sync.Once
	killed chan struct{}
}

var errKilled = errors.New("the process was killed")

// RoundTrip sends a request.
func (s *severed) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.left.Load() <= 0 {
		return nil, errKilled
	}
	if r.Method == http.MethodGet || s.left.Add(-1) > 0 {
		return s.next.RoundTrip(r)
	}
	if s.answer {
		if response, err := s.next.RoundTrip(r); err == nil {
			_ = response.Body.Close()
		}
	}
	s.once.Do(func() { close(s.killed) })
	return nil, errKilled
}

// killedAt runs a process until its n-th write.
func (f *fleet) killedAt(n int64, answer bool) {
	f.t.Helper()
	s := &severed{answer: answer, killed: make(chan struct{})}
	s.left.Store(n)
	cfg := rest.CopyConfig(hubtest.Hub(f.t).AdminConfig())
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { s.next = next; return s })
	stop := f.process(cfg, f.witnesses)
	defer func() { _ = stop() }() // it cannot end well: it was cut off
	select {
	case <-s.killed:
	case <-time.After(patience):
		f.t.Fatalf("the process has not written %d times", n)
	}
}

// witnessed is a provider that looks into the hub before it starts anything: the intent must be in the record.
type witnessed struct {
	provider.Provider
	provider.NodeReplacer
	provider.Pacer
	member.Source
	f       *fleet
	cluster string
}

func (w *witnessed) StartUpgrade(ctx context.Context, r provider.UpgradeRequest) (*provider.Operation, error) {
	w.intended(r.Key)
	return w.Provider.StartUpgrade(ctx, r)
}

func (w *witnessed) AddNode(ctx context.Context, r provider.AddNodeRequest) (*provider.Operation, error) {
	w.intended(r.Key)
	return w.NodeReplacer.AddNode(ctx, r)
}

func (w *witnessed) ReplaceNode(ctx context.Context, r provider.ReplaceNodeRequest) (*provider.Operation, error) {
	w.intended(r.Key)
	return w.NodeReplacer.ReplaceNode(ctx, r)
}

func (w *witnessed) RemoveNode(ctx context.Context, r provider.RemoveNodeRequest) (*provider.Operation, error) {
	w.intended(r.Key)
	return w.NodeReplacer.RemoveNode(ctx, r)
}

func (w *witnessed) intended(key string) {
	for _, op := range w.f.upgrades()[w.cluster].Status.Operations {
		if op.RequestKey == key {
			return
		}
	}
	w.f.t.Errorf("%s is asked for, and the record of %s does not hold its intent", key, w.cluster)
}

// witnesses makes a process reach its clusters through witnesses.
func (f *fleet) witnesses(o *controller.Options) {
	o.Openers["simulated"] = func(ctx context.Context, c *v1alpha1.Cluster, secret observe.SecretReader) (provider.Provider, error) {
		p, err := f.open(ctx, c, secret)
		if err != nil {
			return nil, err
		}
		return &witnessed{Provider: p, NodeReplacer: p.(provider.NodeReplacer), Pacer: p.(provider.Pacer), Source: p.(member.Source), f: f, cluster: c.Name}, nil
	}
}

// TestNoOperationIsRepeatedOrForgotten: one cluster is upgraded by a process that lives, and one by processes that are
// killed at any of their writes. The provider does the same for both, every operation has its intent in the record
// before it starts, and the record has counted each.
func TestNoOperationIsRepeatedOrForgotten(t *testing.T) {
	f := newFleet(t)
	f.add("undisturbed", "staging", senguStyle(2))
	f.run("first", "1.37", "staging")
	f.untilPhase("first", v1alpha1.RunPhaseSucceeded)
	want := f.operations("undisturbed")
	f.stop()

	f.add("disturbed", "production", senguStyle(2))
	f.create(&v1alpha1.UpgradeRun{ObjectMeta: named("second"), Spec: v1alpha1.UpgradeRunSpec{
		Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Strategy: strategy("production"), ClusterSelector: selecting("production"),
	}})
	r := rand.New(rand.NewSource(1))
	// A run of one such cluster needs more than thirty writes, so each of these dies in the middle.
	const kills = 5
	for range kills {
		f.killedAt(1+r.Int63n(5), r.Intn(2) == 0)
	}
	stop := f.process(hubtest.Hub(t).AdminConfig(), f.witnesses)
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	f.untilPhase("second", v1alpha1.RunPhaseSucceeded)
	if got := f.operations("disturbed"); !maps.Equal(got, want) {
		t.Errorf("after %d kills the provider did %v, want %v", kills, got, want)
	}
	total := 0
	for _, n := range want {
		total += n
	}
	if n := f.upgrades()["disturbed"].Status.OperationCount; int(n) != total {
		t.Errorf("the record counts %d operations, the provider %d", n, total)
	}
	f.wantsCleanNodes("disturbed")
}

// TestOneOfTwoProcessesWorks: of two processes on one hub one leads; the other takes over when that one stops.
func TestOneOfTwoProcessesWorks(t *testing.T) {
	f := newFleet(t)
	f.stop()
	var opened [2]atomic.Int64
	var stops [2]func() error
	for i := range stops {
		stops[i] = f.process(hubtest.Hub(t).AdminConfig(), func(o *controller.Options) {
			o.LeaderElection, o.LeaderElectionNamespace = true, f.namespace
			o.Openers["simulated"] = func(ctx context.Context, c *v1alpha1.Cluster, secret observe.SecretReader) (provider.Provider, error) {
				opened[i].Add(1)
				return f.open(ctx, c, secret)
			}
		})
	}
	f.add("staging-1", "staging", nil)
	f.run("first", "1.37", "staging")
	f.untilPhase("first", v1alpha1.RunPhaseSucceeded)
	leads, other := 0, 1
	if opened[0].Load() == 0 {
		leads, other = 1, 0
	}
	if n := opened[other].Load(); n > 0 {
		t.Fatalf("both work: the other one has reached a cluster %d times", n)
	}
	if err := stops[leads](); err != nil {
		t.Error(err)
	}
	f.add("staging-2", "staging", nil)
	f.run("second", "1.37", "staging")
	f.untilPhase("second", v1alpha1.RunPhaseSucceeded)
	if opened[other].Load() == 0 {
		t.Error("the second run was done by a process that had stopped")
	}
	if got := f.operations("staging-1"); got["ControlPlane"] != 1 {
		t.Errorf("staging-1: operations %v, want those of the first run only", got)
	}
	if err := stops[other](); err != nil {
		t.Error(err)
	}
}

// TestARunThatIsCreatedAnewBeginsAnew: a run of the name of a deleted one takes neither its approvals nor its upgrades
// for its own.
func TestARunThatIsCreatedAnewBeginsAnew(t *testing.T) {
	f := newFleet(t)
	f.add("prod-1", "production", nil)
	gated := strategy("production")
	gated.Stages[0].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{}}}
	create := func(to string) {
		t.Helper()
		f.create(&v1alpha1.UpgradeRun{ObjectMeta: named("next"), Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: to}, Strategy: gated}})
	}
	const gate, upgrade = "next-production-before-ok", "next-prod-1"
	approve := func() {
		t.Helper()
		g := until(f, gate, &v1alpha1.Gate{}, "asked for", func(*v1alpha1.Gate) bool { return true })
		before := g.DeepCopy()
		g.Status.State = v1alpha1.GateStatePassed
		if err := f.Status().Patch(t.Context(), g, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	create("1.37")
	approve()
	first := f.untilPhase("next", v1alpha1.RunPhaseSucceeded)

	// What it leaves behind stays, as with `kubectl delete --cascade=orphan`, or for the moment that it takes to go.
	if err := f.Delete(t.Context(), first, client.PropagationPolicy("Orphan")); err != nil {
		t.Fatal(err)
	}
	f.untilGone("next", &v1alpha1.UpgradeRun{})
	create("1.38")
	waiting := until(f, "next", &v1alpha1.UpgradeRun{}, "waiting", func(r *v1alpha1.UpgradeRun) bool { return r.Status.Waiting != nil })
	if r := waiting.Status.Waiting.Reason; r != v1alpha1.ReasonGateClosed {
		t.Errorf("it waits for %s, want %s: nobody has approved it", r, v1alpha1.ReasonGateClosed)
	}
	f.remove(gate, &v1alpha1.Gate{})
	approve()
	waiting = until(f, "next", &v1alpha1.UpgradeRun{}, "waiting for the name", func(r *v1alpha1.UpgradeRun) bool {
		return r.Status.Waiting != nil && r.Status.Waiting.Reason != v1alpha1.ReasonGateClosed
	})
	if r := waiting.Status.Waiting.Reason; r != v1alpha1.ReasonClusterBusy {
		t.Errorf("it waits for %+v, want %s: the upgrade of the first has its name", waiting.Status.Waiting, v1alpha1.ReasonClusterBusy)
	}
	if got := f.operations("prod-1"); got["ControlPlane"] != 1 {
		t.Errorf("operations %v, want those of the first run only", got)
	}
	f.remove(upgrade, &v1alpha1.ClusterUpgrade{})
	second := f.untilPhase("next", v1alpha1.RunPhaseSucceeded)
	if got := f.operations("prod-1"); got["ControlPlane"] != 2 || second.Status.Resolved.Version == first.Status.Resolved.Version {
		t.Errorf("operations %v to %s, want a second upgrade", got, second.Status.Resolved.Version)
	}
}
