// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

const (
	image = v1alpha1.UpgradeKindNodeImage
	patch = v1alpha1.UpgradeKindPatch
	minor = v1alpha1.UpgradeKindMinor
)

// rrules is a window by a recurrence rule.
func rrules(rule, start string, duration time.Duration, kinds ...v1alpha1.UpgradeKind) v1alpha1.MaintenanceWindow {
	return v1alpha1.MaintenanceWindow{RRule: rule, Start: start, Duration: metav1.Duration{Duration: duration}, For: kinds}
}

// crons is a window by a cron expression.
func crons(expression string, duration time.Duration, kinds ...v1alpha1.UpgradeKind) v1alpha1.MaintenanceWindow {
	return v1alpha1.MaintenanceWindow{Cron: expression, Duration: metav1.Duration{Duration: duration}, For: kinds}
}

// freezes from one instant to another.
func freezes(from, to, reason string, kinds ...v1alpha1.UpgradeKind) v1alpha1.Freeze {
	return v1alpha1.Freeze{From: metav1.NewTime(utc(from)), To: metav1.NewTime(utc(to)), Reason: reason, For: kinds}
}

// in is a calendar in a zone.
func in(zone string, windows ...v1alpha1.MaintenanceWindow) *v1alpha1.MaintenanceCalendarSpec {
	return &v1alpha1.MaintenanceCalendarSpec{TimeZone: zone, Windows: windows}
}

// with adds freezes to a calendar.
func with(spec *v1alpha1.MaintenanceCalendarSpec, freezes ...v1alpha1.Freeze) *v1alpha1.MaintenanceCalendarSpec {
	spec.Freezes = freezes
	return spec
}

// policies sets what happens to times that do not exist or come twice.
func policies(spec *v1alpha1.MaintenanceCalendarSpec, gap v1alpha1.GapPolicy, fold v1alpha1.FoldPolicy) *v1alpha1.MaintenanceCalendarSpec {
	spec.Gap, spec.Fold = gap, fold
	return spec
}

// utc reads an instant like 2027-03-14T07:30Z, or one of which a part is left out at the end.
func utc(text string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04Z07:00", "2006-01-02", time.RFC3339Nano} {
		if t, err := time.Parse(layout, text); err == nil {
			return t
		}
	}
	panic("not a time: " + text)
}

