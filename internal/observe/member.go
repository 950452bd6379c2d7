// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/drain"
	"sengu.dev/sengu/internal/decide/upgrade"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// poolLabels are the labels in which a node carries its pool's name, the most specific first.
var poolLabels = []string{provider.NodePoolLabel, "kubernetes.azure.com/agentpool", "agentpool"}

// imageLabels are the labels in which a node carries its image's name.
var imageLabels = []string{provider.NodeImageLabel, "kubernetes.azure.com/node-image-version"}

// memberState turns the member's view into what the upgrade decider looks at.
func memberState(v member.View, u *v1alpha1.ClusterUpgrade, d *provider.Description) *upgrade.Member {
	out := &upgrade.Member{}
	for _, b := range v.Budgets() {
		if budget, err := drain.FromBudget(b); err == nil {
			out.Budgets = append(out.Budgets, budget)
		}
	}
	record := recordOf(u)
	pools := poolsOf(d)
	var names []string
	var all []drain.Pod
	for _, n := range v.Nodes() {
		node := nodeState(n, u, pools)
		out.Nodes = append(out.Nodes, node)
		if node.Pool == "" {
			continue
		}
		pods := podStates(v, n.Name, record)
		names, all = append(names, n.Name), append(all, pods...)
		if node.CordonedByUs {
			out.Pods = append(out.Pods, pods...)
		}
	}
	out.Load = drain.Loads(names, all, out.Budgets)
	slices.SortFunc(out.Nodes, func(a, b upgrade.Node) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func podStates(v member.View, node string, r record) []drain.Pod {
	var pods []drain.Pod
	for _, p := range v.PodsOn(node) {
		pod := drain.FromPod(p)
		granted, refusedUntil := v.Eviction(pod.UID)
		pod.Evicting = !granted.IsZero() && pod.DeletionAt.IsZero()
		pod.RefusedUntil = refusedUntil
		pod.BlockedSince = r[pod.Namespace+"/"+pod.Name]
		pods = append(pods, pod)
	}
	return pods
}

func nodeState(n *corev1.Node, u *v1alpha1.ClusterUpgrade, pools map[string]string) upgrade.Node {
	out := upgrade.Node{
		Name:         n.Name,
		Pool:         cmp.Or(pools[n.Name], firstLabel(n, poolLabels)),
		Version:      strings.TrimPrefix(n.Status.NodeInfo.KubeletVersion, "v"),
		Image:        firstLabel(n, imageLabels),
		Cordoned:     n.Spec.Unschedulable,
		CordonedByUs: n.Annotations[v1alpha1.AnnotationCordonedBy] == string(u.UID),
	}
	_, out.Quarantined = n.Annotations[v1alpha1.AnnotationQuarantined]
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			out.Ready = c.Status == corev1.ConditionTrue
			out.ReadySince = c.LastTransitionTime.Time
		}
	}
	return out
}

// record is what earlier passes wrote down: since when a pod (namespace/name) is blocked.
type record map[string]time.Time

func recordOf(u *v1alpha1.ClusterUpgrade) record {
	r := record{}
	for _, pool := range u.Status.NodePools {
		for _, n := range pool.Draining {
			for _, b := range n.BlockedBy {
				if b.Since != nil {
					r[b.Pod] = b.Since.Time
				}
			}
		}
	}
	return r
}

func poolsOf(d *provider.Description) map[string]string {
	pools := map[string]string{}
	if d == nil {
		return pools
	}
	for _, p := range d.NodePools {
		for _, n := range p.Nodes {
			pools[n.Name] = p.Name
		}
	}
	return pools
}

func firstLabel(n *corev1.Node, keys []string) string {
	for _, k := range keys {
		if v := n.Labels[k]; v != "" {
			return v
		}
	}
	return ""
}
