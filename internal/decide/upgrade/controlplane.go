// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/versionpath"
)

// controlPlaneOld says whether the control plane is not at a stop yet.
func (p *pass) controlPlaneOld(s stop) bool {
	return s.version != "" && versionpath.Compare(p.s.Provider.Version, s.version) < 0
}

// controlPlane upgrades the control plane. The cluster's own API may be away meanwhile: that is expected.
func (p *pass) controlPlane(s planned) progress {
	for _, op := range p.st.Operations {
		if op.Kind == v1alpha1.OperationControlPlaneUpgrade {
			p.waitFor(v1alpha1.ReasonControlPlaneUpgrading, "the provider upgrades the control plane to "+op.Version, time.Time{})
			return waits
		}
	}
	if p.failing() {
		return failed
	}
	if !p.controlPlaneOld(s.stop) {
		if p.asked(s) {
			return succeeded
		}
		return notNeeded
	}
	if p.busy() {
		return waits
	}
	if !p.s.Provider.Running {
		p.waitFor(v1alpha1.ReasonControlPlaneNotRunning, fmt.Sprintf("the control plane is %s", p.s.Provider.State), p.now.Add(pollEvery))
		return waits
	}
	if !p.mayBegin(p.s.Estimates.ControlPlane(p.s.Cluster).P90) {
		return waits
	}
	p.start(v1alpha1.OperationStatus{Kind: v1alpha1.OperationControlPlaneUpgrade, Step: s.name(), Version: s.stop.version},
		fmt.Sprintf("the control plane runs %s and goes to %s", p.s.Provider.Version, s.stop.version))
	p.waitFor(v1alpha1.ReasonControlPlaneUpgrading, "the provider upgrades the control plane to "+s.stop.version, time.Time{})
	return waits
}

// asked says whether this upgrade asked for an operation of a step that has ended by now.
func (p *pass) asked(s planned) bool {
	for _, op := range p.was.Operations {
		if op.Step == s.name() {
			return true
		}
	}
	return false
}
