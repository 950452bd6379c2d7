// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// How soon it is looked again when nothing tells of a change.
const (
	// firstBackoff and lastBackoff bound the wait after an answer that was not usable.
	firstBackoff, lastBackoff = 5 * time.Second, 2 * time.Minute
	// pollEvery is how often the provider's description is looked at while something in it is waited for.
	pollEvery = 15 * time.Second
)

// step returns the record of a step; nil: it was not begun.
func (p *pass) step(name string) *v1alpha1.StepStatus {
	for i := range p.st.Steps {
		if p.st.Steps[i].Name == name {
			return &p.st.Steps[i]
		}
	}
	return nil
}

// beginStep records that a step has begun, and returns its record.
func (p *pass) beginStep(name string) *v1alpha1.StepStatus {
	p.st.CurrentStep = name
	if s := p.step(name); s != nil {
		return s
	}
	if p.st.StartedAt == nil {
		p.st.StartedAt = p.stamp()
	}
	p.st.Steps = append(p.st.Steps, v1alpha1.StepStatus{Name: name, StartedAt: p.stamp(), Result: v1alpha1.StepResultRunning})
	return &p.st.Steps[len(p.st.Steps)-1]
}

func (p *pass) endStep(name string, result v1alpha1.StepResult, message string) {
	s := p.beginStep(name)
	s.Result, s.FinishedAt, s.Message = result, p.stamp(), clip(message, 2048)
}

// fail records that a step failed. The first failure counts; the upgrade goes to a safe point from here.
func (p *pass) fail(step, reason, message string) {
	if p.failing() {
		return
	}
	if reason == "" {
		reason = v1alpha1.ReasonOperationFailed
	}
	p.st.Reason, p.st.Message = clip(reason, 128), clip(message, 2048)
	if step != "" {
		p.endStep(step, v1alpha1.StepResultFailed, message)
		p.step(step).Reason = p.st.Reason
	}
	p.wait = nil
}

// end puts the upgrade into a phase in which nothing more is done.
func (p *pass) end(phase v1alpha1.ClusterUpgradePhase) {
	p.st.Phase = phase
	p.st.FinishedAt = p.stamp()
	p.wait, p.next = nil, time.Time{}
	for i := range p.st.Steps {
		if s := &p.st.Steps[i]; s.Result == v1alpha1.StepResultRunning && phase == v1alpha1.ClusterUpgradePhaseSkipped {
			s.Result, s.FinishedAt, s.Message = v1alpha1.StepResultNotNeeded, p.stamp(), "ended by a person's decision"
		}
	}
}

// waitFor says what is waited for; the first that is named in a pass counts. until may be zero: an event ends it.
func (p *pass) waitFor(reason, message string, until time.Time) {
	p.lookAt(until)
	if p.wait != nil {
		return
	}
	p.wait = &v1alpha1.Waiting{Reason: reason, Message: clip(message, 1024), Since: p.stamp()}
	if p.waited(reason) {
		p.wait.Since = p.was.Waiting.Since
	}
	if !until.IsZero() {
		t := metav1.NewTime(until.Truncate(time.Second))
		p.wait.Until = &t
	}
}

// waited says whether the last pass waited for the same reason.
func (p *pass) waited(reason string) bool {
	return p.was.Waiting != nil && p.was.Waiting.Reason == reason && p.was.Waiting.Since != nil
}

// backOff waits for something that no event tells of. Each wait is as long as all before it together, from
// firstBackoff to longest; what the last pass chose stands until it is over.
func (p *pass) backOff(reason, message string, until time.Time, longest time.Duration) {
	if !until.After(p.now) {
		until = p.now.Add(firstBackoff)
		if p.waited(reason) {
			until = p.now.Add(min(max(p.now.Sub(p.was.Waiting.Since.Time), firstBackoff), longest))
			if u := p.was.Waiting.Until; u != nil && u.After(p.now) {
				until = u.Time
			}
		}
	}
	p.waitFor(reason, message, until)
}

// holds says whether the last pass put things off for a reason, and repeats that.
func (p *pass) holds(reasons ...string) bool {
	w := p.was.Waiting
	if w == nil || w.Until == nil || !w.Until.After(p.now) || !slices.Contains(reasons, w.Reason) {
		return false
	}
	p.waitFor(w.Reason, w.Message, w.Until.Time)
	return true
}

