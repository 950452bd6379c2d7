// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
)

// CalendarResult is a year of questions to calendars of one kind.
type CalendarResult struct {
	// Calendars in words.
	Calendars string
	// Openings in the year.
	Openings int
	// Compile is reading the calendars; Expand is working out the year and what is looked back and ahead.
	Compile, Expand time.Duration
	// PerQuery is one question for the next opening of two hours, with the year worked out before and that work
	// included; Alone is one without.
	PerQuery, Alone time.Duration
}

// questions are asked in a year: one every ten minutes, about as often as a forecast of a busy fleet asks.
const questions = 365 * 24 * 6

// RunCalendars measures calendars that people write, together with the freezes of a company.
func RunCalendars() ([]CalendarResult, error) {
	long := metav1.Duration{Duration: 6 * time.Hour}
	cases := []struct {
		name    string
		windows []v1alpha1.MaintenanceWindow
	}{
		{"three nights a week by rule", []v1alpha1.MaintenanceWindow{{RRule: "FREQ=WEEKLY;BYDAY=TU,WE,TH", Start: "22:00", Duration: long}}},
		{"every night by cron", []v1alpha1.MaintenanceWindow{{Cron: "0 22 * * *", Duration: long}}},
		{"the second Tuesday of a month", []v1alpha1.MaintenanceWindow{{RRule: "FREQ=MONTHLY;BYDAY=2TU", Start: "22:00", Duration: long}}},
		{"every third hour, nights for minors", []v1alpha1.MaintenanceWindow{
			{Cron: "0 */3 * * *", Duration: metav1.Duration{Duration: 2 * time.Hour}, For: []v1alpha1.UpgradeKind{v1alpha1.UpgradeKindNodeImage}},
			{Cron: "0 22 * * *", Duration: long, For: []v1alpha1.UpgradeKind{v1alpha1.UpgradeKindMinor}},
		}},
	}
	var out []CalendarResult
	for _, c := range cases {
		r, err := yearOfQuestions(c.name, c.windows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		out = append(out, *r)
	}
	return out, nil
}

func yearOfQuestions(name string, windows []v1alpha1.MaintenanceWindow) (*CalendarResult, error) {
	begin := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	end := begin.AddDate(1, 0, 0)
	freeze := v1alpha1.Freeze{From: metav1.NewTime(end.AddDate(0, 0, -14)), To: metav1.NewTime(end.AddDate(0, 0, 7)), Reason: "year end"}
	own := &v1alpha1.MaintenanceCalendarSpec{TimeZone: "America/New_York", Windows: windows}
	company := &v1alpha1.MaintenanceCalendarSpec{TimeZone: "UTC", Freezes: []v1alpha1.Freeze{freeze}}
	compile := func() (*calendar.Combined, error) {
		a, err := calendar.Compile("own", own)
		if err != nil {
			return nil, err
		}
		b, err := calendar.Compile("company", company)
		return calendar.Combine(a, b), err
	}
	combined, err := compile()
	if err != nil {
		return nil, err
	}
	expand := func() *calendar.Combined { return combined.Expand(begin, end.AddDate(0, 2, 0)) }
	expanded := expand()
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * 10 * time.Minute) }
	for i := 0; i < questions; i += 97 {
		plain, ok := combined.Next(at(i), v1alpha1.UpgradeKindMinor, 2*time.Hour)
		if fast, okFast := expanded.Next(at(i), v1alpha1.UpgradeKindMinor, 2*time.Hour); fast != plain || ok != okFast {
			return nil, fmt.Errorf("at %s the next opening is %v, and worked out before it is %v", at(i), plain, fast)
		}
	}
	r := &CalendarResult{Calendars: name, Openings: len(combined.Between(begin, end, v1alpha1.UpgradeKindMinor))}
	r.Compile = measure(func(int) { _, _ = compile() }) // it was compiled above
	r.Expand = measure(func(int) { expand() })
	r.Alone = measure(func(i int) { combined.Next(at(i%questions), v1alpha1.UpgradeKindMinor, 2*time.Hour) })
	r.PerQuery = measure(func(int) {
		year := expand()
		for i := range questions {
			year.Next(at(i), v1alpha1.UpgradeKindMinor, 2*time.Hour)
		}
	}) / questions
	return r, nil
}

func measure(work func(i int)) time.Duration {
	r := testing.Benchmark(func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			work(i)
		}
	})
	return time.Duration(r.NsPerOp())
}
