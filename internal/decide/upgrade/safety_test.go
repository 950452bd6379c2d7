// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/calendar"
)

// minorOf a version, by other means than the code under test.
func minorOf(version string) int {
	parts := strings.Split(version, ".")
	n, _ := strconv.Atoi(parts[1])
	return n
}

// olderThan compares the versions of these tests, whose numbers all have as many digits.
func olderThan(a, b string) bool { return a < b }

// assertDecision asserts what must hold of every decision.
func (p *play) assertDecision(d Decision) {
	p.t.Helper()
	p.assertIntents(d)
	p.assertSaysWhy(d)
	p.assertInWindow(d)
	if p.now.Before(p.busyUntil) && !p.now.Before(p.providerAway) {
		p.assertNothingBegins(d)
	}
}

func hasIntent(st v1alpha1.ClusterUpgradeStatus, key string) bool {
	return slices.ContainsFunc(st.Operations, func(o v1alpha1.OperationStatus) bool { return o.RequestKey == key })
}

// assertIntents is rule 9 for the record.
func (p *play) assertIntents(d Decision) {
	p.t.Helper()
	for _, a := range d.Actions {
		if a.RequestKey != "" && !hasIntent(d.Status, a.RequestKey) {
			p.broke("rule 9: %s %s is asked for and its intent is not in the record", a.Kind, a.RequestKey)
		}
	}
	if d.Status.OperationCount < p.upgrade.Status.OperationCount {
		p.broke("rule 9: the number of operations went down")
	}
	// An intent leaves the record only when its operation has ended, or was refused.
	for _, op := range p.upgrade.Status.Operations {
		if known := p.ops[op.RequestKey]; known != nil && !known.done && !hasIntent(d.Status, op.RequestKey) {
			p.broke("rule 9: operation %s is forgotten while it runs", op.RequestKey)
		}
	}
}

// assertInWindow is rule 2: nothing begins outside the calendar, or when it does not usually fit what is left.
func (p *play) assertInWindow(d Decision) {
	p.t.Helper()
	// On the way to a safe point, what a person wants ends now: surge is taken back whatever the hour.
	if p.calendar == nil || d.Status.Phase == v1alpha1.ClusterUpgradePhaseHolding {
		return
	}
	c, err := calendar.Compile("nights", &p.calendar.Spec)
	if err != nil {
		p.t.Fatal(err)
	}
	state := calendar.Combine(c).At(p.now, v1alpha1.UpgradeKindMinor)
	fits := func(what string, takes time.Duration) {
		if !state.Open || p.now.Add(takes).After(state.Until) {
			p.broke("rule 2: %s at %s; the calendar is open: %t, until %s, and it usually takes %s", what, p.now, state.Open, state.Until, takes)
		}
	}
	for _, a := range d.Actions {
		if takes, begins := p.usuallyTakes(a); begins {
			fits(string(a.Kind)+" "+a.Node, takes)
		}
	}
}

// usuallyTakes says how long an action takes by the defaults of such clusters, and whether it begins something. What is
// asked for again was counted when it was asked for first.
func (p *play) usuallyTakes(a Action) (takes time.Duration, begins bool) {
	fresh := a.RequestKey != "" && !hasIntent(p.upgrade.Status, a.RequestKey)
	switch a.Kind {
	case ActionUpgradeControlPlane:
		if fresh {
			return 40 * time.Second, true
		}
		return 0, p.ops[a.RequestKey] == nil
	case ActionAddNode:
		return 40 * time.Second, fresh && strings.HasPrefix(a.Reason, "surge")
	case ActionCordon:
		return 40 * time.Second, !p.recorded(a.Node, stateDraining)
	}
	return 0, false
}

// assertSaysWhy is rule 8.
func (p *play) assertSaysWhy(d Decision) {
	p.t.Helper()
	st := d.Status
	switch st.Phase {
	case v1alpha1.ClusterUpgradePhaseRunning, v1alpha1.ClusterUpgradePhaseHolding, v1alpha1.ClusterUpgradePhaseHeld:
		if st.Waiting == nil {
			p.broke("rule 8: %s at %s and nobody knows why", st.Phase, st.CurrentStep)
		} else if st.Waiting.Reason == "" || st.Waiting.Message == "" || st.Waiting.Since == nil {
			p.broke("rule 8: waiting without a word: %+v", st.Waiting)
		} else if st.Waiting.Until != nil && (d.NextLook.IsZero() || d.NextLook.Before(p.now)) {
			p.broke("rule 8: it says it looks again at %s and does not", st.Waiting.Until)
		}
	}
}

