// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
)

// Hours is the view of when calendars that hold together are open.
type Hours struct {
	// Calendars by name.
	Calendars []string `json:"calendars"`
	// TimeZone of the first calendar; empty when there is none.
	TimeZone string `json:"timeZone,omitempty"`
	// Now says for each kind of upgrade whether it may start; kinds with the same answer share it.
	Now []HoursNow `json:"now"`
	// Openings in hand and to come.
	Openings []HoursOpening `json:"openings"`

	location *time.Location
	now      time.Time
}

// HoursNow is whether upgrades may start now.
type HoursNow struct {
	// For these kinds; empty: for all.
	For []v1alpha1.UpgradeKind `json:"for,omitempty"`
	// Open: they may.
	Open bool `json:"open"`
	// Until when; nil: not within five years.
	Until *time.Time `json:"until,omitempty"`
	// Reason and Message say why not.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// HoursOpening is one opening.
type HoursOpening struct {
	// From and To; nil: longer ago, or later, than Sengu looks.
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"`
	// For these kinds; empty: for all.
	For []v1alpha1.UpgradeKind `json:"for,omitempty"`
}

// NewHours works out when calendars are open, as the deciders do.
func NewHours(calendars []*calendar.Calendar, w calendar.Wanted, now time.Time) Hours {
	h := Hours{Calendars: []string{}, Openings: []HoursOpening{}, now: now}
	for _, c := range calendars {
		h.Calendars = append(h.Calendars, Clean(c.Name()))
		if h.location == nil {
			h.location, h.TimeZone = c.Location(), c.Location().String()
		}
	}
	combined := calendar.Combine(calendars...)
	kinds := w.Kinds
	if len(kinds) == 0 {
		kinds = calendar.Kinds()
	}
	for _, kind := range kinds {
		state := combined.At(now, kind)
		next := HoursNow{Open: state.Open, Until: instantOf(state.Until), Reason: state.Reason, Message: Clean(state.Message)}
		if i := slices.IndexFunc(h.Now, next.same); i >= 0 {
			h.Now[i].For = append(h.Now[i].For, kind)
			continue
		}
		next.For = []v1alpha1.UpgradeKind{kind}
		h.Now = append(h.Now, next)
	}
	for i := range h.Now {
		if len(h.Now[i].For) == len(calendar.Kinds()) {
			h.Now[i].For = nil
		}
	}
	for _, o := range combined.Schedule(now, w) {
		h.Openings = append(h.Openings, HoursOpening{From: instantOf(o.From), To: instantOf(o.To), For: o.For})
	}
	return h
}

func (n HoursNow) same(other HoursNow) bool {
	sameEnd := n.Until == other.Until || n.Until != nil && other.Until != nil && n.Until.Equal(*other.Until)
	return n.Open == other.Open && sameEnd && n.Reason == other.Reason && n.Message == other.Message
}

// Text is the answer for people: whether it is open now, and the table of openings.
func (h *Hours) Text(wide bool) string {
	text := h.nowText() + "\n"
	if len(h.Openings) == 0 {
		return text + "No such opening within five years.\n"
	}
	return text + h.table().Format(wide)
}

// nowText has a line for each answer.
func (h *Hours) nowText() string {
	var b strings.Builder
	for _, n := range h.Now {
		what := "all upgrades"
		if len(n.For) > 0 {
			what = kindsText(n.For) + " upgrades"
		}
		switch {
		case n.Open && n.Until == nil:
			fmt.Fprintf(&b, "open for %s\n", what)
		case n.Open:
			fmt.Fprintf(&b, "open for %s, closes %s\n", what, Until(*n.Until, h.now))
		case n.Until == nil:
			fmt.Fprintf(&b, "closed for %s for the next five years: %s\n", what, n.Message)
		default:
			fmt.Fprintf(&b, "closed for %s, opens %s: %s\n", what, Until(*n.Until, h.now), n.Message)
		}
	}
	return b.String()
}

// table shows the openings in the zone of the calendar and in the zone of the reader, unless they are the same.
func (h *Hours) table() Table {
	location := cmp.Or(h.location, h.now.Location())
	t := Table{Columns: []Column{
		{Name: "WHEN"}, {Name: "OPENS"}, {Name: "CLOSES"}, {Name: "LASTS"}, {Name: "OPENS HERE"}, {Name: "CLOSES HERE"}, {Name: "FOR"},
		{Name: "OPENS UTC", Wide: true}, {Name: "CLOSES UTC", Wide: true},
	}}
	same := true
	for _, o := range h.Openings {
		opens, closes := clockText(o.From, location, "long ago"), clockText(o.To, location, "never")
		opensHere, closesHere := clockText(o.From, h.now.Location(), "long ago"), clockText(o.To, h.now.Location(), "never")
		same = same && opens == opensHere && closes == closesHere
		t.Rows = append(t.Rows, []string{
			h.when(o), opens, closes, lasts(o), opensHere, closesHere, cmp.Or(kindsText(o.For), "all"),
			clockText(o.From, time.UTC, "long ago"), clockText(o.To, time.UTC, "never"),
		})
	}
	if same {
		t.Columns = slices.Delete(t.Columns, 4, 6)
		for i := range t.Rows {
			t.Rows[i] = slices.Delete(t.Rows[i], 4, 6)
		}
	}
	return t
}

func (h *Hours) when(o HoursOpening) string {
	switch {
	case o.From != nil && o.From.After(h.now):
		return "in " + Elapsed(o.From.Sub(h.now))
	case o.To == nil:
		return "now"
	}
	return fmt.Sprintf("now, %s left", Elapsed(o.To.Sub(h.now)))
}

func lasts(o HoursOpening) string {
	if o.From == nil || o.To == nil {
		return "-"
	}
	return Elapsed(o.To.Sub(*o.From))
}

// clockText is what a clock on the wall shows at an instant.
func clockText(at *time.Time, location *time.Location, missing string) string {
	if at == nil {
		return missing
	}
	return at.In(location).Format("Mon 2006-01-02 15:04 MST")
}

func kindsText(kinds []v1alpha1.UpgradeKind) string {
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = Clean(string(k))
	}
	return strings.Join(words, ", ")
}

func instantOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
