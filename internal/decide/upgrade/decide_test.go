// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
)

// TestPreflightRefuses: what can never succeed fails before anything was changed, with a sentence that says what to do.
func TestPreflightRefuses(t *testing.T) {
	tests := map[string]struct {
		from       string
		hops       []string
		change     func(*play)
		wantReason string
		wantSays   string
	}{
		"blue/green": {
			change:     func(p *play) { p.upgrade.Spec.Method = v1alpha1.UpgradeMethodBlueGreen },
			wantReason: v1alpha1.ReasonMethodNotSupported, wantSays: "use InPlace",
		},
		"a target that is older": {
			from: "1.38.0", wantReason: v1alpha1.ReasonDowngrade, wantSays: "newer than the target 1.37.2",
		},
		"a hop over a minor": {
			from: "1.35.4", wantReason: v1alpha1.ReasonSkippedMinor, wantSays: "1.37.2 is not its next version",
		},
		"a hop that is no version": {
			hops: []string{"latest"}, wantReason: v1alpha1.ReasonUnknownVersion, wantSays: "write it as 1.37.2",
		},
		"nodes newer than the control plane": {
			change:     func(p *play) { p.of("user")[0].version = "1.37.2" },
			wantReason: v1alpha1.ReasonSkewTooLarge, wantSays: "upgrade the control plane first",
		},
		"nodes too old where only the control plane is upgraded": {
			change: func(p *play) {
				p.of("user")[0].version = "1.33.1"
				p.upgrade.Spec.Scope = v1alpha1.UpgradeScopeControlPlaneOnly
			},
			wantReason: v1alpha1.ReasonSkewTooLarge, wantSays: "renew the nodes first",
		},
		"an image that is not offered": {
			change: func(p *play) {
				p.images = []string{"linux-1"}
				p.upgrade.Spec.NodeImages = []string{"linux-9"}
			},
			wantReason: v1alpha1.ReasonUnknownImage, wantSays: "linux-9 is not offered to prod-1; offered: linux-1",
		},
		"images without an image": {
			change:     func(p *play) { p.upgrade.Spec.Scope, p.upgrade.Spec.Hops = v1alpha1.UpgradeScopeNodeImageOnly, nil },
			wantReason: v1alpha1.ReasonUnknownImage, wantSays: "none was chosen",
		},
		"a provider that renews nothing": {
			change:     func(p *play) { p.replacesNodes = false },
			wantReason: v1alpha1.ReasonCapabilityMissing, wantSays: "ControlPlaneOnly",
		},
		"no access to drain with": {
			change:     func(p *play) { p.noMember = true },
			wantReason: v1alpha1.ReasonCapabilityMissing, wantSays: "kubeconfigSecretRef",
		},
		"limits that renew nothing": {
			change:     func(p *play) { p.limits(0, 0) },
			wantReason: v1alpha1.ReasonInvalidNodeRollout, wantSays: "set maxSurge or maxUnavailable",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			from, hops := tc.from, tc.hops
			if from == "" {
				from = "1.36.3"
			}
			if hops == nil {
				hops = []string{"1.37.2"}
			}
			p := newPlay(t, shop(from, 2, 2, 1), hops...).limits(1, 0)
			if tc.change != nil {
				tc.change(p)
			}
			p.pass() // one is enough: nothing is waited for
			p.wants(v1alpha1.ClusterUpgradePhaseFailed, tc.wantReason)
			if !strings.Contains(p.upgrade.Status.Message, tc.wantSays) {
				t.Errorf("it says %q, want %q in it", p.upgrade.Status.Message, tc.wantSays)
			}
			if len(p.started) > 0 || p.upgrade.Status.OperationCount > 0 {
				t.Errorf("something was changed: %v", p.started)
			}
			if len(p.steps()) != 1 {
				t.Errorf("steps %v, want only the preflight", p.steps())
			}
		})
	}
}

