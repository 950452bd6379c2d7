// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

func TestAnExplanationIsReadByPrograms(t *testing.T) {
	fleet := blockedBy(v1alpha1.ReasonBudgetExhausted, "shop/cart")
	got, err := json.MarshalIndent(view.WhyRun(fleet.Objects(), fleet.Run, viewtest.Now), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "why-json", string(got)+"\n")
}

func TestTheHardestOfSeveralClustersIsTheOne(t *testing.T) {
	scene := viewtest.NewScene()
	for name, wait := range map[string]v1alpha1.Waiting{
		"prod-berlin-1": waiting(v1alpha1.ReasonControlPlaneUpgrading, "the provider upgrades the control plane", 0),
		"prod-osaka-1":  waiting(v1alpha1.ReasonMemberUnreachable, "dial tcp: i/o timeout", 15*time.Second),
		"prod-tokyo-1":  waiting(v1alpha1.ReasonProviderRejected, "the credentials are wrong", 0),
	} {
		scene.Upgrade(name).Status.Waiting = new(wait)
	}
	scene.Waits("production", "", waiting(v1alpha1.ReasonClustersInFlight, "upgrading three", 0))
	for _, want := range []string{v1alpha1.ReasonProviderRejected, v1alpha1.ReasonMemberUnreachable, v1alpha1.ReasonControlPlaneUpgrading} {
		e := view.WhyRun(viewtest.NewFleet(scene).Objects(), scene.Run, viewtest.Now)
		if e.Reason != want {
			t.Errorf("the one thing is %s, want %s: %s", e.Reason, want, e.Headline)
		}
		for _, u := range scene.Upgrades { // mended: the next is the one thing
			if u.Status.Waiting != nil && u.Status.Waiting.Reason == want {
				u.Status.Phase = v1alpha1.ClusterUpgradePhaseSucceeded
			}
		}
	}
}

// Stages of a graph go side by side: the one that the run speaks of is explained, whichever comes first in the list.
func TestOfSeveralStagesTheOneOfTheRunIsExplained(t *testing.T) {
	scene := begun(new(waiting(v1alpha1.ReasonControlPlaneUpgrading, "the provider upgrades the control plane", 0)))
	scene.Upgrade("canary-1").Status.Waiting = new(waiting(v1alpha1.ReasonMemberUnreachable, "dial tcp: i/o timeout", 15*time.Second))
	scene.Stage("staging").Waiting = new(waiting(v1alpha1.ReasonClustersInFlight, "upgrading staging-1", 0))
	scene.Waits("canary", "", waiting(v1alpha1.ReasonClustersInFlight, "upgrading canary-1", 0))
	scene.Run.Status.CurrentStage = "staging"
	if e := view.WhyRun(viewtest.NewFleet(scene).Objects(), scene.Run, viewtest.Now); e.Reason != v1alpha1.ReasonMemberUnreachable {
		t.Errorf("the one thing is %s, want that of stage canary: %s", e.Reason, e.Headline)
	}
}

func TestTwoRunsThatWaitForEachOtherAreExplained(t *testing.T) {
	busy := func(by, cluster string) *viewtest.Scene {
		return production(waiting(v1alpha1.ReasonClusterBusy, "run "+by+" works on "+cluster, 0))
	}
	a, b := busy("b", "prod-tokyo-1").Named("a"), busy("a", "prod-osaka-1").Named("b")
	a.Upgrades, b.Upgrades = nil, nil
	fleet := viewtest.NewFleet(a).Join(b)
	fleet.Cluster("prod-tokyo-1").Status.ActiveRun = "b"
	fleet.Cluster("prod-osaka-1").Status.ActiveRun = "a"
	e := view.WhyRun(fleet.Objects(), a.Run, viewtest.Now)
	if e.Reason != v1alpha1.ReasonClusterBusy {
		t.Errorf("the one thing is %s, want %s", e.Reason, v1alpha1.ReasonClusterBusy)
	}
	var objects []string
	for _, l := range e.Chain {
		objects = append(objects, l.Object)
	}
	want := []string{"run a", "stage production", "group production/asia", "run b", "stage production", "group production/asia"}
	if diff := cmp.Diff(want, objects); diff != "" {
		t.Errorf("the chain (-want +got):\n%s", diff)
	}
}

// Half of what the record refers to may be gone or not readable: there is an explanation all the same.
func TestAnExplanationNeedsNoMoreThanTheRun(t *testing.T) {
	for name, fleet := range situations() {
		t.Run(name, func(t *testing.T) {
			e := view.WhyRun(view.WhyObjects{}, fleet.Run, viewtest.Now)
			if e.Headline == "" || len(e.Chain) == 0 || e.NextChange.By == "" || e.NextChange.What == "" {
				t.Errorf("something is missing: %+v", e)
			}
		})
	}
}

func TestWhatComesFromOutsideIsClean(t *testing.T) {
	evil := "a\x1b[2Jb\u202ec\nd"
	fleet := blockedBy(v1alpha1.ReasonStuckTerminating, "")
	u := fleet.Upgrade("canary-1")
	u.Status.Waiting.Message = evil
	node := &u.Status.NodePools[0].Draining[0]
	node.Name, node.BlockedBy[0].Pod = evil, evil+"/"+evil
	fleet.Gates[0].Status.Message = evil
	refused := gated(func(g *v1alpha1.Gate) {
		g.Status = v1alpha1.GateStatus{State: v1alpha1.GateStateRefused, DecidedBy: evil, Message: evil}
	})
	failed := viewtest.NewFleet(scenes()["failed"])
	failed.Run.Status.Causes[0].ID, failed.Run.Status.Causes[0].Message = evil, evil
	failed.Upgrade("canary-1").Status.Diagnosis.GuideURL, failed.Upgrade("canary-1").Status.Diagnosis.Title = evil, evil
	for _, f := range []*viewtest.Fleet{fleet, refused, failed} {
		e := view.WhyRun(f.Objects(), f.Run, viewtest.Now)
		content, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{e.Text(viewtest.Now), string(content)} {
			if strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, `\u001b`) || strings.Contains(text, "c\nd") || strings.Contains(text, `c\nd`) {
				t.Errorf("text of outside reaches the terminal:\n%q", text)
			}
		}
	}
}

// BenchmarkWhyOfTenThousandClusters is one answer about a large run.
func BenchmarkWhyOfTenThousandClusters(b *testing.B) {
	scene := viewtest.Draining().Many(10_000)
	fleet := viewtest.NewFleet(scene)
	objects := fleet.Objects()
	cluster := fleet.Cluster("prod-europe-9999")
	for b.Loop() {
		view.WhyRun(objects, scene.Run, viewtest.Now)
		view.WhyCluster(objects, cluster, viewtest.Now)
	}
}
