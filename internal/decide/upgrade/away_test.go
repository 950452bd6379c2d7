// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sengu.dev/sengu/api/v1alpha1"
)

const day = 24 * time.Hour

// blockedDrain is an upgrade whose drain does not get on.
func blockedDrain(t *testing.T) *play {
	w := newWorld(1, "1.36.3")
	w.addPool("user", v1alpha1.PoolModeUser, 2, "1.36.3", "linux-1")
	w.addApp("db", 1, 0, 5*time.Second, 5*time.Second)
	p := newPlay(t, w, "1.37.2").limits(0, 2)
	for p.upgrade.Status.Waiting == nil || p.upgrade.Status.Waiting.Reason != v1alpha1.ReasonDrainBlocked {
		p.pass()
		p.advance(p.now.Add(time.Second))
	}
	return p
}

// TestTimeThatNobodySaw: a drain has the time that its cluster's settings give it while somebody looks, and not while
// the process was away.
func TestTimeThatNobodySaw(t *testing.T) {
	for name, tc := range map[string]struct {
		later      time.Duration
		away       bool
		wantReason string // of the failure
		wantSince  bool   // the drain began anew
	}{
		"a moment later":                           {later: time.Second},
		"a restart within the time":                {later: 20 * time.Minute, away: true},
		"the time is over, and somebody looked":    {later: 31 * time.Minute, wantReason: v1alpha1.ReasonDrainTimeout},
		"the time is over, and nobody looked":      {later: 31 * time.Minute, away: true, wantSince: true},
		"a day later, when the process comes back": {later: day, away: true, wantSince: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := blockedDrain(t)
			s, now := p.snapshot(), p.now.Add(tc.later)
			s.Away = tc.away
			d := Decide(s, now)
			if d.Status.Reason != tc.wantReason {
				t.Errorf("it fails for %q (%s), want %q", d.Status.Reason, d.Status.Message, tc.wantReason)
			}
			for _, n := range d.Status.NodePools[0].Draining {
				if anew := n.Since.Unix() == now.Unix(); n.State == stateDraining && anew != tc.wantSince {
					t.Errorf("node %s drains since %s, anew: %t, want %t", n.Name, n.Since, anew, tc.wantSince)
				}
			}
		})
	}
}

// TestAHealthCheckIsNotLateAtTheFirstLook: what is seen right after a restart may not have settled.
func TestAHealthCheckIsNotLateAtTheFirstLook(t *testing.T) {
	p := newPlay(t, shop("1.36.3", 2, 2, 1), "1.37.2").limits(1, 0)
	s := p.snapshot()
	s.Provider.Running = false // the preflight waits for it
	d := Decide(s, p.now)
	s.Upgrade.Status = written(t, d.Status)
	later := p.now.Add(day)
	s.Away = true
	if d = Decide(s, later); d.Status.Reason != "" {
		t.Fatalf("at the first look it fails: %s", d.Status.Message)
	}
	if next := d.NextLook.Sub(later); next <= 0 || next > pollEvery || d.Status.Waiting.Until.Time.Before(later) {
		t.Errorf("it looks again in %s, want at most %s, and waits for %+v", next, pollEvery, d.Status.Waiting)
	}
	s.Away = false
	if d = Decide(s, later.Add(pollEvery)); d.Status.Reason == "" {
		t.Error("at the second look it does not fail")
	}
}

// TestTheClockIsSetBack: a record from the future holds nothing up, and shows no time that has not come.
func TestTheClockIsSetBack(t *testing.T) {
	away := newPlay(t, shop("1.36.3", 2, 2, 1), "1.37.2").limits(1, 0)
	away.providerAway = epoch.Add(time.Hour)
	away.pass()
	for name, p := range map[string]*play{"in a drain": blockedDrain(t), "while the provider is away": away} {
		t.Run(name, func(t *testing.T) {
			s, now := p.snapshot(), p.now.Add(-day)
			s.Away = true
			before := s.Upgrade.DeepCopy()
			d := Decide(s, now)
			if d.Status.Reason != "" {
				t.Errorf("it fails: %s", d.Status.Message)
			}
			w := d.Status.Waiting
			if w == nil || w.Since.After(now) {
				t.Fatalf("it waits for %+v, want since %s at the latest", w, now)
			}
			if d.NextLook.IsZero() || d.NextLook.Sub(now) > 30*time.Minute {
				t.Errorf("it looks again at %s, want within the time of a drain from %s", d.NextLook, now)
			}
			for _, pool := range d.Status.NodePools {
				for _, n := range pool.Draining {
					if n.Since.After(now) {
						t.Errorf("node %s is in hand since %s, which is still to come", n.Name, n.Since)
					}
				}
			}
			for _, step := range d.Status.Steps {
				if step.Result == v1alpha1.StepResultRunning && step.StartedAt.After(now) {
					t.Errorf("step %s runs since %s, which is still to come", step.Name, step.StartedAt)
				}
			}
			if diff := cmp.Diff(before, s.Upgrade); diff != "" {
				t.Errorf("the snapshot was changed:\n%s", diff)
			}
		})
	}
}
