// SPDX-License-Identifier: Apache-2.0

package simulated

import (
	"fmt"
	"slices"
	"time"
)

const (
	// podsPerNode of the one workload that a cluster begins with.
	podsPerNode = 2
	// delayShare: a pod takes a tenth of what a node takes to start, and to stop.
	delayShare = 10
	// maxUnavailable of the workload's budget.
	maxUnavailable = 1
)

// played is the workload in a cluster whose API is played: a Deployment, its ReplicaSet's pods and its budget.
type played struct {
	Replicas int
	Pods     []*pod
	// MadePods counts the pods that ever were.
	MadePods int
	// moving pods are not Ready yet or are ending.
	moving []*pod
}

// pod of the workload.
type pod struct {
	Name string
	// Node it runs on; empty: no node takes it.
	Node string
	// Created is when it appeared, ReadyAt when it is or will be Ready; zero: no node takes it.
	Created, ReadyAt time.Time
	Ready            bool
	// EvictedAt and EndsAt are zero while it may stay.
	EvictedAt, EndsAt time.Time
	// refusedUntil is the answer to an eviction, until something changes.
	refusedUntil time.Time
}

// settled pods change no more by themselves.
func (p *pod) settled() bool { return p.Ready && p.EndsAt.IsZero() }

// deploy creates the workload, all of it Ready.
func (c *Cluster) deploy(replicas int, now time.Time) {
	c.Member.Replicas = replicas
	for range replicas {
		c.makePod(now)
	}
	c.schedule(now)
	for _, p := range c.Member.Pods {
		p.Ready, p.ReadyAt = true, now
	}
	c.Member.moving = nil
}

func (c *Cluster) podDelay() time.Duration { return c.nodeDuration() / delayShare }

func (c *Cluster) makePod(now time.Time) {
	m := &c.Member
	m.MadePods++
	p := &pod{Name: fmt.Sprintf("web-%d", m.MadePods), Created: now}
	m.Pods, m.moving = append(m.Pods, p), append(m.moving, p)
}

// schedule binds pods without a node to the emptiest nodes that take pods, those that are not outdated first.
func (c *Cluster) schedule(now time.Time) {
	var load map[string]int
	for _, p := range c.Member.moving {
		if p.Node != "" || !p.EndsAt.IsZero() {
			continue
		}
		if load == nil {
			load = c.Member.load()
		}
		best := c.roomiest(load)
		if best == nil {
			return
		}
		load[best.Name]++
		p.Node, p.ReadyAt = best.Name, now.Add(c.podDelay())
	}
}

// roomiest node that takes pods; nil: none does.
func (c *Cluster) roomiest(load map[string]int) *node {
	var best *node
	for _, n := range c.Nodes {
		if !n.Ready || n.Cordoned {
			continue
		}
		preferred := best == nil || (n.Outdated == "" && best.Outdated != "")
		equal := best != nil && (n.Outdated == "") == (best.Outdated == "")
		if preferred || equal && load[n.Name] < load[best.Name] {
			best = n
		}
	}
	return best
}

// load is how many pods each node has that stay.
func (m *played) load() map[string]int {
	load := map[string]int{}
	for _, p := range m.Pods {
		if p.EndsAt.IsZero() {
			load[p.Node]++
		}
	}
	return load
}

// healthy pods count for the budget.
func (m *played) healthy() int {
	n := 0
	for _, p := range m.Pods {
		if p.settled() {
			n++
		}
	}
	return n
}

// desired is how many pods the budget wants healthy.
func (m *played) desired() int { return max(0, m.Replicas-maxUnavailable) }

// evict makes a pod end, and the ReplicaSet makes another at once.
func (c *Cluster) evict(p *pod, now time.Time) {
	if p.settled() {
		c.Member.moving = append(c.Member.moving, p)
	}
	p.EvictedAt, p.EndsAt = now, now.Add(c.podDelay())
	c.makePod(now)
	c.schedule(now)
}

// killPods ends the pods of a machine that is gone.
func (c *Cluster) killPods(node string, now time.Time) {
	lost := 0
	gone := func(p *pod) bool { return p.Node == node }
	for _, p := range c.Member.Pods {
		if gone(p) && p.EndsAt.IsZero() {
			lost++
		}
	}
	c.Member.Pods = slices.DeleteFunc(c.Member.Pods, gone)
	c.Member.moving = slices.DeleteFunc(c.Member.moving, gone)
	for range lost {
		c.makePod(now)
	}
	c.schedule(now)
}

// nextChange of a pod; zero: none changes by itself.
func (m *played) nextChange() time.Time {
	var next time.Time
	for _, p := range m.moving {
		if !p.EndsAt.IsZero() {
			next = earliest(next, p.EndsAt)
		} else {
			next = earliest(next, p.ReadyAt)
		}
	}
	return next
}

// advance lets the pods end and become Ready whose time has come.
func (m *played) advance(now time.Time) {
	ended := false
	for _, p := range m.moving {
		switch {
		case !p.EndsAt.IsZero():
			ended = ended || !p.EndsAt.After(now)
		case p.Node != "" && !p.ReadyAt.After(now):
			p.Ready = true
		}
	}
	over := func(p *pod) bool { return !p.EndsAt.IsZero() && !p.EndsAt.After(now) }
	m.moving = slices.DeleteFunc(m.moving, func(p *pod) bool { return p.settled() || over(p) })
	if ended {
		m.Pods = slices.DeleteFunc(m.Pods, over)
	}
}
