// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

// mostOpenings is how many openings are shown at most.
const mostOpenings = 1000

// nextFlags are those of 'calendar next'.
type nextFlags struct {
	cluster, zone, format string
	kinds                 []string
	atLeast               time.Duration
	count                 int
}

func (a *app) calendarNext() *cobra.Command {
	var f nextFlags
	c := &cobra.Command{
		Use:   "next NAME ... | --cluster CLUSTER",
		Short: "Tell when calendars open next",
		Long: `Tell whether a calendar is open now and when it opens next, in its own time zone and in yours. Of several calendars,
it tells when all of them are open at once. With --cluster, those are the cluster's own calendar and the calendars of
the fleet; a stage of a strategy may add one.`,
		Example: `  # The next ten openings
  sengu calendar next nights

  # When may minor upgrades of this cluster go on for two hours?
  sengu calendar next --cluster prod-1 --for Minor --at-least 2h

  # For a script
  sengu calendar next nights -o json | jq -r '.openings[0].from'`,
		ValidArgsFunction: a.moreNames(&v1alpha1.MaintenanceCalendarList{}),
	}
	flags := c.Flags()
	flags.StringVar(&f.cluster, "cluster", "", "All calendars that hold for this cluster.")
	flags.StringSliceVar(&f.kinds, "for", nil, "Only for these kinds of upgrade: NodeImage, Patch, Minor. Not set: for all.")
	flags.DurationVar(&f.atLeast, "at-least", 0, "Only openings of which so much is left, like 2h.")
	flags.IntVar(&f.count, "count", 10, "How many openings.")
	flags.StringVarP(&f.format, "output", "o", "", "Output format. One of: json, yaml, wide.")
	zoneFlag(c, &f.zone)
	complete(c, "output", "json", "yaml", "wide")
	complete(c, "for", "NodeImage", "Patch", "Minor")
	if err := c.RegisterFlagCompletionFunc("cluster", func(c *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return a.namesOf(c.Context(), &v1alpha1.ClusterList{}, prefix), cobra.ShellCompDirectiveNoFileComp
	}); err != nil {
		panic(err) // the flag is not there: a mistake in this package
	}
	c.RunE = func(c *cobra.Command, names []string) error {
		wanted, now, err := a.wanted(&f, names)
		if err != nil {
			return err
		}
		h, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		if f.cluster != "" {
			if names, err = calendarsOf(c.Context(), h, f.cluster); err != nil {
				return err
			}
		}
		calendars, err := compileAll(c.Context(), h, names)
		if err != nil {
			return err
		}
		hours := view.NewHours(calendars, wanted, now)
		return a.printHours(&hours, &f)
	}
	return c
}

// wanted checks the flags.
func (a *app) wanted(f *nextFlags, names []string) (calendar.Wanted, time.Time, error) {
	w := calendar.Wanted{AtLeast: f.atLeast, N: f.count}
	now, err := a.nowIn(f.zone)
	switch {
	case err != nil:
	case f.format != "" && f.format != "json" && f.format != "yaml" && f.format != "wide":
		err = usage("output format %q is not known: say json, yaml or wide", f.format)
	case (len(names) > 0) == (f.cluster != ""):
		err = usage("name calendars, or a cluster with --cluster")
	case f.count < 1 || f.count > mostOpenings:
		err = usage("--count %d must be from 1 to %d", f.count, mostOpenings)
	case f.atLeast < 0:
		err = usage("--at-least %s must not be less than nothing", f.atLeast)
	}
	for _, text := range f.kinds {
		kind := v1alpha1.UpgradeKind(text)
		if !slices.Contains(calendar.Kinds(), kind) {
			return w, now, usage("--for %q is not a kind of upgrade: say NodeImage, Patch or Minor", text)
		}
		if !slices.Contains(w.Kinds, kind) {
			w.Kinds = append(w.Kinds, kind)
		}
	}
	return w, now, err
}

// calendarsOf names the calendars that hold for a cluster: its own first, then those of the fleet.
func calendarsOf(ctx context.Context, h *hub, name string) ([]string, error) {
	cluster, err := operation.GetCluster(ctx, h, h.key(name))
	if err != nil {
		return nil, err
	}
	var names []string
	if ref := cluster.Spec.CalendarRef; ref != nil {
		names = append(names, ref.Name)
	}
	fleet := &v1alpha1.Fleet{}
	if err := h.Get(ctx, h.key(v1alpha1.FleetName), fleet); err != nil && !operation.IsMissing(err) {
		return nil, err
	}
	for _, ref := range fleet.Spec.CalendarRefs {
		if !slices.Contains(names, ref.Name) {
			names = append(names, ref.Name)
		}
	}
	return names, nil
}

// compileAll reads calendars from the hub, as it is now, and works them out.
func compileAll(ctx context.Context, h *hub, names []string) ([]*calendar.Calendar, error) {
	var out []*calendar.Calendar
	for _, name := range names {
		found, err := operation.GetCalendar(ctx, h, h.key(name))
		if err != nil {
			return nil, err
		}
		compiled, err := calendar.Compile(found.Name, &found.Spec)
		if err != nil {
			return nil, &exitError{exitFailed, err.Error()}
		}
		out = append(out, compiled)
	}
	return out, nil
}

func (a *app) printHours(h *view.Hours, f *nextFlags) error {
	if f.format == "" || f.format == "wide" {
		text := h.Text(f.format == "wide")
		if f.cluster != "" {
			text = fmt.Sprintf("cluster %s: %s\n", view.Clean(f.cluster), calendarsText(h.Calendars)) + text
		}
		_, err := io.WriteString(a.Streams.Out, text)
		return err
	}
	content, err := json.MarshalIndent(h, "", "  ")
	if err == nil && f.format == "yaml" {
		content, err = yaml.JSONToYAML(content)
	} else {
		content = append(content, '\n')
	}
	if err != nil {
		return err
	}
	_, err = a.Streams.Out.Write(content)
	return err
}

func calendarsText(names []string) string {
	switch len(names) {
	case 0:
		return "no calendar holds for it"
	case 1:
		return "calendar " + names[0]
	}
	return "calendars " + strings.Join(names, ", ")
}
