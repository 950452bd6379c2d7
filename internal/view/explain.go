// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// maxExplained bounds how many clusters are explained one by one.
const maxExplained = 10

// Explain says in sentences what a run does and what each thing that does not move waits for.
func Explain(run *Run, now time.Time) []string {
	e := explanation{now: now, said: run.Wait}
	if run.Wait != nil {
		e.add("The run: %s.", run.Wait.Sentence(now))
	}
	for i := range run.Stages {
		e.stage(&run.Stages[i])
	}
	if len(e.sentences) == 0 && run.Final {
		e.add("Nothing: the run is %s.", run.Phase)
	}
	return e.sentences
}

type explanation struct {
	now       time.Time
	said      *Wait // of the run
	sentences []string
}

func (e *explanation) add(format string, args ...any) {
	e.sentences = append(e.sentences, fmt.Sprintf(format, args...))
}

func (e *explanation) stage(s *Stage) {
	switch {
	case s.Phase == v1alpha1.StagePhaseSoaking && s.Soak != nil:
		e.add("Stage %s: %s.", s.Name, s.Soak.Sentence())
	case s.Wait != nil && !s.Wait.sameAs(e.said):
		e.add("Stage %s: %s.", s.Name, s.Wait.Sentence(e.now))
	}
	e.gates("Stage "+s.Name, s.Phase, s.Gates)
	for i := range s.Groups {
		g := &s.Groups[i]
		if g.Wait != nil && (len(s.Groups) > 1 || s.Wait == nil) {
			e.add("Group %s/%s: %s.", s.Name, g.Name, g.Wait.Sentence(e.now))
		}
		e.gates("Group "+s.Name+"/"+g.Name, g.Phase, g.Gates)
		e.clusters(g)
	}
}

// gates explains closed gates of a place that has been reached.
func (e *explanation) gates(place string, phase v1alpha1.StagePhase, gates []Gate) {
	if phase == v1alpha1.StagePhaseNotStarted {
		return
	}
	for i := range gates {
		if gates[i].State == v1alpha1.GateStatePending || gates[i].State == v1alpha1.GateStateRefused {
			e.add("%s: %s.", place, gates[i].Sentence())
		}
	}
}

func (e *explanation) clusters(g *Group) {
	explained := 0
	for i := range g.Clusters {
		c := &g.Clusters[i]
		if attention(c.Phase) > 2 {
			continue
		}
		if explained++; explained > maxExplained {
			e.add("More clusters of group %s are under way: see 'run watch'.", g.Name)
			return
		}
		for j := range c.Nodes {
			e.add("Cluster %s: %s.", c.Name, c.Nodes[j].Sentence())
		}
		switch {
		case c.Failure != "":
			e.add("Cluster %s failed: %s.", c.Name, c.Failure)
		case c.Wait != nil && !told(c):
			e.add("Cluster %s: %s.", c.Name, c.Wait.Sentence(e.now))
		case len(c.Nodes) == 0 && c.Step != "":
			e.add("Cluster %s: %s.", c.Name, c.Step)
		}
	}
}
