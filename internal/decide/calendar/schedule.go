// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"cmp"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// Kinds of upgrade, from the smallest to the largest.
func Kinds() []v1alpha1.UpgradeKind {
	return []v1alpha1.UpgradeKind{v1alpha1.UpgradeKindNodeImage, v1alpha1.UpgradeKindPatch, v1alpha1.UpgradeKindMinor}
}

// Scheduled is an opening with the kinds of upgrade that it is for.
type Scheduled struct {
	Opening
	// For these kinds. Empty: for all.
	For []v1alpha1.UpgradeKind
}

// Wanted says which openings are asked for.
type Wanted struct {
	// Kinds of upgrade; empty: all.
	Kinds []v1alpha1.UpgradeKind
	// AtLeast so much must be left of each.
	AtLeast time.Duration
	// N at most.
	N int
}

// Schedule is the openings in hand and the next ones over kinds of upgrade, by their beginnings. Kinds with the same
// opening share it; openings of different kinds may overlap.
func (c *Combined) Schedule(from time.Time, w Wanted) []Scheduled {
	kinds := w.Kinds
	if len(kinds) == 0 {
		kinds = Kinds()
	}
	var out []Scheduled
	for _, kind := range kinds {
		for _, o := range c.openings(from, kind, w.N, w.AtLeast) {
			if i := slices.IndexFunc(out, func(s Scheduled) bool { return s.Opening == o }); i >= 0 {
				out[i].For = append(out[i].For, kind)
				continue
			}
			out = append(out, Scheduled{Opening: o, For: []v1alpha1.UpgradeKind{kind}})
		}
	}
	slices.SortStableFunc(out, func(a, b Scheduled) int { return cmp.Or(a.From.Compare(b.From), compareEnds(a.To, b.To)) })
	out = out[:max(0, min(w.N, len(out)))]
	for i := range out {
		if len(out[i].For) == len(Kinds()) {
			out[i].For = nil
		}
	}
	return out
}

// compareEnds puts what never ends last.
func compareEnds(a, b time.Time) int {
	switch {
	case a.Equal(b):
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// Without are the kinds of upgrade that never start under a calendar, because its windows are for others.
func (c *Calendar) Without() []v1alpha1.UpgradeKind {
	return slices.DeleteFunc(Kinds(), c.hasWindow)
}

// Change is a change of a calendar's clock.
type Change struct {
	// At which instant.
	At time.Time
	// Before and After are how far the clock is from UTC.
	Before, After time.Duration
	// Starts that do not exist or come twice because of it.
	Starts []ChangedStart
}

// ChangedStart is the start of a window at a time that a change of the clock leaves out or repeats.
type ChangedStart struct {
	// Window by its place in the spec, from 0.
	Window int
	// Wall is the time on the clock, written in UTC.
	Wall time.Time
	// At are the instants at which the window opens instead; none: it is left out.
	At []time.Time
}

// Changes are the changes of the calendar's clock between two instants, and what becomes of the windows that start
// in them.
func (c *Calendar) Changes(from, to time.Time) []Change {
	var out []Change
	clock := c.clock()
	before := clock.periodAt(from.Unix())
	for before.to < to.Unix() {
		after := clock.periodAt(before.to)
		if before.offset != after.offset {
			out = append(out, c.change(before, after))
		}
		before = after
	}
	return out
}

func (c *Calendar) change(before, after period) Change {
	change := Change{At: instant(before.to), Before: time.Duration(before.offset) * time.Second, After: time.Duration(after.offset) * time.Second}
	// The clock jumps from one of these times to the other: over what is between, or back over it.
	lo, hi := before.to+min(before.offset, after.offset), before.to+max(before.offset, after.offset)
	clock := c.clock()
	for i := range c.windows {
		w := &c.windows[i]
		w.days.on(dayOf(lo), dayOf(hi), func(d day) bool {
			for _, second := range w.minutes {
				wall := d.midnight() + second
				if wall < lo || wall >= hi || wall > w.until {
					continue
				}
				start := ChangedStart{Window: i, Wall: instant(wall)}
				clock.instants(wall, func(at int64) bool {
					start.At = append(start.At, instant(at))
					return true
				})
				change.Starts = append(change.Starts, start)
			}
			return true
		})
	}
	return change
}

// Between are the openings for a kind between two instants, cut off at both.
func (c *Combined) Between(from, to time.Time, kind v1alpha1.UpgradeKind) []Opening {
	if c == nil {
		c = &Combined{}
	}
	var out []Opening
	for _, s := range c.look(kind, from.Unix(), max(from.Unix(), to.Unix())).all {
		if s.from < s.to {
			out = append(out, opening(s))
		}
	}
	return out
}
