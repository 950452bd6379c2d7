// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"slices"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// The states of a node in hand, as the record has them.
const (
	stateDraining    = "Draining"
	stateReplacing   = "Replacing"
	stateSoaking     = "Soaking"
	stateQuarantined = "Quarantined"
)

// poolNode is what is known of one node of the pool in hand.
type poolNode struct {
	name string
	// old: it has to be renewed.
	old bool
	// ready and cordoned as the member sees them; ours: the cordon carries our mark.
	ready, cordoned, ours bool
	readySince            time.Time
	// state in the record; empty: it is not in hand.
	state string
	since time.Time
	// leaving: an operation replaces or removes it.
	leaving bool
}

func (n *poolNode) quarantined() bool { return n.state == stateQuarantined }

// serves says whether the node carries what it is meant to carry, and will go on to. A new node that somebody else has
// cordoned is what that person wants; were it counted as missing, the pool would wait for that person for ever.
func (n *poolNode) serves() bool {
	return n.ready && (!n.cordoned || (!n.old && !n.ours)) && !n.leaving && n.state != stateDraining
}

// renewal is the pool in hand in one pass: what there is, and what may be begun.
//
// A quarantined node is out of all counts: it serves nothing, and its place is filled by another node, so that the
// others can still be renewed. The pool then has as many nodes more as are quarantined, at most maxSurge +
// maxUnavailable; the next node that cannot be drained stops the step.
type renewal struct {
	step planned
	pool Pool
	target
	settings
	desired, surge, unavailable int
	nodes                       []*poolNode
	// total nodes, fresh nodes on the target, both with those in the making; available nodes that serve now.
	total, fresh, available int
	// inHand is how many of surge + unavailable places are taken.
	inHand int
}

// survey works out what the pool is like now.
func (p *pass) survey(s planned, pool Pool, t target) *renewal {
	r := &renewal{step: s, pool: pool, target: t, settings: p.settings(pool.Name), desired: p.desired(pool.Name)}
	r.surge, r.unavailable = r.limits(r.desired)
	rec := p.progressOf(pool.Name)
	for _, n := range pool.Nodes {
		node := &poolNode{name: n.Name, old: t.old(p.versionOf(n), p.imageOf(n))}
		if m := p.members[n.Name]; m != nil {
			node.ready, node.readySince, node.cordoned, node.ours = m.Ready, m.ReadySince, m.Cordoned, m.CordonedByUs
		}
		node.since = p.now // one with our mark that the record does not know, as after a restored backup, begins anew
		for _, d := range rec.Draining {
			if d.Name == n.Name && d.Since != nil {
				node.state, node.since = d.State, d.Since.Time
			}
		}
		r.nodes = append(r.nodes, node)
	}
	slices.SortFunc(r.nodes, func(a, b *poolNode) int { return strings.Compare(a.name, b.name) })
	p.count(r)
	return r
}

// count counts nodes and places. A replacement counts as one node, whichever of the two is there.
func (p *pass) count(r *renewal) {
	r.total, r.fresh, r.available, r.inHand = 0, 0, 0, 0
	successors := map[string]bool{} // new nodes that an operation in flight is still making
	for _, op := range p.operations(r.pool.Name) {
		made := ""
		if p.s.Provider != nil {
			made = p.s.Provider.Operations[op.RequestKey].Node
		}
		old := r.node(op.Node) // an operation that adds a node names none
		if old != nil && old.old {
			old.leaving = true
		}
		switch op.Kind {
		case v1alpha1.OperationRemoveNode:
			r.inHand++
			if old != nil {
				r.total++
			}
			continue
		case v1alpha1.OperationNodePoolUpgrade:
			continue // it is about no one node
		}
		r.inHand++
		r.total++
		if fresh := r.successor(old, made); fresh != "" {
			successors[fresh] = true
		} else {
			r.fresh++ // in the making
		}
	}
	for _, n := range r.nodes {
		if !n.quarantined() {
			r.countNode(n, n.leaving || successors[n.name], p.now)
		}
	}
}

// successor is the new node of an operation that makes one, when it is there already: the one that the provider
// names, or old itself, renewed under its name.
func (r *renewal) successor(old *poolNode, made string) string {
	fresh := r.node(made)
	if fresh == nil {
		fresh = old
	}
	if fresh == nil || fresh.old {
		return ""
	}
	return fresh.name
}

// countNode counts one node. The place and the total of one that an operation works on are counted with that.
func (r *renewal) countNode(n *poolNode, operatedOn bool, now time.Time) {
	if n.serves() {
		r.available++
	}
	if !n.old {
		r.fresh++
	}
	if operatedOn {
		return
	}
	r.total++
	if n.old && (n.ours || n.state == stateDraining) || !n.old && !r.soaked(n, now) {
		r.inHand++
	}
}

func (r *renewal) node(name string) *poolNode {
	for _, n := range r.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// soaked says whether a new node is finished: Ready for long enough, and without our cordon.
func (r *renewal) soaked(n *poolNode, now time.Time) bool {
	return n.ready && !n.ours && !now.Before(r.soakEnds(n))
}

// soakEnds is when a node that stays Ready is finished.
func (r *renewal) soakEnds(n *poolNode) time.Time { return n.readySince.Add(r.nodeSoak) }

func (r *renewal) quarantined() []string {
	var names []string
	for _, n := range r.nodes {
		if n.quarantined() {
			names = append(names, n.name)
		}
	}
	return names
}

// full says whether no further node may be quarantined.
func (r *renewal) full() bool { return len(r.quarantined()) >= r.surge+r.unavailable }

// draining are the nodes that are being drained, by name.
func (r *renewal) draining() []*poolNode {
	return slices.DeleteFunc(slices.Clone(r.nodes), func(n *poolNode) bool {
		return !n.old || n.leaving || n.quarantined() || (n.state != stateDraining && !n.ours)
	})
}

// waiting are the old nodes that nobody has touched, by name.
func (r *renewal) waiting() []*poolNode {
	return slices.DeleteFunc(slices.Clone(r.nodes), func(n *poolNode) bool {
		return !n.old || n.leaving || n.quarantined() || n.ours || n.state == stateDraining
	})
}

// young are the new nodes that are not finished, by name.
func (r *renewal) young(now time.Time) []*poolNode {
	return slices.DeleteFunc(slices.Clone(r.nodes), func(n *poolNode) bool { return n.old || n.quarantined() || r.soaked(n, now) })
}
