// SPDX-License-Identifier: Apache-2.0

// Package fleet measures a run over many simulated clusters through the embedded hub with the real controllers:
// how much longer it takes than the ideal schedule, how often it writes, how much memory it needs, and how soon
// after a failure nothing new starts.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/config/policies"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/hub"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/internal/providers/simulated"
	"sengu.dev/sengu/provider"
)

// Config of Run.
type Config struct {
	// Clusters in the large run, and how many of them at a time.
	Clusters, Parallel int
	// ControlPlane and Node are the scripted durations of one cluster's upgrade: it has one node pool of one node.
	ControlPlane, Node time.Duration
	// FailingRuns is how many small runs meet a failure, to measure how soon they stop.
	FailingRuns int
	// Progress gets a line now and then.
	Progress io.Writer
}

// Default is what docs/benchmarks.md shows.
func Default(progress io.Writer) Config {
	return Config{Clusters: 1000, Parallel: 50, ControlPlane: 12 * time.Second, Node: 8 * time.Second, FailingRuns: 100, Progress: progress}
}

// Result of Run.
type Result struct {
	// Clusters and Parallel as they were run.
	Clusters, Parallel int
	// Ideal is the schedule without any overhead; Took is what it took.
	Ideal, Took time.Duration
	// WritesPerCluster to the hub by the controllers, events not counted; EventsPerCluster are the events.
	WritesPerCluster, EventsPerCluster float64
	// PeakRSS of the process with hub, controllers and the simulated world, in MiB.
	PeakRSS float64
	// FailingRuns that met a failure. StopP50 and StopP99: from a cluster's failure at the provider to the run's record that nothing new starts.
	FailingRuns      int
	StopP50, StopP99 time.Duration
	// StartedAfter counts clusters that were started after their run had recorded that.
	StartedAfter int
}

// world is a hub with controllers and simulated clusters.
type world struct {
	Config
	hub       *hub.Hub
	client    client.WithWatch
	simulated *simulated.World
	writes    atomic.Int64
	events    atomic.Int64
}

// Run measures. It takes about eight minutes with Default.
func Run(ctx context.Context, c Config) (r *Result, err error) {
	dir, err := os.MkdirTemp("", "sengu-bench-fleet-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	h, err := hub.Start(ctx, hub.Config{DataDir: dir, CRDs: crd.FS, Policies: policies.FS})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	w := &world{Config: c, hub: h, simulated: simulated.NewWorld(simulated.Config{Clock: clock.RealClock{}})}
	cfg := rest.CopyConfig(h.AdminConfig())
	cfg.QPS = -1
	if w.client, err = client.NewWithWatch(cfg, client.Options{Scheme: controller.Scheme()}); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		defer close(stopped)
		stopped <- controller.Run(ctx, w.counting(h.AdminConfig()), w.options(started))
	}()
	defer func() {
		stop()
		err = errors.Join(err, <-stopped)
	}()
	select {
	case <-started:
	case err := <-stopped:
		return nil, err
	}
	r = &Result{Clusters: c.Clusters, Parallel: c.Parallel, FailingRuns: c.FailingRuns}
	if err := w.measureRun(ctx, r); err != nil {
		return nil, err
	}
	if err := w.measureStops(ctx, r); err != nil {
		return nil, err
	}
	r.PeakRSS, err = peakRSS()
	return r, err
}

func (w *world) options(started chan struct{}) controller.Options {
	return controller.Options{
		Clock: clock.RealClock{}, Log: logr.Discard(), OnStarted: func() { close(started) },
		Openers: map[string]observe.Opener{
			"simulated": func(_ context.Context, c *v1alpha1.Cluster, _ observe.SecretReader) (provider.Provider, error) {
				return w.simulated.Open(c.Namespace+"/"+c.Name, *c.Spec.Provider.Simulated), nil
			},
		},
	}
}

