// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// wide is a strategy of one stage whose clusters may all be in flight, and fail, at once.
func wide(change func(s *v1alpha1.UpgradeStrategySpec)) func() *v1alpha1.UpgradeStrategySpec {
	return func() *v1alpha1.UpgradeStrategySpec {
		s := order("production")
		s.Stages[0].Groups[0].MaxConcurrency, s.Stages[0].Groups[0].MaxFailures = number(10), number(10)
		change(s)
		return s
	}
}

// telling is a story and how it ends.
type telling struct {
	strategy func() *v1alpha1.UpgradeStrategySpec
	envs     []string
	story    func(w *world)
	want     v1alpha1.RunPhase
}

// windowStory begins on a Monday at 9:00. The first cluster opens at 22:00 for an hour, of which a control plane
// needs half; the second has no calendar, and the fleet is frozen for the morning.
var windowStory = telling{
	strategy: wide(func(*v1alpha1.UpgradeStrategySpec) {}),
	envs:     []string{"production", "production"},
	story: func(w *world) {
		w.opens("nights", v1alpha1.MaintenanceWindow{RRule: "FREQ=DAILY", Start: "22:00", Duration: metav1.Duration{Duration: time.Hour}})
		w.opens("company", v1alpha1.MaintenanceWindow{RRule: "FREQ=DAILY", Start: "00:00", Duration: metav1.Duration{Duration: 24 * time.Hour}}).
			Spec.Freezes = []v1alpha1.Freeze{{From: metav1.NewTime(epoch), To: metav1.NewTime(epoch.Add(3 * time.Hour)), Reason: "quarter end"}}
		w.fleet = &v1alpha1.FleetSpec{CalendarRefs: []v1alpha1.LocalObjectReference{{Name: "company"}}}
		w.clusters["production-1"].Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: "nights"}
		w.takes("production-1", 30*time.Minute)
		for range 3 {
			d := w.settle()
			if d.NextLook.IsZero() || w.run.Status.Phase == v1alpha1.RunPhaseSucceeded {
				return
			}
			w.now = d.NextLook
			if w.upgrades["production-2"] != nil && w.now.Hour() == 22 && w.now.Day() == epoch.Day() {
				w.note("nobody looked until it is too late for this window")
				w.now = w.now.Add(31 * time.Minute)
			}
		}
		w.settle()
	},
	want: v1alpha1.RunPhaseSucceeded,
}

