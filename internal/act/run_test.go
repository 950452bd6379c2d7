// SPDX-License-Identifier: Apache-2.0

package act_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/act"
	"sengu.dev/sengu/internal/decide/rollout"
)

const namespace = "fleet"

// hub is an API with objects in it, which counts what is written to it.
type hub struct {
	client.Client
	t      *testing.T
	writes int
	// before is called before each write, and may refuse it.
	before func(o client.Object) error
}

func newHub(t *testing.T, objects ...client.Object) *hub {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	h := &hub{t: t}
	write := func(o client.Object) error {
		h.writes++
		if h.before != nil {
			return h.before(o)
		}
		return nil
	}
	h.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.Cluster{}, &v1alpha1.ClusterUpgrade{}, &v1alpha1.Gate{}).
		WithInterceptorFuncs(interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
				if err := write(o); err != nil {
					return err
				}
				return c.Create(ctx, o, options...)
			},
			Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
				if err := write(o); err != nil {
					return err
				}
				return c.Patch(ctx, o, p, options...)
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, options ...client.SubResourcePatchOption) error {
				if err := write(o); err != nil {
					return err
				}
				return c.SubResource(sub).Patch(ctx, o, p, options...)
			},
		}).Build()
	return h
}

func get[T client.Object](h *hub, name string, o T) T {
	h.t.Helper()
	if err := h.Get(h.t.Context(), types.NamespacedName{Namespace: namespace, Name: name}, o); err != nil {
		h.t.Fatal(err)
	}
	return o
}

func (h *hub) activeRun(cluster string) string {
	h.t.Helper()
	return get(h, cluster, &v1alpha1.Cluster{}).Status.ActiveRun
}

// run of a name; two of one name are told apart by their uid.
func run(name, uid string) *v1alpha1.UpgradeRun {
	return &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)}}
}

func cluster(name, activeRun string) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Status: v1alpha1.ClusterStatus{ActiveRun: activeRun}}
}

// owned is metadata of an object that a run has created.
func owned(by *v1alpha1.UpgradeRun, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelRun: by.Name},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(by, v1alpha1.GroupVersion.WithKind("UpgradeRun"))}}
}

func versioned(by *v1alpha1.UpgradeRun, name, version string) metav1.ObjectMeta {
	m := owned(by, name)
	m.ResourceVersion = version
	return m
}

func start(cluster string) rollout.Action {
	return rollout.Action{Kind: rollout.ActionStartCluster, Cluster: cluster, Upgrade: "r-" + cluster,
		Spec: &v1alpha1.ClusterUpgradeSpec{Cluster: cluster, RunRef: v1alpha1.LocalObjectReference{Name: "r"}, Hops: []string{"1.37.2"}}}
}

// does executes an action, and looks whether it says that it created an object.
func (h *hub) does(r *v1alpha1.UpgradeRun, a rollout.Action, wantWritten bool) {
	h.t.Helper()
	created, err := act.Run(h.t.Context(), h, r, a)
	if err != nil {
		h.t.Fatal(err)
	}
	if (created != nil) != wantWritten {
		h.t.Errorf("created %v, want one: %t", created, wantWritten)
	}
}

