// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/budget"
)

// failure is why a run must not go on: more clusters failed than allowed, a canary, or several by the same cause.
type failure struct {
	reason string // a documented constant
	text   string
	failed []*member
	// atOnce: onFailure FinishStage does not matter.
	atOnce bool
}

// failures names clusters with the reason of each.
func failures(failed []*member) string {
	var out []string
	for _, m := range failed {
		text := cmp.Or(m.upgrade.Status.Reason, v1alpha1.ReasonOperationFailed)
		if m.upgrade.Status.Message != "" {
			text += ": " + cut(m.upgrade.Status.Message, 200)
		}
		out = append(out, fmt.Sprintf("%s (%s)", m.name, text))
	}
	slices.Sort(out)
	if len(out) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(out[:3], "; "), len(out)-3)
	}
	return strings.Join(out, "; ")
}

// mustNotGoOn looks for a reason to stop. A failure that is being retried does not count.
func (p *pass) mustNotGoOn() *failure {
	if f := p.failedCanaries(); f != nil {
		return f
	}
	if f := p.sameCause(); f != nil {
		return f
	}
	return p.tooManyFailures()
}

// sameCause looks for a cause by which as many clusters failed as the strategy names: it is not chance any more.
func (p *pass) sameCause() *failure {
	limit := int(p.st.Strategy.SameCauseLimit)
	if limit == 0 {
		return nil
	}
	failed := map[string][]*member{}
	for _, m := range p.members {
		if m.state != memberFailed {
			continue
		}
		id := causeOf(m)
		if failed[id] = append(failed[id], m); len(failed[id]) == limit {
			return &failure{reason: v1alpha1.ReasonSameCause, failed: failed[id], atOnce: true,
				text: fmt.Sprintf("%d clusters failed by the same cause, %s, so nothing else starts: %s", limit, id, failures(failed[id]))}
		}
	}
	return nil
}

// tooManyFailures looks at every limit: groups first, then stages, then the run.
func (p *pass) tooManyFailures() *failure {
	var all []*member
	for _, s := range p.stages {
		var inStage []*member
		for _, g := range s.groups {
			failed := failedOf(g.members)
			inStage = append(inStage, failed...)
			if f := exceeded("group "+s.spec.Name+"/"+g.spec.Name, failed, limitOf(g.spec.MaxFailures, len(g.members), 0)); f != nil {
				return f
			}
		}
		all = append(all, inStage...)
		total := len(s.members)
		if f := exceeded("stage "+s.spec.Name, inStage, limitOf(s.spec.MaxFailures, total, total)); f != nil {
			return f
		}
	}
	total := len(p.members)
	return exceeded("the run", all, limitOf(p.st.Strategy.MaxFailures, total, total))
}

// failedOf returns the clusters that failed and are not about to be retried.
func failedOf(members []*member) []*member {
	var out []*member
	for _, m := range members {
		if m.state == memberFailed {
			out = append(out, m)
		}
	}
	return out
}

func exceeded(place string, failed []*member, allowed int) *failure {
	if len(failed) <= allowed {
		return nil
	}
	return &failure{reason: v1alpha1.ReasonTooManyFailures, failed: failed,
		text: fmt.Sprintf("more clusters failed in %s than the %d allowed: %s", place, allowed, failures(failed))}
}

func (p *pass) onFailure() v1alpha1.FailureAction {
	return cmp.Or(p.st.Strategy.OnFailure, v1alpha1.FailureActionStop)
}

// stopForFailure starts nothing new and brings what is in flight to a safe point.
func (p *pass) stopForFailure(f *failure) {
	message := f.text + "; remove the cause, then `sengu run retry " + p.s.Run.Name + "`"
	p.st.Phase = v1alpha1.RunPhaseStopping
	p.waiting = nil
	p.wait(f.reason, message)
	for _, s := range p.stages {
		for _, g := range s.groups {
			p.markFailed(g)
		}
		if slices.ContainsFunc(s.members, func(m *member) bool { return slices.Contains(f.failed, m) }) {
			s.st.Phase = v1alpha1.StagePhaseFailed
			s.st.Waiting = p.newWait(s.before, f.reason, message, time.Time{})
			p.st.CurrentStage = s.spec.Name
		}
	}
	p.toSafePoint(func() { p.end(v1alpha1.RunPhaseFailed) })
}

func (p *pass) markFailed(g *group) {
	if len(failedOf(g.members)) > limitOf(g.spec.MaxFailures, len(g.members), 0) {
		g.st.Phase = v1alpha1.StagePhaseFailed
	}
}

// causes groups what failed by its cause, so that one problem in many clusters is read once.
func (p *pass) causes() []v1alpha1.RunCause {
	byID := map[string]*v1alpha1.RunCause{}
	var ids []string
	for _, m := range p.members {
		if m.state != memberFailed {
			continue
		}
		id := causeOf(m)
		if byID[id] == nil {
			byID[id] = &v1alpha1.RunCause{ID: id, Message: cut(m.upgrade.Status.Message, 1024)}
			ids = append(ids, id)
		}
		byID[id].Clusters = append(byID[id].Clusters, m.name)
	}
	var out []v1alpha1.RunCause
	for _, id := range ids[:min(len(ids), 64)] {
		cause := byID[id]
		cause.Clusters = cause.Clusters[:min(len(cause.Clusters), 1000)]
		out = append(out, *cause)
	}
	return out
}

// causeOf is the id of the cause of a failure, or the reason of the failed step while no cause is known.
func causeOf(m *member) string {
	if d := m.upgrade.Status.Diagnosis; d != nil && d.Cause != "" {
		return d.Cause
	}
	return cmp.Or(m.upgrade.Status.Reason, v1alpha1.ReasonOperationFailed)
}

// limitOf resolves a limit of failures. One that cannot be read, in a record that was edited by hand, allows none.
func limitOf(limit *intstr.IntOrString, total, fallback int) int {
	n, err := budget.Failures("maxFailures", limit, total, fallback)
	if err != nil {
		return 0
	}
	return n
}
