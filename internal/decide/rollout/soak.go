// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

const (
	// soakLook is how often a soak is looked at without an event, and how often its record is carried on.
	soakLook = time.Minute
	// soakGap is the longest time between two looks that still counts: when the process was away for longer, nobody
	// saw whether the clusters were healthy, and what nobody saw is no evidence.
	soakGap = 2 * soakLook
)

// soakAndGates soaks a stage whose clusters have ended, asks for its after-gates meanwhile, and says whether the
// stage is finished. Gates pass only with the soak.
func (p *pass) soakAndGates(s *stage) bool {
	soaked := p.soak(s)
	open, closed := p.gatesOpen(s.spec.AfterGates, gatePlace{stage: s.spec.Name, timing: v1alpha1.GateTimingAfter, soaking: !soaked}, &s.st.Gates)
	switch {
	case !soaked:
		s.st.Phase = v1alpha1.StagePhaseSoaking
		return false
	case !open:
		s.st.Phase = v1alpha1.StagePhaseWaiting
		s.st.Waiting = p.newWait(s.before, closed.Reason, closed.Message, untilOf(closed))
		return false
	}
	s.st.Phase = v1alpha1.StagePhaseSucceeded
	if s.st.FinishedAt == nil {
		s.st.FinishedAt = p.instant()
	}
	return true
}

// soak counts healthy time and says whether there was enough. Time counts when the clusters were healthy at both
// ends of it and it was not longer than soakGap: health is watched, so that a change in between brings a look.
func (p *pass) soak(s *stage) bool {
	if s.spec.Soak == nil || s.spec.Soak.Duration.Duration <= 0 || s.st.SoakState == v1alpha1.SoakStateDone {
		return true
	}
	if p.skips.soaks[s.spec.Name] {
		s.st.SoakState = v1alpha1.SoakStateDone
		return true
	}
	p.carryFromEarlierRuns(s)
	problem := ""
	if s.spec.Soak.Health != v1alpha1.SoakHealthIgnored {
		problem = unhealthyMember(s)
	}
	counted := p.counted(s, problem)
	total := s.spec.Soak.Duration.Duration
	left := total - counted
	switch {
	case left <= 0:
		p.carrySoak(s, total, v1alpha1.SoakStateDone)
		return true
	case problem != "":
		if s.st.SoakState != v1alpha1.SoakStateInterrupted {
			p.carrySoak(s, counted, v1alpha1.SoakStateInterrupted)
		}
		s.st.Waiting = p.newWait(s.before, v1alpha1.ReasonSoakInterrupted, fmt.Sprintf("the soak of %s does not count: %s", total, problem), time.Time{})
		return false
	}
	if s.st.SoakState != v1alpha1.SoakStateCounting || p.now.Sub(s.st.SoakCountedAt.Time) >= soakLook {
		p.carrySoak(s, counted, v1alpha1.SoakStateCounting)
	}
	end := s.st.SoakCountedAt.Add(total - s.st.SoakedFor.Duration)
	s.st.Waiting = p.newWait(s.before, v1alpha1.ReasonSoaking, fmt.Sprintf("healthy time of %s is counted", total), end)
	p.lookAt(p.now.Add(p.nextSoakLook(end)))
	return false
}

// carryFromEarlierRuns lets a soak begin where earlier runs of the fleet have left it, if the strategy says so.
func (p *pass) carryFromEarlierRuns(s *stage) {
	before := min(p.s.SoakedBefore[s.spec.Name], s.spec.Soak.Duration.Duration)
	if s.spec.Soak.History != v1alpha1.SoakHistoryFleet || s.st.SoakedFor != nil || before <= 0 {
		return
	}
	s.st.SoakedFor, s.st.SoakedBefore = &metav1.Duration{Duration: before}, &metav1.Duration{Duration: before}
}

// soakAnew forgets what a stage has soaked when one more of its clusters starts: the soak is after the last of them.
func soakAnew(s *stage) {
	if s.st.SoakState == v1alpha1.SoakStateDone {
		return // the next stages have begun on the strength of it
	}
	s.st.SoakState, s.st.SoakedFor, s.st.SoakedBefore, s.st.SoakCountedAt = "", nil, nil, nil
}

// nextSoakLook is how long until a soak that ends at an instant is looked at.
func (p *pass) nextSoakLook(end time.Time) time.Duration {
	left := max(end.Sub(p.now), 10*time.Millisecond)
	if p.s.Watched {
		return left
	}
	return min(soakLook, left)
}

// counted is the healthy time so far.
func (p *pass) counted(s *stage, problem string) time.Duration {
	counted := time.Duration(0)
	if s.st.SoakedFor != nil {
		counted = s.st.SoakedFor.Duration
	}
	if s.st.SoakState != v1alpha1.SoakStateCounting || s.st.SoakCountedAt == nil || problem != "" {
		return counted
	}
	gap := p.now.Sub(s.st.SoakCountedAt.Time)
	// A gap that is long was seen by nobody, and one from the future is a clock that was set back.
	if (gap > soakGap || gap < -soakLook) && !p.s.Watched {
		s.st.SoakState = v1alpha1.SoakStateInterrupted // begin to count anew from here
		return counted
	}
	return counted + max(0, gap)
}

// carrySoak writes the count. A record keeps whole seconds: the instant is rounded up, so that never more is counted
// than was seen.
func (p *pass) carrySoak(s *stage, counted time.Duration, state v1alpha1.SoakState) {
	s.st.SoakedFor = &metav1.Duration{Duration: counted}
	s.st.SoakCountedAt = new(metav1.NewTime(p.now.Add(time.Second - time.Nanosecond)).Rfc3339Copy())
	s.st.SoakState = state
}

// unhealthyMember says which of the upgraded clusters of a stage is not healthy.
func unhealthyMember(s *stage) string {
	for _, m := range s.members {
		if m.state == memberSucceeded {
			if problem := unhealthy(m.cluster); problem != "" {
				return m.name + ": " + problem
			}
		}
	}
	return ""
}
