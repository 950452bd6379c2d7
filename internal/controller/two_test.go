// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/hub/hubtest"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/provider"
)

// rival is one of several processes on one hub.
type rival struct {
	// noHub: nothing of it reaches the hub any more. noWorld: nor a provider.
	noHub, noWorld atomic.Bool
	// reached a provider so often.
	reached atomic.Int64
	stop    context.CancelFunc
	ended   chan error
}

// compete starts one of several processes, with a lease that is short so that a story does not take long.
func (f *fleet) compete() *rival {
	f.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &rival{stop: stop, ended: make(chan error, 1)}
	cfg := rest.CopyConfig(hubtest.Hub(f.t).AdminConfig())
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(q *http.Request) (*http.Response, error) {
			if r.noHub.Load() {
				return nil, errKilled
			}
			return next.RoundTrip(q)
		})
	})
	open := func(ctx context.Context, c *v1alpha1.Cluster, secret observe.SecretReader) (provider.Provider, error) {
		p, err := f.open(ctx, c, secret)
		if err != nil {
			return nil, err
		}
		return &rivalPools{Provider: p, Pacer: p.(provider.Pacer), pools: p.(provider.NodePoolUpgrader), r: r}, nil
	}
	go func() {
		r.ended <- controller.Run(ctx, cfg, controller.Options{
			Clock: clock.RealClock{}, Log: logr.Discard(), Namespace: f.namespace, Openers: map[string]observe.Opener{"simulated": open},
			LeaderElection: &controller.LeaderElection{
				Namespace: f.namespace, LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 250 * time.Millisecond,
			},
		})
	}()
	f.t.Cleanup(stop)
	return r
}

// rivalPools is a cluster as a rival reaches it.
type rivalPools struct {
	provider.Provider
	provider.Pacer
	pools provider.NodePoolUpgrader
	r     *rival
}

func (p *rivalPools) Describe(ctx context.Context) (*provider.Description, error) {
	if p.r.noWorld.Load() {
		return nil, errKilled
	}
	p.r.reached.Add(1)
	return p.Provider.Describe(ctx)
}

func (p *rivalPools) StartUpgrade(ctx context.Context, q provider.UpgradeRequest) (*provider.Operation, error) {
	if p.r.noWorld.Load() {
		return nil, errKilled
	}
	return p.Provider.StartUpgrade(ctx, q)
}

func (p *rivalPools) StartNodePoolUpgrade(ctx context.Context, q provider.NodePoolUpgradeRequest) (*provider.Operation, error) {
	if p.r.noWorld.Load() {
		return nil, errKilled
	}
	return p.pools.StartNodePoolUpgrade(ctx, q)
}

// holder of the lease, once it is another one than before.
func (f *fleet) holder(before string) string {
	f.t.Helper()
	l := until(f, "sengu-controller", &coordinationv1.Lease{}, "held by another process", func(l *coordinationv1.Lease) bool {
		return l.Spec.HolderIdentity != nil && *l.Spec.HolderIdentity != "" && *l.Spec.HolderIdentity != before
	})
	return *l.Spec.HolderIdentity
}

// TestASecondProcessTakesOver in the middle of a run when the first is gone without having released its lease.
func TestASecondProcessTakesOver(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		happens func(*rival)
		wantEnd bool // the first ends by itself
	}{
		"the first is killed":               {happens: func(r *rival) { r.noHub.Store(true); r.noWorld.Store(true) }},
		"the first is cut off from the hub": {happens: func(r *rival) { r.noHub.Store(true) }, wantEnd: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.stop()
			first := f.compete()
			leads := f.holder("")
			second := f.compete()
			for _, c := range []string{"prod-1", "prod-2", "prod-3"} {
				f.add(c, "production", func(c *v1alpha1.Cluster) {
					c.Spec.Provider.Simulated.ControlPlaneDuration = &metav1.Duration{Duration: time.Second}
				})
			}
			f.run("to-1-37", "1.37", "production")
			until(f, "to-1-37", &v1alpha1.UpgradeRun{}, "under way", func(r *v1alpha1.UpgradeRun) bool { return r.Status.Counts.Running > 0 })
			if n := second.reached.Load(); n > 0 {
				t.Fatalf("both work: the second has reached a cluster %d times", n)
			}
			tc.happens(first)
			f.holder(leads)
			if tc.wantEnd {
				select {
				case err := <-first.ended:
					if err == nil {
						t.Error("it ended as if all were well")
					}
				case <-time.After(patience):
					t.Error("it goes on without its lease")
				}
			}
			before := first.reached.Load()
			f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
			if n := first.reached.Load() - before; n > 0 {
				t.Errorf("the first looked at clusters %d times after the second had taken over", n)
			}
			for _, c := range []string{"prod-1", "prod-2", "prod-3"} {
				if got := f.operations(c); got["ControlPlane"] != 1 || got["NodePool"] != 1 {
					t.Errorf("%s: operations %v, want one of each", c, got)
				}
			}
			second.stop()
			if err := <-second.ended; err != nil {
				t.Errorf("the second ended with %v", err)
			}
		})
	}
}
