// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// hardship orders what holds things up: the higher, the more a person wants to know of it.
func hardship(reason string) int {
	text, known := whyTexts[reason]
	switch {
	case !known:
		return 2
	case text.works:
		return 0
	case text.by == ByPerson:
		return 3
	}
	return 2
}

// hardest is the upgrade that is held up most, and of equals the one that has waited longest.
func hardest(upgrades []*v1alpha1.ClusterUpgrade) *v1alpha1.ClusterUpgrade {
	return slices.MinFunc(upgrades, func(a, b *v1alpha1.ClusterUpgrade) int {
		return cmp.Or(
			cmp.Compare(upgradeHardship(b), upgradeHardship(a)),
			compareSince(waitSince(a), waitSince(b)),
			cmp.Compare(a.Spec.Cluster, b.Spec.Cluster),
		)
	})
}

func upgradeHardship(u *v1alpha1.ClusterUpgrade) int {
	h := 0
	if u.Status.Waiting != nil {
		h = hardship(u.Status.Waiting.Reason)
	}
	if drains(u.Status.Waiting) {
		if n := hardestNode(u); n != nil && len(n.BlockedBy) > 0 {
			h = max(h, hardship(hardestBlocker(n).Reason))
		}
	}
	return h
}

func waitSince(u *v1alpha1.ClusterUpgrade) *metav1.Time {
	if u.Status.Waiting == nil {
		return nil
	}
	return u.Status.Waiting.Since
}

// compareSince puts what has lasted longest first, and what is not known last.
func compareSince(a, b *metav1.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return a.Compare(b.Time)
}

// drains says that a wait is told best by the nodes in hand.
func drains(wait *v1alpha1.Waiting) bool {
	return wait == nil || wait.Reason == v1alpha1.ReasonDrainBlocked || wait.Reason == v1alpha1.ReasonNodesDraining
}

// upgrade explains a cluster in flight down to the pod, the budget or the operation.
func (w *why) upgrade(u *v1alpha1.ClusterUpgrade) {
	st := &u.Status
	w.names["cluster"], w.names["run"] = u.Spec.Cluster, u.Spec.RunRef.Name
	object := "cluster " + u.Spec.Cluster
	w.waits(object, st.Waiting, strings.TrimSuffix(string(cmp.Or(st.Phase, v1alpha1.ClusterUpgradePhaseNotStarted))+", "+st.Progress, ", "))
	w.notSeen("the upgrade of "+object, &u.ObjectMeta, st.ObservedGeneration, false)
	if st.CurrentStep != "" {
		w.step(u)
	}
	if drains(st.Waiting) {
		if n := hardestNode(u); n != nil {
			w.node(u, n)
			return
		}
	}
	c := causeOf(st.Waiting)
	switch {
	case st.Waiting == nil:
		c = cause{reason: v1alpha1.ReasonUpgrading, message: step(st.CurrentStep, u.Spec.Hops)}
	case byCalendar(c.reason):
		w.calendar(c, u.Spec.CalendarRefs, w.clusters[u.Spec.Cluster])
		return
	case c.reason == v1alpha1.ReasonHeld:
		w.held(u, c)
		return
	}
	if whyTexts[c.reason].works || c.reason == v1alpha1.ReasonNodeNotReady {
		w.worksOn(u)
	}
	w.conclude(c)
}

// step adds the step in hand: how far it is, and since when.
func (w *why) step(u *v1alpha1.ClusterUpgrade) {
	name, far := step(u.Status.CurrentStep, u.Spec.Hops), ""
	for _, p := range u.Status.NodePools {
		if strings.HasSuffix(u.Status.CurrentStep, "/NodePool/"+p.Name) {
			far = fmt.Sprintf("%d/%d nodes", p.Done, p.Total)
		}
	}
	var since *metav1.Time
	for i := range u.Status.Steps {
		if u.Status.Steps[i].Name == u.Status.CurrentStep {
			since = u.Status.Steps[i].StartedAt
		}
	}
	w.link("step "+name, "", far, since)
	w.far = append(w.far, joined("step "+name, joined(far, waited(since, w.now))))
}

// held explains a cluster at a safe point by the run that wants it there.
func (w *why) held(u *v1alpha1.ClusterUpgrade, c cause) {
	run := w.runs[u.Spec.RunRef.Name]
	if run == nil || w.met[run.Name] {
		w.conclude(c)
		return
	}
	w.lead = "cluster " + Clean(u.Spec.Cluster) + " is held at a safe point"
	w.run(run)
}

