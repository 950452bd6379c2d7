// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
	"sengu.dev/sengu/internal/decide/versionpath"
)

// Freeze is a time in which nothing may start.
type Freeze struct {
	// Calendar that has it, and its Reason.
	Calendar, Reason string
	// From is its beginning and To its end, exclusive.
	From, To time.Time
}

// hours are when work on a cluster may be done: while every calendar that holds for it is open. nil: always.
type hours struct {
	calendars *calendar.Combined
	kind      v1alpha1.UpgradeKind
	freezes   []Freeze
	// problem is why a calendar cannot be used: the windows never open then.
	problem string
}

// always is so far away that no forecast comes there.
var always = time.Unix(1<<40, 0)

// next is the opening in hand, or the first after it, of which at least that much is left; not ok: there is none.
func (w *hours) next(at time.Time, atLeast time.Duration) (from, to time.Time, ok bool) {
	if w.problem != "" {
		return at, at, false
	}
	o, ok := w.calendars.Next(at, w.kind, atLeast)
	if !ok {
		return at, at, false
	}
	from, to = o.From, o.To
	if from.Before(at) {
		from = at
	}
	if to.IsZero() {
		to = always
	}
	return from, to, true
}

// Fleet holds the calendars of a fleet. It remembers what it has combined, so it serves one forecast at a time.
type Fleet struct {
	everywhere []v1alpha1.LocalObjectReference
	compiled   map[string]*calendar.Calendar
	problems   map[string]string
	freezes    map[string][]Freeze
	from, to   time.Time
	combined   map[string]*hours
}

// NewFleet compiles calendars for a forecast that begins at an instant and looks as far as a horizon; 0: Horizon.
func NewFleet(calendars []*v1alpha1.MaintenanceCalendar, fleet *v1alpha1.FleetSpec, from time.Time, horizon time.Duration) *Fleet {
	f := &Fleet{compiled: map[string]*calendar.Calendar{}, problems: map[string]string{}, freezes: map[string][]Freeze{},
		combined: map[string]*hours{}, from: from, to: from.Add(cmp.Or(horizon, Horizon) + month)}
	if fleet != nil {
		f.everywhere = fleet.CalendarRefs
	}
	for _, c := range calendars {
		compiled, err := calendar.Compile(c.Name, &c.Spec)
		if err != nil {
			f.problems[c.Name] = err.Error()
			continue
		}
		f.compiled[c.Name] = compiled
		for i := range c.Spec.Freezes {
			z := &c.Spec.Freezes[i]
			f.freezes[c.Name] = append(f.freezes[c.Name], Freeze{c.Name, z.Reason, z.From.Time, z.To.Time})
		}
	}
	return f
}

// month is what calendars are worked out ahead beyond the horizon.
const month = 31 * 24 * time.Hour

// of a cluster in a stage: its own calendar, the stage's, the upgrade's and the fleet's together.
func (f *Fleet) of(c *v1alpha1.Cluster, stage *v1alpha1.StrategyStage, spec *v1alpha1.ClusterUpgradeSpec) *hours {
	if f == nil || c == nil {
		return nil
	}
	names := make([]string, 0, 8)
	for _, refs := range [][]v1alpha1.LocalObjectReference{f.everywhere, spec.CalendarRefs} {
		for _, ref := range refs {
			names = append(names, ref.Name)
		}
	}
	if stage != nil && stage.CalendarRef != nil {
		names = append(names, stage.CalendarRef.Name)
	}
	if c.Spec.CalendarRef != nil {
		names = append(names, c.Spec.CalendarRef.Name)
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	names = slices.Compact(names)
	kind := kindOf(c, spec)
	key := strings.Join(append(names, string(kind)), " ")
	if f.combined[key] == nil {
		f.combined[key] = f.combine(names, kind)
	}
	return f.combined[key]
}

func (f *Fleet) combine(names []string, kind v1alpha1.UpgradeKind) *hours {
	w := &hours{kind: kind}
	var all []*calendar.Calendar
	for _, name := range names {
		if f.compiled[name] == nil {
			w.problem = cmp.Or(f.problems[name], "calendar "+name+" does not exist")
			return w
		}
		all = append(all, f.compiled[name])
		w.freezes = append(w.freezes, f.freezes[name]...)
	}
	w.calendars = calendar.Combine(all...).Expand(f.from, f.to)
	return w
}

// kindOf an upgrade, as calendars tell kinds apart.
func kindOf(c *v1alpha1.Cluster, spec *v1alpha1.ClusterUpgradeSpec) v1alpha1.UpgradeKind {
	if spec.Scope == v1alpha1.UpgradeScopeNodeImageOnly || len(spec.Hops) == 0 {
		return v1alpha1.UpgradeKindNodeImage
	}
	from, err := versionpath.Parse(c.Status.ControlPlane.Version)
	to, err2 := versionpath.Parse(spec.Hops[len(spec.Hops)-1])
	if err == nil && err2 == nil && from.SameMinor(to) {
		return v1alpha1.UpgradeKindPatch
	}
	return v1alpha1.UpgradeKindMinor
}
