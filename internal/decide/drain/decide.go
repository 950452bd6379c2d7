// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// Decide says which pods to evict now, how far each node is and what blocks it. The order of the pods and budgets
// in the snapshot does not matter, nor does the order of the nodes except that the states come back in it.
//
// Every eviction that a budget allows is asked for at once; what is scarce is shared in the order of inTurn.
func Decide(s Snapshot, now time.Time) Decision {
	g := index(s.Budgets)
	nodes := judgeAll(s, g, now)
	var d Decision
	for _, n := range inTurn(nodes) {
		if n.timedOut {
			continue // it is left as it is: what is evicted now would not help it, and would hold the others' budgets
		}
		d.Evict = append(d.Evict, n.hand()...)
	}
	for _, n := range nodes {
		d.Nodes = append(d.Nodes, n.state(now))
		d.NextLook = earliest(d.NextLook, n.nextLook(now))
	}
	return d
}

// work is one node in one pass.
type work struct {
	node     *Node
	verdicts []*verdict
	toEvict  int
	left     int
	timedOut bool
	deadline time.Time // zero: none
}

// judgeAll judges every pod and gathers the verdicts by node, in the order of the snapshot.
func judgeAll(s Snapshot, g *guards, now time.Time) []*work {
	nodes := make([]*work, len(s.Nodes))
	byName := make(map[string]*work, len(s.Nodes))
	for i := range s.Nodes {
		nodes[i] = &work{node: &s.Nodes[i], verdicts: make([]*verdict, 0, 1+len(s.Pods)/len(s.Nodes))}
		byName[s.Nodes[i].Name] = nodes[i]
	}
	verdicts := make([]verdict, 0, len(s.Pods)) // never grows: the nodes point into it
	for i := range s.Pods {
		n := byName[s.Pods[i].Node]
		if n == nil {
			continue
		}
		v := judge(&s.Pods[i], n.node.Ready, g, now)
		if v.fate == stays || v.fate == gone {
			continue
		}
		n.left++
		if v.fate == mayGo {
			n.toEvict++
		}
		verdicts = append(verdicts, v)
		n.verdicts = append(n.verdicts, &verdicts[len(verdicts)-1])
	}
	for _, n := range nodes {
		if s.Timeout > 0 {
			n.deadline = n.node.Since.Add(s.Timeout)
			n.timedOut = n.left > 0 && !now.Before(n.deadline)
		}
		slices.SortFunc(n.verdicts, longestFirst)
	}
	return nodes
}

// longestFirst puts the pod that takes longest to end first, because the node waits for it anyway.
func longestFirst(a, b *verdict) int {
	// Not cmp.Or, which compares everything before it looks: this is the innermost loop.
	if c := cmp.Compare(b.pod.GracePeriod, a.pod.GracePeriod); c != 0 {
		return c
	}
	if c := strings.Compare(a.pod.Namespace, b.pod.Namespace); c != 0 {
		return c
	}
	if c := strings.Compare(a.pod.Name, b.pod.Name); c != 0 {
		return c
	}
	return strings.Compare(a.pod.UID, b.pod.UID)
}

// inTurn is the order in which the nodes get what is scarce: the oldest drain first, of those that began
// together the one with the fewest pods left to evict.
//
// A node is of use to the upgrade only when its last pod has left, so a unit of a budget is worth most on the node
// that is nearest to its end: units that are spread evenly make all nodes end late.
func inTurn(nodes []*work) []*work {
	turn := slices.Clone(nodes)
	slices.SortStableFunc(turn, func(a, b *work) int {
		return cmp.Or(
			a.node.Since.Compare(b.node.Since),
			cmp.Compare(a.toEvict, b.toEvict),
			cmp.Compare(a.node.Name, b.node.Name),
		)
	})
	return turn
}

// hand gives the node's pods what they need as long as there is any; pods that get nothing become blocked.
func (n *work) hand() []Eviction {
	var out []Eviction
	for _, v := range n.verdicts {
		if v.fate != mayGo {
			continue
		}
		if v.needs {
			if v.guard.left <= 0 {
				v.exhausted()
				continue
			}
			v.guard.left--
			v.reason = fmt.Sprintf("budget %s has %d healthy pods and needs %d", v.guard.key, v.guard.Healthy, v.guard.Desired)
		}
		out = append(out, Eviction{
			Namespace: v.pod.Namespace, Name: v.pod.Name, UID: v.pod.UID, Node: n.node.Name, Reason: v.reason,
		})
	}
	return out
}

// exhausted makes it a verdict of a pod whose budget has nothing left.
func (v *verdict) exhausted() {
	v.fate, v.reason = blocked, v1alpha1.ReasonBudgetExhausted
	if v.guard.DisruptionsAllowed <= 0 && v.guard.neverAllows() {
		v.reason = v1alpha1.ReasonBudgetNeverAllows
	}
}

// state is how far the node is.
func (n *work) state(now time.Time) NodeState {
	s := NodeState{Name: n.node.Name, Drained: n.left == 0, TimedOut: n.timedOut, PodsLeft: n.left}
	var blockedPods, endingPods []*verdict
	for _, v := range n.verdicts {
		if n.timedOut && v.fate == mayGo && v.needs && v.guard.left <= 0 {
			v.exhausted() // a node whose time is over still says what was in its way
		}
		switch v.fate {
		case blocked:
			blockedPods = append(blockedPods, v)
		case ending:
			endingPods = append(endingPods, v)
		}
	}
	slices.SortStableFunc(blockedPods, func(a, b *verdict) int { return a.since(now).Compare(b.since(now)) })
	slices.SortStableFunc(endingPods, func(a, b *verdict) int { return b.until.Compare(a.until) })
	s.Blockers, s.Ending = blockers(blockedPods, now), blockers(endingPods, now)
	return s
}

// nextLook is when the node's state changes without an event; zero: never.
func (n *work) nextLook(now time.Time) time.Time {
	var next time.Time
	if n.left > 0 && n.deadline.After(now) {
		next = n.deadline
	}
	for _, v := range n.verdicts {
		at := v.until
		if v.fate == ending && n.node.Ready && !at.IsZero() {
			// Its end shows in the watch; what does not is that it is overdue. One nanosecond, because it is
			// overdue only after that instant.
			at = at.Add(stuckAfter + 1)
		}
		if at.After(now) {
			next = earliest(next, at)
		}
	}
	return next
}

// earliest of two instants, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
