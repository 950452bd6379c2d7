// SPDX-License-Identifier: Apache-2.0

// Package decide measures one decision on a run: time and memory, and how both grow with the fleet.
package decide

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// inFlight is how many clusters are being upgraded in the measured snapshots.
const inFlight = 50

// Result is one decision on a fleet of some size.
type Result struct {
	// Clusters of the run.
	Clusters int
	// Took one decision; Allocations and Bytes it made.
	Took               time.Duration
	Allocations, Bytes int64
	// Begin is the decision that accepts the run: it assigns every cluster and finds its way.
	Begin time.Duration
}

// Run measures fleets of 100, 1,000 and 10,000 clusters in the middle of their run.
func Run() ([]Result, error) {
	var out []Result
	for _, n := range []int{100, 1000, 10000} {
		fresh := snapshot(n)
		now := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
		d := rollout.Decide(fresh, now)
		if d.Status.Resolved == nil || len(d.Actions) != min(inFlight, n) {
			return nil, fmt.Errorf("the run of %d clusters was not accepted: %+v", n, d.Status.Waiting)
		}
		begin := testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				rollout.Decide(fresh, now)
			}
		})
		middle := half(fresh, d)
		if d := rollout.Decide(middle, now); len(d.Actions) != 0 {
			return nil, fmt.Errorf("a run of %d clusters with %d in flight wants %d actions, none expected", n, inFlight, len(d.Actions))
		}
		r := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rollout.Decide(middle, now)
			}
		})
		out = append(out, Result{Clusters: n, Took: time.Duration(r.NsPerOp()), Allocations: r.AllocsPerOp(), Bytes: r.AllocedBytesPerOp(),
			Begin: time.Duration(begin.NsPerOp())})
	}
	return out, nil
}

func snapshot(n int) rollout.Snapshot {
	s := rollout.Snapshot{Run: &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Spec: v1alpha1.UpgradeRunSpec{
		Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}}}}
	s.Strategy = &v1alpha1.UpgradeStrategySpec{}
	for _, env := range []string{"staging", "canary", "production"} {
		s.Strategy.Stages = append(s.Strategy.Stages, v1alpha1.StrategyStage{Name: env, Groups: []v1alpha1.StrategyGroup{{
			Name: "all", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": env}}, MaxConcurrency: new(intstr.FromInt(inFlight)),
		}}})
	}
	for i := range n {
		c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("cluster-%05d", i), Labels: map[string]string{"env": "staging", "region": "japaneast"}}}
		c.Status.ControlPlane.Version = "1.36.1"
		c.Status.NodePools = []v1alpha1.NodePoolStatus{{Name: "system", Version: "1.36.1"}, {Name: "user", Version: "1.36.1"}}
		c.Status.Offers = v1alpha1.ClusterOffers{Kubernetes: []string{"1.36.1", "1.36.2", "1.37.0", "1.37.2"}, Images: []string{"image-1"}}
		for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
			c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue})
		}
		s.Clusters = append(s.Clusters, c)
	}
	return s
}

// half carries a run to its middle: half of the clusters are done, and as many as allowed are in flight.
func half(s rollout.Snapshot, accepted rollout.Decision) rollout.Snapshot {
	s.Run = s.Run.DeepCopy()
	s.Run.Status = accepted.Status
	for i, c := range s.Clusters {
		u := &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: rollout.UpgradeName("r", c.Name)},
			Spec: v1alpha1.ClusterUpgradeSpec{Cluster: c.Name, Attempt: 1}}
		u.Status.Attempt = 1
		switch {
		case i < len(s.Clusters)/2:
			u.Status.Phase = v1alpha1.ClusterUpgradePhaseSucceeded
		case i < len(s.Clusters)/2+inFlight:
			u.Status.Phase = v1alpha1.ClusterUpgradePhaseRunning
		default:
			continue
		}
		s.Upgrades = append(s.Upgrades, u)
	}
	return s
}
