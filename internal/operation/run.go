// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"cmp"
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// CreateRun creates a run. With dryRun the hub checks and completes it, and keeps nothing.
func CreateRun(ctx context.Context, c client.Client, run *v1alpha1.UpgradeRun, dryRun bool) error {
	if ref := run.Spec.StrategyRef; ref != nil {
		key := types.NamespacedName{Namespace: run.Namespace, Name: ref.Name}
		if _, err := GetStrategy(ctx, c, key); err != nil {
			return err
		}
	}
	return create(ctx, c, run, "run", dryRun)
}

// Pause asks a run to start nothing new and to bring what is in flight to a safe point. It returns false when
// it is asked to already.
func Pause(ctx context.Context, c client.Client, key types.NamespacedName) (bool, error) {
	return change(ctx, c, key, func(run *v1alpha1.UpgradeRun) (bool, error) {
		if err := alive(run, "pause"); err != nil {
			return false, err
		}
		return setState(run, v1alpha1.RunStatePause), nil
	})
}

// Resume lets a paused run go on. It returns false when the run is not paused.
func Resume(ctx context.Context, c client.Client, key types.NamespacedName) (bool, error) {
	return change(ctx, c, key, func(run *v1alpha1.UpgradeRun) (bool, error) {
		if run.Status.Phase == v1alpha1.RunPhaseFailed && wanted(run) != v1alpha1.RunStatePause {
			return false, refused("run %q is Failed: retry it instead of resuming it", run.Name)
		}
		if err := alive(run, "resume"); err != nil {
			return false, err
		}
		return setState(run, v1alpha1.RunStateRun), nil
	})
}

// Stop asks a run to end at a safe point, which cannot be taken back. It returns false when it is asked to
// already.
func Stop(ctx context.Context, c client.Client, key types.NamespacedName) (bool, error) {
	return change(ctx, c, key, func(run *v1alpha1.UpgradeRun) (bool, error) {
		if over(run) {
			return false, refused("run %q is %s: there is nothing to stop", run.Name, run.Status.Phase)
		}
		return setState(run, v1alpha1.RunStateStop), nil
	})
}

// Retry asks a run to try the clusters that failed again, with the same frozen target. It returns false when
// that is asked for already and has not begun.
func Retry(ctx context.Context, c client.Client, key types.NamespacedName) (bool, error) {
	return change(ctx, c, key, func(run *v1alpha1.UpgradeRun) (bool, error) {
		attempt := max(run.Spec.Attempt, 1)
		switch {
		case wanted(run) == v1alpha1.RunStateStop:
			return false, refused("run %q was stopped, which is final: create a new run", run.Name)
		case attempt > max(run.Status.Attempt, 1):
			return false, nil
		case run.Status.Counts.Failed+run.Status.Counts.SetAside == 0:
			return false, refused("no cluster of run %q has failed or was set aside: there is nothing to retry", run.Name)
		}
		run.Spec.Attempt = attempt + 1
		return true, nil
	})
}

// DeleteRun deletes a run. The controller brings what is in flight to a safe point first.
func DeleteRun(ctx context.Context, c client.Client, key types.NamespacedName) error {
	run, err := GetRun(ctx, c, key)
	if err != nil {
		return err
	}
	return client.IgnoreNotFound(c.Delete(ctx, run))
}

// alive refuses when the run has ended or will.
func alive(run *v1alpha1.UpgradeRun, verb string) error {
	switch {
	case over(run) || run.Status.Phase == v1alpha1.RunPhaseFailed && wanted(run) != v1alpha1.RunStatePause:
		return refused("run %q is %s: there is nothing to %s", run.Name, run.Status.Phase, verb)
	case wanted(run) == v1alpha1.RunStateStop:
		return refused("run %q is being stopped, which is final: there is nothing to %s", run.Name, verb)
	case run.DeletionTimestamp != nil:
		return refused("run %q is being deleted: there is nothing to %s", run.Name, verb)
	}
	return nil
}

// over says that the run is in a phase that no retry leaves.
func over(run *v1alpha1.UpgradeRun) bool {
	return run.Status.Phase == v1alpha1.RunPhaseSucceeded || run.Status.Phase == v1alpha1.RunPhaseStopped
}

func wanted(run *v1alpha1.UpgradeRun) v1alpha1.RunState {
	return cmp.Or(run.Spec.State, v1alpha1.RunStateRun)
}

// setState returns false when the run is asked for that state already.
func setState(run *v1alpha1.UpgradeRun, state v1alpha1.RunState) bool {
	if wanted(run) == state {
		return false
	}
	run.Spec.State = state
	return true
}