func TestSurgeAndUnavailable(t *testing.T) {
	number, percent := intstr.FromInt32, intstr.FromString
	tests := map[string]struct {
		surge, unavailable         *intstr.IntOrString
		size                       int
		wantSurge, wantUnavailable int
	}{
		"nothing set, small":            {size: 3, wantSurge: 1},
		"nothing set, large":            {size: 21, wantSurge: 3},
		"nothing set, empty":            {size: 0},
		"numbers":                       {surge: new(number(2)), unavailable: new(number(1)), size: 5, wantSurge: 2, wantUnavailable: 1},
		"surge is rounded up":           {surge: new(percent("34%")), size: 3, wantSurge: 2},
		"unavailable is rounded down":   {surge: new(number(0)), unavailable: new(percent("34%")), size: 5, wantUnavailable: 1},
		"a little of few is nothing":    {surge: new(number(0)), unavailable: new(percent("10%")), size: 9},
		"all":                           {surge: new(percent("100%")), unavailable: new(percent("100%")), size: 7, wantSurge: 7, wantUnavailable: 7},
		"no more missing than there is": {surge: new(number(0)), unavailable: new(number(9)), size: 2, wantUnavailable: 2},
		"nonsense is nothing":           {surge: new(percent("many")), size: 9},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			surge, unavailable := SurgeAndUnavailable(v1alpha1.NodeRollout{MaxSurge: tc.surge, MaxUnavailable: tc.unavailable}, tc.size)
			if surge != tc.wantSurge || unavailable != tc.wantUnavailable {
				t.Errorf("%d more and %d less, want %d and %d", surge, unavailable, tc.wantSurge, tc.wantUnavailable)
			}
		})
	}
}

// TestPoolSettings: what a pool sets itself counts before what the cluster sets.
func TestPoolSettings(t *testing.T) {
	w := shop("1.36.3", 4, 0, 1)
	w.upgradesPools, w.noMember = true, true
	p := newPlay(t, w, "1.37.2").limits(1, 0)
	p.cluster.Spec.NodeRollout.NodeSoak = minutes(2)
	p.cluster.Spec.NodeRollout.PoolOrder = []v1alpha1.PoolMode{v1alpha1.PoolModeUser}
	p.cluster.Spec.NodeRollout.Pools = []v1alpha1.PoolNodeRollout{{Name: "user", NodeRollout: v1alpha1.NodeRollout{
		MaxSurge: new(intstr.FromString("50%")), MaxUnavailable: new(intstr.FromInt32(1)), DrainTimeout: minutes(7),
	}}}
	p.run().wants(v1alpha1.ClusterUpgradePhaseSucceeded, "")
	want := []Action{
		{Kind: ActionUpgradeControlPlane, RequestKey: "u1/1", Version: "1.37.2"},
		{Kind: ActionUpgradeNodePool, RequestKey: "u1/2", Version: "1.37.2", Pool: "user", MaxSurge: 2, MaxUnavailable: 1, DrainTimeout: 7 * time.Minute, NodeSoak: 2 * time.Minute},
		{Kind: ActionUpgradeNodePool, RequestKey: "u1/3", Version: "1.37.2", Pool: "system", MaxSurge: 1, DrainTimeout: 30 * time.Minute, NodeSoak: 2 * time.Minute},
	}
	var got []Action
	for _, key := range p.started {
		a := p.ops[key].action
		a.Reason = ""
		got = append(got, a)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the provider was asked for (-want +got):\n%s", diff)
	}
}

// TestAProviderThatDoesNotAnswerIsAskedLessAndLess: each wait is as long as all before it, from 5 s to 2 min, and
// passes that something else causes do not put it off.
func TestAProviderThatDoesNotAnswerIsAskedLessAndLess(t *testing.T) {
	p := newPlay(t, shop("1.36.3", 2, 2, 1), "1.37.2").limits(1, 0)
	p.providerAway = epoch.Add(time.Hour)
	var got []time.Duration
	for range 8 {
		p.pass()
		next := p.last.NextLook
		p.now = p.now.Add(time.Second)
		p.pass()
		if !p.last.NextLook.Equal(next) {
			t.Errorf("another pass moved the next look from %s to %s", next, p.last.NextLook)
		}
		p.now = next
		got = append(got, next.Sub(epoch))
	}
	want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 280 * time.Second, 400 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if w := p.upgrade.Status.Waiting; w.Reason != v1alpha1.ReasonProviderUnreachable || !w.Since.Equal(new(metav1.NewTime(epoch))) {
		t.Errorf("waiting %+v", w)
	}
}

