// SPDX-License-Identifier: Apache-2.0

package act_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/act"
	"sengu.dev/sengu/internal/decide/drain"
	"sengu.dev/sengu/internal/decide/upgrade"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/internal/providers/simulated"
	"sengu.dev/sengu/provider"
)

// lab is one simulated cluster of three nodes with two pods on each.
type lab struct {
	act.Target
	clock *clocktesting.FakeClock
	world *simulated.World
}

func newLab(style string) *lab {
	l := &lab{clock: clocktesting.NewFakeClock(time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC))}
	l.world = simulated.NewWorld(simulated.Config{Clock: l.clock})
	l.Target = act.Target{Provider: l.world.Open("c", v1alpha1.SimulatedProvider{Version: "1.36.1", NodeStyle: style}), Owner: "me"}
	if played, ok := l.Provider.(member.Source); ok {
		l.Member = played.Member()
	}
	return l
}

// kinds of the operations that the provider has, in their order.
func (l *lab) kinds() []string {
	var out []string
	for _, op := range l.world.Cluster("c").Operations() {
		out = append(out, op.Kind)
	}
	return out
}

func evict(pod, node string) upgrade.Action {
	return upgrade.Action{Kind: upgrade.ActionEvict, Node: node, Pod: drain.Eviction{Namespace: "shop", Name: pod, UID: pod + "-uid", Node: node}}
}

// TestEachChangeOfAClusterTwice: an operation is one however often it is asked for, and so is a cordon.
func TestEachChangeOfAClusterTwice(t *testing.T) {
	tests := map[string]struct {
		style       string
		first       []upgrade.Action // once, before
		action      upgrade.Action
		wantKinds   []string
		wantCordons map[string]string // node to owner
		wantEvicted int32             // by both
	}{
		"upgrade the control plane": {
			action:    upgrade.Action{Kind: upgrade.ActionUpgradeControlPlane, RequestKey: "u/1", Version: "1.37.1"},
			wantKinds: []string{"ControlPlane"},
		},
		"upgrade a pool": {
			action:    upgrade.Action{Kind: upgrade.ActionUpgradeNodePool, RequestKey: "u/1", Pool: "user", Version: "1.36.1", MaxSurge: 1},
			wantKinds: []string{"NodePool"},
		},
		"add a node": {
			style: "Sengu", action: upgrade.Action{Kind: upgrade.ActionAddNode, RequestKey: "u/1", Pool: "user", Version: "1.36.1"},
			wantKinds: []string{"AddNode"},
		},
		"replace a node": {
			style: "Sengu", action: upgrade.Action{Kind: upgrade.ActionReplaceNode, RequestKey: "u/1", Pool: "user", Node: "user-1", Version: "1.36.1"},
			wantKinds: []string{"ReplaceNode"},
		},
		"remove a node": {
			style: "Sengu", action: upgrade.Action{Kind: upgrade.ActionRemoveNode, RequestKey: "u/1", Pool: "user", Node: "user-1"},
			wantKinds: []string{"RemoveNode"},
		},
		"cordon a node": {
			style: "Sengu", action: upgrade.Action{Kind: upgrade.ActionCordon, Node: "user-1"}, wantCordons: map[string]string{"user-1": "me"},
		},
		"uncordon a node": {
			style: "Sengu", first: []upgrade.Action{{Kind: upgrade.ActionCordon, Node: "user-1"}},
			action: upgrade.Action{Kind: upgrade.ActionUncordon, Node: "user-1"},
		},
		"uncordon a node that is gone": {
			style: "Sengu", action: upgrade.Action{Kind: upgrade.ActionUncordon, Node: "gone"},
		},
		"quarantine a node": {
			style: "Sengu", first: []upgrade.Action{{Kind: upgrade.ActionCordon, Node: "user-1"}},
			action: upgrade.Action{Kind: upgrade.ActionQuarantine, Node: "user-1", Reason: "not drained"}, wantCordons: map[string]string{"user-1": ""},
		},
		"evict a pod": {
			style: "Sengu", action: evict("web-1", "user-1"), wantEvicted: 2, // the second finds it going
		},
		"evict a pod that is gone": {
			style: "Sengu", action: evict("web-99", "user-1"), wantEvicted: 2,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLab(tc.style)
			act.Upgrade(t.Context(), l.Target, tc.first)
			var evicted int32
			var started []string
			for range 2 {
				out := act.Upgrade(t.Context(), l.Target, []upgrade.Action{tc.action})
				if len(out.Failures) > 0 || out.Refused > 0 {
					t.Fatalf("failures %v, %d refused", out.Failures, out.Refused)
				}
				evicted += out.Evicted
				for key, op := range out.Started {
					started = append(started, key+" "+op.ID)
				}
			}
			if len(started) == 2 && started[0] != started[1] {
				t.Errorf("started %v, want the same operation twice", started)
			}
			if diff := cmp.Diff(tc.wantKinds, l.kinds()); diff != "" {
				t.Errorf("operations (-want +got):\n%s", diff)
			}
			if evicted != tc.wantEvicted {
				t.Errorf("%d evictions were granted, want %d", evicted, tc.wantEvicted)
			}
			if diff := cmp.Diff(tc.wantCordons, l.cordons(t)); diff != "" {
				t.Errorf("cordons (-want +got):\n%s", diff)
			}
		})
	}
}

