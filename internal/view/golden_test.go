// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what people see with what was agreed on.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the test with -update and look at what it writes", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func text(lines []view.Line) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line.String() + "\n")
	}
	return b.String()
}

// scenes of a run that people meet.
func scenes() map[string]*viewtest.Scene {
	soaking := viewtest.NewScene().Succeed("staging-1", 3, 58*time.Second).Phase("staging", v1alpha1.StagePhaseSoaking)
	soaking.Run.Status.Phase = v1alpha1.RunPhasePending
	soaking.Run.Status.Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonSoaking, Message: "stage staging soaks", Until: viewtest.Ago(-18 * time.Second), Since: viewtest.Ago(12 * time.Second)}
	staging := soaking.Stage("staging")
	staging.SoakedFor, staging.SoakCountedAt, staging.SoakState = &metav1.Duration{Duration: 10 * time.Second}, viewtest.Ago(2*time.Second), v1alpha1.SoakStateCounting
	staging.Waiting = soaking.Run.Status.Waiting

	failed := viewtest.NewScene().Succeed("staging-1", 3, 58*time.Second).Phase("staging", v1alpha1.StagePhaseSucceeded)
	failed.Fail("canary-1", "QuotaExceeded", "the subscription has no cores left\x1b[31m in westeurope").Phase("canary", v1alpha1.StagePhaseFailed)
	failed.Run.Status.Phase, failed.Run.Status.FinishedAt = v1alpha1.RunPhaseFailed, viewtest.Ago(0)
	failed.Run.Status.Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonTooManyFailures, Message: "1 cluster of group canary/all failed and none may"}
	failed.Stage("canary").Waiting = failed.Run.Status.Waiting // it is said once
	failed.Run.Status.Causes = []v1alpha1.RunCause{{ID: "QuotaExceeded", Message: "the subscription has no cores left", Clusters: []string{"canary-1"}}}
	failed.Upgrade("canary-1").Status.Diagnosis = &v1alpha1.Diagnosis{Title: "The core quota of the subscription is used up", Remedies: []v1alpha1.RemedyAction{{ID: "raise", Action: "Ask Azure for more cores, then retry the run"}}}

	refused := viewtest.NewScene()
	refused.Run.Status = v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseNotStarted, Waiting: &v1alpha1.Waiting{Reason: v1alpha1.ReasonClusterInNoGroup, Message: "cluster prod-9 belongs to no group of the strategy: add a label that a group selects, or narrow the run's clusterSelector"}}

	unseen := viewtest.NewScene()
	unseen.Run.Status = v1alpha1.UpgradeRunStatus{}

	pausing := viewtest.Draining()
	pausing.Run.Spec.State = v1alpha1.RunStatePause

	early := viewtest.NewScene()
	early.Run.Spec.State = v1alpha1.RunStatePause
	early.Run.Status = v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseNotStarted, Waiting: &v1alpha1.Waiting{Reason: v1alpha1.ReasonPausedByUser, Message: "a person paused the run before it began"}}

	skipping := viewtest.Draining()
	skipping.Run.Spec.Skip = []v1alpha1.Skip{
		{Kind: v1alpha1.SkipKindGroup, Stage: "production", Group: "asia", Reason: "they have their own run"},
		{Kind: v1alpha1.SkipKindGroup, Stage: "staging", Group: "europe", Reason: "a group of that name elsewhere stays"},
	}

	done := viewtest.NewScene()
	for _, c := range []string{"staging-1", "canary-1", "prod-tokyo-1", "prod-osaka-1", "prod-berlin-1"} {
		done.Succeed(c, 6, 72*time.Second)
	}
	for _, s := range []string{"staging", "canary", "production"} {
		done.Phase(s, v1alpha1.StagePhaseSucceeded)
	}
	done.Run.Status.Phase, done.Run.Status.FinishedAt = v1alpha1.RunPhaseSucceeded, viewtest.Ago(time.Minute)

	many := viewtest.Draining().Many(2000)
	many.Fail("prod-europe-0017", "DrainTimeout", "node user-3 was not drained in 30m").Drain("prod-europe-1200", 3, 40).Phase("production", v1alpha1.StagePhaseRunning)

	return map[string]*viewtest.Scene{
		"draining": viewtest.Draining(), "soaking": soaking, "failed": failed, "refused": refused, "unseen": unseen,
		"pausing": pausing, "paused-before-the-start": early, "skipping": skipping, "done": done, "many": many,
	}
}

func TestTheTreeTellsWhereARunIs(t *testing.T) {
	for name, scene := range scenes() {
		t.Run(name, func(t *testing.T) {
			run := view.NewRun(scene.RunObjects, viewtest.Now)
			golden(t, "tree-"+name, text(view.Tree(&run, view.TreeOptions{Width: 100, MaxClusters: 4, Now: viewtest.Now})))
		})
	}
}

func TestTheTreeFitsNarrowTerminals(t *testing.T) {
	for name, scene := range scenes() {
		for _, width := range []int{40, 80, 120} {
			run := view.NewRun(scene.RunObjects, viewtest.Now)
			for _, line := range view.Tree(&run, view.TreeOptions{Width: width, MaxClusters: 4, Now: viewtest.Now}) {
				if got := view.Width(line.String()); got > width {
					t.Errorf("%s at %d: %d cells in %q", name, width, got, line)
				}
			}
		}
	}
	run := view.NewRun(viewtest.Draining().RunObjects, viewtest.Now)
	golden(t, "tree-narrow", text(view.Tree(&run, view.TreeOptions{Width: 60, Brief: true, Now: viewtest.Now})))
}

func TestDescribeTellsWhyARunDoesNotMove(t *testing.T) {
	for name, scene := range scenes() {
		if name == "many" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			golden(t, "describe-"+name, view.DescribeRun(scene.RunObjects, viewtest.Now))
		})
	}
}

func TestTheSummaryListsEveryCluster(t *testing.T) {
	run := view.NewRun(scenes()["done"].RunObjects, viewtest.Now)
	golden(t, "summary-done", view.Summary(&run).Format(true))
}

// TestHeldClustersAreNotCalledStopped: a run that is paused goes on, and "stopped" is for good.
func TestHeldClustersAreNotCalledStopped(t *testing.T) {
	scene := viewtest.NewScene()
	for _, c := range []string{"prod-tokyo-1", "prod-osaka-1"} {
		scene.Upgrade(c).Status.Phase = v1alpha1.ClusterUpgradePhaseHeld
	}
	run := view.NewRun(scene.RunObjects, viewtest.Now)
	got := text(view.Tree(&run, view.TreeOptions{MaxClusters: 1, Now: viewtest.Now}))
	if want := "… and 1 more: 1 held\n"; !strings.Contains(got, want) {
		t.Errorf("the tree has no %q:\n%s", want, got)
	}
}
