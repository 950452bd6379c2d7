// SPDX-License-Identifier: Apache-2.0

// Package resume measures how soon a fleet moves on after the process that serves the hub and the controllers was killed
// in the middle of a run with many clusters in flight.
package resume

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/providers/simulated"
)

// Config of Run.
type Config struct {
	// Clusters that are in flight.
	Clusters int
	// Self is this binary, which is started again as the process that is killed.
	Self string
	// Progress gets a line now and then.
	Progress io.Writer
}

// Default is what docs/benchmarks.md shows.
func Default(self string, progress io.Writer) Config {
	return Config{Clusters: 1000, Self: self, Progress: progress}
}

// Result of Run, each from the start of the process.
type Result struct {
	// Clusters that were in flight.
	Clusters int
	// HubReady is when the hub answers, FirstAction when the first cluster is moved on, AllLooked when every cluster was
	// looked at, and AllMoved when every one was moved on.
	HubReady, FirstAction, AllLooked, AllMoved time.Duration
	// Repeated counts the clusters whose control plane was upgraded more than once.
	Repeated int
}

// takes is how long an upgrade of a control plane, and of a pool, takes at the cloud: long enough that all are in flight
// before the first one has ended.
const takes = 90 * time.Second

const namespace, patience = "fleet", 10 * time.Minute

func spec() *v1alpha1.SimulatedProvider {
	return &v1alpha1.SimulatedProvider{Version: "1.36.1", Nodes: 1, NodeStyle: "Provider",
		ControlPlaneDuration: &metav1.Duration{Duration: takes}, NodeDuration: &metav1.Duration{Duration: takes}}
}

// bench is a cloud, and the process that is killed.
type bench struct {
	Config
	dir   string
	url   string
	cloud *cloud
}

// Run measures. It takes about four minutes with Default.
func Run(ctx context.Context, c Config) (r *Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dir, err := os.MkdirTemp("", "sengu-bench-resume-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{Config: c, dir: dir, cloud: newCloud(simulated.NewWorld(simulated.Config{Clock: clock.RealClock{}}))}
	server := httptest.NewServer(b.cloud)
	defer server.Close()
	b.url = server.URL

	kill, _, err := b.start(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.takeOff(ctx); err != nil {
		return nil, errors.Join(err, kill())
	}
	if err := kill(); err != nil {
		return nil, err
	}
	fmt.Fprintf(c.Progress, "resume: killed; the clouds' operations end in %s\n", takes)
	if err := sleep(ctx, takes); err != nil {
		return nil, err
	}
	return b.measure(ctx)
}

// start starts the process and waits until its hub is ready. kill ends it as a power cut does.
func (b *bench) start(ctx context.Context) (kill func() error, began time.Time, err error) {
	process := exec.CommandContext(ctx, b.Self, ChildArgument, b.dir, b.url)
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, began, err
	}
	began = time.Now()
	if err := process.Start(); err != nil {
		return nil, began, err
	}
	kill = func() error {
		if err := process.Process.Kill(); err != nil {
			return err
		}
		_ = process.Wait() // it did not end well, as was wanted
		return nil
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, began, errors.Join(fmt.Errorf("the hub is not ready: %w", err), kill())
	}
	return kill, began, nil
}

// takeOff brings all clusters in flight.
func (b *bench) takeOff(ctx context.Context) error {
	fmt.Fprintf(b.Progress, "resume: bringing %d simulated clusters in flight\n", b.Clusters)
	hub, err := b.client()
	if err != nil {
		return err
	}
	if err := hub.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		return err
	}
	for i := range b.Clusters {
		c := &v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("c%05d", i), Labels: map[string]string{"env": "production"}},
			Spec:       v1alpha1.ClusterSpec{Provider: v1alpha1.ProviderSpec{Simulated: spec()}},
		}
		if err := hub.Create(ctx, c); err != nil {
			return err
		}
	}
	all := intstr.FromInt(b.Clusters)
	err = hub.Create(ctx, &v1alpha1.UpgradeRun{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "all"},
		Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Strategy: &v1alpha1.UpgradeStrategySpec{
			MaxConcurrency: &all,
			Stages: []v1alpha1.StrategyStage{{Name: "all", MaxConcurrency: &all, Groups: []v1alpha1.StrategyGroup{{
				Name: "all", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": "production"}}, MaxConcurrency: &all,
			}}}},
		}},
	})
	if err != nil {
		return err
	}
	return b.until(ctx, func(_, changed int) bool { return changed == b.Clusters })
}

func (b *bench) client() (client.Client, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", filepath.Join(b.dir, "admin.kubeconfig"))
	if err != nil {
		return nil, err
	}
	cfg.QPS = -1
	return client.New(cfg, client.Options{Scheme: controller.Scheme()})
}

func (b *bench) until(ctx context.Context, is func(looked, changed int) bool) error {
	for {
		looked, changed := b.cloud.counts()
		if is(looked, changed) {
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return fmt.Errorf("%d of %d clusters were looked at and %d moved: %w", looked, b.Clusters, changed, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// measure starts the process again and watches what it does.
func (b *bench) measure(ctx context.Context) (r *Result, err error) {
	b.cloud.reset()
	kill, began, err := b.start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, kill()) }()
	r = &Result{Clusters: b.Clusters, HubReady: time.Since(began)}
	if err := b.until(ctx, func(looked, changed int) bool { return looked == b.Clusters && changed == b.Clusters }); err != nil {
		return nil, err
	}
	_, looked := b.cloud.span(b.cloud.looked)
	first, last := b.cloud.span(b.cloud.changed)
	r.AllLooked, r.FirstAction, r.AllMoved = looked.Sub(began), first.Sub(began), last.Sub(began)
	for i := range b.Clusters {
		upgrades := 0
		for _, op := range b.cloud.world.Cluster(fmt.Sprintf("%s/c%05d", namespace, i)).Operations() {
			if op.Kind == "ControlPlane" {
				upgrades++
			}
		}
		if upgrades != 1 {
			r.Repeated++
		}
	}
	return r, nil
}

// Markdown is the result as a page's section.
func (r *Result) Markdown() string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf(`A run of %d simulated clusters, all in flight. The process that serves the hub and the controllers is killed, the
operations of the cloud, which is another process, come to their end meanwhile, and the process is started again. Each
from its start:

| | seconds | aim |
|---|---:|---:|
| the hub answers | %.1f | |
| the first cluster is moved on | %.1f | < 10 |
| all %d were looked at | %.1f | |
| all were moved on | %.1f | |

Clusters whose control plane was upgraded twice, or not: %d.
`, r.Clusters, r.HubReady.Seconds(), r.FirstAction.Seconds(), r.Clusters, r.AllLooked.Seconds(), r.AllMoved.Seconds(), r.Repeated)
}
