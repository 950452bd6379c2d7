// SPDX-License-Identifier: Apache-2.0

package simulated

import (
	"context"
	"fmt"
	"maps"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// refusedFor is how long a refused pod is not asked again while nothing changes, as with a real API.
const refusedFor = 5 * time.Second

// access is the played API of a cluster.
type access struct{ c *Cluster }

var _ member.Steerer = (*access)(nil)

// do changes something; the provider's outages do not reach the cluster's own API.
func (a *access) do(ctx context.Context, change func(now time.Time) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.c.mu.Lock()
	defer a.c.mu.Unlock()
	now := a.c.clock.Now()
	a.c.settle(now)
	return change(now)
}

// View returns the state as it is now.
func (a *access) View(ctx context.Context) (member.View, error) {
	var v *view
	err := a.do(ctx, func(time.Time) error {
		if a.c.view == nil {
			a.c.view = a.c.look()
		}
		v = a.c.view
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Cordon marks a node unschedulable and notes the owner.
func (a *access) Cordon(ctx context.Context, node, owner string) error {
	return a.do(ctx, func(now time.Time) error {
		n := a.c.node(node)
		if n == nil {
			return provider.Retry(provider.CodeNodeNotFound, nil, "node %s does not exist any more", node)
		}
		holder := n.Annotations[v1alpha1.AnnotationCordonedBy]
		switch {
		case holder == owner && n.Cordoned:
			return nil
		case holder != "" && holder != owner && n.Cordoned:
			return provider.Rejected(member.CodeNodeHeld, "node %s is cordoned by another upgrade (%s): let that end, or remove the annotation %s from the node", node, holder, v1alpha1.AnnotationCordonedBy)
		}
		marks := map[string]string{v1alpha1.AnnotationCordonedBy: owner, member.AnnotationCordonedBefore: ""}
		if n.Cordoned {
			marks[member.AnnotationCordonedBefore] = "true"
		}
		n.mark(true, marks)
		a.c.changed(now)
		return nil
	})
}

// Uncordon takes back what Cordon of the same owner did.
func (a *access) Uncordon(ctx context.Context, node, owner string) error {
	return a.do(ctx, func(now time.Time) error {
		n := a.c.node(node)
		if n == nil || n.Annotations[v1alpha1.AnnotationCordonedBy] != owner {
			return nil
		}
		before := n.Annotations[member.AnnotationCordonedBefore] != ""
		n.mark(before, map[string]string{v1alpha1.AnnotationCordonedBy: "", member.AnnotationCordonedBefore: ""})
		a.c.schedule(now)
		a.c.changed(now)
		return nil
	})
}

// Steer gives exactly these nodes the mark of the owner, and takes it off all others.
func (a *access) Steer(ctx context.Context, owner string, nodes []string) error {
	outdated := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		outdated[n] = true
	}
	return a.do(ctx, func(now time.Time) error {
		changed := false
		for _, n := range a.c.Nodes {
			mark := ""
			if outdated[n.Name] {
				mark = owner
			}
			changed = changed || n.Outdated != mark
			n.Outdated = mark
		}
		if changed {
			a.c.changed(now)
		}
		return nil
	})
}

// Quarantine leaves a node of this owner cordoned and notes why.
func (a *access) Quarantine(ctx context.Context, node, owner, reason string) error {
	return a.do(ctx, func(now time.Time) error {
		n := a.c.node(node)
		if n == nil {
			return provider.Retry(provider.CodeNodeNotFound, nil, "node %s does not exist any more", node)
		}
		if n.Annotations[v1alpha1.AnnotationCordonedBy] != owner {
			return nil
		}
		n.mark(true, map[string]string{
			v1alpha1.AnnotationCordonedBy: "", member.AnnotationCordonedBefore: "", v1alpha1.AnnotationQuarantined: reason,
		})
		a.c.changed(now)
		return nil
	})
}

// mark sets the cordon, and annotations of which the empty ones go. Views share the old map, so it is not changed.
func (n *node) mark(cordoned bool, annotations map[string]string) {
	n.Cordoned = cordoned
	marks := maps.Clone(n.Annotations)
	if marks == nil {
		marks = map[string]string{}
	}
	maps.Copy(marks, annotations)
	maps.DeleteFunc(marks, func(_, value string) bool { return value == "" })
	n.Annotations = marks
}

// Evict asks for the eviction of exactly this pod.
func (a *access) Evict(ctx context.Context, ref member.PodRef) error {
	return a.do(ctx, func(now time.Time) error {
		p := a.c.pod(ref)
		if p == nil || !p.EndsAt.IsZero() {
			return nil
		}
		m := &a.c.Member
		healthy, desired := m.healthy(), m.desired()
		// As the API server does it: a pod without a node always may go, one that is not Ready may when the budget is
		// kept without it, and a Ready one may when the budget is still kept afterwards.
		free := p.Node == "" || (!p.Ready && healthy >= desired && desired > 0) || healthy > desired
		if !free {
			p.refusedUntil = now.Add(refusedFor)
			a.c.view = nil
			return &member.RefusedError{Pod: ref, Budget: true, Message: fmt.Sprintf("Cannot evict pod as it would violate the pod's disruption budget. The disruption budget %s needs %d healthy pods and has %d currently", workload, desired, healthy)}
		}
		a.c.evict(p, now)
		for _, other := range m.Pods {
			other.refusedUntil = time.Time{}
		}
		a.c.changed(now)
		return nil
	})
}

func (c *Cluster) pod(ref member.PodRef) *pod {
	if ref.Namespace != namespace {
		return nil
	}
	for _, p := range c.Member.Pods {
		if p.Name == ref.Name && p.uid() == ref.UID {
			return p
		}
	}
	return nil
}
