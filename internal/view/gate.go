// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// notReached stands for the state of a gate that its run has not come to.
const notReached = "NotReached"

// Gates are the rows of gates, those of a run together, in the order in which they were made.
func Gates(gates []v1alpha1.Gate, now time.Time) Table {
	t := Table{Columns: []Column{{Name: "NAME"}, {Name: "RUN"}, {Name: "GATE"}, {Name: "TYPE"}, {Name: "STATE"}, {Name: "REASON"},
		{Name: "DECIDED BY"}, {Name: "UNTIL", Wide: true}, {Name: "MESSAGE", Wide: true}}}
	sorted := slices.Clone(gates)
	slices.SortStableFunc(sorted, func(a, b v1alpha1.Gate) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	for i := range sorted {
		g := &sorted[i]
		until := ""
		if g.Status.Until != nil {
			until = Until(g.Status.Until.Time, now)
		}
		t.add(&g.ObjectMeta, Clean(g.Name), Clean(g.Spec.RunRef.Name), GatePlace(g), Clean(string(g.Spec.Type)), gateState(g),
			Clean(g.Status.Reason), Clean(g.Status.DecidedBy), until, Clean(g.Status.Message))
	}
	return t
}

// GatePlace is where a gate stands and how it is called: "before production/ok".
func GatePlace(g *v1alpha1.Gate) string {
	path := g.Spec.Place.Stage
	if g.Spec.Place.Group != "" {
		path += "/" + g.Spec.Place.Group
	}
	return Clean(strings.ToLower(string(g.Spec.Place.Timing)) + " " + path + "/" + g.Spec.Template.Name)
}

func gateState(g *v1alpha1.Gate) string {
	if g.Status.State == "" && g.Status.ReachedAt == nil {
		return notReached
	}
	return Clean(string(cmp.Or(g.Status.State, v1alpha1.GateStatePending)))
}

// DescribeGate tells what a gate waits for, who has decided, and what comes next behind it as it is now.
func DescribeGate(g *v1alpha1.Gate, next []string, now time.Time) string {
	var f fields
	f.add("Name", Clean(g.Name))
	f.add("Namespace", Clean(g.Namespace))
	f.add("Run", Clean(g.Spec.RunRef.Name))
	f.add("Gate", GatePlace(g))
	f.add("Needs", gateText(&g.Spec.Template))
	if a := g.Spec.Template.Approval; a != nil && a.ExpiresAfter != nil {
		f.add("Expires", "after "+Elapsed(a.ExpiresAfter.Duration))
	}
	f.add("State", joined(gateState(g), Clean(g.Status.Reason)))
	f.add("Message", Clean(g.Status.Message))
	f.add("Decided by", Clean(g.Status.DecidedBy))
	if g.Status.ReachedAt != nil {
		f.add("Reached", sinceText(*g.Status.ReachedAt, now)+" ago")
	}
	if g.Status.OpensAt != nil {
		f.add("Opens", Until(g.Status.OpensAt.Time, now))
	} else if g.Status.Until != nil {
		f.add("Until", Until(g.Status.Until.Time, now))
	}
	f.section("Comes next", GateEvidence(next))
	var b strings.Builder
	for i := range g.Status.Decisions {
		b.WriteString(decisionText(&g.Status.Decisions[i], now) + "\n")
	}
	f.section("Decisions", b.String())
	return f.b.String()
}

// GateEvidence is the evidence of a gate, one line each.
func GateEvidence(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(Clean(line) + "\n")
	}
	return b.String()
}

func decisionText(d *v1alpha1.GateDecision, now time.Time) string {
	verb := "refuses"
	if d.Decision == v1alpha1.GateDecisionApprove {
		verb = "approves"
	}
	text := fmt.Sprintf("%s %s, %s ago", Clean(d.By), verb, sinceText(d.At, now))
	if d.Condition == v1alpha1.GateConditionNoFailures {
		text += ", if no cluster fails"
	}
	if d.NotAfter != nil {
		text += ", if the run comes to the gate by " + d.NotAfter.UTC().Format(time.RFC3339)
	}
	if len(d.Groups) > 0 {
		text += ", for " + Clean(strings.Join(d.Groups, ", "))
	}
	if d.Comment != "" {
		text += ": " + Clean(d.Comment)
	}
	return text
}
