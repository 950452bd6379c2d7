// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
)

// shown is how many openings a status holds.
const shown = 10

// writeStatus puts what a calendar means into its status and returns after how long to look again; zero: when it is
// edited.
func writeStatus(c *v1alpha1.MaintenanceCalendar, now time.Time) time.Duration {
	c.Status.ObservedGeneration, c.Status.Next = c.Generation, nil
	compiled, err := calendar.Compile(c.Name, &c.Spec)
	if err != nil {
		reason := v1alpha1.ReasonInvalidCalendar
		if refusal, ok := errors.AsType[*calendar.Error](err); ok {
			reason = refusal.Reason
		}
		set(c, metav1.ConditionFalse, reason, err.Error())
		return 0
	}
	openings := calendar.Combine(compiled).Schedule(now, calendar.Wanted{N: shown})
	if len(openings) == 0 {
		set(c, metav1.ConditionFalse, v1alpha1.ReasonNeverOpens, fmt.Sprintf(
			"calendar %s does not open within five years: its rules are over, or its freezes cover all of its windows", c.Name))
		return lookEvery
	}
	message := "its windows and freezes are accepted"
	if without := compiled.Without(); len(without) > 0 {
		message += fmt.Sprintf("; no window is for %s upgrades, so none may start", listed(without))
	}
	set(c, metav1.ConditionTrue, v1alpha1.ReasonAccepted, message)
	next := lookEvery
	for _, o := range openings {
		shown := v1alpha1.Opening{From: metav1.NewTime(o.From), For: o.For}
		if o.From.IsZero() {
			shown.From = c.CreationTimestamp
		}
		if !o.To.IsZero() {
			shown.To = new(metav1.NewTime(o.To))
			next = min(next, o.To.Sub(now))
		}
		c.Status.Next = append(c.Status.Next, shown)
	}
	return next
}

// listed writes kinds as people say them.
func listed(kinds []v1alpha1.UpgradeKind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = string(k)
	}
	return strings.Join(words, " or ")
}

func set(c *v1alpha1.MaintenanceCalendar, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message, ObservedGeneration: c.Generation,
	})
}

func changed(before, after *v1alpha1.MaintenanceCalendar) bool {
	return !equality.Semantic.DeepEqual(before.Status, after.Status)
}