// TestConditionsStandStill: while only counters move, conditions do not change.
func TestConditionsStandStill(t *testing.T) {
	w := shop("1.36.3", 3, 9, 1)
	p := newPlay(t, w, "1.37.2").limits(0, 1)
	changes := map[string]int{}
	before := map[string]string{}
	for range 2000 {
		p.pass()
		for _, c := range p.upgrade.Status.Conditions {
			if is := string(c.Status) + c.Reason + c.Message; is != before[c.Type] {
				before[c.Type] = is
				changes[c.Type]++
			}
		}
		if p.finished() || !p.advance(p.now.Add(time.Second)) {
			break
		}
	}
	p.wants(v1alpha1.ClusterUpgradePhaseSucceeded, "")
	if n, most := changes[v1alpha1.ConditionProgressing], len(p.steps())+2; n > most {
		t.Errorf("Progressing changed %d times in %d steps", n, most)
	}
	if changes[v1alpha1.ConditionSucceeded] != 2 {
		t.Errorf("Succeeded changed %d times, want 2", changes[v1alpha1.ConditionSucceeded])
	}
	if !meta.IsStatusConditionTrue(p.upgrade.Status.Conditions, v1alpha1.ConditionSucceeded) {
		t.Error("Succeeded is not True")
	}
	if p.upgrade.Status.Drain.Waited == 0 {
		t.Error("nine pods went one by one, and none is counted as having waited")
	}
}

// TestTheRecordOfABlockedDrain: the record names the pod, the budget and since when, the moment it is blocked.
func TestTheRecordOfABlockedDrain(t *testing.T) {
	w := newWorld(1, "1.36.3")
	w.addPool("user", v1alpha1.PoolModeUser, 2, "1.36.3", "linux-1")
	w.addApp("db", 1, 0, 5*time.Second, 5*time.Second)
	p := newPlay(t, w, "1.37.2").limits(0, 2)
	for p.upgrade.Status.Waiting == nil || p.upgrade.Status.Waiting.Reason != v1alpha1.ReasonDrainBlocked {
		p.pass()
		p.advance(p.now.Add(time.Second))
	}
	pool := p.upgrade.Status.NodePools[0]
	var got *v1alpha1.DrainingNode
	for i := range pool.Draining {
		if pool.Draining[i].State == stateDraining && pool.Draining[i].PodsLeft > 0 {
			got = &pool.Draining[i]
		}
	}
	if got == nil {
		t.Fatalf("no node is draining: %+v", pool)
	}
	want := []v1alpha1.DrainBlocker{{Pod: "shop/db-03", Budget: "shop/db", Healthy: 1, Desired: 1, Reason: v1alpha1.ReasonBudgetNeverAllows, Since: got.BlockedBy[0].Since}}
	if diff := cmp.Diff(want, got.BlockedBy); diff != "" {
		t.Error(diff)
	}
	if !meta.IsStatusConditionTrue(p.upgrade.Status.Conditions, v1alpha1.ConditionDrainBlocked) {
		t.Error("the condition DrainBlocked is not True")
	}
	if until := p.upgrade.Status.Waiting.Until; until == nil || until.Sub(got.Since.Time) != 30*time.Minute {
		t.Errorf("until %v, want the drain's timeout", until)
	}
}

