// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller/marks"
	"sengu.dev/sengu/internal/notify/message"
	"sengu.dev/sengu/internal/observe"
)

// teller tells of the objects of one kind.
type teller[T client.Object] struct {
	*office
	book *marks.Book
	// facts of an object, from its record alone.
	facts func(T) []message.Fact
	// subject adds what else a message needs; false: it is not worth telling after all.
	subject func(context.Context, T) (message.Subject, bool, error)
	// blank makes an empty object, and list an empty list.
	blank func() T
	list  func() client.ObjectList
}

func setupRuns(o *office, mgr ctrl.Manager, c Config) error {
	return (&teller[*v1alpha1.UpgradeRun]{office: o, facts: message.OfRun,
		subject: func(_ context.Context, r *v1alpha1.UpgradeRun) (message.Subject, bool, error) {
			return message.Subject{Run: r}, true, nil
		},
		blank: func() *v1alpha1.UpgradeRun { return &v1alpha1.UpgradeRun{} },
		list:  func() client.ObjectList { return &v1alpha1.UpgradeRunList{} },
	}).setup(mgr, c, "notification-upgraderun")
}

func setupUpgrades(o *office, mgr ctrl.Manager, c Config) error {
	return (&teller[*v1alpha1.ClusterUpgrade]{office: o, facts: message.OfUpgrade,
		subject: func(ctx context.Context, u *v1alpha1.ClusterUpgrade) (message.Subject, bool, error) {
			run, err := o.run(ctx, u.Namespace, u.Spec.RunRef.Name)
			return message.Subject{Run: run, Upgrade: u}, true, err
		},
		blank: func() *v1alpha1.ClusterUpgrade { return &v1alpha1.ClusterUpgrade{} },
		list:  func() client.ObjectList { return &v1alpha1.ClusterUpgradeList{} },
	}).setup(mgr, c, "notification-clusterupgrade")
}

func setupGates(o *office, mgr ctrl.Manager, c Config) error {
	return (&teller[*v1alpha1.Gate]{office: o, facts: message.OfGate,
		subject: func(ctx context.Context, g *v1alpha1.Gate) (message.Subject, bool, error) {
			run, err := o.run(ctx, g.Namespace, g.Spec.RunRef.Name)
			// Nobody needs to decide on a gate of a run that has ended.
			return message.Subject{Run: run, Gate: g}, run != nil && !observe.RunEnded(run), err
		},
		blank: func() *v1alpha1.Gate { return &v1alpha1.Gate{} },
		list:  func() client.ObjectList { return &v1alpha1.GateList{} },
	}).setup(mgr, c, "notification-gate")
}

// run returns a run, or nil when it is gone.
func (o *office) run(ctx context.Context, namespace, name string) (*v1alpha1.UpgradeRun, error) {
	run := &v1alpha1.UpgradeRun{}
	err := o.hub.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, run, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return run, nil
}

func (t *teller[T]) setup(mgr ctrl.Manager, c Config, name string) error {
	t.book = marks.NewBook(t.hub, v1alpha1.AnnotationTold)
	return ctrl.NewControllerManagedBy(mgr).Named(name).
		For(t.blank(), builder.WithPredicates(t.newFacts())).
		Watches(&v1alpha1.Fleet{}, handler.EnqueueRequestsFromMapFunc(t.all), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4, RateLimiter: c.Backoff()}).
		Complete(t)
}

// newFacts lets a change through that adds or ends a fact: a record is written twice a second while a drain goes on.
func (t *teller[T]) newFacts() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(T)
		after, ok2 := e.ObjectNew.(T)
		return ok1 && ok2 && !slices.EqualFunc(t.facts(before), t.facts(after), func(a, b message.Fact) bool { return a.Key == b.Key })
	}}
}

// all returns every object of a fleet whose settings changed: what was not delivered is tried at once.
func (t *teller[T]) all(ctx context.Context, fleet client.Object) []ctrl.Request {
	list := t.list()
	if err := t.hub.List(ctx, list, client.InNamespace(fleet.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "what a fleet tells of cannot be listed", "namespace", fleet.GetNamespace())
		return nil
	}
	var requests []ctrl.Request
	for o := range objects(list) {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(o)})
	}
	return requests
}

