// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

func (a *app) calendarCommand() *cobra.Command {
	c := a.group("calendar", "Look at the calendars: maintenance windows and freezes",
		`Look at the calendars: maintenance windows and freezes. Calendars are written as YAML, checked with
'calendar check' and applied with 'kubectl apply'.`,
		a.calendarList(), a.calendarDescribe(), a.calendarNext(), a.calendarCheck())
	c.Aliases = []string{"calendars", "mc"}
	return c
}

func (a *app) calendarList() *cobra.Command {
	var selector string
	var all bool
	c := &cobra.Command{
		Use:     "list [NAME ...]",
		Aliases: []string{"get", "ls"},
		Short:   "List the calendars",
		Long:    "List the calendars with their time zones, whether they are open now, and when that changes.",
		Example: `  # All calendars
  sengu calendar list

  # One as YAML, with the openings that the controllers worked out
  sengu calendar get nights -o yaml`,
		ValidArgsFunction: a.names(&v1alpha1.MaintenanceCalendarList{}),
	}
	o := outputFlags(c, true)
	selectorFlags(c, &selector, &all)
	c.RunE = func(c *cobra.Command, names []string) error {
		list := &v1alpha1.MaintenanceCalendarList{}
		h, err := a.read(c, o, list, reading{selector, all, names})
		if err != nil {
			return err
		}
		if len(names) > 0 {
			list.Items, err = pick(list.Items, names, h.namespace, "calendar", func(c *v1alpha1.MaintenanceCalendar) string { return c.Name })
			if err != nil {
				return err
			}
		}
		rows := view.Calendars(list.Items, a.Clock.Now())
		if all {
			rows = rows.WithNamespaces()
		}
		return a.list(o, single(list, len(names)), rows)
	}
	return c
}

func (a *app) calendarDescribe() *cobra.Command {
	var zone string
	c := &cobra.Command{
		Use:   "describe NAME",
		Short: "Tell what a calendar says, and when it opens",
		Long: `Tell what a calendar says: its windows and freezes with their reasons, whether it is open now, and its next
openings in its own time zone and in yours.`,
		Example: `  # When are upgrades allowed, and why not now?
  sengu calendar describe nights`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.MaintenanceCalendarList{}),
	}
	zoneFlag(c, &zone)
	c.RunE = func(c *cobra.Command, words []string) error {
		now, err := a.nowIn(zone)
		if err != nil {
			return err
		}
		h, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		found, err := operation.GetCalendar(c.Context(), h, h.key(words[0]))
		if err != nil {
			return err
		}
		_, err = io.WriteString(a.Streams.Out, view.DescribeCalendar(found, now))
		return err
	}
	return c
}

func (a *app) calendarCheck() *cobra.Command {
	var file, zone string
	c := &cobra.Command{
		Use:   "check -f FILE",
		Short: "Read calendars from a file and tell what they mean for the next year",
		Long: `Read calendars from a file and tell what they mean for the next year: how many openings and hours there are, what
becomes of windows when clocks change, and the next openings. Of several calendars it also tells when all are open.
No hub is asked. It exits with 2 when a calendar cannot be used, and says why.`,
		Example: `  # Before applying it
  sengu calendar check -f nights.yaml

  # From the standard input, in another time zone
  cat nights.yaml | sengu calendar check -f - --time-zone Europe/Berlin`,
		Args:              args(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().StringVarP(&file, "filename", "f", "", "File with MaintenanceCalendars; - is the standard input.")
	zoneFlag(c, &zone)
	c.RunE = func(*cobra.Command, []string) error {
		if file == "" {
			return usage("name the file with -f FILE")
		}
		now, err := a.nowIn(zone)
		if err != nil {
			return err
		}
		objects, err := a.objectsFromFile(file)
		if err != nil {
			return err
		}
		var compiled []*calendar.Calendar
		var text strings.Builder
		for _, object := range objects {
			found, ok := object.(*v1alpha1.MaintenanceCalendar)
			if !ok {
				return usage("%s holds %s, and only MaintenanceCalendars can be checked", source(file), object.GetName())
			}
			c, err := calendar.Compile(found.Name, &found.Spec)
			if err != nil {
				return usage("%s: %v", source(file), err)
			}
			compiled = append(compiled, c)
			if len(compiled) > 1 {
				text.WriteString("\n")
			}
			text.WriteString(view.CalendarYear(found, c, now))
		}
		if len(compiled) == 0 {
			return usage("%s holds no MaintenanceCalendar", source(file))
		}
		if len(compiled) > 1 {
			text.WriteString("\n" + view.CalendarsTogether(compiled, now))
		}
		_, err = io.WriteString(a.Streams.Out, text.String())
		return err
	}
	return c
}

// zoneFlag adds the flag of the zone that times are shown in.
func zoneFlag(c *cobra.Command, zone *string) {
	c.Flags().StringVar(zone, "time-zone", "", "Time zone of yours, like Europe/Berlin. Not set: that of this machine or of $TZ.")
}

// nowIn is now in the reader's time zone.
func (a *app) nowIn(zone string) (time.Time, error) {
	now := a.Clock.Now()
	if zone == "" {
		return now, nil
	}
	location, err := calendar.Zone(zone)
	if err != nil {
		return now, usage("--time-zone: %v", err)
	}
	return now.In(location), nil
}
