// SPDX-License-Identifier: Apache-2.0

// Package calendar keeps the status of MaintenanceCalendars true: whether a calendar can be used, and when it opens
// next. Deciders read the spec themselves and never this status, so an old one misleads people at worst.
package calendar

import (
	"context"
	"time"

	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"sengu.dev/sengu/api/v1alpha1"
)

// lookEvery bounds how long a status may stay as it is: a machine that slept, or whose clock was set, is noticed.
const lookEvery = time.Hour

// Config of Setup.
type Config struct {
	// Clock of the process.
	Clock clock.PassiveClock
	// Parallel passes.
	Parallel int
	// Backoff after errors.
	Backoff workqueue.TypedRateLimiter[ctrl.Request]
}

type reconciler struct {
	hub    client.Client
	clock  clock.PassiveClock
	events events.EventRecorder
}

// Setup registers the controller.
func Setup(mgr ctrl.Manager, c Config) error {
	r := &reconciler{hub: mgr.GetClient(), clock: c.Clock, events: mgr.GetEventRecorder("sengu-calendar")}
	return ctrl.NewControllerManagedBy(mgr).Named("calendar").
		For(&v1alpha1.MaintenanceCalendar{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: c.Parallel, RateLimiter: c.Backoff}).
		Complete(r)
}

// Reconcile works out one calendar and writes down what it means.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var c v1alpha1.MaintenanceCalendar
	if err := r.hub.Get(ctx, req.NamespacedName, &c); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := c.DeepCopy()
	next := writeStatus(&c, r.clock.Now())
	if changed(before, &c) {
		if err := r.hub.Status().Patch(ctx, &c, client.MergeFrom(before)); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		emit(r.events, before, &c)
	}
	return ctrl.Result{RequeueAfter: next}, nil
}
