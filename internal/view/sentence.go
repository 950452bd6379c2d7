// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// Sentence says what is waited for, for how long, and when it is looked at again.
func (w *Wait) Sentence(now time.Time) string {
	text := w.Message
	if text == "" {
		text = w.Reason
	}
	var when []string
	if w.For >= time.Second {
		when = append(when, "for "+Elapsed(w.For))
	}
	if !w.Until.IsZero() {
		when = append(when, "looks again "+Until(w.Until, now))
	}
	if len(when) > 0 {
		text += " (" + strings.Join(when, "; ") + ")"
	}
	return text
}

// sameAs says whether two waits say the same; nil says nothing.
func (w *Wait) sameAs(other *Wait) bool {
	return w != nil && other != nil && w.Reason == other.Reason && w.Message == other.Message
}

// Sentence says what happens on the node, and what blocks it.
func (n *Node) Sentence() string {
	state := strings.ToLower(n.State)
	if n.State == "Draining" && n.PodsLeft > 0 {
		state = count(n.PodsLeft, "pod") + " left"
	}
	if len(n.Blockers) == 0 && n.For >= time.Second {
		state += " for " + Elapsed(n.For)
	}
	parts := []string{"node " + n.Name + ": " + state}
	for i := range n.Blockers {
		parts = append(parts, n.Blockers[i].Sentence())
	}
	return strings.Join(parts, ", ")
}

// Sentence says what the pods wait for, with numbers.
func (b *Blocker) Sentence() string {
	numbers := fmt.Sprintf("(healthy %d, needs %d)", b.Healthy, b.Desired)
	var text string
	switch b.Reason {
	case v1alpha1.ReasonBudgetExhausted:
		text = "waiting for budget " + b.Budget + " " + numbers
	case v1alpha1.ReasonBudgetNeverAllows:
		text = "budget " + b.Budget + " can never allow an eviction " + numbers
	case v1alpha1.ReasonBudgetNotObserved:
		text = "waiting until the cluster has evaluated budget " + b.Budget
	case v1alpha1.ReasonSeveralBudgets:
		text = b.pods() + " matched by several budgets, which the eviction API refuses"
	case v1alpha1.ReasonEvictionRefused:
		text = "eviction of " + b.pods() + " refused by the API"
	case v1alpha1.ReasonTerminating:
		text = "waiting for " + b.pods() + " to end"
	case v1alpha1.ReasonStuckTerminating:
		text = b.pods() + " should have ended by now"
	default:
		text = b.Reason + " of " + b.pods()
	}
	if b.For >= time.Second {
		text += " for " + Elapsed(b.For)
	}
	return text
}

// pods names the first pod and counts the others.
func (b *Blocker) pods() string {
	if len(b.Pods) == 1 {
		return "pod " + b.Pods[0]
	}
	return fmt.Sprintf("pod %s and %d more", b.Pods[0], len(b.Pods)-1)
}

// Sentence says how much of a soak is left and whether it counts.
func (s *Soak) Sentence() string {
	switch {
	case s.Left == 0:
		return "soaked " + Elapsed(s.Duration)
	case s.Running:
		return fmt.Sprintf("soaking, %s of %s left", Elapsed(s.Left), Elapsed(s.Duration))
	case s.Left < s.Duration:
		return fmt.Sprintf("soak interrupted, %s of %s left", Elapsed(s.Left), Elapsed(s.Duration))
	default:
		return "soak of " + Elapsed(s.Duration)
	}
}

// Sentence says what state the gate is in and why.
func (g *Gate) Sentence() string {
	state := map[v1alpha1.GateState]string{
		v1alpha1.GateStatePending: "closed", v1alpha1.GateStatePassed: "passed",
		v1alpha1.GateStateRefused: "refused", v1alpha1.GateStateSkipped: "skipped",
	}[g.State]
	if state == "" {
		state = Clean(string(g.State))
	}
	text := "gate " + g.Name
	if g.Timing != "" {
		text += " (" + strings.ToLower(g.Timing) + ")"
	}
	text += " " + state
	if g.Message != "" {
		text += ": " + g.Message
	}
	return text
}

// versions says from where to where a cluster goes.
func (c *Cluster) versions() string {
	switch {
	case c.From == "" || c.From == c.To:
		return c.To
	case c.To == "":
		return c.From
	default:
		return c.From + " → " + c.To
	}
}

// nodes says how many nodes are done.
func (c *Cluster) nodes() string {
	if c.Total == 0 {
		return ""
	}
	if c.Total == 1 {
		return fmt.Sprintf("%d/1 node", c.Done)
	}
	return fmt.Sprintf("%d/%d nodes", c.Done, c.Total)
}

// finished counts clusters that are done, one way or another, of all.
func finished(c v1alpha1.RunCounts) string {
	return fmt.Sprintf("%d/%d", c.Succeeded+c.Skipped, c.Total)
}

// countsSentence says what became of clusters, those that need attention first; zeros are left out.
func countsSentence(c v1alpha1.RunCounts) string {
	var parts []string
	for _, p := range []struct {
		n    int32
		word string
	}{
		{c.Failed, "failed"}, {c.Running, "running"}, {c.Stopped, "held"}, {c.Succeeded, "succeeded"},
		{c.AlreadyOnTarget, "of them there before"}, {c.SetAside, "set aside"}, {c.Skipped, "skipped"}, {c.NotStarted, "not started"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	return strings.Join(parts, ", ")
}
