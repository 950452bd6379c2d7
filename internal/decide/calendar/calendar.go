// SPDX-License-Identifier: Apache-2.0

// Package calendar answers "open now? when next?" for maintenance calendars.
//
// The libraries that read recurrence rules and cron expressions are right about days and wrong about clocks that
// change, each in another way. So they are asked for days only. A start is a day and a time on the wall clock;
// zone.go maps it to an instant, and says what happens when that time does not exist or comes twice. From there on
// everything is instants: a window is as long as it says in elapsed time, windows add up, freezes subtract, and what
// overlaps or touches is one opening.
package calendar

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// Horizon is how far a question looks ahead: five years. Later openings count as none, and what is still open then
// as never closing.
const Horizon = 5 * 366 * 24 * time.Hour

const (
	// hindsight is how far a question looks back for the beginning of an opening in hand.
	hindsight = 512 * 24 * time.Hour

	// shortest and longest bound the duration of a window. Nothing useful fits in less; and who wants more than a
	// year leaves the windows out.
	shortest = time.Minute
	longest  = 366 * 24 * time.Hour

	// busiest is how many times a day a window may open. More are a sign of a longer duration that was meant.
	busiest = 24

	// trial is for how many years from the anchor a rule must open once: long enough for a 29 February on a Monday.
	trial = 40
)

// Error says why a calendar cannot be used.
type Error struct {
	// Reason is one of the documented constants of the API.
	Reason string
	// Message is one sentence: what, where, what to do.
	Message string
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Message }

// days are the days of a recurrence.
type days interface {
	// on yields each day of the recurrence from first to last in ascending order, until yield says false.
	on(first, last day, yield func(day) bool)
}

// window is a compiled MaintenanceWindow.
type window struct {
	days    days
	minutes []int64 // of the day, in seconds after midnight on the wall clock
	until   int64   // the last second on the wall clock that may be a start
	seconds int64   // elapsed
	kinds   []v1alpha1.UpgradeKind
}

// freeze is a compiled Freeze.
type freeze struct {
	span
	kinds  []v1alpha1.UpgradeKind
	reason string
}

// Calendar is a compiled MaintenanceCalendar. It never changes, so it may be used by many at once.
type Calendar struct {
	name     string
	location *time.Location
	gap      v1alpha1.GapPolicy
	fold     v1alpha1.FoldPolicy
	windows  []window
	freezes  []freeze
	// back is how far before an instant a window that is still open then may have started.
	back int64
}

// Compile reads a calendar. The error is an *Error with one sentence.
func Compile(name string, spec *v1alpha1.MaintenanceCalendarSpec) (*Calendar, error) {
	c := &Calendar{name: name, gap: spec.Gap, fold: spec.Fold}
	var err error
	if c.location, err = Zone(spec.TimeZone); err != nil {
		return nil, c.invalid("spec.timeZone", err)
	}
	for i := range spec.Windows {
		where := fmt.Sprintf("spec.windows[%d]", i)
		w, err := compileWindow(&spec.Windows[i], c.location)
		if err != nil {
			return nil, c.invalid(where, err)
		}
		if !c.everStarts(w) {
			return nil, c.invalid(where, fmt.Errorf("%s never opens: no day of the next %d years has it", written(&spec.Windows[i]), trial))
		}
		c.windows = append(c.windows, *w)
		c.back = max(c.back, w.seconds)
	}
	for i := range spec.Freezes {
		f := &spec.Freezes[i]
		from, to := f.From.Unix(), f.To.Unix()
		if from >= to {
			return nil, c.invalid(fmt.Sprintf("spec.freezes[%d]", i), errors.New("from must be before to"))
		}
		c.freezes = append(c.freezes, freeze{span: span{from, to}, kinds: f.For, reason: f.Reason})
	}
	if !c.everOpens() {
		return nil, &Error{v1alpha1.ReasonNeverOpens, fmt.Sprintf(
			"calendar %s never opens: its freezes cover all of its windows; shorten a freeze", c.name)}
	}
	return c, nil
}

// Name of the calendar.
func (c *Calendar) Name() string { return c.name }

// Location is the time zone of the calendar.
func (c *Calendar) Location() *time.Location { return c.location }

func (c *Calendar) invalid(where string, err error) *Error {
	return &Error{v1alpha1.ReasonInvalidCalendar, fmt.Sprintf("calendar %s cannot be used: %s: %v", c.name, where, err)}
}

// written is how a person wrote the recurrence of a window.
func written(w *v1alpha1.MaintenanceWindow) string {
	if w.Cron != "" {
		return fmt.Sprintf("cron %q", w.Cron)
	}
	return fmt.Sprintf("rrule %q", w.RRule)
}

