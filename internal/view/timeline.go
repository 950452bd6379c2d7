// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// Change is one thing that changed between two views of a run.
type Change struct {
	// At is the instant of the later view.
	At time.Time `json:"time"`
	// Run by name.
	Run string `json:"run"`
	// Stage, Cluster and Node that changed; empty: the change is of something larger.
	Stage   string `json:"stage,omitempty"`
	Cluster string `json:"cluster,omitempty"`
	Node    string `json:"node,omitempty"`
	// What it is now, in few words.
	What string `json:"what"`
	// Why, or what is waited for; may be empty.
	Why string `json:"why,omitempty"`
}

// Where names what changed: a cluster, a stage, or the run.
func (c *Change) Where() string {
	switch {
	case c.Cluster != "":
		return c.Cluster
	case c.Stage != "":
		return "stage " + c.Stage
	}
	return "run " + c.Run
}

// String is the change on one line: time, where, what, why.
func (c *Change) String() string {
	line := fmt.Sprintf("%s  %s  %s", c.At.Format(time.TimeOnly), pad(c.Where(), 20), c.What)
	if c.Why != "" {
		line += ": " + c.Why
	}
	return line
}

// Changes lists what changed from one view of a run to a later one; before may be nil. Only what changes the
// story is listed, not what merely counts on. What begins comes before its parts, and what ends after them.
func Changes(before, after *Run, now time.Time) []Change {
	d := differ{now: now, run: after.Name}
	if before == nil {
		before = &Run{}
	}
	if !after.Final {
		d.runs(before, after)
	}
	stages := map[string]*Stage{}
	for i := range before.Stages {
		stages[before.Stages[i].Name] = &before.Stages[i]
	}
	for i := range after.Stages {
		old := stages[after.Stages[i].Name]
		if old == nil {
			old = &Stage{Phase: v1alpha1.StagePhaseNotStarted}
		}
		d.stage(old, &after.Stages[i])
	}
	if after.Final {
		d.runs(before, after)
	}
	return d.changes
}

type differ struct {
	now     time.Time
	run     string
	changes []Change
}

func (d *differ) add(c Change) {
	c.At, c.Run = d.now, d.run
	d.changes = append(d.changes, c)
}

func (d *differ) runs(before, after *Run) {
	if before.Phase != after.Phase || before.Wanted != after.Wanted && before.Wanted != "" {
		why := waitText(after.Wait)
		if why == "" && after.Phase == v1alpha1.RunPhaseRunning && before.Phase != v1alpha1.RunPhaseRunning {
			why = fmt.Sprintf("to %s, %s", after.Target, count(after.Counts.Total, "cluster"))
		}
		if after.Final {
			why = strings.Join(nonEmpty(countsSentence(after.Counts), waitText(after.Wait)), "; ")
		}
		d.add(Change{What: phaseText(after), Why: why})
		return
	}
	if w := waitText(after.Wait); w != "" && w != waitText(before.Wait) && !sameReason(before.Wait, after.Wait) {
		d.add(Change{What: "waits", Why: w})
	}
}

// sameReason tells a message that only counts on (12 of 50 clusters, then 13) from another story.
func sameReason(a, b *Wait) bool { return a != nil && b != nil && a.Reason == b.Reason }

func waitText(w *Wait) string {
	if w == nil {
		return ""
	}
	if w.Message != "" {
		return w.Message
	}
	return w.Reason
}

func (d *differ) stage(before, after *Stage) {
	ends := over(after.Phase) || after.Phase == v1alpha1.StagePhaseSoaking
	if !ends {
		d.stagePhase(before, after)
	}
	d.gates(after.Name, before.Gates, after.Gates)
	groups := map[string]*Group{}
	for i := range before.Groups {
		groups[before.Groups[i].Name] = &before.Groups[i]
	}
	for i := range after.Groups {
		old := groups[after.Groups[i].Name]
		if old == nil {
			old = &Group{}
		}
		d.group(after.Name, old, &after.Groups[i])
	}
	if ends {
		d.stagePhase(before, after)
	}
}

