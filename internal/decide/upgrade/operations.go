// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/versionpath"
)

// actionOf is the action that carries out an intent.
var actionOf = map[v1alpha1.OperationKind]ActionKind{
	v1alpha1.OperationControlPlaneUpgrade: ActionUpgradeControlPlane,
	v1alpha1.OperationNodePoolUpgrade:     ActionUpgradeNodePool,
	v1alpha1.OperationAddNode:             ActionAddNode,
	v1alpha1.OperationReplaceNode:         ActionReplaceNode,
	v1alpha1.OperationRemoveNode:          ActionRemoveNode,
}

// settle looks at what was asked for before: operations that ended leave the record when their effect is seen, those
// that never started are asked for again by the same key, and what failed is judged by its kind.
func (p *pass) settle() {
	var kept []v1alpha1.OperationStatus
	var again []v1alpha1.OperationStatus
	for _, op := range p.st.Operations {
		stays, started := p.settleOne(&op)
		if !stays {
			continue
		}
		kept = append(kept, op)
		if !started {
			again = append(again, op)
		}
	}
	p.st.Operations, p.unstarted = kept, len(again) > 0
	p.settleNodeFailures()
	if p.s.Provider == nil || len(again) == 0 || p.operationsHeld() {
		return
	}
	for _, op := range again {
		if p.aim() == aimWork && begins(op) && !p.mayBegin(0) {
			// Whether it has started is not known, and asking may start it. What has is busy until then.
			p.waitFor(p.closed.Reason, describe(op)+" was asked for, and it is not known whether it has started: "+p.closed.Message, time.Time{})
			continue
		}
		p.emit(op, "it was asked for and has not started yet")
	}
	if p.was.Waiting != nil && putsOff(p.was.Waiting.Reason) { // asked again after a wait: the next wait is longer
		p.backOff(p.was.Waiting.Reason, p.was.Waiting.Message, time.Time{}, lastBackoff)
	}
}

// settleOne says whether an operation stays in the record, and whether the provider has it.
func (p *pass) settleOne(op *v1alpha1.OperationStatus) (stays, started bool) {
	if f, ok := p.s.Failures[op.RequestKey]; ok {
		return p.settleRefused(op, f), false
	}
	if p.s.Provider == nil {
		return true, true
	}
	seen, ok := p.s.Provider.Operations[op.RequestKey]
	if !ok {
		return true, false
	}
	op.ID = seen.ID
	switch {
	case !seen.Done:
		return true, true
	case !seen.Succeeded:
		p.fail(op.Step, seen.Code, fmt.Sprintf("%s failed: %s", describe(*op), says(seen.Message, seen.Code)))
		return false, true
	case p.visible(*op, seen):
		p.renewed(*op)
		return false, true
	}
	return p.awaitEffect(op), true
}

// renewed starts the time that a node may take to become Ready when it was replaced under its old name.
func (p *pass) renewed(op v1alpha1.OperationStatus) {
	rec := p.progressOf(op.Pool)
	if rec == nil || op.Node == "" {
		return
	}
	for i := range rec.Draining {
		if rec.Draining[i].Name == op.Node {
			rec.Draining[i].Since = p.stamp()
		}
	}
}

// settleRefused judges a start that failed, and says whether the intent stays.
func (p *pass) settleRefused(op *v1alpha1.OperationStatus, f Problem) bool {
	switch {
	case f.Kind == ProblemRejected:
		p.fail(op.Step, f.Code, fmt.Sprintf("%s was refused: %s", describe(*op), says(f.Message, f.Code)))
		return false
	case f.Kind == ProblemWait && p.aim() != aimWork:
		p.putOff = true
		return false // it has certainly not started, and nothing new is wanted on the way to a safe point
	case f.Kind == ProblemWait:
		p.backOff(v1alpha1.ReasonOperationConflict, fmt.Sprintf("%s has to wait: %s", describe(*op), says(f.Message, f.Code)), f.Until, lastBackoff)
	default:
		p.backOff(v1alpha1.ReasonRetrying, fmt.Sprintf("%s is asked for again: %s", describe(*op), says(f.Message, f.Code)), f.Until, lastBackoff)
	}
	return true
}

// awaitEffect keeps an operation that succeeded until the provider's description shows it, for the time that a node
// may take to become Ready.
func (p *pass) awaitEffect(op *v1alpha1.OperationStatus) bool {
	limit := p.settings(op.Pool).nodeReadyTimeout
	if op.Kind == v1alpha1.OperationControlPlaneUpgrade || op.RequestedAt == nil || p.now.Before(op.RequestedAt.Add(limit)) {
		return true
	}
	p.fail(op.Step, v1alpha1.ReasonNodeReadyTimeout,
		fmt.Sprintf("%s succeeded by the provider's word, and after %s the cluster does not show it", describe(*op), limit))
	return false
}

