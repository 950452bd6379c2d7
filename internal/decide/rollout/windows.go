// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/windows"
)

// outsideWindow says why a cluster may not begin now by its calendars, or nothing. What has begun minds its windows
// itself, step by step.
func (p *pass) outsideWindow(m *member, s *stage) *v1alpha1.Waiting {
	if m.upgrade != nil {
		return nil
	}
	calendars := p.s.Calendars.For(m.cluster, calendarsOf(s), p.s.Fleet)
	if calendars == nil {
		return nil
	}
	spec, err := p.specFor(m.cluster, s)
	if err != nil {
		return nil // startCluster says what is wrong with it
	}
	wait := calendars.MayBegin(p.now, windows.KindOf(m.cluster.Status.ControlPlane.Version, p.st.Resolved.Version), p.firstPart(m.cluster, spec))
	if wait == nil {
		return nil
	}
	if wait.Until != nil {
		p.lookAt(wait.Until.Time)
	}
	return &v1alpha1.Waiting{Reason: wait.Reason, Message: m.name + ": " + wait.Message, Until: wait.Until}
}

// firstPart is how long the first thing usually takes that cannot be held in its middle; 0: nothing has to be changed.
func (p *pass) firstPart(c *v1alpha1.Cluster, spec *v1alpha1.ClusterUpgradeSpec) time.Duration {
	steps := p.s.Estimates.Steps(c, spec)
	if len(steps) == 0 {
		return 0
	}
	return steps[0].Part.P90
}

func calendarsOf(s *stage) []v1alpha1.LocalObjectReference {
	if s.spec.CalendarRef == nil {
		return nil
	}
	return []v1alpha1.LocalObjectReference{*s.spec.CalendarRef}
}
