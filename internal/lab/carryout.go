// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/internal/labapi"
)

// carryOut runs an operation to its end. Each step looks first at what is there, so that an operation that was
// stopped with the lab is run again from the start by the next one.
func (c *cluster) carryOut(op labapi.Operation) {
	err := c.perform(op)
	if c.lifetime.Err() != nil {
		return // it goes on with the next lab, or was canceled with its cluster
	}
	if op.Kind == labapi.OperationUpgrade {
		c.mu.Lock()
		c.busy = ""
		c.mu.Unlock()
	}
	writeErr := c.operations.update(op.ID, func(op *labapi.Operation) {
		op.State = labapi.OperationSucceeded
		if err == nil {
			return
		}
		op.State, op.Code, op.Message = labapi.OperationFailed, labapi.CodeInternal, err.Error()
		if refusal, ok := errors.AsType[*labapi.Error](err); ok {
			op.Code, op.Message = refusal.Code, refusal.Message
		}
	})
	if writeErr != nil {
		c.say("%s: %v", c.name, writeErr)
	}
}

func (c *cluster) perform(op labapi.Operation) error {
	if fault, ok := c.faults.take(labapi.FaultOperationFails, hitsOperation(op)); ok {
		return &labapi.Error{Code: fault.Code, Message: cmp.Or(fault.Message, "The lab plays a failed operation.")}
	}
	switch op.Kind {
	case labapi.OperationUpgrade:
		return c.performUpgrade(op)
	case labapi.OperationAddNode:
		if _, ok := c.faults.take(labapi.FaultQuota, hitsNode(op.Target.Pool, "")); ok {
			return &labapi.Error{Code: labapi.CodeQuotaExceeded, Message: fmt.Sprintf("No more nodes may be added to pool %s: the quota is used up.", op.Target.Pool)}
		}
		return c.performNew(op)
	case labapi.OperationReplaceNode:
		return c.performNew(op)
	case labapi.OperationRemoveNode:
		return c.dropNode(op.Target.Pool, op.Target.Node)
	}
	return fmt.Errorf("unknown kind of operation %q", op.Kind)
}

// performUpgrade stops the control plane and starts the next version on the same data.
func (c *cluster) performUpgrade(op labapi.Operation) error {
	target, ok := release.Find(c.catalog(), op.Target.Version)
	if !ok {
		return &labapi.Error{Code: labapi.CodeUnknownVersion, Message: fmt.Sprintf("The version %s is no longer there.", op.Target.Version)}
	}
	c.mu.Lock()
	done := c.state.Version == target.Version && c.status == labapi.Running
	c.mu.Unlock()
	if done {
		return nil
	}
	c.unserve(labapi.Upgrading)
	c.plane.stop()
	if fault, ok := c.faults.take(labapi.FaultStartSlow, always); ok {
		wait := seconds(fault)
		if wait == 0 {
			wait = defaultSlowStart
		}
		select {
		case <-time.After(wait):
		case <-c.lifetime.Done():
			return c.lifetime.Err()
		}
	}
	var extra []string
	if _, ok := c.faults.take(labapi.FaultStartFails, always); ok {
		// A flag that no release knows: the process starts, complains as it does about a removed flag, and ends.
		extra = []string{"--removed-in-this-release=true"}
	}
	if err := c.plane.start(c.lifetime, target, extra...); err != nil {
		c.plane.stop()
		if c.lifetime.Err() == nil {
			c.fail(err.Error())
		}
		return &labapi.Error{Code: labapi.CodeControlPlaneStartFailed, Message: fmt.Sprintf("The control plane did not start with %s: %v.", target.Version, err)}
	}
	c.mu.Lock()
	c.state.Version = target.Version
	err := c.save()
	c.mu.Unlock()
	c.serve()
	return err
}

// performNew makes a node, in another's place or beside the others.
func (c *cluster) performNew(op labapi.Operation) error {
	pool := op.Target.Pool
	if _, ok := c.faults.take(labapi.FaultImageMissing, hitsNode(pool, op.Target.Node)); ok {
		return &labapi.Error{Code: labapi.CodeNodeImageNotFound, Message: fmt.Sprintf("The node image %s of pool %s does not exist.", c.imageFor(op.Target), pool)}
	}
	node, err := c.recordNew(op)
	if err != nil {
		return err
	}
	if op.Target.Node != "" {
		if err := c.dropNode(pool, op.Target.Node); err != nil {
			return err
		}
	}
	if err := c.createNode(pool, node, true); err != nil {
		return err
	}
	select {
	case <-time.After(c.definition.Nodes.ReplaceDelay.Or(time.Second)):
	case <-c.lifetime.Done():
		return c.lifetime.Err()
	}
	if _, ok := c.faults.take(labapi.FaultNodeNeverReady, hitsNode(pool, op.Target.Node)); ok {
		return nil
	}
	if err := c.finishBoot(node.Name); err != nil {
		return err
	}
	return c.awaitReady(node.Name)
}

func (c *cluster) imageFor(target labapi.OperationTarget) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(target.Image, c.state.Pools[target.Pool].Image)
}

// recordNew names the new machine and writes it down before it is made; a repeated operation finds its machine.
func (c *cluster) recordNew(op labapi.Operation) (labapi.Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.state.Pools[op.Target.Pool]
	if i := slices.IndexFunc(kept.Nodes, func(n labapi.Node) bool { return n.Name == op.NewNode }); i >= 0 {
		return kept.Nodes[i], nil
	}
	pool, _ := c.pool(op.Target.Pool)
	name := op.NewNode
	if name == "" {
		name = c.nextName(pool.Name)
	}
	node := c.inventNode(pool, name, cmp.Or(op.Target.Version, kept.Version), cmp.Or(op.Target.Image, kept.Image))
	if _, i, ok := c.state.poolOf(op.Target.Node); ok {
		node.Zone = kept.Nodes[i].Zone // a replacement stands where the old one stood
	}
	if err := c.operations.update(op.ID, func(op *labapi.Operation) { op.NewNode = name }); err != nil {
		return node, err
	}
	kept.Nodes = append(kept.Nodes, node)
	return node, c.save()
}

// dropNode removes a machine; one that is gone already is fine.
func (c *cluster) dropNode(pool, name string) error {
	if err := c.destroyNode(name); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.state.Pools[pool]
	kept.Nodes = slices.DeleteFunc(kept.Nodes, func(n labapi.Node) bool { return n.Name == name })
	return c.save()
}
