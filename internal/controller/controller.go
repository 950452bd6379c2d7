// SPDX-License-Identifier: Apache-2.0

// Package controller starts Sengu's controllers against a hub. There is one controller a kind, each in a folder
// of its own: calendar, cluster, upgraderun, clusterupgrade; and audit records what they decide.
package controller

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/event"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller/audit"
	"sengu.dev/sengu/internal/controller/calendar"
	"sengu.dev/sengu/internal/controller/cluster"
	"sengu.dev/sengu/internal/controller/clusterupgrade"
	"sengu.dev/sengu/internal/controller/notification"
	"sengu.dev/sengu/internal/controller/trace"
	"sengu.dev/sengu/internal/controller/upgraderun"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/internal/observe"
)

// hubQPS and hubBurst replace the client's defaults of 20 and 30: a run of 1,000 clusters with 50 in flight
// writes some tens of times a second, and the hub's own priority and fairness guards it.
const (
	hubQPS   = 500
	hubBurst = 1000
)

// Options of Run.
type Options struct {
	// Openers of the providers by their key in the API.
	Openers map[string]observe.Opener
	// Clock of the process.
	Clock clock.WithTicker
	// Log of the controllers.
	Log logr.Logger
	// Namespace to work in; empty: all.
	Namespace string
	// Parallel passes of each controller; 0: 64 for cluster upgrades, 16 for clusters, 4 for runs, 2 for calendars.
	Parallel int
	// LeaderElection lets several processes share the work of one hub; nil: this is the only one.
	LeaderElection *LeaderElection
	// MetricsAddress to serve Prometheus metrics on; empty: none.
	MetricsAddress string
	// TracesEndpoint is the full URL to export the traces of runs to, by OTLP over HTTP; empty: none.
	TracesEndpoint string
	// Version of this binary, as traces name it.
	Version string
	// OnStarted is called once, when the controllers' caches are filled. It may be nil.
	OnStarted func()
}

// Scheme returns a scheme with Sengu's kinds and Kubernetes' own.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			panic(fmt.Sprintf("a kind is registered twice: %v", err))
		}
	}
	return s
}

// Run starts the controllers and returns when the context ends or one of them cannot go on.
func Run(ctx context.Context, cfg *rest.Config, o Options) error {
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.Burst = hubQPS, hubBurst
	ctx, resign := context.WithCancelCause(ctx)
	defer resign(nil)
	mo, leads := managerOptions(o), func() bool { return true }
	if o.LeaderElection != nil {
		lock, err := elect(&mo, cfg, o, resign)
		if err != nil {
			return err
		}
		leads = lock.holds
	}
	mgr, err := ctrl.NewManager(cfg, mo)
	if err != nil {
		return fmt.Errorf("the hub at %s cannot be used: %w", cfg.Host, err)
	}
	memberChanges := make(chan event.GenericEvent, 1024)
	members := member.NewDirectory(member.Config{
		Clock:    o.Clock,
		Log:      o.Log.WithName("member"),
		OnChange: notify(ctx, memberChanges),
	})
	defer members.Close()
	handles := observe.NewHandles(observe.HandlesConfig{
		Secrets: mgr.GetAPIReader(), Openers: o.Openers, Members: members, Clock: o.Clock,
	})
	upgradeChanges, clusterChanges := fanOut(ctx, memberChanges)
	metrics := prometheus.NewRegistry()
	if err := setUp(mgr, o, shared{handles, &observe.Estimates{}, leads, metrics, upgradeChanges, clusterChanges}); err != nil {
		return err
	}
	if o.OnStarted != nil {
		go func() {
			if mgr.GetCache().WaitForCacheSync(ctx) {
				o.OnStarted()
			}
		}()
	}
	err = mgr.Start(ctx)
	if errors.Is(context.Cause(ctx), ErrNotLeading) {
		return ErrNotLeading
	}
	return err
}

// shared is what several controllers use.
type shared struct {
	handles                        *observe.Handles
	estimates                      *observe.Estimates
	leads                          func() bool
	metrics                        *prometheus.Registry
	upgradeChanges, clusterChanges <-chan event.GenericEvent
}

