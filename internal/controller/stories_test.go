// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/config/policies"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/hub/hubtest"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/internal/providers/simulated"
	"sengu.dev/sengu/provider"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	hubtest.Main(m, crd.FS, policies.FS)
}

// patience is how long a story may take; each needs a second or two.
const patience = 60 * time.Second

// fleet is a namespace of the hub with controllers of its own and simulated clusters.
type fleet struct {
	client.Client
	t         *testing.T
	namespace string
	world     *simulated.World
	stop      func()
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, namespace: hubtest.Namespace(t),
		world: simulated.NewWorld(simulated.Config{Clock: clock.RealClock{}})}
	cfg := rest.CopyConfig(hubtest.Hub(t).AdminConfig())
	cfg.QPS = -1
	c, err := client.New(cfg, client.Options{Scheme: controller.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	f.Client = c
	f.start()
	t.Cleanup(func() { f.stop() })
	return f
}

// start starts the controllers, as a process that comes up would.
func (f *fleet) start() {
	f.t.Helper()
	stop := f.process(hubtest.Hub(f.t).AdminConfig(), nil)
	f.stop = func() {
		if err := stop(); err != nil {
			f.t.Errorf("the controllers ended with %v", err)
		}
		f.stop = func() {}
	}
}

// process starts controllers with options of their own, and returns what ends them.
func (f *fleet) process(cfg *rest.Config, change func(*controller.Options)) (stop func() error) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended, started := make(chan error, 1), make(chan struct{})
	options := controller.Options{
		Clock: clock.RealClock{}, Log: logr.Discard(), Namespace: f.namespace, OnStarted: func() { close(started) },
		Openers: map[string]observe.Opener{"simulated": f.open},
	}
	if change != nil {
		change(&options)
	}
	go func() { ended <- controller.Run(ctx, cfg, options) }()
	select {
	case <-started:
	case err := <-ended:
		f.t.Fatalf("the controllers did not start: %v", err)
	case <-time.After(patience):
		f.t.Fatal("the controllers did not start")
	}
	return func() error {
		cancel()
		return <-ended
	}
}

func (f *fleet) open(_ context.Context, c *v1alpha1.Cluster, _ observe.SecretReader) (provider.Provider, error) {
	return f.world.Open(c.Namespace+"/"+c.Name, *c.Spec.Provider.Simulated), nil
}

// add creates a cluster of one node pool whose steps take a tenth of a second each.
func (f *fleet) add(name, env string, change func(*v1alpha1.Cluster)) {
	f.t.Helper()
	short := &metav1.Duration{Duration: 100 * time.Millisecond}
	c := &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: name, Labels: map[string]string{"env": env}},
		Spec: v1alpha1.ClusterSpec{Provider: v1alpha1.ProviderSpec{Simulated: &v1alpha1.SimulatedProvider{
			Version: "1.36.1", Nodes: 2, ControlPlaneDuration: short, NodeDuration: short,
		}}},
	}
	if change != nil {
		change(c)
	}
	f.create(c)
}

func (f *fleet) create(o client.Object) {
	f.t.Helper()
	o.SetNamespace(f.namespace)
	if err := f.Create(context.Background(), o); err != nil {
		f.t.Fatal(err)
	}
}

func strategy(envs ...string) *v1alpha1.UpgradeStrategySpec {
	s := &v1alpha1.UpgradeStrategySpec{}
	for _, env := range envs {
		s.Stages = append(s.Stages, v1alpha1.StrategyStage{Name: env, Groups: []v1alpha1.StrategyGroup{{
			Name: "all", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": env}},
			MaxConcurrency: new(intstr.FromInt32(2)),
		}}})
	}
	return s
}

func (f *fleet) run(name, to string, envs ...string) {
	f.t.Helper()
	f.create(&v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.UpgradeRunSpec{
		Target: v1alpha1.UpgradeTarget{Kubernetes: to}, Strategy: strategy(envs...),
	}})
}

func (f *fleet) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: f.namespace, Name: name}
}

