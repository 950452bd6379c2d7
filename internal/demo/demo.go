// SPDX-License-Identifier: Apache-2.0

// Package demo plays the main job of Sengu on one machine: it starts a lab with real control planes and a hub,
// registers the clusters, upgrades them in stages, and shows what happened. Everything it does it does with the
// same commands that a person would type, and it prints them.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/examples"
)

// runName is the name of the demo's run, strategyName that of its strategy, and namespace that of its fleet.
const (
	namespace    = "default"
	runName      = "to-next-minor"
	strategyName = "staging-canary-production"
	calendarName = "production-hours"
)

// Config of Run.
type Config struct {
	// Binaries is the folder with sengu and sengu-lab.
	Binaries string
	// Fleet is a fleet file of the lab; empty: the lab's own.
	Fleet string
	// Target is the Kubernetes version to upgrade to.
	Target string
	// Stay keeps everything up after the upgrade, until the context ends.
	Stay bool
	// Terminal says that people are watching.
	Terminal bool
	// In, Out and Err are the process's own.
	In       *os.File
	Out, Err io.Writer
	// Clock of the process.
	Clock clock.Clock
}

type demo struct {
	Config
	dir       string
	children  []*child
	witnesses []*witness
}

// Run plays the demo. It returns an error when the upgrade did not succeed, and leaves nothing behind.
func Run(ctx context.Context, c Config) (err error) {
	dir, err := os.MkdirTemp("", "sengu-demo-")
	if err != nil {
		return fmt.Errorf("no folder for the demo's data: %w", err)
	}
	d := &demo{Config: c, dir: dir}
	defer func() { err = errors.Join(err, d.close()) }()

	began := c.Clock.Now()
	if err := d.startLabAndHub(ctx); err != nil {
		return err
	}
	clusters, err := d.labClusters(ctx)
	if err != nil {
		return err
	}
	if err := d.register(ctx, clusters); err != nil {
		return err
	}
	d.say("ready after %s", c.Clock.Since(began).Round(time.Second))
	for _, cl := range clusters {
		w, err := watch(ctx, cl)
		if err != nil {
			return err
		}
		d.witnesses = append(d.witnesses, w)
	}
	runErr := d.upgrade(ctx)
	if ctx.Err() != nil {
		return nil // Ctrl-C: the person has seen enough
	}
	if err := d.report(ctx); err != nil {
		return errors.Join(runErr, err)
	}
	if runErr != nil {
		return runErr
	}
	if c.Stay {
		d.explore()
		<-ctx.Done()
	}
	return nil
}

// startLabAndHub starts both side by side: each takes some seconds.
func (d *demo) startLabAndHub(ctx context.Context) error {
	d.say("a lab of real Kubernetes control planes, and a hub")
	labArgs := []string{"up", "--dir", d.labDir()}
	if d.Fleet != "" {
		labArgs = append(labArgs, "-f", d.Fleet)
	}
	lab, err := d.start("lab", "sengu-lab", labArgs...)
	if err != nil {
		return err
	}
	hub, err := d.start("hub", "sengu", "serve", "--data-dir", d.hubDir())
	if err != nil {
		return err
	}
	if err := d.until(ctx, hub, func() bool { return d.quiet(ctx, "sengu", d.hubFlags("cluster", "list")...) == nil }); err != nil {
		return err
	}
	return d.until(ctx, lab, func() bool { return d.labReady(ctx) })
}

func (d *demo) register(ctx context.Context, clusters []labCluster) error {
	d.say("add the clusters to the fleet, and apply the order of work")
	for _, c := range clusters {
		args := []string{"cluster", "add", c.Name, "--provider", "local",
			"--lab-endpoint", c.endpoint, "--lab-cluster", c.Name, "--lab-token-file", c.tokenFile}
		for _, k := range sortedKeys(c.Labels) {
			args = append(args, "--label", k+"="+c.Labels[k])
		}
		if c.Labels["env"] == "production" {
			args = append(args, "--calendar", calendarName)
		}
		if err := d.show(ctx, args...); err != nil {
			return err
		}
	}
	if err := d.applyStrategy(ctx); err != nil {
		return err
	}
	if err := d.until(ctx, nil, func() bool { return d.allReady(ctx, len(clusters)) }); err != nil {
		return fmt.Errorf("the clusters of the fleet: %w", err)
	}
	return d.show(ctx, "cluster", "list")
}

// applyStrategy does what `kubectl apply -f examples/staging-canary-production.yaml` does: the machine may have no
// kubectl.
func (d *demo) applyStrategy(ctx context.Context) error {
	fmt.Fprintln(d.Out, "# as kubectl apply -f examples/staging-canary-production.yaml would:")
	hub, err := d.hub()
	if err != nil {
		return err
	}
	var strategy v1alpha1.UpgradeStrategy
	if err := yaml.UnmarshalStrict(examples.StagingCanaryProduction, &strategy); err != nil {
		return fmt.Errorf("examples/staging-canary-production.yaml: %w", err)
	}
	strategy.Namespace = namespace
	if err := hub.Create(ctx, &strategy); err != nil {
		return fmt.Errorf("the strategy was not accepted: %w", err)
	}
	fmt.Fprintf(d.Out, "upgradestrategy.sengu.dev/%s created\n", strategy.Name)
	return nil
}