// finishStatus fills in what follows from the rest.
func (p *pass) finishStatus() {
	p.st.Waiting = p.wait
	p.setCondition(v1alpha1.ConditionProgressing, p.progressing)
	p.setCondition(v1alpha1.ConditionSucceeded, p.succeeded)
	p.setCondition(v1alpha1.ConditionDrainBlocked, p.drainBlocked)
}

func (p *pass) setCondition(kind string, judge func() (bool, string, string)) {
	is, reason, message := judge()
	c := metav1.Condition{
		Type: kind, Status: metav1.ConditionFalse, Reason: word(reason), Message: message,
		ObservedGeneration: p.s.Upgrade.Generation, LastTransitionTime: *p.stamp(),
	}
	if is {
		c.Status = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&p.st.Conditions, c)
}

func (p *pass) progressing() (is bool, reason, message string) {
	switch p.st.Phase {
	case v1alpha1.ClusterUpgradePhaseRunning:
		return true, v1alpha1.ReasonUpgrading, "step " + p.st.CurrentStep
	case v1alpha1.ClusterUpgradePhaseHolding:
		return true, v1alpha1.ReasonUpgrading, "on the way to a safe point"
	case v1alpha1.ClusterUpgradePhaseHeld:
		return false, v1alpha1.ReasonHeld, "held at a safe point"
	case v1alpha1.ClusterUpgradePhaseNotStarted:
		return false, v1alpha1.ReasonIdle, "not started"
	}
	_, reason, message = p.succeeded()
	return false, reason, message
}

func (p *pass) succeeded() (is bool, reason, message string) {
	switch p.st.Phase {
	case v1alpha1.ClusterUpgradePhaseSucceeded:
		if p.changedNothing() {
			return true, v1alpha1.ReasonAlreadyOnTarget, "it was on the target before, and is healthy"
		}
		return true, v1alpha1.ReasonOnTarget, "on the target and healthy"
	case v1alpha1.ClusterUpgradePhaseSkipped:
		return false, v1alpha1.ReasonSkippedByUser, "ended by a person's decision"
	}
	if p.failing() {
		return false, p.st.Reason, p.st.Message
	}
	return false, v1alpha1.ReasonUpgrading, "not on the target yet"
}

// changedNothing says whether the control plane and every node were on the target before.
func (p *pass) changedNothing() bool {
	return !slices.ContainsFunc(p.st.Steps, func(s v1alpha1.StepStatus) bool {
		_, rest, _ := strings.Cut(s.Name, "/")
		kind, _, _ := strings.Cut(rest, "/")
		changes := stepKind(kind) == stepControlPlane || stepKind(kind) == stepNodePool
		return changes && s.Result != v1alpha1.StepResultNotNeeded
	})
}

// drainBlocked is true while a node in hand cannot move at all.
func (p *pass) drainBlocked() (is bool, reason, message string) {
	if len(p.blocked) == 0 {
		return false, v1alpha1.ReasonIdle, "no drain is blocked"
	}
	slices.Sort(p.blocked)
	return true, v1alpha1.ReasonDrainBlocked, clip("drains wait for "+listed(slices.Compact(p.blocked)), 1024)
}

// blockedBy names the obstacle: the budget, or the pod itself where no budget is in the way.
func blockedBy(pod, budget string) string {
	if budget != "" {
		return "budget " + budget
	}
	return "pod " + pod
}

var words = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)

// word makes a provider's code fit for a condition.
func word(reason string) string {
	if !words.MatchString(reason) {
		return v1alpha1.ReasonOperationFailed
	}
	return reason
}

// clip shortens text from outside to what the API takes, in bytes, at a rune's end.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xC0 == 0x80 {
		n--
	}
	return text[:n]
}

// listed joins names for people, at most five of them.
func listed(names []string) string {
	const most = 5
	out := ""
	for i, name := range names {
		if i == most {
			return out + fmt.Sprintf(" and %d more", len(names)-most)
		}
		if i > 0 {
			out += ", "
		}
		out += name
	}
	return out
}
