// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"slices"

	"sengu.dev/sengu/api/v1alpha1"
)

// senguRenews renews a pool node by node: surge, cordon, evict, replace, Ready, uncordon, soak. All of it follows
// from what there is; the record only says since when, and what was quarantined.
func (p *pass) senguRenews(s planned, pool Pool, t target) progress {
	if p.s.Member == nil {
		p.withoutMember()
		if p.failing() {
			return failed
		}
		return waits
	}
	r := p.survey(s, pool, t)
	if p.failing() {
		return failed
	}
	if r.surge+r.unavailable == 0 && len(r.waiting()) > 0 {
		p.fail(s.name(), v1alpha1.ReasonInvalidNodeRollout,
			fmt.Sprintf("pool %s may have no node more and none less, so no node can be renewed: set maxSurge or maxUnavailable to at least 1", pool.Name))
		return failed
	}
	p.uncordonNew(r)
	states := p.drainOf(r.draining(), r.drainTimeout, true)
	p.judgeTimeouts(r, states)
	p.judgeYoung(r)
	if p.failing() {
		return failed
	}
	p.replaceDrained(r, states)
	p.addNodes(r)
	p.beginDrains(r)
	for _, n := range r.waiting() {
		p.outdated = append(p.outdated, n.name)
	}
	p.recordNodes(r, states)
	return p.judgePool(r, states)
}

// uncordonNew takes our cordon off nodes that were replaced under the same name.
func (p *pass) uncordonNew(r *renewal) {
	for _, n := range r.nodes {
		if !n.old && n.ours && !p.memberHeld() {
			p.do(Action{Kind: ActionUncordon, Node: n.name, Pool: r.pool.Name, Reason: "it is renewed"})
		}
	}
}

// judgeTimeouts stops at a drain that took too long, or leaves that node alone, as the settings say.
func (p *pass) judgeTimeouts(r *renewal, states map[string]drained) {
	for _, n := range r.draining() {
		state := states[n.name]
		if !state.TimedOut {
			continue
		}
		why := fmt.Sprintf("node %s was not drained within %s: %s", n.name, r.drainTimeout, obstacles(state.Blockers, state.PodsLeft))
		if !r.settings.quarantine || r.full() {
			p.recordDrain(p.progressOf(r.pool.Name), n.name, state)
			p.fail(r.step.name(), v1alpha1.ReasonDrainTimeout, why)
			return
		}
		n.state = stateQuarantined
		p.hand(p.progressOf(r.pool.Name), n.name, stateQuarantined, p.now)
		p.recordDrain(p.progressOf(r.pool.Name), n.name, state)
	}
	for _, n := range r.nodes {
		if n.quarantined() && n.ours {
			p.quarantine(r.pool.Name, n.name)
		}
	}
	p.count(r)
}

// judgeYoung fails when a new node takes too long to become Ready.
func (p *pass) judgeYoung(r *renewal) {
	for _, n := range r.young(p.now) {
		if n.ready || n.state != stateReplacing {
			continue
		}
		deadline := n.since.Add(r.nodeReadyTimeout)
		if p.tooLate(deadline) {
			p.fail(r.step.name(), v1alpha1.ReasonNodeReadyTimeout,
				fmt.Sprintf("new node %s of pool %s is not Ready after %s: look at the node and at what the provider says of it, then retry", n.name, r.pool.Name, r.nodeReadyTimeout))
			return
		}
		p.lookAt(deadline)
	}
}

// replaceDrained lets the provider replace empty nodes, or remove them when enough new ones are there: so surge is
// taken back.
func (p *pass) replaceDrained(r *renewal, states map[string]drained) {
	for _, n := range r.draining() {
		if !states[n.name].settled {
			continue
		}
		if p.busy() {
			return
		}
		p.replaceOrRemove(r, n)
	}
}

func (p *pass) replaceOrRemove(r *renewal, n *poolNode) {
	op := v1alpha1.OperationStatus{Kind: v1alpha1.OperationReplaceNode, Step: r.step.name(), Pool: r.pool.Name, Node: n.name}
	reason := "it is drained"
	// A pool that has more nodes than its surge allows, after a quarantine and a retry, loses one first.
	if r.fresh < r.desired && r.total <= r.desired+r.surge {
		op.Version, op.Image = r.newVersion(), r.image
	} else {
		op.Kind, reason = v1alpha1.OperationRemoveNode, "it is drained and needs no replacement"
	}
	n.leaving = true
	p.start(op, reason)
	p.hand(p.progressOf(r.pool.Name), n.name, stateReplacing, p.now)
	p.count(r)
}

// newVersion is what new nodes run: with an upgrade of images only what the pool runs.
func (r *renewal) newVersion() string {
	if r.version == "" {
		return r.pool.Version
	}
	return r.version
}

// addNodes adds surge, never more than there are nodes to renew, and fills the places of nodes that were lost or
// quarantined.
func (p *pass) addNodes(r *renewal) {
	for r.total < r.desired+r.surge && r.fresh < r.desired {
		if p.busy() {
			return
		}
		reason := "surge: a new node comes before an old one goes"
		if r.total < r.desired {
			reason = "the pool has fewer nodes than it should"
		} else if !p.mayBeginNode() {
			return
		}
		p.start(v1alpha1.OperationStatus{
			Kind: v1alpha1.OperationAddNode, Step: r.step.name(), Pool: r.pool.Name, Version: r.newVersion(), Image: r.image,
		}, reason)
		p.count(r)
	}
}

// recordNodes writes down the nodes in hand and how many are done.
func (p *pass) recordNodes(r *renewal, states map[string]drained) {
	rec := p.progressOf(r.pool.Name)
	inHand := map[string]bool{}
	unfinished := 0
	for _, n := range r.nodes {
		switch {
		case n.quarantined():
		case n.leaving:
			p.hand(rec, n.name, stateReplacing, p.now)
		case n.old && (n.ours || n.state == stateDraining):
			p.hand(rec, n.name, stateDraining, p.now)
			p.recordDrain(rec, n.name, states[n.name])
		case n.old:
			unfinished++
			continue
		case r.soaked(n, p.now):
			continue
		case n.ready:
			p.hand(rec, n.name, stateSoaking, n.readySince)
		default:
			p.hand(rec, n.name, stateReplacing, p.now)
			p.lookAt(p.now.Add(r.nodeReadyTimeout))
		}
		inHand[n.name] = true
		unfinished++
	}
	rec.Draining = slices.DeleteFunc(rec.Draining, func(d v1alpha1.DrainingNode) bool { return !inHand[d.Name] })
	p.countDone(rec.Name, rec.Total-int32(unfinished))
}

// judgePool says whether the pool is finished, and else what it waits for.
func (p *pass) judgePool(r *renewal, states map[string]drained) progress {
	young, ops := r.young(p.now), p.operations(r.pool.Name)
	idle := len(ops) == 0 && len(young) == 0 && len(r.draining()) == 0
	quarantined := r.quarantined()
	switch {
	case idle && len(quarantined) > 0 && len(r.waiting()) == 0 && r.fresh >= r.desired:
		p.fail(r.step.name(), v1alpha1.ReasonDrainTimeout, fmt.Sprintf(
			"quarantined because they were not drained within %s: %s; drain and delete them, or free what blocks them, then retry", r.drainTimeout, listed(quarantined)))
		return failed
	case idle && len(r.waiting()) == 0 && r.fresh >= r.desired:
		return succeeded
	}
	p.explain(r, states, young, ops)
	return waits
}
