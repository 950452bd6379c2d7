// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
)

// DescribeStrategy tells a strategy as an order of work.
func DescribeStrategy(s *v1alpha1.UpgradeStrategy, now time.Time) string {
	var f fields
	f.add("Name", Clean(s.Name))
	f.add("Namespace", Clean(s.Namespace))
	f.add("Order", map[bool]string{true: "a graph: each stage waits for those that it names", false: "one stage after the other"}[s.Spec.StageOrder == v1alpha1.StageOrderGraph])
	f.add("At once", limitText(s.Spec.MaxConcurrency, "50")+" clusters")
	f.add("On failure", onFailure(&s.Spec))
	f.add("Unavailable", unavailableText(s.Spec.Unavailable))
	f.add("Age", age(&s.ObjectMeta, now))
	var b strings.Builder
	for i := range s.Spec.Stages {
		stageText(&b, i, &s.Spec.Stages[i])
	}
	f.section("Stages", b.String())
	return f.b.String()
}

func stageText(b *strings.Builder, i int, stage *v1alpha1.StrategyStage) {
	fmt.Fprintf(b, "%d. %s", i+1, Clean(stage.Name))
	if len(stage.DependsOn) > 0 {
		b.WriteString(", after " + Clean(strings.Join(stage.DependsOn, ", ")))
	}
	b.WriteString("\n")
	if stage.CalendarRef != nil {
		fmt.Fprintf(b, "   calendar %s\n", Clean(stage.CalendarRef.Name))
	}
	gateTemplates(b, "   ", "before", stage.BeforeGates)
	for j := range stage.Groups {
		g := &stage.Groups[j]
		fmt.Fprintf(b, "   group %s: %s, %s at once, %s allowed to fail%s\n", Clean(g.Name),
			selectorText(&g.Selector, "nothing"), limitText(g.MaxConcurrency, "1"), limitText(g.MaxFailures, "0"), orderText(g))
		gateTemplates(b, "     ", "before", g.BeforeGates)
		gateTemplates(b, "     ", "after", g.AfterGates)
	}
	if soak := stage.Soak; soak != nil && soak.Duration.Duration > 0 {
		kind := "healthy"
		if soak.Health == v1alpha1.SoakHealthIgnored {
			kind = "any"
		}
		fmt.Fprintf(b, "   soak: %s of %s time", Elapsed(soak.Duration.Duration), kind)
		if soak.History == v1alpha1.SoakHistoryFleet {
			b.WriteString(", what earlier runs have counted included")
		}
		b.WriteString("\n")
	}
	gateTemplates(b, "   ", "after", stage.AfterGates)
}

// orderText says who goes first, where that is not by the usual label.
func orderText(g *v1alpha1.StrategyGroup) string {
	text := ""
	if g.Canaries > 0 {
		text += ", " + count(g.Canaries, "canary cluster") + " first"
	}
	if o := g.ClusterOrder; o != nil {
		by, first := "label "+Clean(cmp.Or(o.Label, "sengu.dev/order")), "the smallest"
		if o.By == v1alpha1.ClusterOrderNodes {
			by = "nodes"
		}
		if o.Direction == v1alpha1.OrderDescending {
			first = "the largest"
		}
		text += fmt.Sprintf(", by %s with %s first", by, first)
	}
	return text
}

func gateTemplates(b *strings.Builder, indent, timing string, gates []v1alpha1.GateSpecTemplate) {
	for i := range gates {
		fmt.Fprintf(b, "%s%s: gate %s, %s\n", indent, timing, Clean(gates[i].Name), gateText(&gates[i]))
	}
}

func gateText(g *v1alpha1.GateSpecTemplate) string {
	switch {
	case g.Approval != nil:
		who := "anyone who may update gates"
		if len(g.Approval.Approvers) > 0 {
			who = Clean(strings.Join(g.Approval.Approvers, ", "))
		}
		return fmt.Sprintf("%s by %s", count(cmp.Or(g.Approval.Count, 1), "approval"), who)
	case g.ScheduledStart != nil && g.ScheduledStart.At != nil:
		return "start at " + g.ScheduledStart.At.UTC().Format(time.RFC3339)
	case g.ScheduledStart != nil:
		return Clean("start at the next " + g.ScheduledStart.Next + " " + g.ScheduledStart.TimeZone)
	case g.Verification != nil:
		return "verification " + Clean(g.Verification.Name)
	}
	return "of an unknown kind"
}

func limitText(limit *intstr.IntOrString, unset string) string {
	if limit == nil {
		return unset
	}
	return Clean(limit.String())
}

func onFailure(s *v1alpha1.UpgradeStrategySpec) string {
	text := string(cmp.Or(s.OnFailure, v1alpha1.FailureActionStop))
	if s.SameCauseLimit > 0 {
		text += fmt.Sprintf("; Stop at %d clusters by the same cause", s.SameCauseLimit)
	}
	return text
}

func unavailableText(u *v1alpha1.UnavailablePolicy) string {
	if u == nil || u.Action != v1alpha1.UnavailableSetAside {
		return "their group waits for them"
	}
	after := 24 * time.Hour
	if u.After != nil {
		after = u.After.Duration
	}
	return "set aside after " + Elapsed(after) + ", and reported"
}
