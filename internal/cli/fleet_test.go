// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// TestAPersonLooksAtTheFleet: at one without settings, and at one with a notification, which is then tested.
func TestAPersonLooksAtTheFleet(t *testing.T) {
	s := newSession(t)
	if r := s.do("fleet show"); r.code != 1 || !strings.Contains(r.errOut, "has no settings: apply a Fleet named") {
		t.Errorf("exit code %d: %s", r.code, r.errOut)
	}
	fleet := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.FleetName, Namespace: s.namespace}}
	if err := s.client().Create(t.Context(), fleet); err != nil {
		t.Fatal(err)
	}
	if out := s.must("fleet show"); !strings.Contains(out, "Tells:     nobody") {
		t.Errorf("got %s", out)
	}
	if r := s.do("fleet test-notification ops"); r.code != 1 || !strings.Contains(r.errOut, "has no notifications") {
		t.Errorf("exit code %d: %s", r.code, r.errOut)
	}
	fleet.Spec.Notifications = []v1alpha1.Notification{{Name: "ops", Type: v1alpha1.NotificationSlack, URLSecretRef: v1alpha1.SecretKeyReference{Name: "ops", Key: "url"}}}
	if err := s.client().Update(t.Context(), fleet); err != nil {
		t.Fatal(err)
	}
	if out := s.must("fleet show"); !strings.Contains(out, "ops (Slack): not looked at yet") {
		t.Errorf("got %s", out)
	}
	if out := s.must("fleet show -o yaml"); !strings.Contains(out, "kind: Fleet") {
		t.Errorf("got %s", out)
	}
	if r := s.do("fleet test-notification opps"); r.code != 1 || !strings.Contains(r.errOut, `there is no notification "opps"`) || !strings.Contains(r.errOut, "it has ops") {
		t.Errorf("exit code %d: %s", r.code, r.errOut)
	}
}

// TestATestIsWaitedFor: until the controllers have answered, with the exit code of their answer.
func TestATestIsWaitedFor(t *testing.T) {
	s := newSession(t)
	err := s.client().Create(t.Context(), &v1alpha1.Fleet{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.FleetName, Namespace: s.namespace},
		Spec: v1alpha1.FleetSpec{Notifications: []v1alpha1.Notification{
			{Name: "ops", Type: v1alpha1.NotificationSlack, URLSecretRef: v1alpha1.SecretKeyReference{Name: "ops", Key: "url"}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for answer, want := range map[string]struct {
		code int
		text string
	}{
		"":                             {0, "notification ops was delivered"},
		v1alpha1.ReasonReceiverRefused: {1, "notification ops was not delivered: ReceiverRefused: the reason"},
		v1alpha1.ReasonInvalidReceiver: {1, "InvalidReceiver"},
		v1alpha1.ReasonReceiverBusy:    {1, "ReceiverBusy"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		go s.answerTest(ctx, answer)
		r := s.do("fleet test-notification ops")
		cancel()
		if r.code != want.code || !strings.Contains(r.out+r.errOut, want.text) {
			t.Errorf("%q: exit code %d: %s%s", answer, r.code, r.out, r.errOut)
		}
	}
}

// answerTest answers the next test as the controllers do.
func (s *session) answerTest(ctx context.Context, reason string) {
	c, key := s.client(), client.ObjectKey{Namespace: s.namespace, Name: v1alpha1.FleetName}
	fleet := &v1alpha1.Fleet{}
	for ctx.Err() == nil {
		if err := c.Get(ctx, key, fleet); err != nil {
			return
		}
		request := fleet.Annotations[v1alpha1.AnnotationTestNotification]
		if last := fleet.Status.NotificationTest; request != "" && (last == nil || last.Request != request) {
			fleet.Status.NotificationTest = &v1alpha1.NotificationTest{Request: request, Reason: reason}
			if reason != "" {
				fleet.Status.NotificationTest.Message = "the reason"
			}
			if c.Status().Update(ctx, fleet) == nil {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}
