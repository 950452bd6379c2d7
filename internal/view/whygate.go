// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

var skipGate = Fix{"Pass over the gate, for good", `sengu run skip {run} gate {gate} --reason "…"`}

// gatePath is a gate in its place of a run.
type gatePath struct {
	stage, group string
	gate         *v1alpha1.RunGateStatus
}

// String is the gate as 'run skip' names it.
func (p gatePath) String() string {
	if p.group == "" {
		return Clean(p.stage + "/" + p.gate.Name)
	}
	return Clean(p.stage + "/" + p.group + "/" + p.gate.Name)
}

// closed is the first gate of a place that is not open.
func closed(gates []v1alpha1.RunGateStatus) *v1alpha1.RunGateStatus {
	for i := range gates {
		if s := gates[i].State; s != v1alpha1.GateStatePassed && s != v1alpha1.GateStateSkipped {
			return &gates[i]
		}
	}
	return nil
}

// ofGates has what is said of the reasons of gates, by word.
var ofGates = map[string]whyText{
	"GateClosed":          {says: "{gate} is closed: {message}", do: []Fix{skipGate}, by: ByPerson, next: "the gate is decided or skipped"},
	"GateNotSupported":    {says: "{gate} stays closed, because this version of Sengu cannot evaluate it", do: []Fix{skipGate}, by: ByPerson, next: "the gate is skipped"},
	"ApprovalNeeded":      {says: "{gate} waits for an approval: {message}", do: []Fix{skipGate}, by: ByPerson, next: "somebody who may approve does", then: "the approval expires"},
	"ApprovalExpired":     {says: "{gate} was not approved in time: {message}", do: []Fix{skipGate}, by: ByPerson, next: "somebody who may approve does so again"},
	"ApprovalRefused":     {says: "{gate} was refused: {message}", do: []Fix{skipGate}, by: ByPerson, next: "who refused it approves, or the gate is skipped"},
	"Approved":            {says: "Nothing is in the way: {gate} is approved", do: []Fix{nothingToDo}, by: ByEvent, next: "the run goes on", works: true},
	"NextClustersBlocked": {says: "{gate} is approved, but clusters that come next are not ready: {message}", do: []Fix{{"See what blocks them", "sengu cluster list"}, skipGate}, by: ByEvent, next: "the clusters that come next are healthy and not blocked"},
	"OpensWithSoak":       {says: "Nothing is in the way: {gate} opens with the end of the soak", do: []Fix{nothingToDo}, by: ByTime, next: "the soak is over", works: true},
	"ScheduledLater":      {says: "{gate} opens later: {message}", do: []Fix{nothingToDo, skipGate}, by: ByTime, next: "the gate opens"},
	"ScheduleReached":     {says: "Nothing is in the way: {gate} has opened", do: []Fix{nothingToDo}, by: ByEvent, next: "the run goes on", works: true},
	"UnknownTimeZone":     {says: "{gate} can never open, because its time zone is not known: {message}", do: []Fix{skipGate}, by: ByPerson, next: "the gate is skipped"},
	"VerificationMissing": {says: "{gate} waits for a result of its verification: {message}", do: []Fix{skipGate}, by: ByEvent, next: "the verification has a result"},
	"VerificationUnknown": {says: "{gate} stays closed, because its verification could not tell: {message}", do: []Fix{skipGate}, by: ByEvent, next: "the verification has a result"},
	"VerificationFailed":  {says: "{gate} stays closed, because its verification failed: {message}", do: []Fix{{"Mend what the verification found, or give the run up", "sengu run stop {run}"}, skipGate}, by: ByPerson, next: "the verification passes, or the gate is skipped"},
	"VerificationPassed":  {says: "Nothing is in the way: the verification of {gate} has passed", do: []Fix{nothingToDo}, by: ByEvent, next: "the run goes on", works: true},
}

// gateFacts are why a gate is closed: what its object says, else what the run says. It is the one place to change
// when the run's record of a gate says more.
func gateFacts(gate *v1alpha1.Gate, wait *v1alpha1.Waiting) cause {
	c := causeOf(wait)
	if _, ok := ofGates[c.reason]; !ok {
		c.reason = v1alpha1.ReasonGateClosed
	}
	if gate != nil && gate.Status.Reason != "" {
		c.reason = gate.Status.Reason
	}
	if gate != nil && gate.Status.Message != "" {
		c.message = gate.Status.Message
	}
	return c
}

// gate explains a closed gate down to those who decide it.
func (w *why) gate(run *v1alpha1.UpgradeRun, path gatePath, wait *v1alpha1.Waiting) {
	w.names["gate"] = path.String()
	gate := w.gates[path.gate.Gate]
	c := gateFacts(gate, wait)
	template := cmp.Or(templateOf(run, path, gate), &v1alpha1.GateSpecTemplate{})
	since := (*metav1.Time)(nil)
	if gate != nil {
		since = &gate.CreationTimestamp
	}
	w.link("gate "+path.String(), c.reason, c.message, since)
	switch {
	case path.gate.State == v1alpha1.GateStateRefused || gate != nil && gate.Status.State == v1alpha1.GateStateRefused:
		w.refused(gate, c)
	case template.Approval != nil && (c.reason == v1alpha1.ReasonGateClosed || c.reason == "ApprovalNeeded"):
		w.approval(gate, template.Approval, c)
	case template.ScheduledStart != nil && c.reason == v1alpha1.ReasonGateClosed:
		w.scheduled(template.ScheduledStart, c)
	default:
		w.conclude(c) // the reason says more precisely what is missing
	}
	if template.Approval != nil && hardship(c.reason) > 0 {
		w.e.Fix = append([]Fix{{"If you may decide: look at what comes next, then approve", approveCommand(w, run, path)}}, w.e.Fix...)
	}
}

