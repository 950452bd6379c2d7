// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

func TestDescribeFleet(t *testing.T) {
	bare := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: "fleet"}}
	golden(t, "fleet-bare", view.DescribeFleet(bare, viewtest.Now))

	full := bare.DeepCopy()
	full.Spec = v1alpha1.FleetSpec{MaxConcurrency: new(intstr.FromString("10%")), CalendarRefs: []v1alpha1.LocalObjectReference{{Name: "year-end"}},
		Notifications: []v1alpha1.Notification{
			{Name: "ops", Type: v1alpha1.NotificationSlack},
			{Name: "pager", Type: v1alpha1.NotificationCloudEvents, Events: []v1alpha1.NotificationEvent{v1alpha1.EventRunFailed, v1alpha1.EventClusterFailed}},
			{Name: "new", Type: v1alpha1.NotificationTeams},
		}}
	full.Status = v1alpha1.FleetStatus{
		Notifications: []v1alpha1.NotificationStatus{
			{Name: "ops", Since: viewtest.Ago(3 * time.Hour)},
			{Name: "pager", Since: viewtest.Ago(time.Hour), Reason: v1alpha1.ReasonReceiverUnreachable, Message: "the receiver has not answered in 10s\x1b[2J"},
		},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionNotificationsDelivered, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonReceiverUnreachable, LastTransitionTime: *viewtest.Ago(12 * time.Minute)}},
	}
	golden(t, "fleet", view.DescribeFleet(full, viewtest.Now))
}
