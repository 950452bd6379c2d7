// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// byCalendar says that a wait is told best by the calendars that hold.
func byCalendar(reason string) bool {
	_, ok := ofCalendars[reason]
	return ok
}

func stageCalendars(run *v1alpha1.UpgradeRun, stage string) []v1alpha1.LocalObjectReference {
	if run.Status.Strategy == nil {
		return nil
	}
	for i := range run.Status.Strategy.Stages {
		if s := &run.Status.Strategy.Stages[i]; s.Name == stage && s.CalendarRef != nil {
			return []v1alpha1.LocalObjectReference{*s.CalendarRef}
		}
	}
	return nil
}

// calendar explains a wait by the calendars of the fleet, the stage and the cluster, which hold together.
func (w *why) calendar(c cause, refs []v1alpha1.LocalObjectReference, cluster *v1alpha1.Cluster) {
	type holding struct{ name, whose string }
	var all []holding
	if w.fleet != nil {
		for _, r := range w.fleet.Spec.CalendarRefs {
			all = append(all, holding{r.Name, "the fleet's"})
		}
	}
	for _, r := range refs {
		all = append(all, holding{r.Name, "the stage's"})
	}
	if cluster != nil && cluster.Spec.CalendarRef != nil {
		all = append(all, holding{cluster.Spec.CalendarRef.Name, "the cluster's"})
	}
	var next [][]v1alpha1.Opening
	for _, h := range all {
		calendar := w.calendars[h.name]
		reason, message := w.calendarSays(calendar)
		if w.names["calendar"] == "" || reason != "" {
			w.names["calendar"] = h.name
		}
		w.link("calendar "+h.name, reason, h.whose+": "+message, nil)
		if calendar != nil && len(calendar.Status.Next) > 0 {
			next = append(next, calendar.Status.Next)
		}
	}
	if at := firstCommon(next, w.now); c.until == nil && len(next) == len(all) && c.reason != v1alpha1.ReasonNeverOpens && !at.IsZero() {
		c.until = new(metav1.NewTime(at))
	}
	w.conclude(c)
}

// calendarSays is what a calendar is now; a reason when it is in the way.
func (w *why) calendarSays(c *v1alpha1.MaintenanceCalendar) (reason, message string) {
	if c == nil {
		return v1alpha1.ReasonCalendarMissing, "it does not exist"
	}
	if ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Status == metav1.ConditionFalse {
		return ready.Reason, ready.Message
	}
	for _, f := range c.Spec.Freezes {
		if !w.now.Before(f.From.Time) && w.now.Before(f.To.Time) {
			return v1alpha1.ReasonFrozen, fmt.Sprintf("frozen until %s: %s", instant(f.To.Time, w.now), Clean(f.Reason))
		}
	}
	for _, o := range c.Status.Next {
		switch {
		case isOver(o, w.now):
		case w.now.Before(o.From.Time):
			return v1alpha1.ReasonOutsideWindow, "closed until " + instant(o.From.Time, w.now)
		default:
			if o.To == nil {
				return "", "open"
			}
			return "", "open until " + instant(o.To.Time, w.now)
		}
	}
	if len(c.Spec.Windows) == 0 {
		return "", "open"
	}
	return v1alpha1.ReasonOutsideWindow, "its next opening is not known"
}

// isOver says whether an opening is over at an instant; one without an end never is.
func isOver(o v1alpha1.Opening, at time.Time) bool { return o.To != nil && !at.Before(o.To.Time) }

// instant is a point in time in the time zone of now.
func instant(at, now time.Time) string {
	return at.In(now.Location()).Format("Mon 2006-01-02 15:04 MST")
}

// firstCommon is the first instant after now at which all lists have an opening; zero: the lists do not tell.
func firstCommon(lists [][]v1alpha1.Opening, now time.Time) time.Time {
	var found time.Time
	for _, list := range lists { // an opening of all begins where one of them begins
		for _, o := range list {
			if at := o.From.Time; at.After(now) && (found.IsZero() || at.Before(found)) && allOpen(lists, at) {
				found = at
			}
		}
	}
	return found
}

func allOpen(lists [][]v1alpha1.Opening, at time.Time) bool {
	for _, list := range lists {
		open := false
		for _, o := range list {
			open = open || !at.Before(o.From.Time) && !isOver(o, at)
		}
		if !open {
			return false
		}
	}
	return true
}
