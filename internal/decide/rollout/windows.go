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
	if m.window == nil {
		m.window = p.windowOf(m.cluster, s)
	}
	w := m.window
	if w.calendars == nil {
		return nil
	}
	wait := w.calendars.MayBegin(p.now, w.kind, w.takes)
	if wait == nil {
		return nil
	}
	if wait.Until != nil {
		p.lookAt(wait.Until.Time)
	}
	return &v1alpha1.Waiting{Reason: wait.Reason, Message: m.name + ": " + wait.Message, Until: wait.Until}
}

// window is what the calendars are asked for a cluster that has not begun. It is the same in every pass on one state of
// the fleet, and a lasting index keeps it.
type window struct {
	calendars *windows.Set // nil: it may always begin
	kind      v1alpha1.UpgradeKind
	takes     time.Duration
}

func (p *pass) windowOf(c *v1alpha1.Cluster, s *stage) *window {
	calendars := p.s.Calendars.For(c, calendarsOf(s), p.s.Fleet)
	if calendars == nil {
		return &window{}
	}
	spec, err := p.specFor(c, s)
	if err != nil {
		return &window{} // startCluster says what is wrong with it
	}
	return &window{calendars, windows.KindOf(c.Status.ControlPlane.Version, p.st.Resolved.Version), p.firstPart(c, spec)}
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
