// SPDX-License-Identifier: Apache-2.0

// Package windows says whether the calendars that hold for a cluster let something begin: its own, its stage's and the
// fleet's, of which all must be open.
package windows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
	"sengu.dev/sengu/internal/decide/versionpath"
)

// Calendars are those of a fleet, read once and asked for many clusters. It remembers what it was asked: use it in one
// place at a time. nil: the fleet has none.
type Calendars struct {
	read     map[string]*calendar.Calendar
	problems map[string]*v1alpha1.Waiting
	freezes  map[string][]v1alpha1.Freeze
	sets     map[string]*Set
	from, to time.Time // expanded between these, when set
}

// Read reads calendars. One that cannot be read is closed until somebody mends it.
func Read(list []*v1alpha1.MaintenanceCalendar) *Calendars {
	c := &Calendars{read: map[string]*calendar.Calendar{}, problems: map[string]*v1alpha1.Waiting{},
		freezes: map[string][]v1alpha1.Freeze{}, sets: map[string]*Set{}}
	for _, m := range list {
		compiled, err := calendar.Compile(m.Name, &m.Spec)
		if err != nil {
			c.problems[m.Name] = &v1alpha1.Waiting{Reason: reasonOf(err), Message: err.Error()}
			continue
		}
		c.read[m.Name], c.freezes[m.Name] = compiled, m.Spec.Freezes
	}
	return c
}

// Expand makes thousands of questions about the time between two instants cheap, for forecasts.
func (c *Calendars) Expand(from, to time.Time) {
	if c == nil {
		return
	}
	c.from, c.to = from, to
	clear(c.sets)
}

func reasonOf(err error) string {
	if e, ok := err.(*calendar.Error); ok { //nolint:errorlint // Compile returns nothing else
		return e.Reason
	}
	return v1alpha1.ReasonInvalidCalendar
}

// For returns the calendars that hold for a cluster: its own, those of its stage and the fleet's.
func (c *Calendars) For(cluster *v1alpha1.Cluster, stage []v1alpha1.LocalObjectReference, fleet *v1alpha1.FleetSpec) *Set {
	var names []string
	if ref := cluster.Spec.CalendarRef; ref != nil {
		names = append(names, ref.Name)
	}
	for _, ref := range stage {
		names = append(names, ref.Name)
	}
	if fleet != nil {
		for _, ref := range fleet.CalendarRefs {
			names = append(names, ref.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return c.set(slices.Compact(names))
}

func (c *Calendars) set(names []string) *Set {
	if c == nil {
		c = Read(nil)
	}
	key := strings.Join(names, "\n")
	if s := c.sets[key]; s != nil {
		return s
	}
	s := &Set{answers: map[question]*v1alpha1.Waiting{}}
	var compiled []*calendar.Calendar
	for _, name := range names {
		switch {
		case c.read[name] != nil:
			compiled = append(compiled, c.read[name])
			for _, f := range c.freezes[name] {
				s.freezes = append(s.freezes, Freeze{Calendar: name, Reason: f.Reason, From: f.From.Time, To: f.To.Time, kinds: f.For})
			}
		case s.problem != nil:
		case c.problems[name] != nil:
			s.problem = c.problems[name]
		default:
			s.problem = &v1alpha1.Waiting{Reason: v1alpha1.ReasonCalendarMissing, Message: fmt.Sprintf("calendar %s does not exist: create it, or take the reference away", name)}
		}
	}
	s.combined = calendar.Combine(compiled...)
	if !c.from.IsZero() {
		s.combined = s.combined.Expand(c.from, c.to)
	}
	c.sets[key] = s
	return s
}

// Set is several calendars that hold together. nil: none, so always open. It remembers the answers of the instant that
// it was asked about last: use it in one place at a time.
type Set struct {
	combined *calendar.Combined
	problem  *v1alpha1.Waiting
	freezes  []Freeze
	at       time.Time
	answers  map[question]*v1alpha1.Waiting
}

type question struct {
	kind  v1alpha1.UpgradeKind
	takes time.Duration
}

// MayBegin says why something that usually takes a time may not begin now, with the next opening in Until; nil: it
// may. What is asked for a whole wave of clusters is worked out once.
func (s *Set) MayBegin(now time.Time, kind v1alpha1.UpgradeKind, takes time.Duration) *v1alpha1.Waiting {
	switch {
	case s == nil:
		return nil
	case s.problem != nil:
		return s.problem
	}
	if !s.at.Equal(now) {
		s.at = now
		clear(s.answers)
	}
	q := question{kind, takes}
	answer, known := s.answers[q]
	if !known {
		answer = s.answer(now, q)
		s.answers[q] = answer
	}
	return answer
}

func (s *Set) answer(now time.Time, q question) *v1alpha1.Waiting {
	state := s.combined.At(now, q.kind)
	if state.Open && (state.Until.IsZero() || !now.Add(q.takes).After(state.Until)) {
		return nil
	}
	w := &v1alpha1.Waiting{Reason: state.Reason, Message: state.Message}
	if state.Open {
		w.Reason, w.Message = v1alpha1.ReasonWindowTooShort, fmt.Sprintf("it usually takes up to %s, and less than that is left of the window", q.takes.Round(time.Second))
	}
	next, found := s.combined.Next(now, q.kind, q.takes)
	if !found {
		return &v1alpha1.Waiting{Reason: v1alpha1.ReasonNeverOpens, Message: fmt.Sprintf(
			"%s, and no later opening is as long as the %s that it usually takes: lengthen a window, or shorten a freeze", w.Message, q.takes.Round(time.Second))}
	}
	w.Until = new(metav1.NewTime(next.From))
	return w
}

// Freeze is a time in which a calendar lets nothing begin.
type Freeze struct {
	// Calendar that has it, and its Reason.
	Calendar, Reason string
	// From is its beginning and To its end, exclusive.
	From, To time.Time

	kinds []v1alpha1.UpgradeKind // empty: all
}

// Freezes that hold for a kind of upgrade, calendar by calendar.
func (s *Set) Freezes(kind v1alpha1.UpgradeKind) []Freeze {
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.freezes), func(f Freeze) bool { return len(f.kinds) > 0 && !slices.Contains(f.kinds, kind) })
}

// Next is the opening in hand if at least a time is left of it, else the first later one that is long enough. False:
// there is none; Problem says if that is because a calendar cannot be used.
func (s *Set) Next(from time.Time, kind v1alpha1.UpgradeKind, takes time.Duration) (calendar.Opening, bool) {
	switch {
	case s == nil:
		return calendar.Opening{}, true
	case s.problem != nil:
		return calendar.Opening{}, false
	}
	return s.combined.Next(from, kind, takes)
}

// Problem says why a calendar cannot be used, so that nothing ever opens; empty: all can.
func (s *Set) Problem() string {
	if s == nil || s.problem == nil {
		return ""
	}
	return s.problem.Message
}

// KindOf is the kind of upgrade that moves a control plane from a version to another one; empty: it stays, and nodes
// get other images.
func KindOf(from, to string) v1alpha1.UpgradeKind {
	a, errA := versionpath.Parse(from)
	b, errB := versionpath.Parse(to)
	switch {
	case to == "" || to == from:
		return v1alpha1.UpgradeKindNodeImage
	case errA == nil && errB == nil && a.MinorsBehind(b) == 0:
		return v1alpha1.UpgradeKindPatch
	}
	return v1alpha1.UpgradeKindMinor // also when a version cannot be read: the most careful
}
