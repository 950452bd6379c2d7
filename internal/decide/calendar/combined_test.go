// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sengu.dev/sengu/api/v1alpha1"
)

// combine compiles calendars with the names a, b, c, ….
func combine(t testing.TB, specs ...*v1alpha1.MaintenanceCalendarSpec) *Combined {
	t.Helper()
	var out []*Calendar
	for i, spec := range specs {
		out = append(out, compiled(t, string(rune('a'+i)), spec))
	}
	return Combine(out...)
}

// nights are from 22:00 to 04:00 in Tokyo, from Tuesday to Thursday: 13:00 to 19:00 UTC.
func nights() *v1alpha1.MaintenanceCalendarSpec {
	return in("Asia/Tokyo", rrules("FREQ=WEEKLY;BYDAY=TU,WE,TH", "22:00", 6*time.Hour))
}

func TestAt(t *testing.T) {
	yearEnd := freezes("2026-12-20", "2027-01-10", "year end")
	tests := map[string]struct {
		calendars []*v1alpha1.MaintenanceCalendarSpec
		at        string
		kind      v1alpha1.UpgradeKind
		want      State
	}{
		"no calendar is always open": {at: "2027-03-16", want: State{Open: true}},
		"a calendar of nothing, too": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC")}, at: "2027-03-16",
			want: State{Open: true},
		},
		"in a window": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}, at: "2027-03-16T14:00Z",
			want: State{Open: true, Until: utc("2027-03-16T19:00Z")},
		},
		"at its first moment": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}, at: "2027-03-16T13:00Z",
			want: State{Open: true, Until: utc("2027-03-16T19:00Z")},
		},
		"a moment before it": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}, at: "2027-03-16T12:59:59.999Z",
			want: State{Until: utc("2027-03-16T13:00Z"), Reason: v1alpha1.ReasonOutsideWindow, Message: "no window of calendar a is open", Calendar: "a"},
		},
		"at its end, which is outside": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}, at: "2027-03-16T19:00Z",
			want: State{Until: utc("2027-03-17T13:00Z"), Reason: v1alpha1.ReasonOutsideWindow, Message: "no window of calendar a is open", Calendar: "a"},
		},
		"frozen although a window is open, until a window opens after it": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{with(nights(), yearEnd)}, at: "2026-12-22T14:00Z",
			want: State{Until: utc("2027-01-12T13:00Z"), Reason: v1alpha1.ReasonFrozen, Message: "calendar a is frozen: year end", Calendar: "a"},
		},
		"open until the freeze": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{with(in("UTC"), yearEnd)}, at: "2026-12-01",
			want: State{Open: true, Until: utc("2026-12-20")},
		},
		"open for ever after the freeze": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{with(in("UTC"), yearEnd)}, at: "2027-01-10",
			want: State{Open: true},
		},
		"a freeze of another kind": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{with(nights(), freezes("2027-03-01", "2027-04-01", "no new minors", minor))},
			at:        "2027-03-16T14:00Z", kind: patch,
			want: State{Open: true, Until: utc("2027-03-16T19:00Z")},
		},
		"a freeze of this kind": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{with(nights(), freezes("2027-03-01", "2027-04-01", "no new minors", minor))},
			at:        "2027-03-16T14:00Z", kind: minor,
			want: State{Until: utc("2027-04-01T13:00Z"), Reason: v1alpha1.ReasonFrozen, Message: "calendar a is frozen: no new minors", Calendar: "a"},
		},
		"of two freezes the one that ends last says why": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{with(in("UTC"), yearEnd, freezes("2026-12-24", "2027-02-01", "migration"))},
			at:        "2026-12-25",
			want:      State{Until: utc("2027-02-01"), Reason: v1alpha1.ReasonFrozen, Message: "calendar a is frozen: migration", Calendar: "a"},
		},
		"a kind without a window": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC", crons("0 22 * * *", time.Hour, image, patch))},
			at:        "2027-03-16T22:30Z", kind: minor,
			want: State{Reason: v1alpha1.ReasonOutsideWindow, Message: "calendar a has no window for Minor upgrades, so none may start", Calendar: "a"},
		},
		"several calendars, all open, until the first closes": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights(), in("UTC", crons("0 12 * * *", 4*time.Hour))}, at: "2027-03-16T14:00Z",
			want: State{Open: true, Until: utc("2027-03-16T16:00Z")},
		},
		"several calendars, one closed: it says why, and until when all are open": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC"), nights(), in("UTC", crons("0 15 * * *", time.Hour))}, at: "2027-03-16T14:00Z",
			want: State{Until: utc("2027-03-16T15:00Z"), Reason: v1alpha1.ReasonOutsideWindow, Message: "no window of calendar c is open", Calendar: "c"},
		},
		"of several that are closed, the one that opens last": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights(), with(in("UTC"), freezes("2027-03-01", "2027-04-01", "audit"))}, at: "2027-03-16T20:00Z",
			want: State{Until: utc("2027-04-01T13:00Z"), Reason: v1alpha1.ReasonFrozen, Message: "calendar b is frozen: audit", Calendar: "b"},
		},
		"two that never meet": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC", crons("0 1 * * *", time.Hour)), in("UTC", crons("0 3 * * *", time.Hour))}, at: "2027-03-16T01:30Z",
			want: State{Reason: v1alpha1.ReasonOutsideWindow, Message: "no window of calendar b is open", Calendar: "b"},
		},
		"a rule that is over": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC", rrules("FREQ=DAILY;UNTIL=20261231", "22:00", time.Hour))}, at: "2027-03-16",
			want: State{Reason: v1alpha1.ReasonOutsideWindow, Message: "no window of calendar a is open", Calendar: "a"},
		},
		"windows add up": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC", crons("0 22 * * *", 2*time.Hour), crons("30 23 * * *", 2*time.Hour), crons("30 1 * * *", time.Hour))},
			at:        "2027-03-16T22:00Z",
			want:      State{Open: true, Until: utc("2027-03-17T02:30Z")},
		},
		"windows that are longer than their recurrence never close": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC", rrules("FREQ=WEEKLY;BYDAY=MO", "00:00", 200*time.Hour))}, at: "2027-03-16T22:00Z",
			want: State{Open: true},
		},
		"the year 1": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}, at: "0001-01-01",
			want: State{Reason: v1alpha1.ReasonOutsideWindow, Message: "no window of calendar a is open", Calendar: "a"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.kind == "" {
				tc.kind = patch
			}
			c := combine(t, tc.calendars...)
			if diff := cmp.Diff(tc.want, c.At(utc(tc.at), tc.kind)); diff != "" {
				t.Errorf("at %s (-want +got):\n%s", tc.at, diff)
			}
			expanded := c.Expand(utc(tc.at).AddDate(0, 0, -10), utc(tc.at).AddDate(0, 1, 0))
			if diff := cmp.Diff(tc.want, expanded.At(utc(tc.at), tc.kind)); diff != "" {
				t.Errorf("expanded, at %s (-want +got):\n%s", tc.at, diff)
			}
		})
	}
}

