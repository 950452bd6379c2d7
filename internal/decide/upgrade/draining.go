// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/drain"
)

// settleTime is how long a node is cordoned before it counts as empty. The scheduler may bind a pod that it placed
// before it saw the cordon, and the watches of nodes and of pods are not one; both take less than a second. The
// record keeps whole seconds, so 2 s are at least 1 s.
const settleTime = 2 * time.Second

// drained is the state of one drain in one pass.
type drained struct {
	drain.NodeState
	// settled: nothing is left, and nothing can still come.
	settled bool
	// moving: pods leave, or the cordon is just being made.
	moving bool
}

// drainOf decides on the pods of the nodes with our cordon, and evicts when evict is set.
func (p *pass) drainOf(nodes []*poolNode, timeout time.Duration, evict bool) map[string]drained {
	out := map[string]drained{}
	if p.s.Member == nil {
		return out
	}
	snapshot := drain.Snapshot{Pods: p.s.Member.Pods, Budgets: p.s.Member.Budgets, Timeout: timeout}
	since := map[string]time.Time{}
	for _, n := range nodes {
		since[n.name] = n.since
		if n.ours {
			snapshot.Nodes = append(snapshot.Nodes, drain.Node{Name: n.name, Since: n.since, Ready: n.ready})
			continue
		}
		out[n.name] = drained{NodeState: drain.NodeState{Name: n.name}, moving: true}
	}
	if len(snapshot.Nodes) == 0 {
		return out
	}
	d := drain.Decide(snapshot, p.now)
	evicted := map[string]bool{}
	for _, e := range d.Evict {
		evicted[e.Node] = true
		if evict && !p.memberHeld() {
			p.do(Action{Kind: ActionEvict, Reason: e.Reason, Node: e.Node, Pod: e})
		}
	}
	if evict {
		p.lookAt(d.NextLook)
	}
	for _, n := range d.Nodes {
		state := drained{NodeState: n, moving: n.Drained || evicted[n.Name] || len(n.Ending) > 0}
		if n.Drained {
			empty := since[n.Name].Add(settleTime)
			p.lookAt(empty)
			state.settled = !p.now.Before(empty)
		}
		if evict && !state.moving {
			p.noteBlocked(n.Blockers)
		}
		out[n.Name] = state
	}
	return out
}

// noteBlocked keeps what a node that cannot move at all is blocked by, for the condition.
func (p *pass) noteBlocked(by []drain.Blocker) {
	for _, b := range by {
		p.blocked = append(p.blocked, blockedBy(b.Pod, b.Budget))
	}
}

// memberHeld says whether the member's API did not take changes a moment ago, and sets the wait.
func (p *pass) memberHeld() bool {
	if p.wait != nil && p.wait.Reason == v1alpha1.ReasonMemberUnreachable {
		return true
	}
	return p.holds(v1alpha1.ReasonMemberUnreachable)
}

// drainInHand goes on with the drains of the record while the provider is away.
func (p *pass) drainInHand() {
	for i := range p.st.NodePools {
		rec := &p.st.NodePools[i]
		var nodes []*poolNode
		for _, d := range rec.Draining {
			if m := p.members[d.Name]; m != nil && m.CordonedByUs && d.State == stateDraining && d.Since != nil {
				nodes = append(nodes, &poolNode{name: d.Name, ready: m.Ready, ours: true, since: d.Since.Time})
			}
		}
		for name, state := range p.drainOf(nodes, p.settings(rec.Name).drainTimeout, true) {
			p.recordDrain(rec, name, state)
		}
	}
}

// recordDrain notes in the record how far a drain is.
func (p *pass) recordDrain(rec *v1alpha1.NodePoolProgress, name string, state drained) {
	i := slices.IndexFunc(rec.Draining, func(d v1alpha1.DrainingNode) bool { return d.Name == name })
	if i < 0 {
		return
	}
	d := &rec.Draining[i]
	before := map[string]bool{}
	for _, b := range d.BlockedBy {
		before[b.Pod] = true
	}
	d.PodsLeft, d.BlockedBy = int32(state.PodsLeft), blockers(state.Blockers)
	for _, b := range d.BlockedBy {
		if b.Budget != "" && !before[b.Pod] {
			// Counted when it is first seen; of a node with more than ten blocked pods the rest counts as it moves up.
			p.st.Drain.Waited++
		}
	}
}

// blockers as the record keeps them: the ten that wait longest.
func blockers(all []drain.Blocker) []v1alpha1.DrainBlocker {
	const most = 10
	var out []v1alpha1.DrainBlocker
	for _, b := range all[:min(len(all), most)] {
		since := metav1.NewTime(b.Since.Truncate(time.Second))
		out = append(out, v1alpha1.DrainBlocker{
			Pod: b.Pod, Budget: b.Budget, Healthy: int32(b.Healthy), Desired: int32(b.Desired), Reason: b.Reason, Since: &since,
		})
	}
	return out
}

// hand puts a node into the record with a state. Since stays while the state does.
func (p *pass) hand(rec *v1alpha1.NodePoolProgress, name, state string, since time.Time) *v1alpha1.DrainingNode {
	i := slices.IndexFunc(rec.Draining, func(d v1alpha1.DrainingNode) bool { return d.Name == name })
	if i < 0 {
		rec.Draining = append(rec.Draining, v1alpha1.DrainingNode{Name: name})
		slices.SortFunc(rec.Draining, func(a, b v1alpha1.DrainingNode) int { return strings.Compare(a.Name, b.Name) })
		i = slices.IndexFunc(rec.Draining, func(d v1alpha1.DrainingNode) bool { return d.Name == name })
	}
	d := &rec.Draining[i]
	if d.State != state {
		at := metav1.NewTime(since.Truncate(time.Second))
		*d = v1alpha1.DrainingNode{Name: name, State: state, Since: &at}
	}
	return d
}

// obstacles says for people what keeps a node from being drained.
func obstacles(blockers []drain.Blocker, left int) string {
	var out []string
	for _, b := range blockers {
		text := "pod " + b.Pod
		switch {
		case b.Budget != "":
			text += fmt.Sprintf(" waits for budget %s (%d healthy, %d needed)", b.Budget, b.Healthy, b.Desired)
		default:
			text += " (" + b.Reason + ")"
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return fmt.Sprintf("%d pods left", left)
	}
	return listed(out)
}
