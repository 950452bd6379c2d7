// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/notify"
	"sengu.dev/sengu/internal/notify/message"
	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/provider"
)

// lookEvery is how often the Secrets of a fleet are looked at: nothing tells of their changes.
const lookEvery = time.Minute

// fleets keeps the status of Fleets true: since when each notification tells, and how it fares.
type fleets struct{ *office }

func setupFleets(o *office, mgr ctrl.Manager, c Config) error {
	return ctrl.NewControllerManagedBy(mgr).Named("notification-fleet").
		For(&v1alpha1.Fleet{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WatchesRawSource(source.Channel(o.news, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{RateLimiter: c.Backoff()}).
		Complete(&fleets{o})
}

// Reconcile looks at the notifications of one fleet.
func (f *fleets) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var fleet v1alpha1.Fleet
	if err := f.hub.Get(ctx, req.NamespacedName, &fleet); err != nil {
		f.forget(req.Namespace, nil)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	now := f.clock.Now()
	if fleet.Status.ObservedGeneration != fleet.Generation {
		f.lanes.open(fleet.Namespace)
	}
	before := fleet.DeepCopy()
	f.test(ctx, &fleet, now)
	fleet.Status.ObservedGeneration = fleet.Generation
	fleet.Status.Notifications = f.statuses(ctx, before, now)
	meta.SetStatusCondition(&fleet.Status.Conditions, delivered(&fleet, now))
	f.forget(fleet.Namespace, fleet.Spec.Notifications)
	if !equality.Semantic.DeepEqual(before.Status, fleet.Status) {
		if err := f.hub.Status().Patch(ctx, &fleet, client.MergeFrom(before)); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
	}
	if len(fleet.Spec.Notifications) == 0 {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{RequeueAfter: lookEvery}, nil
}

// forget ends what is kept of notifications that are no longer there.
func (f *fleets) forget(namespace string, there []v1alpha1.Notification) {
	names := map[string]bool{}
	for _, n := range there {
		names[n.Name] = true
	}
	for _, gone := range f.lanes.keep(namespace, names) {
		f.counted.DeletePartialMatch(prometheus.Labels{"namespace": namespace, "notification": gone})
	}
}

// statuses carries on what is written of each notification. Who tells of other events than before begins anew: what
// happened until now is no news.
func (f *fleets) statuses(ctx context.Context, fleet *v1alpha1.Fleet, now time.Time) []v1alpha1.NotificationStatus {
	var out []v1alpha1.NotificationStatus
	for _, n := range fleet.Spec.Notifications {
		st := v1alpha1.NotificationStatus{Name: n.Name, Since: new(metav1.NewTime(now.Truncate(time.Second))), Events: told(n)}
		if was := statusOf(fleet, n.Name); was != nil {
			if was.Since != nil && slices.Equal(was.Events, st.Events) {
				st.Since = was.Since
			}
			st.Reason, st.Message = was.Reason, was.Message
		}
		if p, known := f.judge(ctx, fleet, n); known {
			st.Reason, st.Message = "", ""
			if p != nil {
				st.Reason, st.Message = p.Code, clip(view.Clean(p.Message), 512)
			}
		}
		out = append(out, st)
	}
	return out
}

// judge says what is wrong with a notification: with its Secrets first, then with its last delivery. Nothing is known of
// deliveries until this process has tried one.
func (f *fleets) judge(ctx context.Context, fleet *v1alpha1.Fleet, n v1alpha1.Notification) (p *provider.Error, known bool) {
	_, err := notify.Open(ctx, n, f.secretsOf(fleet.Namespace))
	if err != nil {
		return problem(err), true
	}
	p, known = f.lanes.state(client.ObjectKey{Namespace: fleet.Namespace, Name: n.Name})
	secret := []string{v1alpha1.ReasonSecretMissing, v1alpha1.ReasonInvalidReceiver, v1alpha1.ReasonRetrying}
	if p != nil && slices.Contains(secret, p.Code) {
		return nil, true // it was corrected meanwhile
	}
	if was := statusOf(fleet, n.Name); !known && was != nil && slices.Contains(secret, was.Reason) {
		return nil, true
	}
	return p, known
}

// delivered is the condition of the fleet: it names the first notification that does not fare well.
func delivered(fleet *v1alpha1.Fleet, now time.Time) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionNotificationsDelivered, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonDelivered,
		Message: "no receiver has refused what it was told last", ObservedGeneration: fleet.Generation, LastTransitionTime: metav1.NewTime(now)}
	if len(fleet.Spec.Notifications) == 0 {
		c.Reason, c.Message = v1alpha1.ReasonNoNotifications, "the fleet tells nobody: add spec.notifications"
	}
	var failing []string
	for _, st := range fleet.Status.Notifications {
		if st.Reason == "" {
			continue
		}
		if len(failing) == 0 {
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, st.Reason, fmt.Sprintf("notification %s: %s", st.Name, st.Message)
		}
		failing = append(failing, st.Name)
	}
	if len(failing) > 1 {
		c.Message += "; also: " + strings.Join(failing[1:], ", ")
	}
	return c
}

// test answers a test that a person asked for: once, at once, and whatever the back-off says.
func (f *fleets) test(ctx context.Context, fleet *v1alpha1.Fleet, now time.Time) {
	request := fleet.Annotations[v1alpha1.AnnotationTestNotification]
	if request == "" || len(request) > 128 || fleet.Status.NotificationTest != nil && fleet.Status.NotificationTest.Request == request {
		return
	}
	answer := &v1alpha1.NotificationTest{Request: request}
	fleet.Status.NotificationTest = answer
	name, _, _ := strings.Cut(request, "/")
	i := slices.IndexFunc(fleet.Spec.Notifications, func(n v1alpha1.Notification) bool { return n.Name == name })
	if i < 0 {
		answer.Reason, answer.Message = v1alpha1.ReasonInvalidReceiver, "the fleet has no notification of that name"
		return
	}
	n := fleet.Spec.Notifications[i]
	err := f.deliver(ctx, n, fleet.Namespace, message.Test(fleet.Namespace, n.Name, request, now))
	f.lanes.leave(client.ObjectKey{Namespace: fleet.Namespace, Name: n.Name}, err, now, 0)
	if p := problem(err); p != nil {
		answer.Reason, answer.Message = p.Code, clip(view.Clean(p.Message), 512)
	}
}

// clip shortens a text to what the API takes, at a rune's end.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// objects are the items of a list.
func objects(list client.ObjectList) iter.Seq[client.Object] {
	return func(yield func(client.Object) bool) {
		_ = meta.EachListItem(list, func(o runtime.Object) error { // it fails for what is no list
			if item, ok := o.(client.Object); ok && !yield(item) {
				return errStop
			}
			return nil
		})
	}
}

var errStop = fmt.Errorf("enough")
