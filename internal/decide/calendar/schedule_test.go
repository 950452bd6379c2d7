// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sengu.dev/sengu/api/v1alpha1"
)

func TestSchedule(t *testing.T) {
	tests := map[string]struct {
		spec *v1alpha1.MaintenanceCalendarSpec
		n    int
		more Wanted
		want []string
	}{
		"the same for all kinds": {
			spec: in("UTC", crons("0 22 * * *", time.Hour)), n: 2,
			want: []string{"Mon 2027-03-01 22:00 +00:00 to 2027-03-01 23:00 +00:00 = 1h0m0s for []", "Tue 2027-03-02 22:00 +00:00 to 2027-03-02 23:00 +00:00 = 1h0m0s for []"},
		},
		"minors at the end of the week, the rest every night": {
			spec: in("UTC", crons("0 22 * * *", time.Hour, image, patch), crons("0 20 * * 6", 8*time.Hour, minor)), n: 7,
			want: []string{
				"Mon 2027-03-01 22:00 +00:00 to 2027-03-01 23:00 +00:00 = 1h0m0s for [NodeImage Patch]",
				"Tue 2027-03-02 22:00 +00:00 to 2027-03-02 23:00 +00:00 = 1h0m0s for [NodeImage Patch]",
				"Wed 2027-03-03 22:00 +00:00 to 2027-03-03 23:00 +00:00 = 1h0m0s for [NodeImage Patch]",
				"Thu 2027-03-04 22:00 +00:00 to 2027-03-04 23:00 +00:00 = 1h0m0s for [NodeImage Patch]",
				"Fri 2027-03-05 22:00 +00:00 to 2027-03-05 23:00 +00:00 = 1h0m0s for [NodeImage Patch]",
				"Sat 2027-03-06 20:00 +00:00 to 2027-03-07 04:00 +00:00 = 8h0m0s for [Minor]",
				"Sat 2027-03-06 22:00 +00:00 to 2027-03-06 23:00 +00:00 = 1h0m0s for [NodeImage Patch]",
			},
		},
		"only minors": {
			spec: in("UTC", crons("0 22 * * *", time.Hour), crons("0 20 * * 6", 8*time.Hour, minor)), n: 1,
			more: Wanted{Kinds: []v1alpha1.UpgradeKind{minor}},
			want: []string{"Mon 2027-03-01 22:00 +00:00 to 2027-03-01 23:00 +00:00 = 1h0m0s for [Minor]"},
		},
		"only long ones": {
			spec: in("UTC", crons("0 22 * * *", time.Hour), crons("0 20 * * 6", 8*time.Hour, minor)), n: 2,
			more: Wanted{AtLeast: 2 * time.Hour},
			want: []string{
				"Sat 2027-03-06 20:00 +00:00 to 2027-03-07 04:00 +00:00 = 8h0m0s for [Minor]",
				"Sat 2027-03-13 20:00 +00:00 to 2027-03-14 04:00 +00:00 = 8h0m0s for [Minor]",
			},
		},
		"none are asked for": {spec: in("UTC")},
		"a freeze for minors of a calendar that is always open": {
			spec: with(in("UTC"), freezes("2027-03-10", "2027-03-20", "launch", minor)), n: 10,
			want: []string{"(always) to 2027-03-10 00:00 +00:00 for [Minor]", "(always) for ever for [NodeImage Patch]", "Sat 2027-03-20 00:00 +00:00 for ever for [Minor]"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			tc.more.N = tc.n
			for _, s := range combine(t, tc.spec).Schedule(utc("2027-03-01"), tc.more) {
				got = append(got, fmt.Sprintf("%s for %v", told([]Opening{s.Opening}, "UTC")[0], s.For))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("schedule (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBetween(t *testing.T) {
	daily := in("UTC", crons("0 22 * * *", 6*time.Hour))
	tests := map[string]struct {
		c        *Combined
		from, to string
		want     []string
	}{
		"cut off at both ends": {
			c: combine(t, daily), from: "2027-03-01T23:00Z", to: "2027-03-03T00:00Z",
			want: []string{"Mon 2027-03-01 23:00 +00:00 to 2027-03-02 04:00 +00:00 = 5h0m0s", "Tue 2027-03-02 22:00 +00:00 to 2027-03-03 00:00 +00:00 = 2h0m0s"},
		},
		"nothing is open":      {c: combine(t, daily), from: "2027-03-01T05:00Z", to: "2027-03-01T21:00Z"},
		"no calendar":          {from: "2027-03-01T05:00Z", to: "2027-03-01T06:00Z", want: []string{"Mon 2027-03-01 05:00 +00:00 to 2027-03-01 06:00 +00:00 = 1h0m0s"}},
		"no time between them": {from: "2027-03-01T05:00Z", to: "2027-03-01T05:00Z"},
		"backwards":            {c: combine(t, daily), from: "2027-03-01T23:00Z", to: "2027-03-01T22:00Z"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, told(tc.c.Between(utc(tc.from), utc(tc.to), minor), "UTC")); diff != "" {
				t.Errorf("openings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWithout(t *testing.T) {
	tests := map[string]struct {
		spec *v1alpha1.MaintenanceCalendarSpec
		want []v1alpha1.UpgradeKind
	}{
		"no windows are for all":      {spec: in("UTC")},
		"a window without kinds, too": {spec: in("UTC", crons("0 22 * * *", time.Hour))},
		"windows for two of them":     {spec: in("UTC", crons("0 22 * * *", time.Hour, image), crons("0 23 * * *", time.Hour, minor)), want: []v1alpha1.UpgradeKind{patch}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, compiled(t, "a", tc.spec).Without(), cmp.Comparer(sameKinds)); diff != "" {
				t.Errorf("never starts (-want +got):\n%s", diff)
			}
		})
	}
}

func sameKinds(a, b []v1alpha1.UpgradeKind) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func TestChanges(t *testing.T) {
	tests := map[string]struct {
		spec *v1alpha1.MaintenanceCalendarSpec
		want []string
	}{
		"Tokyo has none": {spec: in("Asia/Tokyo", crons("30 2 * * *", time.Hour))},
		"New York has two, and a start in each": {
			spec: policies(in("America/New_York", crons("0 22 * * *", time.Hour), crons("30 1,2 * * *", time.Hour)), "", v1alpha1.FoldPolicyBoth),
			want: []string{
				"2027-03-14T07:00Z -5h0m0s to -4h0m0s; window 1 at Sun 02:30 opens at 07:30Z",
				"2027-11-07T06:00Z -4h0m0s to -5h0m0s; window 1 at Sun 01:30 opens at 05:30Z and 06:30Z",
			},
		},
		"left out": {
			spec: policies(in("Australia/Lord_Howe", crons("0 2 * * *", time.Hour)), v1alpha1.GapPolicySkip, ""),
			want: []string{
				"2027-04-03T15:00Z 11h0m0s to 10h30m0s",
				"2027-10-02T15:30Z 10h30m0s to 11h0m0s; window 0 at Sun 02:00 opens at ",
			},
		},
		"a rule that is over has none": {
			spec: in("Europe/London", rrules("FREQ=DAILY;UNTIL=20270327", "01:30", time.Hour)),
			want: []string{"2027-03-28T01:00Z 0s to 1h0m0s", "2027-10-31T01:00Z 1h0m0s to 0s"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range compiled(t, "a", tc.spec).Changes(utc("2027-01-01"), utc("2028-01-01")) {
				text := fmt.Sprintf("%s %s to %s", c.At.Format("2006-01-02T15:04Z07:00"), c.Before, c.After)
				for _, s := range c.Starts {
					var at []string
					for _, t := range s.At {
						at = append(at, t.Format("15:04Z07:00"))
					}
					text += fmt.Sprintf("; window %d at %s opens at %s", s.Window, s.Wall.Format("Mon 15:04"), strings.Join(at, " and "))
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("changes of the clock (-want +got):\n%s", diff)
			}
		})
	}
}
