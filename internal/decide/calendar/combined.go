// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// Opening is a time in which upgrades may happen, from an instant to another, exclusive.
type Opening struct {
	// From is when it opens. Zero: it has been open for longer than Sengu looks back (512 days).
	From time.Time
	// To is when it closes. Zero: it does not close within the Horizon.
	To time.Time
}

// State is what calendars say at an instant.
type State struct {
	// Open: upgrades may start.
	Open bool
	// Until is when this ends: the calendars close, or all of them are open. Zero: not within the Horizon.
	Until time.Time
	// Reason why not, OutsideWindow or Frozen. Empty when open.
	Reason string
	// Message is one sentence for people, without times. Empty when open.
	Message string
	// Calendar that keeps it closed; of several, the one that opens last. Empty when open.
	Calendar string
}

// Combined is several calendars that hold together: open is when all of them are. Nil is always open. It never
// changes, so it may be used by many at once.
type Combined struct {
	calendars []*Calendar
	// expanded by kind, when Expand was called.
	expanded map[v1alpha1.UpgradeKind]*look
}

// Combine makes one of several calendars: the most restrictive wins. None: always open. Nil ones are left out.
func Combine(calendars ...*Calendar) *Combined {
	return &Combined{calendars: slices.DeleteFunc(slices.Clone(calendars), func(c *Calendar) bool { return c == nil })}
}

// Expand returns the same calendars with their openings worked out between two instants. The answers are the same,
// and much faster between the two; it pays from a few dozen questions on. Ask for some weeks more than are needed:
// an answer that depends on what lies beyond is worked out anew.
func (c *Combined) Expand(from, to time.Time) *Combined {
	if c == nil || !from.Before(to) {
		return c
	}
	out := &Combined{calendars: c.calendars, expanded: map[v1alpha1.UpgradeKind]*look{}}
	kinds := Kinds()
	lo, hi := from.Add(-reaches[1]).Unix(), to.Unix()
	for i, kind := range kinds {
		if i > 0 && !slices.ContainsFunc(c.calendars, (*Calendar).tellsKinds) {
			out.expanded[kind] = out.expanded[kinds[0]]
			continue
		}
		out.expanded[kind] = c.look(kind, lo, hi)
	}
	return out
}

// tellsKinds reports whether a window or freeze holds for some kinds only.
func (c *Calendar) tellsKinds() bool {
	return slices.ContainsFunc(c.windows, func(w window) bool { return len(w.kinds) > 0 }) ||
		slices.ContainsFunc(c.freezes, func(f freeze) bool { return len(f.kinds) > 0 })
}

// At says whether upgrades of a kind may start now, and if not why.
func (c *Combined) At(now time.Time, kind v1alpha1.UpgradeKind) State {
	if c == nil || len(c.calendars) == 0 {
		return State{Open: true}
	}
	at := now.Unix()
	next := c.after(kind, at, 1, nil)
	if len(next) == 1 && next[0].from <= at {
		return State{Open: true, Until: instant(next[0].to)}
	}
	state := State{}
	if len(next) == 1 {
		state.Until = instant(next[0].from)
	}
	closed := c.closedLongest(kind, at)
	state.Calendar = closed.name
	state.Reason, state.Message = closed.why(kind, at)
	return state
}

// why says why a calendar that is closed is.
func (c *Calendar) why(kind v1alpha1.UpgradeKind, at int64) (reason, message string) {
	if f := c.frozen(kind, at); f != nil {
		return v1alpha1.ReasonFrozen, fmt.Sprintf("calendar %s is frozen: %s", c.name, f.reason)
	}
	if !c.hasWindow(kind) {
		return v1alpha1.ReasonOutsideWindow, fmt.Sprintf("calendar %s has no window for %s upgrades, so none may start", c.name, kind)
	}
	return v1alpha1.ReasonOutsideWindow, fmt.Sprintf("no window of calendar %s is open", c.name)
}

// closedLongest is the calendar that opens last of those that are closed.
func (c *Combined) closedLongest(kind v1alpha1.UpgradeKind, at int64) *Calendar {
	if len(c.calendars) == 1 {
		return c.calendars[0]
	}
	var found *Calendar
	latest := int64(always)
	for _, calendar := range c.calendars {
		opens := int64(forever)
		if next := c.afterOf(calendar, kind, at); len(next) == 1 {
			opens = next[0].from
		}
		if opens > at && opens > latest {
			found, latest = calendar, opens
		}
	}
	return found
}

// Next is the opening in hand if at least that much is left of it, else the first later one that is long enough.
// False: there is none within the Horizon.
func (c *Combined) Next(from time.Time, kind v1alpha1.UpgradeKind, atLeast time.Duration) (Opening, bool) {
	found := c.openings(from, kind, 1, atLeast)
	if len(found) == 0 {
		return Opening{}, false
	}
	return found[0], true
}