// TestEnds: what has ended stays as it is, and may be deleted.
func TestEnds(t *testing.T) {
	for _, phase := range []v1alpha1.ClusterUpgradePhase{
		v1alpha1.ClusterUpgradePhaseSucceeded, v1alpha1.ClusterUpgradePhaseSkipped, v1alpha1.ClusterUpgradePhaseFailed,
	} {
		t.Run(string(phase), func(t *testing.T) {
			p := newPlay(t, shop("1.36.3", 2, 2, 1), "1.37.2")
			p.upgrade.Status.Phase, p.upgrade.Status.Attempt = phase, 1
			d := Decide(p.snapshot(), p.now)
			if diff := cmp.Diff(Decision{Status: p.upgrade.Status}, d); diff != "" {
				t.Error(diff)
			}
			p.deleting = true
			if !Decide(p.snapshot(), p.now).ReleaseFinalizer {
				t.Error("it cannot be deleted")
			}
		})
	}
}

// TestAClusterThatLeftTheFleet: nothing can be done any more, and nothing stands in the way of a deletion.
func TestAClusterThatLeftTheFleet(t *testing.T) {
	p := newPlay(t, shop("1.36.3", 2, 2, 1), "1.37.2").limits(1, 0)
	p.pass()
	p.cluster = nil
	p.pass()
	p.wants(v1alpha1.ClusterUpgradePhaseFailed, v1alpha1.ReasonClusterMissingFromFleet)

	p = newPlay(t, shop("1.36.3", 2, 2, 1), "1.37.2").limits(1, 0)
	p.pass()
	p.cluster, p.deleting = nil, true
	p.pass()
	if !p.released {
		t.Error("the finalizer is kept")
	}
}

// TestAnOldNodeThatComesLate: somebody adds a node of the old version to a pool that is finished. It is on no target, so
// the upgrade does not succeed.
func TestAnOldNodeThatComesLate(t *testing.T) {
	p := newPlay(t, shop("1.36.3", 2, 2, 1), "1.37.2").limits(1, 0).
		when("an old node is added", inPool("user", drainingNode), func(p *play) {
			p.addNode(p.pools["system"], "1.36.3", "linux-1").readyAt = p.now
			p.pools["system"].desired++
		})
	p.run().wants(v1alpha1.ClusterUpgradePhaseFailed, v1alpha1.ReasonVerifyTimeout)
	if says := p.upgrade.Status.Message; !strings.Contains(says, "of pool system is not on the target") {
		t.Errorf("it says %q, want the node that is not on the target", says)
	}
}

// TestACordonThatTheRecordDoesNotKnow: a record that was restored from a backup may be older than our marks. The drain of
// such a node begins anew; it is not over its time because nobody knows when it began.
func TestACordonThatTheRecordDoesNotKnow(t *testing.T) {
	w := newWorld(1, "1.36.3")
	w.addPool("user", v1alpha1.PoolModeUser, 3, "1.36.3", "linux-1")
	w.addApp("web", 6, 1, 10*time.Second, 5*time.Second)
	w.nodes["user-02"].cordoned, w.nodes["user-02"].owner = true, "u1"
	newPlay(t, w, "1.37.2").limits(0, 1).run().wants(v1alpha1.ClusterUpgradePhaseSucceeded, "")
}

// TestAForeignCordonIsGivenBack: a node that somebody else had cordoned is drained like any other, and when the
// upgrade lets it go before it was replaced, it is as it was.
func TestAForeignCordonIsGivenBack(t *testing.T) {
	w := newWorld(1, "1.36.3")
	w.addPool("user", v1alpha1.PoolModeUser, 3, "1.36.3", "linux-1")
	w.nodes["user-02"].cordoned = true
	w.addApp("web", 2, 1, 10*time.Second, 5*time.Second)
	p := newPlay(t, w, "1.37.2").limits(0, 1).
		when("hold", drainingNode, setState(v1alpha1.ClusterUpgradeStateHold))
	p.run()
	if p.upgrade.Status.Phase != v1alpha1.ClusterUpgradePhaseHeld {
		t.Fatalf("it is %s", p.upgrade.Status.Phase)
	}
	if n := p.nodes["user-02"]; !n.cordoned || n.owner != "" {
		t.Errorf("cordoned %t by %q, want cordoned by somebody else", n.cordoned, n.owner)
	}
}
