// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/hub/hubtest"
	"sengu.dev/sengu/internal/member"
)

func named(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

// remove asks for a deletion. Who waits for its end must know that nobody creates another of the name at once.
func (f *fleet) remove(name string, o client.Object) {
	f.t.Helper()
	o.SetNamespace(f.namespace)
	o.SetName(name)
	if err := f.Delete(context.Background(), o); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fleet) untilGone(name string, o client.Object) {
	f.t.Helper()
	deadline := time.Now().Add(patience)
	for !apierrors.IsNotFound(f.Get(context.Background(), f.key(name), o)) {
		if time.Now().After(deadline) {
			f.t.Fatalf("%s is still there: %s", name, describe(o))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// marks are the nodes that carry something of ours, with what it is.
func (f *fleet) marks(cluster string) []string {
	f.t.Helper()
	var out []string
	for _, n := range f.nodes(cluster) {
		if n.Spec.Unschedulable {
			out = append(out, n.Name+" is cordoned")
		}
		for _, taint := range n.Spec.Taints {
			out = append(out, n.Name+" is "+taint.Key)
		}
		if by := n.Annotations[v1alpha1.AnnotationCordonedBy]; by != "" {
			out = append(out, n.Name+" is held by "+by)
		}
	}
	return out
}

func (f *fleet) wantsCleanNodes(cluster string) {
	f.t.Helper()
	if marks := f.marks(cluster); len(marks) > 0 {
		f.t.Errorf("%s keeps marks: %v", cluster, marks)
	}
}

// change edits the spec of a run.
func (f *fleet) change(run string, edit func(*v1alpha1.UpgradeRun)) {
	f.t.Helper()
	r := &v1alpha1.UpgradeRun{}
	if err := f.Get(context.Background(), f.key(run), r); err != nil {
		f.t.Fatal(err)
	}
	before := r.DeepCopy()
	edit(r)
	if err := f.Patch(context.Background(), r, client.MergeFrom(before)); err != nil {
		f.t.Fatal(err)
	}
}

// TestASafePointLeavesNoMark: whenever and however a person ends a run, no node stays cordoned or marked as outdated.
func TestASafePointLeavesNoMark(t *testing.T) {
	operation := func(kind v1alpha1.OperationKind) func(*v1alpha1.ClusterUpgrade) bool {
		return func(u *v1alpha1.ClusterUpgrade) bool {
			return slices.ContainsFunc(u.Status.Operations, func(o v1alpha1.OperationStatus) bool { return o.Kind == kind })
		}
	}
	draining := func(u *v1alpha1.ClusterUpgrade) bool {
		return len(u.Status.NodePools) > 0 && len(u.Status.NodePools[0].Draining) > 0
	}
	remove := func(f *fleet) {
		f.remove("to-1-37", &v1alpha1.UpgradeRun{})
		f.untilGone("to-1-37", &v1alpha1.UpgradeRun{})
		f.untilGone("to-1-37-prod-1", &v1alpha1.ClusterUpgrade{}) // the garbage collector's work
	}
	set := func(state v1alpha1.RunState, phase v1alpha1.RunPhase) func(*fleet) {
		return func(f *fleet) {
			f.change("to-1-37", func(r *v1alpha1.UpgradeRun) { r.Spec.State = state })
			f.untilPhase("to-1-37", phase)
		}
	}
	tests := map[string]struct {
		when      func(*v1alpha1.ClusterUpgrade) bool
		end       func(*fleet)
		wantMarks bool // there were some before
	}{
		"deleted while the control plane is upgraded": {when: operation(v1alpha1.OperationControlPlaneUpgrade), end: remove},
		"deleted while a node is added":               {when: operation(v1alpha1.OperationAddNode), end: remove, wantMarks: true},
		"deleted while a node is drained":             {when: draining, end: remove, wantMarks: true},
		"deleted while a node is replaced":            {when: operation(v1alpha1.OperationReplaceNode), end: remove, wantMarks: true},
		"stopped while a node is drained":             {when: draining, end: set(v1alpha1.RunStateStop, v1alpha1.RunPhaseStopped), wantMarks: true},
		"paused while a node is drained":              {when: draining, end: set(v1alpha1.RunStatePause, v1alpha1.RunPhasePaused), wantMarks: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			f.add("prod-1", "production", func(c *v1alpha1.Cluster) {
				senguStyle(4)(c)
				c.Spec.Provider.Simulated.NodeDuration = &metav1.Duration{Duration: 400 * time.Millisecond}
			})
			f.run("to-1-37", "1.37", "production")
			until(f, "to-1-37-prod-1", &v1alpha1.ClusterUpgrade{}, "there", tc.when)
			if got := f.marks("prod-1"); tc.wantMarks && len(got) == 0 {
				t.Error("no node was marked: this tells nothing")
			}
			tc.end(f)
			f.wantsCleanNodes("prod-1")
		})
	}
}

// TestReplacementsAreSteeredToNewNodes: the nodes that are drained later, and those only, are marked, and a run that
// succeeds leaves no mark.
func TestReplacementsAreSteeredToNewNodes(t *testing.T) {
	f := newFleet(t)
	f.add("prod-1", "production", senguStyle(3))
	f.run("to-1-37", "1.37", "production")
	until(f, "to-1-37-prod-1", &v1alpha1.ClusterUpgrade{}, "renewing nodes", func(u *v1alpha1.ClusterUpgrade) bool {
		if u.Status.NodesRenewed == 0 {
			return false
		}
		for _, n := range f.nodes("prod-1") {
			for _, taint := range n.Spec.Taints {
				if taint.Key != member.TaintOutdated || taint.Value != string(u.UID) {
					t.Errorf("node %s has the taint %+v, want that of the upgrade %s", n.Name, taint, u.UID)
				}
				if v := n.Status.NodeInfo.KubeletVersion; v != "v1.36.1" {
					t.Errorf("node %s is outdated and runs %s", n.Name, v)
				}
			}
		}
		return true
	})
	f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
	f.wantsCleanNodes("prod-1")
}

// TestThrottledRecordsHideNoPhase: counts are written once a second at most, and what is a change of a phase at once:
// whoever watches sees every phase of the run and of its stages, and none of a later stage before the earlier is done.
func TestThrottledRecordsHideNoPhase(t *testing.T) {
	f := newFleet(t)
	watching, err := client.NewWithWatch(hubtest.Hub(t).AdminConfig(), client.Options{Scheme: controller.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	records, err := watching.Watch(ctx, &v1alpha1.UpgradeRunList{}, client.InNamespace(f.namespace))
	if err != nil {
		t.Fatal(err)
	}
	defer records.Stop()
	stages := []string{"dev", "staging", "production"}
	for _, env := range stages {
		for _, n := range []string{"1", "2", "3"} {
			f.add(env+"-"+n, env, nil)
		}
	}
	f.run("to-1-37", "1.37", stages...)
	phases := f.phasesUntilSuccess(ctx, records)
	for _, env := range stages {
		for _, phase := range []v1alpha1.StagePhase{v1alpha1.StagePhaseRunning, v1alpha1.StagePhaseSucceeded} {
			if !slices.Contains(phases, env+" "+string(phase)) {
				t.Errorf("stage %s was never %s in the record: %v", env, phase, phases)
			}
		}
	}
	for i := range len(stages) - 1 {
		if slices.Index(phases, stages[i]+" Succeeded") > slices.Index(phases, stages[i+1]+" Running") {
			t.Errorf("stage %s runs before %s has succeeded: %v", stages[i+1], stages[i], phases)
		}
	}
}

// phasesUntilSuccess watches a run to its end, and returns each phase of it and of its stages when it was first seen.
func (f *fleet) phasesUntilSuccess(ctx context.Context, records watch.Interface) (phases []string) {
	f.t.Helper()
	for !slices.Contains(phases, "run Succeeded") {
		select {
		case <-ctx.Done():
			f.t.Fatalf("so far: %v", phases)
		case event := <-records.ResultChan():
			if run, ok := event.Object.(*v1alpha1.UpgradeRun); ok && event.Type != watch.Deleted {
				phases = appendPhases(phases, run)
			}
		}
	}
	return phases
}

// appendPhases adds the phases of a run and its stages that were not told before.
func appendPhases(told []string, run *v1alpha1.UpgradeRun) []string {
	tell := func(what, phase string) {
		if text := what + " " + phase; phase != "" && !slices.Contains(told, text) {
			told = append(told, text)
		}
	}
	for _, s := range run.Status.Stages {
		tell(s.Name, string(s.Phase))
	}
	tell("run", string(run.Status.Phase))
	return told
}

// TestAfterAStopAnotherRunGoesOn: a stop is final, so the clusters that were under way, and those that rested since a
// pause, are free for the next run.
func TestAfterAStopAnotherRunGoesOn(t *testing.T) {
	f := newFleet(t)
	f.add("prod-1", "production", senguStyle(2))
	f.run("first", "1.37.2", "production")
	until(f, "first-prod-1", &v1alpha1.ClusterUpgrade{}, "renewing nodes", func(u *v1alpha1.ClusterUpgrade) bool { return len(u.Status.NodePools) > 0 })
	f.change("first", func(r *v1alpha1.UpgradeRun) { r.Spec.State = v1alpha1.RunStatePause })
	f.untilPhase("first", v1alpha1.RunPhasePaused)
	f.change("first", func(r *v1alpha1.UpgradeRun) { r.Spec.State = v1alpha1.RunStateStop })
	first := f.untilPhase("first", v1alpha1.RunPhaseStopped)
	if c := first.Status.Counts; c.Stopped != 1 || c.Skipped != 0 {
		t.Errorf("counts %+v, want one stopped: nobody skipped it", c)
	}
	f.run("second", "1.37.2", "production")
	f.untilPhase("second", v1alpha1.RunPhaseSucceeded)
	if got := f.operations("prod-1"); got["ControlPlane"] != 1 {
		t.Errorf("operations %v, want one upgrade of the control plane", got)
	}
	f.wantsCleanNodes("prod-1")
}
