// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"testing"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// TestAForecastSoaksInOneLook: nothing happens unseen in virtual time, and a week is no ten thousand looks.
func TestAForecastSoaksInOneLook(t *testing.T) {
	strategy := order("staging", "production")
	strategy.Stages[0].Soak = soak(168 * time.Hour)
	w := newWorld(t, strategy, "staging", "production")
	w.settle()

	watched := w.snapshot()
	watched.Watched = true
	d := Decide(watched, w.now)
	end := d.Status.Stages[0].Waiting.Until.Time
	if d.NextLook.Before(end) {
		t.Errorf("the next look is at %s, before the soak ends at %s", d.NextLook, end)
	}
	watched.Run = w.run.DeepCopy()
	watched.Run.Status = d.Status
	if early := Decide(watched, end.Add(-time.Second)); len(early.Actions) != 0 {
		t.Errorf("production starts before the soak has ended: %+v", early.Actions)
	}
	d = Decide(watched, end)
	if d.Status.Stages[0].SoakState != v1alpha1.SoakStateDone || len(d.Actions) != 1 {
		t.Errorf("at its end the soak is %s with %d actions, want Done and the start of production", d.Status.Stages[0].SoakState, len(d.Actions))
	}
}
