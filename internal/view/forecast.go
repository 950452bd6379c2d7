// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"
	"time"

	"sengu.dev/sengu/internal/decide/simulate"
)

// ForecastOptions say how much of a forecast is shown.
type ForecastOptions struct {
	// Wide adds the pauses of clusters and from how many samples their time was learned.
	Wide bool
	// MaxClusters shown of one group; zero: all.
	MaxClusters int
}

// forecastTime is an instant in a table; the zone is told above it.
const forecastTime = "Mon 2006-01-02 15:04"

// Forecast tells when a run and each of its stages and clusters begin and end, and what could block them.
func Forecast(f *simulate.Forecast, o ForecastOptions) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Run %s%s: %s in %s, from %s. Nothing was changed.\n", Clean(f.Run), toTarget(f), count(len(f.Clusters), "cluster"),
		count(len(f.Stages), "stage"), f.From.Format(forecastTime+" MST"))
	fmt.Fprintf(&b, "Expected end: %s.\n\n", forecastEnds(f))
	b.WriteString(forecastStages(f).Format(o.Wide))
	b.WriteString("\n" + forecastClusters(f, o.MaxClusters).Format(o.Wide))
	if len(f.Blockers) > 0 {
		b.WriteString("\nWhat could block it, and what is assumed:\n")
	}
	for i := range f.Blockers {
		fmt.Fprintf(&b, "  %s: %s\n", f.Blockers[i].Kind, Clean(f.Blockers[i].Message))
	}
	return b.String()
}

func toTarget(f *simulate.Forecast) string {
	if f.Target == "" {
		return ""
	}
	return " to " + Clean(f.Target)
}

// forecastEnds says both ends, or that there is none.
func forecastEnds(f *simulate.Forecast) string {
	end := func(t *time.Time, percentile simulate.Percentile) string {
		if t == nil {
			return "none that can be told (" + string(percentile) + ")"
		}
		return fmt.Sprintf("%s (%s, %s after the start)", t.In(f.From.Location()).Format(forecastTime+" MST"), percentile, Elapsed(t.Sub(f.From)))
	}
	if f.ExpectedEnd.P50 == nil && f.ExpectedEnd.P90 == nil {
		return "none that can be told"
	}
	return end(f.ExpectedEnd.P50, simulate.P50) + "; " + end(f.ExpectedEnd.P90, simulate.P90)
}

func forecastStages(f *simulate.Forecast) Table {
	t := Table{Columns: []Column{{Name: "STAGE"}, {Name: "CLUSTERS"}, {Name: "START"}, {Name: "CLUSTERS DONE"}, {Name: "SOAKED"}, {Name: "END"}}}
	for i := range f.Stages {
		s := &f.Stages[i]
		t.Rows = append(t.Rows, []string{Clean(s.Name), fmt.Sprint(s.Clusters), when(f, s.Start), when(f, s.ClustersEnd), when(f, s.SoakEnd), when(f, s.End)})
	}
	return t
}

func forecastClusters(f *simulate.Forecast, most int) Table {
	t := Table{Columns: []Column{{Name: "CLUSTER"}, {Name: "STAGE"}, {Name: "GROUP"}, {Name: "START"}, {Name: "END"}, {Name: "TAKES"}, {Name: "STATE"},
		{Name: "PAUSES", Wide: true}, {Name: "SAMPLES", Wide: true}}}
	shown, hidden, place := 0, 0, ""
	more := func() {
		if hidden > 0 {
			t.Rows = append(t.Rows, []string{fmt.Sprintf("… and %d more", hidden), " ", " ", " ", " ", " ", " ", " ", " "})
		}
		shown, hidden = 0, 0
	}
	for i := range f.Clusters {
		c := &f.Clusters[i]
		if at := c.Stage + "/" + c.Group; at != place {
			more()
			place = at
		}
		if most > 0 && shown >= most {
			hidden++
			continue
		}
		shown++
		takes := ""
		if c.Start != nil && c.End != nil {
			takes = Elapsed(c.End.Sub(*c.Start))
		}
		t.Rows = append(t.Rows, []string{Clean(c.Name), Clean(c.Stage), Clean(c.Group), when(f, c.Start), when(f, c.End), takes, forecastState(c),
			fmt.Sprint(len(c.Pauses)), fmt.Sprint(c.Samples)})
	}
	more()
	return t
}

// when is an instant in the zone of the forecast; empty: it does not come.
func when(f *simulate.Forecast, t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.In(f.From.Location()).Format(forecastTime)
}

func forecastState(c *simulate.Cluster) string {
	switch {
	case c.Phase != "":
		return string(c.Phase)
	case c.Done:
		return "Succeeded"
	case c.End == nil:
		return "Blocked"
	}
	return "Expected"
}
