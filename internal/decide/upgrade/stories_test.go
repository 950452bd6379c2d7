// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden transcripts anew")

// golden compares a transcript with testdata.
func golden(t *testing.T, got string) {
	t.Helper()
	file := filepath.Join("testdata", strings.NewReplacer("_", "-", ",", "", "'", "").Replace(filepath.Base(t.Name()))+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the story went otherwise (-want +got):\n%s", diff)
	}
}

// shop is a cluster of one system node and some user nodes with a guarded application on them.
func shop(version string, nodes, replicas, away int) *world {
	w := newWorld(1, version)
	w.addPool("system", v1alpha1.PoolModeSystem, 1, version, "linux-1")
	w.addPool("user", v1alpha1.PoolModeUser, nodes, version, "linux-1")
	w.addApp("web", replicas, away, 10*time.Second, 5*time.Second)
	return w
}

// quarantining is a pool of four nodes of which the first that is drained cannot be emptied.
func quarantining(t *testing.T) *play {
	w := newWorld(1, "1.36.3")
	w.addPool("user", v1alpha1.PoolModeUser, 4, "1.36.3", "linux-1")
	w.addApp("batch", 8, 8, 5*time.Second, 5*time.Second)
	p := newPlay(t, w, "1.37.2").limits(1, 0)
	p.cluster.Spec.NodeRollout.Undrainable = v1alpha1.UndrainableQuarantine
	p.cluster.Spec.NodeRollout.DrainTimeout = minutes(5)
	return p.
		when("the budget is tightened", drainingNode, func(p *play) { p.apps[0].stuck = true }).
		when("the budget is loosened", func(p *play) bool {
			return slices.ContainsFunc(p.of("user"), func(n *wNode) bool { return n.quarantine != "" })
		}, func(p *play) { p.apps[0].stuck = false })
}

// wantsAlreadyOnTarget: an upgrade that changed nothing says so, and no other does.
func (p *play) wantsAlreadyOnTarget(want bool) {
	p.t.Helper()
	c := meta.FindStatusCondition(p.upgrade.Status.Conditions, v1alpha1.ConditionSucceeded)
	if got := c != nil && c.Reason == v1alpha1.ReasonAlreadyOnTarget; got != want {
		p.t.Errorf("already on the target: %t, want %t", got, want)
	}
}

func inPhase(phase v1alpha1.ClusterUpgradePhase) func(*play) bool {
	return func(p *play) bool { return p.upgrade.Status.Phase == phase }
}

// inPool says that something holds while the pool is in hand.
func inPool(pool string, holds func(*play) bool) func(*play) bool {
	return func(p *play) bool {
		return strings.HasSuffix(p.upgrade.Status.CurrentStep, "/NodePool/"+pool) && holds(p)
	}
}

func minutes(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Minute}
}

