// SPDX-License-Identifier: Apache-2.0

// Package clusterupgrade carries out the work on one cluster: look, decide, write the intent, act.
package clusterupgrade

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
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
	"sigs.k8s.io/controller-runtime/pkg/source"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/act"
	"sengu.dev/sengu/internal/decide/upgrade"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/provider"
)

// afterConflict is how long the watch of the newer record may take.
const afterConflict = 20 * time.Millisecond

// indexByCluster finds the cluster upgrades of a cluster.
const indexByCluster = "spec.cluster"

// Config of Setup.
type Config struct {
	// Handles to reach the clusters.
	Handles *observe.Handles
	// Clock of the process.
	Clock clock.PassiveClock
	// Estimates of how long steps take.
	Estimates *observe.Estimates
	// Leads says whether this process may change anything now.
	Leads func() bool
	// Changes of members, with a Cluster of which only namespace and name are set.
	Changes <-chan event.GenericEvent
	// BeforeGone is called before a cluster upgrade vanishes, which it does only when this went well. It may be nil.
	BeforeGone func(context.Context, *v1alpha1.ClusterUpgrade) error
	// Parallel passes.
	Parallel int
	// Backoff after errors.
	Backoff workqueue.TypedRateLimiter[ctrl.Request]
	// Metrics to tell of cluster upgrades in; nil: none.
	Metrics prometheus.Registerer
}

type reconciler struct {
	hub       client.Client
	handles   *observe.Handles
	estimates *observe.Estimates
	clock     clock.PassiveClock
	events    events.EventRecorder
	passes    *passes
	goes      func(context.Context, *v1alpha1.ClusterUpgrade) error
	leads     func() bool
	// durations of what has ended.
	durations *durations
}

// Setup registers the controller.
func Setup(mgr ctrl.Manager, c Config) error {
	r := &reconciler{hub: mgr.GetClient(), handles: c.Handles, estimates: c.Estimates, clock: c.Clock, leads: c.Leads, passes: newPasses(), durations: newDurations(c.Metrics), goes: c.BeforeGone,
		events: mgr.GetEventRecorder("sengu-clusterupgrade")}
	if c.Metrics != nil {
		if err := c.Metrics.Register(&collector{hub: r.hub, clock: c.Clock, elected: mgr.Elected()}); err != nil {
			return err
		}
	}
	err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.ClusterUpgrade{}, indexByCluster, func(o client.Object) []string {
		return []string{o.(*v1alpha1.ClusterUpgrade).Spec.Cluster}
	})
	if err != nil {
		return err
	}
	ofCluster, ofFleet := handler.EnqueueRequestsFromMapFunc(r.upgradesOf), handler.EnqueueRequestsFromMapFunc(r.upgradesOfFleet)
	return ctrl.NewControllerManagedBy(mgr).Named("clusterupgrade").
		For(&v1alpha1.ClusterUpgrade{}).
		Watches(&v1alpha1.Cluster{}, ofCluster, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MaintenanceCalendar{}, ofFleet, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Fleet{}, ofFleet).
		WatchesRawSource(source.Channel(c.Changes, ofCluster)).
		WithOptions(controller.Options{MaxConcurrentReconciles: c.Parallel, RateLimiter: c.Backoff}).
		Complete(r)
}

// upgradesOf returns the unfinished cluster upgrades of a cluster: a change in the member moves only these.
func (r *reconciler) upgradesOf(ctx context.Context, o client.Object) []ctrl.Request {
	return r.unfinished(ctx, client.InNamespace(o.GetNamespace()), client.MatchingFields{indexByCluster: o.GetName()})
}

// upgradesOfFleet returns the unfinished cluster upgrades of a fleet: a freeze that is added holds all of them.
func (r *reconciler) upgradesOfFleet(ctx context.Context, o client.Object) []ctrl.Request {
	return r.unfinished(ctx, client.InNamespace(o.GetNamespace()))
}

