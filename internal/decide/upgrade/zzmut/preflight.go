// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"errors"
	"fmt"
	"slices"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/versionpath"
)

// refusal is why a stop cannot be begun.
type refusal struct{ reason, message string }

// preflight looks before a stop whether it can be done at all. What can never succeed fails at once, before anything
// was changed; health is waited for, for as long as after a step.
func (p *pass) preflight(s planned) progress {
	for _, check := range []func(stop) *refusal{p.checkMethod, p.checkVersion, p.checkSkew, p.checkImages} {
		if r := check(s.stop); r != nil {
			p.fail(s.name(), r.reason, r.message)
			return failed
		}
	}
	if !p.anythingToDo(s.stop) {
		return notNeeded
	}
	if r := p.checkPools(s.stop); r != nil {
		p.fail(s.name(), r.reason, r.message)
		return failed
	}
	if p.awaitsMember(s.stop) || p.busy() {
		return waits
	}
	return p.awaitHealth(s, v1alpha1.ReasonNotHealthy)
}

// anythingToDo says whether the control plane or a pool in scope is not there yet.
func (p *pass) anythingToDo(s stop) bool {
	return p.controlPlaneOld(s) || slices.ContainsFunc(p.poolsAt(s), func(pool Pool) bool { return p.anyOld(pool, p.target(s, pool)) })
}

// poolsAt are the pools that are renewed at a stop.
func (p *pass) poolsAt(s stop) []Pool {
	var out []Pool
	for _, step := range p.plan() {
		if step.stop == s && step.kind == stepNodePool {
			out = append(out, *p.pool(step.pool))
		}
	}
	return out
}

func (p *pass) checkMethod(stop) *refusal {
	if m := p.s.Upgrade.Spec.Method; m != "" && m != v1alpha1.UpgradeMethodInPlace {
		return &refusal{v1alpha1.ReasonMethodNotSupported, fmt.Sprintf("this version of Sengu cannot upgrade by method %s: use InPlace", m)}
	}
	return nil
}

func (p *pass) checkVersion(s stop) *refusal {
	hops := p.s.Upgrade.Spec.Hops
	if s.version == "" || len(hops) == 0 {
		return nil
	}
	at, err := versionpath.Parse(p.s.Provider.Version)
	if err != nil {
		return refused(err)
	}
	hop, err := versionpath.Parse(s.version)
	if err != nil {
		return refused(err)
	}
	if final := hops[len(hops)-1]; versionpath.Compare(p.s.Provider.Version, final) > 0 {
		return &refusal{v1alpha1.ReasonDowngrade,
			fmt.Sprintf("the control plane runs %s, which is newer than the target %s, and Kubernetes does not go back", at, final)}
	}
	if at.MinorsBehind(hop) > 1 {
		return &refusal{v1alpha1.ReasonSkippedMinor,
			fmt.Sprintf("the control plane runs %s and moves one minor at a time, so %s is not its next version", at, hop)}
	}
	return nil
}

func refused(err error) *refusal {
	if e, ok := errors.AsType[*versionpath.Error](err); ok {
		return &refusal{e.Reason, e.Message}
	}
	return &refusal{v1alpha1.ReasonUnknownVersion, err.Error()}
}

// checkSkew refuses nodes that are newer than the control plane, or too old for the one of this stop.
func (p *pass) checkSkew(s stop) *refusal {
	next := p.s.Provider.Version
	if p.controlPlaneOld(s) {
		next = s.version
	}
	for _, pool := range p.s.Provider.Pools {
		for _, n := range pool.Nodes {
			v := p.versionOf(n)
			if v == "" {
				continue
			}
			if r := skewAt(pool.Name, n.Name, v, p.s.Provider.Version); r != nil {
				return r
			}
			if r := skewAt(pool.Name, n.Name, v, next); r != nil {
				return r
			}
		}
	}
	return nil
}

func skewAt(pool, node, version, control string) *refusal {
	err := versionpath.CheckSkew(version, control)
	if e, ok := errors.AsType[*versionpath.Error](err); ok && e.Reason == v1alpha1.ReasonSkewTooLarge {
		return &refusal{e.Reason, fmt.Sprintf("pool %s, node %s: %s", pool, node, e.Message)}
	}
	return nil
}

// checkImages refuses images that the provider does not offer; one that lists none is asked when it comes to it.
func (p *pass) checkImages(s stop) *refusal {
	images := p.s.Upgrade.Spec.NodeImages
	if s.name == stopNodeImage && len(images) == 0 {
		return &refusal{v1alpha1.ReasonUnknownImage, "an upgrade of node images needs an image, and none was chosen: the provider may offer none"}
	}
	if len(p.s.Provider.Images) == 0 || !p.renewsNodes() {
		return nil
	}
	for _, image := range images {
		if !slices.Contains(p.s.Provider.Images, image) {
			return &refusal{v1alpha1.ReasonUnknownImage,
				fmt.Sprintf("node image %s is not offered to %s; offered: %s", image, p.s.Upgrade.Spec.Cluster, listed(p.s.Provider.Images))}
		}
	}
	return nil
}

// checkPools refuses pools that nobody can renew, or only by settings that renew none.
func (p *pass) checkPools(s stop) *refusal {
	for _, pool := range p.poolsAt(s) {
		if !p.anyOld(pool, p.target(s, pool)) {
			continue
		}
		if r := p.capability(); r != nil {
			return r
		}
		if surge, unavailable := p.settings(pool.Name).limits(max(pool.Desired, len(pool.Nodes))); surge+unavailable == 0 && len(pool.Nodes) > 0 {
			return &refusal{v1alpha1.ReasonInvalidNodeRollout,
				fmt.Sprintf("pool %s may have no node more and none less, so no node can be renewed: set maxSurge or maxUnavailable to at least 1", pool.Name)}
		}
	}
	return nil
}

func (p *pass) capability() *refusal {
	switch {
	case p.s.Provider.UpgradesPools:
		return nil
	case !p.s.Provider.ReplacesNodes:
		return &refusal{v1alpha1.ReasonCapabilityMissing, "the provider can renew neither pools nor nodes: use scope ControlPlaneOnly"}
	case p.s.Member == nil && p.s.MemberProblem == nil:
		return &refusal{v1alpha1.ReasonCapabilityMissing,
			"nodes are drained through the cluster's own API, and there is no access to it: set spec.access.kubeconfigSecretRef of the Cluster"}
	}
	return nil
}

// awaitsMember waits for the cluster's own API where its nodes are drained through it.
func (p *pass) awaitsMember(s stop) bool {
	if p.s.Member != nil || p.s.MemberProblem == nil || p.s.Provider.UpgradesPools || len(p.poolsAt(s)) == 0 {
		return false
	}
	p.withoutMember()
	return true
}
