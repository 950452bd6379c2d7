// SPDX-License-Identifier: Apache-2.0

package simulated_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// drainable is a cluster of three nodes and six pods that take 10 s to start and to stop.
func drainable(t *testing.T) (play, member.Access) {
	t.Helper()
	p := begins(t, v1alpha1.SimulatedProvider{NodeStyle: "Sengu", NodeDuration: &metav1.Duration{Duration: 100 * time.Second}})
	return p, p.Provider.(member.Source).Member()
}

func view(t *testing.T, a member.Access) member.View {
	t.Helper()
	v, err := a.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// story is the pods on all nodes in one line: name, node, and what they are doing.
func story(v member.View) string {
	var lines []string
	for _, n := range append(nodeNames(v), "") {
		for _, p := range v.PodsOn(n) {
			state := "starting"
			switch {
			case p.DeletionTimestamp != nil:
				state = "ending"
			case p.Status.Phase == corev1.PodPending:
				state = "pending"
			case p.Status.Conditions[0].Status == corev1.ConditionTrue:
				state = "ready"
			}
			lines = append(lines, fmt.Sprintf("%s@%s:%s", p.Name, strings.TrimPrefix(n, "user-"), state))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}

func nodeNames(v member.View) []string {
	var names []string
	for _, n := range v.Nodes() {
		names = append(names, n.Name)
	}
	return names
}

func evict(t *testing.T, a member.Access, name string) error {
	t.Helper()
	return a.Evict(t.Context(), member.PodRef{Namespace: "shop", Name: name, UID: name + "-uid"})
}

func (p play) expect(a member.Access, when, want string) {
	p.Helper()
	if got := story(view(p.T, a)); got != want {
		p.Errorf("%s:\n got %s\nwant %s", when, got, want)
	}
}

func TestAnEvictedPodComesBackElsewhere(t *testing.T) {
	p, a := drainable(t)
	p.expect(a, "at first", "web-1@1:ready web-2@2:ready web-3@3:ready web-4@1:ready web-5@2:ready web-6@3:ready")
	if err := a.Cordon(t.Context(), "user-1", "me"); err != nil {
		t.Fatal(err)
	}
	before := view(t, a)
	if err := evict(t, a, "web-1"); err != nil {
		t.Fatal(err)
	}
	p.expect(a, "evicted", "web-1@1:ending web-2@2:ready web-3@3:ready web-4@1:ready web-5@2:ready web-6@3:ready web-7@2:starting")
	if got, want := p.lookAgain(), "10s"; got != want {
		t.Errorf("look again after %s, want %s", got, want)
	}
	if granted, _ := view(t, a).Eviction("web-1-uid"); !granted.Equal(begin) {
		t.Errorf("the eviction was granted at %s, want %s", granted, begin)
	}

	err := evict(t, a, "web-4")
	refused, ok := errors.AsType[*member.RefusedError](err)
	if !ok || !refused.Budget || refused.Pod.Name != "web-4" {
		t.Fatalf("the second eviction: %v, want a refusal by the budget", err)
	}
	if _, until := view(t, a).Eviction("web-4-uid"); !until.Equal(begin.Add(5 * time.Second)) {
		t.Errorf("refused until %s, want 5 s", until)
	}
	b := view(t, a).Budgets()[0].Status
	if got, want := []int32{b.CurrentHealthy, b.DesiredHealthy, b.DisruptionsAllowed, b.ExpectedPods}, []int32{5, 5, 0, 6}; !slices.Equal(got, want) {
		t.Errorf("healthy, needed, allowed to go and expected are %v by the budget, want %v", got, want)
	}

	p.after(10 * time.Second)
	p.expect(a, "after 10 s", "web-2@2:ready web-3@3:ready web-4@1:ready web-5@2:ready web-6@3:ready web-7@2:ready")
	if b := view(t, a).Budgets()[0].Status; b.DisruptionsAllowed != 1 {
		t.Errorf("the budget allows %d, want 1 again", b.DisruptionsAllowed)
	}
	if err := evict(t, a, "web-4"); err != nil {
		t.Errorf("the second eviction, later: %v", err)
	}
	if got := story(before); got != "web-1@1:ready web-2@2:ready web-3@3:ready web-4@1:ready web-5@2:ready web-6@3:ready" {
		t.Errorf("an old view has changed: %s", got)
	}
}

func TestEvictionsThatAreGrantedWithoutEffect(t *testing.T) {
	p, a := drainable(t)
	for name, ref := range map[string]member.PodRef{
		"gone":              {Namespace: "shop", Name: "web-99", UID: "web-99-uid"},
		"its successor":     {Namespace: "shop", Name: "web-1", UID: "older"},
		"another namespace": {Namespace: "other", Name: "web-1", UID: "web-1-uid"},
	} {
		if err := a.Evict(t.Context(), ref); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := evict(t, a, "web-1"); err != nil {
		t.Fatal(err)
	}
	if err := evict(t, a, "web-1"); err != nil {
		t.Errorf("an ending pod: %v", err)
	}
	if got := strings.Count(story(view(t, a)), "web-"); got != 7 {
		t.Errorf("%d pods, want 7: six and one ending", got)
	}
	p.after(time.Minute)
	if got := strings.Count(story(view(t, a)), "ready"); got != 6 {
		t.Errorf("%d pods ready, want 6", got)
	}
}

func TestAPodWithoutANodeWaitsForOne(t *testing.T) {
	p, a := drainable(t)
	for _, n := range []string{"user-1", "user-2", "user-3"} {
		if err := a.Cordon(t.Context(), n, "me"); err != nil {
			t.Fatal(err)
		}
	}
	if err := evict(t, a, "web-1"); err != nil {
		t.Fatal(err)
	}
	p.after(time.Minute)
	p.expect(a, "all cordoned", "web-2@2:ready web-3@3:ready web-4@1:ready web-5@2:ready web-6@3:ready web-7@:pending")
	if err := evict(t, a, "web-2"); err == nil {
		t.Error("the budget let a second pod go")
	}
	if err := a.Uncordon(t.Context(), "user-3", "me"); err != nil {
		t.Fatal(err)
	}
	p.after(time.Minute + 10*time.Second)
	p.expect(a, "one uncordoned", "web-2@2:ready web-3@3:ready web-4@1:ready web-5@2:ready web-6@3:ready web-7@3:ready")
}

func TestAReplacedNodeTakesItsPodsWithIt(t *testing.T) {
	p, a := drainable(t)
	op, err := p.Provider.(provider.NodeReplacer).ReplaceNode(t.Context(), provider.ReplaceNodeRequest{Key: "k", Pool: "user", Node: "user-1", Version: "1.36.1"})
	if err != nil {
		t.Fatal(err)
	}
	p.expect(a, "replacing", "web-2@2:ready web-3@3:ready web-5@2:ready web-6@3:ready web-7@2:starting web-8@3:starting")
	p.after(100 * time.Second)
	if got := nodeNames(view(t, a)); !slices.Equal(got, []string{"user-2", "user-3", "user-4"}) {
		t.Errorf("nodes %v, want user-4 in the place of user-1", got)
	}
	n := view(t, a).Nodes()[2]
	if n.Labels[provider.NodePoolLabel] != "user" || n.Labels[provider.NodeImageLabel] != "simulated-1.36.1-1" || n.Status.NodeInfo.KubeletVersion != "v1.36.1" {
		t.Errorf("the new node is %+v", n)
	}
	if c := n.Status.Conditions[0]; c.Status != corev1.ConditionTrue || !c.LastTransitionTime.Time.Equal(begin.Add(100*time.Second)) {
		t.Errorf("its Ready condition is %+v, want since the operation's end", c)
	}
	if now, _ := p.Operation(t.Context(), op.ID); now.Node != "user-4" {
		t.Errorf("the operation names %q, want user-4", now.Node)
	}
}

func TestMarksOfNodes(t *testing.T) {
	type act func(ctx context.Context, a member.Access) error
	cordon := func(owner string) act {
		return func(ctx context.Context, a member.Access) error { return a.Cordon(ctx, "user-1", owner) }
	}
	uncordon := func(owner string) act {
		return func(ctx context.Context, a member.Access) error { return a.Uncordon(ctx, "user-1", owner) }
	}
	quarantine := func(owner string) act {
		return func(ctx context.Context, a member.Access) error { return a.Quarantine(ctx, "user-1", owner, "stuck") }
	}
	by, before, held := v1alpha1.AnnotationCordonedBy, member.AnnotationCordonedBefore, v1alpha1.AnnotationQuarantined
	for name, tc := range map[string]struct {
		acts     []act
		cordoned bool
		marks    map[string]string
		wantCode string
	}{
		"cordon":                            {[]act{cordon("me")}, true, map[string]string{by: "me"}, ""},
		"cordon twice":                      {[]act{cordon("me"), cordon("me")}, true, map[string]string{by: "me"}, ""},
		"cordon and uncordon":               {[]act{cordon("me"), uncordon("me")}, false, nil, ""},
		"uncordon of another":               {[]act{cordon("me"), uncordon("you")}, true, map[string]string{by: "me"}, ""},
		"cordon of another's":               {[]act{cordon("me"), cordon("you")}, true, map[string]string{by: "me"}, member.CodeNodeHeld},
		"quarantine":                        {[]act{cordon("me"), quarantine("me")}, true, map[string]string{held: "stuck"}, ""},
		"quarantine of another's":           {[]act{cordon("me"), quarantine("you")}, true, map[string]string{by: "me"}, ""},
		"uncordon of what nobody cordoned":  {[]act{uncordon("me")}, false, nil, ""},
		"cordoned before, and again":        {[]act{cordon("me"), quarantine("me"), cordon("you")}, true, map[string]string{by: "you", before: "true", held: "stuck"}, ""},
		"cordoned before stays, uncordoned": {[]act{cordon("me"), quarantine("me"), cordon("you"), uncordon("you")}, true, map[string]string{held: "stuck"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, a := drainable(t)
			var err error
			for _, do := range tc.acts {
				err = do(t.Context(), a)
			}
			if provider.CodeOf(err) != tc.wantCode {
				t.Errorf("the last error is %v, want %q", err, tc.wantCode)
			}
			n := view(t, a).Nodes()[0]
			if n.Spec.Unschedulable != tc.cordoned {
				t.Errorf("unschedulable is %t, want %t", n.Spec.Unschedulable, tc.cordoned)
			}
			if fmt.Sprint(n.Annotations) != fmt.Sprint(tc.marks) {
				t.Errorf("marks %v, want %v", n.Annotations, tc.marks)
			}
		})
	}
}

func TestANodeThatIsGone(t *testing.T) {
	_, a := drainable(t)
	if err := a.Cordon(t.Context(), "gone", "me"); !errors.Is(err, provider.ErrRetry) || provider.CodeOf(err) != provider.CodeNodeNotFound {
		t.Errorf("Cordon: %v, want a retry with %s", err, provider.CodeNodeNotFound)
	}
	if err := a.Quarantine(t.Context(), "gone", "me", "why"); provider.CodeOf(err) != provider.CodeNodeNotFound {
		t.Errorf("Quarantine: %v, want %s", err, provider.CodeNodeNotFound)
	}
	if err := a.Uncordon(t.Context(), "gone", "me"); err != nil {
		t.Errorf("Uncordon: %v, want nothing to do", err)
	}
}

func TestTheMemberAnswersWhileTheProviderDoesNot(t *testing.T) {
	p, a := drainable(t)
	p.world.Cluster(key).SetUnreachable(true)
	if _, err := p.Describe(t.Context()); !errors.Is(err, provider.ErrRetry) {
		t.Errorf("Describe: %v, want a retry", err)
	}
	if got := len(view(t, a).Nodes()); got != 3 {
		t.Errorf("the member shows %d nodes, want 3", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.View(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("View with a canceled context: %v", err)
	}
}

// The budget holds whatever is asked, in whatever order.
func TestTheBudgetHoldsWhileEverythingIsEvictedAtOnce(t *testing.T) {
	p, a := drainable(t)
	moved := 0
	for second := range 300 {
		p.after(time.Duration(second) * time.Second)
		v := view(t, a)
		ready := 0
		for _, n := range nodeNames(v) {
			for _, pod := range v.PodsOn(n) {
				if pod.DeletionTimestamp == nil && pod.Status.Conditions[0].Status == corev1.ConditionTrue {
					ready++
				}
				if err := evict(t, a, pod.Name); err == nil && pod.DeletionTimestamp == nil {
					moved++
				}
			}
		}
		if ready < 5 {
			t.Fatalf("after %d s only %d pods are ready, want 5 at least", second, ready)
		}
	}
	// A pod is Ready again 10 s after an eviction; not Ready pods beside five healthy ones may go, too.
	if moved < 25 {
		t.Errorf("%d evictions in 300 s, want one in 10 s about", moved)
	}
}

func TestViewsOfTheSameStateAreTheSame(t *testing.T) {
	p, a := drainable(t)
	first := view(t, a)
	p.after(time.Hour)
	if view(t, a) != first {
		t.Error("an unchanged cluster was looked at twice")
	}
	if err := a.Cordon(t.Context(), "user-1", "me"); err != nil {
		t.Fatal(err)
	}
	if view(t, a) == first {
		t.Error("a changed cluster shows its old view")
	}
}