// checkStarted looks at the cluster upgrade of cluster c in run r, and at the claim.
func checkStarted(t *testing.T, h *hub) {
	t.Helper()
	u := get(h, "r-c", &v1alpha1.ClusterUpgrade{})
	want := owned(run("r", "uid-1"), "r-c")
	want.Labels[v1alpha1.LabelCluster] = "c"
	want.Finalizers, want.ResourceVersion = []string{v1alpha1.FinalizerSafePoint}, u.ResourceVersion
	if diff := cmp.Diff(want, u.ObjectMeta); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(*start("c").Spec, u.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if by := h.activeRun("c"); by != "r" {
		t.Errorf("the cluster is claimed by %q, want r", by)
	}
}

// checkRetried looks at the second attempt on cluster c in run r, and at the claim.
func checkRetried(t *testing.T, h *hub) {
	t.Helper()
	u := get(h, "r-c", &v1alpha1.ClusterUpgrade{})
	if u.Spec.Attempt != 2 || u.Spec.State != v1alpha1.ClusterUpgradeStateRun || h.activeRun("c") != "r" {
		t.Errorf("attempt %d, state %s, claimed by %q, want 2, Run, r", u.Spec.Attempt, u.Spec.State, h.activeRun("c"))
	}
}

// TestEachActionTwice: what is done again, because the process was killed or a watch is late, changes nothing.
func TestEachActionTwice(t *testing.T) {
	r := run("r", "uid-1")
	upgradeOf := func(cluster string) *v1alpha1.ClusterUpgrade {
		return &v1alpha1.ClusterUpgrade{ObjectMeta: owned(r, "r-"+cluster), Spec: v1alpha1.ClusterUpgradeSpec{Cluster: cluster, Attempt: 1, State: v1alpha1.ClusterUpgradeStateHold}}
	}
	tests := map[string]struct {
		objects     []client.Object
		action      rollout.Action
		wantWritten bool // the first returns an object
		wantAgain   bool // and so does the second: what is changed is returned each time, what is created only once
		wantWrites  int  // of both
		check       func(t *testing.T, h *hub)
	}{
		"start a cluster": {
			objects: []client.Object{cluster("c", "")}, action: start("c"), wantWritten: true, wantWrites: 3, // claim, create, and a create that finds it there
			check: checkStarted,
		},
		"start one whose claim is left from a run that has ended": {
			objects: []client.Object{cluster("c", "ended")}, wantWritten: true, wantWrites: 3,
			action: func() rollout.Action { a := start("c"); a.Claimed = "ended"; return a }(),
			check: func(t *testing.T, h *hub) {
				if by := h.activeRun("c"); by != "r" {
					t.Errorf("the cluster is claimed by %q, want r", by)
				}
			},
		},
		"hold an upgrade": {
			objects: []client.Object{&v1alpha1.ClusterUpgrade{ObjectMeta: owned(r, "r-c")}}, wantWrites: 2, wantWritten: true, wantAgain: true,
			action: rollout.Action{Kind: rollout.ActionSetState, Cluster: "c", Upgrade: "r-c", State: v1alpha1.ClusterUpgradeStateHold},
			check: func(t *testing.T, h *hub) {
				if s := get(h, "r-c", &v1alpha1.ClusterUpgrade{}).Spec.State; s != v1alpha1.ClusterUpgradeStateHold {
					t.Errorf("state %s, want Hold", s)
				}
			},
		},
		"hold an upgrade that is gone": {
			action: rollout.Action{Kind: rollout.ActionSetState, Cluster: "c", Upgrade: "r-c", State: v1alpha1.ClusterUpgradeStateHold},
		},
		"retry": {
			objects: []client.Object{cluster("c", ""), upgradeOf("c")}, wantWrites: 3, wantWritten: true, wantAgain: true, // claim, and both patches
			action: rollout.Action{Kind: rollout.ActionRetry, Cluster: "c", Upgrade: "r-c", Attempt: 2},
			check:  checkRetried,
		},
		"ask for a gate": {
			action: rollout.Action{Kind: rollout.ActionCreateGate, Gate: "r-g", GateSpec: &v1alpha1.GateSpec{Type: v1alpha1.GateTypeApproval}}, wantWritten: true, wantWrites: 2,
			check: func(t *testing.T, h *hub) {
				if g := get(h, "r-g", &v1alpha1.Gate{}); g.Spec.Type != v1alpha1.GateTypeApproval || !metav1.IsControlledBy(g, r) {
					t.Errorf("gate %+v", g)
				}
			},
		},
		"ask for a gate that somebody has decided by now": {
			objects: []client.Object{&v1alpha1.Gate{ObjectMeta: owned(r, "r-g"), Status: v1alpha1.GateStatus{State: v1alpha1.GateStatePassed}}},
			action:  rollout.Action{Kind: rollout.ActionCreateGate, Gate: "r-g", GateSpec: &v1alpha1.GateSpec{}}, wantWrites: 2,
			check: func(t *testing.T, h *hub) {
				if s := get(h, "r-g", &v1alpha1.Gate{}).Status.State; s != v1alpha1.GateStatePassed {
					t.Errorf("the gate is %s, want Passed as it was", s)
				}
			},
		},
		"open a gate": {
			objects: []client.Object{&v1alpha1.Gate{ObjectMeta: versioned(r, "r-g", "7")}}, wantWrites: 1,
			action: rollout.Action{Kind: rollout.ActionDecideGate, Gate: "r-g", GateVersion: "7", GateStatus: &v1alpha1.GateStatus{State: v1alpha1.GateStatePassed, DecidedBy: "ada"}},
			check: func(t *testing.T, h *hub) {
				if st := get(h, "r-g", &v1alpha1.Gate{}).Status; st.State != v1alpha1.GateStatePassed || st.DecidedBy != "ada" {
					t.Errorf("the gate is %+v", st)
				}
			},
		},
		"skip a gate": {
			objects: []client.Object{&v1alpha1.Gate{ObjectMeta: owned(r, "r-g")}}, wantWrites: 2,
			action: rollout.Action{Kind: rollout.ActionSkipGate, Gate: "r-g", Reason: "a person skipped it in the run"},
			check: func(t *testing.T, h *hub) {
				want := v1alpha1.GateStatus{State: v1alpha1.GateStateSkipped, Reason: v1alpha1.ReasonSkippedByUser, Message: "a person skipped it in the run"}
				if diff := cmp.Diff(want, get(h, "r-g", &v1alpha1.Gate{}).Status); diff != "" {
					t.Errorf("status (-want +got):\n%s", diff)
				}
			},
		},
		"skip a gate that is gone": {action: rollout.Action{Kind: rollout.ActionSkipGate, Gate: "r-g"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, tc.objects...)
			h.does(r, tc.action, tc.wantWritten)
			h.does(r, tc.action, tc.wantAgain)
			if h.writes != tc.wantWrites {
				t.Errorf("%d writes, want %d", h.writes, tc.wantWrites)
			}
			if tc.check != nil {
				tc.check(t, h)
			}
		})
	}
}

