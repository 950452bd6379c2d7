// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/upgrade"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/provider"
)

// observedAtEvery bounds how old observedAt may get before it is written although nothing else changed.
const observedAtEvery = 10 * time.Minute

// writeStatus puts what was seen into the status and returns after how long to look again.
func writeStatus(c *v1alpha1.Cluster, seen observe.Cluster, now time.Time) time.Duration {
	st := &c.Status
	st.ObservedGeneration = c.Generation
	if seen.Description != nil {
		describe(st, seen, now)
	}
	healthy := setHealthy(c, seen)
	setReachable(c, seen)
	busy := setBusy(c, seen)
	setReady(c, healthy)
	if seen.Problem != nil || seen.MemberProblem != nil || !healthy {
		return retryEvery
	}
	if busy && !seen.LookAgain.IsZero() {
		return min(max(seen.LookAgain.Sub(now), time.Second), lookEvery)
	}
	return lookEvery
}

func describe(st *v1alpha1.ClusterStatus, seen observe.Cluster, now time.Time) {
	d := seen.Description
	st.ControlPlane = v1alpha1.ControlPlaneStatus{Version: d.ControlPlaneVersion, State: cmp.Or(d.StateText, string(d.State))}
	st.Region, st.SupportEnds = d.Region, instant(d.SupportEnds)
	if st.ObservedAt == nil || now.Sub(st.ObservedAt.Time) >= observedAtEvery {
		st.ObservedAt = instant(now)
	}
	st.NodePools, st.Nodes = nil, 0
	ready := readyNodes(seen)
	for _, p := range d.NodePools {
		pool := v1alpha1.NodePoolStatus{Name: p.Name, Mode: v1alpha1.PoolMode(p.Mode), Version: oldest(p), Image: p.Image, Nodes: int32(len(p.Nodes))}
		for _, n := range p.Nodes {
			if ready(n) {
				pool.Ready++
			}
		}
		st.Nodes += pool.Nodes
		st.NodePools = append(st.NodePools, pool)
	}
	slices.SortFunc(st.NodePools, func(a, b v1alpha1.NodePoolStatus) int { return cmp.Compare(a.Name, b.Name) })
	if seen.Offers != nil {
		st.Offers = offers(seen.Offers)
	}
	if st.UID == "" && seen.View != nil {
		st.UID = seen.View.UID()
	}
}

func offers(o *provider.Offers) v1alpha1.ClusterOffers {
	out := v1alpha1.ClusterOffers{Images: o.Images}
	for _, v := range o.Kubernetes {
		// Previews carry a suffix, so that a target that names only a minor passes them over.
		out.Kubernetes = append(out.Kubernetes, v.Version)
	}
	return out
}

// readyNodes trusts the member's own word on a node where it answers, else the provider's.
func readyNodes(seen observe.Cluster) func(provider.Node) bool {
	if seen.View == nil {
		return func(n provider.Node) bool { return n.Ready }
	}
	ready := map[string]bool{}
	for _, n := range seen.View.Nodes() {
		ready[n.Name] = nodeReady(n)
	}
	return func(n provider.Node) bool { return ready[n.Name] }
}

