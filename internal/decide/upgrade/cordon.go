// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"slices"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/drain"
)

// beginDrains cordons as many nodes as the places and the nodes that must serve allow. Nodes that do not serve come
// first: taking them costs nothing.
func (p *pass) beginDrains(r *renewal) {
	p.settleCordons(r)
	for _, n := range p.inOrder(r.waiting()) {
		if r.inHand >= r.surge+r.unavailable {
			return
		}
		if n.serves() && r.available-1 < r.desired-r.unavailable {
			continue
		}
		if p.busy() || p.memberHeld() {
			return
		}
		if !p.mayBeginNode() {
			return
		}
		n.state, n.since = stateDraining, p.now
		p.hand(p.progressOf(r.pool.Name), n.name, stateDraining, p.now)
		p.cordon(r.pool.Name, n)
		p.count(r)
	}
}

// settleCordons asks again for cordons whose intent is in the record and that are not seen yet, or gives them up when
// fewer nodes serve by now than when they were chosen.
func (p *pass) settleCordons(r *renewal) {
	for _, n := range r.draining() {
		switch {
		case n.ours || p.memberHeld():
		case n.ready && !n.cordoned && r.available < r.desired-r.unavailable:
			rec := p.progressOf(r.pool.Name)
			rec.Draining = slices.DeleteFunc(rec.Draining, func(d v1alpha1.DrainingNode) bool { return d.Name == n.name })
			n.state = ""
			p.do(Action{Kind: ActionUncordon, Node: n.name, Pool: r.pool.Name, Reason: "too few nodes serve by now"})
			p.count(r)
		default:
			p.cordonAgain(r, n)
		}
	}
}

func (p *pass) cordon(pool string, n *poolNode) {
	p.do(Action{Kind: ActionCordon, Node: n.name, Pool: pool, Reason: "it is drained next"})
}

// cordonAgain asks for a cordon that was not seen yet. The drain begins anew: until it is cordoned pods may come.
func (p *pass) cordonAgain(r *renewal, n *poolNode) {
	p.hand(p.progressOf(r.pool.Name), n.name, stateDraining, p.now).Since = p.stamp()
	p.cordon(r.pool.Name, n)
}

// inOrder puts nodes into the order in which they are best drained.
func (p *pass) inOrder(nodes []*poolNode) []*poolNode {
	known := map[string]drain.NodeLoad{}
	for _, l := range p.s.Member.Load {
		known[l.Node] = l
	}
	var out []*poolNode
	var loads []drain.NodeLoad
	byName := map[string]*poolNode{}
	for _, n := range nodes {
		if !n.serves() {
			out = append(out, n)
			continue
		}
		load, ok := known[n.name]
		if !ok {
			load = drain.NodeLoad{Node: n.name}
		}
		loads = append(loads, load)
		byName[n.name] = n
	}
	for _, l := range drain.Order(loads, p.s.Member.Budgets) {
		out = append(out, byName[l.Node])
	}
	return out
}
