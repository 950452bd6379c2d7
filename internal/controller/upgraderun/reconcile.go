// SPDX-License-Identifier: Apache-2.0

// Package upgraderun walks a run through its stages: look, decide, write the record, act.
package upgraderun

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/act"
	"sengu.dev/sengu/internal/decide/rollout"
	"sengu.dev/sengu/internal/observe"
)

// Config of Setup.
type Config struct {
	// Clock of the process.
	Clock clock.PassiveClock
	// Estimates of how long steps take.
	Estimates *observe.Estimates
	// BeforeGone is called before a run vanishes, which it does only when this went well. It may be nil.
	BeforeGone func(context.Context, *v1alpha1.UpgradeRun) error
	// Leads says whether this process may change anything now.
	Leads func() bool
	// Parallel passes.
	Parallel int
	// Backoff after errors.
	Backoff workqueue.TypedRateLimiter[ctrl.Request]
	// Metrics to tell of runs in; nil: none.
	Metrics prometheus.Registerer
}

// afterConflict is how long the watch of what changed may take.
const afterConflict = 20 * time.Millisecond

type reconciler struct {
	hub     client.Client
	clock   clock.PassiveClock
	leads   func() bool
	events  events.EventRecorder
	assumed *assumed
	writes  *writes
	turns   *turns

	estimates *observe.Estimates
	goes      func(context.Context, *v1alpha1.UpgradeRun) error
}

// Setup registers the controller.
func Setup(mgr ctrl.Manager, c Config) error {
	r := &reconciler{hub: mgr.GetClient(), clock: c.Clock, leads: c.Leads, assumed: newAssumed(), writes: newWrites(), turns: newTurns(),
		estimates: c.Estimates, goes: c.BeforeGone, events: mgr.GetEventRecorder("sengu-upgraderun")}
	if c.Metrics != nil {
		if err := c.Metrics.Register(&collector{hub: r.hub, clock: c.Clock, elected: mgr.Elected()}); err != nil {
			return err
		}
	}
	runsOfNamespace := handler.EnqueueRequestsFromMapFunc(r.unfinishedRuns)
	return ctrl.NewControllerManagedBy(mgr).Named("upgraderun").
		For(&v1alpha1.UpgradeRun{}).
		Owns(&v1alpha1.ClusterUpgrade{}).
		Owns(&v1alpha1.Gate{}).
		Watches(&v1alpha1.Cluster{}, runsOfNamespace).
		Watches(&v1alpha1.UpgradeStrategy{}, runsOfNamespace).
		Watches(&v1alpha1.Fleet{}, runsOfNamespace).
		Watches(&v1alpha1.MaintenanceCalendar{}, runsOfNamespace, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.ClusterUpgrade{}, runsOfNamespace, builder.WithPredicates(letsOthersGo())).
		WithOptions(controller.Options{MaxConcurrentReconciles: c.Parallel, RateLimiter: c.Backoff}).
		Complete(r)
}

