// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"sengu.dev/sengu/api/v1alpha1"
)

// oracle is the slow and simple truth about a calendar: it looks at the clock on the wall every minute.
type oracle struct {
	spec *v1alpha1.MaintenanceCalendarSpec
	// match says whether a window starts at a time on the wall clock; one for each window.
	match []func(wall time.Time) bool
}

// changes are days around which the clock of a zone changes, and one on which nothing happens.
var changes = map[string][]string{
	"Asia/Tokyo":          {"2027-03-14"},
	"Asia/Kathmandu":      {"2027-03-14"},
	"America/New_York":    {"2027-03-14", "2027-11-07", "2026-12-31"},
	"Europe/London":       {"2027-03-28", "2027-10-31"},
	"Australia/Lord_Howe": {"2027-04-04", "2027-10-03"},
	"Africa/Casablanca":   {"2025-02-23", "2025-04-06"},
	"Pacific/Apia":        {"2011-12-30"},
}

// drawWindow draws a window together with what it means, in words that share nothing with the code.
func drawWindow(t *rapid.T) (v1alpha1.MaintenanceWindow, func(time.Time) bool) {
	w := v1alpha1.MaintenanceWindow{
		Duration: metav1.Duration{Duration: time.Duration(rapid.IntRange(1, 1800).Draw(t, "minutes")) * time.Minute},
		For:      drawKinds(t),
	}
	// Near the hours in which clocks change, more often than not.
	hour := rapid.SampledFrom([]int{0, 1, 1, 2, 2, 2, 3, 3, 12, 23}).Draw(t, "hour")
	minute := rapid.SampledFrom([]int{0, 15, 29, 30, 45, 59}).Draw(t, "minute")
	at := func(wall time.Time) bool { return wall.Hour() == hour && wall.Minute() == minute }
	w.Start = fmt.Sprintf("%02d:%02d", hour, minute)
	n := rapid.IntRange(1, 4).Draw(t, "interval")
	if rapid.IntRange(0, 3).Draw(t, "cron") == 0 {
		w.Start = ""
		w.Cron = fmt.Sprintf("%d %d,%d-23/6 * * */%d", minute, hour, hour, n)
		return w, func(wall time.Time) bool {
			return wall.Minute() == minute && wall.Hour() >= hour && (wall.Hour()-hour)%6 == 0 && int(wall.Weekday())%n == 0
		}
	}
	rule, on := drawDays(t, n)
	w.RRule = rule
	return w, func(wall time.Time) bool { return at(wall) && on(wall) }
}

// drawDays draws the days of a rule with an interval or a number of n.
func drawDays(t *rapid.T, n int) (rule string, on func(wall time.Time) bool) {
	monday := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	switch rapid.IntRange(0, 3).Draw(t, "frequency") {
	case 0:
		return fmt.Sprintf("FREQ=DAILY;INTERVAL=%d", n), func(wall time.Time) bool { return since(monday, wall)%n == 0 }
	case 1:
		days := rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 1, 4, rapid.ID).Draw(t, "days")
		var names []string
		for _, d := range days {
			names = append(names, weekdays[d])
		}
		return fmt.Sprintf("FREQ=WEEKLY;INTERVAL=%d;BYDAY=%s", n, strings.Join(names, ",")), func(wall time.Time) bool {
			return slices.Contains(days, (int(wall.Weekday())+6)%7) && (since(monday, wall)/7)%n == 0
		}
	case 2:
		day := rapid.IntRange(1, 31).Draw(t, "day of the month")
		return fmt.Sprintf("FREQ=MONTHLY;INTERVAL=%d;BYMONTHDAY=%d,-1", n, day), func(wall time.Time) bool {
			last := wall.AddDate(0, 0, 1).Month() != wall.Month()
			months := (wall.Year()-2024)*12 + int(wall.Month()) - 1
			return (wall.Day() == day || last) && ((months%n)+n)%n == 0
		}
	}
	day := rapid.IntRange(0, 6).Draw(t, "weekday")
	return fmt.Sprintf("FREQ=MONTHLY;BYDAY=%d%s", n, weekdays[day]), func(wall time.Time) bool {
		return (int(wall.Weekday())+6)%7 == day && (wall.Day()-1)/7+1 == n
	}
}

// since counts days between two dates on the wall.
func since(monday, wall time.Time) int {
	days := int(time.Date(wall.Year(), wall.Month(), wall.Day(), 0, 0, 0, 0, time.UTC).Sub(monday) / (24 * time.Hour))
	return days + 7*4*3*5*10000 // never below zero, and no interval notices
}

func drawKinds(t *rapid.T) []v1alpha1.UpgradeKind {
	if rapid.Bool().Draw(t, "for all") {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom([]v1alpha1.UpgradeKind{image, patch, minor}), 1, 2, rapid.ID).Draw(t, "kinds")
}

