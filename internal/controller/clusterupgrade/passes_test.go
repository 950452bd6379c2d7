// SPDX-License-Identifier: Apache-2.0

package clusterupgrade

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// TestWhetherSomebodyLooked: what happened while nobody did says nothing about how long something took.
func TestWhetherSomebodyLooked(t *testing.T) {
	key, start := types.NamespacedName{Namespace: "fleet", Name: "u"}, time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		wanted   time.Duration // after the first pass; 0: at an event
		next     time.Duration // the second pass
		wantAway bool
	}{
		"in time":                         {wanted: time.Minute, next: time.Minute},
		"a little late":                   {wanted: time.Minute, next: time.Minute + awayAfter},
		"late":                            {wanted: time.Minute, next: time.Minute + awayAfter + 1, wantAway: true},
		"earlier, at an event":            {wanted: time.Hour, next: time.Second},
		"at an event after a long time":   {next: 24 * time.Hour},
		"after the clock was set back":    {wanted: time.Minute, next: -24 * time.Hour, wantAway: true},
		"after the clock was set forward": {wanted: time.Minute, next: 24 * time.Hour, wantAway: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPasses()
			if !p.begin(key, start) {
				t.Error("nobody looked before the first pass of a process")
			}
			p.wanted(key, start, tc.wanted)
			if got := p.begin(key, start.Add(tc.next)); got != tc.wantAway {
				t.Errorf("away: %t, want %t", got, tc.wantAway)
			}
			if p.begin(key, start.Add(tc.next+time.Second)) {
				t.Error("a moment after a look somebody has looked")
			}
		})
	}
}
