// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// goToSafePoint ends what is in hand: no operation in flight, no node with our cordon. Nothing new is begun, with two
// exceptions that make the end a better one: a node that is already empty is still replaced when nothing failed, and
// when the upgrade ends for good, surge is taken back.
func (p *pass) goToSafePoint(a aim) {
	coming := p.st.Phase != v1alpha1.ClusterUpgradePhaseHolding
	if p.st.Phase == v1alpha1.ClusterUpgradePhaseHeld && !p.anythingInHand() {
		p.arrive(a)
		return
	}
	if coming && p.anythingInHand() && p.memberHeld() {
		return // what has to be uncordoned first cannot be now
	}
	p.st.Phase = v1alpha1.ClusterUpgradePhaseHolding
	final := a == aimSkip || a == aimDelete
	if !final && p.forgetTakeBack() {
		coming = true // it was to end for good, and now it is not
	}
	clean := p.cleanNodes(coming, coming && a != aimFail)
	switch {
	case len(p.st.Operations) > 0:
		p.awaitOperations()
	case clean && (!final || p.surgeTakenBack()):
		p.arrive(a)
	case p.wait == nil:
		p.waitFor(v1alpha1.ReasonNodesDraining, "nodes in hand are being uncordoned", p.now.Add(firstBackoff))
		p.lookAt(p.now.Add(time.Second))
	}
}

// anythingInHand says whether the record or the cluster shows that something of ours is unfinished.
func (p *pass) anythingInHand() bool {
	if len(p.st.Operations) > 0 {
		return true
	}
	for _, rec := range p.st.NodePools {
		for _, d := range rec.Draining {
			// Other states than Draining may carry our mark too, for example a node whose replacement failed; only
			// the cluster knows.
			if d.State == stateDraining || (p.s.Member == nil && d.State != stateSoaking) {
				return true
			}
		}
	}
	for _, n := range p.members {
		if n.CordonedByUs {
			return true
		}
	}
	return false
}

// arrive sets the phase of the safe point.
func (p *pass) arrive(a aim) {
	switch a {
	case aimFail:
		p.end(v1alpha1.ClusterUpgradePhaseFailed)
	case aimHold:
		p.st.Phase = v1alpha1.ClusterUpgradePhaseHeld
		p.wait = nil
		p.waitFor(v1alpha1.ReasonHeld, "held at a safe point: set the run to Run to go on", time.Time{})
	default:
		p.end(v1alpha1.ClusterUpgradePhaseSkipped)
		p.release = a == aimDelete
	}
}

// awaitOperations waits for the provider. It cannot be hurried, and an operation that was asked for must not be
// forgotten.
func (p *pass) awaitOperations() {
	if p.s.Provider == nil {
		problem := p.s.ProviderProblem
		if problem == nil {
			problem = &Problem{}
		}
		p.backOff(v1alpha1.ReasonProviderUnreachable, fmt.Sprintf(
			"%s was asked for, and the provider does not say how it ended: %s", describe(p.st.Operations[0]), says(problem.Message, problem.Code)), problem.Until, lastBackoff)
		return
	}
	p.waitFor(v1alpha1.ReasonNodeReplacing, "a safe point is reached when the provider has ended "+describe(p.st.Operations[0]), time.Time{})
}

// cleanNodes takes our cordons back and says whether none is left. coming: this is the first pass on the way; finish:
// empty nodes are still replaced.
//
// A cordon whose intent is in the record may have been made without being seen yet, so every node of the record is
// uncordoned once, whatever the cluster shows; uncordoning looks at the mark first.
func (p *pass) cleanNodes(coming, finish bool) bool {
	if p.s.Member == nil {
		if !p.anythingInHand() {
			return true
		}
		if len(p.st.Operations) == 0 {
			p.withoutMember()
		}
		return false
	}
	if finish && p.s.Provider != nil {
		p.finishEmpty()
	}
	clean := true
	for i := range p.st.NodePools {
		if !p.takingBack(p.st.NodePools[i].Name) && !p.cleanPool(&p.st.NodePools[i], coming) {
			clean = false
		}
	}
	return p.uncordonOurs() && clean
}

