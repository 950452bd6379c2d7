// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Ends of what has none.
const (
	always  = math.MinInt64
	forever = math.MaxInt64
)

// span is from one instant to another, exclusive, in whole seconds of Unix time.
type span struct{ from, to int64 }

// merge sorts spans and makes one of those that overlap or touch. It writes over its input.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// subtract takes holes out of spans. Both are sorted and disjoint.
func subtract(spans, holes []span) []span {
	var out []span
	for _, s := range spans {
		for len(holes) > 0 && holes[0].to <= s.from {
			holes = holes[1:]
		}
		for i := 0; i < len(holes) && holes[i].from < s.to && s.from < s.to; i++ {
			if holes[i].from > s.from {
				out = append(out, span{s.from, holes[i].from})
			}
			s.from = holes[i].to
		}
		if s.from < s.to {
			out = append(out, s)
		}
	}
	return out
}

// intersect keeps what is in both. Both are sorted and disjoint.
func intersect(a, b []span) []span {
	var out []span
	for len(a) > 0 && len(b) > 0 {
		if both := (span{max(a[0].from, b[0].from), min(a[0].to, b[0].to)}); both.from < both.to {
			out = append(out, both)
		}
		if a[0].to <= b[0].to {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// day counts the days since 1 January 1970, on any wall clock.
type day int64

// anchor is from where intervals are counted: Monday, 1 January 2024.
const anchor day = 19723

const secondsPerDay = 24 * 60 * 60

// firstOf is the first day of a month. Months beyond twelve are in later years.
func firstOf(year int, month time.Month) day {
	return dayOf(time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Unix())
}

// dayOf is the day of a second on the wall clock.
func dayOf(wall int64) day {
	d := wall / secondsPerDay
	if wall%secondsPerDay < 0 {
		d--
	}
	return day(d)
}

// midnight is the first second of a day on the wall clock.
func (d day) midnight() int64 { return int64(d) * secondsPerDay }

// utc is the day as the libraries take it.
func (d day) utc() time.Time { return time.Unix(d.midnight(), 0).UTC() }

// year and month of a day.
func (d day) year() (int, time.Month) {
	t := d.utc()
	return t.Year(), t.Month()
}

// floorDiv is a division that rounds down, below zero too.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