// until polls an object until a condition holds, and fails the test with what the object says when it does not.
func until[T client.Object](f *fleet, name string, o T, what string, holds func(T) bool) T {
	f.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := f.Get(context.Background(), f.key(name), o)
		if err == nil && holds(o) {
			return o
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: not %s after %s: %v; it is %+v", name, what, patience, err, describe(o))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func describe(o client.Object) string {
	switch o := o.(type) {
	case *v1alpha1.UpgradeRun:
		return fmt.Sprintf("%s, counts %+v, waiting %+v", o.Status.Phase, o.Status.Counts, o.Status.Waiting)
	case *v1alpha1.ClusterUpgrade:
		return fmt.Sprintf("%s at %s, waiting %+v, %s: %s", o.Status.Phase, o.Status.CurrentStep, o.Status.Waiting, o.Status.Reason, o.Status.Message)
	case *v1alpha1.Cluster:
		return fmt.Sprintf("%+v", o.Status.Conditions)
	}
	return o.GetName()
}

func (f *fleet) untilPhase(run string, phase v1alpha1.RunPhase) *v1alpha1.UpgradeRun {
	f.t.Helper()
	return until(f, run, &v1alpha1.UpgradeRun{}, string(phase), func(r *v1alpha1.UpgradeRun) bool { return r.Status.Phase == phase })
}

func (f *fleet) upgrades() map[string]v1alpha1.ClusterUpgrade {
	f.t.Helper()
	var list v1alpha1.ClusterUpgradeList
	if err := f.List(context.Background(), &list, client.InNamespace(f.namespace)); err != nil {
		f.t.Fatal(err)
	}
	out := map[string]v1alpha1.ClusterUpgrade{}
	for _, u := range list.Items {
		out[u.Spec.Cluster] = u
	}
	return out
}

// operations counts what the provider did to a cluster, by kind.
func (f *fleet) operations(cluster string) map[string]int {
	n := map[string]int{}
	for _, op := range f.world.Cluster(f.namespace + "/" + cluster).Operations() {
		n[op.Kind]++
	}
	return n
}

func TestARunUpgradesStagingBeforeProduction(t *testing.T) {
	f := newFleet(t)
	f.add("staging-1", "staging", nil)
	f.add("prod-1", "production", nil)
	f.add("prod-2", "production", nil)
	f.run("to-1-37", "1.37", "staging", "production")

	run := f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
	if run.Status.Counts.Succeeded != 3 || run.Status.Progress != "3/3" {
		t.Errorf("counts %+v, progress %q, want 3 succeeded and 3/3", run.Status.Counts, run.Status.Progress)
	}
	upgrades := f.upgrades()
	staging := upgrades["staging-1"].Status.FinishedAt
	for _, name := range []string{"prod-1", "prod-2"} {
		if started := upgrades[name].Status.StartedAt; started.Before(staging) {
			t.Errorf("%s started at %s, before staging ended at %s", name, started, staging)
		}
		cluster := until(f, name, &v1alpha1.Cluster{}, "released", func(c *v1alpha1.Cluster) bool { return c.Status.ActiveRun == "" })
		if v := cluster.Status.ControlPlane.Version; v != run.Status.Resolved.Version {
			until(f, name, &v1alpha1.Cluster{}, "seen on the target", func(c *v1alpha1.Cluster) bool {
				return c.Status.ControlPlane.Version == run.Status.Resolved.Version
			})
		}
	}
}

func TestAFailureInStagingKeepsProductionUntouched(t *testing.T) {
	f := newFleet(t)
	f.add("staging-1", "staging", func(c *v1alpha1.Cluster) {
		c.Spec.Provider.Simulated.Failures = []v1alpha1.SimulatedFailure{{Operation: "ControlPlane", Times: 1, Code: "QuotaExceeded", Message: "no quota is left"}}
	})
	f.add("prod-1", "production", nil)
	f.run("to-1-37", "1.37", "staging", "production")

	run := f.untilPhase("to-1-37", v1alpha1.RunPhaseFailed)
	if n := f.operations("prod-1"); len(n) != 0 {
		t.Errorf("production was touched: %v", n)
	}
	if len(run.Status.Causes) != 1 || run.Status.Causes[0].ID != "QuotaExceeded" {
		t.Errorf("causes %+v, want QuotaExceeded", run.Status.Causes)
	}
	target := run.Status.Resolved.Version

	before := run.DeepCopy()
	run.Spec.Attempt = 2
	if err := f.Patch(context.Background(), run, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	run = f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
	if run.Status.Resolved.Version != target {
		t.Errorf("the retry went to %s, want the frozen %s", run.Status.Resolved.Version, target)
	}
}

func TestAProcessThatIsKilledGoesOnWhereItWas(t *testing.T) {
	f := newFleet(t)
	for i := range 4 {
		f.add(fmt.Sprintf("prod-%d", i), "production", nil)
	}
	f.run("to-1-37", "1.37", "production")
	for range 5 {
		time.Sleep(150 * time.Millisecond) // somewhere in the middle
		f.stop()
		f.start()
	}
	f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
	for i := range 4 {
		got := f.operations(fmt.Sprintf("prod-%d", i))
		if got["ControlPlane"] != 1 || got["NodePool"] != 1 {
			t.Errorf("prod-%d: operations %v, want exactly one of each kind", i, got)
		}
	}
}

func TestTwoRunsNeverWorkOnOneCluster(t *testing.T) {
	f := newFleet(t)
	f.add("prod-1", "production", func(c *v1alpha1.Cluster) {
		c.Spec.Provider.Simulated.ControlPlaneDuration = &metav1.Duration{Duration: time.Second}
	})
	f.run("first", "1.37", "production")
	until(f, "first", &v1alpha1.UpgradeRun{}, "started", func(r *v1alpha1.UpgradeRun) bool { return r.Status.Counts.Running == 1 })
	f.run("second", "1.37", "production")
	second := until(f, "second", &v1alpha1.UpgradeRun{}, "waiting", func(r *v1alpha1.UpgradeRun) bool { return r.Status.Waiting != nil })
	if second.Status.Waiting.Reason != v1alpha1.ReasonClusterBusy {
		t.Errorf("the second run waits for %+v, want %s", second.Status.Waiting, v1alpha1.ReasonClusterBusy)
	}
	f.untilPhase("first", v1alpha1.RunPhaseSucceeded)
	f.untilPhase("second", v1alpha1.RunPhaseSucceeded)
	if got := f.operations("prod-1"); got["ControlPlane"] != 1 {
		t.Errorf("operations %v, want one control-plane upgrade", got)
	}
}

func (f *fleet) nodes(cluster string) []*corev1.Node {
	f.t.Helper()
	source, ok := f.world.Open(f.namespace+"/"+cluster, v1alpha1.SimulatedProvider{}).(member.Source)
	if !ok {
		f.t.Fatal("the simulated cluster plays no member")
	}
	v, err := source.Member().View(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	return v.Nodes()
}

func TestAClusterThatCannotBeReachedSaysWhyAndIsNotTouched(t *testing.T) {
	f := newFleet(t)
	f.add("lost", "production", func(c *v1alpha1.Cluster) {
		c.Spec.Provider.Simulated.Failures = []v1alpha1.SimulatedFailure{{Operation: "Describe", Code: "Unauthorized", Message: "the token is wrong"}}
	})
	f.create(&v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "other"}, Spec: v1alpha1.ClusterSpec{
		Provider: v1alpha1.ProviderSpec{AKS: &v1alpha1.AKSProvider{SubscriptionID: "00000000-0000-0000-0000-000000000000", ResourceGroup: "rg", Name: "c"}}}})

	ready := func(c *v1alpha1.Cluster) *metav1.Condition {
		return meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
	}
	judged := func(c *v1alpha1.Cluster) bool { return ready(c) != nil }
	lost := until(f, "lost", &v1alpha1.Cluster{}, "judged", judged)
	if r := ready(lost); r.Status != metav1.ConditionFalse {
		t.Errorf("Ready is %s (%s), want False", r.Status, r.Reason)
	}
	other := until(f, "other", &v1alpha1.Cluster{}, "judged", judged)
	if r := ready(other); r.Reason != v1alpha1.ReasonProviderUnknown {
		t.Errorf("reason %s, want %s", r.Reason, v1alpha1.ReasonProviderUnknown)
	}
}
