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
	"sengu.dev/sengu/internal/decide/simulate"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/internal/view"
)

// forecastFlags say what is played, and how it is told.
type forecastFlags struct {
	runFlags
	output, percentile, from string
	approveAfter             time.Duration
	all                      bool
}

// forecastFormats are the formats of -o; none is a table.
var forecastFormats = []string{"wide", "json", "yaml", "svg"}

func (a *app) forecastCommand() *cobra.Command {
	var f forecastFlags
	c := &cobra.Command{
		Use:   "forecast [NAME] [--to VERSION --strategy STRATEGY] | -f FILE",
		Short: "Tell when a run, its stages and its clusters begin and end, and what could block it",
		Long: `Tell when a run, its stages and its clusters begin and end, and what could block it: a window that is too short, a
freeze, an approval. The same decisions that the controllers act on are played in virtual time, over the calendars and
over how long the clusters of this fleet took before. Nothing is changed.

With a name alone, it goes on from where a run is now. With flags or a file, it plays a run that would be created.
P50 is a time that is as likely too early as too late; P90 is kept nine times of ten. What cannot be known is assumed,
and listed. It exits with 1 when the run would not start.`,
		Example: `  # When would this be done, and what stands in its way?
  sengu forecast --to 1.37 --strategy staging-first

  # When is this run done, if people take a day for each approval?
  sengu forecast to-1-37 --approve-after 24h

  # As a picture, for the slow case
  sengu forecast --to 1.37 --strategy staging-first --percentile P90 -o svg > forecast.svg`,
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
	}
	a.addRunFlags(c, &f.runFlags)
	flags := c.Flags()
	flags.StringVarP(&f.output, "output", "o", "", "Output format. One of: "+strings.Join(forecastFormats, ", ")+". Not set: a table.")
	flags.StringVar(&f.percentile, "percentile", string(simulate.P50), "Which durations the timeline is told with: P50 or P90.")
	flags.StringVar(&f.from, "from", "", "When the run would be created, like 2027-03-01 or \"2027-03-01 22:00\" or in RFC 3339. Not set: now.")
	flags.DurationVar(&f.approveAfter, "approve-after", 0, "How long people take to approve once they are asked.")
	flags.BoolVar(&f.all, "all", false, fmt.Sprintf("List every cluster; otherwise %d of each group.", plannedClusters))
	complete(c, "output", slices.Clone(forecastFormats)...)
	complete(c, "percentile", string(simulate.P50), string(simulate.P90))
	c.RunE = func(c *cobra.Command, words []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if len(words) > 1 {
			return args("NAME")(c, words)
		}
		forecast, err := a.forecast(c.Context(), &f, strings.Join(words, ""))
		if err != nil {
			return err
		}
		if forecast.Refused != "" {
			return &exitError{exitFailed, "the run would not start: " + view.Clean(forecast.Refused)}
		}
		return f.print(a.Streams.Out, forecast)
	}
	return c
}

func (f *forecastFlags) check() error {
	if f.output != "" && !slices.Contains(forecastFormats, f.output) {
		return usage("--output is %q: say %s, or leave it out for a table", f.output, strings.Join(forecastFormats, ", "))
	}
	f.percentile = "P" + strings.TrimPrefix(strings.ToUpper(f.percentile), "P")
	if f.percentile != string(simulate.P50) && f.percentile != string(simulate.P90) {
		return usage("--percentile is %q: say P50 or P90", f.percentile)
	}
	if f.approveAfter < 0 {
		return usage("--approve-after is %s: nobody approves before they are asked", f.approveAfter)
	}
	return nil
}

// forecast reads what the hub knows, and plays it.
func (a *app) forecast(ctx context.Context, f *forecastFlags, name string) (*simulate.Forecast, error) {
	now := a.Clock.Now()
	from, err := f.begin(now)
	if err != nil {
		return nil, err
	}
	if !f.describes() && name == "" {
		return nil, usage("'%s forecast' needs NAME of a run, or --to and --strategy, or -f FILE", a.name)
	}
	if name == "" && f.file == "" {
		name = "forecast"
	}
	h, run, err := a.plannedRun(ctx, &f.runFlags, name)
	if err != nil {
		return nil, err
	}
	if f.from != "" && run.Status.Resolved != nil {
		return nil, usage("--from does not go with run %s, which has begun: leave it out, and the forecast goes on from now", run.Name)
	}
	snapshot, err := observe.LookAhead(ctx, h, run)
	if err != nil {
		return nil, err
	}
	return simulate.Make(simulate.Input{
		Snapshot: snapshot, From: from, Percentile: simulate.Percentile(f.percentile), ApproveAfter: f.approveAfter,
	}), nil
}

// fromLayouts are how people write an instant, besides RFC 3339; in the zone of this machine.
var fromLayouts = []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04"}

// begin of a forecast: --from, or now.
func (f *forecastFlags) begin(now time.Time) (time.Time, error) {
	if f.from == "" {
		return now, nil
	}
	at, err := time.Parse(time.RFC3339, f.from)
	for _, layout := range fromLayouts {
		if err != nil {
			at, err = time.ParseInLocation(layout, f.from, now.Location())
		}
	}
	switch {
	case err != nil:
		return at, usage("--from is %q: write 2027-03-01, \"2027-03-01 22:00\" or 2027-03-01T22:00:00+01:00", f.from)
	case at.Before(now):
		return at, usage("--from is %s, which is over: a forecast begins now or later", f.from)
	}
	return at, nil
}

func (f *forecastFlags) print(w io.Writer, forecast *simulate.Forecast) error {
	var text []byte
	var err error
	switch f.output {
	case "json":
		text, err = json.MarshalIndent(forecast, "", "  ")
		text = append(text, '\n')
	case "yaml":
		text, err = yaml.Marshal(forecast)
	case "svg":
		text = []byte(view.ForecastSVG(forecast))
	default:
		o := view.ForecastOptions{Wide: f.output == "wide", MaxClusters: plannedClusters}
		if f.all {
			o.MaxClusters = 0
		}
		text = []byte(view.Forecast(forecast, o))
	}
	if err == nil {
		_, err = w.Write(text)
	}
	return err
}