func compiled(t testing.TB, name string, spec *v1alpha1.MaintenanceCalendarSpec) *Calendar {
	t.Helper()
	c, err := Compile(name, spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// told writes openings the way a person reads them: in a zone, with their offsets and their elapsed time.
func told(openings []Opening, zone string) []string {
	location, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	var out []string
	for _, o := range openings {
		text := "(always)"
		if !o.From.IsZero() {
			text = o.From.In(location).Format("Mon 2006-01-02 15:04 -07:00")
		}
		if o.To.IsZero() {
			out = append(out, text+" for ever")
			continue
		}
		text += " to " + o.To.In(location).Format("2006-01-02 15:04 -07:00")
		if !o.From.IsZero() {
			text += " = " + o.To.Sub(o.From).String()
		}
		out = append(out, text)
	}
	return out
}

// The changes of the clock are computed by hand from the rules of the zones:
//
//	Asia/Tokyo           +09:00, never
//	Asia/Kathmandu       +05:45, never
//	America/New_York     -05:00; at 02:00 on the second Sunday of March to -04:00, at 02:00 on the first of November back
//	Europe/London        +00:00; at 01:00 UTC on the last Sunday of March to +01:00, at 01:00 UTC on the last of October back
//	Australia/Lord_Howe  +10:30; at 02:00 on the first Sunday of October to +11:00, at 02:00 on the first of April back
//	Africa/Casablanca    +01:00; at 03:00 on the Sunday before Ramadan to +00:00, at 02:00 on the Sunday after it back
//	Pacific/Apia         -10:00 in December 2011; the 30th was left out, and it went on with +14:00
func TestOpeningsInRealZones(t *testing.T) {
	nightly := func(start string) v1alpha1.MaintenanceWindow { return rrules("FREQ=DAILY", start, 4*time.Hour) }
	tests := map[string]struct {
		spec *v1alpha1.MaintenanceCalendarSpec
		from string
		want []string
	}{
		"Tokyo: by day, three days a week": {
			spec: in("Asia/Tokyo", rrules("FREQ=WEEKLY;BYDAY=TU,WE,TH", "10:00", 6*time.Hour)),
			from: "2027-03-12T00:00Z", // a Friday
			want: []string{
				"Tue 2027-03-16 10:00 +09:00 to 2027-03-16 16:00 +09:00 = 6h0m0s",
				"Wed 2027-03-17 10:00 +09:00 to 2027-03-17 16:00 +09:00 = 6h0m0s",
				"Thu 2027-03-18 10:00 +09:00 to 2027-03-18 16:00 +09:00 = 6h0m0s",
			},
		},
		"Kathmandu: a quarter of an hour off": {
			spec: in("Asia/Kathmandu", crons("15 1 * * 0", time.Hour)),
			from: "2027-03-12T00:00Z",
			want: []string{
				"Sun 2027-03-14 01:15 +05:45 to 2027-03-14 02:15 +05:45 = 1h0m0s",
				"Sun 2027-03-21 01:15 +05:45 to 2027-03-21 02:15 +05:45 = 1h0m0s",
			},
		},
		"New York, spring: a start in the gap opens an hour later on the clock": {
			spec: in("America/New_York", nightly("02:30")),
			from: "2027-03-13T00:00-05:00",
			want: []string{
				"Sat 2027-03-13 02:30 -05:00 to 2027-03-13 06:30 -05:00 = 4h0m0s",
				"Sun 2027-03-14 03:30 -04:00 to 2027-03-14 07:30 -04:00 = 4h0m0s",
				"Mon 2027-03-15 02:30 -04:00 to 2027-03-15 06:30 -04:00 = 4h0m0s",
			},
		},
		"New York, spring: a start in the gap is left out": {
			spec: policies(in("America/New_York", nightly("02:30")), v1alpha1.GapPolicySkip, ""),
			from: "2027-03-13T00:00-05:00",
			want: []string{
				"Sat 2027-03-13 02:30 -05:00 to 2027-03-13 06:30 -05:00 = 4h0m0s",
				"Mon 2027-03-15 02:30 -04:00 to 2027-03-15 06:30 -04:00 = 4h0m0s",
			},
		},
		"New York, spring: a window over the gap stays as long as it is": {
			spec: in("America/New_York", nightly("00:00")),
			from: "2027-03-14T00:00-05:00",
			want: []string{
				"Sun 2027-03-14 00:00 -05:00 to 2027-03-14 05:00 -04:00 = 4h0m0s",
				"Mon 2027-03-15 00:00 -04:00 to 2027-03-15 04:00 -04:00 = 4h0m0s",
			},
		},
		"New York, spring: the edges of the gap": {
			spec: in("America/New_York", crons("59 1 * * *", time.Minute), crons("0 2 * * *", time.Minute), crons("0 3 * * *", time.Minute)),
			from: "2027-03-14T00:00-05:00",
			want: []string{ // 02:00 is the first that does not exist; its shifted opening is that of 03:00, and all touch
				"Sun 2027-03-14 01:59 -05:00 to 2027-03-14 03:01 -04:00 = 2m0s",
				"Mon 2027-03-15 01:59 -04:00 to 2027-03-15 02:01 -04:00 = 2m0s",
			},
		},
		"New York, spring: the first time that does not exist": {
			spec: in("America/New_York", crons("0 2 * * *", time.Minute)),
			from: "2027-03-14T00:00-05:00",
			want: []string{"Sun 2027-03-14 03:00 -04:00 to 2027-03-14 03:01 -04:00 = 1m0s"},
		},
		"New York, autumn: a start that comes twice opens at the first": {
			spec: in("America/New_York", rrules("FREQ=DAILY", "01:30", 30*time.Minute)),
			from: "2027-11-07T00:00-04:00",
			want: []string{
				"Sun 2027-11-07 01:30 -04:00 to 2027-11-07 01:00 -05:00 = 30m0s",
				"Mon 2027-11-08 01:30 -05:00 to 2027-11-08 02:00 -05:00 = 30m0s",
			},
		},
		"New York, autumn: at the second": {
			spec: policies(in("America/New_York", rrules("FREQ=DAILY", "01:30", 30*time.Minute)), "", v1alpha1.FoldPolicySecond),
			from: "2027-11-07T00:00-04:00",
			want: []string{
				"Sun 2027-11-07 01:30 -05:00 to 2027-11-07 02:00 -05:00 = 30m0s",
				"Mon 2027-11-08 01:30 -05:00 to 2027-11-08 02:00 -05:00 = 30m0s",
			},
		},
		"New York, autumn: at both, each as long as it is": {
			spec: policies(in("America/New_York", rrules("FREQ=DAILY", "01:30", 30*time.Minute)), "", v1alpha1.FoldPolicyBoth),
			from: "2027-11-07T00:00-04:00",
			want: []string{
				"Sun 2027-11-07 01:30 -04:00 to 2027-11-07 01:00 -05:00 = 30m0s",
				"Sun 2027-11-07 01:30 -05:00 to 2027-11-07 02:00 -05:00 = 30m0s",
				"Mon 2027-11-08 01:30 -05:00 to 2027-11-08 02:00 -05:00 = 30m0s",
			},
		},
		"New York, autumn: both are one when the first lasts until the second": {
			spec: policies(in("America/New_York", nightly("01:30")), "", v1alpha1.FoldPolicyBoth),
			from: "2027-11-07T00:00-04:00",
			want: []string{"Sun 2027-11-07 01:30 -04:00 to 2027-11-07 05:30 -05:00 = 5h0m0s"},
		},
		"New York, autumn: six hours are six hours": {
			spec: in("America/New_York", crons("0 22 * * SAT", 6*time.Hour)),
			from: "2027-11-06T12:00-04:00",
			want: []string{
				"Sat 2027-11-06 22:00 -04:00 to 2027-11-07 03:00 -05:00 = 6h0m0s",
				"Sat 2027-11-13 22:00 -05:00 to 2027-11-14 04:00 -05:00 = 6h0m0s",
			},
		},
		"New York, autumn: a day of 24 hours leaves an hour of the longest day closed": {
			spec: in("America/New_York", rrules("FREQ=DAILY;UNTIL=20271108", "00:00", 24*time.Hour)),
			from: "2027-11-07T12:00-05:00",
			want: []string{
				"Mon 2026-11-02 00:00 -05:00 to 2027-11-07 23:00 -05:00 = 8903h0m0s",
				"Mon 2027-11-08 00:00 -05:00 to 2027-11-09 00:00 -05:00 = 24h0m0s",
			},
		},
		"London, spring": {
			spec: in("Europe/London", crons("30 1 * * *", time.Hour)),
			from: "2027-03-28T00:00Z",
			want: []string{
				"Sun 2027-03-28 02:30 +01:00 to 2027-03-28 03:30 +01:00 = 1h0m0s",
				"Mon 2027-03-29 01:30 +01:00 to 2027-03-29 02:30 +01:00 = 1h0m0s",
			},
		},
		"London, autumn": {
			spec: policies(in("Europe/London", crons("30 1 * * *", time.Hour)), "", v1alpha1.FoldPolicySecond),
			from: "2027-10-30T12:00Z",
			want: []string{
				"Sun 2027-10-31 01:30 +00:00 to 2027-10-31 02:30 +00:00 = 1h0m0s",
				"Mon 2027-11-01 01:30 +00:00 to 2027-11-01 02:30 +00:00 = 1h0m0s",
			},
		},
		"Lord Howe, spring: the gap is half an hour, and so is the shift": {
			spec: in("Australia/Lord_Howe", crons("15 2 * * *", time.Hour)),
			from: "2027-10-03T00:00+10:30",
			want: []string{
				"Sun 2027-10-03 02:45 +11:00 to 2027-10-03 03:45 +11:00 = 1h0m0s",
				"Mon 2027-10-04 02:15 +11:00 to 2027-10-04 03:15 +11:00 = 1h0m0s",
			},
		},
		"Lord Howe, spring: half past two exists": {
			spec: policies(in("Australia/Lord_Howe", crons("30 2 * * *", time.Hour)), v1alpha1.GapPolicySkip, ""),
			from: "2027-10-03T00:00+10:30",
			want: []string{"Sun 2027-10-03 02:30 +11:00 to 2027-10-03 03:30 +11:00 = 1h0m0s"},
		},
		"Lord Howe, autumn: half an hour comes twice": {
			spec: policies(in("Australia/Lord_Howe", crons("45 1 * * *", 10*time.Minute)), "", v1alpha1.FoldPolicyBoth),
			from: "2027-04-04T00:00+11:00",
			want: []string{
				"Sun 2027-04-04 01:45 +11:00 to 2027-04-04 01:55 +11:00 = 10m0s",
				"Sun 2027-04-04 01:45 +10:30 to 2027-04-04 01:55 +10:30 = 10m0s",
				"Mon 2027-04-05 01:45 +10:30 to 2027-04-05 01:55 +10:30 = 10m0s",
			},
		},
		"Casablanca: Ramadan begins, and an hour comes twice": {
			spec: policies(in("Africa/Casablanca", crons("30 2 * * *", 30*time.Minute)), "", v1alpha1.FoldPolicyBoth),
			from: "2025-02-23T00:00+01:00",
			want: []string{
				"Sun 2025-02-23 02:30 +01:00 to 2025-02-23 02:00 +00:00 = 30m0s",
				"Sun 2025-02-23 02:30 +00:00 to 2025-02-23 03:00 +00:00 = 30m0s",
				"Mon 2025-02-24 02:30 +00:00 to 2025-02-24 03:00 +00:00 = 30m0s",
			},
		},
		"Casablanca: after Ramadan an hour is missing": {
			spec: in("Africa/Casablanca", crons("30 2 * * *", 30*time.Minute)),
			from: "2025-04-06T00:00Z",
			want: []string{
				"Sun 2025-04-06 03:30 +01:00 to 2025-04-06 04:00 +01:00 = 30m0s",
				"Mon 2025-04-07 02:30 +01:00 to 2025-04-07 03:00 +01:00 = 30m0s",
			},
		},
		"Apia: a whole day is missing, and its opening is that of the next day": {
			spec: in("Pacific/Apia", crons("0 12 * * *", time.Hour)),
			from: "2011-12-29T08:00-10:00",
			want: []string{
				"Thu 2011-12-29 12:00 -10:00 to 2011-12-29 13:00 -10:00 = 1h0m0s",
				"Sat 2011-12-31 12:00 +14:00 to 2011-12-31 13:00 +14:00 = 1h0m0s",
				"Sun 2012-01-01 12:00 +14:00 to 2012-01-01 13:00 +14:00 = 1h0m0s",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := compiled(t, "nights", tc.spec)
			got := told(Combine(c).Openings(utc(tc.from), minor, len(tc.want)), tc.spec.TimeZone)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("openings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRecurrences(t *testing.T) {
	hour := func(rule string) v1alpha1.MaintenanceWindow { return rrules(rule, "22:00", time.Hour) }
	tests := map[string]struct {
		window v1alpha1.MaintenanceWindow
		from   string
		want   string // days of the starts
	}{
		"the second Tuesday":                    {hour("FREQ=MONTHLY;BYDAY=2TU"), "2027-01-01", "2027-01-12 2027-02-09 2027-03-09"},
		"the last Sunday":                       {hour("FREQ=MONTHLY;BYDAY=-1SU"), "2027-01-01", "2027-01-31 2027-02-28 2027-03-28"},
		"the last day of a quarter":             {hour("FREQ=MONTHLY;BYMONTH=3,6,9,12;BYMONTHDAY=-1"), "2027-01-01", "2027-03-31 2027-06-30 2027-09-30"},
		"the first working day":                 {hour("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1"), "2027-01-01", "2027-01-01 2027-02-01 2027-03-01"},
		"29 February":                           {hour("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29"), "2027-01-01", "2028-02-29"},
		"every other week from the anchor":      {hour("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"), "2024-01-01", "2024-01-01 2024-01-15 2024-01-29"},
		"every other week, years later":         {hour("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"), "2027-01-01", "2027-01-11 2027-01-25 2027-02-08"},
		"every other week, seen from its end":   {hour("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"), "2027-01-25", "2027-01-25 2027-02-08 2027-02-22"},
		"weeks that begin on Sunday":            {hour("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU"), "2027-01-01", "2027-01-10 2027-01-11 2027-01-24"},
		"weeks that begin on Monday":            {hour("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO"), "2027-01-01", "2027-01-03 2027-01-11 2027-01-17"},
		"every third day":                       {hour("FREQ=DAILY;INTERVAL=3"), "2024-01-01", "2024-01-01 2024-01-04 2024-01-07"},
		"before the anchor, too":                {hour("FREQ=DAILY;INTERVAL=3"), "2023-12-25", "2023-12-26 2023-12-29 2024-01-01"},
		"every fifth month":                     {hour("FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=1"), "2025-12-30", "2026-02-01 2026-07-01 2026-12-01"},
		"every other year":                      {hour("FREQ=YEARLY;INTERVAL=2;BYMONTH=6;BYMONTHDAY=1"), "2027-01-01", "2028-06-01 2030-06-01"},
		"the week of the year":                  {hour("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"), "2027-01-01", "2027-05-17 2028-05-15 2029-05-14"},
		"until a day, that day included":        {hour("FREQ=DAILY;UNTIL=20270103"), "2027-01-02", "2027-01-02 2027-01-03"},
		"until a time on the wall clock":        {hour("FREQ=DAILY;UNTIL=20270103T215959"), "2027-01-02", "2027-01-02"},
		"until an instant, which is 22:00 here": {hour("FREQ=DAILY;UNTIL=20270103T130000Z"), "2027-01-02", "2027-01-02 2027-01-03"},
		"in small letters, with the name":       {hour(" rrule:freq=monthly;byday=2tu"), "2027-01-01", "2027-01-12 2027-02-09 2027-03-09"},

		"cron: weekdays": {crons("0 22 * * MON-FRI", time.Hour), "2027-01-01", "2027-01-01 2027-01-04 2027-01-05"},
		"cron: both fields of days, one is enough":     {crons("0 22 13 * 5", time.Hour), "2027-08-01", "2027-08-06 2027-08-13 2027-08-20"},
		"cron: a star in one field of days, both hold": {crons("0 22 */2 * 5", time.Hour), "2027-01-01", "2027-01-01 2027-01-15 2027-01-29"},
		"cron: Sunday is 0 and 7":                      {crons("0 22 1-14 * 7", time.Hour), "2027-02-10", "2027-02-10 2027-02-11 2027-02-12"},
		"cron: steps, lists and names":                 {crons("0 22 1-10/3,20 jan,MAR *", time.Hour), "2027-01-05", "2027-01-07 2027-01-10 2027-01-20"},
		"cron: several times a day":                    {crons("30 8-18/5 * * *", time.Hour), "2027-01-01", "2027-01-01 2027-01-01 2027-01-01"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := compiled(t, "nights", in("Asia/Tokyo", tc.window))
			var got []string
			for _, o := range Combine(c).Openings(utc(tc.from+"T00:00+09:00"), minor, 3) {
				got = append(got, o.From.In(c.Location()).Format(time.DateOnly))
			}
			if diff := cmp.Diff(tc.want, strings.Join(got[:min(len(got), len(strings.Fields(tc.want)))], " ")); diff != "" {
				t.Errorf("days (-want +got):\n%s", diff)
			}
			if strings.Contains(tc.window.RRule, "UNTIL") && len(got) != len(strings.Fields(tc.want)) {
				t.Errorf("opens on %v, after its end", got)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	rule := func(text string) *v1alpha1.MaintenanceCalendarSpec {
		return in("Asia/Tokyo", rrules(text, "22:00", time.Hour))
	}
	expression := func(text string) *v1alpha1.MaintenanceCalendarSpec { return in("Asia/Tokyo", crons(text, time.Hour)) }
	tests := map[string]struct {
		spec *v1alpha1.MaintenanceCalendarSpec
		want string // in the sentence
	}{
		"an unknown zone":                   {in("Asia/Tokio"), `spec.timeZone: "Asia/Tokio" is not a time zone: use an IANA name like Asia/Tokyo or UTC`},
		"no zone":                           {in(""), `"" is not a time zone`},
		"the zone of the machine":           {in("Local"), `"Local" is not a time zone`},
		"a file that is not a zone":         {in("../../etc/passwd"), `is not a time zone`},
		"a zone with leap seconds":          {in("right/Asia/Tokyo"), `is not a time zone`},
		"an interval of nothing":            {rule("FREQ=DAILY;INTERVAL=0"), "INTERVAL=0 must be a whole number from 1 to 1000"},
		"an interval beyond any use":        {rule("FREQ=WEEKLY;INTERVAL=9223372036854775807;BYDAY=MO"), "must be a whole number from 1 to 1000"},
		"finer than days":                   {rule("FREQ=HOURLY"), "FREQ=HOURLY is finer than a day: use cron"},
		"much finer than days":              {rule("FREQ=SECONDLY;BYHOUR=3"), "BYHOUR does not belong in a rule of days"},
		"an unknown frequency":              {rule("FREQ=FORTNIGHTLY"), "FREQ=FORTNIGHTLY is unknown"},
		"no frequency":                      {rule("BYDAY=MO"), "FREQ is missing"},
		"no rule":                           {rule("every Monday"), `"EVERY MONDAY" is not a part like FREQ=WEEKLY`},
		"a part twice":                      {rule("FREQ=DAILY;FREQ=WEEKLY;BYDAY=MO"), "FREQ is there twice"},
		"a part without a value":            {rule("FREQ=DAILY;BYMONTH="), "is not a part like"},
		"an unknown part":                   {rule("FREQ=DAILY;BYEASTER=1"), "BYEASTER is not a part of a recurrence rule"},
		"a count":                           {rule("FREQ=DAILY;COUNT=3"), "COUNT needs a first day to count from, and a calendar has none: use UNTIL"},
		"a start of its own":                {rule("DTSTART=20270101T000000;FREQ=DAILY"), "DTSTART does not belong in a window"},
		"a start of its own on a line":      {rule("DTSTART:20270101T000000\nRRULE:FREQ=DAILY"), "is not a part like"},
		"weekly on no day":                  {rule("FREQ=WEEKLY"), "FREQ=WEEKLY does not say on which days: add BYDAY"},
		"monthly on no day":                 {rule("FREQ=MONTHLY;BYMONTH=3"), "add BYMONTHDAY or BYDAY"},
		"days of months in weeks":           {rule("FREQ=WEEKLY;BYDAY=MO;BYMONTHDAY=3"), "BYMONTHDAY does not go with FREQ=WEEKLY"},
		"days of years in months":           {rule("FREQ=MONTHLY;BYDAY=MO;BYYEARDAY=3"), "go with FREQ=YEARLY, not MONTHLY"},
		"the sixth Monday of a month":       {rule("FREQ=MONTHLY;BYDAY=6MO"), "the number before a day is from 1 to 5, or from -1 to -5"},
		"the zeroth Monday":                 {rule("FREQ=YEARLY;BYDAY=0MO"), "the number before a day is from 1 to 53"},
		"the second Monday of a week":       {rule("FREQ=WEEKLY;BYDAY=2MO"), "counts days, which goes with FREQ=MONTHLY or YEARLY"},
		"Mondays and second Tuesdays":       {rule("FREQ=MONTHLY;BYDAY=MO,2TU"), "mixes days with and without a number: write two windows"},
		"no weekday":                        {rule("FREQ=WEEKLY;BYDAY=MON"), "BYDAY=MON is not a list of days"},
		"the thirteenth month":              {rule("FREQ=DAILY;BYMONTH=13"), "it cannot be used: bymonth must be between 1 and 12"},
		"30 February":                       {rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), `spec.windows[0]: rrule "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30" never opens`},
		"Tuesdays among every seventh day":  {rule("FREQ=DAILY;INTERVAL=7;BYDAY=TU"), "never opens"},
		"over before it begins":             {rule("FREQ=DAILY;UNTIL=20231231"), "never opens"},
		"no end of a rule":                  {rule("FREQ=DAILY;UNTIL=soon"), "UNTIL=SOON is not a date"},
		"an expression of seconds":          {expression("0 0 22 * * *"), "it has 6 fields and needs five"},
		"an expression of a name":           {expression("@daily"), "it has 1 fields and needs five"},
		"minute 60":                         {expression("5,60 * * * *"), `the minute "60" must be from 0 to 59`},
		"a bad part after a good one":       {expression("0 22 * * 1,x"), `the day of the week "X" must be from 0 to 7`},
		"names run together":                {expression("0 22 1 JANFEB *"), `the month "JANFEB" must be from 1 to 12`},
		"half of two names":                 {expression("0 22 1 ANF *"), `the month "ANF" must be from 1 to 12`},
		"a name in the wrong field":         {expression("0 22 MON * *"), `the day of the month "MON" must be from 1 to 31`},
		"a range backwards":                 {expression("0 22 * * FRI-MON"), "ends before it begins"},
		"no step":                           {expression("*/0 22 * * *"), "the step of the minute"},
		"a step beyond the hour":            {expression("*/90 22 * * *"), `the step of the minute "*/90" must be from 1 to 59`},
		"another dialect":                   {expression("0 22 L * ?"), `the day of the month "L" must be from 1 to 31`},
		"a star in a list":                  {expression("0 22 1 * *,0"), `the day of the week "*,0" has a star in a list`},
		"30 February by cron":               {expression("0 22 30 2 *"), `cron "0 22 30 2 *" never opens`},
		"many times a day":                  {expression("*/10 * * * *"), "it opens 144 times a day, and at most 24 make sense"},
		"rule and expression":               {in("UTC", v1alpha1.MaintenanceWindow{RRule: "FREQ=DAILY", Cron: "0 22 * * *", Duration: metav1.Duration{Duration: time.Hour}}), "set exactly one of rrule and cron"},
		"neither":                           {in("UTC", v1alpha1.MaintenanceWindow{Duration: metav1.Duration{Duration: time.Hour}}), "set exactly one of rrule and cron"},
		"an expression with a start":        {in("UTC", v1alpha1.MaintenanceWindow{Cron: "0 22 * * *", Start: "22:00", Duration: metav1.Duration{Duration: time.Hour}}), "start goes with rrule"},
		"no time of day":                    {in("UTC", rrules("FREQ=DAILY", "24:00", time.Hour)), `start "24:00" is not a time of day`},
		"shorter than anything":             {in("UTC", rrules("FREQ=DAILY", "22:00", 59*time.Second)), "duration is 59s: a window is at least 1m0s and at most 8784h0m0s long"},
		"longer than a year":                {in("UTC", rrules("FREQ=DAILY", "22:00", 8785*time.Hour)), "duration is 8785h0m0s"},
		"the second window":                 {in("UTC", crons("0 22 * * *", time.Hour), crons("0 22 * *", time.Hour)), "calendar nights cannot be used: spec.windows[1]: cron"},
		"a freeze that ends at its start":   {with(in("UTC"), freezes("2027-01-01", "2027-01-01", "x")), "spec.freezes[0]: from must be before to"},
		"every start is in the skipped gap": {policies(in("America/New_York", rrules("FREQ=YEARLY;BYMONTH=3;BYDAY=2SU", "02:30", time.Hour)), v1alpha1.GapPolicySkip, ""), "never opens"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Compile("nights", tc.spec)
			refusal, ok := errors.AsType[*Error](err)
			if !ok {
				t.Fatalf("Compile = %v, want a refusal", err)
			}
			if refusal.Reason != v1alpha1.ReasonInvalidCalendar || !strings.Contains(refusal.Message, tc.want) {
				t.Errorf("Compile = %s: %s\nwant %s: …%s…", refusal.Reason, refusal.Message, v1alpha1.ReasonInvalidCalendar, tc.want)
			}
		})
	}
}

// Freezes that leave nothing open are another mistake than one that cannot be read.
func TestFreezesThatCoverEverything(t *testing.T) {
	week := rrules("FREQ=WEEKLY;BYDAY=TU", "22:00", time.Hour)
	long := freezes("2020-01-01", "2100-01-01", "no time")
	tests := map[string]struct {
		spec *v1alpha1.MaintenanceCalendarSpec
		want string // "" when it is accepted
	}{
		"one freeze":                      {with(in("UTC", week), long), v1alpha1.ReasonNeverOpens},
		"without windows":                 {with(in("UTC"), long), v1alpha1.ReasonNeverOpens},
		"two that follow each other":      {with(in("UTC", week), freezes("2020-01-01", "2040-01-01", "a"), freezes("2040-01-01", "2100-01-01", "b")), v1alpha1.ReasonNeverOpens},
		"a kind each":                     {with(in("UTC", week), freezes("2020-01-01", "2100-01-01", "a", image, patch), freezes("2020-01-01", "2100-01-01", "b", minor)), v1alpha1.ReasonNeverOpens},
		"one kind stays":                  {with(in("UTC", week), freezes("2020-01-01", "2100-01-01", "a", patch, minor)), ""},
		"the rest of the time stays":      {with(in("UTC", week), freezes("2020-01-01", "2050-01-01", "a")), ""},
		"the only kind that has a window": {with(in("UTC", crons("0 22 * * *", time.Hour, minor)), freezes("2020-01-01", "2100-01-01", "a", minor)), v1alpha1.ReasonNeverOpens},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Compile("nights", tc.spec)
			got := ""
			if refusal, ok := errors.AsType[*Error](err); ok {
				got = refusal.Reason
			}
			if got != tc.want {
				t.Errorf("Compile = %v, want %q", err, tc.want)
			}
		})
	}
}
