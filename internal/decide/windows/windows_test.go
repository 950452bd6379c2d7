// SPDX-License-Identifier: Apache-2.0

package windows

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// nights opens at 22:00 UTC for six hours, and freezes minors at the year's end.
var nights = &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: "nights"}, Spec: v1alpha1.MaintenanceCalendarSpec{
	TimeZone: "UTC",
	Windows:  []v1alpha1.MaintenanceWindow{{RRule: "FREQ=DAILY", Start: "22:00", Duration: metav1.Duration{Duration: 6 * time.Hour}}},
	Freezes: []v1alpha1.Freeze{{From: at("2027-12-20T00:00:00Z"), To: at("2028-01-04T00:00:00Z"),
		For: []v1alpha1.UpgradeKind{v1alpha1.UpgradeKindMinor}, Reason: "year end"}},
}}

// tuesdays opens on Tuesdays at 23:00 UTC for two hours.
var tuesdays = &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: "tuesdays"}, Spec: v1alpha1.MaintenanceCalendarSpec{
	TimeZone: "UTC",
	Windows:  []v1alpha1.MaintenanceWindow{{RRule: "FREQ=WEEKLY;BYDAY=TU", Start: "23:00", Duration: metav1.Duration{Duration: 2 * time.Hour}}},
}}

var broken = &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: "broken"}, Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: "Mars/Olympus"}}

func at(s string) metav1.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return metav1.NewTime(t)
}

func refs(names ...string) (out []v1alpha1.LocalObjectReference) {
	for _, n := range names {
		out = append(out, v1alpha1.LocalObjectReference{Name: n})
	}
	return out
}

// TestMayBegin asks of a Monday's evening and later.
func TestMayBegin(t *testing.T) {
	until := func(s string) *metav1.Time { return new(at(s)) }
	for name, tc := range map[string]struct {
		own, stage, fleet []v1alpha1.LocalObjectReference
		now               string
		kind              v1alpha1.UpgradeKind
		takes             time.Duration
		want              *v1alpha1.Waiting
	}{
		"no calendar at all":  {now: "2027-03-01T12:00:00Z", takes: time.Hour},
		"open, and it fits":   {own: refs("nights"), now: "2027-03-01T23:00:00Z", takes: 5 * time.Hour},
		"open for a day more": {own: refs("nights"), now: "2027-03-02T03:59:00Z", takes: time.Minute},
		"closed": {own: refs("nights"), now: "2027-03-01T12:00:00Z", takes: time.Hour,
			want: &v1alpha1.Waiting{Reason: v1alpha1.ReasonOutsideWindow, Message: "no window of calendar nights is open", Until: until("2027-03-01T22:00:00Z")}},
		"it does not fit what is left": {own: refs("nights"), now: "2027-03-01T23:00:01Z", takes: 5 * time.Hour,
			want: &v1alpha1.Waiting{Reason: v1alpha1.ReasonWindowTooShort, Message: "it usually takes up to 5h0m0s, and less than that is left of the window", Until: until("2027-03-02T22:00:00Z")}},
		"it fits no window": {own: refs("nights"), now: "2027-03-01T23:00:00Z", takes: 7 * time.Hour,
			want: &v1alpha1.Waiting{Reason: v1alpha1.ReasonNeverOpens, Message: "it usually takes up to 7h0m0s, and less than that is left of the window, and no later opening is as long as the 7h0m0s that it usually takes: lengthen a window, or shorten a freeze"}},
		"the stage's holds too": {own: refs("nights"), stage: refs("tuesdays"), now: "2027-03-01T23:00:00Z", takes: time.Hour,
			want: &v1alpha1.Waiting{Reason: v1alpha1.ReasonOutsideWindow, Message: "no window of calendar tuesdays is open", Until: until("2027-03-02T23:00:00Z")}},
		"and the fleet's": {fleet: refs("tuesdays", "nights"), now: "2027-03-03T00:30:00Z", takes: time.Hour,
			want: &v1alpha1.Waiting{Reason: v1alpha1.ReasonWindowTooShort, Message: "it usually takes up to 1h0m0s, and less than that is left of the window", Until: until("2027-03-09T23:00:00Z")}},
		"frozen for minors": {own: refs("nights"), now: "2027-12-24T23:00:00Z", kind: v1alpha1.UpgradeKindMinor, takes: time.Hour,
			want: &v1alpha1.Waiting{Reason: v1alpha1.ReasonFrozen, Message: "calendar nights is frozen: year end", Until: until("2028-01-04T00:00:00Z")}},
		"and not for patches": {own: refs("nights"), now: "2027-12-24T23:00:00Z", kind: v1alpha1.UpgradeKindPatch, takes: time.Hour},
		"one that does not exist is closed": {own: refs("nights"), stage: refs("days"), now: "2027-03-01T23:00:00Z",
			want: &v1alpha1.Waiting{Reason: v1alpha1.ReasonCalendarMissing, Message: "calendar days does not exist: create it, or take the reference away"}},
		"one that cannot be read is closed": {fleet: refs("broken"), now: "2027-03-01T23:00:00Z",
			want: &v1alpha1.Waiting{Reason: v1alpha1.ReasonInvalidCalendar}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := &v1alpha1.Cluster{}
			if len(tc.own) > 0 {
				cluster.Spec.CalendarRef = &tc.own[0]
			}
			for _, expand := range []bool{false, true} {
				calendars := Read([]*v1alpha1.MaintenanceCalendar{nights, tuesdays, broken})
				if expand {
					calendars.Expand(at("2027-01-01T00:00:00Z").Time, at("2029-01-01T00:00:00Z").Time)
				}
				set := calendars.For(cluster, tc.stage, &v1alpha1.FleetSpec{CalendarRefs: tc.fleet})
				if tc.kind == "" {
					tc.kind = v1alpha1.UpgradeKindNodeImage
				}
				var ignored cmp.Options
				if tc.want != nil && tc.want.Message == "" {
					ignored = append(ignored, cmpopts.IgnoreFields(v1alpha1.Waiting{}, "Message")) // the calendar's own sentence
				}
				for range 2 { // the second time it is remembered
					if diff := cmp.Diff(tc.want, set.MayBegin(at(tc.now).Time, tc.kind, tc.takes), ignored); diff != "" {
						t.Errorf("expanded %t: waiting (-want +got):\n%s", expand, diff)
					}
				}
			}
		})
	}
}