// Reconcile tells the receivers of a fleet what they were not told of one object.
func (t *teller[T]) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ctx, leave := lingering(ctx)
	defer leave()
	o := t.blank()
	if err := t.hub.Get(ctx, req.NamespacedName, o, client.UnsafeDisableDeepCopy); err != nil {
		t.book.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	facts := t.facts(o)
	if len(facts) == 0 {
		return ctrl.Result{}, nil
	}
	receivers, ready, err := t.receivers(ctx, req.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	now := t.clock.Now()
	var again soonest
	if !ready {
		again.note(now.Add(time.Second))
	}
	told := t.book.Of(o)
	var changed bool
	if open := pending(facts, receivers, told); len(open) > 0 {
		subject, worth, err := t.subject(ctx, o)
		if err != nil {
			return ctrl.Result{}, err
		}
		if worth {
			changed = t.tellAll(ctx, open, subject, told, &again)
		}
	}
	if changed {
		told.Keep(func(key string) bool {
			return slices.ContainsFunc(facts, func(f message.Fact) bool { return f.Key == key })
		})
	}
	// Also when nothing is new: the hub may not have taken what was marked before.
	if err := t.book.Write(ctx, o, told); err != nil {
		return ctrl.Result{}, err
	}
	return again.result(now), nil
}

// linger is how long a pass may go on when the process is stopped: a message under way comes to its end and is marked,
// or the next process would tell it again.
const linger = 3 * time.Second

// lingering returns a context that ends a while after its parent.
func lingering(parent context.Context) (ctx context.Context, leave func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		grace, done := context.WithTimeout(ctx, linger)
		defer done()
		<-grace.Done()
		cancel()
	})
	return ctx, func() { stop(); cancel() }
}

// letter is what one receiver was not told yet, in the order in which it happened.
type letter struct {
	to    receiver
	facts []message.Fact
}

func pending(facts []message.Fact, receivers []receiver, told marks.Marks) []letter {
	var out []letter
	for _, r := range receivers {
		l := letter{to: r}
		for _, f := range facts {
			if r.wants(f) && !told.Has(r.Name, f.Key) {
				l.facts = append(l.facts, f)
			}
		}
		if len(l.facts) > 0 {
			out = append(out, l)
		}
	}
	return out
}

// tellAll tells the receivers side by side, each in order, and says whether there is something new to mark.
func (t *teller[T]) tellAll(ctx context.Context, letters []letter, s message.Subject, told marks.Marks, again *soonest) (changed bool) {
	var group sync.WaitGroup
	done := make([][]string, len(letters))
	for i, l := range letters {
		group.Go(func() { done[i] = t.tell(ctx, l, s, again) })
	}
	group.Wait()
	for i, l := range letters {
		told[l.to.Name] = append(told[l.to.Name], done[i]...)
		changed = changed || len(done[i]) > 0
	}
	return changed
}

// tell delivers what is due until a delivery fails or the receiver needs a rest, and returns what is done.
func (t *teller[T]) tell(ctx context.Context, l letter, s message.Subject, again *soonest) (done []string) {
	for _, f := range l.facts {
		now := t.clock.Now()
		switch {
		case f.Due.After(now):
			again.note(f.Due)
			continue
		case now.Sub(f.Due) > tooOld:
			t.count(l.to.fleet, l.to.Notification, "dropped")
			done = append(done, f.Key)
			continue
		}
		at, ok := t.lanes.take(l.to.key(), now)
		if !ok {
			again.note(at)
			return done
		}
		m := message.Of(f, s)
		err := t.deliver(ctx, l.to.Notification, l.to.fleet, m)
		at, news := t.lanes.leave(l.to.key(), err, t.clock.Now(), l.to.pace())
		t.log(ctx, l.to, m, err)
		if news {
			t.wake(l.to.fleet)
		}
		if err != nil {
			again.note(at)
			return done
		}
		done = append(done, f.Key)
	}
	return done
}

// log tells whoever runs Sengu what was told. Errors of this package hold no secret.
func (o *office) log(ctx context.Context, to receiver, m message.Message, err error) {
	log := ctrl.LoggerFrom(ctx).WithValues("notification", to.Name, "event", m.Event, "run", m.Run, "cluster", m.Cluster)
	if err != nil {
		log.Info("a receiver was not told", "reason", problem(err).Code, "message", problem(err).Message)
		return
	}
	log.V(1).Info("a receiver was told")
}

// soonest is the earliest of several instants.
type soonest struct {
	mu sync.Mutex
	at time.Time
}

func (s *soonest) note(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() || at.Before(s.at) {
		s.at = at
	}
}

func (s *soonest) result(now time.Time) ctrl.Result {
	if s.at.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(s.at.Sub(now), 10*time.Millisecond)}
}
