// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"cmp"
	"slices"
	"strings"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/versionpath"
)

// stop is one place on the way: a hop with the steps at it.
type stop struct {
	// name in front of its steps: the version, or NodeImage.
	name string
	// version of the control plane there; empty: it stays.
	version string
	// next hop's version; empty: this is the last stop.
	next string
}

func (s stop) last() bool { return s.next == "" }

// stopNodeImage is the one stop of an upgrade of node images only.
const stopNodeImage = "NodeImage"

// stepKind is the second word of a step's name.
type stepKind string

const (
	stepPreflight    stepKind = "Preflight"
	stepBackup       stepKind = "Backup"
	stepControlPlane stepKind = "ControlPlane"
	stepVerify       stepKind = "Verify"
	stepNodePool     stepKind = "NodePool"
	stepVerifyNodes  stepKind = "VerifyNodes"
)

// planned is a step of the plan.
type planned struct {
	stop stop
	kind stepKind
	pool string
}

func (s planned) name() string {
	name := s.stop.name + "/" + string(s.kind)
	if s.pool != "" {
		name += "/" + s.pool
	}
	return name
}

// progress is how a step ended a pass.
type progress int

const (
	waits     progress = iota // it is in hand
	succeeded                 // it did something and is finished
	notNeeded                 // the world was already so
	failed                    // p.fail was called
)

// work goes through the plan up to the first step that is not finished.
func (p *pass) work() {
	p.st.Phase = v1alpha1.ClusterUpgradePhaseRunning
	p.forgetTakeBack()
	if p.s.Provider == nil {
		p.withoutProvider()
		return
	}
	if p.st.FromVersion == "" {
		p.st.FromVersion = p.s.Provider.Version
	}
	for _, s := range p.plan() {
		name := s.name()
		if rec := p.step(name); rec != nil && rec.Result != v1alpha1.StepResultRunning {
			continue
		}
		p.beginStep(name)
		switch p.run(s) {
		case waits, failed:
			p.showProgress()
			return
		case succeeded:
			p.endStep(name, v1alpha1.StepResultSucceeded, "")
		case notNeeded:
			p.endStep(name, v1alpha1.StepResultNotNeeded, "")
		}
	}
	p.showProgress()
	p.end(v1alpha1.ClusterUpgradePhaseSucceeded)
}

func (p *pass) run(s planned) progress {
	switch s.kind {
	case stepPreflight:
		return p.preflight(s)
	case stepControlPlane:
		return p.controlPlane(s)
	case stepVerify, stepVerifyNodes:
		return p.verify(s)
	case stepNodePool:
		return p.nodePool(s)
	}
	return notNeeded // no one has asked for a backup
}

// stops of the way, from the spec, the record and the versions of the nodes.
func (p *pass) stops() []stop {
	spec := p.s.Upgrade.Spec
	if spec.Scope == v1alpha1.UpgradeScopeNodeImageOnly {
		return []stop{{name: stopNodeImage}}
	}
	hops := spec.Hops
	// Nodes too old even for the first hop are renewed where the control plane is.
	if len(hops) > 0 && p.renewsNodes() && (p.begun(p.st.FromVersion) || (hops[0] != p.st.FromVersion && p.anyTooOld(hops[0]))) {
		hops = append([]string{p.st.FromVersion}, hops...)
	}
	stops := make([]stop, len(hops))
	for i, hop := range hops {
		stops[i] = stop{name: hop, version: hop}
		if i > 0 {
			stops[i-1].next = hop
		}
	}
	return stops
}

// begun says whether the record has steps of a stop.
func (p *pass) begun(stop string) bool {
	return slices.ContainsFunc(p.st.Steps, func(s v1alpha1.StepStatus) bool { return strings.HasPrefix(s.Name, stop+"/") })
}

// renewsNodes says whether nodes are in the scope.
func (p *pass) renewsNodes() bool {
	return p.s.Upgrade.Spec.Scope != v1alpha1.UpgradeScopeControlPlaneOnly
}

// plan lists the steps. Pools are renewed at the last stop, and before it only those of which a node would be too
// old for the next: their number of renewals is the least possible.
func (p *pass) plan() []planned {
	var out []planned
	for _, stop := range p.stops() {
		add := func(kinds ...stepKind) {
			for _, k := range kinds {
				out = append(out, planned{stop: stop, kind: k})
			}
		}
		add(stepPreflight)
		if stop.version != "" {
			add(stepBackup, stepControlPlane, stepVerify)
		}
		if !p.renewsNodes() {
			continue
		}
		before := len(out)
		for _, pool := range p.poolsInOrder() {
			s := planned{stop: stop, kind: stepNodePool, pool: pool.Name}
			if stop.last() || p.step(s.name()) != nil || tooOld(pool, stop.next) {
				out = append(out, s)
			}
		}
		if stop.last() || len(out) > before {
			add(stepVerifyNodes)
		}
	}
	return out
}

// poolsInOrder are the pools by the mode's place in poolOrder, then by name.
func (p *pass) poolsInOrder() []Pool {
	modes := p.s.Cluster.Spec.NodeRollout.PoolOrder
	if len(modes) == 0 {
		modes = []v1alpha1.PoolMode{v1alpha1.PoolModeSystem, v1alpha1.PoolModeUser}
	}
	place := func(m v1alpha1.PoolMode) int {
		if i := slices.Index(modes, m); i >= 0 {
			return i
		}
		return len(modes)
	}
	pools := slices.Clone(p.s.Provider.Pools)
	slices.SortFunc(pools, func(a, b Pool) int {
		return cmp.Or(cmp.Compare(place(a.Mode), place(b.Mode)), cmp.Compare(a.Name, b.Name))
	})
	return pools
}

func (p *pass) anyTooOld(version string) bool {
	return slices.ContainsFunc(p.s.Provider.Pools, func(pool Pool) bool { return tooOld(pool, version) })
}

// tooOld says whether a node of the pool is too old for a control plane of a version.
func tooOld(pool Pool, version string) bool {
	control, err := versionpath.Parse(version)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(pool.Nodes, func(n ProviderNode) bool {
		v, err := versionpath.Parse(n.Version)
		return err == nil && v.MinorsBehind(control) > versionpath.MaxSkew
	})
}
