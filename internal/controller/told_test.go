// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// urlToken is what a webhook's URL carries, and nobody may read.
const urlToken = "T0KEN-of-a-webhook"

// channel is a receiver that counts what it was told.
type channel struct {
	*httptest.Server
	mu     sync.Mutex
	told   map[string]int // by id
	order  []string       // events
	status int
}

func newChannel(t *testing.T) *channel {
	c := &channel{told: map[string]int{}, status: http.StatusOK}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		var e struct {
			ID   string
			Data struct{ Event string }
		}
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Errorf("a receiver cannot read its message: %v", err)
		}
		if c.status == http.StatusOK {
			c.told[e.ID]++
			c.order = append(c.order, e.Data.Event)
		}
		w.WriteHeader(c.status)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *channel) answers(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status = status
}

func (c *channel) heard(event string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.order, event)
}

// listens adds a notification to the fleet, and waits until it tells.
func (f *fleet) listens(name, url string) {
	f.t.Helper()
	f.create(&corev1.Secret{ObjectMeta: named(name), StringData: map[string]string{"url": url + "/" + urlToken}})
	f.create(&v1alpha1.Fleet{ObjectMeta: named(v1alpha1.FleetName), Spec: v1alpha1.FleetSpec{Notifications: []v1alpha1.Notification{
		{Name: name, Type: v1alpha1.NotificationCloudEvents, URLSecretRef: v1alpha1.SecretKeyReference{Name: name, Key: "url"}},
	}}})
	until(f, v1alpha1.FleetName, &v1alpha1.Fleet{}, "telling", func(f *v1alpha1.Fleet) bool { return len(f.Status.Notifications) == 1 })
}

// untilHeard waits for an event to arrive.
func (f *fleet) untilHeard(c *channel, event string) {
	f.t.Helper()
	for end := time.Now().Add(patience); !c.heard(event); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			f.t.Fatalf("nobody was told of %s, only of %v", event, c.order)
		}
	}
}

// TestPeopleAreToldOfARunOnce: from its start to its end, over restarts of the process.
func TestPeopleAreToldOfARunOnce(t *testing.T) {
	f := newFleet(t)
	c := newChannel(t)
	f.listens("ops", c.URL)
	f.add("staging-1", "staging", nil)
	f.add("prod-1", "production", nil)
	f.run("to-1-37", "1.37", "staging", "production")
	f.untilHeard(c, "StageFinished")
	f.stop()
	f.start()
	f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
	f.untilHeard(c, "RunSucceeded")
	f.stop()
	f.start()
	time.Sleep(500 * time.Millisecond) // a second telling would be here by now
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.order)
	if got, want := strings.Join(c.order, " "), "RunStarted RunSucceeded StageFinished StageFinished"; got != want {
		t.Errorf("told of %s, want %s: %v", got, want, c.told)
	}
}

// TestAReceiverThatIsAwayHoldsUpNoRun: the run goes on, and the fleet says what is wrong without the URL.
func TestAReceiverThatIsAwayHoldsUpNoRun(t *testing.T) {
	f := newFleet(t)
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done() // the sender gives up
	}))
	t.Cleanup(hanging.Close)
	f.listens("ops", hanging.URL)
	f.add("prod-1", "production", nil)
	f.run("to-1-37", "1.37", "production")
	f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
	fleet := until(f, v1alpha1.FleetName, &v1alpha1.Fleet{}, "failing", func(f *v1alpha1.Fleet) bool {
		return meta.IsStatusConditionFalse(f.Status.Conditions, v1alpha1.ConditionNotificationsDelivered)
	})
	if c := meta.FindStatusCondition(fleet.Status.Conditions, v1alpha1.ConditionNotificationsDelivered); c.Message != "notification ops: the receiver has not answered in 10s" {
		t.Errorf("condition %s: %q", c.Reason, c.Message)
	}
	f.wantsNoToken()
}

// TestATestGoesTheWayOfEveryMessage: a person asks for it, the controllers answer.
func TestATestGoesTheWayOfEveryMessage(t *testing.T) {
	f := newFleet(t)
	c := newChannel(t)
	f.listens("ops", c.URL)
	ask := func(request string) *v1alpha1.NotificationTest {
		fleet := &v1alpha1.Fleet{}
		if err := f.Get(t.Context(), f.key(v1alpha1.FleetName), fleet); err != nil {
			t.Fatal(err)
		}
		before := fleet.DeepCopy()
		fleet.Annotations = map[string]string{v1alpha1.AnnotationTestNotification: request}
		if err := f.Patch(t.Context(), fleet, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
		return until(f, v1alpha1.FleetName, fleet, "answered", func(f *v1alpha1.Fleet) bool {
			return f.Status.NotificationTest != nil && f.Status.NotificationTest.Request == request
		}).Status.NotificationTest
	}
	c.answers(http.StatusForbidden)
	if got := ask("ops/1"); got.Reason != v1alpha1.ReasonReceiverRefused {
		t.Errorf("answer %+v", got)
	}
	c.answers(http.StatusOK)
	if got := ask("ops/2"); got.Reason != "" || !c.heard("Test") {
		t.Errorf("answer %+v, told of %v", got, c.order)
	}
	f.wantsNoToken()
}

// wantsNoToken looks for the URL's token in everything that people without a right to Secrets can read.
func (f *fleet) wantsNoToken() {
	f.t.Helper()
	for _, list := range []client.ObjectList{&v1alpha1.FleetList{}, &v1alpha1.UpgradeRunList{}, &v1alpha1.ClusterUpgradeList{}, &eventsv1.EventList{}} {
		if err := f.List(context.Background(), list, client.InNamespace(f.namespace)); err != nil {
			f.t.Fatal(err)
		}
		if text, err := json.Marshal(list); err != nil || strings.Contains(string(text), urlToken) {
			f.t.Errorf("%T tells the URL: %s, %v", list, text, err)
		}
	}
}