// counting counts the controllers' writes on the wire.
func (w *world) counting(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			switch {
			case r.Method == http.MethodGet:
			case strings.Contains(r.URL.Path, "/events"):
				w.events.Add(1)
			default:
				w.writes.Add(1)
			}
			return next.RoundTrip(r)
		})
	})
	return cfg
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// measureRun upgrades all clusters in one run.
func (w *world) measureRun(ctx context.Context, r *Result) error {
	fmt.Fprintf(w.Progress, "fleet: adding %d simulated clusters\n", w.Clusters)
	ns, err := w.namespace(ctx, "large")
	if err != nil {
		return err
	}
	for i := range w.Clusters {
		if err := w.client.Create(ctx, w.cluster(ns, fmt.Sprintf("c%05d", i), nil)); err != nil {
			return err
		}
	}
	if err := w.described(ctx, ns, w.Clusters); err != nil {
		return err
	}
	perCluster := w.ControlPlane + w.Node
	waves := (w.Clusters + w.Parallel - 1) / w.Parallel
	r.Ideal = time.Duration(waves) * perCluster
	fmt.Fprintf(w.Progress, "fleet: upgrading them, %d at a time; the ideal schedule takes %s\n", w.Parallel, r.Ideal)
	writes, events := w.writes.Load(), w.events.Load()
	began := time.Now()
	if err := w.client.Create(ctx, run(ns, "all", w.Parallel, 0)); err != nil {
		return err
	}
	phase, err := w.until(ctx, ns, "all", finished, r.Ideal*3+time.Minute)
	if err != nil {
		return err
	}
	if phase != v1alpha1.RunPhaseSucceeded {
		return fmt.Errorf("the run ended %s, want Succeeded", phase)
	}
	r.Took = time.Since(began)
	r.WritesPerCluster = float64(w.writes.Load()-writes) / float64(w.Clusters)
	r.EventsPerCluster = float64(w.events.Load()-events) / float64(w.Clusters)
	return nil
}

func (w *world) namespace(ctx context.Context, name string) (string, error) {
	return name, w.client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
}

func (w *world) cluster(ns, name string, failures []v1alpha1.SimulatedFailure) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{"env": "production"}},
		Spec: v1alpha1.ClusterSpec{Provider: v1alpha1.ProviderSpec{Simulated: &v1alpha1.SimulatedProvider{
			Version: "1.36.1", Nodes: 1, NodeStyle: "Provider", Failures: failures,
			ControlPlaneDuration: &metav1.Duration{Duration: w.ControlPlane}, NodeDuration: &metav1.Duration{Duration: w.Node},
		}}},
	}
}

func run(ns, name string, parallel, maxFailures int) *v1alpha1.UpgradeRun {
	return &v1alpha1.UpgradeRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec: v1alpha1.UpgradeRunSpec{
			Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"},
			Strategy: &v1alpha1.UpgradeStrategySpec{
				MaxConcurrency: new(intstr.FromInt(parallel)),
				Stages: []v1alpha1.StrategyStage{{Name: "all", Groups: []v1alpha1.StrategyGroup{{
					Name: "all", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": "production"}},
					MaxConcurrency: new(intstr.FromInt(parallel)), MaxFailures: new(intstr.FromInt(maxFailures)),
				}}}},
			},
		},
	}
}

// described waits until the controllers have looked at every cluster.
func (w *world) described(ctx context.Context, ns string, n int) error {
	for {
		var list v1alpha1.ClusterList
		if err := w.client.List(ctx, &list, client.InNamespace(ns)); err != nil {
			return err
		}
		seen := 0
		for i := range list.Items {
			if list.Items[i].Status.ControlPlane.Version != "" {
				seen++
			}
		}
		if seen == n {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Markdown is the result as a page's section.
func (r *Result) Markdown() string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf(`%d simulated clusters, %d at a time, through the embedded hub with the real controllers and real time. Each is
upgraded in %s, far less than a real one, and all of a wave at the same instant: the worst case for what is measured.

| | | aim |
|---|---:|---:|
| ideal schedule | %.1f s | |
| took | %.1f s | |
| overhead | %.2f %% | ≤ 2 %% |
| API writes per cluster (events not counted) | %.1f | |
| events per cluster | %.1f | |
| peak RSS of hub, controllers and simulation together | %.0f MiB | ≤ 600 MiB |
| from a cluster's failure to "nothing new starts", p50 | %d ms | |
| … p99 of %d runs | %d ms | < 1,000 ms |
| clusters started after that | %d | 0 |
`, r.Clusters, r.Parallel, r.Ideal/time.Duration((r.Clusters+r.Parallel-1)/r.Parallel), r.Ideal.Seconds(), r.Took.Seconds(), 100*(r.Took-r.Ideal).Seconds()/r.Ideal.Seconds(),
		r.WritesPerCluster, r.EventsPerCluster, r.PeakRSS, r.StopP50.Milliseconds(), r.FailingRuns, r.StopP99.Milliseconds(), r.StartedAfter)
}
