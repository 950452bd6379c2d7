// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"sengu.dev/sengu/api/v1alpha1"
)

// at is an instant some time after the drain began.
func at(d time.Duration) time.Time { return epoch.Add(d) }

// aPod is a Ready pod of the workload on the node.
func aPod(app, name, node string, change ...func(*Pod)) Pod {
	p := Pod{
		Namespace: "shop", Name: name, UID: "uid-" + name, Node: node, Labels: map[string]string{"app": app},
		Owner: "ReplicaSet/" + app, Ready: true, GracePeriod: 30 * time.Second,
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

// units are what a budget allows now, and its healthy, needed and expected pods.
type units struct{ allowed, healthy, desired, expected int }

// aBudget guards the workload of its name.
func aBudget(app string, u units, change ...func(*Budget)) Budget {
	b := Budget{
		Namespace: "shop", Name: app, Selector: labels.SelectorFromSet(labels.Set{"app": app}), Observed: true,
		DisruptionsAllowed: u.allowed, Healthy: u.healthy, Desired: u.desired, Expected: u.expected,
	}
	for _, c := range change {
		c(&b)
	}
	return b
}

func notReady(p *Pod)               { p.Ready = false }
func evicting(p *Pod)               { p.Evicting = true }
func endsAt(t time.Time) func(*Pod) { return func(p *Pod) { p.DeletionAt = t } }
func grace(d time.Duration) func(*Pod) {
	return func(p *Pod) { p.GracePeriod = d }
}

func evicted(d Decision) []string {
	var out []string
	for _, e := range d.Evict {
		out = append(out, e.Name)
	}
	return out
}

// TestOnePod tells for one pod on one node what the eviction subresource would say, and what else may be true of it.
func TestOnePod(t *testing.T) {
	now := at(time.Minute)
	everything := func(b *Budget) { b.Selector = labels.Everything() }
	tests := map[string]struct {
		pod       Pod
		budgets   []Budget
		nodeDead  bool
		want      string // reason of the eviction
		wantBlock Blocker
		wantEnd   time.Time // it is ending until then
		wantStay  bool      // the node is drained as it is
	}{
		"no budget guards it":         {pod: aPod("web", "a", "n"), want: "no budget guards it"},
		"its budget has room":         {pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("web", units{1, 3, 2, 3})}, want: "budget shop/web has 3 healthy pods and needs 2"},
		"a budget of other pods":      {pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("db", units{0, 3, 3, 3})}, want: "no budget guards it"},
		"a budget of other namespace": {pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("web", units{0, 3, 3, 3}, func(b *Budget) { b.Namespace = "bar" })}, want: "no budget guards it"},
		"a budget without a selector": {pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("web", units{0, 3, 3, 3}, func(b *Budget) { b.Selector = nil })}, want: "no budget guards it"},
		"a budget that selects nothing": {
			pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("web", units{0, 3, 3, 3}, func(b *Budget) { b.Selector = labels.Nothing() })},
			want: "no budget guards it",
		},
		"its budget is exhausted": {
			pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("web", units{0, 2, 2, 3})},
			wantBlock: Blocker{Budget: "shop/web", Healthy: 2, Desired: 2, Reason: v1alpha1.ReasonBudgetExhausted, Since: now},
		},
		"an empty selector is all pods of the namespace": {
			pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("all", units{0, 2, 2, 3}, everything)},
			wantBlock: Blocker{Budget: "shop/all", Healthy: 2, Desired: 2, Reason: v1alpha1.ReasonBudgetExhausted, Since: now},
		},
		"blocked since an earlier pass": {
			pod:       aPod("web", "a", "n", func(p *Pod) { p.BlockedSince = at(10 * time.Second) }),
			budgets:   []Budget{aBudget("web", units{0, 2, 2, 3})},
			wantBlock: Blocker{Budget: "shop/web", Healthy: 2, Desired: 2, Reason: v1alpha1.ReasonBudgetExhausted, Since: at(10 * time.Second)},
		},
		"its budget wants all pods at all times": {
			pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("web", units{0, 3, 3, 3})},
			wantBlock: Blocker{Budget: "shop/web", Healthy: 3, Desired: 3, Reason: v1alpha1.ReasonBudgetNeverAllows, Since: now},
		},
		"such a budget has room while a rollout has more pods than it needs": {
			pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("web", units{1, 4, 3, 3})},
			want: "budget shop/web has 4 healthy pods and needs 3",
		},
		"its budget was edited and not evaluated yet": {
			pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("web", units{1, 3, 2, 3}, func(b *Budget) { b.Observed = false })},
			wantBlock: Blocker{Budget: "shop/web", Healthy: 3, Desired: 2, Reason: v1alpha1.ReasonBudgetNotObserved, Since: now},
		},
		"two budgets, even with room": {
			pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("web", units{2, 3, 1, 3}), aBudget("all", units{2, 3, 1, 3}, everything)},
			wantBlock: Blocker{Budget: "shop/all", Healthy: 3, Desired: 1, Reason: v1alpha1.ReasonSeveralBudgets, Since: now},
		},
		"two budgets and not Ready": {
			pod: aPod("web", "a", "n", notReady), budgets: []Budget{aBudget("web", units{2, 3, 1, 3}), aBudget("all", units{2, 3, 1, 3}, everything)},
			wantBlock: Blocker{Budget: "shop/all", Healthy: 3, Desired: 1, Reason: v1alpha1.ReasonSeveralBudgets, Since: now},
		},
		"two budgets, but finished": {
			pod:     aPod("web", "a", "n", func(p *Pod) { p.Finished = true }),
			budgets: []Budget{aBudget("web", units{0, 3, 1, 3}), aBudget("all", units{0, 3, 1, 3}, everything)}, want: "it has finished",
		},
		"not started, under an exhausted budget": {
			pod:     aPod("web", "a", "n", notReady, func(p *Pod) { p.Pending = true }),
			budgets: []Budget{aBudget("web", units{0, 2, 2, 3})}, want: "it has not started",
		},
		"not Ready while the budget has all it needs": {
			pod: aPod("web", "a", "n", notReady), budgets: []Budget{aBudget("web", units{0, 2, 2, 3})},
			want: "it is not Ready, and budget shop/web has its 2 healthy pods without it",
		},
		"not Ready, enough are, and the budget was not evaluated yet": {
			pod: aPod("web", "a", "n", notReady), budgets: []Budget{aBudget("web", units{0, 2, 2, 3}, func(b *Budget) { b.Observed = false })},
			want: "it is not Ready, and budget shop/web has its 2 healthy pods without it",
		},
		"not Ready while too few are": {
			pod: aPod("web", "a", "n", notReady), budgets: []Budget{aBudget("web", units{0, 1, 2, 3})},
			wantBlock: Blocker{Budget: "shop/web", Healthy: 1, Desired: 2, Reason: v1alpha1.ReasonBudgetExhausted, Since: now},
		},
		"not Ready and the budget wants none healthy": {
			pod: aPod("web", "a", "n", notReady), budgets: []Budget{aBudget("web", units{0, 0, 0, 3})},
			wantBlock: Blocker{Budget: "shop/web", Reason: v1alpha1.ReasonBudgetExhausted, Since: now},
		},
		"not Ready, too few are, but the budget always lets such pods go": {
			pod:     aPod("web", "a", "n", notReady),
			budgets: []Budget{aBudget("web", units{0, 1, 2, 3}, func(b *Budget) { b.AlwaysAllowUnhealthy = true })},
			want:    "it is not Ready, and budget shop/web always lets such pods go",
		},
		"Ready: that the budget lets unhealthy pods go does not help": {
			pod:       aPod("web", "a", "n"),
			budgets:   []Budget{aBudget("web", units{0, 1, 2, 3}, func(b *Budget) { b.AlwaysAllowUnhealthy = true })},
			wantBlock: Blocker{Budget: "shop/web", Healthy: 1, Desired: 2, Reason: v1alpha1.ReasonBudgetExhausted, Since: now},
		},
		"a negative number allows nothing": {
			pod: aPod("web", "a", "n"), budgets: []Budget{aBudget("web", units{-1, 1, 2, 3})},
			wantBlock: Blocker{Budget: "shop/web", Healthy: 1, Desired: 2, Reason: v1alpha1.ReasonBudgetExhausted, Since: now},
		},
		"refused a moment ago for another reason": {
			pod:       aPod("web", "a", "n", func(p *Pod) { p.RefusedUntil = at(time.Minute + 5*time.Second) }),
			wantBlock: Blocker{Reason: v1alpha1.ReasonEvictionRefused, Since: now, Until: at(time.Minute + 5*time.Second)},
		},
		"refused, and now it may be asked again": {
			pod: aPod("web", "a", "n", func(p *Pod) { p.RefusedUntil = now }), want: "no budget guards it",
		},
		"its eviction was granted and the watch has not shown it": {pod: aPod("web", "a", "n", evicting), wantEnd: time.Time{}},
		"it is ending within its grace period":                    {pod: aPod("web", "a", "n", endsAt(at(80*time.Second))), wantEnd: at(80 * time.Second)},
		"its grace is over for 30 s: unmounting takes time":       {pod: aPod("web", "a", "n", endsAt(at(30*time.Second))), wantEnd: at(30 * time.Second)},
		"its grace is over for longer": {
			pod:       aPod("web", "a", "n", endsAt(at(30*time.Second-1))),
			wantBlock: Blocker{Reason: v1alpha1.ReasonStuckTerminating, Since: now},
		},
		"on a dead node within its grace":           {pod: aPod("web", "a", "n", endsAt(now.Add(1))), nodeDead: true, wantEnd: now.Add(1)},
		"on a dead node after its grace":            {pod: aPod("web", "a", "n", endsAt(now)), nodeDead: true, wantStay: true},
		"on a dead node and not asked to end":       {pod: aPod("web", "a", "n"), nodeDead: true, want: "no budget guards it"},
		"a pod of a DaemonSet":                      {pod: aPod("web", "a", "n", func(p *Pod) { p.DaemonSet = true }), wantStay: true},
		"a file on the node":                        {pod: aPod("web", "a", "n", func(p *Pod) { p.Mirror = true }), wantStay: true},
		"a pod of a node that is not being drained": {pod: aPod("web", "a", "other"), wantStay: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d := Decide(Snapshot{
				Nodes: []Node{{Name: "n", Since: epoch, Ready: !tc.nodeDead}}, Pods: []Pod{tc.pod}, Budgets: tc.budgets,
			}, now)
			state := d.Nodes[0]
			if state.Drained != tc.wantStay || (state.PodsLeft == 0) != tc.wantStay {
				t.Errorf("drained %t with %d pods left, want drained %t", state.Drained, state.PodsLeft, tc.wantStay)
			}
			var want []Eviction
			if tc.want != "" {
				want = []Eviction{{Namespace: "shop", Name: "a", UID: "uid-a", Node: "n", Reason: tc.want}}
			}
			if diff := cmp.Diff(want, d.Evict); diff != "" {
				t.Errorf("evictions (-want +got):\n%s", diff)
			}
			var wantBlockers []Blocker
			if tc.wantBlock.Reason != "" {
				tc.wantBlock.Pod = "shop/a"
				wantBlockers = []Blocker{tc.wantBlock}
			}
			if diff := cmp.Diff(wantBlockers, state.Blockers); diff != "" {
				t.Errorf("blockers (-want +got):\n%s", diff)
			}
			ending := tc.want == "" && wantBlockers == nil && !tc.wantStay
			if ending != (len(state.Ending) == 1) {
				t.Fatalf("ending: %v, want one: %t", state.Ending, ending)
			}
			if ending && !state.Ending[0].Until.Equal(tc.wantEnd) {
				t.Errorf("ending until %s, want %s", state.Ending[0].Until, tc.wantEnd)
			}
		})
	}
}

