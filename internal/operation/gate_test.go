// SPDX-License-Identifier: Apache-2.0

package operation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// hubOf is a hub that knows its client by a name and groups.
func hubOf(t *testing.T, user string, groups []string, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithStatusSubresource(&v1alpha1.Gate{}).
		WithInterceptorFuncs(interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, options ...client.CreateOption) error {
			if review, ok := o.(*authenticationv1.SelfSubjectReview); ok {
				review.Status.UserInfo = authenticationv1.UserInfo{Username: user, Groups: append(groups, "system:authenticated")}
				return nil
			}
			return c.Create(ctx, o, options...)
		}}).Build()
}

// startedBy eve.
func startedByEve(run *v1alpha1.UpgradeRun) {
	run.UID = "uid-1"
	run.Annotations = map[string]string{v1alpha1.AnnotationCreatedBy: "eve", v1alpha1.AnnotationStartedBy: "eve"}
}

// aGate of the run, before a stage and reached, with edits.
func aGate(name string, edits ...func(*v1alpha1.Gate)) *v1alpha1.Gate {
	run := aRun("", startedByEve)
	g := &v1alpha1.Gate{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name + "-production-before-" + name, Labels: map[string]string{v1alpha1.LabelRun: key.Name},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("UpgradeRun"))}},
		Spec: v1alpha1.GateSpec{Type: v1alpha1.GateTypeApproval, RunRef: v1alpha1.LocalObjectReference{Name: key.Name},
			Place: v1alpha1.GatePlace{Stage: "production", Timing: v1alpha1.GateTimingBefore}, Template: v1alpha1.GateSpecTemplate{Name: name, Approval: &v1alpha1.ApprovalGate{}}},
		Status: v1alpha1.GateStatus{State: v1alpha1.GateStatePending, ReachedAt: &metav1.Time{Time: noon.Add(-time.Hour)}},
	}
	for _, edit := range edits {
		edit(g)
	}
	return g
}

func inState(state v1alpha1.GateState) func(*v1alpha1.Gate) {
	return func(g *v1alpha1.Gate) { g.Status.State, g.Status.Message = state, "approved by bob" }
}

func decidedBy(by ...v1alpha1.GateDecision) func(*v1alpha1.Gate) {
	return func(g *v1alpha1.Gate) { g.Status.Decisions = append(g.Status.Decisions, by...) }
}

func said(by string, decision v1alpha1.GateDecisionKind, after time.Duration) v1alpha1.GateDecision {
	return v1alpha1.GateDecision{By: by, Decision: decision, At: metav1.NewTime(noon.Add(-time.Hour + after)), Comment: "why"}
}

func expiring(count int32) func(*v1alpha1.Gate) {
	return func(g *v1alpha1.Gate) {
		g.Spec.Template.Approval.Count = count
		g.Spec.Template.Approval.ExpiresAfter = &metav1.Duration{Duration: 10 * time.Minute}
	}
}

func only(approvers ...string) func(*v1alpha1.Gate) {
	return func(g *v1alpha1.Gate) { g.Spec.Template.Approval.Approvers = approvers }
}

func notReached(g *v1alpha1.Gate) { g.Status.ReachedAt, g.Status.State = nil, "" }

