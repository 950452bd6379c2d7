// SPDX-License-Identifier: Apache-2.0

package act

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// Run executes one action of a run and returns the object that it created or changed, if any. A conflict means that
// what was decided on has changed: look again and decide anew.
func Run(ctx context.Context, hub client.Client, run *v1alpha1.UpgradeRun, a rollout.Action) (client.Object, error) {
	switch a.Kind {
	case rollout.ActionStartCluster:
		return startCluster(ctx, hub, run, a)
	case rollout.ActionSetState:
		return patchUpgrade(ctx, hub, run.Namespace, a.Upgrade, func(u *v1alpha1.ClusterUpgrade) { u.Spec.State = a.State })
	case rollout.ActionRetry:
		if err := claim(ctx, hub, run, a); err != nil {
			return nil, err
		}
		return patchUpgrade(ctx, hub, run.Namespace, a.Upgrade, func(u *v1alpha1.ClusterUpgrade) {
			u.Spec.Attempt, u.Spec.State = a.Attempt, v1alpha1.ClusterUpgradeStateRun
		})
	case rollout.ActionCreateGate:
		return createGate(ctx, hub, run, a)
	case rollout.ActionDecideGate:
		return nil, decideGate(ctx, hub, run.Namespace, a)
	case rollout.ActionSkipGate:
		return nil, skipGate(ctx, hub, run.Namespace, a)
	}
	return nil, fmt.Errorf("unknown action %q", a.Kind)
}

func startCluster(ctx context.Context, hub client.Client, run *v1alpha1.UpgradeRun, a rollout.Action) (client.Object, error) {
	if err := claim(ctx, hub, run, a); err != nil {
		return nil, err
	}
	u := &v1alpha1.ClusterUpgrade{ObjectMeta: ownedBy(run, a.Upgrade), Spec: *a.Spec}
	u.Labels[v1alpha1.LabelCluster] = a.Cluster
	u.Finalizers = []string{v1alpha1.FinalizerSafePoint}
	return created(ctx, hub, run, u)
}

func createGate(ctx context.Context, hub client.Client, run *v1alpha1.UpgradeRun, a rollout.Action) (client.Object, error) {
	g := &v1alpha1.Gate{ObjectMeta: ownedBy(run, a.Gate), Spec: *a.GateSpec}
	return created(ctx, hub, run, g)
}

// created creates an object. One of this run that exists is as good as created: an earlier pass did it, and its watch
// is on the way. One of another run's is an error: what it says was not said of this run.
func created(ctx context.Context, hub client.Client, run *v1alpha1.UpgradeRun, o client.Object) (client.Object, error) {
	err := hub.Create(ctx, o)
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			return nil, err
		}
		return o, nil
	}
	if err := hub.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
		return nil, err // not in the cache yet, which its watch ends
	}
	if !metav1.IsControlledBy(o, run) {
		return nil, fmt.Errorf("%s exists already and belongs to another run: delete that run, or give this one another name", o.GetName())
	}
	return nil, nil
}

// claim reserves a cluster for a run, so that no other run starts on it. The write is conditional on the version that
// was read: of two runs that claim at the same instant one gets a conflict, and so does one that decided on an older
// claim than there is now.
func claim(ctx context.Context, hub client.Client, run *v1alpha1.UpgradeRun, a rollout.Action) error {
	var c v1alpha1.Cluster
	if err := hub.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: a.Cluster}, &c); err != nil {
		return err
	}
	switch c.Status.ActiveRun {
	case run.Name:
		return nil
	case "", a.Claimed:
	default:
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("clusters").GroupResource(), a.Cluster,
			fmt.Errorf("run %s has claimed it meanwhile", c.Status.ActiveRun))
	}
	before := c.DeepCopy()
	c.Status.ActiveRun = run.Name
	return hub.Status().Patch(ctx, &c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// Release ends a run's claim on a cluster. A cluster that is gone or claimed by another run is left alone.
func Release(ctx context.Context, hub client.Client, namespace, run, name string) error {
	var c v1alpha1.Cluster
	err := hub.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &c)
	if err != nil || c.Status.ActiveRun != run {
		return client.IgnoreNotFound(err)
	}
	before := c.DeepCopy()
	c.Status.ActiveRun = ""
	err = hub.Status().Patch(ctx, &c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return client.IgnoreNotFound(err)
}

// patchUpgrade changes a cluster upgrade and returns it; nil: it is gone.
func patchUpgrade(ctx context.Context, hub client.Client, namespace, name string, change func(*v1alpha1.ClusterUpgrade)) (client.Object, error) {
	var u v1alpha1.ClusterUpgrade
	if err := hub.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &u); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	before := u.DeepCopy()
	change(&u)
	if err := hub.Patch(ctx, &u, client.MergeFrom(before)); err != nil {
		return nil, err
	}
	return &u, nil
}

// decideGate writes the status of a gate. A person may decide at the same instant: the write is conditional on the
// version that was decided on, so that no decision is lost and none is passed over.
func decideGate(ctx context.Context, hub client.Client, namespace string, a rollout.Action) error {
	var g v1alpha1.Gate
	if err := hub.Get(ctx, types.NamespacedName{Namespace: namespace, Name: a.Gate}, &g); err != nil {
		return err
	}
	if equality.Semantic.DeepEqual(&g.Status, a.GateStatus) {
		return nil
	}
	if g.ResourceVersion != a.GateVersion {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("gates").GroupResource(), a.Gate, errors.New("it has changed meanwhile"))
	}
	before := g.DeepCopy()
	g.Status = *a.GateStatus.DeepCopy()
	return hub.Status().Patch(ctx, &g, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

func skipGate(ctx context.Context, hub client.Client, namespace string, a rollout.Action) error {
	var g v1alpha1.Gate
	if err := hub.Get(ctx, types.NamespacedName{Namespace: namespace, Name: a.Gate}, &g); err != nil {
		return client.IgnoreNotFound(err)
	}
	before := g.DeepCopy()
	g.Status.State, g.Status.Reason, g.Status.Message = v1alpha1.GateStateSkipped, v1alpha1.ReasonSkippedByUser, a.Reason
	return hub.Status().Patch(ctx, &g, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

func ownedBy(run *v1alpha1.UpgradeRun, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace:       run.Namespace,
		Name:            name,
		Labels:          map[string]string{v1alpha1.LabelRun: run.Name},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("UpgradeRun"))},
	}
}