// cordons by node, with their owners; nil: none.
func (l *lab) cordons(t *testing.T) map[string]string {
	t.Helper()
	if l.Member == nil {
		return nil
	}
	v, err := l.Member.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]string
	for _, n := range v.Nodes() {
		if n.Spec.Unschedulable {
			if out == nil {
				out = map[string]string{}
			}
			out[n.Name] = n.Annotations[v1alpha1.AnnotationCordonedBy]
		}
	}
	return out
}

// TestFailuresAreFoundByWhatTheyAreAbout: operations by their key, nodes by their name, and one that fails keeps none
// of the others.
func TestFailuresAreFoundByWhatTheyAreAbout(t *testing.T) {
	l := newLab("Sengu")
	if err := l.Member.Cordon(t.Context(), "user-3", "somebody else"); err != nil {
		t.Fatal(err)
	}
	out := act.Upgrade(t.Context(), l.Target, []upgrade.Action{
		{Kind: upgrade.ActionCordon, Node: "gone"},
		{Kind: upgrade.ActionCordon, Node: "user-3"},
		{Kind: upgrade.ActionCordon, Node: "user-1"},
		{Kind: upgrade.ActionReplaceNode, RequestKey: "u/1", Pool: "user", Node: "gone", Version: "1.36.1"},
		{Kind: upgrade.ActionUpgradeNodePool, RequestKey: "u/2", Pool: "user", Version: "1.36.1"},
		{Kind: upgrade.ActionAddNode, RequestKey: "u/3", Pool: "user", Version: "1.36.1"},
		{Kind: upgrade.ActionUpgradeControlPlane, RequestKey: "u/4", Version: "1.37.1"},
		evict("web-1", "user-1"), evict("web-4", "user-1"),
	})
	got := map[string]string{}
	for about, err := range out.Failures {
		got[about] = provider.CodeOf(err)
	}
	want := map[string]string{
		"gone": provider.CodeNodeNotFound, "user-3": member.CodeNodeHeld, "u/1": provider.CodeNodeNotFound,
		"u/2": v1alpha1.ReasonCapabilityMissing, "u/4": provider.CodeOperationInProgress,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	if started := slices.Sorted(maps.Keys(out.Started)); !slices.Equal(started, []string{"u/3"}) {
		t.Errorf("started %v, want u/3", started)
	}
	if out.Evicted != 1 || out.Refused != 1 {
		t.Errorf("%d evicted and %d refused, want 1 and 1: the budget lets one go", out.Evicted, out.Refused)
	}
	if owner := l.cordons(t)["user-1"]; owner != "me" {
		t.Errorf("user-1 is cordoned by %q, want me", owner)
	}
}

// TestWithoutTheClustersAPI: what needs it is asked for again, what does not is done.
func TestWithoutTheClustersAPI(t *testing.T) {
	l := newLab("Sengu")
	l.Member = nil
	out := act.Upgrade(t.Context(), l.Target, []upgrade.Action{
		{Kind: upgrade.ActionCordon, Node: "user-1"}, {Kind: upgrade.ActionUncordon, Node: "user-2"},
		{Kind: upgrade.ActionAddNode, RequestKey: "u/1", Pool: "user", Version: "1.36.1"}, evict("web-3", "user-3"),
	})
	for _, node := range []string{"user-1", "user-2", "user-3"} {
		if err := out.Failures[node]; !errors.Is(err, provider.ErrRetry) || provider.CodeOf(err) != v1alpha1.ReasonMemberUnreachable {
			t.Errorf("%s: %v, want a retry with %s", node, err, v1alpha1.ReasonMemberUnreachable)
		}
	}
	if len(out.Failures) != 3 || out.Started["u/1"] == nil {
		t.Errorf("failures %v, started %v", out.Failures, out.Started)
	}
	if err := act.Steer(t.Context(), l.Target, []string{"user-1"}); err != nil {
		t.Errorf("a member that is not there cannot steer, and that is no failure: %v", err)
	}
}

// witness is a member's API that sees how many evictions are under way at once.
type witness struct {
	member.Access
	mu            sync.Mutex
	now, most     int
	fail          map[string]error // by pod
	arrived, done chan struct{}
}

func (w *witness) Evict(_ context.Context, pod member.PodRef) error {
	w.mu.Lock()
	w.now++
	w.most = max(w.most, w.now)
	w.mu.Unlock()
	w.arrived <- struct{}{}
	<-w.done
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now--
	return w.fail[pod.Name]
}

// TestEvictionsGoSideBySide: sixteen at a time and no more, and none is lost.
func TestEvictionsGoSideBySide(t *testing.T) {
	const pods, together = 50, 16
	broken := errors.New("no answer")
	w := &witness{arrived: make(chan struct{}, pods), done: make(chan struct{}), fail: map[string]error{
		"p-07": broken, "p-08": &member.RefusedError{Message: "not now"}, "p-09": fmt.Errorf("wrapped: %w", &member.RefusedError{}),
	}}
	var actions []upgrade.Action
	for i := range pods {
		actions = append(actions, evict(fmt.Sprintf("p-%02d", i), fmt.Sprintf("n-%d", i)))
	}
	ended := make(chan act.Outcome)
	go func() { ended <- act.Upgrade(t.Context(), act.Target{Member: w, Owner: "me"}, actions) }()
	for range together {
		<-w.arrived
	}
	close(w.done)
	out := <-ended
	if w.most != together {
		t.Errorf("%d at once, want %d", w.most, together)
	}
	if out.Evicted != pods-3 || out.Refused != 2 || len(out.Failures) != 1 || !errors.Is(out.Failures["n-7"], broken) {
		t.Errorf("%d evicted, %d refused, failures %v; want %d, 2 and that of n-7", out.Evicted, out.Refused, out.Failures, pods-3)
	}
}

// TestNothingIsDoneWithoutTheLead: a process that stood still for so long that another one took over leaves what it was
// about to do, also when it had done a part of it.
func TestNothingIsDoneWithoutTheLead(t *testing.T) {
	actions := []upgrade.Action{
		{Kind: upgrade.ActionCordon, Node: "user-1"},
		{Kind: upgrade.ActionAddNode, RequestKey: "u/1", Pool: "user", Version: "1.36.1"},
		evict("web-1", "user-1"),
	}
	for name, tc := range map[string]struct {
		leadsFor    int // so many changes
		wantCordons int
		wantKinds   []string
		wantEvicted int32
	}{
		"it has lost it before":    {},
		"it loses it at the start": {leadsFor: 1, wantCordons: 1},
		"it loses it at the end":   {leadsFor: 2, wantCordons: 1, wantKinds: []string{"AddNode"}},
		"it keeps it":              {leadsFor: 4, wantCordons: 1, wantKinds: []string{"AddNode"}, wantEvicted: 1},
	} {
		t.Run(name, func(t *testing.T) {
			l, asked := newLab("Sengu"), 0
			l.Leads = func() bool {
				asked++
				return asked <= tc.leadsFor
			}
			out := act.Upgrade(t.Context(), l.Target, actions)
			if got := l.kinds(); !slices.Equal(got, tc.wantKinds) || len(l.cordons(t)) != tc.wantCordons || out.Evicted != tc.wantEvicted {
				t.Errorf("operations %v, cordons %v, %d evicted; want %v, %d and %d", got, l.cordons(t), out.Evicted, tc.wantKinds, tc.wantCordons, tc.wantEvicted)
			}
			if len(out.Failures) > 0 {
				t.Errorf("failures %v: nothing failed", out.Failures)
			}
			l.Leads = func() bool { return false }
			if err := act.Steer(t.Context(), l.Target, []string{"user-1"}); !errors.Is(err, act.ErrNotLeading) {
				t.Errorf("steering without the lead: %v, want %v", err, act.ErrNotLeading)
			}
		})
	}
}
