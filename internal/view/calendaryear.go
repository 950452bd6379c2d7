// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
)

// CalendarYear tells what a calendar means for the next year: how much of it is open, what becomes of windows when
// clocks change, and the next openings.
func CalendarYear(c *v1alpha1.MaintenanceCalendar, compiled *calendar.Calendar, now time.Time) string {
	var f fields
	f.add("Calendar", Clean(c.Name))
	f.add("Time zone", Clean(c.Spec.TimeZone))
	f.section("Windows", windowsText(c.Spec.Windows))
	f.section("Freezes", freezesText(c.Spec.Freezes, c.Spec.TimeZone, now))
	f.section("The next year", yearText(compiled, now))
	if len(c.Spec.Windows) > 0 {
		f.section("Changes of the clock", changesText(c, compiled, now))
	}
	h := NewHours([]*calendar.Calendar{compiled}, calendar.Wanted{N: shownOpenings}, now)
	f.section("Now", h.nowText())
	if len(h.Openings) > 0 {
		f.section("Openings", h.table().Format(false))
	}
	return f.b.String()
}

// CalendarsTogether tells when several calendars are open at once.
func CalendarsTogether(calendars []*calendar.Calendar, now time.Time) string {
	h := NewHours(calendars, calendar.Wanted{N: shownOpenings}, now)
	var f fields
	f.add("Together", strings.Join(h.Calendars, ", "))
	f.section("Now", h.nowText())
	if len(h.Openings) > 0 {
		f.section("Openings", h.table().Format(false))
	}
	return f.b.String()
}

// yearText has a line for each kind of upgrade; kinds with the same year share it.
func yearText(c *calendar.Calendar, now time.Time) string {
	var lines []string
	kinds := map[string][]v1alpha1.UpgradeKind{}
	for _, kind := range calendar.Kinds() {
		line := yearOf(calendar.Combine(c).Between(now, now.AddDate(1, 0, 0), kind), now)
		if kinds[line] == nil {
			lines = append(lines, line)
		}
		kinds[line] = append(kinds[line], kind)
	}
	var b strings.Builder
	for _, line := range lines {
		who := kindsText(kinds[line])
		if len(kinds[line]) == len(calendar.Kinds()) {
			who = "all upgrades"
		}
		fmt.Fprintf(&b, "%s: %s\n", who, line)
	}
	return b.String()
}

func yearOf(openings []calendar.Opening, now time.Time) string {
	if len(openings) == 0 {
		return "never open"
	}
	var open, shortest, longestClosed time.Duration
	last := now
	for _, o := range openings {
		length := o.To.Sub(o.From)
		open += length
		if shortest == 0 || length < shortest {
			shortest = length
		}
		longestClosed = max(longestClosed, o.From.Sub(last))
		last = o.To
	}
	longestClosed = max(longestClosed, now.AddDate(1, 0, 0).Sub(last))
	return fmt.Sprintf("%s, %s in all, the shortest %s; closed for at most %s", count(len(openings), "opening"), hours(open), Elapsed(shortest), Elapsed(longestClosed))
}

// hours writes a long time in hours, as people plan with them.
func hours(d time.Duration) string { return fmt.Sprintf("%dh", int64(d/time.Hour)) }

// changesText has a line for each change of the clock in the next year, and one for each start that it touches.
func changesText(c *v1alpha1.MaintenanceCalendar, compiled *calendar.Calendar, now time.Time) string {
	changes := compiled.Changes(now, now.AddDate(1, 0, 0))
	if len(changes) == 0 {
		return "none\n"
	}
	var b strings.Builder
	for _, change := range changes {
		direction, by := "forward", change.After-change.Before
		if by < 0 {
			direction, by = "back", -by
		}
		fmt.Fprintf(&b, "%s: %s by %s\n", clockText(&change.At, compiled.Location(), ""), direction, Elapsed(by))
		if len(change.Starts) == 0 {
			b.WriteString("  no window starts in what is left out or comes twice\n")
		}
		for _, s := range change.Starts {
			fmt.Fprintf(&b, "  %s: %s\n", windowText(&c.Spec.Windows[s.Window]), changedStart(s, by, direction, compiled.Location()))
		}
	}
	return b.String()
}

// windowText names a window.
func windowText(w *v1alpha1.MaintenanceWindow) string {
	if w.Cron != "" {
		return "cron " + Clean(w.Cron)
	}
	return Clean(w.RRule) + " at " + Clean(w.Start)
}

func changedStart(s calendar.ChangedStart, by time.Duration, direction string, location *time.Location) string {
	text := s.Wall.Format("15:04") + " does not exist"
	if direction == "back" {
		text = s.Wall.Format("15:04") + " comes twice"
	}
	if len(s.At) == 0 {
		return text + ", so it does not open on that day"
	}
	var at []string
	for _, t := range s.At {
		at = append(at, clockText(&t, location, ""))
	}
	text += ", so it opens at " + strings.Join(at, " and at ")
	if direction == "forward" {
		text += ", " + Elapsed(by) + " later on the clock"
	}
	return text
}
