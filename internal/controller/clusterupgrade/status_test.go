// SPDX-License-Identifier: Apache-2.0

package clusterupgrade

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/act"
)

var epoch = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

// record is an upgrade that drains a node and replaces another.
func record() v1alpha1.ClusterUpgradeStatus {
	return v1alpha1.ClusterUpgradeStatus{
		Phase: v1alpha1.ClusterUpgradePhaseRunning, CurrentStep: "1.37.2/NodePool/user", OperationCount: 1,
		Steps:      []v1alpha1.StepStatus{{Name: "1.37.2/NodePool/user", Result: v1alpha1.StepResultRunning}},
		Operations: []v1alpha1.OperationStatus{{Kind: v1alpha1.OperationReplaceNode, RequestKey: "u/1", ID: "op-1", Node: "user-1"}},
		NodePools: []v1alpha1.NodePoolProgress{{Name: "user", Desired: 3, Total: 3, Draining: []v1alpha1.DrainingNode{
			{Name: "user-2", State: "Draining", Since: &metav1.Time{Time: epoch}, PodsLeft: 4},
		}}},
	}
}

// TestWhatCanWait: how far a drain is can wait half a second; intents, phases, steps and the nodes in hand cannot.
func TestWhatCanWait(t *testing.T) {
	node := func(st *v1alpha1.ClusterUpgradeStatus) *v1alpha1.DrainingNode { return &st.NodePools[0].Draining[0] }
	tests := map[string]struct {
		change   func(st *v1alpha1.ClusterUpgradeStatus)
		wantWait bool
		wantSame bool // it is not worth a write at all
	}{
		"the pods that are left": {change: func(st *v1alpha1.ClusterUpgradeStatus) { node(st).PodsLeft = 3 }, wantWait: true},
		"what blocks a node": {
			change: func(st *v1alpha1.ClusterUpgradeStatus) {
				node(st).BlockedBy = []v1alpha1.DrainBlocker{{Pod: "shop/web"}}
			}, wantWait: true,
		},
		"the counts of evictions": {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.Drain.Evicted = 9 }, wantWait: true},
		"what it waits for":       {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.Waiting = &v1alpha1.Waiting{Reason: "NodesDraining"} }, wantWait: true},
		"until when nothing is asked for": {change: func(st *v1alpha1.ClusterUpgradeStatus) {
			st.Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonOperationConflict, Until: &metav1.Time{Time: epoch.Add(time.Minute)}}
		}},
		"the id of an operation": {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.Operations[0].ID = "op-2" }, wantSame: true},
		"an intent": {change: func(st *v1alpha1.ClusterUpgradeStatus) {
			st.Operations = append(st.Operations, v1alpha1.OperationStatus{RequestKey: "u/2"})
		}},
		"an intent that is settled": {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.Operations = nil }},
		"the number of operations":  {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.OperationCount = 2 }},
		"the phase":                 {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.Phase = v1alpha1.ClusterUpgradePhaseHolding }},
		"a failure":                 {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.Reason = "QuotaExceeded" }},
		"the attempt":               {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.Attempt = 2 }},
		"the step in hand":          {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.CurrentStep = "1.37.2/VerifyNodes" }},
		"how a step ended":          {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.Steps[0].Result = v1alpha1.StepResultSucceeded }},
		"a node that is taken in hand": {change: func(st *v1alpha1.ClusterUpgradeStatus) {
			st.NodePools[0].Draining = append(st.NodePools[0].Draining, v1alpha1.DrainingNode{Name: "user-3"})
		}},
		"a node that is let go":       {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.NodePools[0].Draining = nil }},
		"the state of a node in hand": {change: func(st *v1alpha1.ClusterUpgradeStatus) { node(st).State = "Quarantined" }},
		"since when it is in hand":    {change: func(st *v1alpha1.ClusterUpgradeStatus) { node(st).Since = &metav1.Time{Time: epoch.Add(time.Second)} }},
		"the size of a pool":          {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.NodePools[0].Desired = 4 }},
		"the nodes that are renewed":  {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.NodesRenewed = 1 }},
		"which command was seen":      {change: func(st *v1alpha1.ClusterUpgradeStatus) { st.ObservedGeneration = 7 }},
		"pods and an intent": {change: func(st *v1alpha1.ClusterUpgradeStatus) {
			node(st).PodsLeft = 0
			st.Operations = append(st.Operations, v1alpha1.OperationStatus{RequestKey: "u/2"})
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			u := &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "r-c"}}
			hub := fake.NewClientBuilder().WithScheme(scheme).WithObjects(u).WithStatusSubresource(u).Build()
			r := &reconciler{hub: hub, passes: newPasses(), events: events.NewFakeRecorder(100)}
			next := record()
			write := func(now time.Time, wantWait bool) {
				t.Helper()
				if err := hub.Get(t.Context(), client.ObjectKeyFromObject(u), u); err != nil {
					t.Fatal(err)
				}
				written, err := r.write(t.Context(), u, u.Status, *next.DeepCopy(), now)
				if err != nil {
					t.Fatal(err)
				}
				stored := &v1alpha1.ClusterUpgrade{}
				if err := hub.Get(t.Context(), client.ObjectKeyFromObject(u), stored); err != nil {
					t.Fatal(err)
				}
				if is := same(stored.Status, next); written == wantWait || is == wantWait {
					t.Errorf("after %s: written %t, the hub has it %t, want that it waits: %t", now.Sub(epoch), written, is, wantWait)
				}
			}
			write(epoch, false)
			before := u.ResourceVersion
			tc.change(&next)
			write(epoch.Add(progressEvery-1), tc.wantWait)
			write(epoch.Add(progressEvery), false)
			if wrote := u.ResourceVersion != before; wrote == tc.wantSame {
				t.Errorf("written: %t, want %t", wrote, !tc.wantSame)
			}
		})
	}
}

// TestCountsAreNeitherLostNorCountedTwice: what was evicted is added to the record that is written next, and once.
func TestCountsAreNeitherLostNorCountedTwice(t *testing.T) {
	p, key := newPasses(), client.ObjectKey{Namespace: "fleet", Name: "r-c"}
	counts := func() v1alpha1.DrainCounts {
		var st v1alpha1.ClusterUpgradeStatus
		p.addCounts(key, &st)
		return st.Drain
	}
	p.remember(key, nil, nil, act.Outcome{Evicted: 3, Refused: 1})
	if got := counts(); got.Evicted != 3 || got.Refused != 1 {
		t.Errorf("counted %+v, want 3 evicted and 1 refused", got)
	}
	p.remember(key, nil, nil, act.Outcome{Evicted: 2}) // that record was not written: the throttle, or a conflict
	if got := counts(); got.Evicted != 5 || got.Refused != 1 {
		t.Errorf("counted %+v, want 5 evicted and 1 refused", got)
	}
	p.written(key, epoch)
	if got := counts(); got != (v1alpha1.DrainCounts{}) {
		t.Errorf("counted %+v again", got)
	}
	if at := p.lastWrite(key); !at.Equal(epoch) {
		t.Errorf("the last write was at %s, want %s", at, epoch)
	}
}
