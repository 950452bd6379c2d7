// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

func TestFromPod(t *testing.T) {
	owned := func(kind string, controller bool) []metav1.OwnerReference {
		return []metav1.OwnerReference{{Kind: kind, Name: "o", Controller: new(controller)}}
	}
	plain := Pod{Namespace: "shop", Name: "a", UID: "u", Node: "n", Labels: map[string]string{"app": "web"}, GracePeriod: 30 * time.Second}
	tests := map[string]struct {
		change func(*corev1.Pod)
		want   func(*Pod)
	}{
		"a bare pod with the default grace": {change: func(*corev1.Pod) {}, want: func(*Pod) {}},
		"its own grace": {
			change: func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = ptr.To[int64](0) },
			want:   func(p *Pod) { p.GracePeriod = 0 },
		},
		"Ready": {
			change: func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: "False"}, {Type: corev1.PodReady, Status: "True"}}
			},
			want: func(p *Pod) { p.Ready = true },
		},
		"not Ready": {
			change: func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: "Unknown"}, {Type: corev1.PodInitialized, Status: "True"}}
			},
			want: func(*Pod) {},
		},
		"pending":   {change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }, want: func(p *Pod) { p.Pending = true }},
		"succeeded": {change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }, want: func(p *Pod) { p.Finished = true }},
		"failed":    {change: func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }, want: func(p *Pod) { p.Finished = true }},
		"ending": {
			change: func(p *corev1.Pod) { p.DeletionTimestamp = new(metav1.NewTime(epoch)) },
			want:   func(p *Pod) { p.DeletionAt = epoch },
		},
		"of a DaemonSet": {
			change: func(p *corev1.Pod) { p.OwnerReferences = owned("DaemonSet", true) },
			want:   func(p *Pod) { p.DaemonSet, p.Owner = true, "DaemonSet/o" },
		},
		"owned by a DaemonSet that does not control it": {
			change: func(p *corev1.Pod) { p.OwnerReferences = owned("DaemonSet", false) }, want: func(*Pod) {},
		},
		"of a ReplicaSet": {
			change: func(p *corev1.Pod) { p.OwnerReferences = owned("ReplicaSet", true) },
			want:   func(p *Pod) { p.Owner = "ReplicaSet/o" },
		},
		"a file on the node": {
			change: func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} },
			want:   func(p *Pod) { p.Mirror = true },
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", UID: "u", Labels: map[string]string{"app": "web"}},
				Spec:       corev1.PodSpec{NodeName: "n"},
			}
			tc.change(pod)
			want := plain
			tc.want(&want)
			if diff := cmp.Diff(want, FromPod(pod)); diff != "" {
				t.Errorf("pod (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromBudget(t *testing.T) {
	plain := Budget{
		Namespace: "shop", Name: "web", DisruptionsAllowed: 1, Healthy: 3, Desired: 2, Expected: 4, Observed: true,
	}
	condition := func(status metav1.ConditionStatus, reason string) []metav1.Condition {
		return []metav1.Condition{{Type: policyv1.DisruptionAllowedCondition, Status: status, Reason: reason}}
	}
	tests := map[string]struct {
		change  func(*policyv1.PodDisruptionBudget)
		want    func(*Budget)
		wantErr bool
	}{
		"evaluated": {change: func(*policyv1.PodDisruptionBudget) {}, want: func(*Budget) {}},
		"edited since": {
			change: func(b *policyv1.PodDisruptionBudget) { b.Generation = 3 }, want: func(b *Budget) { b.Observed = false },
		},
		"could not be evaluated": {
			change: func(b *policyv1.PodDisruptionBudget) {
				b.Status.Conditions = condition("False", policyv1.SyncFailedReason)
			},
			want: func(b *Budget) { b.Observed = false },
		},
		"evaluated, and too few pods": {
			change: func(b *policyv1.PodDisruptionBudget) {
				b.Status.Conditions = condition("False", policyv1.InsufficientPodsReason)
			},
			want: func(*Budget) {},
		},
		"lets unhealthy pods go": {
			change: func(b *policyv1.PodDisruptionBudget) {
				b.Spec.UnhealthyPodEvictionPolicy = ptr.To(policyv1.AlwaysAllow)
			},
			want: func(b *Budget) { b.AlwaysAllowUnhealthy = true },
		},
		"lets unhealthy pods go only while enough are healthy": {
			change: func(b *policyv1.PodDisruptionBudget) {
				b.Spec.UnhealthyPodEvictionPolicy = ptr.To(policyv1.IfHealthyBudget)
			},
			want: func(*Budget) {},
		},
		"counts a granted eviction": {
			change: func(b *policyv1.PodDisruptionBudget) { b.Status.DisruptedPods = map[string]metav1.Time{"a": {}} },
			want:   func(b *Budget) { b.Disrupted = map[string]bool{"a": true} },
		},
		"a selector that cannot be used": {
			change: func(b *policyv1.PodDisruptionBudget) {
				b.Spec.Selector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}}
			},
			wantErr: true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			pdb := &policyv1.PodDisruptionBudget{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Generation: 2},
				Status: policyv1.PodDisruptionBudgetStatus{
					ObservedGeneration: 2, DisruptionsAllowed: 1, CurrentHealthy: 3, DesiredHealthy: 2, ExpectedPods: 4,
				},
			}
			tc.change(pdb)
			got, err := FromBudget(pdb)
			if (err != nil) != tc.wantErr {
				t.Fatalf("error %v, want one: %t", err, tc.wantErr)
			}
			if tc.wantErr {
				return
			}
			want := plain
			tc.want(&want)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Budget{}, "Selector")); diff != "" {
				t.Errorf("budget (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFromBudgetSelects(t *testing.T) {
	tests := map[string]struct {
		selector *metav1.LabelSelector
		want     bool
	}{
		"no selector selects nothing":           {selector: nil},
		"an empty selector selects all":         {selector: &metav1.LabelSelector{}, want: true},
		"a label that the pod has":              {selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, want: true},
		"two labels, of which it has but one":   {selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web", "tier": "front"}}},
		"a label with another value":            {selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}},
		"one of two values":                     {selector: expression("app", "In", "db", "web"), want: true},
		"one of one value":                      {selector: expression("app", "In", "web"), want: true},
		"none of the values":                    {selector: expression("app", "NotIn", "web")},
		"the label exists":                      {selector: expression("app", "Exists"), want: true},
		"a label that it does not have, absent": {selector: expression("tier", "DoesNotExist"), want: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := FromBudget(&policyv1.PodDisruptionBudget{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "x"}, Spec: policyv1.PodDisruptionBudgetSpec{Selector: tc.selector},
			})
			if err != nil {
				t.Fatal(err)
			}
			pod := aPod("web", "a", "n")
			if got := b.Selector.Matches(labels.Set(pod.Labels)); got != tc.want {
				t.Errorf("the selector matches: %t, want %t", got, tc.want)
			}
			if got, _ := index([]Budget{b}).of(&pod); (got != nil) != tc.want {
				t.Errorf("the index finds it: %t, want %t", got != nil, tc.want)
			}
		})
	}
}

func expression(key string, op metav1.LabelSelectorOperator, values ...string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: op, Values: values}}}
}

func TestLoads(t *testing.T) {
	pods := []Pod{
		aPod("web", "a", "n1", grace(time.Minute)), aPod("web", "b", "n1"), aPod("db", "c", "n1"),
		aPod("web", "d", "n1", func(p *Pod) { p.DaemonSet = true }), aPod("web", "e", "n1", func(p *Pod) { p.Finished = true }),
		aPod("web", "f", "n2", func(p *Pod) { p.Mirror = true }),
		aPod("web", "g", "elsewhere"),
	}
	want := []NodeLoad{
		{Node: "n2", Budgets: map[string]int{}},
		{Node: "n1", Pods: 4, Budgets: map[string]int{"shop/web": 2}, LongestGrace: 60},
	}
	budgets := []Budget{aBudget("web", units{1, 3, 2, 3})}
	if diff := cmp.Diff(want, Loads([]string{"n2", "n1"}, pods, budgets)); diff != "" {
		t.Errorf("loads (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[1], LoadOf("n1", pods, budgets)); diff != "" {
		t.Errorf("load of n1 (-want +got):\n%s", diff)
	}
}
