// SPDX-License-Identifier: Apache-2.0

package azurefleet

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"sengu.dev/sengu/api/v1alpha1"
)

// gates imports the gates on one side of a stage or group.
func (m *importer) gates(o *object, field string) ([]v1alpha1.GateSpecTemplate, error) {
	items, err := o.takeList(field)
	if err != nil {
		return nil, err
	}
	if len(items) > 8 {
		return nil, fmt.Errorf("%s holds %d gates, and a place has at most 8", join(o.path, field), len(items))
	}
	var out []v1alpha1.GateSpecTemplate
	taken := map[string]bool{}
	for _, item := range items {
		g, err := m.gate(item, taken)
		if err != nil {
			return nil, err
		}
		out = append(out, *g)
	}
	return out, nil
}

func (m *importer) gate(o *object, taken map[string]bool) (*v1alpha1.GateSpecTemplate, error) {
	var kind, shown string
	if err := o.take("type", &kind); err != nil {
		return nil, err
	}
	if kind == "" { // what a Gate itself calls it
		if err := o.take("gateType", &kind); err != nil {
			return nil, err
		}
	}
	if err := o.take("displayName", &shown); err != nil {
		return nil, err
	}
	g := &v1alpha1.GateSpecTemplate{Name: gateName(shown, kind, taken)}
	if plain := strings.ToLower(notInWords.ReplaceAllString(shown, "-")); shown != "" && plain != g.Name {
		m.note(Differs, join(o.path, "displayName"), "gate %q is named %s here", shown, g.Name)
	}
	switch kind {
	case "Approval":
		g.Approval = &v1alpha1.ApprovalGate{}
		m.note(Differs, "approvals", "an approval names no approvers, so whoever may update gates decides; who started the run cannot be its only approver; set approvers, count and expiresAfter as you need them")
	case "ScheduledStart":
		start, err := m.scheduled(o)
		if err != nil {
			return nil, err
		}
		g.ScheduledStart = start
	default:
		return nil, fmt.Errorf("%s is of type %q, and only Approval and ScheduledStart are known", at(o.path), kind)
	}
	o.rest()
	return g, nil
}

var notInWords = regexp.MustCompile(`[ _]+`)

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// gateName makes a name of what is shown to people, once in its place.
func gateName(shown, kind string, taken map[string]bool) string {
	base := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(shown), "-"), "-")
	if base == "" {
		base = strings.ToLower(kind)
	}
	base = strings.TrimRight(base[:min(len(base), nameLimit-3)], "-")
	name := base
	for n := 2; taken[name] || name == ""; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	taken[name] = true
	return name
}

// weekdays as Azure writes them, from Sunday as package time counts.
var weekdays = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}

var (
	timeOfDay = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	offset    = regexp.MustCompile(`^([+-])(0[0-9]|1[0-4]):([0-5][0-9])$`)
)

// scheduled imports a start at the next such day and time. An offset of whole hours has a zone of its own; any other is
// the same instant in UTC.
func (m *importer) scheduled(o *object) (*v1alpha1.ScheduledStartGate, error) {
	c, err := o.takeObject("scheduledStartConfiguration")
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, fmt.Errorf("%s is missing", join(o.path, "scheduledStartConfiguration"))
	}
	var day, at, zone string
	for name, into := range map[string]*string{"startDay": &day, "startTime": &at, "utcOffset": &zone} {
		if err := c.take(name, into); err != nil {
			return nil, err
		}
	}
	c.rest()
	weekday := -1
	for i, name := range weekdays {
		if strings.EqualFold(day, name) {
			weekday = i
		}
	}
	if zone == "" {
		zone = "+00:00"
	}
	parts := offset.FindStringSubmatch(zone)
	switch {
	case weekday < 0:
		return nil, fmt.Errorf("%s is %q, and must be a day from Sunday to Saturday", join(c.path, "startDay"), day)
	case !timeOfDay.MatchString(at):
		return nil, fmt.Errorf("%s is %q, and must be a time like 18:00", join(c.path, "startTime"), at)
	case parts == nil || parts[2] == "14" && parts[3] != "00":
		return nil, fmt.Errorf("%s is %q, and must be an offset from -14:00 to +14:00", join(c.path, "utcOffset"), zone)
	}
	return m.next(c, weekday, at, parts), nil
}

func (m *importer) next(c *object, weekday int, at string, zone []string) *v1alpha1.ScheduledStartGate {
	short := func(day int) string { return strings.ToUpper(weekdays[day][:3]) }
	sign, hours, minutes := zone[1], zone[2], zone[3]
	west := sign == "-"
	switch {
	case hours == "00" && minutes == "00":
		return &v1alpha1.ScheduledStartGate{Next: short(weekday) + " " + at, TimeZone: "Etc/UTC"}
	case minutes == "00" && (!west || hours <= "12"):
		// The sign of these zones is the other way round: what is west of Greenwich is +.
		name := map[bool]string{true: "Etc/GMT+", false: "Etc/GMT-"}[west] + strings.TrimPrefix(hours, "0")
		m.note(Differs, join(c.path, "utcOffset"), "offset %s%s:00 is zone %s: a fixed offset has no summer time; a zone like Europe/Berlin has", sign, hours, name)
		return &v1alpha1.ScheduledStartGate{Next: short(weekday) + " " + at, TimeZone: name}
	}
	const day, week = 24 * 60, 7 * 24 * 60
	minute := weekday*day + minutesOf(at) - minutesOf(hours+":"+minutes)
	if west {
		minute = weekday*day + minutesOf(at) + minutesOf(hours+":"+minutes)
	}
	minute = (minute + week) % week
	next := fmt.Sprintf("%s %02d:%02d", short(minute/day), minute%day/60, minute%60)
	m.note(Differs, join(c.path, "utcOffset"), "offset %s%s:%s has no zone: %s %s there is %s in UTC, the same instant", sign, hours, minutes, short(weekday), at, next)
	return &v1alpha1.ScheduledStartGate{Next: next, TimeZone: "Etc/UTC"}
}

// minutesOf is how far a time of day, which was checked, is from midnight.
func minutesOf(clock string) int {
	hours, _ := strconv.Atoi(clock[:2])
	minutes, _ := strconv.Atoi(clock[3:])
	return hours*60 + minutes
}
