// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

const (
	// aheadOfUs is how far a person's clock may be before ours. A decision that is dated later does not count yet.
	aheadOfUs = 5 * time.Minute
	// GroupPrefix makes an approver a group.
	GroupPrefix = "group:"
)

// MayDecide says whether a person is among the approvers of a gate. Without approvers everybody is whom the hub lets
// update gates.
func MayDecide(a *v1alpha1.ApprovalGate, user string, groups []string) bool {
	return len(a.Approvers) == 0 || slices.Contains(a.Approvers, user) || len(Matching(a, groups)) > 0
}

// Matching returns the groups of a person that are among the approvers, in the approvers' order.
func Matching(a *v1alpha1.ApprovalGate, groups []string) []string {
	var out []string
	for _, approver := range a.Approvers {
		if group, ok := strings.CutPrefix(approver, GroupPrefix); ok && slices.Contains(groups, group) {
			out = append(out, group)
		}
	}
	return out
}

// StartersOf returns who created, resumed or retried a run, as the hub has noted it; nobody when it is not known who
// created it.
func StartersOf(run *v1alpha1.UpgradeRun) []string {
	var out []string
	if run.Annotations[v1alpha1.AnnotationCreatedBy] == "" {
		return nil
	}
	for _, key := range []string{v1alpha1.AnnotationCreatedBy, v1alpha1.AnnotationStartedBy} {
		for line := range strings.Lines(run.Annotations[key]) {
			if name := strings.TrimSuffix(line, "\n"); name != "" && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// Approving returns the people whose approvals count, as far as the gate itself tells.
func Approving(s Snapshot, now time.Time) []string {
	reached := now
	if s.Status.ReachedAt != nil {
		reached = s.Status.ReachedAt.Time
	}
	b := count(&s, reached, now)
	return b.people()
}

// ballot is what people's decisions come to.
type ballot struct {
	approvals []v1alpha1.GateDecision // those that count, one a person
	refusals  []v1alpha1.GateDecision // one a person
	asked     time.Time               // since when an approval is asked for
	notes     []string                // why decisions do not count
}

// approval opens when enough different people approve, one of whom did not start the run, nobody refuses, and the
// clusters that come next are ready.
func (r *Result) approval(s *Snapshot, now time.Time) {
	a, b := s.Template.Approval, count(s, r.ReachedAt.Time, now)
	r.Evidence = s.Next.Evidence
	if len(b.refusals) > 0 {
		first := b.refusals[0]
		r.State, r.DecidedBy = v1alpha1.GateStateRefused, first.By
		r.closed(v1alpha1.ReasonApprovalRefused, fmt.Sprintf("%s refused: %s; %s takes that back by approving", first.By, cut(first.Comment, 512), first.By))
		return
	}
	missing := b.missing(s)
	end := time.Time{}
	if a.ExpiresAfter != nil {
		end = b.asked.Add(a.ExpiresAfter.Duration)
	}
	switch {
	case missing != "" && !end.IsZero() && !now.Before(end):
		r.closed(v1alpha1.ReasonApprovalExpired, fmt.Sprintf("it was not approved within %s: an approval from now on asks anew", a.ExpiresAfter.Duration))
	case missing != "":
		r.closed(v1alpha1.ReasonApprovalNeeded, missing)
		r.Until = end
	case s.Next.Blocked != "":
		r.closed(v1alpha1.ReasonNextClustersBlocked, fmt.Sprintf("it is approved by %s, and opens when this is mended: %s", b.names(), s.Next.Blocked))
	default:
		r.open(b.names(), v1alpha1.ReasonApproved, "approved by "+b.names())
	}
}

// count reads the decisions in their order: of each person the last one. An approval that was not followed by enough
// others in time lapses; the next one asks anew, and from then on the time is counted again. A refusal does not lapse.
func count(s *Snapshot, reached, now time.Time) ballot {
	a, b := s.Template.Approval, ballot{asked: reached}
	for i := range s.Status.Decisions {
		d := &s.Status.Decisions[i]
		if !MayDecide(a, d.By, d.Groups) {
			b.notes = append(b.notes, d.By+" is not among the approvers")
			continue
		}
		if d.At.After(now.Add(aheadOfUs)) {
			b.notes = append(b.notes, "the decision of "+d.By+" is dated in the future")
			continue
		}
		b.forget(d.By)
		if d.Decision != v1alpha1.GateDecisionApprove {
			b.refusals = append(b.refusals, *d)
			continue
		}
		if note := unmet(d, s.AnyFailed, reached); note != "" {
			b.notes = append(b.notes, note)
			continue
		}
		if a.ExpiresAfter != nil && b.missing(s) != "" && !d.At.Time.Before(b.asked.Add(a.ExpiresAfter.Duration)) {
			b.approvals, b.asked = nil, d.At.Time
		}
		b.approvals = append(b.approvals, *d)
	}
	return b
}

// forget drops what a person decided before.
func (b *ballot) forget(person string) {
	theirs := func(d v1alpha1.GateDecision) bool { return d.By == person }
	b.approvals, b.refusals = slices.DeleteFunc(b.approvals, theirs), slices.DeleteFunc(b.refusals, theirs)
}

// unmet says which condition of an approval does not hold.
func unmet(d *v1alpha1.GateDecision, anyFailed bool, reached time.Time) string {
	switch {
	case d.Condition == v1alpha1.GateConditionNoFailures && anyFailed:
		return "the approval of " + d.By + " was given for a run without failures"
	case d.Condition != "" && d.Condition != v1alpha1.GateConditionNoFailures:
		return "the approval of " + d.By + " has a condition that this version cannot evaluate"
	case d.NotAfter != nil && reached.After(d.NotAfter.Time):
		return "the approval of " + d.By + " was given for an earlier time"
	}
	return ""
}

// missing says what an approval lacks; empty: nothing.
func (b *ballot) missing(s *Snapshot) string {
	need, have := int(max(s.Template.Approval.Count, 1)), len(b.approvals)
	others := slices.ContainsFunc(b.approvals, func(d v1alpha1.GateDecision) bool { return !slices.Contains(s.Starters, d.By) })
	var text string
	switch {
	case len(s.Starters) == 0:
		text = "it is not recorded who started the run, so nobody's approval can be told from theirs"
	case have < need && have == 0 && need == 1:
		text = "it waits for an approval"
	case have < need && have == 0:
		text = fmt.Sprintf("it waits for the approval of %d people", need)
	case have < need:
		text = fmt.Sprintf("it waits for the approval of %d people, and has that of %s", need, b.names())
	case !others:
		text = fmt.Sprintf("%s started the run: it waits for the approval of somebody else", b.names())
	default:
		return ""
	}
	for _, note := range b.notes[:min(len(b.notes), 3)] {
		text += "; " + note
	}
	return text
}

func (b *ballot) names() string { return strings.Join(b.people(), ", ") }

func (b *ballot) people() []string {
	var names []string
	for i := range b.approvals {
		names = append(names, b.approvals[i].By)
	}
	return names
}