func compileWindow(w *v1alpha1.MaintenanceWindow, location *time.Location) (*window, error) {
	if (w.RRule == "") == (w.Cron == "") {
		return nil, errors.New("set exactly one of rrule and cron")
	}
	if w.Duration.Duration < shortest || w.Duration.Duration > longest {
		return nil, fmt.Errorf("duration is %s: a window is at least %s and at most %s long", w.Duration.Duration, shortest, longest)
	}
	out := &window{seconds: int64(w.Duration.Duration / time.Second), kinds: w.For, until: forever}
	if w.Cron != "" {
		if w.Start != "" {
			return nil, errors.New("start goes with rrule: a cron expression has its own time")
		}
		expression, err := parseCron(w.Cron)
		if err != nil {
			return nil, fmt.Errorf("cron %q: %w", w.Cron, err)
		}
		out.days, out.minutes = expression, expression.minutes
		return out, nil
	}
	start, err := time.Parse("15:04", w.Start)
	if err != nil {
		return nil, fmt.Errorf("start %q is not a time of day like 22:00", w.Start)
	}
	r, err := parseRule(w.RRule, location)
	if err != nil {
		return nil, fmt.Errorf("rrule %q: %w", w.RRule, err)
	}
	out.days, out.until = r, r.until
	out.minutes = []int64{int64(start.Hour())*3600 + int64(start.Minute())*60}
	return out, nil
}

// everStarts reports whether a window starts at all, with the policies of the calendar.
func (c *Calendar) everStarts(w *window) bool {
	first, _ := anchor.year()
	found := false
	clock := c.clock()
	w.starts(&clock, anchor, firstOf(first+trial, 1), func(int64) bool {
		found = true
		return false
	})
	return found
}

// everOpens reports whether any kind of upgrade ever finds the calendar open.
func (c *Calendar) everOpens() bool {
	if len(c.freezes) == 0 {
		return true
	}
	first, _ := anchor.year()
	for _, kind := range Kinds() {
		for year := first; year < first+trial; year++ {
			if len(c.spans(kind, firstOf(year, 1).midnight(), firstOf(year+1, 1).midnight())) > 0 {
				return true
			}
		}
	}
	return false
}

// holds reports whether a window or freeze speaks of a kind of upgrade.
func holds(kinds []v1alpha1.UpgradeKind, kind v1alpha1.UpgradeKind) bool {
	return len(kinds) == 0 || slices.Contains(kinds, kind)
}

// hasWindow reports whether an upgrade of a kind may ever start, freezes aside.
func (c *Calendar) hasWindow(kind v1alpha1.UpgradeKind) bool {
	return len(c.windows) == 0 || slices.ContainsFunc(c.windows, func(w window) bool { return holds(w.kinds, kind) })
}

func (c *Calendar) clock() wallClock {
	return wallClock{location: c.location, gap: c.gap, fold: c.fold}
}

// starts yields the instants at which a window starts on the days from first to last.
func (w *window) starts(clock *wallClock, first, last day, yield func(int64) bool) {
	w.days.on(first, last, func(d day) bool {
		for _, second := range w.minutes {
			wall := d.midnight() + second
			if wall > w.until {
				return false
			}
			if !clock.instants(wall, yield) {
				return false
			}
		}
		return true
	})
}

// spans are the openings for a kind between two instants, cut off at both.
func (c *Calendar) spans(kind v1alpha1.UpgradeKind, lo, hi int64) []span {
	var out []span
	if len(c.windows) == 0 {
		out = []span{{lo, hi}}
	}
	clock := c.clock()
	for i := range c.windows {
		w := &c.windows[i]
		if !holds(w.kinds, kind) {
			continue
		}
		// A day more at each end: the wall clock may be as far as that from UTC.
		w.starts(&clock, dayOf(lo-w.seconds)-1, dayOf(hi)+1, func(start int64) bool {
			if end := start + w.seconds; start < hi && end > lo {
				out = append(out, span{max(start, lo), min(end, hi)})
			}
			return true
		})
	}
	out = merge(out)
	if len(c.freezes) == 0 {
		return out
	}
	var frozen []span
	for _, f := range c.freezes {
		if holds(f.kinds, kind) {
			frozen = append(frozen, f.span)
		}
	}
	return subtract(out, merge(frozen))
}

// frozen is the freeze that holds for a kind at an instant; of several, the one that ends last.
func (c *Calendar) frozen(kind v1alpha1.UpgradeKind, at int64) *freeze {
	var found *freeze
	for i := range c.freezes {
		f := &c.freezes[i]
		if f.from <= at && at < f.to && holds(f.kinds, kind) && (found == nil || f.to > found.to) {
			found = f
		}
	}
	return found
}
