// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/teambition/rrule-go"
)

// largestInterval is far beyond any use and far below an overflow inside the library.
const largestInterval = 1000

// rule is a recurrence rule of days (RFC 5545, 3.3.10).
type rule struct {
	option rrule.ROption
	until  int64 // the last second on the wall clock that may be a start
}

// parts of a rule that say on which days it falls. The others are FREQ, INTERVAL, WKST and UNTIL.
var dayParts = []string{"BYMONTH", "BYWEEKNO", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYSETPOS"}

// refused parts of a rule, with what to do instead.
var refused = map[string]string{
	"COUNT":    "COUNT needs a first day to count from, and a calendar has none: use UNTIL",
	"DTSTART":  "DTSTART does not belong in a window: start says the time, and intervals are counted from Monday 2024-01-01",
	"BYHOUR":   "BYHOUR does not belong in a rule of days: start says the time; cron opens a window several times a day",
	"BYMINUTE": "BYMINUTE does not belong in a rule of days: start says the time; cron opens a window several times a day",
	"BYSECOND": "BYSECOND does not belong in a rule of days: start says the time",
}

// parseRule reads a rule. The library is lenient: it panics on some ordinals, loops for ever on some rules that never
// come, takes the last of two equal parts and silently leaves out what it cannot use. So each part is checked here first.
func parseRule(text string, location *time.Location) (*rule, error) {
	parts, err := splitRule(text)
	if err != nil {
		return nil, err
	}
	r := &rule{until: forever}
	if value, ok := parts["UNTIL"]; ok {
		if r.until, err = parseUntil(value, location); err != nil {
			return nil, err
		}
	}
	if err := checkInterval(parts); err != nil {
		return nil, err
	}
	if err := checkFrequency(parts); err != nil {
		return nil, err
	}
	if err := checkDays(parts); err != nil {
		return nil, err
	}
	var kept []string
	for _, key := range append([]string{"FREQ", "INTERVAL", "WKST"}, dayParts...) {
		if value, ok := parts[key]; ok {
			kept = append(kept, key+"="+value)
		}
	}
	option, err := rrule.StrToROption(strings.Join(kept, ";"))
	if err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	option.Dtstart, option.Interval = anchor.utc(), max(option.Interval, 1)
	if _, err := rrule.NewRRule(*option); err != nil {
		return nil, fmt.Errorf("it cannot be used: %w", err)
	}
	r.option = *option
	return r, nil
}

// splitRule takes a rule apart into its known parts.
func splitRule(text string) (map[string]string, error) {
	parts := map[string]string{}
	text = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(text)), "RRULE:")
	for part := range strings.SplitSeq(text, ";") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case !ok || value == "" || strings.ContainsAny(part, " \t\r\n:") || strings.Contains(value, "="):
			return nil, fmt.Errorf("%q is not a part like FREQ=WEEKLY", part)
		case refused[key] != "":
			return nil, errors.New(refused[key])
		case key != "FREQ" && key != "INTERVAL" && key != "WKST" && key != "UNTIL" && !slices.Contains(dayParts, key):
			return nil, fmt.Errorf("%s is not a part of a recurrence rule (RFC 5545)", key)
		case parts[key] != "":
			return nil, fmt.Errorf("%s is there twice", key)
		}
		parts[key] = value
	}
	return parts, nil
}

// parseUntil reads the last moment of a rule, as a second on the wall clock of a zone.
func parseUntil(value string, location *time.Location) (int64, error) {
	if t, err := time.Parse("20060102", value); err == nil {
		return t.Unix() + secondsPerDay - 1, nil
	}
	if t, err := time.Parse("20060102T150405", value); err == nil {
		return t.Unix(), nil
	}
	t, err := time.Parse("20060102T150405Z", value)
	if err != nil {
		return 0, fmt.Errorf("UNTIL=%s is not a date like 20271231, nor a time like 20271231T180000Z", value)
	}
	_, offset := t.In(location).Zone()
	return t.Unix() + int64(offset), nil
}

func checkInterval(parts map[string]string) error {
	value, ok := parts["INTERVAL"]
	if !ok {
		return nil
	}
	if n, err := strconv.Atoi(value); err != nil || n < 1 || n > largestInterval {
		return fmt.Errorf("INTERVAL=%s must be a whole number from 1 to %d", value, largestInterval)
	}
	return nil
}