func (r *reconciler) unfinished(ctx context.Context, which ...client.ListOption) []ctrl.Request {
	var list v1alpha1.ClusterUpgradeList
	if err := r.hub.List(ctx, &list, append(which, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "cluster upgrades cannot be listed")
		return nil
	}
	var requests []ctrl.Request
	for i := range list.Items {
		if u := &list.Items[i]; observe.HoldsCluster(u) || !u.DeletionTimestamp.IsZero() {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(u)})
		}
	}
	return requests
}

// Reconcile makes one pass over one cluster upgrade.
func (r *reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	if !r.leads() {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	var u v1alpha1.ClusterUpgrade
	if err := r.hub.Get(ctx, req.NamespacedName, &u); err != nil {
		r.passes.forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if ended(&u) {
		r.passes.forget(req.NamespacedName)
		return r.finish(ctx, &u, !u.DeletionTimestamp.IsZero())
	}
	now := r.clock.Now()
	stored := *u.Status.DeepCopy()
	r.passes.fillIDs(req.NamespacedName, u.Status.Operations)
	look, err := r.look(ctx, &u, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	look.Snapshot.Failures, look.Snapshot.Away = r.passes.failures(req.NamespacedName), r.passes.begin(req.NamespacedName, now)
	d := upgrade.Decide(look.Snapshot, now)
	if err := r.steer(ctx, look, d); err != nil && (d.ReleaseFinalizer || rests(d.Status.Phase)) {
		// A safe point is reached only when no node keeps our mark.
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	r.passes.addCounts(req.NamespacedName, &d.Status)
	written, err := r.write(ctx, &u, stored, d.Status, now)
	if apierrors.IsConflict(err) {
		// This pass looked at an old record, and nothing was done on it: look anew.
		return ctrl.Result{RequeueAfter: afterConflict}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	r.durations.observe(look, &stored, &u.Status)
	if d.ReleaseFinalizer || ended(&u) {
		return r.finish(ctx, &u, d.ReleaseFinalizer)
	}
	soon := r.act(ctx, req.NamespacedName, look, d.Actions)
	if !written && (d.NextLook.IsZero() || d.NextLook.After(now.Add(progressEvery))) {
		d.NextLook = now.Add(progressEvery)
	}
	result := r.result(look, d, now, soon)
	r.passes.wanted(req.NamespacedName, now, result.RequeueAfter)
	return result, nil
}

// look observes all that a pass decides on. How long things take is needed only where a window may be too short.
func (r *reconciler) look(ctx context.Context, u *v1alpha1.ClusterUpgrade, now time.Time) (*observe.Upgrade, error) {
	look, err := observe.LookAtUpgrade(ctx, r.hub, r.handles, u, now)
	if err == nil && look.Snapshot.Calendars != nil {
		look.Snapshot.Estimates, err = r.estimates.Of(ctx, r.hub, u.Namespace, now)
	}
	return look, err
}

// steer keeps replacements off nodes that will be drained later. While the upgrade runs a failure costs only time; one
// that no repetition ends keeps nothing from its safe point.
func (r *reconciler) steer(ctx context.Context, look *observe.Upgrade, d upgrade.Decision) error {
	if look.Snapshot.Member == nil {
		return nil
	}
	err := act.Steer(ctx, r.target(look), d.Outdated)
	if err != nil {
		ctrl.LoggerFrom(ctx).V(1).Info("nodes could not be marked as outdated", "error", err.Error())
	}
	if errors.Is(err, provider.ErrRejected) {
		return nil
	}
	return err
}

// rests says whether an upgrade in a phase is at a safe point.
func rests(p v1alpha1.ClusterUpgradePhase) bool {
	switch p {
	case v1alpha1.ClusterUpgradePhaseHeld, v1alpha1.ClusterUpgradePhaseFailed, v1alpha1.ClusterUpgradePhaseSkipped, v1alpha1.ClusterUpgradePhaseSucceeded:
		return true
	}
	return false
}

func (r *reconciler) target(look *observe.Upgrade) act.Target {
	return act.Target{Provider: look.Handle.Provider(), Member: look.Access, Owner: string(look.Snapshot.Upgrade.UID), Leads: r.leads}
}

// ended says whether nothing more is done for this upgrade unless it is retried.
func ended(u *v1alpha1.ClusterUpgrade) bool {
	return !observe.HoldsCluster(u)
}

// write updates the status when it changed, and returns false when a write is due later: how far a drain is can
// wait a moment. The update is conditional on the version that was read, so that an intent is never numbered from
// an old record.
func (r *reconciler) write(ctx context.Context, u *v1alpha1.ClusterUpgrade, before, st v1alpha1.ClusterUpgradeStatus, now time.Time) (bool, error) {
	if same(before, st) {
		return true, nil
	}
	key := client.ObjectKeyFromObject(u)
	if since := now.Sub(r.passes.lastWrite(key)); onlyProgress(before, st) && since >= 0 && since < progressEvery {
		return false, nil
	}
	u.Status = st
	if err := r.hub.Status().Update(ctx, u); err != nil {
		return false, fmt.Errorf("the record of %s could not be written: %w", u.Name, err)
	}
	r.passes.written(key, now)
	emit(ctx, r.events, u, before)
	return true, nil
}

// act executes the actions, remembers what the next pass needs to know, and says whether that pass is wanted at once:
// something failed, or what was asked for has ended already, as after a restart, when all that was under way is asked for
// again.
func (r *reconciler) act(ctx context.Context, key types.NamespacedName, look *observe.Upgrade, actions []upgrade.Action) bool {
	if len(actions) == 0 || look.Handle == nil {
		return false
	}
	out := act.Upgrade(ctx, r.target(look), actions)
	failures := map[string]upgrade.Problem{}
	for k, err := range out.Failures {
		failures[k] = *observe.Problem(err)
	}
	ids := map[string]string{}
	ended := false
	for k, op := range out.Started {
		ids[k] = op.ID
		ended = ended || op.Done()
	}
	r.passes.remember(key, failures, ids, out)
	if len(out.Started) > 0 {
		look.Handle.Touch()
	}
	return ended || len(out.Failures) > 0
}

// finish releases the cluster and, when asked, the finalizer.
func (r *reconciler) finish(ctx context.Context, u *v1alpha1.ClusterUpgrade, release bool) (ctrl.Result, error) {
	err := act.Release(ctx, r.hub, u.Namespace, u.Spec.RunRef.Name, u.Spec.Cluster)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: afterConflict}, nil
	}
	if err != nil || !release || !controllerutil.ContainsFinalizer(u, v1alpha1.FinalizerSafePoint) {
		return ctrl.Result{}, err
	}
	if r.goes != nil {
		if err := r.goes(ctx, u); err != nil {
			return ctrl.Result{}, err
		}
	}
	before := u.DeepCopy()
	controllerutil.RemoveFinalizer(u, v1alpha1.FinalizerSafePoint)
	return ctrl.Result{}, client.IgnoreNotFound(r.hub.Patch(ctx, u, client.MergeFrom(before)))
}

// result says when to look again: soon when an action failed or has ended already, so that this is decided on; at the
// provider's pace while operations run and after anything was done, because what was done may show in no watch (a played
// member has none, and a record that was not written brings no pass); at the decider's instant otherwise.
func (r *reconciler) result(look *observe.Upgrade, d upgrade.Decision, now time.Time, soon bool) ctrl.Result {
	next := d.NextLook
	if len(d.Status.Operations)+len(d.Actions) > 0 && look.Handle != nil {
		if at := look.Handle.LookAgain(now); next.IsZero() || at.Before(next) {
			next = at
		}
	}
	if soon {
		// A short breath: the watch of our own write comes first, and the pass is made on it.
		return ctrl.Result{RequeueAfter: 50 * time.Millisecond}
	}
	if next.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(next.Sub(now), 10*time.Millisecond)}
}
