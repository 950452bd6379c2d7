// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sengu.dev/sengu/api/v1alpha1"
)

// TestALastingIndexChangesNoDecision: a whole run is decided twice in each pass, with an index that is kept and without.
func TestALastingIndexChangesNoDecision(t *testing.T) {
	strategy := order("staging", "production")
	strategy.Stages[1].Groups[0].MaxConcurrency = number(2)
	strategy.Stages[1].Groups[0].MaxFailures = number(1)
	w := newWorld(t, strategy, "staging", "production", "production", "production")
	w.fails["production-3"] = 1
	first := w.snapshot()
	kept := NewLastingIndex(&first)
	for range 40 {
		s := w.snapshot()
		want := Decide(s, w.now)
		s.Index = kept
		if diff := cmp.Diff(want, Decide(s, w.now)); diff != "" {
			t.Fatalf("with an index that is kept (-without +with):\n%s", diff)
		}
		w.run.Status = want.Status
		for _, a := range want.Actions {
			w.do(a)
		}
		for _, name := range sorted(w.upgrades) {
			w.move(name)
			kept.Keep(w.upgrades[name])
		}
		w.now = w.now.Add(time.Second)
	}
	if w.run.Status.Phase != v1alpha1.RunPhaseFailed || w.run.Status.Counts.Succeeded != 3 {
		t.Errorf("the run is %s with %d done: the comparison has not seen its end", w.run.Status.Phase, w.run.Status.Counts.Succeeded)
	}
}