func TestDecidingAGate(t *testing.T) {
	const approve, refuse = v1alpha1.GateDecisionApprove, v1alpha1.GateDecisionRefuse
	full := make([]v1alpha1.GateDecision, 32)
	for i := range full {
		full[i] = said("bob", approve, 0)
	}
	scheduled := func(g *v1alpha1.Gate) {
		g.Spec.Type = v1alpha1.GateTypeScheduledStart
		g.Spec.Template.Approval, g.Spec.Template.ScheduledStart = nil, &v1alpha1.ScheduledStartGate{}
	}
	ofDeletedRun := func(g *v1alpha1.Gate) { g.OwnerReferences[0].UID = "uid-0" }
	tests := map[string]struct {
		gate     *v1alpha1.Gate
		run      *v1alpha1.UpgradeRun // not set: pending
		user     string               // not set: ada
		groups   []string
		refuses  string // the reason; not set: approves
		approval operation.Approval

		wantSame  bool // nothing is added
		wantAdded v1alpha1.GateDecision
		wantError string
	}{
		"approve":                                {gate: aGate("ok"), wantAdded: v1alpha1.GateDecision{By: "ada", Decision: approve}},
		"approve in advance, under conditions":   {gate: aGate("ok", notReached), approval: operation.Approval{NoFailures: true, NotAfter: noon.Add(time.Hour), Comment: " CHG-1 "}, wantAdded: v1alpha1.GateDecision{By: "ada", Decision: approve, Condition: v1alpha1.GateConditionNoFailures, NotAfter: &metav1.Time{Time: noon.Add(time.Hour)}, Comment: "CHG-1"}},
		"approve until yesterday":                {gate: aGate("ok"), approval: operation.Approval{NotAfter: noon.Add(-time.Hour)}, wantError: "an instant in the past would never count"},
		"approve twice":                          {gate: aGate("ok", decidedBy(said("ada", approve, 0))), wantSame: true},
		"approve after another did":              {gate: aGate("ok", decidedBy(said("bob", approve, 0))), wantAdded: v1alpha1.GateDecision{By: "ada", Decision: approve}},
		"approve without the condition":          {gate: aGate("ok", decidedBy(v1alpha1.GateDecision{By: "ada", Decision: approve, Condition: v1alpha1.GateConditionNoFailures})), wantAdded: v1alpha1.GateDecision{By: "ada", Decision: approve}},
		"approve what has expired":               {gate: aGate("ok", expiring(2), decidedBy(said("ada", approve, 0)), func(g *v1alpha1.Gate) { g.Status.Reason = v1alpha1.ReasonApprovalExpired }), wantAdded: v1alpha1.GateDecision{By: "ada", Decision: approve}},
		"approve what another has asked anew":    {gate: aGate("ok", expiring(2), decidedBy(said("ada", approve, 0), said("bob", approve, 55*time.Minute))), wantAdded: v1alpha1.GateDecision{By: "ada", Decision: approve}},
		"approve twice what has not expired":     {gate: aGate("ok", expiring(2), decidedBy(said("ada", approve, 55*time.Minute))), wantSame: true},
		"approve as one of a group":              {gate: aGate("ok", only("bob", "group:leads")), groups: []string{"leads", "all"}, wantAdded: v1alpha1.GateDecision{By: "ada", Decision: approve, Groups: []string{"leads"}}},
		"approve as nobody who may":              {gate: aGate("ok", only("bob", "group:leads")), wantError: `you are "ada", and gate "to-1-37-production-before-ok" is decided by bob, group:leads`},
		"approve what one has started":           {gate: aGate("ok"), user: "eve", wantError: `you are "eve" and started run "to-1-37": somebody else has to approve gate "to-1-37-production-before-ok"`},
		"approve as the second what one started": {gate: aGate("ok", func(g *v1alpha1.Gate) { g.Spec.Template.Approval.Count = 2 }), user: "eve", wantAdded: v1alpha1.GateDecision{By: "eve", Decision: approve}},
		"take back a refusal of what one started": {gate: aGate("ok", decidedBy(said("eve", refuse, 0))), user: "eve",
			wantAdded: v1alpha1.GateDecision{By: "eve", Decision: approve}},
		"refuse":                     {gate: aGate("ok"), refuses: " month end ", wantAdded: v1alpha1.GateDecision{By: "ada", Decision: refuse, Comment: "month end"}},
		"refuse what one started":    {gate: aGate("ok"), user: "eve", refuses: "no", wantAdded: v1alpha1.GateDecision{By: "eve", Decision: refuse, Comment: "no"}},
		"refuse twice":               {gate: aGate("ok", decidedBy(said("ada", refuse, 0))), refuses: "still", wantSame: true},
		"refuse without a reason":    {gate: aGate("ok"), refuses: " ", wantError: "a refusal needs a reason"},
		"take an approval back":      {gate: aGate("ok", decidedBy(said("ada", approve, 0))), refuses: "no", wantAdded: v1alpha1.GateDecision{By: "ada", Decision: refuse, Comment: "no"}},
		"what has passed":            {gate: aGate("ok", inState(v1alpha1.GateStatePassed)), wantError: "has passed (approved by bob): there is nothing to approve"},
		"what was skipped":           {gate: aGate("ok", inState(v1alpha1.GateStateSkipped)), refuses: "no", wantError: "was skipped: there is nothing to refuse"},
		"a scheduled start":          {gate: aGate("ok", scheduled), wantError: "is a ScheduledStart, which opens by itself: people can pass over it with 'sengu run skip to-1-37 gate production/ok'"},
		"a gate of a deleted run":    {gate: aGate("ok", ofDeletedRun), wantError: "is of an earlier run"},
		"a gate of a run that ended": {gate: aGate("ok"), run: aRun(v1alpha1.RunPhaseStopped, startedByEve), wantError: `run "to-1-37" has ended`},
		"a gate of a run that ends":  {gate: aGate("ok"), run: aRun(v1alpha1.RunPhaseRunning, startedByEve, wanting(v1alpha1.RunStateStop)), wantError: `run "to-1-37" has ended`},
		"a gate that is full":        {gate: aGate("ok", decidedBy(full...)), wantError: "has 32 decisions, and keeps no more"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.run == nil {
				tc.run = aRun(v1alpha1.RunPhasePending, startedByEve)
			}
			if tc.user == "" {
				tc.user = "ada"
			}
			hub, gateKey := hubOf(t, tc.user, tc.groups, tc.run, tc.gate), client.ObjectKeyFromObject(tc.gate)
			var changed bool
			var err error
			if tc.refuses != "" {
				changed, err = operation.RefuseGate(t.Context(), hub, gateKey, tc.refuses, noon)
			} else {
				tc.approval.At = noon
				changed, err = operation.ApproveGate(t.Context(), hub, gateKey, tc.approval)
			}
			if got := sentence(err); !strings.Contains(got, tc.wantError) || got != "" && tc.wantError == "" {
				t.Errorf("error %q, want %q", got, tc.wantError)
			}
			want := tc.gate.Status.Decisions
			if tc.wantAdded.By != "" {
				tc.wantAdded.At = metav1.NewTime(noon)
				want = append(want, tc.wantAdded)
			}
			if changed != (tc.wantAdded.By != "") || tc.wantSame && err != nil {
				t.Errorf("something was added: %t, %v", changed, err)
			}
			g, err := operation.GetGate(t.Context(), hub, gateKey)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, g.Status.Decisions); diff != "" {
				t.Errorf("decisions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTwoPeopleDecideAtOnce: neither decision is lost.
func TestTwoPeopleDecideAtOnce(t *testing.T) {
	run, g := aRun(v1alpha1.RunPhasePending, startedByEve), aGate("ok")
	ada := hubOf(t, "ada", nil, run, g)
	inBetween := true
	both := interceptor.NewClient(ada, interceptor.Funcs{SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, options ...client.SubResourceUpdateOption) error {
		if inBetween {
			inBetween = false
			other := &v1alpha1.Gate{}
			if err := c.Get(ctx, client.ObjectKeyFromObject(g), other); err != nil {
				return err
			}
			other.Status.Decisions = append(other.Status.Decisions, said("bob", v1alpha1.GateDecisionRefuse, 0))
			if err := c.Status().Update(ctx, other); err != nil {
				return err
			}
		}
		return c.SubResource(sub).Update(ctx, o, options...)
	}})
	if _, err := operation.ApproveGate(t.Context(), both, client.ObjectKeyFromObject(g), operation.Approval{At: noon}); err != nil {
		t.Fatal(err)
	}
	after, err := operation.GetGate(t.Context(), ada, client.ObjectKeyFromObject(g))
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Status.Decisions) != 2 || after.Status.Decisions[0].By != "bob" || after.Status.Decisions[1].By != "ada" {
		t.Errorf("decisions %+v, want bob's and ada's", after.Status.Decisions)
	}
}

func after(g *v1alpha1.Gate) {
	g.Name, g.Spec.Place.Timing = key.Name+"-production-after-ok", v1alpha1.GateTimingAfter
}

func TestFindingGates(t *testing.T) {
	ofOther := func(g *v1alpha1.Gate) { g.Name, g.OwnerReferences[0].UID = "old", "uid-0" }
	group := func(g *v1alpha1.Gate) { g.Spec.Place.Group = "all" }
	tests := map[string]struct {
		gates       []*v1alpha1.Gate
		path        string
		want        string // of the path
		wantError   string
		wantPending string // the one approval that the run waits for
		wantNone    string // why there is none
	}{
		"one": {gates: []*v1alpha1.Gate{aGate("ok")}, path: "production/ok", want: "to-1-37-production-before-ok", wantPending: "to-1-37-production-before-ok"},
		"of a group": {gates: []*v1alpha1.Gate{aGate("ok", group, notReached)}, path: "production/all/ok", want: "to-1-37-production-before-ok",
			wantNone: "has not come to a gate that needs an approval: to approve in advance say which, as in 'sengu gate approve to-1-37 production/all/ok' (production/all/ok)"},
		"no such": {gates: []*v1alpha1.Gate{aGate("ok"), aGate("go")}, path: "production/x", wantError: `run "to-1-37" has no gate "production/x": it has production/go, production/ok`,
			wantNone: "waits for several approvals: say which, as in 'sengu gate approve to-1-37 production/go' (production/go, production/ok)"},
		"none at all":                       {path: "production/x", wantError: `run "to-1-37" has no gate "production/x": it has none`, wantNone: `run "to-1-37" waits for no approval`},
		"an earlier run's":                  {gates: []*v1alpha1.Gate{aGate("ok", ofOther)}, path: "production/ok", wantError: "it has none", wantNone: "waits for no approval"},
		"two, one of which is reached":      {gates: []*v1alpha1.Gate{aGate("ok"), aGate("ok", after, notReached)}, path: "production/ok", want: "to-1-37-production-before-ok", wantPending: "to-1-37-production-before-ok"},
		"two, one of which has passed":      {gates: []*v1alpha1.Gate{aGate("ok", inState(v1alpha1.GateStatePassed)), aGate("ok", after)}, path: "production/ok", want: "to-1-37-production-after-ok", wantPending: "to-1-37-production-after-ok"},
		"two, none of which is reached yet": {gates: []*v1alpha1.Gate{aGate("ok", notReached), aGate("ok", after, notReached)}, path: "production/ok", wantError: `has two gates "production/ok": name one of them, to-1-37-production-after-ok or to-1-37-production-before-ok`, wantNone: "has not come to a gate"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{aRun(v1alpha1.RunPhasePending, startedByEve)}
			for _, g := range tc.gates {
				objects = append(objects, g)
			}
			hub := hubOf(t, "ada", nil, objects...)
			check := func(what string, g *v1alpha1.Gate, err error, want, wantError string) {
				t.Helper()
				if got := sentence(err); !strings.Contains(got, wantError) || got != "" && wantError == "" {
					t.Errorf("%s: error %q, want %q", what, got, wantError)
				}
				if err == nil && g.Name != want {
					t.Errorf("%s: found %s, want %s", what, g.Name, want)
				}
			}
			g, err := operation.FindGate(t.Context(), hub, key, tc.path)
			check("by its path", g, err, tc.want, tc.wantError)
			g, err = operation.PendingApproval(t.Context(), hub, key)
			check("the one that is waited for", g, err, tc.wantPending, tc.wantNone)
		})
	}
	if _, err := operation.FindGate(t.Context(), hubOf(t, "ada", nil), key, "a/b"); !errors.Is(err, operation.ErrNotFound) {
		t.Errorf("without the run: %v", err)
	}
}

// TestNothingIsSkippedThatIsDone: such a skip would change nothing, and read later as if it had.
func TestNothingIsSkippedThatIsDone(t *testing.T) {
	run := aRun(v1alpha1.RunPhaseRunning, startedByEve)
	run.Status.Strategy = &v1alpha1.UpgradeStrategySpec{Stages: []v1alpha1.StrategyStage{{Name: "first"}, {Name: "staging"}, {Name: "soaked", Soak: &v1alpha1.Soak{Duration: metav1.Duration{Duration: time.Hour}}}}}
	run.Status.Stages[0].Groups = append(run.Status.Stages[0].Groups, v1alpha1.RunGroupStatus{Name: "done", Phase: v1alpha1.StagePhaseSucceeded, Clusters: []string{"done-1"}})
	run.Status.Stages = append(run.Status.Stages,
		v1alpha1.RunStageStatus{Name: "first", Phase: v1alpha1.StagePhaseSucceeded},
		v1alpha1.RunStageStatus{Name: "soaked", Phase: v1alpha1.StagePhaseWaiting, SoakState: v1alpha1.SoakStateDone})
	upgrade := func(cluster string, phase v1alpha1.ClusterUpgradePhase) *v1alpha1.ClusterUpgrade {
		return &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: "to-1-37-" + cluster,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("UpgradeRun"))}}, Status: v1alpha1.ClusterUpgradeStatus{Phase: phase}}
	}
	for name, tc := range map[string]struct{ kind, path, want string }{
		"a finished stage":            {"stage", "first", `stage "first" of run "to-1-37" is finished: there is nothing to skip`},
		"the soak of a finished one":  {"soak", "first", `stage "first" of run "to-1-37" is finished: there is nothing to skip`},
		"a soak that is over":         {"soak", "soaked", `the soak of stage "soaked" of run "to-1-37" is over: there is nothing to skip`},
		"a soak that is not asked":    {"soak", "staging", `stage "staging" of run "to-1-37" has no soak: there is nothing to skip`},
		"a finished group":            {"group", "staging/done", `group "staging/done" of run "to-1-37" is finished: there is nothing to skip`},
		"a cluster that is done":      {"cluster", "done-1", `cluster "done-1" of run "to-1-37" is done: there is nothing to skip`},
		"a cluster that is not begun": {"cluster", "staging-1", ""},
		"a group in hand":             {"group", "staging/all", ""},
	} {
		t.Run(name, func(t *testing.T) {
			hub := newHub(t, interceptor.Funcs{}, run.DeepCopy(), upgrade("done-1", v1alpha1.ClusterUpgradePhaseSucceeded))
			skip, err := operation.ParseSkip(tc.kind, tc.path, "why")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := operation.Skip(t.Context(), hub, key, skip); sentence(err) != tc.want {
				t.Errorf("error %q, want %q", sentence(err), tc.want)
			}
		})
	}
	unreadable := newHub(t, interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, k client.ObjectKey, o client.Object, options ...client.GetOption) error {
		if _, ok := o.(*v1alpha1.ClusterUpgrade); ok {
			return apierrors.NewServiceUnavailable("not now")
		}
		return c.Get(ctx, k, o, options...)
	}}, run.DeepCopy())
	if _, err := operation.Skip(t.Context(), unreadable, types.NamespacedName{Namespace: key.Namespace, Name: key.Name}, v1alpha1.Skip{Kind: v1alpha1.SkipKindCluster, Cluster: "staging-1", Reason: "why"}); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("what cannot be read: %v", err)
	}
}