// TestWhatAnotherRunHasIsLeftAlone: of two runs that want a cluster, one gets it, however old what they decided on is.
func TestWhatAnotherRunHasIsLeftAlone(t *testing.T) {
	r, other, earlier := run("r", "uid-1"), run("other", "uid-2"), run("r", "uid-0")
	leftBy := func(name string) rollout.Action { a := start("c"); a.Claimed = name; return a }
	tests := map[string]struct {
		objects      []client.Object
		action       rollout.Action
		before       func(h *hub) func(client.Object) error
		wantConflict bool
		wantActive   string
	}{
		"another has claimed it since": {
			objects: []client.Object{cluster("c", "other")}, action: start("c"), wantConflict: true, wantActive: "other",
		},
		"another has claimed it since the one that has ended": {
			objects: []client.Object{cluster("c", "other")}, action: leftBy("ended"), wantConflict: true, wantActive: "other",
		},
		"another claims it in the same instant": {
			objects: []client.Object{cluster("c", "")}, action: start("c"), wantConflict: true, wantActive: "other",
			before: func(h *hub) func(client.Object) error {
				return func(client.Object) error { // ours is on its way
					h.before = nil
					_, err := act.Run(h.t.Context(), h, other, rollout.Action{Kind: rollout.ActionStartCluster, Cluster: "c", Upgrade: "other-c", Spec: start("c").Spec})
					return err
				}
			},
		},
		"another has claimed it before the retry": {
			objects: []client.Object{cluster("c", "other"), &v1alpha1.ClusterUpgrade{ObjectMeta: owned(r, "r-c"), Spec: v1alpha1.ClusterUpgradeSpec{Attempt: 1}}},
			action:  rollout.Action{Kind: rollout.ActionRetry, Cluster: "c", Upgrade: "r-c", Attempt: 2}, wantConflict: true, wantActive: "other",
		},
		"an upgrade of that name is another run's": {
			objects: []client.Object{cluster("c", ""), &v1alpha1.ClusterUpgrade{ObjectMeta: owned(other, "r-c")}}, action: start("c"), wantActive: "r",
		},
		"an upgrade of that name is of an earlier run of the same name": {
			objects: []client.Object{cluster("c", ""), &v1alpha1.ClusterUpgrade{ObjectMeta: owned(earlier, "r-c")}}, action: start("c"), wantActive: "r",
		},
		"a gate of that name is of an earlier run of the same name": {
			objects: []client.Object{cluster("c", ""), &v1alpha1.Gate{ObjectMeta: owned(earlier, "r-g"), Status: v1alpha1.GateStatus{State: v1alpha1.GateStatePassed}}},
			action:  rollout.Action{Kind: rollout.ActionCreateGate, Gate: "r-g", GateSpec: &v1alpha1.GateSpec{}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, tc.objects...)
			if tc.before != nil {
				h.before = tc.before(h)
			}
			created, err := act.Run(t.Context(), h, r, tc.action)
			if err == nil || created != nil {
				t.Fatalf("created %v, %v, want an error", created, err)
			}
			if apierrors.IsConflict(err) != tc.wantConflict {
				t.Errorf("%v: a conflict %t, want %t", err, !tc.wantConflict, tc.wantConflict)
			}
			if by := h.activeRun("c"); by != tc.wantActive {
				t.Errorf("the cluster is claimed by %q, want %q", by, tc.wantActive)
			}
			if tc.action.Kind == rollout.ActionRetry {
				if a := get(h, "r-c", &v1alpha1.ClusterUpgrade{}).Spec.Attempt; a != 1 {
					t.Errorf("attempt %d was begun", a)
				}
			}
		})
	}
}

