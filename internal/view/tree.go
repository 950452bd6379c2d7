// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// Tone says how a piece of text is meant; an edge may give it a colour.
type Tone int

// The tones of text.
const (
	TonePlain Tone = iota
	ToneStrong
	ToneMuted
	ToneGood
	ToneBusy
	ToneWaiting
	ToneBad
)

// Span is a piece of a line in one tone.
type Span struct {
	// Text of the span: clean, without line breaks.
	Text string
	// Tone of the text.
	Tone Tone
}

// Line is one line of a tree.
type Line []Span

// String is the line without its tones.
func (l Line) String() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.Text)
	}
	return strings.TrimRight(b.String(), " ")
}

// TreeOptions say how much of a run is shown.
type TreeOptions struct {
	// Width in terminal cells; zero: no limit.
	Width int
	// MaxClusters shown of one group, those that need attention first; zero: all.
	MaxClusters int
	// Brief leaves out the clusters of stages that are done or not reached.
	Brief bool
	// Now is the instant of the view.
	Now time.Time
}

// Tree draws a run: its stages, groups and clusters, the nodes in hand, and what each waiting thing waits for.
func Tree(run *Run, o TreeOptions) []Line {
	t := &tree{options: o, columns: columns(run, o.MaxClusters)}
	t.header(run)
	for i := range run.Stages {
		t.stage(&run.Stages[i])
	}
	for _, cause := range run.Causes {
		t.line(0)
		t.text(0, ToneBad, fmt.Sprintf("%s in %s (%s): %s", cause.ID, count(len(cause.Clusters), "cluster"), few(cause.Clusters), cause.Message))
	}
	return t.lines
}

type tree struct {
	options TreeOptions
	said    *Wait // at the head
	columns [3]int
	lines   []Line
}

// nameLimit is the widest that a column of names gets: longer names are cut, they are read in full elsewhere.
const nameLimit = 28

// columns are the widths of names, versions and steps of the clusters that are shown.
func columns(run *Run, maxClusters int) (widths [3]int) {
	for _, stage := range run.Stages {
		for _, group := range stage.Groups {
			shown, _ := chosen(group.Clusters, maxClusters)
			for _, c := range shown {
				widths[0] = max(widths[0], min(nameLimit, Width(c.Name)))
				widths[1] = max(widths[1], Width(c.versions()))
				widths[2] = max(widths[2], min(nameLimit, Width(stepCell(c))))
			}
		}
	}
	return widths
}

func (t *tree) header(run *Run) {
	spans := []Span{
		{"run " + run.Name, ToneStrong}, {" to " + run.Target + "   ", TonePlain},
		{phaseText(run), runTone(run.Phase)}, {"   " + finished(run.Counts) + " clusters", TonePlain},
	}
	if run.Elapsed > 0 {
		spans = append(spans, Span{"   " + Elapsed(run.Elapsed), ToneMuted})
	}
	if !run.ExpectedEnd.IsZero() && !run.Final {
		spans = append(spans, Span{"   ends about " + Until(run.ExpectedEnd, t.options.Now), ToneMuted})
	}
	t.line(0, spans...)
	if t.said = run.Wait; run.Wait != nil {
		t.text(2, ToneWaiting, run.Wait.Sentence(t.options.Now))
	}
	if len(run.Stages) == 0 && run.Wait == nil {
		t.text(2, ToneMuted, "waiting for the controller to look at this run")
	}
}

// phaseText adds what a person asked for while the run is still on its way there.
func phaseText(run *Run) string {
	switch {
	case run.Wanted == v1alpha1.RunStatePause && run.Phase == v1alpha1.RunPhaseNotStarted: // it keeps that phase
		return string(run.Phase) + ", paused"
	case run.Wanted == v1alpha1.RunStatePause && run.Phase != v1alpha1.RunPhasePaused && !run.Final:
		return string(run.Phase) + ", pausing"
	case run.Wanted == v1alpha1.RunStateStop && run.Phase != v1alpha1.RunPhaseStopping && !run.Final:
		return string(run.Phase) + ", stopping"
	}
	return string(run.Phase)
}

func (t *tree) stage(s *Stage) {
	mark, tone := stageMark(s.Phase)
	spans := []Span{
		{mark + " ", tone}, {"stage " + s.Name, ToneStrong}, {"   ", TonePlain}, {string(s.Phase), tone},
		{"   " + finished(s.Counts), TonePlain},
	}
	if s.Elapsed > 0 {
		spans = append(spans, Span{"   " + Elapsed(s.Elapsed), ToneMuted})
	}
	if s.Soak != nil && (s.Soak.Left == 0 || !over(s.Phase)) {
		spans = append(spans, Span{"   " + s.Soak.Sentence(), soakTone(s)})
	}
	t.line(0, spans...)
	// A soak says the same with the time that is left, and what the run waits for was said at its head.
	soaks := s.Wait != nil && s.Wait.Reason == v1alpha1.ReasonSoaking && s.Soak != nil
	if s.Wait != nil && !soaks && !s.Wait.sameAs(t.said) {
		t.text(4, ToneWaiting, s.Wait.Sentence(t.options.Now))
	}
	t.gates(4, s.Gates)
	if t.options.Brief && quiet(s) {
		return
	}
	for i := range s.Groups {
		t.group(&s.Groups[i], len(s.Groups) > 1, s.Wait == nil)
	}
}