// checkFrequency checks that the rule is one of days, and says which ones: without a DTSTART there is no day to take
// them from.
func checkFrequency(parts map[string]string) error {
	needs := map[string][]string{
		"DAILY":   nil,
		"WEEKLY":  {"BYDAY"},
		"MONTHLY": {"BYMONTHDAY", "BYDAY"},
		"YEARLY":  {"BYMONTHDAY", "BYDAY", "BYYEARDAY", "BYWEEKNO"},
	}
	frequency := parts["FREQ"]
	oneOf, known := needs[frequency]
	switch {
	case frequency == "":
		return errors.New("FREQ is missing: use DAILY, WEEKLY, MONTHLY or YEARLY")
	case frequency == "HOURLY" || frequency == "MINUTELY" || frequency == "SECONDLY":
		return fmt.Errorf("FREQ=%s is finer than a day: use cron for a window that opens several times a day", frequency)
	case !known:
		return fmt.Errorf("FREQ=%s is unknown: use DAILY, WEEKLY, MONTHLY or YEARLY", frequency)
	case oneOf != nil && !slices.ContainsFunc(oneOf, func(key string) bool { return parts[key] != "" }):
		return fmt.Errorf("FREQ=%s does not say on which days: add %s", frequency, strings.Join(oneOf, " or "))
	case parts["BYYEARDAY"] != "" && frequency != "YEARLY", parts["BYWEEKNO"] != "" && frequency != "YEARLY":
		return fmt.Errorf("BYYEARDAY and BYWEEKNO go with FREQ=YEARLY, not %s", frequency)
	case parts["BYMONTHDAY"] != "" && frequency == "WEEKLY":
		return errors.New("BYMONTHDAY does not go with FREQ=WEEKLY: use MONTHLY or DAILY")
	}
	return nil
}

// weekdays as a rule writes them.
var weekdays = []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}

// checkDays checks BYDAY: a plain weekday everywhere, an ordinal like 2TU or -1FR where there is a month or a year to
// count in, and never both.
func checkDays(parts map[string]string) error {
	value, ok := parts["BYDAY"]
	if !ok {
		return nil
	}
	plain, counted := 0, 0
	for part := range strings.SplitSeq(value, ",") {
		if len(part) < 2 || !slices.Contains(weekdays, part[len(part)-2:]) {
			return fmt.Errorf("BYDAY=%s is not a list of days like MO,WE or 2TU or -1FR", value)
		}
		if len(part) == 2 {
			plain++
			continue
		}
		counted++
		if err := checkOrdinal(parts, part[:len(part)-2]); err != nil {
			return err
		}
	}
	switch {
	case counted == 0:
		return nil
	case plain > 0:
		return fmt.Errorf("BYDAY=%s mixes days with and without a number: write two windows", value)
	case parts["FREQ"] != "MONTHLY" && parts["FREQ"] != "YEARLY":
		return fmt.Errorf("BYDAY=%s counts days, which goes with FREQ=MONTHLY or YEARLY", value)
	case parts["BYWEEKNO"] != "":
		return fmt.Errorf("BYDAY=%s counts days, which does not go with BYWEEKNO", value)
	}
	return nil
}

// checkOrdinal checks the number before a day. A sixth Monday of a month makes the library panic.
func checkOrdinal(parts map[string]string, text string) error {
	most := 53
	if parts["FREQ"] == "MONTHLY" || parts["BYMONTH"] != "" {
		most = 5
	}
	if n, err := strconv.Atoi(text); err != nil || n == 0 || n > most || n < -most {
		return fmt.Errorf("BYDAY=%s: the number before a day is from 1 to %d, or from -1 to -%d", parts["BYDAY"], most, most)
	}
	return nil
}

// on asks the library for the days. It begins at the last whole interval from the anchor, so that a question about 2050
// does not walk there from 2024.
func (r *rule) on(first, last day, yield func(day) bool) {
	first = max(first, firstOf(1900, 1))
	option, interval := r.option, int64(r.option.Interval)
	switch option.Freq {
	case rrule.WEEKLY:
		option.Dtstart = (anchor + day(floorDiv(int64(first-anchor), 7*interval)*7*interval)).utc()
	case rrule.MONTHLY:
		year, month := first.year()
		months := floorDiv(int64(year-2024)*12+int64(month)-1, interval) * interval
		option.Dtstart = firstOf(2024, time.Month(1+months)).utc()
	case rrule.YEARLY:
		year, _ := first.year()
		option.Dtstart = firstOf(int(2024+floorDiv(int64(year-2024), interval)*interval), 1).utc()
	default:
		option.Dtstart = (anchor + day(floorDiv(int64(first-anchor), interval)*interval)).utc()
	}
	anchored, err := rrule.NewRRule(option)
	if err != nil {
		return // it was accepted at Compile, and only the first day has changed
	}
	next := anchored.Iterator()
	for {
		t, ok := next()
		d := dayOf(t.Unix())
		if !ok || d > last || d.midnight() > r.until {
			return
		}
		if d >= first && !yield(d) {
			return
		}
	}
}
