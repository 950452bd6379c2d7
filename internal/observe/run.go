// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// LookAtRun observes everything that a run depends on. It reads the hub only, so that `sengu run plan` can make
// the same snapshot as the controller.
//
// What belongs to the run is told by the owner's uid and not by its name: an approval that was given to a deleted run
// is none for its successor of the same name, nor is what that one had upgraded.
func LookAtRun(ctx context.Context, hub client.Reader, run *v1alpha1.UpgradeRun) (rollout.Snapshot, error) {
	s := rollout.Snapshot{Run: run, Strategy: run.Spec.Strategy, Deleting: !run.DeletionTimestamp.IsZero(),
		BusyWith: map[string]string{}, Taken: map[string]string{}}
	if ref := run.Spec.StrategyRef; ref != nil && run.Status.Strategy == nil {
		var strategy v1alpha1.UpgradeStrategy
		err := hub.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: ref.Name}, &strategy)
		switch {
		case err == nil:
			s.Strategy = &strategy.Spec
		case !apierrors.IsNotFound(err):
			return s, err
		}
	}
	// Lists are read without copying: deciders change nothing, and a fleet has up to ten thousand clusters.
	list := func(l client.ObjectList) error {
		return hub.List(ctx, l, client.InNamespace(run.Namespace), client.UnsafeDisableDeepCopy)
	}
	var clusters v1alpha1.ClusterList
	if err := list(&clusters); err != nil {
		return s, err
	}
	for i := range clusters.Items {
		s.Clusters = append(s.Clusters, &clusters.Items[i])
	}
	var gates v1alpha1.GateList
	if err := list(&gates); err != nil {
		return s, err
	}
	for i := range gates.Items {
		if metav1.IsControlledBy(&gates.Items[i], run) {
			s.Gates = append(s.Gates, &gates.Items[i])
		}
	}
	var upgrades v1alpha1.ClusterUpgradeList
	if err := list(&upgrades); err != nil {
		return s, err
	}
	others := map[string]string{} // run by the name of the cluster upgrade
	for i := range upgrades.Items {
		u := &upgrades.Items[i]
		if metav1.IsControlledBy(u, run) {
			s.Upgrades = append(s.Upgrades, u)
			continue
		}
		others[u.Name] = u.Spec.RunRef.Name
		if HoldsCluster(u) {
			s.BusyWith[u.Spec.Cluster] = u.Spec.RunRef.Name
			s.Elsewhere = append(s.Elsewhere, u)
		}
	}
	takenNames(&s, others)
	if err := settings(ctx, hub, &s); err != nil {
		return s, err
	}
	return s, otherRuns(ctx, hub, run, &s)
}

// settings adds what holds for every run of the fleet.
func settings(ctx context.Context, hub client.Reader, s *rollout.Snapshot) (err error) {
	if s.Fleet, err = fleetOf(ctx, hub, s.Run.Namespace); err != nil {
		return err
	}
	s.Calendars, err = calendarsOf(ctx, hub, s.Run.Namespace)
	return err
}

// takenNames finds the clusters whose cluster upgrade would have the name of another run's: run a of cluster b-c and
// run a-b of cluster c, or a run that was deleted and created anew while the objects of the first were going.
func takenNames(s *rollout.Snapshot, others map[string]string) {
	if len(others) == 0 {
		return
	}
	for _, c := range s.Clusters {
		if by, ok := others[rollout.UpgradeName(s.Run.Name, c.Name)]; ok {
			s.Taken[c.Name] = by
		}
	}
}

// fleetOf returns the settings of a fleet; nil: it has none.
func fleetOf(ctx context.Context, hub client.Reader, namespace string) (*v1alpha1.FleetSpec, error) {
	var f v1alpha1.Fleet
	if err := hub.Get(ctx, types.NamespacedName{Namespace: namespace, Name: v1alpha1.FleetName}, &f); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return &f.Spec, nil
}

// soakedBefore sums, for each stage, what other runs have soaked on the same frozen target. What a run took over from
// earlier ones is theirs and counts once.
func soakedBefore(run *v1alpha1.UpgradeRun, runs []v1alpha1.UpgradeRun) map[string]time.Duration {
	target := run.Status.Resolved
	if target == nil {
		return nil
	}
	out := map[string]time.Duration{}
	for i := range runs {
		r := runs[i].Status.Resolved
		if runs[i].UID == run.UID || r == nil || r.Version != target.Version || !slices.Equal(r.Images, target.Images) {
			continue
		}
		for j := range runs[i].Status.Stages {
			st := &runs[i].Status.Stages[j]
			if st.SoakedFor == nil {
				continue
			}
			out[st.Name] += st.SoakedFor.Duration
			if st.SoakedBefore != nil {
				out[st.Name] -= st.SoakedBefore.Duration
			}
		}
	}
	return out
}

// otherRuns adds the clusters that another run has claimed and has no cluster upgrade for yet, and what other runs have
// soaked.
func otherRuns(ctx context.Context, hub client.Reader, run *v1alpha1.UpgradeRun, s *rollout.Snapshot) error {
	var runs v1alpha1.UpgradeRunList
	if err := hub.List(ctx, &runs, client.InNamespace(run.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	s.SoakedBefore = soakedBefore(run, runs.Items)
	alive := map[string]bool{}
	for i := range runs.Items {
		alive[runs.Items[i].Name] = !RunEnded(&runs.Items[i])
	}
	for _, c := range s.Clusters {
		if by := c.Status.ActiveRun; by != "" && by != run.Name && alive[by] {
			s.BusyWith[c.Name] = by
		}
	}
	return nil
}

// HoldsCluster says whether a cluster upgrade keeps other runs off its cluster: it has begun or may begin, and
// has not ended. One that failed lets go: a retry claims the cluster again.
func HoldsCluster(u *v1alpha1.ClusterUpgrade) bool {
	return !rollout.Ended(u)
}

// RunEnded says whether a run will start nothing any more unless it is retried.
func RunEnded(r *v1alpha1.UpgradeRun) bool {
	switch r.Status.Phase {
	case v1alpha1.RunPhaseSucceeded, v1alpha1.RunPhaseStopped:
		return true
	case v1alpha1.RunPhaseFailed:
		return max(r.Spec.Attempt, 1) <= max(r.Status.Attempt, 1)
	}
	return false
}