// allReady says whether every cluster was looked at and can be upgraded.
func (d *demo) allReady(ctx context.Context, n int) bool {
	hub, err := d.hub()
	if err != nil {
		return false
	}
	var list v1alpha1.ClusterList
	if err := hub.List(ctx, &list, client.InNamespace(namespace)); err != nil || len(list.Items) != n {
		return false
	}
	for i := range list.Items {
		if !meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1alpha1.ConditionReady) {
			return false
		}
	}
	return true
}

// hub returns a client of the demo's hub.
func (d *demo) hub() (client.Client, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", d.hubKubeconfig())
	if err != nil {
		return nil, fmt.Errorf("the hub's kubeconfig cannot be used: %w", err)
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return client.New(cfg, client.Options{Scheme: scheme})
}

func (d *demo) upgrade(ctx context.Context) error {
	d.say("what would happen, and why")
	if err := d.show(ctx, "run", "plan", "--to", d.Target, "--strategy", strategyName); err != nil {
		return err
	}
	if err := d.applyCalendar(ctx); err != nil {
		return err
	}
	d.say("upgrade: staging, then the canary, then production")
	if err := d.show(ctx, "run", "create", runName, "--to", d.Target, "--strategy", strategyName); err != nil {
		return err
	}
	if err := d.approve(ctx); err != nil {
		return err
	}
	return d.show(ctx, "run", "watch", runName)
}

// opensIn is how long production's window stays closed at the least: about as long as staging and the canary need.
const opensIn = 30 * time.Second

// applyCalendar gives production a window that opens with one of the next minutes, so that nobody waits long.
func (d *demo) applyCalendar(ctx context.Context) error {
	opens := d.Clock.Now().UTC().Add(opensIn + time.Minute).Truncate(time.Minute)
	d.say("production may be touched from %s UTC on", opens.Format("15:04"))
	hub, err := d.hub()
	if err != nil {
		return err
	}
	calendar := &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: calendarName},
		Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: "UTC", Windows: []v1alpha1.MaintenanceWindow{{
			RRule: "FREQ=DAILY", Start: opens.Format("15:04"), Duration: metav1.Duration{Duration: 4 * time.Hour}}}}}
	if err := hub.Create(ctx, calendar); err != nil {
		return fmt.Errorf("the calendar was not accepted: %w", err)
	}
	return d.show(ctx, "calendar", "next", calendarName, "--count", "3", "--time-zone", "UTC")
}

// approve lets a second person approve production before it is reached: who started a run cannot approve it alone.
func (d *demo) approve(ctx context.Context) error {
	ada := filepath.Join(d.dir, "ada.kubeconfig")
	d.say("ada approves production in advance, if nothing fails before it")
	if err := d.quiet(ctx, "sengu", "hub", "kubeconfig", "--data-dir", d.hubDir(), "--user", "ada", "--group", "sengu:operators", "--out", ada); err != nil {
		return fmt.Errorf("a kubeconfig for ada: %w", err)
	}
	gates := func() bool { // every gate exists from the start of the run, a moment after it is created
		out, err := d.output(ctx, "sengu", d.hubFlags("gate", "list", "-o", "name")...)
		return err == nil && len(out) > 0
	}
	if err := d.until(ctx, nil, gates); err != nil {
		return fmt.Errorf("the gates of the run: %w", err)
	}
	return d.showAs(ctx, ada, "gate", "approve", runName, "production/go", "--if-no-failures", "--yes", "--comment", "the release notes were read")
}

func (d *demo) explore() {
	d.say("everything stays up for exploring; Ctrl-C ends it and removes it")
	fmt.Fprintf(d.Out, `
  the hub       export KUBECONFIG=%s
                kubectl get clusters,upgraderuns,clusterupgrades
                %s run describe %s --kubeconfig %s
  the clusters  %s kubeconfig --dir %s > lab.kubeconfig
                kubectl --kubeconfig lab.kubeconfig config get-contexts
`, d.hubKubeconfig(), d.binary("sengu"), runName, d.hubKubeconfig(), d.binary("sengu-lab"), d.labDir())
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.Out, "\n── %s\n", fmt.Sprintf(format, args...))
}

func (d *demo) labDir() string        { return filepath.Join(d.dir, "lab") }
func (d *demo) hubDir() string        { return filepath.Join(d.dir, "hub") }
func (d *demo) hubKubeconfig() string { return filepath.Join(d.hubDir(), "admin.kubeconfig") }

func (d *demo) hubFlags(args ...string) []string {
	return append(args, "--kubeconfig", d.hubKubeconfig())
}
