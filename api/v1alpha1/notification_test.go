// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/hub/hubtest"
)

// TestNotifications tries what people write into a Fleet to be told.
func TestNotifications(t *testing.T) {
	secret := v1alpha1.SecretKeyReference{Name: "hook", Key: "url"}
	ops := func(change func(*v1alpha1.Notification)) []v1alpha1.Notification {
		n := v1alpha1.Notification{Name: "ops", Type: v1alpha1.NotificationSlack, URLSecretRef: secret}
		if change != nil {
			change(&n)
		}
		return []v1alpha1.Notification{n}
	}
	cases := map[string]struct {
		notifications []v1alpha1.Notification
		wantRefusal   string // part of the message; empty: accepted
	}{
		"a chat": {notifications: ops(nil)},
		"a machine, with everything": {notifications: ops(func(n *v1alpha1.Notification) {
			n.Type, n.SigningSecretRef, n.AuthorizationSecretRef = v1alpha1.NotificationCloudEvents, &secret, &secret
			n.Transport, n.Events = v1alpha1.NotificationPlain, []v1alpha1.NotificationEvent{v1alpha1.EventClusterSucceeded, v1alpha1.EventRunFailed}
		})},
		"a chat with a signature": {
			notifications: ops(func(n *v1alpha1.Notification) { n.SigningSecretRef = &secret }),
			wantRefusal:   "signingSecretRef goes with type CloudEvents",
		},
		"a chat with a header": {
			notifications: ops(func(n *v1alpha1.Notification) { n.AuthorizationSecretRef = &secret }),
			wantRefusal:   "authorizationSecretRef goes with type CloudEvents",
		},
		"no URL":         {notifications: ops(func(n *v1alpha1.Notification) { n.URLSecretRef = v1alpha1.SecretKeyReference{} }), wantRefusal: "urlSecretRef"},
		"no type":        {notifications: ops(func(n *v1alpha1.Notification) { n.Type = "" }), wantRefusal: "type"},
		"another type":   {notifications: ops(func(n *v1alpha1.Notification) { n.Type = "Pigeon" }), wantRefusal: "Unsupported value"},
		"another event":  {notifications: ops(func(n *v1alpha1.Notification) { n.Events = []v1alpha1.NotificationEvent{"Party"} }), wantRefusal: "Unsupported value"},
		"an event twice": {notifications: ops(func(n *v1alpha1.Notification) { n.Events = []v1alpha1.NotificationEvent{"RunFailed", "RunFailed"} }), wantRefusal: "Duplicate value"},
		"a name with a slash": {
			notifications: ops(func(n *v1alpha1.Notification) { n.Name = "ops/eu" }),
			wantRefusal:   "should match",
		},
		"two of one name": {notifications: append(ops(nil), ops(nil)...), wantRefusal: "Duplicate value"},
	}
	hub, namespace := hubClient(t), hubtest.Namespace(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			fleet := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.FleetName},
				Spec: v1alpha1.FleetSpec{Notifications: tc.notifications}}
			expectRefusal(t, hub.Create(context.Background(), fleet, client.DryRunAll), tc.wantRefusal)
		})
	}
}
