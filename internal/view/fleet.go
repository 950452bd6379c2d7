// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// DescribeFleet tells the settings of a fleet, and how its notifications fare.
func DescribeFleet(fleet *v1alpha1.Fleet, now time.Time) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("Fleet %s", Clean(fleet.Namespace))
	limit := "none: only the limits of the runs count"
	if fleet.Spec.MaxConcurrency != nil {
		limit = fleet.Spec.MaxConcurrency.String() + " clusters in flight over all runs"
	}
	line("  Limit:     %s", limit)
	calendars := "none"
	if len(fleet.Spec.CalendarRefs) > 0 {
		var names []string
		for _, ref := range fleet.Spec.CalendarRefs {
			names = append(names, Clean(ref.Name))
		}
		calendars = strings.Join(names, ", ") + " (for every cluster)"
	}
	line("  Calendars: %s", calendars)
	if len(fleet.Spec.Notifications) == 0 {
		line("  Tells:     nobody")
		return b.String()
	}
	line("  Tells:")
	for i := range fleet.Spec.Notifications {
		n := &fleet.Spec.Notifications[i]
		line("    %s (%s): %s", n.Name, n.Type, fares(fleet, n.Name, now))
		line("      of %s", tells(n))
	}
	return b.String()
}

// tells lists the events of a notification.
func tells(n *v1alpha1.Notification) string {
	if len(n.Events) == 0 {
		return "everything but ClusterSucceeded"
	}
	var words []string
	for _, e := range n.Events {
		words = append(words, string(e))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// fares says how a notification does.
func fares(fleet *v1alpha1.Fleet, name string, now time.Time) string {
	i := slices.IndexFunc(fleet.Status.Notifications, func(s v1alpha1.NotificationStatus) bool { return s.Name == name })
	if i < 0 {
		return "not looked at yet: do the controllers run?"
	}
	st := fleet.Status.Notifications[i]
	since := ""
	if st.Since != nil {
		since = fmt.Sprintf(", on for %s", Elapsed(now.Sub(st.Since.Time)))
	}
	if st.Reason == "" {
		return "well" + since
	}
	c := meta.FindStatusCondition(fleet.Status.Conditions, v1alpha1.ConditionNotificationsDelivered)
	if c != nil && c.Status == metav1.ConditionFalse && c.Reason == st.Reason {
		since = fmt.Sprintf(", failing for %s", Elapsed(now.Sub(c.LastTransitionTime.Time)))
	}
	return fmt.Sprintf("%s%s: %s", Clean(st.Reason), since, Clean(st.Message))
}
