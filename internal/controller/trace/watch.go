// SPDX-License-Identifier: Apache-2.0

package trace

import (
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"sengu.dev/sengu/api/v1alpha1"
)

func watch(mgr ctrl.Manager, c Config, name string, kind client.Object, r reconcile.Reconciler) error {
	return ctrl.NewControllerManagedBy(mgr).Named(name).
		For(kind, builder.WithPredicates(somethingEnded())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 2, RateLimiter: c.Backoff()}).
		Complete(r)
}

// somethingEnded lets a change through by which something has ended: records are written far more often.
func somethingEnded() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return ends(e.ObjectOld) != ends(e.ObjectNew)
	}}
}

// ending counts what has ended in a record, and when the whole did.
type ending struct {
	at     int64 // in Unix seconds; 0: not yet
	stages int
}

func ends(o client.Object) ending {
	var e ending
	switch o := o.(type) {
	case *v1alpha1.UpgradeRun:
		if o.Status.FinishedAt != nil {
			e.at = o.Status.FinishedAt.Unix()
		}
		for i := range o.Status.Stages {
			if o.Status.Stages[i].FinishedAt != nil {
				e.stages++
			}
		}
	case *v1alpha1.ClusterUpgrade:
		if o.Status.FinishedAt != nil {
			e.at = o.Status.FinishedAt.Unix()
		}
	}
	return e
}
