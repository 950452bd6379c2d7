// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"html"
	"strings"
	"time"

	"sengu.dev/sengu/internal/decide/simulate"
)

// Sizes of the timeline, in pixels.
const (
	svgWidth  = 960
	svgLeft   = 210
	svgRight  = 20
	svgTop    = 64
	svgRow    = 22
	svgBar    = 12
	svgBottom = 30
	// svgClusters is up to how many clusters each has a row; of more, each group has one.
	svgClusters = 80
	// svgLabel is how many cells a name may take.
	svgLabel = 26
)

// svgStyle follows the light or dark mode of whoever looks at it.
const svgStyle = `<style>
  svg { font: 12px system-ui, sans-serif; background: #ffffff; color: #1f2328 }
  text { fill: currentColor } .dim { opacity: .65 } .title { font-size: 15px; font-weight: 600 } .stage { font-weight: 600 }
  .grid { stroke: currentColor; stroke-opacity: .14 } .work { fill: #2f6feb } .done { fill: #8b949e } .pause { fill: #2f6feb; fill-opacity: .25 }
  .soak { fill: #bf8700; fill-opacity: .55 } .blocked { fill: #cf222e } .p90 { stroke: #bf8700; stroke-dasharray: 4 3 } .end { stroke: #1a7f37 }
  @media (prefers-color-scheme: dark) { svg { background: #0d1117; color: #e6edf3 } .work, .pause { fill: #58a6ff } .end { stroke: #3fb950 } .blocked { fill: #f85149 } }
</style>
`

// svgLine is a row of the timeline.
type svgLine struct {
	label, class string
	bars         []svgSpan
}

// svgSpan is a bar: what it is, when, and what is told when somebody points at it.
type svgSpan struct {
	class    string
	from, to time.Time
	title    string
}

// ForecastSVG draws a forecast as a timeline: a picture without scripts, in which every name is escaped.
func ForecastSVG(f *simulate.Forecast) string {
	lines := svgLines(f)
	t := &timeAxis{from: f.From, to: f.From.Add(time.Minute)}
	for _, l := range lines {
		for _, s := range l.bars {
			t.cover(s.from, s.to)
		}
	}
	for _, end := range []*time.Time{f.ExpectedEnd.P50, f.ExpectedEnd.P90} {
		if end != nil {
			t.cover(*end, *end)
		}
	}
	height := svgTop + len(lines)*svgRow + svgBottom
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title desc">`+"\n",
		svgWidth, height, svgWidth, height)
	title := "Forecast of run " + f.Run + toTarget(f)
	fmt.Fprintf(&b, "<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n%s", escape(title), escape("Expected end: "+forecastEnds(f)), svgStyle)
	fmt.Fprintf(&b, "<text class=\"title\" x=\"12\" y=\"24\">%s</text>\n<text class=\"dim\" x=\"12\" y=\"42\">%s</text>\n", escape(title), escape("Expected end: "+forecastEnds(f)))
	t.grid(&b, svgTop+len(lines)*svgRow, f.From.Location())
	for i := range lines {
		t.line(&b, svgTop+i*svgRow, &lines[i])
	}
	t.mark(&b, "p90", f.ExpectedEnd.P90, height)
	t.mark(&b, "end", f.ExpectedEnd.P50, height)
	b.WriteString("</svg>\n")
	return b.String()
}

// escape makes text from outside safe inside an element or an attribute.
func escape(s string) string { return html.EscapeString(Clean(s)) }

// svgLines are the stages, each followed by its clusters or its groups.
func svgLines(f *simulate.Forecast) []svgLine {
	var lines []svgLine
	for i := range f.Stages {
		s := &f.Stages[i]
		line := svgLine{label: s.Name, class: "stage"}
		if s.ClustersEnd != nil && s.SoakEnd != nil && s.SoakEnd.After(*s.ClustersEnd) {
			line.bars = append(line.bars, svgSpan{"soak", *s.ClustersEnd, *s.SoakEnd, "soak of " + s.Name})
		}
		lines = append(lines, line)
		if len(f.Clusters) > svgClusters {
			lines = append(lines, groupLines(f, s.Name)...)
			continue
		}
		for j := range f.Clusters {
			if c := &f.Clusters[j]; c.Stage == s.Name {
				lines = append(lines, clusterLine(f, c))
			}
		}
	}
	return lines
}