// letsOthersGo lets through what other runs may wait for: a cluster upgrade that is deleted may have had the name that
// one of theirs needs, and one that comes to rest leaves room in the fleet and lets go of mutexes.
func letsOthersGo() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*v1alpha1.ClusterUpgrade)
			now, also := e.ObjectNew.(*v1alpha1.ClusterUpgrade)
			return ok && also && rollout.InFlight(before) && !rollout.InFlight(now)
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// unfinishedRuns returns the runs that a change of a cluster or strategy can move.
func (r *reconciler) unfinishedRuns(ctx context.Context, o client.Object) []ctrl.Request {
	var list v1alpha1.UpgradeRunList
	if err := r.hub.List(ctx, &list, client.InNamespace(o.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "the runs of a namespace cannot be listed", "namespace", o.GetNamespace())
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		if !observe.RunEnded(&list.Items[i]) {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// Reconcile makes one pass over one run.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if !r.leads() {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	var run v1alpha1.UpgradeRun
	if err := r.hub.Get(ctx, req.NamespacedName, &run); err != nil {
		r.assumed.forget(req.NamespacedName)
		r.writes.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	deleting := !run.DeletionTimestamp.IsZero()
	if deleting && !controllerutil.ContainsFinalizer(&run, v1alpha1.FinalizerSafePoint) {
		return ctrl.Result{}, nil
	}
	if !deleting && !observe.RunEnded(&run) && controllerutil.AddFinalizer(&run, v1alpha1.FinalizerSafePoint) {
		// The update brings the next pass; nothing may start before the finalizer is there.
		return ctrl.Result{}, r.hub.Update(ctx, &run)
	}
	defer r.turns.take(req.Namespace)()
	now := r.clock.Now()
	snapshot, err := r.look(ctx, &run, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	r.assumed.addTo(req.NamespacedName, &snapshot, now)
	d := rollout.Decide(snapshot, now)
	due, err := r.write(ctx, &run, d.Status, now)
	if err == nil {
		err = r.act(ctx, &run, d.Actions, now)
	}
	switch {
	case apierrors.IsConflict(err) || apierrors.IsNotFound(err):
		// What was decided on has changed since it was read: look anew.
		return ctrl.Result{RequeueAfter: afterConflict}, nil
	case err != nil:
		return ctrl.Result{}, err
	}
	if d.ReleaseFinalizer {
		return ctrl.Result{}, r.release(ctx, &run)
	}
	if next := earliest(d.NextLook, due); !next.IsZero() {
		return ctrl.Result{RequeueAfter: max(next.Sub(now), 10*time.Millisecond)}, nil
	}
	return ctrl.Result{}, nil
}

// look observes all that a pass decides on. How long things take is needed only where a window may be too short.
func (r *reconciler) look(ctx context.Context, run *v1alpha1.UpgradeRun, now time.Time) (rollout.Snapshot, error) {
	s, err := observe.LookAtRun(ctx, r.hub, run)
	if err == nil && s.Calendars != nil {
		s.Estimates, err = r.estimates.Of(ctx, r.hub, run.Namespace, now)
	}
	return s, err
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// write updates the status when it changed, or says when a write is due: counts can wait a moment. The update is
// conditional on the version that was read, so that the record is never carried on from an old one.
func (r *reconciler) write(ctx context.Context, run *v1alpha1.UpgradeRun, st v1alpha1.UpgradeRunStatus, now time.Time) (due time.Time, err error) {
	if same(run.Status, st) {
		return time.Time{}, nil
	}
	key := client.ObjectKeyFromObject(run)
	last := r.writes.last(key)
	if due = last.Add(progressEvery); due.After(now) && !last.After(now) && onlyProgress(run.Status, st) {
		return due, nil
	}
	before := run.Status
	run.Status = st
	if err := r.hub.Status().Update(ctx, run); err != nil {
		return time.Time{}, fmt.Errorf("the record of run %s could not be written: %w", run.Name, err)
	}
	r.writes.note(key, now)
	emit(ctx, r.events, run, before)
	return time.Time{}, nil
}

// parallelActions bounds the writes of one pass at a time: a wave of fifty clusters starts in a tenth of a second
// instead of one after the other.
const parallelActions = 16

// act executes the actions side by side: each is about a cluster or gate of its own. What meets a conflict is left to
// the next pass, which decides on what is then true.
func (r *reconciler) act(ctx context.Context, run *v1alpha1.UpgradeRun, actions []rollout.Action, now time.Time) error {
	var g errgroup.Group
	g.SetLimit(parallelActions)
	for _, a := range actions {
		g.Go(func() error {
			if !r.leads() {
				return act.ErrNotLeading
			}
			written, err := act.Run(ctx, r.hub, run, a)
			if err != nil {
				return fmt.Errorf("%s of %s in run %s: %w", a.Kind, a.Cluster, run.Name, err)
			}
			if written != nil {
				r.assumed.remember(client.ObjectKeyFromObject(run), written, now)
			}
			return nil
		})
	}
	return g.Wait()
}

func (r *reconciler) release(ctx context.Context, run *v1alpha1.UpgradeRun) error {
	before := run.DeepCopy()
	if !controllerutil.RemoveFinalizer(run, v1alpha1.FinalizerSafePoint) {
		return nil
	}
	if r.goes != nil {
		if err := r.goes(ctx, before); err != nil {
			return err
		}
	}
	r.assumed.forget(types.NamespacedName{Namespace: run.Namespace, Name: run.Name})
	return client.IgnoreNotFound(r.hub.Patch(ctx, run, client.MergeFrom(before)))
}
