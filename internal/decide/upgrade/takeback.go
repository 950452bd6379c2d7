// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// stepTakeBack takes surge nodes back when an upgrade ends before its pool was finished: as many old nodes as the
// pool has too many are drained and removed. A drain that does not get on is given up soon: the pool then keeps a
// node more, which harms nobody.
const stepTakeBack = "TakeBack"

// giveUpAfter is how long a drain that only takes surge back may be blocked.
const giveUpAfter = time.Minute

// surgeTakenBack goes on with taking surge back and says whether nothing of it is left to do.
func (p *pass) surgeTakenBack() bool {
	if p.s.Provider == nil || p.s.Member == nil {
		return p.giveUpTakingBack()
	}
	if !p.s.Provider.ReplacesNodes || p.s.Provider.UpgradesPools {
		return true
	}
	for i := range p.st.NodePools {
		if !p.takenBack(&p.st.NodePools[i]) {
			return false
		}
	}
	return true
}

// giveUpTakingBack leaves surge where it is because the provider is away, and says whether none was being taken back.
func (p *pass) giveUpTakingBack() bool {
	none := true
	for _, rec := range p.st.NodePools {
		if !p.takingBack(rec.Name) {
			continue
		}
		none = false
		p.endStep(takeBackStep(rec.Name), v1alpha1.StepResultFailed, "pool "+rec.Name+" keeps a node more than before, because the provider does not answer")
		for _, d := range rec.Draining {
			if d.State == stateDraining {
				p.uncordon(d.Name)
			}
		}
	}
	return none
}

func takeBackStep(pool string) string { return stepTakeBack + "/" + pool }

// takingBack says whether surge of the pool is being taken back.
func (p *pass) takingBack(pool string) bool {
	s := p.step(takeBackStep(pool))
	return s != nil && s.Result == v1alpha1.StepResultRunning
}

// forgetTakeBack drops what was begun when the upgrade does not end after all, and says whether there was any.
func (p *pass) forgetTakeBack() bool {
	var kept []v1alpha1.StepStatus
	for _, s := range p.st.Steps {
		if !strings.HasPrefix(s.Name, stepTakeBack+"/") {
			kept = append(kept, s)
		}
	}
	dropped := len(kept) < len(p.st.Steps)
	p.st.Steps = kept
	return dropped
}

func (p *pass) takenBack(rec *v1alpha1.NodePoolProgress) bool {
	name := takeBackStep(rec.Name)
	pool, s := p.pool(rec.Name), p.step(name)
	if pool == nil || (s != nil && s.Result != v1alpha1.StepResultRunning) {
		return true
	}
	t, ok := p.lastTarget(*pool)
	if !ok {
		return true
	}
	r := p.survey(planned{stop: stop{name: stepTakeBack}}, *pool, t)
	r.desired = max(r.desired, pool.Desired) // somebody may have made the pool larger meanwhile
	switch {
	case len(r.draining()) > 0:
		return p.goOnTakingBack(r, name)
	case r.total <= r.desired || len(r.waiting()) == 0:
		if s != nil {
			p.endStep(name, v1alpha1.StepResultSucceeded, "")
		}
		return true
	case p.busy() || p.memberHeld():
		return false
	}
	p.beginStep(name)
	n := p.inOrder(r.waiting())[0]
	n.state, n.since = stateDraining, p.now
	p.hand(rec, n.name, stateDraining, p.now)
	p.cordon(rec.Name, n)
	p.waitFor(v1alpha1.ReasonNodesDraining, "surge of pool "+rec.Name+" is taken back: pods leave node "+n.name, time.Time{})
	return false
}

// goOnTakingBack drains the chosen node and removes it, or gives up.
func (p *pass) goOnTakingBack(r *renewal, name string) bool {
	states := p.drainOf(r.draining(), r.drainTimeout, true)
	for _, n := range r.draining() {
		state := states[n.name]
		p.recordDrain(p.progressOf(r.pool.Name), n.name, state)
		blocked := len(state.Blockers) > 0 && p.now.Sub(state.Blockers[0].Since) >= giveUpAfter
		switch {
		case !n.ours:
			if !p.memberHeld() {
				p.cordonAgain(r, n)
			}
		case state.settled && !p.busy():
			n.leaving = true
			p.start(v1alpha1.OperationStatus{Kind: v1alpha1.OperationRemoveNode, Step: name, Pool: r.pool.Name, Node: n.name},
				"it is drained and the pool has a node too many")
			p.hand(p.progressOf(r.pool.Name), n.name, stateReplacing, p.now)
		case state.TimedOut || blocked:
			p.endStep(name, v1alpha1.StepResultFailed, fmt.Sprintf(
				"pool %s keeps %d nodes more than before, because node %s was not drained: %s", r.pool.Name, r.total-r.desired, n.name, obstacles(state.Blockers, state.PodsLeft)))
			p.uncordon(n.name)
			return false
		default:
			if len(state.Blockers) > 0 {
				p.lookAt(state.Blockers[0].Since.Add(giveUpAfter))
			}
			p.waitFor(v1alpha1.ReasonNodesDraining, "surge of pool "+r.pool.Name+" is taken back: pods leave node "+n.name, time.Time{})
		}
	}
	if len(p.st.Operations) > 0 {
		p.awaitOperations()
	}
	return false
}

// lastTarget is what the pool's nodes become in the end.
func (p *pass) lastTarget(pool Pool) (target, bool) {
	stops := p.stops()
	if len(stops) == 0 {
		return target{}, false
	}
	return p.target(stops[len(stops)-1], pool), true
}