func TestStories(t *testing.T) {
	tests := map[string]struct {
		play       func(t *testing.T) *play
		wantPhase  v1alpha1.ClusterUpgradePhase
		wantReason string
	}{
		"two hops with surge": {
			play: func(t *testing.T) *play {
				return newPlay(t, shop("1.35.4", 3, 6, 2), "1.36.3", "1.37.2").limits(1, 0)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"two nodes at a time without surge": {
			play: func(t *testing.T) *play {
				p := newPlay(t, shop("1.36.3", 5, 10, 4), "1.37.2").limits(0, 2)
				p.cluster.Spec.NodeRollout.NodeSoak = minutes(1)
				return p
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"blocked by a budget and then freed": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 3, 6, 1)
				w.apps[0].stuck = true
				return newPlay(t, w, "1.37.2").limits(0, 1).
					when("the budget is loosened", after(12*time.Minute), func(p *play) { p.apps[0].stuck = false })
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"drain timeout stops": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 3, 6, 1)
				w.apps[0].stuck = true
				return newPlay(t, w, "1.37.2").limits(1, 1)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseFailed, wantReason: v1alpha1.ReasonDrainTimeout,
		},
		"drain timeout quarantines": {
			play:      quarantining,
			wantPhase: v1alpha1.ClusterUpgradePhaseFailed, wantReason: v1alpha1.ReasonDrainTimeout,
		},
		"quarantined, freed and retried": {
			play: func(t *testing.T) *play {
				return quarantining(t).when("retry", inPhase(v1alpha1.ClusterUpgradePhaseFailed), func(p *play) { p.upgrade.Spec.Attempt = 2 })
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"an operation fails and the second attempt succeeds": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 3, 6, 2)
				w.faults = []fault{{kind: "Fail", op: ActionReplaceNode, times: 1, code: "QuotaExceeded"}}
				return newPlay(t, w, "1.37.2").limits(0, 2).
					when("retry", inPhase(v1alpha1.ClusterUpgradePhaseFailed), func(p *play) { p.upgrade.Spec.Attempt = 2 })
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"the control plane fails": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 2, 2, 1)
				w.faults = []fault{{kind: "Fail", op: ActionUpgradeControlPlane, times: 1, code: "ControlPlaneStartFailed"}}
				return newPlay(t, w, "1.37.2").limits(1, 0)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseFailed, wantReason: "ControlPlaneStartFailed",
		},
		"held in the middle of a drain and resumed": {
			play: func(t *testing.T) *play {
				return newPlay(t, shop("1.36.3", 3, 6, 1), "1.37.2").limits(1, 0).
					when("hold", drainingNode, setState(v1alpha1.ClusterUpgradeStateHold)).
					when("run", inPhase(v1alpha1.ClusterUpgradePhaseHeld), setState(v1alpha1.ClusterUpgradeStateRun))
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"deleted in the middle of a drain": {
			play: func(t *testing.T) *play {
				return newPlay(t, shop("1.36.3", 3, 6, 1), "1.37.2").limits(1, 0).
					when("delete", inPool("user", drainingNode), func(p *play) { p.deleting = true })
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSkipped,
		},
		"skipped with surge that cannot be taken back": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 3, 6, 1)
				w.apps[0].stuck = true
				return newPlay(t, w, "1.37.2").limits(1, 0).
					when("skip", drainingNode, setState(v1alpha1.ClusterUpgradeStateSkip))
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSkipped,
		},
		"killed between intent and start": {
			play: func(t *testing.T) *play {
				p := newPlay(t, shop("1.36.3", 2, 2, 1), "1.37.2").limits(1, 0)
				p.killAfter = func(int) int { // every third pass ends before its first action
					if p.passes%3 == 1 {
						return 0
					}
					return -1
				}
				return p
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"a node dies while it is drained": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 3, 6, 2)
				w.faults = []fault{{kind: "Dies", times: 1}}
				return newPlay(t, w, "1.37.2").limits(0, 1)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"a node in hand vanishes": {
			play: func(t *testing.T) *play {
				return newPlay(t, shop("1.36.3", 3, 6, 2), "1.37.2").limits(0, 1).
					when("the machine is deleted in the cloud", inPool("user", drainingNode), func(p *play) {
						for _, n := range p.of("user") {
							if n.owner != "" {
								p.drop(n.name)
								p.schedule()
							}
						}
					})
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"a replaced node is never Ready": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 3, 6, 2)
				w.faults = []fault{{kind: "NeverReady", op: ActionReplaceNode, times: 1}}
				return newPlay(t, w, "1.37.2").limits(0, 2)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseFailed, wantReason: v1alpha1.ReasonNodeReadyTimeout,
		},
		"the provider is away for a while": {
			play: func(t *testing.T) *play {
				return newPlay(t, shop("1.36.3", 2, 4, 1), "1.37.2").limits(1, 0).
					when("the provider goes away", inPool("user", drainingNode), func(p *play) { p.providerAway = p.now.Add(9 * time.Minute) })
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"the cluster's API is away for a while": {
			play: func(t *testing.T) *play {
				return newPlay(t, shop("1.36.3", 2, 4, 1), "1.37.2").limits(1, 0).
					when("the API goes away", inPool("user", drainingNode), func(p *play) { p.memberAway = p.now.Add(4 * time.Minute) }).
					when("hold", inPool("user", drainingNode), setState(v1alpha1.ClusterUpgradeStateHold)).
					when("run", inPhase(v1alpha1.ClusterUpgradePhaseHeld), setState(v1alpha1.ClusterUpgradeStateRun))
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"the provider refuses the credentials": {
			play: func(t *testing.T) *play {
				p := newPlay(t, shop("1.36.3", 2, 2, 1), "1.37.2").limits(1, 0)
				p.providerSays = &Problem{Kind: ProblemRejected, Code: "Unauthorized", Message: "the token is wrong"}
				return p
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseFailed, wantReason: "Unauthorized",
		},
		"somebody else works on the cluster": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 2, 2, 1)
				w.busyUntil = epoch.Add(20 * time.Minute)
				return newPlay(t, w, "1.37.2").limits(1, 0)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"a start is put off and its answer lost": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 2, 2, 1)
				w.faults = []fault{{kind: "Wait", op: ActionAddNode, times: 2}, {kind: "LoseAnswer", op: ActionReplaceNode, times: 1}}
				return newPlay(t, w, "1.37.2").limits(1, 0)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"the provider renews the pools": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 4, 0, 1)
				w.upgradesPools, w.replacesNodes, w.noMember = true, false, true
				return newPlay(t, w, "1.37.2").limits(1, 0)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"node images only": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 2, 4, 1)
				w.images = []string{"linux-1", "linux-2"}
				p := newPlay(t, w).limits(1, 0)
				p.upgrade.Spec.Scope = v1alpha1.UpgradeScopeNodeImageOnly
				p.upgrade.Spec.NodeImages = []string{"linux-2"}
				return p
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"control plane only": {
			play: func(t *testing.T) *play {
				p := newPlay(t, shop("1.35.4", 2, 2, 1), "1.36.3", "1.37.2").limits(1, 0)
				p.upgrade.Spec.Scope = v1alpha1.UpgradeScopeControlPlaneOnly
				return p
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"four minors with two rolls": {
			play: func(t *testing.T) *play {
				w := newWorld(1, "1.29.5")
				w.addPool("user", v1alpha1.PoolModeUser, 2, "1.29.5", "linux-1")
				w.addApp("web", 2, 1, 5*time.Second, 5*time.Second)
				return newPlay(t, w, "1.30.3", "1.31.3", "1.32.3", "1.33.3").limits(0, 1)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"nodes too old for the first hop": {
			play: func(t *testing.T) *play {
				w := newWorld(1, "1.36.3")
				w.addPool("fresh", v1alpha1.PoolModeUser, 1, "1.36.3", "linux-1")
				w.addPool("stale", v1alpha1.PoolModeUser, 2, "1.33.3", "linux-1")
				return newPlay(t, w, "1.37.2").limits(0, 1)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"at a window's end the node in hand is finished, and the next opening goes on": {
			play: func(t *testing.T) *play {
				return newPlay(t, shop("1.36.3", 4, 8, 2), "1.37.2").limits(1, 0).opens("09:00", 6*time.Minute)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"a node that is blocked at a window's end still has its time": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 3, 6, 2)
				w.apps[0].stuck = true
				return newPlay(t, w, "1.37.2").limits(0, 1).opens("09:00", 6*time.Minute).
					when("the budget is loosened", after(20*time.Minute), func(p *play) { p.apps[0].stuck = false })
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"already on the target": {
			play: func(t *testing.T) *play {
				return newPlay(t, shop("1.37.2", 2, 2, 1), "1.37.2").limits(1, 0)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"replaced under the same name, and one cordoned before": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 3, 6, 2)
				w.keepsNames = true
				w.nodes["user-03"].cordoned = true
				return newPlay(t, w, "1.37.2").limits(0, 1)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseSucceeded,
		},
		"on the target and not healthy": {
			play: func(t *testing.T) *play {
				w := shop("1.37.2", 2, 2, 1)
				w.nodes["user-02"].dead = true
				return newPlay(t, w, "1.37.2").limits(1, 0)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseFailed, wantReason: v1alpha1.ReasonVerifyTimeout,
		},
		"a broken node is not upgraded over": {
			play: func(t *testing.T) *play {
				w := shop("1.36.3", 2, 2, 1)
				w.nodes["user-02"].dead = true
				return newPlay(t, w, "1.37.2").limits(1, 0)
			},
			wantPhase: v1alpha1.ClusterUpgradePhaseFailed, wantReason: v1alpha1.ReasonNotHealthy,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := tc.play(t).run()
			p.wants(tc.wantPhase, tc.wantReason)
			p.wantsAlreadyOnTarget(name == "already on the target")
			golden(t, p.transcript.String())
		})
	}
}
