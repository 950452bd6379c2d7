// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// checkGraph refuses stages that wait for something that is not listed before them: with that no stages can wait for
// each other in a circle.
func checkGraph(s *v1alpha1.UpgradeStrategySpec) error {
	var before []string
	for i := range s.Stages {
		stage := &s.Stages[i]
		for _, name := range stage.DependsOn {
			if s.StageOrder != v1alpha1.StageOrderGraph {
				return refuse(v1alpha1.ReasonInvalidStrategy, "stage %s has dependsOn, which goes with stageOrder: Graph", stage.Name)
			}
			if !slices.Contains(before, name) {
				return refuse(v1alpha1.ReasonInvalidStrategy,
					"stage %s waits for %q, which is no stage that is listed before it: name an earlier stage, or list it later", stage.Name, name)
			}
		}
		before = append(before, stage.Name)
	}
	return nil
}

// firstBefore is a stage that has to be finished before stage i begins and is not; nil: i may begin.
func (p *pass) firstBefore(i int, finished []bool) *stage {
	if p.st.Strategy.StageOrder != v1alpha1.StageOrderGraph {
		if i > 0 && !finished[i-1] {
			return p.stages[i-1]
		}
		return nil
	}
	for j, earlier := range p.stages[:i] {
		if !finished[j] && slices.Contains(p.stages[i].spec.DependsOn, earlier.spec.Name) {
			return earlier
		}
	}
	return nil
}

// stageWaitsFor says of a stage that has not begun which stage comes first.
func (p *pass) stageWaitsFor(s, first *stage) {
	if s.skipped {
		s.st.Phase = v1alpha1.StagePhaseSkipped
		return
	}
	s.st.Waiting = p.newWait(s.before, v1alpha1.ReasonPreviousStage, fmt.Sprintf("stage %s comes first", first.spec.Name), time.Time{})
}

// begun says whether a cluster of a stage was ever started, or its soak, or it was finished without any.
func (s *stage) begun() bool {
	return s.st.StartedAt != nil || s.st.SoakState != "" || s.st.FinishedAt != nil
}

// inHand says whether a stage was begun and is not finished.
func (s *stage) inHand() bool {
	return !s.skipped && s.begun() && (s.st.FinishedAt == nil || !settled(s.members))
}
