// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// nodePool renews one pool: the provider does it, or Sengu node by node.
func (p *pass) nodePool(s planned) progress {
	pool := p.pool(s.pool)
	if pool == nil {
		return notNeeded // it was deleted meanwhile
	}
	t := p.target(s.stop, *pool)
	begun := p.begunPool(s.pool, p.step(s.name()))
	if !begun && len(p.operations(s.pool)) == 0 && !p.anyOld(*pool, t) {
		return notNeeded
	}
	if r := p.capability(); r != nil {
		p.fail(s.name(), r.reason, r.message)
		return failed
	}
	if !begun {
		p.beginPool(*pool, t)
	}
	if p.s.Provider.UpgradesPools {
		return p.providerRenews(s, *pool, t)
	}
	return p.senguRenews(s, *pool, t)
}

// begunPool says whether the pool's record belongs to this step: it has one, and the step began before this pass or
// was begun again by a retry.
func (p *pass) begunPool(pool string, rec *v1alpha1.StepStatus) bool {
	return p.progressOf(pool) != nil && slices.ContainsFunc(p.was.Steps, func(s v1alpha1.StepStatus) bool { return s.Name == rec.Name })
}

// progressOf a pool; nil: its step has not begun.
func (p *pass) progressOf(pool string) *v1alpha1.NodePoolProgress {
	for i := range p.st.NodePools {
		if p.st.NodePools[i].Name == pool {
			return &p.st.NodePools[i]
		}
	}
	return nil
}

// beginPool records how large the pool is, before anything of it is changed.
func (p *pass) beginPool(pool Pool, t target) {
	fresh := v1alpha1.NodePoolProgress{Name: pool.Name, Desired: int32(pool.Desired)}
	if pool.Desired == 0 {
		fresh.Desired = int32(len(pool.Nodes))
	}
	for _, n := range pool.Nodes {
		if t.old(p.versionOf(n), p.imageOf(n)) {
			fresh.Total++
		}
	}
	if rec := p.progressOf(pool.Name); rec != nil {
		*rec = fresh
		return
	}
	p.st.NodePools = append(p.st.NodePools, fresh)
}

// desired size of a pool: as its step found it.
func (p *pass) desired(pool string) int {
	if rec := p.progressOf(pool); rec != nil {
		return int(rec.Desired)
	}
	if found := p.pool(pool); found != nil {
		return found.Desired
	}
	return 0
}

// providerRenews lets the provider renew the pool, drain included.
func (p *pass) providerRenews(s planned, pool Pool, t target) progress {
	done := int32(0)
	for _, n := range pool.Nodes {
		if !t.old(n.Version, n.Image) {
			done++
		}
	}
	p.countDone(pool.Name, done-(int32(len(pool.Nodes))-p.progressOf(pool.Name).Total))
	message := "the provider renews the nodes of pool " + pool.Name
	if len(p.operations(pool.Name)) > 0 {
		p.waitFor(v1alpha1.ReasonNodePoolUpgrading, message, time.Time{})
		return waits
	}
	if p.failing() {
		return failed
	}
	if !poolOld(pool, t) {
		p.countDone(pool.Name, p.progressOf(pool.Name).Total)
		return succeeded
	}
	surge, unavailable := p.settings(pool.Name).limits(p.desired(pool.Name))
	if surge+unavailable == 0 && len(pool.Nodes) > 0 {
		p.fail(s.name(), v1alpha1.ReasonInvalidNodeRollout,
			fmt.Sprintf("pool %s may have no node more and none less, so no node can be renewed: set maxSurge or maxUnavailable to at least 1", pool.Name))
		return failed
	}
	if p.busy() {
		return waits
	}
	rec := p.progressOf(pool.Name)
	if !p.mayBegin(p.s.Estimates.NodePool(p.s.Cluster, int(rec.Total-rec.Done)).P90) {
		return waits
	}
	version := t.version
	if version == "" {
		version = pool.Version
	}
	p.start(v1alpha1.OperationStatus{
		Kind: v1alpha1.OperationNodePoolUpgrade, Step: s.name(), Pool: pool.Name, Version: version, Image: t.image,
	}, fmt.Sprintf("pool %s is not on the target", pool.Name))
	p.waitFor(v1alpha1.ReasonNodePoolUpgrading, message, time.Time{})
	return waits
}

// countDone records how many of the pool's nodes are renewed; a node that is lost again is not taken off.
func (p *pass) countDone(pool string, done int32) {
	rec := p.progressOf(pool)
	done = min(max(done, rec.Done), rec.Total)
	p.st.NodesRenewed += done - rec.Done
	rec.Done = done
}

// showProgress counts the nodes of all pools in scope for people: those renewed of those to renew.
func (p *pass) showProgress() {
	if !p.renewsNodes() || p.s.Provider == nil {
		return
	}
	stops := p.stops()
	if len(stops) == 0 {
		return
	}
	var done, total int32
	for _, pool := range p.s.Provider.Pools {
		if rec := p.progressOf(pool.Name); rec != nil {
			done, total = done+rec.Done, total+rec.Total
			continue
		}
		t := p.target(stops[len(stops)-1], pool)
		for _, n := range pool.Nodes {
			if t.old(p.versionOf(n), p.imageOf(n)) {
				total++
			}
		}
	}
	if total > 0 {
		p.st.Progress = fmt.Sprintf("%d/%d nodes", done, total)
	}
}
