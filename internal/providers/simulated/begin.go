// SPDX-License-Identifier: Apache-2.0

package simulated

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"sengu.dev/sengu/provider"
)

// CodeBadRequest is the code of a request that lacks something.
const CodeBadRequest = "BadRequest"

// begin starts an operation, or finds the one that the same request started before. The key comes first: a repeated
// request gets its operation also when it would be refused by now.
func (c *Cluster) begin(key string, asked request, now time.Time) (*operation, error) {
	if key == "" {
		return nil, provider.Rejected(CodeBadRequest, "the request has no key: choose one, and repeat it with the request")
	}
	if known := c.byKey[key]; known != nil {
		if known.Asked != asked {
			return nil, provider.Rejected(provider.CodeRequestKeyReused, "the request key %q belongs to another request: choose a new one", key)
		}
		return known, nil
	}
	op := &operation{Asked: asked, Version: asked.Version, Image: asked.Image, Steps: 1}
	op.Key, op.Kind, op.State, op.StartedAt = key, asked.Kind, provider.OperationRunning, now
	if err := c.collide(op); err != nil {
		return nil, err
	}
	if err := c.check(op); err != nil {
		return nil, err
	}
	op.ID = fmt.Sprintf("op-%d", len(c.state.Operations)+1)
	if f := c.failure(scriptOf(op.Kind)); f != nil {
		op.Fails, op.Code, op.Message = true, f.Code, f.Message
	}
	c.state.Operations = append(c.state.Operations, op)
	c.running = append(c.running, op)
	c.byKey[op.Key], c.byID[op.ID] = op, op
	c.start(op, now)
	c.changed(now)
	c.settle(now) // durations may be zero
	return op, nil
}

// scriptOf names the operation of SimulatedFailure that a kind belongs to.
func scriptOf(kind string) string {
	if kind == kindControlPlane || kind == kindNodePool {
		return kind
	}
	return "Node"
}

// collide refuses what cannot run beside what is under way: anything beside an upgrade of the control plane or of a
// pool, and two operations on the same node.
func (c *Cluster) collide(op *operation) error {
	for _, other := range c.running {
		sameNode := op.Asked.Node != "" && op.Asked.Node == other.Asked.Node
		if !op.exclusive() && !other.exclusive() && !sameNode {
			continue
		}
		return &provider.Error{
			Kind: provider.ErrWait, Code: provider.CodeOperationInProgress, OperationID: other.ID, Until: other.end(),
			Message: fmt.Sprintf("operation %s (%s) is under way: wait for its end", other.ID, other.Kind),
		}
	}
	return nil
}

// check refuses what cannot be, and fills in what was left open.
func (c *Cluster) check(op *operation) error {
	if op.Kind == kindControlPlane {
		return checkControlPlane(c.version, c.oldest(), op.Version)
	}
	if op.Asked.Pool != poolName {
		return provider.Rejected(provider.CodeNodePoolNotFound, "there is no node pool %q: this cluster has one, %q", op.Asked.Pool, poolName)
	}
	if op.Asked.Node != "" || op.Kind == kindReplaceNode || op.Kind == kindRemoveNode {
		if c.node(op.Asked.Node) == nil {
			return provider.Rejected(provider.CodeNodeNotFound, "there is no node %q in pool %s", op.Asked.Node, poolName)
		}
	}
	if op.Kind == kindRemoveNode {
		return nil
	}
	if op.Version == "" {
		op.Version, op.Image = c.PoolVersion, cmp.Or(op.Image, c.PoolImage)
	}
	op.Image = cmp.Or(op.Image, imageOf(op.Version))
	return checkNode(c.version, op.Version, op.Image)
}

// start makes an operation have its first effects.
func (c *Cluster) start(op *operation, now time.Time) {
	op.StepTakes = c.nodeDuration()
	switch op.Kind {
	case kindControlPlane:
		op.StepTakes = c.controlPlaneDuration()
	case kindNodePool:
		op.Width = max(1, op.Asked.Surge+op.Asked.Unavailable)
		op.Surge = op.Asked.Surge
		op.Steps = max(1, (len(c.Nodes)+op.Width-1)/op.Width)
		op.StepTakes += op.Asked.Soak
		for _, n := range c.Nodes {
			op.Moves = append(op.Moves, n.Name)
		}
		c.takeOut(op, now)
	case kindReplaceNode, kindRemoveNode:
		if !op.Fails {
			c.dropNode(op.Asked.Node, now)
		}
	}
}

// batch is the names of the nodes that the pool upgrade moves in its present step.
func (o *operation) batch() []string {
	from := min(o.Done*o.Width, len(o.Moves))
	return o.Moves[from:min(from+o.Width, len(o.Moves))]
}

// takeOut makes those nodes of the present step not Ready that have no stand-in.
func (c *Cluster) takeOut(op *operation, now time.Time) {
	if op.Fails {
		return
	}
	batch := op.batch()
	for _, name := range batch[min(op.Surge, len(batch)):] {
		if n := c.node(name); n != nil {
			n.Ready, n.Since = false, now
		}
	}
}

// advance ends one step of an operation.
func (c *Cluster) advance(op *operation, now time.Time) {
	if op.Kind == kindNodePool && !op.Fails {
		for _, name := range op.batch() {
			if n := c.node(name); n != nil {
				n.Version, n.Image, n.Ready, n.Since = op.Version, op.Image, true, now
			}
		}
	}
	op.Done++
	if op.Done < op.Steps {
		c.takeOut(op, now)
		return
	}
	op.FinishedAt, op.State = now, provider.OperationSucceeded
	c.running = slices.DeleteFunc(c.running, func(o *operation) bool { return o == op })
	if op.Fails {
		op.State = provider.OperationFailed
		return
	}
	c.finish(op, now)
}

// finish makes a successful operation have its last effects.
func (c *Cluster) finish(op *operation, now time.Time) {
	switch op.Kind {
	case kindControlPlane:
		if v, err := parse(op.Version); err == nil {
			c.version, c.Version = v, op.Version
		}
	case kindNodePool:
		c.PoolVersion, c.PoolImage = op.Version, op.Image
	case kindAddNode, kindReplaceNode:
		op.Made = c.makeNode(op.Version, op.Image, now).Name
		c.PoolVersion, c.PoolImage = op.Version, op.Image
		c.schedule(now)
	}
}

// dropNode removes a machine, and with it the pods that still run there.
func (c *Cluster) dropNode(name string, now time.Time) {
	c.Nodes = slices.DeleteFunc(c.Nodes, func(n *node) bool { return n.Name == name })
	c.killPods(name, now)
}

// end of an operation.
func (o *operation) end() time.Time { return o.StartedAt.Add(time.Duration(o.Steps) * o.StepTakes) }
