// SPDX-License-Identifier: Apache-2.0

package simulated

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

const (
	namespace, app = "shop", "web"
	workload       = namespace + "/" + app
)

// view is the played API's state at one instant.
type view struct {
	uid       string
	nodes     []*corev1.Node
	pods      map[string][]*corev1.Pod
	budgets   []*policyv1.PodDisruptionBudget
	evictions map[string]eviction
}

type eviction struct{ granted, refusedUntil time.Time }

// UID of the kube-system namespace: the same for the same key.
func (v *view) UID() string { return v.uid }

// Nodes in the order in which they came.
func (v *view) Nodes() []*corev1.Node { return v.nodes }

// PodsOn a node.
func (v *view) PodsOn(node string) []*corev1.Pod { return v.pods[node] }

// Budgets of the workload.
func (v *view) Budgets() []*policyv1.PodDisruptionBudget { return v.budgets }

// Eviction tells what became of an eviction.
func (v *view) Eviction(podUID string) (granted, refusedUntil time.Time) {
	e := v.evictions[podUID]
	return e.granted, e.refusedUntil
}

// look makes a view. c.mu is held.
func (c *Cluster) look() *view {
	sum := sha256.Sum256([]byte(c.key))
	v := &view{uid: hex.EncodeToString(sum[:16]), pods: map[string][]*corev1.Pod{}, evictions: map[string]eviction{}}
	for _, n := range c.Nodes {
		v.nodes = append(v.nodes, n.object())
	}
	grace := int64((c.podDelay() + time.Second - 1) / time.Second)
	for _, p := range c.Member.Pods {
		v.pods[p.Node] = append(v.pods[p.Node], p.object(grace))
		if !p.EvictedAt.IsZero() || !p.refusedUntil.IsZero() {
			v.evictions[p.uid()] = eviction{granted: p.EvictedAt, refusedUntil: p.refusedUntil}
		}
	}
	v.budgets = []*policyv1.PodDisruptionBudget{c.Member.budget()}
	return v
}

func (n *node) object() *corev1.Node {
	var taints []corev1.Taint
	if n.Outdated != "" {
		taints = []corev1.Taint{{Key: member.TaintOutdated, Value: n.Outdated, Effect: corev1.TaintEffectPreferNoSchedule}}
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: n.Name, UID: types.UID(n.Name), Annotations: n.Annotations,
			Labels: map[string]string{provider.NodePoolLabel: poolName, provider.NodeImageLabel: n.Image},
		},
		Spec: corev1.NodeSpec{Unschedulable: n.Cordoned, Taints: taints},
		Status: corev1.NodeStatus{
			NodeInfo:   corev1.NodeSystemInfo{KubeletVersion: "v" + n.Version},
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status(n.Ready), LastTransitionTime: metav1.NewTime(n.Since)}},
		},
	}
}

func (p *pod) uid() string { return p.Name + "-uid" }

func (p *pod) object(grace int64) *corev1.Pod {
	o := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: p.Name, UID: types.UID(p.uid()), Labels: map[string]string{"app": app},
			CreationTimestamp: metav1.NewTime(p.Created),
			OwnerReferences:   []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app, UID: app, Controller: new(true)}},
		},
		Spec: corev1.PodSpec{NodeName: p.Node, TerminationGracePeriodSeconds: &grace},
		Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: status(p.Ready)}},
		},
	}
	if p.Node == "" {
		o.Status.Phase = corev1.PodPending
	}
	if !p.EndsAt.IsZero() {
		o.DeletionTimestamp, o.DeletionGracePeriodSeconds = new(metav1.NewTime(p.EndsAt)), &grace
	}
	return o
}

func (m *played) budget() *policyv1.PodDisruptionBudget {
	healthy, desired := m.healthy(), m.desired()
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: app, UID: app, Generation: 1},
		Spec: policyv1.PodDisruptionBudgetSpec{
			MaxUnavailable: new(intstr.FromInt32(maxUnavailable)),
			Selector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
		},
		Status: policyv1.PodDisruptionBudgetStatus{
			ObservedGeneration: 1, CurrentHealthy: int32(healthy), DesiredHealthy: int32(desired),
			DisruptionsAllowed: int32(max(0, healthy-desired)), ExpectedPods: int32(m.Replicas),
		},
	}
}

func status(ok bool) corev1.ConditionStatus {
	if ok {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}