// over says that a stage does not change any more; a soak that was cut short then says nothing.
func over(p v1alpha1.StagePhase) bool {
	return p == v1alpha1.StagePhaseSucceeded || p == v1alpha1.StagePhaseSkipped || p == v1alpha1.StagePhaseFailed
}

// quiet says that nothing of the stage needs attention now.
func quiet(s *Stage) bool {
	switch s.Phase {
	case v1alpha1.StagePhaseSucceeded, v1alpha1.StagePhaseSkipped, v1alpha1.StagePhaseNotStarted:
		return s.Counts.Failed == 0 && s.Counts.Running == 0
	}
	return false
}

// group draws a group. The only group of a stage has no line of its own, and what it waits for is told only when
// the stage does not say it.
func (t *tree) group(g *Group, named, alone bool) {
	indent := 2
	if named {
		mark, tone := stageMark(g.Phase)
		t.line(indent, Span{mark + " ", tone}, Span{"group " + g.Name, TonePlain}, Span{"   " + finished(g.Counts), ToneMuted})
		indent += 2
	}
	if g.Wait != nil && (named || alone) {
		t.text(indent+2, ToneWaiting, g.Wait.Sentence(t.options.Now))
	}
	t.gates(indent+2, g.Gates)
	shown, hidden := chosen(g.Clusters, t.options.MaxClusters)
	for _, c := range shown {
		t.cluster(indent, c)
	}
	if hidden.Total > 0 {
		t.text(indent, ToneMuted, fmt.Sprintf("… and %d more: %s", hidden.Total, countsSentence(hidden)))
	}
}

func (t *tree) gates(indent int, gates []Gate) {
	for i := range gates {
		tone := ToneMuted
		switch gates[i].State {
		case v1alpha1.GateStatePending:
			tone = ToneWaiting
		case v1alpha1.GateStateRefused:
			tone = ToneBad
		}
		t.text(indent, tone, gates[i].Sentence())
	}
}

func (t *tree) cluster(indent int, c *Cluster) {
	mark, tone := clusterMark(c.Phase)
	spans := []Span{
		{mark + " ", tone},
		{pad(Truncate(c.Name, t.columns[0]), t.columns[0]), TonePlain},
		{"  " + pad(c.versions(), t.columns[1]), ToneMuted},
		{"  " + pad(Truncate(stepCell(c), t.columns[2]), t.columns[2]), tone},
	}
	if nodes := c.nodes(); nodes != "" {
		spans = append(spans, Span{"  " + pad(nodes, len("100/100 nodes")), TonePlain})
	}
	if c.Elapsed > 0 {
		spans = append(spans, Span{"  " + Elapsed(c.Elapsed), ToneMuted})
	}
	t.line(indent, spans...)
	for i := range c.Nodes {
		tone := ToneBusy
		if len(c.Nodes[i].Blockers) > 0 {
			tone = ToneWaiting
		}
		t.text(indent+4, tone, c.Nodes[i].Sentence())
	}
	if c.Wait != nil && !told(c) {
		t.text(indent+4, ToneWaiting, c.Wait.Sentence(t.options.Now))
	}
	if c.Failure != "" {
		t.text(indent+4, ToneBad, c.Failure)
	}
	if c.Remedy != "" {
		t.text(indent+4, TonePlain, "what to do: "+c.Remedy)
	}
}

// told says that the lines of the nodes in hand say what the cluster waits for, and more precisely.
func told(c *Cluster) bool {
	if len(c.Nodes) == 0 {
		return false
	}
	switch c.Wait.Reason {
	case v1alpha1.ReasonNodesDraining, v1alpha1.ReasonDrainBlocked, v1alpha1.ReasonNodeReplacing, v1alpha1.ReasonNodeSoaking:
		return true
	}
	return false
}

// stepCell is what is in hand, or how it ended.
func stepCell(c *Cluster) string {
	switch c.Phase {
	case v1alpha1.ClusterUpgradePhaseRunning:
		if c.Step != "" {
			return attempted(c, c.Step)
		}
	case v1alpha1.ClusterUpgradePhaseNotStarted:
		return ""
	}
	return attempted(c, string(c.Phase))
}

func attempted(c *Cluster, text string) string {
	if c.Attempt > 1 {
		return fmt.Sprintf("%s (attempt %d)", text, c.Attempt)
	}
	return text
}

// line adds one line of spans, cut to the width.
func (t *tree) line(indent int, spans ...Span) {
	line := Line{{Text: strings.Repeat(" ", indent)}}
	left := t.options.Width - indent
	for _, s := range spans {
		if t.options.Width > 0 {
			s.Text = Truncate(s.Text, left)
			left -= Width(s.Text)
		}
		if s.Text != "" {
			line = append(line, s)
		}
	}
	t.lines = append(t.lines, line)
}

// text adds a sentence, on as many lines as it needs.
func (t *tree) text(indent int, tone Tone, sentence string) {
	cells := 0
	if t.options.Width > 0 {
		cells = max(20, t.options.Width-indent-2)
	}
	for i, part := range wrap(sentence, cells) {
		if i == 1 {
			indent += 2
		}
		t.line(indent, Span{strings.TrimSpace(part), tone})
	}
}

// few lists some names and counts the rest.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