func templateOf(run *v1alpha1.UpgradeRun, path gatePath, gate *v1alpha1.Gate) *v1alpha1.GateSpecTemplate {
	if gate != nil {
		return &gate.Spec.Template
	}
	if run.Status.Strategy == nil {
		return nil
	}
	for i := range run.Status.Strategy.Stages {
		s := &run.Status.Strategy.Stages[i]
		if s.Name != path.stage {
			continue
		}
		lists := [][]v1alpha1.GateSpecTemplate{s.BeforeGates, s.AfterGates}
		for j := range s.Groups {
			if path.group == s.Groups[j].Name {
				lists = [][]v1alpha1.GateSpecTemplate{s.Groups[j].BeforeGates, s.Groups[j].AfterGates}
			}
		}
		for _, list := range lists {
			for j := range list {
				if list[j].Name == path.gate.Name {
					return &list[j]
				}
			}
		}
	}
	return nil
}

func isApproval(run *v1alpha1.UpgradeRun, path gatePath) bool {
	t := templateOf(run, path, nil)
	return t != nil && t.Approval != nil
}

// approval explains a gate by the people who may decide it.
func (w *why) approval(gate *v1alpha1.Gate, a *v1alpha1.ApprovalGate, c cause) {
	needs := int(cmp.Or(a.Count, 1))
	by := approvedBy(gate)
	who := "anyone who may decide gates"
	if len(a.Approvers) > 0 {
		who = Clean(strings.Join(a.Approvers, ", "))
	}
	got := fmt.Sprintf("%d of %s given", len(by), count(needs, "approval"))
	if len(by) > 0 {
		got += ", by " + few(by)
	}
	w.link("approvers "+who, "", got, nil)
	if c.until == nil && gate != nil && a.ExpiresAfter != nil {
		c.until = new(metav1.NewTime(gate.CreationTimestamp.Add(a.ExpiresAfter.Duration)))
	}
	w.conclude(c)
	w.e.Headline = fmt.Sprintf("Gate %s waits for %s by %s", w.names["gate"], count(max(1, needs-len(by)), "approval"), who)
	if c.until != nil {
		w.e.NextChange.Then = "the approval expires"
	}
}

// approvedBy are those who approved; of several decisions by one person the last counts.
func approvedBy(gate *v1alpha1.Gate) []string {
	if gate == nil {
		return nil
	}
	var by []string
	for _, d := range gate.Status.Decisions {
		name := Clean(d.By)
		by = slices.DeleteFunc(by, func(known string) bool { return known == name })
		if d.Decision == "Approve" {
			by = append(by, name)
		}
	}
	return by
}

// approveCommand is how a person approves. It is the one place to change when the command line has one for it.
func approveCommand(w *why, run *v1alpha1.UpgradeRun, path gatePath) string {
	w.names["run"], w.names["object"] = run.Name, path.gate.Gate
	return w.command("kubectl edit gate.sengu.dev {object} --subresource=status")
}

// refused explains a gate that somebody or something said no to.
func (w *why) refused(gate *v1alpha1.Gate, c cause) {
	if gate != nil && gate.Status.DecidedBy != "" {
		c.message = joined(c.message, "by "+gate.Status.DecidedBy)
		w.link("decision", "", "refused by "+gate.Status.DecidedBy, gate.Status.DecidedAt)
	}
	c.reason = v1alpha1.ReasonGateClosed
	w.conclude(c)
	w.e.Headline = w.sentence("{gate} was refused: {message}", c.message)
	w.e.Fix = append(w.e.Fix, Fix{"Or end the run, for good", w.command("sengu run stop {run}")})
	w.e.NextChange = NextChange{By: ByPerson, What: "the gate is skipped, or the run is stopped"}
}

// scheduled explains a gate that waits for an instant.
func (w *why) scheduled(s *v1alpha1.ScheduledStartGate, c cause) {
	when := Clean("the next " + s.Next + " " + s.TimeZone)
	if s.At != nil {
		c.until, when = cmp.Or(c.until, s.At), Until(s.At.Time, w.now)
	}
	c.reason = v1alpha1.ReasonGateClosed
	w.conclude(c)
	w.e.Headline = w.sentence("{gate} opens {message}", when)
	w.e.NextChange = NextChange{By: ByTime, What: "the gate opens"}
	if c.until != nil {
		w.e.NextChange.At = &c.until.Time
	} else {
		w.e.NextChange.What = "it is " + when
	}
}