func clusterLine(f *simulate.Forecast, c *simulate.Cluster) svgLine {
	line := svgLine{label: "  " + c.Name}
	if c.Start == nil {
		return line
	}
	class, at := "work", *c.Start
	if c.Done {
		class = "done"
	}
	for _, p := range c.Pauses {
		line.bars = append(line.bars, svgSpan{class, at, p.From, c.Name}, svgSpan{"pause", p.From, p.To, c.Name + ": its windows are closed"})
		at = p.To
	}
	if c.End == nil {
		line.bars = append(line.bars, svgSpan{"blocked", at, at, c.Name + " does not end"})
		return line
	}
	line.bars = append(line.bars, svgSpan{class, at, *c.End, fmt.Sprintf("%s: %s to %s", c.Name, when(f, c.Start), when(f, c.End))})
	return line
}

// groupLines are the groups of a stage from their first start to their last end.
func groupLines(f *simulate.Forecast, stage string) []svgLine {
	var lines []svgLine
	var names []string
	spans := map[string]*svgSpan{}
	counts := map[string]int{}
	for i := range f.Clusters {
		c := &f.Clusters[i]
		if c.Stage != stage {
			continue
		}
		if counts[c.Group]++; counts[c.Group] == 1 {
			names = append(names, c.Group)
		}
		if c.Start == nil || c.End == nil {
			continue
		}
		s := spans[c.Group]
		if s == nil {
			s = &svgSpan{"work", *c.Start, *c.End, c.Group}
			spans[c.Group] = s
		}
		if c.Start.Before(s.from) {
			s.from = *c.Start
		}
		if c.End.After(s.to) {
			s.to = *c.End
		}
	}
	for _, name := range names {
		line := svgLine{label: fmt.Sprintf("  %s (%d)", name, counts[name])}
		if s := spans[name]; s != nil {
			line.bars = []svgSpan{*s}
		}
		lines = append(lines, line)
	}
	return lines
}

// timeAxis maps instants to places.
type timeAxis struct{ from, to time.Time }

func (t *timeAxis) cover(from, to time.Time) {
	if from.Before(t.from) {
		t.from = from
	}
	if to.After(t.to) {
		t.to = to
	}
}

func (t *timeAxis) x(at time.Time) float64 {
	return svgLeft + (svgWidth-svgLeft-svgRight)*float64(at.Sub(t.from))/float64(t.to.Sub(t.from))
}

// ticks are the steps between the lines of the grid.
var ticks = []time.Duration{
	10 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 2 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 28 * 24 * time.Hour, 56 * 24 * time.Hour, 112 * 24 * time.Hour,
}

const mostTicks = 8

// grid draws lines with their times, at round times of the clock in a zone.
func (t *timeAxis) grid(b *strings.Builder, bottom int, zone *time.Location) {
	step := ticks[len(ticks)-1]
	for _, d := range ticks {
		if t.to.Sub(t.from)/d <= mostTicks {
			step = d
			break
		}
	}
	layout := "15:04"
	switch {
	case step < time.Minute:
		layout = "15:04:05"
	case step >= 24*time.Hour:
		layout = "2006-01-02"
	case t.to.Sub(t.from) > 20*time.Hour:
		layout = "Mon 15:04"
	}
	local := t.from.In(zone)
	at := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, zone)
	if gap := local.Sub(at); gap > 0 {
		at = at.Add((gap + step - time.Nanosecond).Truncate(step))
	}
	for ; !at.After(t.to); at = at.Add(step) {
		fmt.Fprintf(b, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/><text class=\"dim\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>\n",
			t.x(at), t.x(at), svgTop-4, bottom, t.x(at), bottom+16, at.In(zone).Format(layout))
	}
}

func (t *timeAxis) line(b *strings.Builder, y int, l *svgLine) {
	indent := 12 + 6*(len(l.label)-len(strings.TrimLeft(l.label, " ")))
	fmt.Fprintf(b, "<text class=\"%s\" x=\"%d\" y=\"%d\">%s</text>\n", l.class, indent, y+14, html.EscapeString(Truncate(Clean(l.label), svgLabel)))
	for _, s := range l.bars {
		fmt.Fprintf(b, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\"><title>%s</title></rect>\n",
			s.class, t.x(s.from), y+4, max(2, t.x(s.to)-t.x(s.from)), svgBar, escape(s.title))
	}
}

// mark draws an end of the run.
func (t *timeAxis) mark(b *strings.Builder, class string, at *time.Time, height int) {
	if at != nil {
		fmt.Fprintf(b, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>\n", class, t.x(*at), t.x(*at), svgTop-10, height-svgBottom)
	}
}