// drawCalendar draws a calendar with its truth, and a day around which its clock changes.
func drawCalendar(t *rapid.T, around time.Time, zone string) *oracle {
	o := &oracle{spec: &v1alpha1.MaintenanceCalendarSpec{
		TimeZone: zone,
		Gap:      rapid.SampledFrom([]v1alpha1.GapPolicy{"", v1alpha1.GapPolicyShift, v1alpha1.GapPolicySkip}).Draw(t, "gap"),
		Fold:     rapid.SampledFrom([]v1alpha1.FoldPolicy{"", v1alpha1.FoldPolicyFirst, v1alpha1.FoldPolicySecond, v1alpha1.FoldPolicyBoth}).Draw(t, "fold"),
	}}
	for range rapid.IntRange(0, 3).Draw(t, "windows") {
		w, match := drawWindow(t)
		o.spec.Windows, o.match = append(o.spec.Windows, w), append(o.match, match)
	}
	for range rapid.IntRange(0, 2).Draw(t, "freezes") {
		from := around.Add(time.Duration(rapid.IntRange(-5000, 5000).Draw(t, "freeze")) * time.Minute)
		o.spec.Freezes = append(o.spec.Freezes, v1alpha1.Freeze{
			From: metav1.NewTime(from), To: metav1.NewTime(from.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "minutes")) * time.Minute)),
			For: drawKinds(t), Reason: "drawn",
		})
	}
	return o
}

// open says for each minute from one instant to another whether upgrades of a kind may happen.
func (o *oracle) open(kind v1alpha1.UpgradeKind, from time.Time, minutes int) []bool {
	const before = 1801 // the longest window, and a minute
	location, err := time.LoadLocation(o.spec.TimeZone)
	if err != nil {
		panic(err)
	}
	walls := make([]time.Time, before+minutes) // what the wall shows, written in UTC
	shown := map[time.Time][]int{}             // the minutes at which it shows a time
	for i := range walls {
		t := from.Add(time.Duration(i-before) * time.Minute).In(location)
		walls[i] = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
		shown[walls[i]] = append(shown[walls[i]], i)
	}
	open := make([]bool, len(walls))
	for k, w := range o.spec.Windows {
		if !speaksOf(w.For, kind) {
			continue
		}
		for i, wall := range walls {
			for _, start := range o.starts(i, wall, walls, shown, o.match[k]) {
				for m := start; m < min(start+int(w.Duration.Minutes()), len(open)); m++ {
					open[m] = true
				}
			}
		}
	}
	for i := range open {
		now := from.Add(time.Duration(i-before) * time.Minute)
		open[i] = open[i] || len(o.spec.Windows) == 0
		for _, f := range o.spec.Freezes {
			if speaksOf(f.For, kind) && !now.Before(f.From.Time) && now.Before(f.To.Time) {
				open[i] = false
			}
		}
	}
	return open[before:]
}

func speaksOf(kinds []v1alpha1.UpgradeKind, kind v1alpha1.UpgradeKind) bool {
	return len(kinds) == 0 || slices.Contains(kinds, kind)
}

// starts are the minutes at which a window starts because of what the wall shows, or has jumped over, at minute i.
func (o *oracle) starts(i int, wall time.Time, walls []time.Time, shown map[time.Time][]int, match func(time.Time) bool) []int {
	var out []int
	if match(wall) {
		times := shown[wall]
		isFirst, isLast := times[0] == i, times[len(times)-1] == i
		switch o.spec.Fold {
		case v1alpha1.FoldPolicyBoth:
			out = append(out, i)
		case v1alpha1.FoldPolicySecond:
			if isLast {
				out = append(out, i)
			}
		default:
			if isFirst {
				out = append(out, i)
			}
		}
	}
	if i == 0 || o.spec.Gap == v1alpha1.GapPolicySkip {
		return out
	}
	skipped := 0
	for missing := walls[i-1].Add(time.Minute); missing.Before(wall); missing = missing.Add(time.Minute) {
		if match(missing) { // as far after the jump as it was after the last time that existed
			out = append(out, i+skipped)
		}
		skipped++
	}
	return out
}