// TestStrategyStories are the stories of what a strategy can ask for beyond a plain sequence.
func TestStrategyStories(t *testing.T) {
	cases := map[string]telling{
		"a canary goes before the others of its group": {
			strategy: wide(func(s *v1alpha1.UpgradeStrategySpec) { s.Stages[0].Groups[0].Canaries = 1 }),
			envs:     []string{"production", "production", "production"},
			story: func(w *world) {
				w.decide()
				w.move("production-1")
				w.move("production-1")
				w.note("the canary is on the target, and not healthy")
				w.health("production-1", metav1.ConditionFalse)
				w.decide()
				w.note("it is healthy")
				w.health("production-1", metav1.ConditionTrue)
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a failed canary stops whatever the group allows, until it is retried": {
			strategy: wide(func(s *v1alpha1.UpgradeStrategySpec) {
				s.Stages[0].Groups[0].Canaries, s.OnFailure = 1, v1alpha1.FailureActionFinishStage
			}),
			envs: []string{"production", "production"},
			story: func(w *world) {
				w.fails["production-1"] = 1
				w.settle()
				w.note("a person has removed the cause")
				w.run.Spec.Attempt = 2
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"the same cause twice stops": {
			strategy: wide(func(s *v1alpha1.UpgradeStrategySpec) {
				s.SameCauseLimit, s.Stages[0].Groups[0].MaxConcurrency = 2, number(1)
			}),
			envs: []string{"production", "production", "production", "production"},
			story: func(w *world) {
				w.fails["production-1"], w.fails["production-3"] = 1, 1
				w.settle()
			},
			want: v1alpha1.RunPhaseFailed,
		},
		"stages as a graph": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("east", "west", "global")
				s.StageOrder, s.Stages[2].DependsOn = v1alpha1.StageOrderGraph, []string{"east", "west"}
				s.Stages[0].Soak = soak(2 * time.Minute)
				return s
			},
			envs: []string{"east", "west", "global"},
			story: func(w *world) {
				w.settle()
				for range 4 {
					w.now = w.now.Add(time.Minute)
					w.decide()
				}
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"in a graph a failed stage lets the others that have begun finish": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("east", "west", "global")
				s.StageOrder, s.Stages[2].DependsOn = v1alpha1.StageOrderGraph, []string{"west"}
				s.OnFailure = v1alpha1.FailureActionFinishStage
				return s
			},
			envs: []string{"east", "west", "west", "global"},
			story: func(w *world) {
				w.fails["east-1"] = 1
				w.settle()
			},
			want: v1alpha1.RunPhaseFailed,
		},
		"a cluster that stays away is set aside and reported, and a retry picks it up": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging", "production")
				s.Unavailable = &v1alpha1.UnavailablePolicy{Action: v1alpha1.UnavailableSetAside, After: &metav1.Duration{Duration: time.Hour}}
				return s
			},
			envs: []string{"staging", "staging", "production"},
			story: func(w *world) {
				w.health("staging-1", metav1.ConditionUnknown)
				w.settle()
				w.note("an hour later it is still away")
				w.now = w.now.Add(time.Hour)
				w.settle()
				w.note("it is back, and a person retries")
				w.health("staging-1", metav1.ConditionTrue)
				w.run.Spec.Attempt = 2
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a cluster that was set aside is picked up while its stage is in hand": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("production")
				s.Unavailable = &v1alpha1.UnavailablePolicy{Action: v1alpha1.UnavailableSetAside, After: &metav1.Duration{}}
				s.Stages[0].Soak = soak(10 * time.Minute)
				return s
			},
			envs: []string{"production", "production"},
			story: func(w *world) {
				w.busy["production-1"] = "other"
				w.settle()
				w.note("the other run is done with production-1 during the soak")
				w.busy["production-1"] = ""
				w.settle()
				for range 11 {
					w.now = w.now.Add(time.Minute)
					w.decide()
				}
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a pair is never in flight together": {
			strategy: wide(func(*v1alpha1.UpgradeStrategySpec) {}),
			envs:     []string{"production", "production", "production"},
			story: func(w *world) {
				for _, name := range []string{"production-1", "production-2"} {
					w.clusters[name].Spec.Mutexes = []string{"shop"}
				}
				w.fails["production-1"] = 1
				w.settle()
				w.note("the half that failed is skipped")
				w.run.Spec.Skip = []v1alpha1.Skip{{Kind: v1alpha1.SkipKindCluster, Cluster: "production-1", Reason: "to be rebuilt"}}
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"the fleet has a limit over all runs": {
			strategy: wide(func(*v1alpha1.UpgradeStrategySpec) {}),
			envs:     []string{"production", "production", "production", "production"},
			story: func(w *world) {
				w.fleet = &v1alpha1.FleetSpec{MaxConcurrency: percent("50%")}
				w.elsewhere["production-4"], w.busy["production-4"] = true, "other"
				w.decide()
				w.note("the other run is done")
				w.elsewhere, w.busy = map[string]bool{}, map[string]string{}
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a soak goes on where an earlier run has left it": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging", "production")
				s.Stages[0].Soak = &v1alpha1.Soak{Duration: metav1.Duration{Duration: 10 * time.Minute}, History: v1alpha1.SoakHistoryFleet}
				return s
			},
			envs: []string{"staging", "production"},
			story: func(w *world) {
				w.soakedBefore = map[string]time.Duration{"staging": 8 * time.Minute, "production": time.Hour}
				w.settle()
				for range 3 {
					w.now = w.now.Add(time.Minute)
					w.decide()
				}
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
	}
	cases["windows of clusters, and a freeze of the fleet"] = windowStory
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.strategy(), tc.envs...)
			tc.story(w)
			if got := w.run.Status.Phase; got != tc.want {
				t.Errorf("the run ended %s, want %s:\n%s", got, tc.want, w.log.String())
			}
			w.golden()
		})
	}
}

