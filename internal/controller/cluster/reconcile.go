// SPDX-License-Identifier: Apache-2.0

// Package cluster keeps the status of Clusters true: what the provider says, what it offers, whether the member
// answers and is healthy. It changes nothing in a cluster.
package cluster

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/observe"
)

// lookEvery is how often an idle cluster is described anew; clusters with a member API are also looked at on
// every change of their nodes. retryEvery is the pace while something does not answer.
const (
	lookEvery  = time.Minute
	retryEvery = 10 * time.Second
	firstLook  = 250 * time.Millisecond
)

// Config of Setup.
type Config struct {
	// Handles to reach the clusters.
	Handles *observe.Handles
	// Clock of the process.
	Clock clock.PassiveClock
	// Leads says whether this process may change anything now.
	Leads func() bool
	// Changes of members, with a Cluster of which only namespace and name are set.
	Changes <-chan event.GenericEvent
	// Parallel passes.
	Parallel int
	// Backoff after errors.
	Backoff workqueue.TypedRateLimiter[ctrl.Request]
}

type reconciler struct {
	hub     client.Client
	handles *observe.Handles
	clock   clock.PassiveClock
	leads   func() bool
	events  events.EventRecorder
}

// Setup registers the controller.
func Setup(mgr ctrl.Manager, c Config) error {
	r := &reconciler{hub: mgr.GetClient(), handles: c.Handles, clock: c.Clock, leads: c.Leads, events: mgr.GetEventRecorder("sengu-cluster")}
	return ctrl.NewControllerManagedBy(mgr).Named("cluster").
		For(&v1alpha1.Cluster{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, activeRunChanged()))).
		WatchesRawSource(source.Channel(c.Changes, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: c.Parallel, RateLimiter: c.Backoff}).
		Complete(r)
}

// activeRunChanged lets a claim or its release through: Busy follows from it.
func activeRunChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*v1alpha1.Cluster)
		after, ok2 := e.ObjectNew.(*v1alpha1.Cluster)
		return ok1 && ok2 && before.Status.ActiveRun != after.Status.ActiveRun
	}}
}

// Reconcile looks at one cluster and writes down what it saw.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if !r.leads() {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	var c v1alpha1.Cluster
	if err := r.hub.Get(ctx, req.NamespacedName, &c); err != nil {
		if apierrors.IsNotFound(err) {
			r.handles.Close(req.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	now := r.clock.Now()
	seen := observe.LookAtCluster(ctx, r.handles, &c, now)
	if seen.JustContacted && len(c.Status.Conditions) == 0 {
		// A cluster that was just added is not unreachable: a moment later it is known.
		return ctrl.Result{RequeueAfter: firstLook}, nil
	}
	before := c.DeepCopy()
	next := writeStatus(&c, seen, now)
	if changed(before, &c) {
		// The claim of a run is another writer's field: a merge patch of what changed leaves it alone.
		if err := r.hub.Status().Patch(ctx, &c, client.MergeFrom(before)); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		emit(ctx, r.events, before, &c)
	}
	return ctrl.Result{RequeueAfter: next}, nil
}