// TestAnAPIThatFails: the error says so, and the order of the writes is such that the next try goes on.
func TestAnAPIThatFails(t *testing.T) {
	r, away := run("r", "uid-1"), errors.New("the API is away")
	h := newHub(t, cluster("c", ""))
	h.before = func(o client.Object) error {
		if _, ok := o.(*v1alpha1.ClusterUpgrade); ok {
			return away
		}
		return nil
	}
	if _, err := act.Run(t.Context(), h, r, start("c")); !errors.Is(err, away) {
		t.Errorf("got %v, want %v", err, away)
	}
	if by := h.activeRun("c"); by != "r" {
		t.Errorf("claimed by %q, want r: the claim comes before the upgrade", by)
	}
	h.before = nil
	if created, err := act.Run(t.Context(), h, r, start("c")); created == nil || err != nil {
		t.Errorf("the second try: %v, %v", created, err)
	}

	if _, err := act.Run(t.Context(), h, r, start("gone")); !apierrors.IsNotFound(err) {
		t.Errorf("a cluster that left the fleet: %v, want not found", err)
	}
	if _, err := act.Run(t.Context(), h, r, rollout.Action{Kind: "Dance"}); err == nil {
		t.Error("an unknown action was done")
	}
}

func TestRelease(t *testing.T) {
	tests := map[string]struct {
		objects    []client.Object
		wantActive string
		wantWrites int
	}{
		"our claim ends":                {objects: []client.Object{cluster("c", "r")}, wantWrites: 1},
		"another's claim stays":         {objects: []client.Object{cluster("c", "other")}, wantActive: "other"},
		"nobody's claim":                {objects: []client.Object{cluster("c", "")}},
		"a cluster that left the fleet": {},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, tc.objects...)
			for range 2 {
				if err := act.Release(t.Context(), h, namespace, "r", "c"); err != nil {
					t.Fatal(err)
				}
			}
			if h.writes != tc.wantWrites {
				t.Errorf("%d writes, want %d", h.writes, tc.wantWrites)
			}
			if len(tc.objects) > 0 && h.activeRun("c") != tc.wantActive {
				t.Errorf("claimed by %q, want %q", h.activeRun("c"), tc.wantActive)
			}
		})
	}
}

// TestReleaseMeetsANewerClaim: what was read is old, so the release is refused and made anew.
func TestReleaseMeetsANewerClaim(t *testing.T) {
	h := newHub(t, cluster("c", "r"))
	h.before = func(client.Object) error {
		h.before = nil
		c := get(h, "c", &v1alpha1.Cluster{})
		before := c.DeepCopy()
		c.Status.Region = "somewhere else"
		return h.Status().Patch(t.Context(), c, client.MergeFrom(before))
	}
	if err := act.Release(t.Context(), h, namespace, "r", "c"); !apierrors.IsConflict(err) {
		t.Errorf("got %v, want a conflict", err)
	}
	if err := act.Release(t.Context(), h, namespace, "r", "c"); err != nil || h.activeRun("c") != "" {
		t.Errorf("the second try: %v, claimed by %q", err, h.activeRun("c"))
	}
}

// TestADecisionInBetweenIsKept: a gate is written only as it was when that was decided, so that what a person decides
// at the same instant is neither lost nor passed over.
func TestADecisionInBetweenIsKept(t *testing.T) {
	r := run("r", "uid-1")
	refusal := v1alpha1.GateDecision{By: "ada", Decision: v1alpha1.GateDecisionRefuse}
	open := rollout.Action{Kind: rollout.ActionDecideGate, Gate: "r-g", GateVersion: "7", GateStatus: &v1alpha1.GateStatus{State: v1alpha1.GateStatePassed}}
	refuse := func(h *hub) {
		h.before = nil
		g := get(h, "r-g", &v1alpha1.Gate{})
		g.Status.Decisions = append(g.Status.Decisions, refusal)
		if err := h.Status().Update(h.t.Context(), g); err != nil {
			h.t.Fatal(err)
		}
	}
	for name, when := range map[string]func(*hub){
		"she refused after that was decided": refuse,
		"she refuses while it is on its way": func(h *hub) { h.before = func(client.Object) error { refuse(h); return nil } },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, &v1alpha1.Gate{ObjectMeta: versioned(r, "r-g", "7")})
			when(h)
			if _, err := act.Run(t.Context(), h, r, open); !apierrors.IsConflict(err) {
				t.Errorf("%v, want a conflict", err)
			}
			if st := get(h, "r-g", &v1alpha1.Gate{}).Status; st.State != "" || len(st.Decisions) != 1 {
				t.Errorf("the gate is %+v", st)
			}
		})
	}
	if _, err := act.Run(t.Context(), newHub(t), r, open); !apierrors.IsNotFound(err) {
		t.Errorf("a gate that is gone: %v, want that it is not found", err)
	}
}