// TestACanaryIsNotSetAside: neither the others of its group nor the next stage must go without it.
func TestACanaryIsNotSetAside(t *testing.T) {
	s := order("canary", "production")
	s.Stages[0].Groups[0].Canaries = 1
	s.Unavailable = &v1alpha1.UnavailablePolicy{Action: v1alpha1.UnavailableSetAside, After: &metav1.Duration{}}
	w := newWorld(t, s, "canary", "production")
	w.health("canary-1", metav1.ConditionUnknown)
	w.settle()
	w.now = w.now.Add(48 * time.Hour)
	d := w.settle()
	if len(w.upgrades) > 0 || d.Status.Waiting.Reason != v1alpha1.ReasonClusterNotReady {
		t.Errorf("%d clusters have started, and the run waits for %+v", len(w.upgrades), d.Status.Waiting)
	}
}

// TestWhoIsAsideIsInTheRecord since when and why, and no longer than it lasts.
func TestWhoIsAsideIsInTheRecord(t *testing.T) {
	w := newWorld(t, order("production"), "production", "production", "production")
	w.health("production-1", metav1.ConditionUnknown)
	w.busy["production-3"] = "other"
	w.settle()
	w.now = w.now.Add(time.Hour)
	w.settle()
	want := []v1alpha1.RunAside{
		{Cluster: "production-1", Reason: v1alpha1.ReasonClusterNotReady, Since: &metav1.Time{Time: epoch}, State: v1alpha1.AsideWaiting},
		{Cluster: "production-3", Reason: v1alpha1.ReasonClusterBusy, Since: &metav1.Time{Time: epoch}, State: v1alpha1.AsideWaiting},
	}
	if diff := cmp.Diff(want, w.run.Status.Stages[0].Groups[0].Aside); diff != "" {
		t.Errorf("aside (-want +got):\n%s", diff)
	}
	w.busy["production-3"] = ""
	w.settle()
	if diff := cmp.Diff(want[:1], w.run.Status.Stages[0].Groups[0].Aside); diff != "" {
		t.Errorf("aside when production-3 is free (-want +got):\n%s", diff)
	}
}

// TestWhatWasOnTheTargetBefore is counted as such.
func TestWhatWasOnTheTargetBefore(t *testing.T) {
	w := newWorld(t, order("production"), "production", "production")
	w.settle()
	meta.SetStatusCondition(&w.upgrades["production-1"].Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionSucceeded, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAlreadyOnTarget})
	w.run.Status.Phase = v1alpha1.RunPhaseRunning
	if c := w.decide().Status.Counts; c.Succeeded != 2 || c.AlreadyOnTarget != 1 {
		t.Errorf("counts %+v, want two succeeded, one of them already on the target", c)
	}
}

// TestStagesThatWaitForEachOther are refused before anything starts.
func TestStagesThatWaitForEachOther(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(s *v1alpha1.UpgradeStrategySpec)
		want   string
	}{
		"a circle": {
			change: func(s *v1alpha1.UpgradeStrategySpec) {
				s.Stages[0].DependsOn, s.Stages[1].DependsOn = []string{"west"}, []string{"east"}
			},
			want: `stage east waits for "west", which is no stage that is listed before it: name an earlier stage, or list it later`,
		},
		"a stage that does not exist": {
			change: func(s *v1alpha1.UpgradeStrategySpec) { s.Stages[1].DependsOn = []string{"north"} },
			want:   `stage west waits for "north", which is no stage that is listed before it: name an earlier stage, or list it later`,
		},
		"dependencies in a sequence": {
			change: func(s *v1alpha1.UpgradeStrategySpec) { s.StageOrder, s.Stages[1].DependsOn = "", []string{"east"} },
			want:   "stage west has dependsOn, which goes with stageOrder: Graph",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := order("east", "west")
			s.StageOrder = v1alpha1.StageOrderGraph
			tc.change(s)
			d := newWorld(t, s, "east", "west").decide()
			if w := d.Status.Waiting; w == nil || w.Reason != v1alpha1.ReasonInvalidStrategy || w.Message != tc.want {
				t.Errorf("it waits for %+v, want %q", w, tc.want)
			}
			if len(d.Actions) > 0 {
				t.Errorf("actions %+v, want none", d.Actions)
			}
		})
	}
}
