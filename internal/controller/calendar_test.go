// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// A person writes a calendar, makes a mistake in it, and mends it: its status says each time what it means.
func TestACalendarSaysWhenItOpens(t *testing.T) {
	f := newFleet(t)
	c := &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: "nights"}, Spec: v1alpha1.MaintenanceCalendarSpec{
		TimeZone: "Asia/Tokyo",
		Windows:  []v1alpha1.MaintenanceWindow{{Cron: "0 22 * * *", Duration: metav1.Duration{Duration: 6 * time.Hour}}},
	}}
	f.create(c)
	says := func(reason string) func(*v1alpha1.MaintenanceCalendar) bool {
		return func(c *v1alpha1.MaintenanceCalendar) bool {
			ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
			return ready != nil && ready.Reason == reason && c.Status.ObservedGeneration == c.Generation
		}
	}
	c = until(f, "nights", c, "is accepted", says(v1alpha1.ReasonAccepted))
	if len(c.Status.Next) != 10 {
		t.Fatalf("the next openings are %+v, want ten", c.Status.Next)
	}
	for i, o := range c.Status.Next {
		if o.To.Sub(o.From.Time) != 6*time.Hour || o.From.UTC().Hour() != 13 || len(o.For) != 0 {
			t.Errorf("opening %d is %+v, want 13:00 to 19:00 UTC for all kinds", i, o)
		}
	}
	change := func(cron string, freezes ...v1alpha1.Freeze) {
		t.Helper()
		before := c.DeepCopy()
		c.Spec.Windows[0].Cron, c.Spec.Freezes = cron, freezes
		if err := f.Patch(context.Background(), c, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	change("0 25 * * *")
	c = until(f, "nights", c, "is refused", says(v1alpha1.ReasonInvalidCalendar))
	message := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady).Message
	if !strings.Contains(message, `the hour "25" must be from 0 to 23`) || len(c.Status.Next) != 0 {
		t.Errorf("it says %q and opens %v", message, c.Status.Next)
	}
	change("0 22 * * *", v1alpha1.Freeze{From: metav1.Unix(0, 0), To: metav1.Unix(9e9, 0), Reason: "for ever"})
	c = until(f, "nights", c, "never opens", says(v1alpha1.ReasonNeverOpens))
	change("0 22 * * *")
	until(f, "nights", c, "is accepted again", says(v1alpha1.ReasonAccepted))
}
