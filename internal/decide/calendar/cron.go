// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

// cron is a five-field cron expression, worked out: the library is asked once for each value of each field.
type cron struct {
	minutes                    []int64 // of the day, in seconds after midnight
	monthDays, months, weekday []bool
	// either: both fields of days name some, so one of them is enough. That is how cron has always been.
	either bool
}

// field of a cron expression.
type field struct {
	name   string
	lo, hi int
	words  string // names of the values from lo, three letters each
	// at is a time that has the value, on a day on which the library needs no more than that.
	at func(value int) time.Time
}

var cronFields = []field{
	{name: "minute", hi: 59, at: func(v int) time.Time { return time.Date(2024, 1, 1, 0, v, 0, 0, time.UTC) }},
	{name: "hour", hi: 23, at: func(v int) time.Time { return time.Date(2024, 1, 1, v, 0, 0, 0, time.UTC) }},
	{name: "day of the month", lo: 1, hi: 31, at: func(v int) time.Time { return time.Date(2024, 1, v, 0, 0, 0, 0, time.UTC) }},
	{name: "month", lo: 1, hi: 12, words: "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC",
		at: func(v int) time.Time { return time.Date(2024, time.Month(v), 1, 0, 0, 0, 0, time.UTC) }},
	{name: "day of the week", hi: 7, words: "SUNMONTUEWEDTHUFRISAT",
		at: func(v int) time.Time { return time.Date(2024, 1, 7+v, 0, 0, 0, 0, time.UTC) }},
}

// cronPart is one part of a list: a star or a range with or without a step, or a value.
var cronPart = regexp.MustCompile(`^(?:(\*|[0-9A-Z]+-[0-9A-Z]+)(?:/([0-9]{1,2}))?|[0-9A-Z]+)$`)

// parseCron reads an expression. The library's own check depends on the minute at which it is asked, because it stops
// at the first part of a list that is due; so every part is checked here first.
func parseCron(text string) (*cron, error) {
	texts := strings.FieldsFunc(strings.ToUpper(text), func(r rune) bool { return r == ' ' || r == '\t' })
	if len(texts) != len(cronFields) {
		return nil, fmt.Errorf("it has %d fields and needs five: minute, hour, day of the month, month, day of the week", len(texts))
	}
	var sets [5][]bool
	for i := range cronFields {
		var err error
		if sets[i], err = cronFields[i].values(i+1, texts[i]); err != nil {
			return nil, err
		}
	}
	c := &cron{monthDays: sets[2], months: sets[3], weekday: sets[4]}
	c.either = !strings.HasPrefix(texts[2], "*") && !strings.HasPrefix(texts[4], "*")
	for hour, due := range sets[1] {
		for minute, alsoDue := range sets[0] {
			if due && alsoDue {
				c.minutes = append(c.minutes, int64(hour)*3600+int64(minute)*60)
			}
		}
	}
	if n := len(c.minutes); n > busiest {
		return nil, fmt.Errorf("it opens %d times a day, and at most %d make sense: open less often with a longer duration", n, busiest)
	}
	return c, nil
}

// values asks the library which values of a field match. Positions of the library begin with seconds.
func (f *field) values(position int, text string) ([]bool, error) {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		checked, err := f.check(part)
		if err != nil {
			return nil, err
		}
		if part == "*" && part != text {
			return nil, fmt.Errorf("the %s %q has a star in a list: a star alone says the same", f.name, text)
		}
		parts = append(parts, checked)
	}
	set := make([]bool, f.hi+1)
	var checker gronx.SegmentChecker
	for v := f.lo; v <= f.hi; v++ {
		checker.SetRef(f.at(v))
		due, err := checker.CheckDue(strings.Join(parts, ","), position)
		if err != nil {
			return nil, fmt.Errorf("the %s %q cannot be read: %w", f.name, text, err)
		}
		set[v] = due
	}
	return set, nil
}

// check reads one part of a list and returns it with numbers for names.
func (f *field) check(part string) (string, error) {
	match := cronPart.FindStringSubmatch(part)
	if match == nil {
		return "", fmt.Errorf("the %s %q is not a number, a range, or a star or range with a step, like 5, 1-5, */2 or 8-18/2", f.name, part)
	}
	if step := match[2]; step != "" {
		if n, _ := strconv.Atoi(step); n < 1 || n > f.hi {
			return "", fmt.Errorf("the step of the %s %q must be from 1 to %d", f.name, part, f.hi)
		}
	}
	if match[1] == "*" {
		return part, nil
	}
	span, step, stepped := strings.Cut(part, "/")
	first, last, ranged := strings.Cut(span, "-")
	lo, err := f.number(first)
	if err != nil {
		return "", err
	}
	out := strconv.Itoa(lo)
	if ranged {
		hi, err := f.number(last)
		if err != nil {
			return "", err
		}
		if hi < lo {
			return "", fmt.Errorf("the range %q of the %s ends before it begins: write two ranges with a comma", span, f.name)
		}
		out += "-" + strconv.Itoa(hi)
	}
	if stepped {
		out += "/" + step
	}
	return out, nil
}

// number is the value of a number or name.
func (f *field) number(text string) (int, error) {
	if i := strings.Index(f.words, text); len(text) == 3 && i >= 0 && i%3 == 0 {
		return f.lo + i/3, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.lo || n > f.hi {
		return 0, fmt.Errorf("the %s %q must be from %d to %d", f.name, text, f.lo, f.hi)
	}
	return n, nil
}

func (c *cron) on(first, last day, yield func(day) bool) {
	for d := max(first, firstOf(1900, 1)); d <= last; d++ {
		t := d.utc()
		_, month, monthDay := t.Date()
		if !c.months[month] {
			continue
		}
		onMonthDay, onWeekday := c.monthDays[monthDay], c.weekday[t.Weekday()]
		if (onMonthDay && onWeekday || c.either && (onMonthDay || onWeekday)) && !yield(d) {
			return
		}
	}
}