func TestNext(t *testing.T) {
	tests := map[string]struct {
		calendars []*v1alpha1.MaintenanceCalendarSpec
		from      string
		atLeast   time.Duration
		want      Opening
		wantNone  bool
	}{
		"without calendars it is open for ever": {from: "2027-03-16", atLeast: time.Hour},
		"the opening in hand, with its own beginning": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}, from: "2027-03-16T14:00Z", atLeast: 5 * time.Hour,
			want: Opening{utc("2027-03-16T13:00Z"), utc("2027-03-16T19:00Z")},
		},
		"a moment too late for it, so the next": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}, from: "2027-03-16T14:00:00.001Z", atLeast: 5 * time.Hour,
			want: Opening{utc("2027-03-17T13:00Z"), utc("2027-03-17T19:00Z")},
		},
		"whatever is left": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}, from: "2027-03-16T18:59:59.999Z",
			want: Opening{utc("2027-03-16T13:00Z"), utc("2027-03-16T19:00Z")},
		},
		"longer than any": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}, from: "2027-03-16T14:00Z", atLeast: 6*time.Hour + time.Nanosecond, wantNone: true,
		},
		"as long as there is": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}, from: "2027-03-16T14:00Z", atLeast: 1<<63 - 1, wantNone: true,
		},
		"the only long one of a year": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC", crons("0 22 * * *", time.Hour), crons("0 0 26 12 *", 24*time.Hour))},
			from:      "2027-01-16", atLeast: 20 * time.Hour,
			want: Opening{utc("2027-12-26"), utc("2027-12-27")},
		},
		"29 February is within the horizon": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC", crons("0 22 29 2 *", time.Hour))}, from: "2028-03-01",
			want: Opening{utc("2032-02-29T22:00Z"), utc("2032-02-29T23:00Z")},
		},
		"twelve years are not": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC", rrules("FREQ=YEARLY;INTERVAL=12;BYMONTH=1;BYMONTHDAY=1", "22:00", time.Hour))},
			from:      "2024-03-01", wantNone: true,
		},
		"the part that two have in common": {
			calendars: []*v1alpha1.MaintenanceCalendarSpec{nights(), in("Europe/Berlin", rrules("FREQ=MONTHLY;BYDAY=1TH", "16:00", 8*time.Hour))},
			from:      "2027-03-16", atLeast: 4 * time.Hour,
			want: Opening{utc("2027-04-01T14:00Z"), utc("2027-04-01T19:00Z")}, // in March Berlin would leave four hours, on the 4th
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := combine(t, tc.calendars...)
			for how, c := range map[string]*Combined{"as it is": c, "expanded": c.Expand(utc(tc.from).AddDate(0, 0, -10), utc(tc.from).AddDate(0, 1, 0))} {
				got, ok := c.Next(utc(tc.from), patch, tc.atLeast)
				if ok == tc.wantNone {
					t.Errorf("%s: found %v, want none: %t", how, got, tc.wantNone)
				}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("%s: next (-want +got):\n%s", how, diff)
				}
			}
		})
	}
}

