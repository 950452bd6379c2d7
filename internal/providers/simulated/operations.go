// SPDX-License-Identifier: Apache-2.0

package simulated

import (
	"time"

	"sengu.dev/sengu/provider"
)

// The kinds of operations.
const (
	kindControlPlane = "ControlPlane"
	kindNodePool     = "NodePool"
	kindAddNode      = "AddNode"
	kindReplaceNode  = "ReplaceNode"
	kindRemoveNode   = "RemoveNode"
)

// OperationRecord is one operation as a test or a rehearsal looks back on it.
type OperationRecord struct {
	// ID by which the provider knows it, and Key that it was asked for with.
	ID, Key string
	// Kind is ControlPlane, NodePool, AddNode, ReplaceNode or RemoveNode.
	Kind string
	// State of the operation; Code and Message of a failure.
	State         provider.OperationState
	Code, Message string
	// StartedAt and FinishedAt by the world's clock; FinishedAt is zero while it runs.
	StartedAt, FinishedAt time.Time
}

// operation is an OperationRecord with what it does. It consists of steps of the same length.
type operation struct {
	OperationRecord
	Asked request
	// Version and Image that it leads to.
	Version, Image string
	// Made is the node that came of it.
	Made string
	// Fails at its end, with Code and Message.
	Fails bool
	// Steps it consists of, and how many are done.
	Steps, Done int
	StepTakes   time.Duration
	// Moves are the nodes of a pool upgrade in their order, Width at a time, of which Surge have a stand-in.
	Moves        []string `json:",omitempty"`
	Width, Surge int      `json:",omitempty"`
}

// request is what was asked for. The same key must come with the same request.
type request struct {
	Kind               string
	Pool, Node         string
	Version, Image     string
	Surge, Unavailable int
	DrainTimeout, Soak time.Duration
}

func (o *operation) nextChange() time.Time {
	return o.StartedAt.Add(time.Duration(o.Done+1) * o.StepTakes)
}

// exclusive operations keep the cluster busy: nothing else runs beside them.
func (o *operation) exclusive() bool { return o.Kind == kindControlPlane || o.Kind == kindNodePool }

// answer is the operation as the provider tells it.
func (o *operation) answer(now time.Time) *provider.Operation {
	out := &provider.Operation{
		ID: o.ID, State: o.State, Code: o.Code, Message: o.Message, Node: o.Made,
		StartedAt: o.StartedAt, FinishedAt: o.FinishedAt,
	}
	switch o.State {
	case provider.OperationSucceeded:
		out.PercentComplete = 100
	case provider.OperationRunning: // its failure is not known yet
		out.Code, out.Message = "", ""
		if whole := time.Duration(o.Steps) * o.StepTakes; whole > 0 {
			out.PercentComplete = int(100 * now.Sub(o.StartedAt) / whole)
		}
	default:
		out.PercentComplete = -1
	}
	return out
}

// Operations lists all operations of the cluster, oldest first.
func (c *Cluster) Operations() []OperationRecord {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(c.clock.Now())
	out := make([]OperationRecord, len(c.state.Operations))
	for i, op := range c.state.Operations {
		out[i] = op.OperationRecord
		if op.State == provider.OperationRunning {
			out[i].Code, out[i].Message = "", ""
		}
	}
	return out
}
