// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/windows"
)

// mayBegin says whether the calendars let something begin now that usually takes a time; p.closed says why not. What is
// in hand is not asked for: at a window's end it is finished.
func (p *pass) mayBegin(takes time.Duration) bool {
	wait := p.s.Calendars.MayBegin(p.now, p.kind(), takes)
	if wait == nil {
		return true
	}
	if p.closed == nil {
		p.closed = wait
	}
	if wait.Until != nil {
		p.lookAt(wait.Until.Time)
	}
	return false
}

// mayBeginNode asks for one more node in hand.
func (p *pass) mayBeginNode() bool { return p.mayBegin(p.s.Estimates.Node(p.s.Cluster).P90) }

// kind of this upgrade, by which windows and freezes are told apart.
func (p *pass) kind() v1alpha1.UpgradeKind {
	hops := p.s.Upgrade.Spec.Hops
	if len(hops) == 0 {
		return v1alpha1.UpgradeKindNodeImage
	}
	return windows.KindOf(p.st.FromVersion, hops[len(hops)-1])
}

// restOutsideWindow holds a cluster that may begin nothing and has nothing in hand: no node with our cordon, none in the
// making. The next opening lets it go on.
func (p *pass) restOutsideWindow() {
	if p.closed == nil || p.failing() || p.over() || p.inHand() || len(p.actions) > 0 {
		return
	}
	p.st.Phase = v1alpha1.ClusterUpgradePhaseHeld
	p.outdated, p.wait = nil, nil
	var until time.Time
	if p.closed.Until != nil {
		until = p.closed.Until.Time
	}
	p.waitFor(p.closed.Reason, p.closed.Message, until)
}

// inHand says whether an operation or a node is unfinished, new nodes that are not Ready among them.
func (p *pass) inHand() bool {
	if p.anythingInHand() {
		return true
	}
	for _, rec := range p.st.NodePools {
		for _, d := range rec.Draining {
			if d.State != stateQuarantined {
				return true
			}
		}
	}
	return false
}

// begins says whether an operation begins something, which only a window may: the others finish what is in hand.
func begins(op v1alpha1.OperationStatus) bool {
	return op.Kind == v1alpha1.OperationControlPlaneUpgrade || op.Kind == v1alpha1.OperationNodePoolUpgrade
}