// worksOn adds the operations and nodes in hand of an upgrade that moves.
func (w *why) worksOn(u *v1alpha1.ClusterUpgrade) {
	if n := inHandNode(u); n != nil {
		w.names["node"] = n.Name
		w.link("node "+n.Name, "", strings.ToLower(n.State), n.Since)
	}
	if len(u.Status.Operations) == 0 {
		return
	}
	op := &u.Status.Operations[0]
	text := ""
	if op.ID != "" {
		text = "the provider calls it " + op.ID
	}
	if more := len(u.Status.Operations) - 1; more > 0 {
		text = joined(text, fmt.Sprintf("and %d more", more))
	}
	w.link(strings.TrimSpace("operation "+string(op.Kind)+" "+cmp.Or(op.Node, op.Pool)), "", text, op.RequestedAt)
}

// inHandNode is the first node in hand that is not being drained.
func inHandNode(u *v1alpha1.ClusterUpgrade) *v1alpha1.DrainingNode {
	for i := range u.Status.NodePools {
		for j := range u.Status.NodePools[i].Draining {
			if n := &u.Status.NodePools[i].Draining[j]; n.State == "Replacing" || n.State == "Soaking" {
				return n
			}
		}
	}
	return nil
}

// hardestNode is the node being drained that is held up most, and of equals the one that has waited longest.
func hardestNode(u *v1alpha1.ClusterUpgrade) *v1alpha1.DrainingNode {
	var found *v1alpha1.DrainingNode
	most := -1
	for i := range u.Status.NodePools {
		for j := range u.Status.NodePools[i].Draining {
			n := &u.Status.NodePools[i].Draining[j]
			if n.State != "Draining" {
				continue
			}
			h := 0
			if len(n.BlockedBy) > 0 {
				h = 1 + hardship(hardestBlocker(n).Reason)
			}
			if h > most || h == most && compareSince(n.Since, found.Since) < 0 {
				found, most = n, h
			}
		}
	}
	return found
}

// hardestBlocker is what holds a node up most.
func hardestBlocker(n *v1alpha1.DrainingNode) *v1alpha1.DrainBlocker {
	found := &n.BlockedBy[0]
	for i := range n.BlockedBy[1:] {
		b := &n.BlockedBy[i+1]
		more := cmp.Compare(hardship(b.Reason), hardship(found.Reason))
		if more > 0 || more == 0 && compareSince(b.Since, found.Since) < 0 {
			found = b
		}
	}
	return found
}

// node explains a node that is being drained.
func (w *why) node(u *v1alpha1.ClusterUpgrade, n *v1alpha1.DrainingNode) {
	w.names["node"] = n.Name
	w.link("node "+n.Name, "", "draining, "+count(n.PodsLeft, "pod")+" left", n.Since)
	c := causeOf(u.Status.Waiting)
	if len(n.BlockedBy) == 0 {
		c.reason = cmp.Or(c.reason, v1alpha1.ReasonNodesDraining)
		w.conclude(c)
		return
	}
	b := hardestBlocker(n)
	var pods []string
	for i := range n.BlockedBy {
		if n.BlockedBy[i].Budget == b.Budget && n.BlockedBy[i].Reason == b.Reason {
			pods = append(pods, Clean(n.BlockedBy[i].Pod))
		}
	}
	w.names["pod"], w.names["budget"] = b.Pod, b.Budget
	object, message := b.Budget, fmt.Sprintf("healthy %d, needs %d", b.Healthy, b.Desired)
	if b.Budget != "" {
		w.link("budget "+b.Budget, b.Reason, message+"; it guards "+few(pods), b.Since)
	} else {
		object, message = b.Pod, ""
		if len(pods) > 1 {
			message = "one of " + count(len(pods), "pod")
		}
		w.link("pod "+b.Pod, b.Reason, message, b.Since)
	}
	w.names["namespace"], w.names["object"], _ = strings.Cut(object, "/")
	w.conclude(cause{b.Reason, message, c.until})
}

// waited says for how long; empty when it is not known.
func waited(since *metav1.Time, now time.Time) string {
	if since == nil {
		return ""
	}
	return "for " + Elapsed(now.Sub(since.Time))
}
