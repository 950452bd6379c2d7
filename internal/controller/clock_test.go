// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/hub/hubtest"
)

// settable is a clock that can be set, as that of a machine. It has no monotonic reading, so that it is worse than one.
type settable struct {
	clock.RealClock
	offset atomic.Int64
}

func (c *settable) Now() time.Time { return time.Now().Round(0).Add(time.Duration(c.offset.Load())) }

func (c *settable) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

func (c *settable) set(ahead time.Duration) { c.offset.Store(int64(ahead)) }

// TestTheClockIsSet in the middle of a drain, of an operation, and of a soak: the run comes to its end, and nothing counts
// that nobody saw.
func TestTheClockIsSet(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	operating := func(f *fleet) {
		until(f, "to-1-37-prod-1", &v1alpha1.ClusterUpgrade{}, "in an operation", func(u *v1alpha1.ClusterUpgrade) bool { return len(u.Status.Operations) > 0 })
	}
	isDraining := func(f *fleet) {
		until(f, "to-1-37-prod-1", &v1alpha1.ClusterUpgrade{}, "in a drain", func(u *v1alpha1.ClusterUpgrade) bool {
			return len(u.Status.NodePools) > 0 && len(u.Status.NodePools[0].Draining) > 0
		})
	}
	soaking := func(f *fleet) {
		until(f, "to-1-37", &v1alpha1.UpgradeRun{}, "in a soak", func(r *v1alpha1.UpgradeRun) bool {
			return len(r.Status.Stages) > 0 && r.Status.Stages[0].SoakState == v1alpha1.SoakStateCounting
		})
	}
	const soak = 5 * time.Second
	for name, tc := range map[string]struct {
		when     func(*fleet)
		from, to time.Duration // how far it is ahead of everybody else's
		wantLeft time.Duration // the run takes at least this from then on
	}{
		"forward in an operation": {when: operating, to: day},
		"back in an operation":    {when: operating, from: day},
		"forward in a drain":      {when: isDraining, to: day},
		"back in a drain":         {when: isDraining, from: day},
		"forward in a soak":       {when: soaking, to: day, wantLeft: soak - 2*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			f.stop()
			clock := &settable{}
			clock.set(tc.from)
			stop := f.process(hubtest.Hub(t).AdminConfig(), func(o *controller.Options) { o.Clock = clock })
			defer func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			}()
			f.add("prod-1", "production", senguStyle(2))
			s := strategy("production")
			s.Stages[0].Soak = &v1alpha1.Soak{Duration: metav1.Duration{Duration: soak}}
			f.create(&v1alpha1.UpgradeRun{ObjectMeta: named("to-1-37"), Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Strategy: s}})
			tc.when(f)
			clock.set(tc.to)
			began := time.Now()
			f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
			if took := time.Since(began); took < tc.wantLeft {
				t.Errorf("it ended %s after the clock was set, want %s at least: nobody saw more of the soak", took, tc.wantLeft)
			}
			if got := f.operations("prod-1"); got["ControlPlane"] != 1 || got["AddNode"] != 1 || got["ReplaceNode"]+got["RemoveNode"] != 2 {
				t.Errorf("operations %v, want each once", got)
			}
			f.wantsCleanNodes("prod-1")
		})
	}
}

// TestTheProviderIsAway for a while: the run says that it waits for it, and goes on.
func TestTheProviderIsAway(t *testing.T) {
	f := newFleet(t)
	f.add("prod-1", "production", func(c *v1alpha1.Cluster) {
		c.Spec.Provider.Simulated.ControlPlaneDuration = &metav1.Duration{Duration: time.Second}
	})
	f.run("to-1-37", "1.37", "production")
	until(f, "to-1-37-prod-1", &v1alpha1.ClusterUpgrade{}, "in an operation", func(u *v1alpha1.ClusterUpgrade) bool { return len(u.Status.Operations) > 0 })
	world := f.world.Cluster(f.namespace + "/prod-1")
	world.SetUnreachable(true)
	u := until(f, "to-1-37-prod-1", &v1alpha1.ClusterUpgrade{}, "waiting for the provider", func(u *v1alpha1.ClusterUpgrade) bool {
		return u.Status.Waiting != nil && u.Status.Waiting.Reason == v1alpha1.ReasonProviderUnreachable
	})
	if w := u.Status.Waiting; w.Since == nil || w.Until == nil || w.Until.Before(w.Since) {
		t.Errorf("it waits for %+v, want since when and until when it looks again", w)
	}
	f.stop()
	f.start() // a restart meanwhile changes nothing
	world.SetUnreachable(false)
	f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
	if got := f.operations("prod-1"); got["ControlPlane"] != 1 || got["NodePool"] != 1 {
		t.Errorf("operations %v, want one of each", got)
	}
}
