// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// explain names the one thing that a person should know of why the pool is not finished.
func (p *pass) explain(r *renewal, states map[string]drained, young []*poolNode, ops []v1alpha1.OperationStatus) {
	var moving, blocked, pods []string
	for _, n := range r.draining() {
		if s := states[n.name]; s.moving || n.since.Equal(p.now) {
			moving = append(moving, n.name)
		} else {
			blocked = append(blocked, n.name)
			pods = append(pods, obstacles(s.Blockers, s.PodsLeft))
		}
	}
	switch {
	case len(moving) > 0:
		p.waitFor(v1alpha1.ReasonNodesDraining, "pods leave node "+listed(moving), time.Time{})
	case len(blocked) > 0:
		p.waitFor(v1alpha1.ReasonDrainBlocked, "node "+listed(blocked)+": "+strings.Join(pods, "; "), p.firstTimeout(r))
	case len(ops) > 0:
		p.waitFor(v1alpha1.ReasonNodeReplacing, "the provider works on nodes of pool "+r.pool.Name+": "+describe(ops[0]), time.Time{})
	case len(young) > 0:
		p.explainYoung(r, young)
	default:
		p.waitFor(v1alpha1.ReasonNodesNotReady, fmt.Sprintf(
			"%d nodes of pool %s serve, and %d must: it goes on when more nodes are Ready and uncordoned", r.available, r.pool.Name, r.desired-r.unavailable), time.Time{})
	}
}

func (p *pass) explainYoung(r *renewal, young []*poolNode) {
	for _, n := range young {
		if !n.ready {
			since := p.now
			if n.state == stateReplacing {
				since = n.since
			}
			p.waitFor(v1alpha1.ReasonNodeNotReady, fmt.Sprintf("new node %s is not Ready yet", n.name), since.Add(r.nodeReadyTimeout))
			return
		}
	}
	if !p.now.Before(r.soakEnds(young[0])) { // Ready long enough: what is left of it is our cordon
		p.waitFor(v1alpha1.ReasonNodeReplacing, fmt.Sprintf("new node %s is being uncordoned", young[0].name), p.now.Add(firstBackoff))
		return
	}
	p.waitFor(v1alpha1.ReasonNodeSoaking, fmt.Sprintf("new node %s must stay Ready for %s", young[0].name, r.nodeSoak), r.soakEnds(young[0]))
	for _, n := range young {
		p.lookAt(r.soakEnds(n))
	}
}

// firstTimeout is when the first drain is over its time.
func (p *pass) firstTimeout(r *renewal) time.Time {
	var t time.Time
	for _, n := range r.draining() {
		if at := n.since.Add(r.drainTimeout); t.IsZero() || at.Before(t) {
			t = at
		}
	}
	return t
}
