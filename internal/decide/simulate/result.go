// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"sengu.dev/sengu/api/v1alpha1"
)

// seeStages notes what has become true of the stages in this pass.
func (p *player) seeStages() {
	for i := range p.run.Status.Stages {
		st := &p.run.Status.Stages[i]
		s := p.stages[st.Name]
		if s == nil {
			s = &Stage{Name: st.Name}
			p.stages[st.Name] = s
		}
		if s.SoakEnd == nil && st.SoakState == v1alpha1.SoakStateDone {
			s.SoakEnd = new(p.now)
			if st.FinishedAt != nil && st.FinishedAt.Time.Before(p.in.From) {
				s.SoakEnd = new(st.FinishedAt.Time)
			}
		}
		if s.End == nil && st.FinishedAt != nil {
			s.End = new(p.now)
			if st.FinishedAt.Time.Before(p.in.From) {
				s.End = new(st.FinishedAt.Time)
			}
		}
	}
}

// forecast is what the player has seen.
func (p *player) forecast() *Forecast {
	st := &p.run.Status
	f := &Forecast{Run: p.run.Name, From: p.in.From, Percentile: p.in.Percentile, Phase: st.Phase, Passes: p.passes}
	if st.Resolved == nil {
		if st.Waiting != nil {
			f.Refused = st.Waiting.Message
		}
		return f
	}
	f.Target = st.Resolved.Version
	for i := range st.Stages {
		stage := Stage{Name: st.Stages[i].Name}
		if seen := p.stages[stage.Name]; seen != nil {
			stage = *seen
		}
		for j := range st.Stages[i].Groups {
			g := &st.Stages[i].Groups[j]
			for _, name := range g.Clusters {
				c := p.tell(name)
				c.Stage, c.Group = stage.Name, g.Name
				f.Clusters = append(f.Clusters, *c)
				stage.count(c)
			}
		}
		f.Stages = append(f.Stages, stage)
	}
	f.Blockers = p.blockers()
	return f
}

func (s *Stage) count(c *Cluster) {
	s.Clusters++
	if c.Start != nil && (s.Start == nil || c.Start.Before(*s.Start)) {
		s.Start = new(*c.Start)
	}
	if c.End != nil && (s.ClustersEnd == nil || c.End.After(*s.ClustersEnd)) {
		s.ClustersEnd = new(*c.End)
	}
}