// Openings are the opening in hand and the next ones, at most n within the Horizon.
func (c *Combined) Openings(from time.Time, kind v1alpha1.UpgradeKind, n int) []Opening {
	return c.openings(from, kind, n, 0)
}

// openings are those of which at least so much is left.
func (c *Combined) openings(from time.Time, kind v1alpha1.UpgradeKind, n int, atLeast time.Duration) []Opening {
	if n < 1 {
		return nil
	}
	if c == nil || len(c.calendars) == 0 {
		return []Opening{{}}
	}
	at := from.Unix()
	// What is left counts from the instant itself, of which at is the whole seconds.
	later := wholeSeconds(atLeast%time.Second) + int64(atLeast/time.Second)
	inHand := wholeSeconds(atLeast%time.Second+time.Duration(from.Nanosecond())) + int64(atLeast/time.Second)
	found := c.after(kind, at, n, func(s span) bool {
		if s.from <= at {
			return s.to == forever || s.to-at >= inHand
		}
		return s.to == forever || s.to-s.from >= later
	})
	out := make([]Opening, len(found))
	for i, s := range found {
		out[i] = opening(s)
	}
	return out
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

func opening(s span) Opening { return Opening{From: instant(s.from), To: instant(s.to)} }

// instant of a second; the zero time when there is none.
func instant(at int64) time.Time {
	if at == always || at == forever {
		return time.Time{}
	}
	return time.Unix(at, 0).UTC()
}

// look is what calendars say of a kind between two instants.
type look struct {
	span
	each [][]span // of each calendar
	all  []span   // of all together
}

// look works out the openings between two instants.
func (c *Combined) look(kind v1alpha1.UpgradeKind, lo, hi int64) *look {
	l := &look{span: span{lo, hi}, all: []span{{lo, hi}}}
	for _, calendar := range c.calendars {
		spans := calendar.spans(kind, lo, hi)
		l.each = append(l.each, spans)
		l.all = intersect(l.all, spans)
	}
	return l
}

// reaches are how far ahead a question looks, one after the other until the answer is sure: most are answered by the
// first. Back it looks as far, but not further than hindsight.
//
// The last one looks beyond the Horizon by the longest window: an opening in which the Horizon lies has an end all the
// same, or else every calendar would open for ever there.
var reaches = []time.Duration{8 * 24 * time.Hour, 64 * 24 * time.Hour, 512 * 24 * time.Hour, Horizon + longest}

// after finds the first n openings that end after an instant and suit.
func (c *Combined) after(kind v1alpha1.UpgradeKind, at int64, n int, suits func(span) bool) []span {
	if l := c.expanded[kind]; l != nil && l.from < at && at < l.to {
		if found, sure := l.after(l.all, at, n, suits); sure {
			return found
		}
	}
	for _, reach := range reaches {
		l := c.look(kind, at-int64(min(reach, hindsight)/time.Second), at+int64(reach/time.Second))
		if found, sure := l.after(l.all, at, n, suits); sure {
			return found
		}
	}
	return nil // not reached: the last look is always sure
}

// afterOf is the next opening of one of the calendars.
func (c *Combined) afterOf(calendar *Calendar, kind v1alpha1.UpgradeKind, at int64) []span {
	if l := c.expanded[kind]; l != nil && l.from < at && at < l.to {
		if found, sure := l.after(l.each[slices.Index(c.calendars, calendar)], at, 1, nil); sure {
			return found
		}
	}
	return Combine(calendar).after(kind, at, 1, nil)
}

// after finds the first n spans that end after an instant and suit. It is not sure when what lies beyond the look may
// change the answer. Spans that reach the limits of a question have no end there.
func (l *look) after(spans []span, at int64, n int, suits func(span) bool) (found []span, sure bool) {
	oldest, latest := at-int64(hindsight/time.Second), at+int64(Horizon/time.Second)
	begin := max(l.from, oldest)
	for i := sort.Search(len(spans), func(i int) bool { return spans[i].to > at }); i < len(spans); i++ {
		s := spans[i]
		if s.from >= latest {
			break
		}
		if s.from <= begin {
			if begin != oldest {
				return nil, false
			}
			s.from = always
		}
		if s.to >= l.to {
			if l.to < latest+int64(longest/time.Second) {
				return nil, false
			}
			s.to = forever
		}
		if suits != nil && !suits(s) {
			continue
		}
		if found = append(found, s); len(found) == n {
			return found, true
		}
	}
	return found, l.to >= latest
}
