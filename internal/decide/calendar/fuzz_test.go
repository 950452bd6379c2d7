// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adhocore/gronx"
	"github.com/google/go-cmp/cmp"

	"sengu.dev/sengu/api/v1alpha1"
)

// FuzzRRule writes anything for a rule: it is refused with one sentence, or it opens as a window does.
func FuzzRRule(f *testing.F) {
	for _, rule := range []string{
		"FREQ=WEEKLY;BYDAY=TU,WE,TH", "FREQ=MONTHLY;BYDAY=-1SU", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU;WKST=SU", "FREQ=YEARLY;BYYEARDAY=-366",
		"FREQ=MONTHLY;BYDAY=6MO", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=-366", "FREQ=DAILY;INTERVAL=1000;BYMONTH=2;BYMONTHDAY=29", "FREQ=HOURLY;INTERVAL=24;BYHOUR=3",
		"FREQ=WEEKLY;INTERVAL=9223372036854775807;BYDAY=MO", "FREQ=YEARLY;BYDAY=-53MO;BYMONTH=1", "FREQ=YEARLY;BYDAY=53FR", "FREQ=DAILY;UNTIL=20270314T073000Z",
		"FREQ=YEARLY;INTERVAL=1000;BYWEEKNO=-53;BYSETPOS=1,-1", "FREQ=MONTHLY;BYMONTHDAY=-31;BYMONTH=2", "RRULE:FREQ=DAILY\n", "FREQ=DAILY;BYEASTER=400",
	} {
		f.Add(rule, uint16(150), uint16(240), uint8(1))
	}
	f.Fuzz(func(t *testing.T, rule string, start, duration uint16, zone uint8) {
		at := time.Date(2024, 1, 1, 0, int(start), 0, 0, time.UTC).Format("15:04")
		checkWindow(t, rrules(rule, at, time.Duration(duration)*time.Minute), zone)
	})
}

// FuzzCron writes anything for a cron expression. What is accepted is due exactly when the library says so.
func FuzzCron(f *testing.F) {
	for _, expression := range []string{
		"0 22 * * 2-4", "*/5 * * * *", "0 22 29 2 *", "0 22 31 4 *", "0 22 13 * 5", "0 22 */2 * 5", "5,99 * * * *", "0 0 * JAN-MAR,dec SUN", "0 22 * * 5-7",
		"0 22 * * 0-7/3", "0 22 1-31/30 * */7", "0 22 L * ?", "0 22 * * 5#3", "@daily", "0 22 * * MON/2", "00 022 * * 07", "0 0 1-31/30 * *,0", "0 0 1 1\v0",
	} {
		f.Add(expression, uint16(240), uint8(2))
	}
	f.Fuzz(func(t *testing.T, expression string, duration uint16, zone uint8) {
		checkWindow(t, crons(expression, time.Duration(duration)*time.Minute), zone)
		c, err := parseCron(expression)
		if err != nil || len(c.minutes) == 0 {
			return
		}
		var days []day
		c.on(anchor, anchor+400, func(d day) bool {
			days = append(days, d)
			return true
		})
		for d := anchor; d <= anchor+400; d++ {
			at := time.Unix(d.midnight()+c.minutes[0], 0).UTC()
			due, err := gronx.New().IsDue(expression, at)
			if err != nil || due != slices.Contains(days, d) {
				t.Fatalf("%q is due at %s: %t, and the library says %t, %v", expression, at, slices.Contains(days, d), due, err)
			}
		}
	})
}

var fuzzZones = []string{"UTC", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"}

// checkWindow checks the promises that every window keeps, or the sentence with which it is refused.
func checkWindow(t *testing.T, w v1alpha1.MaintenanceWindow, zone uint8) {
	spec := in(fuzzZones[int(zone)%len(fuzzZones)], w)
	spec.Gap = []v1alpha1.GapPolicy{v1alpha1.GapPolicyShift, v1alpha1.GapPolicySkip}[int(zone/8)%2]
	spec.Fold = []v1alpha1.FoldPolicy{v1alpha1.FoldPolicyFirst, v1alpha1.FoldPolicySecond, v1alpha1.FoldPolicyBoth}[int(zone/16)%3]
	c, err := Compile("fuzz", spec)
	if err != nil {
		checkSentence(t, err)
		return
	}
	now := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	openings := Combine(c).Openings(now, minor, 12)
	checkOpenings(t, openings, now)
	for _, o := range openings {
		if !o.From.IsZero() && !o.To.IsZero() {
			checkLength(t, c, o, w.Duration.Duration)
		}
	}
	if diff := cmp.Diff(openings, Combine(compiled(t, "fuzz", spec)).Openings(now, minor, 12)); diff != "" {
		t.Fatalf("the second time it opens differently:\n%s", diff)
	}
}

func checkSentence(t *testing.T, err error) {
	refusal, ok := errors.AsType[*Error](err)
	if !ok || refusal.Message == "" || refusal.Reason != v1alpha1.ReasonInvalidCalendar || strings.Contains(refusal.Message, "\n") {
		t.Fatalf("refused with %q", err)
	}
}

// checkLength checks that an opening is as long as its window, or as several that touch.
func checkLength(t *testing.T, c *Calendar, o Opening, duration time.Duration) {
	clock, starts := c.clock(), 0
	c.windows[0].starts(&clock, dayOf(o.From.Unix())-2, dayOf(o.To.Unix())+2, func(at int64) bool {
		if at >= o.From.Unix() && at < o.To.Unix() {
			starts++
		}
		return true
	})
	length := o.To.Sub(o.From)
	if starts == 0 || starts == 1 && length != duration || length < duration || length > time.Duration(starts)*duration {
		t.Fatalf("%v is %s long with %d starts of %s", o, length, starts, duration)
	}
}