// assertNothingBegins asserts that nothing new is begun while somebody else works on the cluster.
func (p *play) assertNothingBegins(d Decision) {
	p.t.Helper()
	unconfirmed := slices.ContainsFunc(p.upgrade.Status.Operations, func(o v1alpha1.OperationStatus) bool { return p.ids[o.RequestKey] == "" })
	if d.Status.OperationCount > p.upgrade.Status.OperationCount && !unconfirmed {
		p.broke("an operation is begun while the cluster is busy")
	}
	for _, a := range d.Actions {
		if n := p.nodes[a.Node]; a.Kind == ActionCordon && !unconfirmed && !p.recorded(n.name, stateDraining) {
			p.broke("the drain of %s is begun while the cluster is busy", n.name)
		}
	}
}

// recorded says whether a node is in the record with a state.
func (p *play) recorded(node, state string) bool {
	return slices.ContainsFunc(p.upgrade.Status.NodePools, func(n v1alpha1.NodePoolProgress) bool {
		return slices.ContainsFunc(n.Draining, func(d v1alpha1.DrainingNode) bool { return d.Name == node && d.State == state })
	})
}

// assertSafe asserts the safety rules on the world after a pass.
func (p *play) assertSafe() {
	p.t.Helper()
	for _, b := range p.broken {
		p.broke("%s", b)
	}
	p.assertSkew()
	p.assertLimits()
	if p.refused > 0 && !p.stale {
		p.broke("a budget refused an eviction that was asked for with a fresh view")
	}
	switch p.upgrade.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseSucceeded:
		p.assertOnTarget()
		p.assertNothingInHand()
	case v1alpha1.ClusterUpgradePhaseFailed, v1alpha1.ClusterUpgradePhaseSkipped, v1alpha1.ClusterUpgradePhaseHeld:
		if p.upgrade.Status.Phase == p.last.Status.Phase {
			p.assertNothingInHand()
		}
	}
}

// assertSkew is rule 3 for nodes.
func (p *play) assertSkew() {
	p.t.Helper()
	for _, name := range sortedKeys(p.nodes) {
		n := p.nodes[name]
		if olderThan(p.version, n.version) {
			p.broke("rule 3: node %s on %s is newer than the control plane on %s", name, n.version, p.version)
		}
		if minorOf(p.version)-minorOf(n.version) > 3 {
			p.broke("rule 3: node %s on %s is too old for %s", name, n.version, p.version)
		}
	}
}

// assertLimits asserts maxSurge: one machine for each place, quarantined ones aside.
func (p *play) assertLimits() {
	p.t.Helper()
	if p.upgradesPools {
		return
	}
	for _, pool := range p.pools {
		n := 0
		for _, node := range p.of(pool.name) {
			if node.quarantine == "" && !p.recorded(node.name, stateQuarantined) {
				n++
			}
		}
		for _, op := range p.ops {
			if op.action.Kind == ActionAddNode && op.action.Pool == pool.name && !op.done && op.code == "" {
				n++
			}
		}
		if n > pool.desired+pool.surge {
			p.broke("maxSurge: pool %s has %d nodes, %d are allowed", pool.name, n, pool.desired+pool.surge)
		}
	}
}

// assertMayCordon asserts maxUnavailable and the number of nodes in hand, at the moment of a cordon.
func (p *play) assertMayCordon(a Action) {
	p.t.Helper()
	n := p.nodes[a.Node]
	if n == nil || n.owner == string(p.upgrade.UID) || p.upgrade.Status.Phase != v1alpha1.ClusterUpgradePhaseRunning {
		return
	}
	pool := p.pools[n.pool]
	if serving := p.servingBeside(n); n.ready(p.now) && !n.cordoned && serving < pool.desired-pool.unavailable {
		p.broke("maxUnavailable: %s is cordoned and %d nodes serve, %d must", a.Node, serving, pool.desired-pool.unavailable)
	}
	if inHand := 1 + p.inHandBeside(n); inHand > pool.surge+pool.unavailable {
		p.broke("%d nodes are in hand with %s, %d may be", inHand, a.Node, pool.surge+pool.unavailable)
	}
}

// servingBeside counts the other nodes of a node's pool that serve.
func (p *play) servingBeside(n *wNode) (serving int) {
	for _, other := range p.of(n.pool) {
		renewed := other.version != n.version && other.owner == "" && other.quarantine == ""
		if other != n && other.ready(p.now) && (!other.cordoned || renewed) {
			serving++
		}
	}
	return serving
}

// inHandBeside counts the other nodes of a node's pool that are in hand: cordoned by the upgrade, or being made.
func (p *play) inHandBeside(n *wNode) (inHand int) {
	for _, other := range p.of(n.pool) {
		if other.owner == string(p.upgrade.UID) {
			inHand++
		}
	}
	for _, op := range p.ops {
		if other := p.nodes[op.action.Node]; !op.done && op.action.Pool == n.pool && (other == nil || other.owner == "") {
			inHand++
		}
	}
	return inHand
}

