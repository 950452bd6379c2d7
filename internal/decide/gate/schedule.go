// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a machine without zone files decides the same

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// scheduledStart opens at an instant, which is fixed when the run comes to the gate.
func (r *Result) scheduledStart(g *v1alpha1.ScheduledStartGate, now time.Time) {
	if r.OpensAt == nil {
		at, err := opening(g, r.ReachedAt.Time)
		if err != nil {
			r.closed(v1alpha1.ReasonUnknownTimeZone, err.Error())
			return
		}
		r.OpensAt = new(metav1.NewTime(at).Rfc3339Copy())
	}
	if now.Before(r.OpensAt.Time) {
		r.closed(v1alpha1.ReasonScheduledLater, "it opens at "+scheduled(g))
		r.Until = r.OpensAt.Time
		return
	}
	r.open("schedule", v1alpha1.ReasonScheduleReached, "it opened at "+scheduled(g))
}

func scheduled(g *v1alpha1.ScheduledStartGate) string {
	if g.At != nil {
		return "a fixed time"
	}
	return g.Next + " " + g.TimeZone
}

// opening is the instant at which a scheduled start opens for a run that came to it at another.
func opening(g *v1alpha1.ScheduledStartGate, reached time.Time) (time.Time, error) {
	if g.At != nil {
		return g.At.Time, nil
	}
	zone, err := Zone(g.TimeZone)
	if err != nil {
		return time.Time{}, err
	}
	weekday, hour, minute, err := parseNext(g.Next)
	if err != nil {
		return time.Time{}, err
	}
	year, month, day := reached.In(zone).Date()
	// Eight days: today's may be past. A ninth for a day that a zone has left out.
	for i := range 10 {
		if wall := time.Date(year, month, day+i, hour, minute, 0, 0, time.UTC); wall.Weekday() == weekday {
			if at := instantOf(wall, zone); !at.Before(reached) {
				return at, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("there is no %q after the run came to the gate", g.Next)
}

// Zone finds a time zone by its IANA name.
func Zone(name string) (*time.Location, error) {
	if name == "" || name == "Local" { // what these mean depends on the machine
		return nil, fmt.Errorf("%q is no time zone: write an IANA name like Asia/Tokyo", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("there is no time zone %q: write an IANA name like Asia/Tokyo", name)
	}
	return zone, nil
}

var weekdays = []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}

func parseNext(next string) (weekday time.Weekday, hour, minute int, err error) {
	day, clock, _ := strings.Cut(next, " ")
	i := slices.Index(weekdays, day)
	t, err := time.Parse("15:04", clock)
	if i < 0 || err != nil {
		return 0, 0, 0, fmt.Errorf("%q is no weekday and time: write it like \"MON 09:00\"", next)
	}
	return time.Weekday(i), t.Hour(), t.Minute(), nil
}

// instantOf is when clocks in a zone show a time, which is given in UTC. A time that comes twice is the first of the
// two. One that is left out is as much later as clocks are put forward: 02:30 becomes 03:30.
func instantOf(wall time.Time, zone *time.Location) time.Time {
	const around = 24 * time.Hour
	before, after := offset(wall.Add(-around), zone), offset(wall.Add(around), zone)
	first, second := wall.Add(-before), wall.Add(-after)
	if offset(first, zone) != before && offset(second, zone) == after {
		return second
	}
	return first
}

func offset(at time.Time, zone *time.Location) time.Duration {
	_, seconds := at.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}