// TestAnAnswerIsForItsInstant: what was worked out for one instant is not told of another.
func TestAnAnswerIsForItsInstant(t *testing.T) {
	set := Read([]*v1alpha1.MaintenanceCalendar{nights}).For(&v1alpha1.Cluster{}, refs("nights"), nil)
	for _, tc := range []struct {
		now      string
		wantOpen bool
	}{{"2027-03-01T21:59:59Z", false}, {"2027-03-01T22:00:00Z", true}, {"2027-03-02T04:00:00Z", false}} {
		if w := set.MayBegin(at(tc.now).Time, v1alpha1.UpgradeKindPatch, 0); (w == nil) != tc.wantOpen {
			t.Errorf("at %s it waits for %+v, want open: %t", tc.now, w, tc.wantOpen)
		}
	}
}

func TestKindOf(t *testing.T) {
	for name, tc := range map[string]struct {
		from, to string
		want     v1alpha1.UpgradeKind
	}{
		"another minor":        {"1.36.3", "1.37.2", v1alpha1.UpgradeKindMinor},
		"two minors":           {"1.35.3", "1.37.2", v1alpha1.UpgradeKindMinor},
		"another patch":        {"1.37.1", "1.37.2", v1alpha1.UpgradeKindPatch},
		"the same":             {"1.37.2", "1.37.2", v1alpha1.UpgradeKindNodeImage},
		"images only":          {"1.37.2", "", v1alpha1.UpgradeKindNodeImage},
		"what cannot be read":  {"?", "1.37.2", v1alpha1.UpgradeKindMinor},
		"nothing is known yet": {"", "1.37.2", v1alpha1.UpgradeKindMinor},
	} {
		t.Run(name, func(t *testing.T) {
			if got := KindOf(tc.from, tc.to); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestWhatAForecastAsks: the next opening of a length, the freezes of a kind, and why nothing opens.
func TestWhatAForecastAsks(t *testing.T) {
	monday := at("2027-03-01T12:00:00Z").Time
	c := Read([]*v1alpha1.MaintenanceCalendar{nights, tuesdays})
	c.Expand(monday, monday.Add(1000*time.Hour))
	set := func(names ...string) *Set { return c.For(&v1alpha1.Cluster{}, refs(names...), nil) }
	for name, tc := range map[string]struct {
		set   *Set
		takes time.Duration
		want  string // empty: there is none
	}{
		"no calendar is always open": {takes: time.Hour, want: "0001-01-01T00:00:00Z"},
		"the next night":             {set: set("nights"), takes: time.Hour, want: "2027-03-01T22:00:00Z"},
		"both together":              {set: set("nights", "tuesdays"), takes: time.Hour, want: "2027-03-02T23:00:00Z"},
		"no night is as long":        {set: set("nights"), takes: 7 * time.Hour},
		"a calendar is lost":         {set: set("nights", "lost")},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := tc.set.Next(monday, v1alpha1.UpgradeKindMinor, tc.takes)
			if ok != (tc.want != "") || ok && !got.From.Equal(at(tc.want).Time) {
				t.Errorf("it opens at %s (%t), want %q", got.From, ok, tc.want)
			}
		})
	}
	if n, patch := len(set("nights").Freezes(v1alpha1.UpgradeKindMinor)), len(set("nights").Freezes(v1alpha1.UpgradeKindPatch)); n != 1 || patch != 0 {
		t.Errorf("%d freezes hold for minors and %d for patches, want 1 and 0", n, patch)
	}
	if got := set("lost").Problem(); got != "calendar lost does not exist: create it, or take the reference away" || set("nights").Problem() != "" {
		t.Errorf("the problem is %q", got)
	}
	var none *Calendars
	none.Expand(monday, monday.Add(time.Hour)) // a fleet without calendars has nothing to expand
}