// assertMayStart asserts rules 3, 7 and 9 at the start of an operation.
func (p *play) assertMayStart(a Action) {
	p.t.Helper()
	if !hasIntent(p.upgrade.Status, a.RequestKey) {
		p.broke("rule 9: %s %s starts before its intent is written", a.Kind, a.RequestKey)
	}
	switch {
	case p.ops[a.RequestKey] != nil: // asked for again
	case a.Kind == ActionUpgradeControlPlane:
		p.assertMayUpgradeControlPlane(a)
	default:
		p.assertMayChangeNodes(a)
	}
}

func (p *play) assertMayUpgradeControlPlane(a Action) {
	p.t.Helper()
	if !slices.Contains(p.upgrade.Spec.Hops, a.Version) {
		p.broke("rule 7: the control plane goes to %s, the target is %v", a.Version, p.upgrade.Spec.Hops)
	}
	if d := minorOf(a.Version) - minorOf(p.version); d < 0 || d > 1 {
		p.broke("rule 3: the control plane goes from %s to %s", p.version, a.Version)
	}
	for _, op := range p.ops {
		if op.action.Kind == a.Kind && op.action.Version == a.Version && op.code == "" {
			p.broke("rule 9: the control plane is upgraded to %s twice", a.Version)
		}
	}
	for _, n := range p.nodes {
		if minorOf(a.Version)-minorOf(n.version) > 3 {
			p.broke("rule 3: node %s on %s is too old for %s", n.name, n.version, a.Version)
		}
	}
}

func (p *play) assertMayChangeNodes(a Action) {
	p.t.Helper()
	hops := p.upgrade.Spec.Hops
	if a.Version != "" && len(hops) > 0 && !slices.Contains(hops, a.Version) && a.Version != p.upgrade.Status.FromVersion {
		p.broke("rule 7: a node goes to %s, the target is %v", a.Version, hops)
	}
	for _, op := range p.ops {
		if !op.done && op.action.Node != "" && op.action.Node == a.Node {
			p.broke("rule 9: two operations on node %s", a.Node)
		}
	}
}

// checkEmpty says that a node which is replaced or removed must be empty, or dead.
func (w *world) checkEmpty(a Action) {
	n := w.nodes[a.Node]
	if n == nil || n.dead {
		return
	}
	if !n.cordoned {
		w.breaks("%s of %s, which is not cordoned", a.Kind, a.Node)
	}
	for _, name := range sortedKeys(w.pods) {
		if w.pods[name].node == a.Node {
			w.breaks("%s of %s, on which %s still runs", a.Kind, a.Node, name)
		}
	}
}

// assertOnTarget is rule 12.
func (p *play) assertOnTarget() {
	p.t.Helper()
	spec := p.upgrade.Spec
	target := ""
	if len(spec.Hops) > 0 {
		target = spec.Hops[len(spec.Hops)-1]
		if p.version != target {
			p.broke("rule 12: succeeded, and the control plane runs %s", p.version)
		}
	}
	for _, name := range sortedKeys(p.nodes) {
		n := p.nodes[name]
		if !n.ready(p.now) && !n.cordoned {
			p.broke("rule 12: succeeded, and node %s is not Ready", name)
		}
		if spec.Scope == v1alpha1.UpgradeScopeControlPlaneOnly {
			continue
		}
		if target != "" && n.version != target {
			p.broke("rule 12: succeeded, and node %s runs %s", name, n.version)
		}
		if len(spec.NodeImages) == 1 && n.image != spec.NodeImages[0] {
			p.broke("rule 12: succeeded, and node %s has image %s", name, n.image)
		}
	}
}

// assertNothingInHand is rule 11.
func (p *play) assertNothingInHand() {
	p.t.Helper()
	for _, name := range sortedKeys(p.nodes) {
		if p.nodes[name].owner != "" {
			p.broke("rule 11: %s, and node %s is still cordoned by us", p.upgrade.Status.Phase, name)
		}
	}
	for _, pool := range p.upgrade.Status.NodePools {
		for _, d := range pool.Draining {
			if n := p.nodes[d.Name]; d.State == stateQuarantined && n != nil && (!n.cordoned || n.quarantine == "") {
				p.broke("node %s is recorded as quarantined, and it is not", d.Name)
			}
		}
	}
	for _, key := range p.started {
		if !p.ops[key].done {
			p.broke("rule 11: %s, and operation %s is still under way", p.upgrade.Status.Phase, key)
		}
	}
}

func (p *play) broke(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf(format+"\n%s", append(args, p.transcript.String())...)
}
