// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
)

// shownOpenings is how many openings a description lists.
const shownOpenings = 10

// Calendars lists calendars by name. When they open is worked out here and not read from their status, so that it is
// right without controllers, too.
func Calendars(calendars []v1alpha1.MaintenanceCalendar, now time.Time) Table {
	t := Table{Columns: []Column{
		{Name: "NAME"}, {Name: "TIME ZONE"}, {Name: "NOW"}, {Name: "CHANGES"}, {Name: "READY"}, {Name: "AGE"},
		{Name: "WINDOWS", Wide: true}, {Name: "FREEZES", Wide: true}, {Name: "REASON", Wide: true},
	}}
	for _, c := range sorted(calendars, func(c *v1alpha1.MaintenanceCalendar) string { return c.Name + "/" + c.Namespace }) {
		state, changes := "unusable", ""
		if compiled, err := calendar.Compile(c.Name, &c.Spec); err == nil {
			h := NewHours([]*calendar.Calendar{compiled}, calendar.Wanted{N: 1}, now)
			state, changes = stateText(&h), changeText(&h)
		}
		ready, reason := condition(c.Status.Conditions, v1alpha1.ConditionReady)
		t.add(&c.ObjectMeta, Clean(c.Name), Clean(c.Spec.TimeZone), state, changes, ready, age(&c.ObjectMeta, now),
			fmt.Sprint(len(c.Spec.Windows)), fmt.Sprint(len(c.Spec.Freezes)), reason)
	}
	return t
}

// stateText is one word, or the kinds that may start.
func stateText(h *Hours) string {
	var open []string
	for _, n := range h.Now {
		if n.Open {
			open = append(open, kindsText(n.For))
		}
	}
	switch {
	case len(open) == 0:
		return "closed"
	case len(h.Now) == 1 && len(h.Now[0].For) == 0:
		return "open"
	}
	return "open for " + strings.Join(open, ", ")
}

// changeText is when the first of the answers changes.
func changeText(h *Hours) string {
	var first *time.Time
	for _, n := range h.Now {
		if n.Until != nil && (first == nil || n.Until.Before(*first)) {
			first = n.Until
		}
	}
	if first == nil {
		return "never"
	}
	return "in " + Elapsed(first.Sub(h.now))
}

// DescribeCalendar tells what a calendar says and what that means in the time zone of now.
func DescribeCalendar(c *v1alpha1.MaintenanceCalendar, now time.Time) string {
	var f fields
	f.add("Name", Clean(c.Name))
	f.add("Namespace", Clean(c.Namespace))
	f.add("Time zone", Clean(c.Spec.TimeZone))
	f.add("Clock forward", gapText(c.Spec.Gap))
	f.add("Clock back", foldText(c.Spec.Fold))
	f.add("Age", age(&c.ObjectMeta, now))
	compiled, err := calendar.Compile(c.Name, &c.Spec)
	if err != nil {
		f.add("Problem", Clean(err.Error()))
	}
	f.section("Windows", windowsText(c.Spec.Windows))
	f.section("Freezes", freezesText(c.Spec.Freezes, c.Spec.TimeZone, now))
	if err == nil {
		h := NewHours([]*calendar.Calendar{compiled}, calendar.Wanted{N: shownOpenings}, now)
		f.section("Now", h.nowText())
		if len(h.Openings) > 0 {
			f.section("Openings", h.table().Format(false))
		}
	}
	f.section("Conditions", conditionsText(c.Status.Conditions, now))
	return f.b.String()
}

func gapText(p v1alpha1.GapPolicy) string {
	if p == v1alpha1.GapPolicySkip {
		return "Skip: a start that does not exist is left out"
	}
	return "Shift: a start that does not exist opens the gap's length later"
}

func foldText(p v1alpha1.FoldPolicy) string {
	switch p {
	case v1alpha1.FoldPolicySecond:
		return "Second: a start that comes twice opens at the second"
	case v1alpha1.FoldPolicyBoth:
		return "Both: a start that comes twice opens at each"
	}
	return "First: a start that comes twice opens at the first"
}

func windowsText(windows []v1alpha1.MaintenanceWindow) string {
	if len(windows) == 0 {
		return "always, outside freezes\n"
	}
	t := Table{Columns: []Column{{Name: "RECURS"}, {Name: "START"}, {Name: "LASTS"}, {Name: "FOR"}}}
	for _, w := range windows {
		recurs := cmp.Or(Clean(w.RRule), "cron "+Clean(w.Cron))
		t.Rows = append(t.Rows, []string{recurs, cmp.Or(Clean(w.Start), "-"), Elapsed(w.Duration.Duration), cmp.Or(kindsText(w.For), "all")})
	}
	return t.Format(false)
}

// freezesText shows freezes in the zone of the calendar; those that are over are left to the YAML.
func freezesText(freezes []v1alpha1.Freeze, zone string, now time.Time) string {
	location, err := calendar.Zone(zone)
	if err != nil {
		location = time.UTC
	}
	t := Table{Columns: []Column{{Name: "WHEN"}, {Name: "FROM"}, {Name: "TO"}, {Name: "FOR"}, {Name: "REASON"}}}
	over := 0
	for _, f := range freezes {
		when := "now, " + Elapsed(f.To.Sub(now)) + " left"
		switch {
		case !f.To.After(now):
			over++
			continue
		case f.From.After(now):
			when = "in " + Elapsed(f.From.Sub(now))
		}
		t.Rows = append(t.Rows, []string{
			when, clockText(&f.From.Time, location, ""), clockText(&f.To.Time, location, ""), cmp.Or(kindsText(f.For), "all"), Clean(f.Reason),
		})
	}
	text := ""
	if len(t.Rows) > 0 {
		text = t.Format(false)
	}
	if over > 0 {
		text += count(over, "freeze") + " over\n"
	}
	return text
}
