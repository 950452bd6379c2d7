// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
	"sengu.dev/sengu/internal/view"
)

// berlin is where the reader is, on a Tuesday morning in November.
func berlin(t *testing.T) time.Time {
	t.Helper()
	location, err := calendar.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return time.Date(2026, 11, 24, 9, 0, 0, 0, location)
}

func day(month time.Month, d int) metav1.Time {
	return metav1.NewTime(time.Date(2026, month, d, 0, 0, 0, 0, time.UTC))
}

// nights are in New York, for minors on working days only.
func nights() *v1alpha1.MaintenanceCalendar {
	long := metav1.Duration{Duration: 6 * time.Hour}
	return &v1alpha1.MaintenanceCalendar{
		ObjectMeta: metav1.ObjectMeta{Name: "nights", Namespace: "default", CreationTimestamp: day(11, 1)},
		Spec: v1alpha1.MaintenanceCalendarSpec{
			TimeZone: "America/New_York",
			Windows: []v1alpha1.MaintenanceWindow{
				{RRule: "FREQ=WEEKLY;BYDAY=TU,WE,TH", Start: "22:00", Duration: long},
				{Cron: "30 1,2 * * SUN", Duration: long, For: []v1alpha1.UpgradeKind{v1alpha1.UpgradeKindNodeImage, v1alpha1.UpgradeKindPatch}},
			},
			Freezes: []v1alpha1.Freeze{
				{From: day(1, 1), To: day(2, 1), Reason: "long over"},
				{From: day(11, 20), To: day(11, 26), Reason: "Black Friday\x1b[31m", For: []v1alpha1.UpgradeKind{v1alpha1.UpgradeKindMinor}},
				{From: day(12, 20), To: metav1.NewTime(day(12, 20).AddDate(0, 0, 21)), Reason: "year end"},
			},
			Fold: v1alpha1.FoldPolicyBoth,
		},
		Status: v1alpha1.MaintenanceCalendarStatus{Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAccepted, Message: "its windows and freezes are accepted",
			LastTransitionTime: day(11, 1),
		}}},
	}
}

// calendars that people write; the mistakes in some are told instead of what they mean.
func calendars() map[string]*v1alpha1.MaintenanceCalendar {
	always := nights()
	always.Name, always.Spec.Windows, always.Spec.Freezes = "only-freezes", nil, always.Spec.Freezes[2:]

	broken := nights()
	broken.Name, broken.Spec.Windows[1].Cron, broken.Spec.Gap, broken.Spec.Fold = "broken", "30 25 * * SUN", v1alpha1.GapPolicySkip, ""

	over := nights()
	over.Name, over.Spec.Windows, over.Spec.Freezes = "over", over.Spec.Windows[:1], nil
	over.Spec.Windows[0].RRule = "FREQ=WEEKLY;BYDAY=TU;UNTIL=20261001"
	over.Spec.TimeZone, over.Spec.Fold = "Europe/Berlin", v1alpha1.FoldPolicySecond
	return map[string]*v1alpha1.MaintenanceCalendar{"nights": nights(), "only-freezes": always, "broken": broken, "over": over}
}

func TestACalendarIsDescribed(t *testing.T) {
	for name, c := range calendars() {
		t.Run(name, func(t *testing.T) {
			golden(t, "calendar-"+name, view.DescribeCalendar(c, berlin(t)))
		})
	}
}

func TestAYearOfACalendar(t *testing.T) {
	for name, c := range calendars() {
		compiled, err := calendar.Compile(c.Name, &c.Spec)
		if err != nil {
			continue
		}
		t.Run(name, func(t *testing.T) {
			golden(t, "calendar-year-"+name, view.CalendarYear(c, compiled, berlin(t)))
		})
	}
}

func TestCalendarsAreListed(t *testing.T) {
	var list []v1alpha1.MaintenanceCalendar
	for _, c := range calendars() {
		list = append(list, *c)
	}
	golden(t, "calendars", view.Calendars(list, berlin(t)).Format(true))
}

func TestHours(t *testing.T) {
	compiled := func(c *v1alpha1.MaintenanceCalendar) *calendar.Calendar {
		out, err := calendar.Compile(c.Name, &c.Spec)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	open := berlin(t).Add(22 * time.Hour) // 02:00 in New York
	here := berlin(t).In(compiled(nights()).Location())
	tests := map[string]struct {
		calendars []*calendar.Calendar
		wanted    calendar.Wanted
		now       time.Time
		wide      bool
	}{
		"open":         {calendars: []*calendar.Calendar{compiled(nights())}, wanted: calendar.Wanted{N: 2}, now: open, wide: true},
		"in-one-zone":  {calendars: []*calendar.Calendar{compiled(nights())}, wanted: calendar.Wanted{N: 2, Kinds: []v1alpha1.UpgradeKind{v1alpha1.UpgradeKindMinor}}, now: here},
		"no-calendar":  {wanted: calendar.Wanted{N: 2}, now: open},
		"never":        {calendars: []*calendar.Calendar{compiled(calendars()["over"])}, wanted: calendar.Wanted{N: 2}, now: open},
		"only-freezes": {calendars: []*calendar.Calendar{compiled(calendars()["only-freezes"])}, wanted: calendar.Wanted{N: 3}, now: open},
		"long-ones":    {calendars: []*calendar.Calendar{compiled(nights())}, wanted: calendar.Wanted{N: 2, AtLeast: 7 * time.Hour}, now: open},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := view.NewHours(tc.calendars, tc.wanted, tc.now)
			golden(t, "hours-"+name, h.Text(tc.wide))
		})
	}
	golden(t, "calendars-together", view.CalendarsTogether([]*calendar.Calendar{compiled(calendars()["only-freezes"]), compiled(nights())}, berlin(t)))
}

// What a calendar says is written by people, and shown to others.
func TestACalendarCannotWriteOnTheTerminal(t *testing.T) {
	c := nights()
	for i := range c.Spec.Freezes {
		c.Spec.Freezes[i].Reason = "\x1b]0;gone\x07"
	}
	c.Name, c.Spec.Windows[1].Cron = "n\x1bn", "0 \x1b * * *"
	all := view.DescribeCalendar(c, berlin(t)) + view.Calendars([]v1alpha1.MaintenanceCalendar{*c}, berlin(t)).Format(true)
	c.Spec.Windows = c.Spec.Windows[:1]
	compiled, err := calendar.Compile(c.Name, &c.Spec)
	if err != nil {
		t.Fatal(err)
	}
	all += view.CalendarYear(c, compiled, berlin(t))
	h := view.NewHours([]*calendar.Calendar{compiled}, calendar.Wanted{N: 3}, berlin(t).AddDate(0, 1, 0))
	if all += h.Text(true); strings.ContainsAny(all, "\x1b\x07") {
		t.Errorf("an escape sequence reaches the terminal:\n%q", all)
	}
}
