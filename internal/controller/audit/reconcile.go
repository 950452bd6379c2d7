// SPDX-License-Identifier: Apache-2.0

// Package audit writes the fleet's record of decisions: what runs, gates and cluster upgrades say and the chain does
// not hold yet.
package audit

import (
	"context"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/auditlog"
	"sengu.dev/sengu/internal/decide/audit"
)

// together is how long what happens to clusters waits for more of it, to share an entry: a run of a thousand clusters
// in flight then costs one write a second and not hundreds.
const together = time.Second

// Config of New.
type Config struct {
	// Hub to read through its cache and to write to, and Reader that reads the hub itself.
	Hub    client.Client
	Reader client.Reader
	// Clock of the process.
	Clock clock.PassiveClock
}

// Recorder writes the record. Its methods may be called side by side.
type Recorder struct {
	Config

	mu    sync.Mutex
	logs  map[string]*auditlog.Log // by namespace
	wrote map[types.UID]time.Time  // when the last entry of a run was written
}

// New makes a recorder.
func New(c Config) *Recorder {
	return &Recorder{Config: c, logs: map[string]*auditlog.Log{}, wrote: map[types.UID]time.Time{}}
}

// Setup registers the controller that records what happens.
func (r *Recorder) Setup(mgr ctrl.Manager, parallel int, backoff workqueue.TypedRateLimiter[ctrl.Request]) error {
	return ctrl.NewControllerManagedBy(mgr).Named("audit").
		For(&v1alpha1.UpgradeRun{}).
		Watches(&v1alpha1.Gate{}, handler.EnqueueRequestForOwner(mgr.GetScheme(), mgr.GetRESTMapper(), &v1alpha1.UpgradeRun{})).
		Watches(&v1alpha1.ClusterUpgrade{}, handler.EnqueueRequestForOwner(mgr.GetScheme(), mgr.GetRESTMapper(), &v1alpha1.UpgradeRun{}),
			builder.WithPredicates(moved())).
		WithOptions(controller.Options{MaxConcurrentReconciles: parallel, RateLimiter: backoff}).
		Complete(r)
}

// moved lets through what can be a decision: a drain changes the record of its cluster upgrade a thousand times.
func moved() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		is, ok := e.ObjectNew.(*v1alpha1.ClusterUpgrade)
		was, also := e.ObjectOld.(*v1alpha1.ClusterUpgrade)
		return !ok || !also || is.Status.Phase != was.Status.Phase || is.Status.Attempt != was.Status.Attempt ||
			(is.Status.StartedAt == nil) != (was.Status.StartedAt == nil)
	}}
}

// Reconcile records what is missing of one run.
func (r *Recorder) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var run v1alpha1.UpgradeRun
	if err := r.Hub.Get(ctx, req.NamespacedName, &run); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	look, err := r.lookAt(ctx, &run)
	if err != nil {
		return ctrl.Result{}, err
	}
	now := r.Clock.Now()
	due := r.last(run.UID).Add(together)
	entries, waits, err := r.log(run.Namespace).Record(ctx, look, due.After(now))
	switch {
	case auditlog.NothingToKeep(err):
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{}, err
	case waits:
		return ctrl.Result{RequeueAfter: max(due.Sub(now), 10*time.Millisecond)}, nil
	case entries > 0:
		r.note(run.UID, now)
	}
	return ctrl.Result{}, nil
}

// lookAt reads what belongs to a run. What it holds is not copied, and nothing changes it.
func (r *Recorder) lookAt(ctx context.Context, run *v1alpha1.UpgradeRun) (audit.Look, error) {
	look := audit.Look{Of: audit.Run{Name: run.Name, UID: string(run.UID)}, Run: run}
	options := []client.ListOption{client.InNamespace(run.Namespace), client.MatchingLabels{v1alpha1.LabelRun: run.Name}, client.UnsafeDisableDeepCopy}
	var gates v1alpha1.GateList
	if err := r.Hub.List(ctx, &gates, options...); err != nil {
		return look, err
	}
	for i := range gates.Items {
		if metav1.IsControlledBy(&gates.Items[i], run) {
			look.Gates = append(look.Gates, &gates.Items[i])
		}
	}
	var upgrades v1alpha1.ClusterUpgradeList
	if err := r.Hub.List(ctx, &upgrades, options...); err != nil {
		return look, err
	}
	for i := range upgrades.Items {
		if metav1.IsControlledBy(&upgrades.Items[i], run) {
			look.Upgrades = append(look.Upgrades, &upgrades.Items[i])
		}
	}
	return look, nil
}

// RunGoes records all of a run that is about to vanish. It vanishes only when that is done.
func (r *Recorder) RunGoes(ctx context.Context, run *v1alpha1.UpgradeRun) error {
	look, err := r.lookAt(ctx, run)
	if err != nil {
		return err
	}
	r.forget(run.UID)
	return r.settle(ctx, run.Namespace, look)
}

// UpgradeGoes records all of a cluster upgrade that is about to vanish.
func (r *Recorder) UpgradeGoes(ctx context.Context, u *v1alpha1.ClusterUpgrade) error {
	owner := metav1.GetControllerOf(u)
	if owner == nil {
		return nil // nobody's run: a person made it by hand
	}
	return r.settle(ctx, u.Namespace, audit.Look{Of: audit.Run{Name: owner.Name, UID: string(owner.UID)}, Upgrades: []*v1alpha1.ClusterUpgrade{u}})
}

func (r *Recorder) settle(ctx context.Context, namespace string, look audit.Look) error {
	_, _, err := r.log(namespace).Record(ctx, look, false)
	if auditlog.NothingToKeep(err) {
		return nil
	}
	return err
}

func (r *Recorder) log(namespace string) *auditlog.Log {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.logs[namespace] == nil {
		r.logs[namespace] = auditlog.New(r.Hub, r.Reader, namespace, r.Clock)
	}
	return r.logs[namespace]
}

func (r *Recorder) last(run types.UID) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wrote[run]
}

func (r *Recorder) note(run types.UID, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrote[run] = now
}

func (r *Recorder) forget(run types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.wrote, run)
}