// TestOpeningsAreWhatTheWallClockShows compares several calendars together with their truths, minute by minute over
// two weeks in which a clock changes.
func TestOpeningsAreWhatTheWallClockShows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zones := []string{"Asia/Tokyo", "Asia/Kathmandu", "America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"}
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		around := utc(rapid.SampledFrom(changes[zone]).Draw(t, "day"))
		from := around.AddDate(0, 0, -7)
		const minutes = 14 * 24 * 60
		kind := rapid.SampledFrom([]v1alpha1.UpgradeKind{image, patch, minor}).Draw(t, "kind")

		truth := make([]bool, minutes)
		for i := range truth {
			truth[i] = true
		}
		var calendars []*Calendar
		for i := range rapid.IntRange(1, 2).Draw(t, "calendars") {
			if i > 0 && rapid.Bool().Draw(t, "elsewhere") {
				zone = rapid.SampledFrom(zones).Draw(t, "other zone")
			}
			o := drawCalendar(t, around, zone)
			c, err := Compile(fmt.Sprint("c", i), o.spec)
			if err != nil {
				t.Fatalf("%+v: %v", o.spec, err)
			}
			calendars = append(calendars, c)
			for m, open := range o.open(kind, from, minutes) {
				truth[m] = truth[m] && open
			}
		}
		combined := Combine(calendars...)
		var want []span
		for m, open := range truth {
			at := from.Add(time.Duration(m) * time.Minute).Unix()
			switch {
			case open && len(want) > 0 && want[len(want)-1].to == at:
				want[len(want)-1].to += 60
			case open:
				want = append(want, span{at, at + 60})
			}
		}
		got := combined.look(kind, from.Unix(), from.Add(minutes*time.Minute).Unix()).all
		if diff := cmp.Diff(toldSpans(want), toldSpans(got)); diff != "" {
			t.Fatalf("openings in UTC (-wall clock +calendar):\n%s", diff)
		}
		m := rapid.IntRange(0, minutes-1).Draw(t, "minute of a question")
		if at := combined.At(from.Add(time.Duration(m)*time.Minute), kind); at.Open != truth[m] {
			t.Fatalf("At minute %d = %+v, and the wall clock says open: %t", m, at, truth[m])
		}
	})
}

func toldSpans(spans []span) []string {
	var out []string
	for _, s := range spans {
		out = append(out, instant(s.from).Format(time.DateTime)+" to "+instant(s.to).Format(time.DateTime))
	}
	return out
}

// TestAnswersAgree draws questions: the three of them never contradict each other, and what was expanded answers the
// same as what was not.
func TestAnswersAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := utc("2027-03-14").Add(time.Duration(rapid.IntRange(-40*86400, 40*86400).Draw(t, "now")) * time.Second)
		kind := rapid.SampledFrom([]v1alpha1.UpgradeKind{image, patch, minor}).Draw(t, "kind")
		var calendars []*Calendar
		for i := range rapid.IntRange(1, 3).Draw(t, "calendars") {
			c, err := Compile(fmt.Sprint("c", i), drawCalendar(t, now, "America/New_York").spec)
			if err != nil {
				t.Fatal(err)
			}
			calendars = append(calendars, c)
		}
		plain := Combine(calendars...)
		expanded := plain.Expand(now.AddDate(0, 0, -rapid.IntRange(0, 800).Draw(t, "days before")), now.AddDate(0, 0, rapid.IntRange(1, 2000).Draw(t, "days after")))
		atLeast := time.Duration(rapid.IntRange(0, 40).Draw(t, "hours")) * time.Hour

		state, openings := plain.At(now, kind), plain.Openings(now, kind, 5)
		next, found := plain.Next(now, kind, atLeast)
		checkOpenings(t, openings, now)
		checkState(t, state, openings, now)
		if i := slices.IndexFunc(openings, func(o Opening) bool { return fits(o, now, atLeast) }); i >= 0 && (!found || next != openings[i]) {
			t.Fatalf("Next = %v, and the first of %v that fits is number %d", next, openings, i)
		}
		if found && !fits(next, now, atLeast) {
			t.Fatalf("Next = %v, of which %s is not left", next, atLeast)
		}
		again, foundAgain := expanded.Next(now, kind, atLeast)
		if diff := cmp.Diff([]any{state, openings, next, found}, []any{expanded.At(now, kind), expanded.Openings(now, kind, 5), again, foundAgain}); diff != "" {
			t.Fatalf("expanded it answers differently (-plain +expanded):\n%s", diff)
		}
	})
}

// checkState checks that a state says what the openings say, and why when it is closed.
func checkState(t *rapid.T, state State, openings []Opening, now time.Time) {
	if state.Open == (state.Reason != "") || state.Open == (state.Message != "") || state.Open == (state.Calendar != "") {
		t.Fatalf("%+v does not say why, or says why although it is open", state)
	}
	want := State{Reason: state.Reason, Message: state.Message, Calendar: state.Calendar}
	if len(openings) > 0 {
		want.Open, want.Until = !openings[0].From.After(now), openings[0].From
	}
	if want.Open {
		want.Until = openings[0].To
	}
	if diff := cmp.Diff(want, state); diff != "" {
		t.Fatalf("state (-as the openings say +At):\n%s", diff)
	}
}

// fits says whether so much is left of an opening.
func fits(o Opening, now time.Time, atLeast time.Duration) bool {
	if o.From.After(now) {
		now = o.From
	}
	return o.To.IsZero() || o.To.Sub(now) >= atLeast
}

// checkOpenings checks that openings are sorted, apart from each other, and not over.
func checkOpenings(t interface{ Fatalf(string, ...any) }, openings []Opening, now time.Time) {
	for i, o := range openings {
		if !o.To.IsZero() && (!o.To.After(now) || !o.To.After(o.From)) {
			t.Fatalf("opening %v is over, at %s", o, now)
		}
		if i > 0 && (openings[i-1].To.IsZero() || !openings[i-1].To.Before(o.From)) {
			t.Fatalf("%v and %v are not apart", openings[i-1], o)
		}
	}
}