func (d *differ) stagePhase(before, after *Stage) {
	switch {
	case before.Phase != after.Phase:
		why := waitText(after.Wait)
		switch {
		case after.Phase == v1alpha1.StagePhaseSoaking && after.Soak != nil:
			why = after.Soak.Sentence()
		case over(after.Phase):
			why = countsSentence(after.Counts)
		}
		d.add(Change{Stage: after.Name, What: string(after.Phase), Why: why})
	case after.Phase == v1alpha1.StagePhaseSoaking && before.Soak != nil && after.Soak != nil && before.Soak.Running != after.Soak.Running:
		d.add(Change{Stage: after.Name, What: after.Soak.Sentence(), Why: waitText(after.Wait)})
	}
}

func (d *differ) group(stage string, before, after *Group) {
	d.gates(stage, before.Gates, after.Gates)
	clusters := map[string]*Cluster{}
	for i := range before.Clusters {
		clusters[before.Clusters[i].Name] = &before.Clusters[i]
	}
	for i := range after.Clusters {
		c := clusters[after.Clusters[i].Name]
		if c == nil {
			c = &Cluster{Phase: v1alpha1.ClusterUpgradePhaseNotStarted}
		}
		d.cluster(stage, c, &after.Clusters[i])
	}
}

func (d *differ) gates(stage string, before, after []Gate) {
	states := map[string]Gate{}
	for _, g := range before {
		states[g.Timing+g.Name] = g
	}
	for _, g := range after {
		old, known := states[g.Timing+g.Name]
		if known && old.State == g.State || !known && g.State == v1alpha1.GateStatePending && g.Message == "" {
			continue
		}
		d.add(Change{Stage: stage, What: g.Sentence()})
	}
}

func (d *differ) cluster(stage string, before, after *Cluster) {
	add := func(node, what, why string) {
		d.add(Change{Stage: stage, Cluster: after.Name, Node: node, What: what, Why: why})
	}
	switch {
	case before.Phase != after.Phase:
		why := waitText(after.Wait)
		switch after.Phase {
		case v1alpha1.ClusterUpgradePhaseFailed:
			why = after.Failure
		case v1alpha1.ClusterUpgradePhaseSucceeded:
			why = strings.Join(nonEmpty(after.versions(), after.nodes(), "in "+Elapsed(after.Elapsed)), ", ")
		case v1alpha1.ClusterUpgradePhaseRunning:
			why = strings.Join(nonEmpty(after.versions(), after.Step), ", ")
		}
		add("", string(after.Phase), why)
	case before.Step != after.Step && after.Step != "":
		add("", after.Step, after.nodes())
	case before.Done != after.Done && after.Total > 0:
		add("", after.nodes(), "")
	case waitText(after.Wait) != "" && !sameReason(before.Wait, after.Wait) && !told(after):
		add("", "waits", waitText(after.Wait))
	}
	d.nodes(before, after, add)
}

func (d *differ) nodes(before, after *Cluster, add func(node, what, why string)) {
	nodes := map[string]*Node{}
	for i := range before.Nodes {
		nodes[before.Nodes[i].Name] = &before.Nodes[i]
	}
	for i := range after.Nodes {
		n := &after.Nodes[i]
		old := nodes[n.Name]
		if old == nil || old.State != n.State {
			what := "node " + n.Name + " " + strings.ToLower(n.State)
			why := ""
			if n.State == "Draining" && n.PodsLeft > 0 {
				why = count(n.PodsLeft, "pod") + " to move"
			}
			add(n.Name, what, why)
		}
		known := map[string]bool{}
		if old != nil {
			for j := range old.Blockers {
				known[old.Blockers[j].Budget+"\n"+old.Blockers[j].Reason] = true
			}
		}
		for j := range n.Blockers {
			if b := &n.Blockers[j]; !known[b.Budget+"\n"+b.Reason] {
				add(n.Name, "node "+n.Name+" blocked", b.Sentence())
			}
		}
		if old != nil && len(old.Blockers) > 0 && len(n.Blockers) == 0 {
			add(n.Name, "node "+n.Name+" moves again", count(n.PodsLeft, "pod")+" left")
		}
	}
}

func nonEmpty(texts ...string) []string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return kept
}
