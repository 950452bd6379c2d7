// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"sengu.dev/sengu/api/v1alpha1"
)

// drawPlay draws a cluster, its limits, what goes wrong, what people do, and when the process is killed.
func drawPlay(t *rapid.T) *play {
	seconds := func(name string, lo, hi int) time.Duration {
		return time.Duration(rapid.IntRange(lo, hi).Draw(t, name)) * time.Second
	}
	duration := func(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }
	from := rapid.SampledFrom([]string{"1.34.2", "1.35.4", "1.36.3", "1.37.2"}).Draw(t, "from")
	var hops []string
	for _, hop := range []string{"1.35.4", "1.36.3", "1.37.2"} {
		if olderThan(from, hop) {
			hops = append(hops, hop)
		}
	}
	if len(hops) == 0 {
		hops = []string{"1.37.2"}
	}
	w := newWorld(rapid.Int64().Draw(t, "seed"), from)
	w.controlPlaneTakes, w.nodeTakes, w.bootTakes = seconds("control plane", 1, 300), seconds("node", 1, 100), seconds("boot", 1, 100)
	surge, unavailable := rapid.IntRange(0, 3).Draw(t, "surge"), rapid.IntRange(0, 2).Draw(t, "unavailable")
	if surge+unavailable == 0 {
		surge = 1
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "pools") {
		mode := rapid.SampledFrom([]v1alpha1.PoolMode{v1alpha1.PoolModeSystem, v1alpha1.PoolModeUser}).Draw(t, "mode")
		version := rapid.SampledFrom([]string{from, from, "1.34.2"}).Draw(t, "pool version")
		w.addPool(fmt.Sprintf("pool%d", i), mode, rapid.IntRange(1, 5).Draw(t, "size"), version, "linux-1")
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "apps") {
		replicas := rapid.IntRange(1, 6).Draw(t, "replicas")
		a := w.addApp(fmt.Sprintf("app%d", i), replicas, rapid.IntRange(-1, replicas).Draw(t, "away"), seconds("term", 1, 20), seconds("start", 1, 20))
		a.stuck = rapid.IntRange(0, 9).Draw(t, "stuck") == 0
	}
	p := newPlay(t, w, hops...).limits(surge, unavailable)
	r := &p.cluster.Spec.NodeRollout
	r.DrainTimeout, r.NodeReadyTimeout, r.NodeSoak = duration(seconds("drain timeout", 30, 600)), duration(seconds("ready timeout", 120, 600)), duration(seconds("soak", 0, 60))
	r.Undrainable = rapid.SampledFrom([]v1alpha1.UndrainableAction{v1alpha1.UndrainableStop, v1alpha1.UndrainableQuarantine}).Draw(t, "undrainable")
	drawTrouble(t, p)
	if rapid.IntRange(0, 2).Draw(t, "windows") == 0 {
		p.opens("09:00", seconds("window", 300, 1800))
	}
	return p
}

// drawTrouble draws faults and commands.
func drawTrouble(t *rapid.T, p *play) {
	starts := []ActionKind{ActionUpgradeControlPlane, ActionAddNode, ActionReplaceNode, ActionRemoveNode}
	for range rapid.IntRange(0, 4).Draw(t, "faults") {
		kind := rapid.SampledFrom([]string{"Fail", "Reject", "Wait", "LoseAnswer", "NeverReady", "Dies"}).Draw(t, "fault")
		f := fault{kind: kind, times: rapid.IntRange(1, 2).Draw(t, "times"), code: "Trouble"}
		if kind != "Dies" {
			f.op = rapid.SampledFrom(starts).Draw(t, "operation")
		}
		p.faults = append(p.faults, f)
	}
	at := func(name string) func(*play) bool {
		return after(time.Duration(rapid.IntRange(0, 1800).Draw(t, name)) * time.Second)
	}
	commands := map[string]func(*play){
		"hold":              setState(v1alpha1.ClusterUpgradeStateHold),
		"run":               setState(v1alpha1.ClusterUpgradeStateRun),
		"skip":              setState(v1alpha1.ClusterUpgradeStateSkip),
		"delete":            func(p *play) { p.deleting = true },
		"provider away":     func(p *play) { p.providerAway = p.now.Add(3 * time.Minute) },
		"member away":       func(p *play) { p.memberAway = p.now.Add(3 * time.Minute) },
		"cluster busy":      func(p *play) { p.busyUntil = p.now.Add(3 * time.Minute) },
		"budgets loosened":  func(p *play) { p.loosen() },
		"a machine is lost": func(p *play) { p.loseMachine() },
	}
	names := sortedKeys(commands)
	for range rapid.IntRange(0, 4).Draw(t, "commands") {
		name := rapid.SampledFrom(names).Draw(t, "command")
		p.when(name, at("at"), commands[name])
	}
	if rapid.Bool().Draw(t, "kills") {
		p.killAfter = func(actions int) int { return p.rnd.Intn(3*actions+1) - p.rnd.Intn(2) }
	}
	p.stale = rapid.Bool().Draw(t, "stale")
	p.lateBinds = !p.stale && rapid.Bool().Draw(t, "late binds") // together they would be later than any real watch
	p.keepsNames = rapid.Bool().Draw(t, "keeps names")
	for _, name := range sortedKeys(p.nodes) {
		p.nodes[name].cordoned = rapid.IntRange(0, 9).Draw(t, "cordoned by somebody") == 0
	}
	if rapid.Bool().Draw(t, "a person repairs and retries") {
		p.when("repair and retry", inPhase(v1alpha1.ClusterUpgradePhaseFailed), func(p *play) {
			p.loosen()
			p.repair()
			p.upgrade.Spec.Attempt = 2
			p.upgrade.Spec.State = v1alpha1.ClusterUpgradeStateRun
		})
	}
}

func (w *world) loosen() {
	for _, a := range w.apps {
		a.stuck, a.away = false, max(a.away, 1)
	}
}

func (w *world) loseMachine() {
	if names := sortedKeys(w.nodes); len(names) > 0 {
		w.drop(names[w.rnd.Intn(len(names))])
		w.schedule()
	}
}

// repair is what an operator does before a retry.
func (w *world) repair() {
	w.faults = nil
	for _, n := range w.nodes {
		if n.readyAt.IsZero() || n.dead {
			n.readyAt, n.dead = w.now, false
		}
	}
}

// TestAnyUpgradeIsSafe plays upgrades of all kinds: whatever goes wrong and whoever interferes, after every step the
// safety rules hold, and in the end it has come to an end.
func TestAnyUpgradeIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawPlay(t).run()
	})
}

// TestNothingStandsInTheWay says that an upgrade with which nothing goes wrong succeeds, and in the time that its
// operations and drains take one after the other.
func TestNothingStandsInTheWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlay(t)
		p.faults, p.script, p.stale = nil, nil, false
		p.limits(max(1, p.pools["pool0"].surge), p.pools["pool0"].unavailable) // pods of a lone node need somewhere to go
		p.loosen()
		p.cluster.Spec.NodeRollout.DrainTimeout = minutes(60)
		p.run().wants(v1alpha1.ClusterUpgradePhaseSucceeded, "")
		if p.upgrade.Status.Drain.Refused > 0 {
			t.Error("evictions were refused")
		}
	})
}