func TestOpenings(t *testing.T) {
	frozen := with(in("UTC"), freezes("2027-02-01", "2027-03-01", "audit"), freezes("2027-02-20", "2027-03-10", "and more"))
	tests := map[string]struct {
		calendars []*v1alpha1.MaintenanceCalendarSpec
		n         int
		want      []string
	}{
		"none are asked for":               {calendars: []*v1alpha1.MaintenanceCalendarSpec{nights()}},
		"without calendars":                {n: 10, want: []string{"(always) for ever"}},
		"always but for a freeze":          {calendars: []*v1alpha1.MaintenanceCalendarSpec{frozen}, n: 10, want: []string{"(always) to 2027-02-01 00:00 +00:00", "Wed 2027-03-10 00:00 +00:00 for ever"}},
		"the last ones of a rule":          {calendars: []*v1alpha1.MaintenanceCalendarSpec{in("UTC", rrules("FREQ=DAILY;UNTIL=20270102", "22:00", time.Hour))}, n: 10, want: []string{"Fri 2027-01-01 22:00 +00:00 to 2027-01-01 23:00 +00:00 = 1h0m0s", "Sat 2027-01-02 22:00 +00:00 to 2027-01-02 23:00 +00:00 = 1h0m0s"}},
		"a freeze cuts a window in pieces": {calendars: []*v1alpha1.MaintenanceCalendarSpec{with(in("UTC", crons("0 20 * * *", 6*time.Hour)), freezes("2027-01-01T22:00Z", "2027-01-01T23:00Z", "reports"))}, n: 2, want: []string{"Fri 2027-01-01 20:00 +00:00 to 2027-01-01 22:00 +00:00 = 2h0m0s", "Fri 2027-01-01 23:00 +00:00 to 2027-01-02 02:00 +00:00 = 3h0m0s"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := told(combine(t, tc.calendars...).Openings(utc("2027-01-01T12:00Z"), patch, tc.n), "UTC")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("openings (-want +got):\n%s", diff)
			}
		})
	}
}

// No calendars at all is what a decider has when nobody set any.
func TestNilIsAlwaysOpen(t *testing.T) {
	var c *Combined
	now := utc("2027-03-16")
	if got := c.At(now, minor); !got.Open {
		t.Errorf("At = %+v, want open", got)
	}
	if got, ok := c.Next(now, minor, time.Hour); !ok || got != (Opening{}) {
		t.Errorf("Next = %v, %t, want open for ever", got, ok)
	}
	if got := c.Openings(now, minor, 3); len(got) != 1 {
		t.Errorf("Openings = %v, want one for ever", got)
	}
	if got := c.Expand(now, now.Add(time.Hour)); got != nil {
		t.Errorf("Expand = %v, want nil", got)
	}
	if got := Combine(nil, compiled(t, "a", nights()), nil); len(got.calendars) != 1 {
		t.Errorf("Combine kept %d calendars, want 1", len(got.calendars))
	}
}

// What began longer ago than a question looks back has no beginning, however much was worked out before.
func TestExpandKnowsNoMore(t *testing.T) {
	c := combine(t, with(in("UTC"), freezes("2025-01-01", "2025-01-10", "long ago")))
	now := utc("2027-03-16")
	for how, c := range map[string]*Combined{"as it is": c, "expanded": c.Expand(utc("2024-12-01"), utc("2036-01-01"))} {
		if diff := cmp.Diff([]Opening{{}}, c.Openings(now, minor, 2)); diff != "" {
			t.Errorf("%s: openings (-want +got):\n%s", how, diff)
		}
	}
}
