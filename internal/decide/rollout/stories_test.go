// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

func soak(d time.Duration) *v1alpha1.Soak {
	return &v1alpha1.Soak{Duration: metav1.Duration{Duration: d}}
}

// stories are told in testdata: each pass that brought something new, with its actions and what the run waits for.
func TestStories(t *testing.T) {
	approval := []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{}}}
	cases := map[string]struct {
		strategy func() *v1alpha1.UpgradeStrategySpec
		envs     []string
		story    func(w *world)
		want     v1alpha1.RunPhase
	}{
		"staging, a soak, then production two at a time": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging", "production")
				s.Stages[0].Soak = soak(2 * time.Hour)
				s.Stages[1].Groups[0].MaxConcurrency = percent("67%")
				return s
			},
			envs: []string{"staging", "production", "production", "production"},
			story: func(w *world) {
				w.settle()
				for range 121 {
					w.now = w.now.Add(time.Minute)
					w.decide()
				}
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a failure in staging stops, a retry goes on with the same target": {
			strategy: func() *v1alpha1.UpgradeStrategySpec { return order("staging", "production") },
			envs:     []string{"staging", "production"},
			story: func(w *world) {
				w.fails["staging-1"] = 1
				w.settle()
				w.note("the newest patch changes, and a person retries")
				for _, c := range w.clusters {
					c.Status.Offers.Kubernetes = append(c.Status.Offers.Kubernetes, "1.37.3")
				}
				w.run.Spec.Attempt = 2
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a failure brings what is in flight to a safe point": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("production")
				s.Stages[0].Groups[0].MaxConcurrency = number(2)
				return s
			},
			envs: []string{"production", "production", "production"},
			story: func(w *world) {
				w.fails["production-1"] = 1
				w.decide()
				w.move("production-1")
				w.move("production-2")
				w.decide()
				w.move("production-1")
				w.note("production-1 fails while production-2 is in flight")
				w.settle()
			},
			want: v1alpha1.RunPhaseFailed,
		},
		"finish stage goes on in the stage and stops after it": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging", "production")
				s.OnFailure = v1alpha1.FailureActionFinishStage
				return s
			},
			envs:  []string{"staging", "staging", "production"},
			story: func(w *world) { w.fails["staging-1"] = 1; w.settle() },
			want:  v1alpha1.RunPhaseFailed,
		},
		"failures within the limit do not stop, and are not a success": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("production")
				s.Stages[0].Groups[0].MaxFailures = percent("50%")
				return s
			},
			envs: []string{"production", "production"},
			story: func(w *world) {
				w.fails["production-1"] = 1
				w.settle()
				w.note("a person skips it")
				w.run.Spec.Skip = []v1alpha1.Skip{{Kind: v1alpha1.SkipKindCluster, Cluster: "production-1", Reason: "to be rebuilt"}}
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a soak counts healthy time only": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging", "production")
				s.Stages[0].Soak = soak(10 * time.Minute)
				return s
			},
			envs: []string{"staging", "production"},
			story: func(w *world) {
				w.settle()
				for i := range 30 {
					switch i {
					case 4:
						w.note("staging-1 is not healthy any more")
						w.health("staging-1", metav1.ConditionFalse)
					case 9:
						w.note("staging-1 is healthy again")
						w.health("staging-1", metav1.ConditionTrue)
					}
					w.now = w.now.Add(time.Minute)
					w.decide()
				}
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a soak does not count while nobody looks": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging")
				s.Stages[0].Soak = soak(10 * time.Minute)
				return s
			},
			envs: []string{"staging"},
			story: func(w *world) {
				w.settle()
				w.note("the process is away for an hour")
				w.now = w.now.Add(time.Hour)
				if d := w.decide(); d.Status.Stages[0].SoakState != v1alpha1.SoakStateCounting {
					w.t.Errorf("soak is %s after an hour that nobody saw, want Counting anew", d.Status.Stages[0].SoakState)
				}
				for range 11 {
					w.now = w.now.Add(time.Minute)
					w.decide()
				}
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"a soak goes on when the clock is set back": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging")
				s.Stages[0].Soak = soak(10 * time.Minute)
				return s
			},
			envs: []string{"staging"},
			story: func(w *world) {
				w.settle()
				for i := range 14 {
					if w.now = w.now.Add(time.Minute); i == 4 {
						w.note("the clock is set back by a day")
						w.now = w.now.Add(-24 * time.Hour)
					}
					w.decide()
				}
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"gates stay closed until they are passed": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging", "production")
				s.Stages[0].AfterGates = approval
				s.Stages[1].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "shop", Verification: &v1alpha1.LocalObjectReference{Name: "shop"}}}
				return s
			},
			envs: []string{"staging", "production"},
			story: func(w *world) {
				w.settle()
				w.note("somebody refuses, then approves")
				w.says("ada", v1alpha1.GateDecisionRefuse, "r-staging-after-ok")
				w.settle()
				w.says("ada", v1alpha1.GateDecisionApprove, "r-staging-after-ok")
				w.settle()
				w.note("nothing evaluates the verification: a person skips that gate")
				w.run.Spec.Skip = []v1alpha1.Skip{{Kind: v1alpha1.SkipKindGate, Stage: "production", Gate: "shop", Reason: "checked by hand"}}
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"pause holds, resume goes on": {
			strategy: func() *v1alpha1.UpgradeStrategySpec { return order("production") },
			envs:     []string{"production", "production"},
			story: func(w *world) {
				w.decide()
				w.move("production-1")
				w.run.Spec.State = v1alpha1.RunStatePause
				w.settle()
				w.note("resume")
				w.run.Spec.State = v1alpha1.RunStateRun
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"stop is final": {
			strategy: func() *v1alpha1.UpgradeStrategySpec { return order("production") },
			envs:     []string{"production", "production"},
			story: func(w *world) {
				w.decide()
				w.move("production-1")
				w.run.Spec.State = v1alpha1.RunStateStop
				w.settle()
			},
			want: v1alpha1.RunPhaseStopped,
		},
		"a deleted run goes to a safe point first": {
			strategy: func() *v1alpha1.UpgradeStrategySpec { return order("production") },
			envs:     []string{"production", "production"},
			story: func(w *world) {
				w.decide()
				w.move("production-1")
				w.run.DeletionTimestamp = new(metav1.NewTime(w.now))
				if d := w.decide(); d.ReleaseFinalizer {
					w.t.Error("the finalizer is released while a cluster is in flight")
				}
				w.move("production-1")
				if d := w.decide(); !d.ReleaseFinalizer {
					w.t.Error("the finalizer is kept although nothing is in flight")
				}
			},
			want: v1alpha1.RunPhaseRunning,
		},
		"busy, unhealthy and lost clusters wait aside": {
			strategy: func() *v1alpha1.UpgradeStrategySpec { return order("production") },
			envs:     []string{"production", "production", "production", "production"},
			story: func(w *world) {
				w.decide() // accepted; production-1 is in flight
				w.busy["production-2"] = "other"
				w.health("production-3", metav1.ConditionFalse)
				w.settle()
				w.note("the other run is done, production-3 recovers, production-2 leaves the fleet")
				w.busy = map[string]string{}
				w.health("production-3", metav1.ConditionTrue)
				delete(w.clusters, "production-2")
				w.settle()
				w.run.Spec.Skip = []v1alpha1.Skip{{Kind: v1alpha1.SkipKindCluster, Cluster: "production-2", Reason: "gone"}}
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"skips of a stage, a group and a soak": {
			strategy: func() *v1alpha1.UpgradeStrategySpec {
				s := order("staging", "canary", "production")
				s.Stages[1].Soak = soak(100 * time.Hour)
				return s
			},
			envs: []string{"staging", "canary", "production"},
			story: func(w *world) {
				w.run.Spec.Skip = []v1alpha1.Skip{{Kind: v1alpha1.SkipKindStage, Stage: "staging", Reason: "done by hand"},
					{Kind: v1alpha1.SkipKindGroup, Stage: "production", Group: "all", Reason: "next week"}}
				w.settle()
				w.note("a person skips the soak")
				w.run.Spec.Skip = append(w.run.Spec.Skip, v1alpha1.Skip{Kind: v1alpha1.SkipKindSoak, Stage: "canary", Reason: "urgent"})
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
		"success waits until every cluster is healthy": {
			strategy: func() *v1alpha1.UpgradeStrategySpec { return order("production") },
			envs:     []string{"production"},
			story: func(w *world) {
				w.decide()
				w.health("production-1", metav1.ConditionUnknown)
				w.settle()
				w.note("it is healthy")
				w.health("production-1", metav1.ConditionTrue)
				w.settle()
			},
			want: v1alpha1.RunPhaseSucceeded,
		},
	}
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

// TestRefused holds the sentences that people read when a run is not accepted, and that nothing is done then.
func TestRefused(t *testing.T) {
	cases := map[string]struct {
		change      func(w *world)
		wantReason  string
		wantMessage string
	}{
		"a version that nobody offers": {
			change:      func(w *world) { w.run.Spec.Target.Kubernetes = "1.39" },
			wantReason:  v1alpha1.ReasonUnknownVersion,
			wantMessage: "1.39 is not offered to staging-1; offered: 1.36.1, 1.37.0, 1.37.2, 1.38.0-rc.1",
		},
		"a preview is not chosen for a minor": {
			change:      func(w *world) { w.run.Spec.Target.Kubernetes = "1.38" },
			wantReason:  v1alpha1.ReasonUnknownVersion,
			wantMessage: "1.38 is not offered to staging-1; offered: 1.36.1, 1.37.0, 1.37.2, 1.38.0-rc.1",
		},
		"a downgrade": {
			change:      func(w *world) { w.run.Spec.Target.Kubernetes = "1.35" },
			wantReason:  v1alpha1.ReasonDowngrade,
			wantMessage: "staging-1 runs 1.36.1, which is newer than 1.35, and Kubernetes does not go back: choose 1.36.1 or newer",
		},
		"a skipped minor": {
			change: func(w *world) {
				w.clusters["staging-1"].Status.ControlPlane.Version = "1.35.0"
				w.clusters["staging-1"].Status.NodePools = nil
				w.clusters["staging-1"].Status.Offers.Kubernetes = []string{"1.37.2"}
			},
			wantReason:  v1alpha1.ReasonSkippedMinor,
			wantMessage: "staging-1: the way from 1.35.0 to 1.37.2 leads through 1.36, of which nothing is offered; offered: 1.37.2",
		},
		"nodes too old": {
			change:      func(w *world) { w.clusters["staging-1"].Status.NodePools[0].Version = "1.32.0" },
			wantReason:  v1alpha1.ReasonSkewTooLarge,
			wantMessage: "staging-1: nodes on 1.32.0 are more than 3 minors older than a control plane on 1.36.1: renew the nodes first",
		},
		"a cluster in no group": {
			change:      func(w *world) { w.add("lonely", "test") },
			wantReason:  v1alpha1.ReasonClusterInNoGroup,
			wantMessage: "no group of the strategy selects lonely: add them to a group, or leave them out with spec.clusterSelector",
		},
		"a cluster in two groups": {
			change: func(w *world) {
				w.strategy.Stages[1].Groups[0].Selector = w.strategy.Stages[0].Groups[0].Selector
				delete(w.clusters, "production-2")
			},
			wantReason:  v1alpha1.ReasonClusterInTwoGroups,
			wantMessage: "a cluster belongs to exactly one group, and these match two: staging-1 (staging/all and production/all); narrow the selectors",
		},
		"an empty selector": {
			change:      func(w *world) { w.strategy.Stages[0].Groups[0].Selector = metav1.LabelSelector{} },
			wantReason:  v1alpha1.ReasonInvalidStrategy,
			wantMessage: "the selector of group staging/all cannot be used: name at least one label",
		},
		"no clusters": {
			change:      func(w *world) { w.clusters = map[string]*v1alpha1.Cluster{} },
			wantReason:  v1alpha1.ReasonNoClusters,
			wantMessage: "the fleet has no clusters: add one with `sengu cluster add`",
		},
		"a bad percentage": {
			change:      func(w *world) { w.strategy.Stages[0].MaxConcurrency = percent("120%") },
			wantReason:  v1alpha1.ReasonInvalidStrategy,
			wantMessage: `maxConcurrency of stage staging is "120%": write a number from 1 or a percentage from 1% to 100%`,
		},
		"a strategy that does not exist": {
			change: func(w *world) {
				w.strategy, w.run.Spec.Strategy = nil, nil
				w.run.Spec.StrategyRef = &v1alpha1.LocalObjectReference{Name: "standard"}
			},
			wantReason:  v1alpha1.ReasonStrategyMissing,
			wantMessage: `strategy "standard" does not exist: create it, and the run starts`,
		},
		"a cluster that was not described": {
			change:      func(w *world) { w.clusters["staging-1"].Status.ControlPlane.Version = "" },
			wantReason:  v1alpha1.ReasonClusterNotDescribed,
			wantMessage: "the provider has not described staging-1 yet: the run starts when it has; `sengu cluster describe` says what is in the way",
		},
		"an image that is not offered": {
			change: func(w *world) {
				w.run.Spec.Target.NodeImage = &v1alpha1.NodeImageTarget{Type: v1alpha1.NodeImageCustom, Custom: []string{"image-9"}}
			},
			wantReason:  v1alpha1.ReasonUnknownImage,
			wantMessage: "node image image-9 is not offered to staging-1; it is offered image-1, image-2",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, order("staging", "production"), "staging", "production")
			tc.change(w)
			d := w.decide()
			if len(d.Actions) > 0 || d.Status.Phase != v1alpha1.RunPhaseNotStarted || d.Status.Resolved != nil {
				t.Errorf("refused, and yet: phase %s, actions %v", d.Status.Phase, d.Actions)
			}
			if d.Status.Waiting.Reason != tc.wantReason || d.Status.Waiting.Message != tc.wantMessage {
				t.Errorf("got  %s: %s\nwant %s: %s", d.Status.Waiting.Reason, d.Status.Waiting.Message, tc.wantReason, tc.wantMessage)
			}
		})
	}
}

// TestARefusedRunStartsWhenTheInputIsMended: nothing needs to be created anew.
func TestARefusedRunStartsWhenTheInputIsMended(t *testing.T) {
	w := newWorld(t, order("staging"), "staging")
	w.clusters["staging-1"].Status.ControlPlane.Version = ""
	w.decide()
	w.clusters["staging-1"].Status.ControlPlane.Version = "1.36.1"
	w.settle()
	if w.run.Status.Phase != v1alpha1.RunPhaseSucceeded {
		t.Errorf("phase %s, want Succeeded", w.run.Status.Phase)
	}
}

// TestStatusStandsStill: a world that does not change brings no write, however much time passes.
func TestStatusStandsStill(t *testing.T) {
	w := newWorld(t, order("staging", "production"), "staging", "production")
	w.decide()
	w.move("staging-1")
	first := w.decide()
	w.now = w.now.Add(3 * time.Hour)
	second := w.decide()
	if len(second.Actions) > 0 {
		t.Errorf("actions without a reason: %v", second.Actions)
	}
	if first.Status.Waiting.Since.Time != second.Status.Waiting.Since.Time {
		t.Error("since changed although the run waits for the same")
	}
}

// TestMissingEvidenceIsNoPass: a cluster whose health nobody has told yet neither starts, nor soaks, nor succeeds.
func TestMissingEvidenceIsNoPass(t *testing.T) {
	nobodySaid := func(w *world, name string) func() {
		kept := w.clusters[name].Status.Conditions
		w.clusters[name].Status.Conditions = nil
		return func() { w.clusters[name].Status.Conditions = kept }
	}
	strategy := order("staging", "production")
	strategy.Stages[0].Soak = soak(5 * time.Minute)
	w := newWorld(t, strategy, "staging", "production")

	said := nobodySaid(w, "staging-1")
	if d := w.settle(); len(w.upgrades) > 0 || d.Status.Waiting.Reason != v1alpha1.ReasonClusterNotReady {
		t.Errorf("%d clusters have started, waiting %+v", len(w.upgrades), d.Status.Waiting)
	}
	said()
	w.settle()
	if s := w.run.Status.Stages[0]; s.SoakState != v1alpha1.SoakStateCounting {
		t.Fatalf("the soak is %q, want Counting", s.SoakState)
	}
	said = nobodySaid(w, "staging-1")
	for range 20 {
		w.now = w.now.Add(time.Minute)
		w.decide()
	}
	if s := w.run.Status.Stages[0]; s.SoakState != v1alpha1.SoakStateInterrupted || w.upgrades["production-2"] != nil {
		t.Errorf("the soak is %q, production has started: %t", s.SoakState, w.upgrades["production-2"] != nil)
	}
	said()
	for range 10 {
		w.now = w.now.Add(time.Minute)
		w.decide()
	}
	said = nobodySaid(w, "production-2")
	if w.settle(); w.run.Status.Phase == v1alpha1.RunPhaseSucceeded {
		t.Error("it succeeded, and nobody knows whether production is healthy")
	}
	said()
	if w.settle(); w.run.Status.Phase != v1alpha1.RunPhaseSucceeded {
		t.Errorf("it is %s at the end, want Succeeded", w.run.Status.Phase)
	}
}

// TestANameThatIsTaken: the cluster waits aside and says whose it is, and the next takes its turn.
func TestANameThatIsTaken(t *testing.T) {
	w := newWorld(t, order("production"), "production", "production")
	s := w.snapshot()
	s.Taken = map[string]string{"production-1": "other"}
	d := Decide(s, w.now)
	if names := starts(d); !slices.Equal(names, []string{"production-2"}) {
		t.Errorf("%v start, want production-2", names)
	}
	want := "production-1 has to wait: there is a cluster upgrade r-production-1 already, of another run (other): it starts when that one is deleted"
	if got := d.Status.Stages[0].Groups[0].Waiting; got == nil || got.Reason != v1alpha1.ReasonClusterBusy || got.Message != want {
		t.Errorf("the group waits for %+v, want %s: %s", got, v1alpha1.ReasonClusterBusy, want)
	}
}

// TestAClaimThatIsLeft is told to whoever acts, so that a claim which somebody made since is not taken over.
func TestAClaimThatIsLeft(t *testing.T) {
	for name, want := range map[string]string{"": "", "r": "", "ended": "ended"} {
		w := newWorld(t, order("production"), "production")
		w.clusters["production-1"].Status.ActiveRun = name
		d := w.decide()
		if len(d.Actions) != 1 || d.Actions[0].Claimed != want {
			t.Errorf("claimed by %q: actions %+v, want a start that says %q", name, d.Actions, want)
		}
	}
}
