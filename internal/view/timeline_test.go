// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"strings"
	"testing"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

// story plays scenes one after the other, ten seconds apart, and returns the lines that people see.
func story(scenes ...*viewtest.Scene) string {
	var b strings.Builder
	var before *view.Run
	for i, scene := range scenes {
		now := viewtest.Now.Add(time.Duration(i) * 10 * time.Second)
		run := view.NewRun(scene.RunObjects, now)
		for _, change := range view.Changes(before, &run, now) {
			b.WriteString(change.String() + "\n")
		}
		before = &run
	}
	return b.String()
}

func TestTheTimelineTellsAWholeRun(t *testing.T) {
	begun := viewtest.NewScene()
	begun.Upgrade("staging-1")
	freed := viewtest.Draining()
	freed.Drain("canary-1", 3, 6, v1alpha1.DrainingNode{Name: "user-7", State: "Draining", PodsLeft: 1, Since: viewtest.Ago(0)})
	approved := viewtest.Draining()
	approved.Succeed("canary-1", 6, time.Minute).Phase("canary", v1alpha1.StagePhaseSucceeded)
	approved.Gates[0].Status = v1alpha1.GateStatus{State: v1alpha1.GateStatePassed, DecidedBy: "ada, grace"}
	approved.Upgrade("prod-tokyo-1")
	golden(t, "timeline", story(viewtest.NewScene(), begun, viewtest.Draining(), freed, approved, scenes()["failed"]))
}

func TestTheTimelineIsSilentWhileThingsOnlyCountOn(t *testing.T) {
	before := view.NewRun(viewtest.Draining().RunObjects, viewtest.Now)
	later := viewtest.Now.Add(time.Minute)
	after := view.NewRun(viewtest.Draining().RunObjects, later)
	if changes := view.Changes(&before, &after, later); len(changes) > 0 {
		t.Errorf("nothing changed, but the timeline says %q", changes[0].String())
	}
}

func TestTheTimelineTellsOfAPause(t *testing.T) {
	paused := viewtest.Draining()
	paused.Run.Spec.State = v1alpha1.RunStatePause
	got := story(viewtest.Draining(), paused)
	if want := "14:03:30  run to-1-37           Running, pausing\n"; !strings.HasSuffix(got, want) {
		t.Errorf("the last line is not %q:\n%s", want, got)
	}
}
