// SPDX-License-Identifier: Apache-2.0

// Package notification tells people of what happens to runs, as the notifications of their Fleet ask for.
//
// It looks at the records that the other controllers write, and keeps no one waiting. What is worth telling follows
// from a record alone (message.OfRun and its like); what was told is marked in an annotation of the object. A process
// that is killed between a delivery and its mark tells that once more, under the same id.
package notification

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller/metric"
	"sengu.dev/sengu/internal/notify"
	"sengu.dev/sengu/internal/notify/message"
	"sengu.dev/sengu/provider"
)

const (
	// tooOld is how long a message is tried to deliver: afterwards it is history, and nobody is woken for that.
	tooOld = 24 * time.Hour
	// chatPace is the time between two messages to a chat: Slack takes one a second from a webhook.
	chatPace = time.Second

	reasonBug = v1alpha1.ReasonDeliveryFailed
)

// Config of Setup.
type Config struct {
	// Clock of the process.
	Clock clock.PassiveClock
	// Secrets reads Secrets from the hub, not through a cache.
	Secrets client.Reader
	// Metrics to count deliveries in; nil: they are not counted.
	Metrics prometheus.Registerer
	// Backoff after errors of the hub; each controller needs one of its own.
	Backoff func() workqueue.TypedRateLimiter[ctrl.Request]
}

// office is what the controllers of this package share.
type office struct {
	hub     client.Client
	secrets client.Reader
	sender  *notify.Sender
	clock   clock.PassiveClock
	lanes   *lanes
	counted *prometheus.CounterVec
	// news wakes the controller of Fleets; what is lost when it is full is found at its next look.
	news chan event.GenericEvent
}

// receiver is one notification of a fleet, with what its status says.
type receiver struct {
	v1alpha1.Notification
	fleet string
	since time.Time
	tells []v1alpha1.NotificationEvent
}

func (r receiver) key() types.NamespacedName {
	return types.NamespacedName{Namespace: r.fleet, Name: r.Name}
}

func (r receiver) pace() time.Duration {
	if r.Type == v1alpha1.NotificationCloudEvents {
		return 0
	}
	return chatPace
}

// wants says whether a fact is one for this receiver. A record keeps whole seconds, and so does since.
func (r receiver) wants(f message.Fact) bool {
	return slices.Contains(r.tells, f.Event) && !f.At.Before(r.since)
}

// receivers of a fleet. Those whose beginning is not written down yet are left out, and ready is false.
func (o *office) receivers(ctx context.Context, namespace string) (out []receiver, ready bool, err error) {
	var fleet v1alpha1.Fleet
	err = o.hub.Get(ctx, types.NamespacedName{Namespace: namespace, Name: v1alpha1.FleetName}, &fleet)
	if err != nil {
		return nil, true, client.IgnoreNotFound(err)
	}
	ready = true
	for _, n := range fleet.Spec.Notifications {
		st := statusOf(&fleet, n.Name)
		if st == nil || st.Since == nil || !slices.Equal(st.Events, told(n)) {
			ready = false
			continue
		}
		out = append(out, receiver{n, namespace, st.Since.Time, st.Events})
	}
	return out, ready, nil
}

func statusOf(fleet *v1alpha1.Fleet, name string) *v1alpha1.NotificationStatus {
	for i := range fleet.Status.Notifications {
		if fleet.Status.Notifications[i].Name == name {
			return &fleet.Status.Notifications[i]
		}
	}
	return nil
}

// byDefault are the events that are told of where none is named: a fleet has thousands of clusters, and each that
// succeeds is not news.
var byDefault = []v1alpha1.NotificationEvent{
	v1alpha1.EventRunStarted, v1alpha1.EventRunRefused, v1alpha1.EventStageFinished, v1alpha1.EventApprovalNeeded,
	v1alpha1.EventGateRefused, v1alpha1.EventSoakInterrupted, v1alpha1.EventRunPaused, v1alpha1.EventRunStopped,
	v1alpha1.EventRunFailed, v1alpha1.EventRunSucceeded, v1alpha1.EventClusterFailed, v1alpha1.EventDrainBlocked,
}

// told are the events of a notification, sorted, so that another order in the file changes nothing.
func told(n v1alpha1.Notification) []v1alpha1.NotificationEvent {
	events := n.Events
	if len(events) == 0 {
		events = byDefault
	}
	events = slices.Clone(events)
	slices.Sort(events)
	return events
}

// deliver opens the receiver anew each time, so that a Secret can be changed at any moment, and posts one message.
func (o *office) deliver(ctx context.Context, n v1alpha1.Notification, fleet string, m message.Message) error {
	r, err := notify.Open(ctx, n, o.secretsOf(fleet))
	if err == nil {
		err = o.sender.Send(ctx, r, m)
	}
	result := "delivered"
	if err != nil {
		result = "failed"
	}
	o.count(fleet, n, result)
	return err
}

func (o *office) count(fleet string, n v1alpha1.Notification, result string) {
	o.counted.WithLabelValues(fleet, n.Name, string(n.Type), result).Inc()
}

func (o *office) secretsOf(namespace string) notify.SecretReader {
	return func(ctx context.Context, ref v1alpha1.SecretKeyReference) ([]byte, error) {
		var secret corev1.Secret
		err := o.secrets.Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, &secret)
		switch {
		case apierrors.IsNotFound(err):
			return nil, provider.Rejected(v1alpha1.ReasonSecretMissing, "Secret %s/%s does not exist: create it with key %q", namespace, ref.Name, ref.Key)
		case err != nil:
			return nil, provider.Retry(v1alpha1.ReasonRetrying, err, "Secret %s/%s could not be read", namespace, ref.Name)
		}
		value, ok := secret.Data[ref.Key]
		if !ok {
			return nil, provider.Rejected(v1alpha1.ReasonSecretMissing, "Secret %s/%s has no key %q: add it", namespace, ref.Name, ref.Key)
		}
		return value, nil
	}
}

// wake lets the controller of Fleets look at one.
func (o *office) wake(namespace string) {
	f := &v1alpha1.Fleet{}
	f.Namespace, f.Name = namespace, v1alpha1.FleetName
	select {
	case o.news <- event.GenericEvent{Object: f}:
	default:
	}
}

// Setup registers the controllers: one for each kind that people are told of, and one for Fleets.
func Setup(mgr ctrl.Manager, c Config) error {
	o := &office{hub: mgr.GetClient(), secrets: c.Secrets, sender: notify.NewSender(notify.Config{Clock: c.Clock, UserAgent: "sengu"}), clock: c.Clock, lanes: newLanes(),
		counted: metric.Notifications.Counter(c.Metrics), news: make(chan event.GenericEvent, 64)}
	for name, setup := range map[string]func(*office, ctrl.Manager, Config) error{
		"fleets": setupFleets, "runs": setupRuns, "cluster upgrades": setupUpgrades, "gates": setupGates,
	} {
		if err := setup(o, mgr, c); err != nil {
			return fmt.Errorf("the notifications of %s cannot be watched: %w", name, err)
		}
	}
	return nil
}