func nodeReady(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// oldest version that a node of the pool runs; of an empty pool the version that its next node gets.
func oldest(p provider.NodePool) string {
	version := ""
	for _, n := range p.Nodes {
		if version == "" || older(n.Version, version) {
			version = n.Version
		}
	}
	return cmp.Or(version, p.Version)
}

func setReachable(c *v1alpha1.Cluster, seen observe.Cluster) {
	switch {
	case seen.Problem != nil:
		reason, message := problem(seen.Problem, v1alpha1.ReasonProviderUnreachable, v1alpha1.ReasonProviderRejected)
		set(c, v1alpha1.ConditionReachable, metav1.ConditionFalse, reason, message)
	case seen.MemberProblem != nil:
		reason, message := problem(seen.MemberProblem, v1alpha1.ReasonMemberUnreachable, v1alpha1.ReasonMemberUnreachable)
		set(c, v1alpha1.ConditionReachable, metav1.ConditionFalse, reason, message)
	case seen.HasMember:
		set(c, v1alpha1.ConditionReachable, metav1.ConditionTrue, v1alpha1.ReasonAvailable, "the provider and the cluster's API answer")
	default:
		set(c, v1alpha1.ConditionReachable, metav1.ConditionTrue, v1alpha1.ReasonAvailable, "the provider answers")
	}
}

// problem gives the reason of a problem: its own code where that is one of Sengu's, else by its kind.
func problem(p *upgrade.Problem, retry, rejected string) (reason, message string) {
	switch p.Code {
	case v1alpha1.ReasonSecretMissing, v1alpha1.ReasonProviderUnknown, v1alpha1.ReasonWrongCluster, v1alpha1.ReasonMemberUnreachable:
		return p.Code, p.Message
	case provider.CodeClusterNotFound:
		return v1alpha1.ReasonClusterMissing, p.Message
	}
	if p.Kind == upgrade.ProblemRejected {
		return rejected, p.Message
	}
	return retry, p.Message
}

func setHealthy(c *v1alpha1.Cluster, seen observe.Cluster) bool {
	d := seen.Description
	switch {
	case d == nil || seen.MemberProblem != nil:
		set(c, v1alpha1.ConditionHealthy, metav1.ConditionUnknown, v1alpha1.ReasonMemberUnreachable, "the cluster's health cannot be seen now")
		return false
	case d.State != provider.ControlPlaneRunning:
		set(c, v1alpha1.ConditionHealthy, metav1.ConditionFalse, v1alpha1.ReasonControlPlaneNotRunning,
			fmt.Sprintf("the control plane is %s", cmp.Or(d.StateText, string(d.State))))
		return false
	}
	if missing := notReady(seen); len(missing) > 0 {
		set(c, v1alpha1.ConditionHealthy, metav1.ConditionFalse, v1alpha1.ReasonNodesNotReady, "not Ready: "+few(missing, 5))
		return false
	}
	set(c, v1alpha1.ConditionHealthy, metav1.ConditionTrue, v1alpha1.ReasonAllNodesReady, "the control plane runs and every node is Ready")
	return true
}

func notReady(seen observe.Cluster) []string {
	ready := readyNodes(seen)
	var names []string
	for _, p := range seen.Description.NodePools {
		for _, n := range p.Nodes {
			if !ready(n) {
				names = append(names, n.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func setBusy(c *v1alpha1.Cluster, seen observe.Cluster) bool {
	switch {
	case c.Status.ActiveRun != "":
		set(c, v1alpha1.ConditionBusy, metav1.ConditionTrue, v1alpha1.ReasonUpgrading, "run "+c.Status.ActiveRun+" works on it")
		return true
	case seen.Description != nil && seen.Description.BusyWith != "":
		set(c, v1alpha1.ConditionBusy, metav1.ConditionTrue, v1alpha1.ReasonOperationRunning, "the provider is busy with operation "+seen.Description.BusyWith)
		return true
	}
	set(c, v1alpha1.ConditionBusy, metav1.ConditionFalse, v1alpha1.ReasonIdle, "nothing is under way")
	return false
}

// setReady sums up: a cluster is ready to be upgraded when it is reachable and healthy.
func setReady(c *v1alpha1.Cluster, healthy bool) {
	reachable := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReachable)
	if reachable.Status != metav1.ConditionTrue {
		set(c, v1alpha1.ConditionReady, metav1.ConditionFalse, reachable.Reason, reachable.Message)
		return
	}
	if !healthy {
		h := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionHealthy)
		set(c, v1alpha1.ConditionReady, metav1.ConditionFalse, h.Reason, h.Message)
		return
	}
	set(c, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAvailable, "it can be upgraded")
}

func set(c *v1alpha1.Cluster, kind string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: c.Generation,
	})
}

func changed(before, after *v1alpha1.Cluster) bool {
	return !equality.Semantic.DeepEqual(before.Status, after.Status)
}

func instant(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	m := metav1.NewTime(t)
	return &m
}

func few(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// older compares versions; one that cannot be read counts as not older.
func older(a, b string) bool {
	va, err := version.ParseGeneric(a)
	if err != nil {
		return false
	}
	vb, err := version.ParseGeneric(b)
	return err == nil && va.LessThan(vb)
}
