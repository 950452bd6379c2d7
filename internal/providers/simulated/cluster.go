// SPDX-License-Identifier: Apache-2.0

package simulated

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/utils/clock"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/provider"
)

const (
	styleSengu = "Sengu"
	// poolName and poolMode of a cluster's one pool.
	poolName, poolMode = "user", string(v1alpha1.PoolModeUser)

	defaultNodes        = 3
	defaultControlPlane = 10 * time.Minute
	defaultNode         = 4 * time.Minute
)

// Cluster is one simulated cluster. It is safe for concurrent use.
type Cluster struct {
	key   string
	clock clock.PassiveClock

	mu sync.Mutex
	state
	// version is state.Version, parsed.
	version *version.Version
	// invalid is why the cluster cannot exist; nil: it can.
	invalid error
	// next instant at which something changes by itself; zero: never.
	next time.Time
	// changedAt is when something changed last.
	changedAt time.Time
	// running operations, oldest first.
	running []*operation
	// byKey and byID find operations.
	byKey, byID map[string]*operation
	// view of the member's API; nil after a change.
	view *view
}

// state is all that a cluster remembers. Its fields are exported for encoding/json only.
type state struct {
	Spec        v1alpha1.SimulatedProvider
	Version     string
	PoolVersion string
	PoolImage   string
	Nodes       []*node
	Operations  []*operation
	// Failures that are still to be played.
	Failures    []v1alpha1.SimulatedFailure
	Unreachable bool
	Member      played
	// MadeNodes counts the nodes that ever were, so that no name is used twice.
	MadeNodes int
}

// node is a machine, and the Node object that belongs to it.
type node struct {
	Name, Version, Image string
	// Since is when Ready last changed.
	Since       time.Time
	Ready       bool
	Cordoned    bool              `json:",omitempty"`
	Annotations map[string]string `json:",omitempty"`
	// Outdated is who asks the scheduler to prefer other nodes; empty: nobody.
	Outdated string `json:",omitempty"`
}

func newCluster(key string, spec v1alpha1.SimulatedProvider, c clock.PassiveClock) *Cluster {
	spec.Nodes = cmp.Or(max(spec.Nodes, 0), defaultNodes)
	out := &Cluster{key: key, clock: c, state: state{
		Spec: spec, Version: spec.Version, PoolVersion: spec.Version, PoolImage: imageOf(spec.Version),
		Failures: slices.Clone(spec.Failures),
	}}
	out.index()
	if out.version, out.invalid = parse(spec.Version); out.invalid != nil {
		return out
	}
	now := c.Now()
	for range spec.Nodes {
		out.makeNode(spec.Version, imageOf(spec.Version), now)
	}
	if spec.NodeStyle == styleSengu {
		out.deploy(int(spec.Nodes)*podsPerNode, now)
	}
	return out
}

func (c *Cluster) makeNode(version, image string, now time.Time) *node {
	c.MadeNodes++
	n := &node{Name: fmt.Sprintf("%s-%d", poolName, c.MadeNodes), Version: version, Image: image, Since: now, Ready: true}
	c.Nodes = append(c.Nodes, n)
	return n
}

func (c *Cluster) node(name string) *node {
	for _, n := range c.Nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

func (c *Cluster) controlPlaneDuration() time.Duration {
	if d := c.Spec.ControlPlaneDuration; d != nil {
		return max(0, d.Duration)
	}
	return defaultControlPlane
}

func (c *Cluster) nodeDuration() time.Duration {
	if d := c.Spec.NodeDuration; d != nil {
		return max(0, d.Duration)
	}
	return defaultNode
}

// settle lets everything happen that happens up to now, in its order. c.mu is held.
func (c *Cluster) settle(now time.Time) {
	for !c.next.IsZero() && !c.next.After(now) {
		at := c.next
		for _, op := range slices.Clone(c.running) {
			if !op.nextChange().After(at) {
				c.advance(op, at)
			}
		}
		c.Member.advance(at)
		c.changed(at)
	}
}

// changed notes that something is different since an instant, and works out when the next thing changes by itself.
func (c *Cluster) changed(at time.Time) {
	c.view, c.changedAt = nil, at
	c.next = c.Member.nextChange()
	for _, op := range c.running {
		c.next = earliest(c.next, op.nextChange())
	}
}

// earliest of two instants, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// SetUnreachable makes the provider stop answering for this cluster, or answer again. What is under way goes on.
func (c *Cluster) SetUnreachable(unreachable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Unreachable = unreachable
}

// Fail adds a failure to those of the spec.
func (c *Cluster) Fail(f v1alpha1.SimulatedFailure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Failures = append(c.Failures, f)
}

// failure takes the first scripted failure of an operation; nil: there is none.
func (c *Cluster) failure(operation string) *v1alpha1.SimulatedFailure {
	i := slices.IndexFunc(c.Failures, func(f v1alpha1.SimulatedFailure) bool { return f.Operation == operation })
	if i < 0 {
		return nil
	}
	f := c.Failures[i]
	switch f.Times {
	case 0: // always
	case 1:
		c.Failures = slices.Delete(c.Failures, i, i+1)
	default:
		c.Failures[i].Times--
	}
	f.Code = cmp.Or(f.Code, CodeSimulatedFailure)
	f.Message = cmp.Or(f.Message, "this failure is in the cluster's script")
	return &f
}

// CodeSimulatedFailure is the code of a scripted failure that names none.
const CodeSimulatedFailure = "SimulatedFailure"

// describe says what the cluster is. c.mu is held.
func (c *Cluster) describe() *provider.Description {
	d := &provider.Description{
		ControlPlaneVersion: c.Version, State: provider.ControlPlaneRunning, Region: c.Spec.Region,
	}
	for _, op := range c.running {
		if op.Kind == kindControlPlane {
			d.State = provider.ControlPlaneUpgrading
		}
		if op.exclusive() {
			d.BusyWith = op.ID
		}
	}
	d.StateText = string(d.State)
	pool := provider.NodePool{
		Name: poolName, Mode: poolMode, Version: c.PoolVersion, Image: c.PoolImage, Desired: int(c.Spec.Nodes),
		Nodes: make([]provider.Node, 0, len(c.Nodes)),
	}
	for _, n := range c.Nodes {
		pool.Nodes = append(pool.Nodes, provider.Node{Name: n.Name, Version: n.Version, Image: n.Image, Ready: n.Ready})
	}
	d.NodePools = []provider.NodePool{pool}
	return d
}

// oldest version of a node; the control plane's own where there is none.
func (c *Cluster) oldest() *version.Version {
	oldest := c.version
	for _, n := range c.Nodes {
		if n.Version == c.Version {
			continue
		}
		if v, err := parse(n.Version); err == nil && v.LessThan(oldest) {
			oldest = v
		}
	}
	return oldest
}

func (c *Cluster) save() (json.RawMessage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(c.clock.Now())
	return json.Marshal(c.state)
}

func restoreCluster(key string, s state, clock clock.PassiveClock) *Cluster {
	c := &Cluster{key: key, clock: clock, state: s}
	c.version, c.invalid = parse(s.Version)
	c.index()
	c.changed(clock.Now())
	return c
}

// index finds again what the state does not hold.
func (c *Cluster) index() {
	c.byKey, c.byID = map[string]*operation{}, map[string]*operation{}
	for _, op := range c.state.Operations {
		c.byKey[op.Key], c.byID[op.ID] = op, op
		if op.State == provider.OperationRunning {
			c.running = append(c.running, op)
		}
	}
	for _, p := range c.Member.Pods {
		if !p.settled() {
			c.Member.moving = append(c.Member.moving, p)
		}
	}
}