// cleanPool uncordons the nodes of a pool's record and drops those that are clean.
func (p *pass) cleanPool(rec *v1alpha1.NodePoolProgress, coming bool) bool {
	clean := true
	rec.Draining = slices.DeleteFunc(rec.Draining, func(d v1alpha1.DrainingNode) bool {
		switch {
		case d.State == stateQuarantined:
			return false
		case p.operatedOn(d.Name):
			clean = false
			return false
		}
		if m := p.members[d.Name]; m != nil && m.CordonedByUs {
			clean = false
			return false // uncordonOurs does it
		}
		if d.State != stateDraining {
			return true
		}
		if !coming && p.uncordoned(d.Name) {
			return true
		}
		p.uncordon(d.Name)
		clean = false
		return false
	})
	return clean
}

// uncordoned says whether the last pass on the way to a safe point uncordoned a node: it was not kept from it, and it
// did not fail.
func (p *pass) uncordoned(node string) bool {
	_, failed := p.s.Failures[node]
	return !failed && (p.was.Waiting == nil || p.was.Waiting.Reason != v1alpha1.ReasonMemberUnreachable)
}

// uncordonOurs uncordons every node with our mark on which no operation works, quarantined ones aside, and says
// whether there was none.
func (p *pass) uncordonOurs() bool {
	clean := true
	for _, n := range p.s.Member.Nodes {
		if !n.CordonedByUs || p.operatedOn(n.Name) || p.takingBack(n.Pool) {
			continue
		}
		clean = false
		if p.isQuarantined(n.Name) {
			p.quarantine(n.Pool, n.Name)
			continue
		}
		p.uncordon(n.Name)
	}
	return clean
}

// isQuarantined says whether a node is to stay cordoned on purpose.
func (p *pass) isQuarantined(node string) bool {
	return slices.ContainsFunc(p.st.NodePools, func(rec v1alpha1.NodePoolProgress) bool {
		return slices.ContainsFunc(rec.Draining, func(d v1alpha1.DrainingNode) bool { return d.Name == node && d.State == stateQuarantined })
	})
}

// quarantine leaves a node cordoned and takes our mark off it. It is asked for until the mark is gone.
func (p *pass) quarantine(pool, node string) {
	same := func(a Action) bool { return a.Kind == ActionQuarantine && a.Node == node }
	if !p.memberHeld() && !slices.ContainsFunc(p.actions, same) {
		p.do(Action{Kind: ActionQuarantine, Node: node, Pool: pool,
			Reason: fmt.Sprintf("not drained within %s by the upgrade %s", p.settings(pool).drainTimeout, p.s.Upgrade.Name)})
	}
}

func (p *pass) uncordon(node string) {
	if !p.memberHeld() {
		p.do(Action{Kind: ActionUncordon, Node: node, Reason: "nothing may stay cordoned at a safe point"})
	}
}

func (p *pass) operatedOn(node string) bool {
	return slices.ContainsFunc(p.st.Operations, func(o v1alpha1.OperationStatus) bool { return o.Node == node })
}

// finishEmpty replaces the nodes in hand that are already empty: the work is done, and their pods run elsewhere. Only
// on the first pass on the way: once uncordoned, a node is nobody's.
func (p *pass) finishEmpty() {
	if p.putOff || p.operationsHeld() {
		return
	}
	for _, s := range p.plan() {
		rec := p.step(s.name())
		if s.kind != stepNodePool || rec == nil || rec.Result != v1alpha1.StepResultRunning || p.progressOf(s.pool) == nil {
			continue
		}
		pool := p.pool(s.pool)
		r := p.survey(s, *pool, p.target(s.stop, *pool))
		states := p.drainOf(r.draining(), r.drainTimeout, false)
		for _, n := range r.draining() {
			if states[n.name].settled && !p.busy() {
				p.replaceOrRemove(r, n)
			}
		}
	}
}