// setUp registers every controller.
func setUp(mgr ctrl.Manager, o Options, s shared) error {
	record := audit.New(audit.Config{Hub: mgr.GetClient(), Reader: mgr.GetAPIReader(), Clock: o.Clock})
	for _, set := range []func() error{
		func() error {
			return cluster.Setup(mgr, cluster.Config{Handles: s.handles, Clock: o.Clock, Leads: s.leads, Changes: s.clusterChanges,
				Parallel: orDefault(o.Parallel, 16), Backoff: backoff()})
		},
		func() error {
			return clusterupgrade.Setup(mgr, clusterupgrade.Config{Handles: s.handles, Estimates: s.estimates, Clock: o.Clock, Leads: s.leads,
				Changes: s.upgradeChanges, BeforeGone: record.UpgradeGoes, Metrics: s.metrics,
				Parallel: orDefault(o.Parallel, 64), Backoff: backoff()})
		},
		func() error {
			return upgraderun.Setup(mgr, upgraderun.Config{Clock: o.Clock, Leads: s.leads, Estimates: s.estimates, BeforeGone: record.RunGoes,
				Metrics: s.metrics, Parallel: orDefault(o.Parallel, 4), Backoff: backoff()})
		},
		func() error { return record.Setup(mgr, orDefault(o.Parallel, 4), backoff()) },
		func() error {
			return calendar.Setup(mgr, calendar.Config{Clock: o.Clock, Parallel: orDefault(o.Parallel, 2), Backoff: backoff()})
		},
		func() error {
			return notification.Setup(mgr, notification.Config{Clock: o.Clock, Secrets: mgr.GetAPIReader(), Backoff: backoff, Metrics: s.metrics})
		},
		func() error { return tellOutside(mgr, o, s.metrics) },
	} {
		if err := set(); err != nil {
			return err
		}
	}
	return nil
}

// tellOutside exports traces and serves metrics, where somebody asks for them.
func tellOutside(mgr ctrl.Manager, o Options, metrics *prometheus.Registry) error {
	if o.TracesEndpoint != "" {
		if err := trace.Setup(mgr, trace.Config{Endpoint: o.TracesEndpoint, Version: o.Version, Clock: o.Clock, Metrics: metrics, Backoff: backoff}); err != nil {
			return err
		}
	}
	if o.MetricsAddress == "" {
		return nil
	}
	return serveMetrics(mgr, o.MetricsAddress, metrics)
}

// elect adds the leader election to the options of the manager.
func elect(m *ctrl.Options, cfg *rest.Config, o Options, resign context.CancelCauseFunc) (*leadership, error) {
	l := o.LeaderElection.withDefaults()
	lock, err := newLeadership(cfg, l, o.Clock, resign)
	if err != nil {
		return nil, err
	}
	m.LeaderElection, m.LeaderElectionID, m.LeaderElectionReleaseOnCancel = true, leaseName, true
	m.LeaderElectionResourceLockInterface = lock
	m.LeaseDuration, m.RenewDeadline, m.RetryPeriod = &l.LeaseDuration, &l.RenewDeadline, &l.RetryPeriod
	return lock, nil
}

func managerOptions(o Options) ctrl.Options {
	m := ctrl.Options{
		Scheme:  Scheme(),
		Logger:  o.Log,
		Metrics: metricsserver.Options{BindAddress: "0"},
		// Several hubs live in one process in tests, each with controllers of the same names.
		Controller: config.Controller{SkipNameValidation: new(true)},
	}
	// Nobody reads who wrote which field here, and it is a third of every object.
	m.Cache.DefaultTransform = cache.TransformStripManagedFields()
	if o.Namespace != "" {
		m.Cache.DefaultNamespaces = oneNamespace(o.Namespace)
	}
	// Secrets are read one at a time and never cached: the controllers need no right to list them.
	m.Client = client.Options{Cache: &client.CacheOptions{DisableFor: secrets()}}
	return m
}

// notify returns the callback of the members' watches. The key is namespace/name of a Cluster.
func notify(ctx context.Context, changes chan<- event.GenericEvent) func(key string) {
	return func(key string) {
		namespace, name := splitKey(key)
		c := &v1alpha1.Cluster{}
		c.Namespace, c.Name = namespace, name
		select {
		case changes <- event.GenericEvent{Object: c}:
		case <-ctx.Done():
		}
	}
}

// fanOut copies each change to both controllers that look at members.
func fanOut(ctx context.Context, in <-chan event.GenericEvent) (a, b chan event.GenericEvent) {
	a, b = make(chan event.GenericEvent, cap(in)), make(chan event.GenericEvent, cap(in))
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-in:
				for _, out := range []chan event.GenericEvent{a, b} {
					select {
					case out <- e:
					case <-ctx.Done():
						return
					}
				}
			}
		}
	}()
	return a, b
}

// backoff bounds the wait after errors to half a minute: the default grows to a quarter of an hour, in which a
// hub that is back would not be noticed.
func backoff() workqueue.TypedRateLimiter[ctrl.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[ctrl.Request](10*time.Millisecond, 30*time.Second)
}

func orDefault(n, d int) int {
	if n > 0 {
		return n
	}
	return d
}