func TestScarceUnitsAreShared(t *testing.T) {
	tests := map[string]struct {
		nodes   []Node
		pods    []Pod
		budgets []Budget
		want    []string
	}{
		"as many as the budget allows, the longest grace first": {
			nodes:   []Node{{Name: "n", Ready: true}},
			pods:    []Pod{aPod("web", "a", "n"), aPod("web", "b", "n", grace(time.Hour)), aPod("web", "c", "n")},
			budgets: []Budget{aBudget("web", units{2, 5, 3, 5})},
			want:    []string{"b", "a"},
		},
		"a granted eviction that the budget does not show yet takes its unit": {
			nodes:   []Node{{Name: "n", Ready: true}},
			pods:    []Pod{aPod("web", "a", "n", evicting), aPod("web", "b", "n"), aPod("web", "c", "n")},
			budgets: []Budget{aBudget("web", units{2, 5, 3, 5})},
			want:    []string{"b"},
		},
		"a granted eviction that the budget shows takes nothing more": {
			nodes:   []Node{{Name: "n", Ready: true}},
			pods:    []Pod{aPod("web", "a", "n", evicting), aPod("web", "b", "n"), aPod("web", "c", "n")},
			budgets: []Budget{aBudget("web", units{2, 5, 3, 5}, func(b *Budget) { b.Disrupted = map[string]bool{"a": true} })},
			want:    []string{"b", "c"},
		},
		"a granted eviction of a pod that needed no unit takes none": {
			nodes:   []Node{{Name: "n", Ready: true}},
			pods:    []Pod{aPod("web", "a", "n", evicting, notReady), aPod("web", "b", "n")},
			budgets: []Budget{aBudget("web", units{1, 4, 3, 5})},
			want:    []string{"b"},
		},
		"pods that need no unit leave them to the others": {
			nodes:   []Node{{Name: "n", Ready: true}},
			pods:    []Pod{aPod("web", "a", "n", notReady), aPod("web", "b", "n"), aPod("web", "c", "n", notReady)},
			budgets: []Budget{aBudget("web", units{1, 3, 2, 5})},
			want:    []string{"a", "b", "c"},
		},
		"the oldest drain first": {
			nodes: []Node{
				{Name: "a", Since: at(time.Second), Ready: true}, {Name: "b", Since: epoch, Ready: true},
			},
			pods:    []Pod{aPod("web", "a1", "a"), aPod("web", "b1", "b"), aPod("web", "b2", "b")},
			budgets: []Budget{aBudget("web", units{1, 3, 2, 3})},
			want:    []string{"b1"},
		},
		"of those that began together, the one with the fewest left": {
			nodes:   []Node{{Name: "a", Ready: true}, {Name: "b", Ready: true}},
			pods:    []Pod{aPod("web", "a1", "a"), aPod("web", "a2", "a"), aPod("web", "b1", "b")},
			budgets: []Budget{aBudget("web", units{2, 4, 2, 4})},
			want:    []string{"b1", "a1"},
		},
		"a blocked budget does not hold what others allow": {
			nodes:   []Node{{Name: "a", Ready: true}, {Name: "b", Ready: true}},
			pods:    []Pod{aPod("db", "a1", "a"), aPod("web", "a2", "a"), aPod("web", "b1", "b")},
			budgets: []Budget{aBudget("web", units{2, 4, 2, 4}), aBudget("db", units{0, 3, 3, 3})},
			want:    []string{"b1", "a2"},
		},
		"a refused pod does not hold the unit": {
			nodes:   []Node{{Name: "n", Ready: true}},
			pods:    []Pod{aPod("web", "a", "n", func(p *Pod) { p.RefusedUntil = at(time.Hour) }), aPod("web", "b", "n")},
			budgets: []Budget{aBudget("web", units{1, 4, 3, 4})},
			want:    []string{"b"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d := Decide(Snapshot{Nodes: tc.nodes, Pods: tc.pods, Budgets: tc.budgets}, at(time.Minute))
			if diff := cmp.Diff(tc.want, evicted(d)); diff != "" {
				t.Errorf("evictions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTimeIsOver: a node whose time is over keeps what it has, says what was in its way, and takes nothing from others.
func TestTimeIsOver(t *testing.T) {
	s := Snapshot{
		Timeout: 10 * time.Minute,
		Nodes: []Node{
			{Name: "late", Since: epoch, Ready: true}, {Name: "new", Since: at(5 * time.Minute), Ready: true}, {Name: "empty", Since: epoch, Ready: true},
		},
		Pods:    []Pod{aPod("web", "a", "late"), aPod("web", "b", "new"), aPod("db", "c", "late")},
		Budgets: []Budget{aBudget("web", units{1, 3, 2, 3}), aBudget("db", units{0, 1, 1, 2})},
	}
	before := Decide(s, at(10*time.Minute-1))
	if diff := cmp.Diff([]string{"a"}, evicted(before)); diff != "" {
		t.Errorf("before the end (-want +got):\n%s", diff)
	}
	if !before.NextLook.Equal(at(10 * time.Minute)) {
		t.Errorf("next look %s, want the end of the time of late", before.NextLook)
	}
	after := Decide(s, at(10*time.Minute))
	if diff := cmp.Diff([]string{"b"}, evicted(after)); diff != "" {
		t.Errorf("after the end (-want +got):\n%s", diff)
	}
	want := []NodeState{
		{Name: "late", TimedOut: true, PodsLeft: 2, Blockers: []Blocker{
			{Pod: "shop/a", Budget: "shop/web", Healthy: 3, Desired: 2, Reason: v1alpha1.ReasonBudgetExhausted, Since: at(10 * time.Minute)},
			{Pod: "shop/c", Budget: "shop/db", Healthy: 1, Desired: 1, Reason: v1alpha1.ReasonBudgetExhausted, Since: at(10 * time.Minute)},
		}},
		{Name: "new", PodsLeft: 1},
		{Name: "empty", Drained: true},
	}
	if diff := cmp.Diff(want, after.Nodes); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	if !after.NextLook.Equal(at(15 * time.Minute)) {
		t.Errorf("next look %s, want the end of the time of new", after.NextLook)
	}
}

func TestNextLook(t *testing.T) {
	now := at(time.Minute)
	tests := map[string]struct {
		pods     []Pod
		nodeDead bool
		timeout  time.Duration
		want     time.Time
	}{
		"nothing will change by itself":               {pods: []Pod{aPod("web", "a", "n")}},
		"the timeout":                                 {pods: []Pod{aPod("web", "a", "n")}, timeout: time.Hour, want: at(time.Hour)},
		"no timeout for a drained node":               {timeout: time.Hour},
		"a refusal ends before the timeout":           {pods: []Pod{aPod("web", "a", "n", func(p *Pod) { p.RefusedUntil = at(2 * time.Minute) })}, timeout: time.Hour, want: at(2 * time.Minute)},
		"a pod is overdue 30 s after its grace":       {pods: []Pod{aPod("web", "a", "n", endsAt(at(70*time.Second)))}, want: at(100*time.Second + 1)},
		"a pod of a dead node is gone with its grace": {pods: []Pod{aPod("web", "a", "n", endsAt(at(70*time.Second)))}, nodeDead: true, want: at(70 * time.Second)},
		"a stuck pod ends at no known time":           {pods: []Pod{aPod("web", "a", "n", endsAt(epoch))}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := Snapshot{Nodes: []Node{{Name: "n", Since: epoch, Ready: !tc.nodeDead}}, Pods: tc.pods, Timeout: tc.timeout}
			d := Decide(s, now)
			if !d.NextLook.Equal(tc.want) {
				t.Fatalf("next look %s, want %s", d.NextLook, tc.want)
			}
			if !tc.want.IsZero() && len(tc.pods) > 0 {
				// What it waits for must have come at that instant, or the caller would look for ever.
				if again := Decide(s, d.NextLook); again.NextLook.Equal(d.NextLook) || cmp.Equal(d, again) {
					t.Errorf("at %s nothing is new: %+v", d.NextLook, again)
				}
			}
		})
	}
}

// TestTheLongestWaitComesFirst: people read the first blocker.
func TestTheLongestWaitComesFirst(t *testing.T) {
	since := func(d time.Duration) func(*Pod) { return func(p *Pod) { p.BlockedSince = at(d) } }
	d := Decide(Snapshot{
		Nodes: []Node{{Name: "n", Ready: true}},
		Pods: []Pod{
			aPod("web", "a", "n"), aPod("web", "b", "n", since(2*time.Second)), aPod("web", "c", "n", since(time.Second)),
			aPod("x", "d", "n", endsAt(at(70*time.Second))), aPod("x", "e", "n", endsAt(at(80*time.Second))),
		},
		Budgets: []Budget{aBudget("web", units{0, 2, 2, 3})},
	}, at(time.Minute))
	var blockers, ending []string
	for _, b := range d.Nodes[0].Blockers {
		blockers = append(blockers, b.Pod)
	}
	for _, b := range d.Nodes[0].Ending {
		ending = append(ending, b.Pod)
	}
	if diff := cmp.Diff([]string{"shop/c", "shop/b", "shop/a"}, blockers); diff != "" {
		t.Errorf("blockers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"shop/e", "shop/d"}, ending); diff != "" {
		t.Errorf("ending (-want +got):\n%s", diff)
	}
}

// BenchmarkDecide shows how Decide grows: 30 pods a node and 3 budgets for every 5 nodes.
func BenchmarkDecide(b *testing.B) {
	for _, nodes := range []int{5, 50, 500, 5000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			s := manyNodes(nodes)
			b.ReportAllocs()
			for b.Loop() {
				Decide(s, at(time.Minute))
			}
		})
	}
}

// BenchmarkOrder puts as many candidates in order.
func BenchmarkOrder(b *testing.B) {
	for _, nodes := range []int{50, 500, 5000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			s := manyNodes(nodes)
			var names []string
			for _, n := range s.Nodes {
				names = append(names, n.Name)
			}
			loads := Loads(names, s.Pods, s.Budgets)
			b.ReportAllocs()
			for b.Loop() {
				Order(loads, s.Budgets)
			}
		})
	}
}

func manyNodes(nodes int) Snapshot {
	s := Snapshot{Timeout: time.Hour}
	budgets := max(1, nodes*3/5)
	for i := range budgets {
		app := fmt.Sprintf("app-%04d", i)
		b := aBudget(app, units{i % 4, 47 + i%4, 47, 50})
		b.Namespace = fmt.Sprintf("team-%02d", i%20)
		s.Budgets = append(s.Budgets, b)
	}
	for i := range nodes {
		node := fmt.Sprintf("node-%04d", i)
		s.Nodes = append(s.Nodes, Node{Name: node, Since: epoch, Ready: true})
		for j := range 30 {
			b := (i*7 + j*11) % budgets
			p := aPod(fmt.Sprintf("app-%04d", b), fmt.Sprintf("pod-%04d-%02d", i, j), node)
			p.Namespace = fmt.Sprintf("team-%02d", b%20)
			s.Pods = append(s.Pods, p)
		}
	}
	return s
}