// settleNodeFailures judges cordons, uncordons and evictions of the last pass that failed.
func (p *pass) settleNodeFailures() {
	keys := make([]string, 0, len(p.s.Failures))
	for key := range p.s.Failures {
		if !slices.ContainsFunc(p.was.Operations, func(o v1alpha1.OperationStatus) bool { return o.RequestKey == key }) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, node := range keys {
		f := p.s.Failures[node]
		switch {
		case f.Kind == ProblemRejected:
			p.fail(p.st.CurrentStep, f.Code, fmt.Sprintf("node %s: %s", node, says(f.Message, f.Code)))
		case f.Code == v1alpha1.ReasonMemberUnreachable || !f.Until.IsZero():
			p.backOff(v1alpha1.ReasonMemberUnreachable, fmt.Sprintf("node %s: %s", node, says(f.Message, f.Code)), f.Until, pollEvery)
		}
		// Anything else is a conflict of the moment, or a node that is gone: the world in the snapshot knows better.
	}
}

// visible says whether the provider's description shows what an operation did.
func (p *pass) visible(op v1alpha1.OperationStatus, seen Operation) bool {
	if p.s.Provider.BusyWith != "" && p.s.Provider.BusyWith == seen.ID {
		return false
	}
	if op.Kind == v1alpha1.OperationControlPlaneUpgrade {
		return p.s.Provider.Running && versionpath.Compare(p.s.Provider.Version, op.Version) >= 0
	}
	pool := p.pool(op.Pool)
	return pool == nil || visibleIn(*pool, op, seen)
}

// visibleIn says whether a pool shows what an operation on it did.
func visibleIn(pool Pool, op v1alpha1.OperationStatus, seen Operation) bool {
	came := seen.Node == "" || hasNode(pool, seen.Node)
	went := seen.Node == op.Node || !hasNode(pool, op.Node)
	switch op.Kind {
	case v1alpha1.OperationNodePoolUpgrade:
		return !poolOld(pool, target{version: op.Version, image: op.Image})
	case v1alpha1.OperationAddNode:
		return came
	case v1alpha1.OperationReplaceNode:
		return came && went
	}
	return !hasNode(pool, op.Node)
}

func hasNode(pool Pool, name string) bool {
	return slices.ContainsFunc(pool.Nodes, func(n ProviderNode) bool { return n.Name == name })
}

// pool by name; nil: the provider has none, or does not answer.
func (p *pass) pool(name string) *Pool {
	if p.s.Provider == nil {
		return nil
	}
	for i := range p.s.Provider.Pools {
		if p.s.Provider.Pools[i].Name == name {
			return &p.s.Provider.Pools[i]
		}
	}
	return nil
}

// start records the intent of an operation and asks for it. The key is never used again.
func (p *pass) start(op v1alpha1.OperationStatus, reason string) {
	p.st.OperationCount++
	op.RequestKey = fmt.Sprintf("%s/%d", p.s.Upgrade.UID, p.st.OperationCount)
	op.RequestedAt = p.stamp()
	p.st.Operations = append(p.st.Operations, op)
	p.emit(op, reason)
}

// emit asks for an operation whose intent is in the record.
func (p *pass) emit(op v1alpha1.OperationStatus, reason string) {
	a := Action{
		Kind: actionOf[op.Kind], Reason: reason, RequestKey: op.RequestKey,
		Version: op.Version, Image: op.Image, Pool: op.Pool, Node: op.Node,
	}
	if op.Kind == v1alpha1.OperationNodePoolUpgrade {
		r := p.settings(op.Pool)
		a.MaxSurge, a.MaxUnavailable = r.limits(p.desired(op.Pool))
		a.DrainTimeout, a.NodeSoak = r.drainTimeout, r.nodeSoak
	}
	p.do(a)
}

// putsOff says whether a wait keeps operations from being asked for.
func putsOff(reason string) bool {
	return reason == v1alpha1.ReasonOperationConflict || reason == v1alpha1.ReasonRetrying
}

// operationsHeld says whether no operation may be asked for in this pass, and sets the wait. A wait of the last pass
// counts as long as an operation has not started.
func (p *pass) operationsHeld() bool {
	if p.wait != nil && putsOff(p.wait.Reason) {
		return true
	}
	return p.unstarted && p.holds(v1alpha1.ReasonOperationConflict, v1alpha1.ReasonRetrying)
}

// busy says whether nothing new may be begun: operations are put off, or somebody else works on the cluster.
func (p *pass) busy() bool {
	if p.operationsHeld() {
		return true
	}
	with := p.s.Provider.BusyWith
	if with == "" || p.ours(with) {
		return false
	}
	p.backOff(v1alpha1.ReasonOperationConflict,
		fmt.Sprintf("the provider is busy with operation %s, which this upgrade did not start: it goes on when that has ended", with),
		p.now.Add(pollEvery), lastBackoff)
	return true
}

// ours says whether an operation is this upgrade's. One whose start was not confirmed yet may be.
func (p *pass) ours(id string) bool {
	for _, op := range p.s.Provider.Operations {
		if op.ID == id {
			return true
		}
	}
	return slices.ContainsFunc(p.st.Operations, func(o v1alpha1.OperationStatus) bool { return o.ID == id || o.ID == "" })
}

// operations of a pool that are in the record.
func (p *pass) operations(pool string) []v1alpha1.OperationStatus {
	return slices.DeleteFunc(slices.Clone(p.st.Operations), func(o v1alpha1.OperationStatus) bool { return o.Pool != pool })
}

// describe an operation for people.
func describe(op v1alpha1.OperationStatus) string {
	switch op.Kind {
	case v1alpha1.OperationControlPlaneUpgrade:
		return "the upgrade of the control plane to " + op.Version
	case v1alpha1.OperationNodePoolUpgrade:
		return "the upgrade of node pool " + op.Pool
	case v1alpha1.OperationAddNode:
		return "adding a node to pool " + op.Pool
	case v1alpha1.OperationReplaceNode:
		return "replacing node " + op.Node
	}
	return "removing node " + op.Node
}

// says is a message from outside, or its code where there is none.
func says(message, code string) string {
	switch {
	case message != "":
		return message
	case code != "":
		return code
	}
	return "the provider gives no reason"
}
