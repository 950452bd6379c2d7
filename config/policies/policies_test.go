// SPDX-License-Identifier: Apache-2.0

package policies_test

import (
	"context"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/config/policies"
	"sengu.dev/sengu/internal/hub"
	"sengu.dev/sengu/internal/hub/hubtest"
)

func TestMain(m *testing.M) { hubtest.Main(m, crd.FS, policies.FS) }

// fleet is a namespace of the hub, which people and the controllers work in.
type fleet struct {
	t         *testing.T
	namespace string
}

// controllers are a client as the controllers of the hub have it.
func (f *fleet) controllers() client.Client {
	f.t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		f.t.Fatal(err)
	}
	c, err := client.New(hubtest.Hub(f.t).AdminConfig(), client.Options{Scheme: scheme})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// as is a client of a person; without groups an operator.
func (f *fleet) as(name string, groups ...string) client.Client {
	f.t.Helper()
	content, err := hubtest.Hub(f.t).Kubeconfig(hub.User{Name: name, Groups: append([]string{hub.GroupOperators}, groups...)})
	if err != nil {
		f.t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(content)
	if err != nil {
		f.t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: f.controllers().Scheme()})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func newFleet(t *testing.T) *fleet { return &fleet{t: t, namespace: hubtest.Namespace(t)} }

func (f *fleet) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: f.namespace, Name: name}
}

func get[T client.Object](f *fleet, name string, o T) T {
	f.t.Helper()
	if err := f.controllers().Get(f.t.Context(), client.ObjectKey{Namespace: f.namespace, Name: name}, o); err != nil {
		f.t.Fatal(err)
	}
	return o
}

// refused checks that a request was refused with a sentence, or went well if there is none.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil && want != "":
		t.Errorf("it went well, want that it is refused: %s", want)
	case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
		t.Errorf("error %q, want %q", err, want)
	}
}

func run(f *fleet) *v1alpha1.UpgradeRun {
	return &v1alpha1.UpgradeRun{ObjectMeta: f.named("r"), Spec: v1alpha1.UpgradeRunSpec{
		Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, StrategyRef: &v1alpha1.LocalObjectReference{Name: "s"}}}
}

// TestWhoCreatedAndChangedARun plays the life of a run by several people, who also try to write other names into it.
func TestWhoCreatedAndChangedARun(t *testing.T) {
	f := newFleet(t)
	forged := map[string]string{v1alpha1.AnnotationCreatedBy: "cy", v1alpha1.AnnotationChangedBy: "cy", v1alpha1.AnnotationStartedBy: "cy", "team": "red"}
	check := func(created, changed, started string) {
		t.Helper()
		a := get(f, "r", &v1alpha1.UpgradeRun{}).Annotations
		got := []string{a[v1alpha1.AnnotationCreatedBy], a[v1alpha1.AnnotationChangedBy], a[v1alpha1.AnnotationStartedBy], a["team"]}
		if diff := cmp.Diff([]string{created, changed, started, "red"}, got); diff != "" {
			t.Errorf("created, changed and started by, and what else was there (-want +got):\n%s", diff)
		}
	}
	change := func(c client.Client, edit func(*v1alpha1.UpgradeRun)) {
		t.Helper()
		r := get(f, "r", &v1alpha1.UpgradeRun{})
		edit(r)
		if err := c.Update(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	r := run(f)
	r.Annotations = forged
	if err := f.as("eve").Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	check("eve", "eve", "eve")

	change(f.as("ada"), func(r *v1alpha1.UpgradeRun) { r.Annotations = forged }) // an operator
	check("eve", "eve", "eve")
	change(f.as("ada", hub.GroupAdmins), func(r *v1alpha1.UpgradeRun) { r.Annotations = map[string]string{"team": "red"} }) // an admin
	check("eve", "eve", "eve")
	change(f.as("ada"), func(r *v1alpha1.UpgradeRun) { r.Spec.State = v1alpha1.RunStatePause })
	check("eve", "ada", "eve")
	change(f.as("bob"), func(r *v1alpha1.UpgradeRun) { r.Spec.State, r.Annotations = v1alpha1.RunStateRun, forged })
	check("eve", "bob", "eve\nbob")
	change(f.as("eve"), func(r *v1alpha1.UpgradeRun) { r.Spec.Attempt = 2 })
	check("eve", "eve", "eve\nbob")
	change(f.as("o"), func(r *v1alpha1.UpgradeRun) { r.Spec.Attempt = 3 }) // a name that others contain
	check("eve", "o", "eve\nbob\no")
	change(f.controllers(), func(r *v1alpha1.UpgradeRun) { r.Finalizers = []string{v1alpha1.FinalizerSafePoint} })
	check("eve", "o", "eve\nbob\no")
	change(f.controllers(), func(r *v1alpha1.UpgradeRun) { r.Finalizers = nil })
}

// gateOf puts a gate into the fleet as the controllers do.
func (f *fleet) gateOf(a *v1alpha1.ApprovalGate, decisions ...v1alpha1.GateDecision) {
	f.t.Helper()
	g := &v1alpha1.Gate{ObjectMeta: f.named("g"), Spec: v1alpha1.GateSpec{
		Type: v1alpha1.GateTypeApproval, RunRef: v1alpha1.LocalObjectReference{Name: "r"},
		Place:    v1alpha1.GatePlace{Stage: "production", Timing: v1alpha1.GateTimingBefore},
		Template: v1alpha1.GateSpecTemplate{Name: "ok", Approval: a},
	}}
	if err := f.controllers().Create(f.t.Context(), g); err != nil {
		f.t.Fatal(err)
	}
	for _, d := range decisions {
		g := get(f, "g", &v1alpha1.Gate{})
		g.Status.Decisions = append(g.Status.Decisions, d)
		if err := f.as(d.By, d.Groups...).Status().Update(f.t.Context(), g); err != nil {
			f.t.Fatal(err)
		}
	}
}

var noon = metav1.NewTime(time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC))

func approval(by string, groups ...string) v1alpha1.GateDecision {
	return v1alpha1.GateDecision{By: by, At: noon, Decision: v1alpha1.GateDecisionApprove, Groups: groups}
}

// TestDecisionsAreOnesOwn: people add decisions under their own name and groups, and change nothing else in a gate.
func TestDecisionsAreOnesOwn(t *testing.T) {
	add := func(d ...v1alpha1.GateDecision) func(*v1alpha1.GateStatus) {
		return func(st *v1alpha1.GateStatus) { st.Decisions = append(st.Decisions, d...) }
	}
	const (
		record = "decisions are a record and cannot be changed or removed"
		own    = "a decision is made under one's own name: you are "
		others = "only the controllers say what a gate is"
	)
	for name, tc := range map[string]struct {
		approvers []string
		before    []v1alpha1.GateDecision
		as        string
		groups    []string
		change    func(*v1alpha1.GateStatus)
		want      string
	}{
		"one approves":                        {as: "ada", change: add(approval("ada"))},
		"one approves in the name of another": {as: "ada", change: add(approval("bob")), want: own + "ada"},
		"an admin does":                       {as: "ada", groups: []string{hub.GroupAdmins}, change: add(approval("bob")), want: own + "ada"},
		"one adds another's to one's own":     {as: "ada", change: add(approval("ada"), approval("bob")), want: own + "ada"},
		"one more is added":                   {before: []v1alpha1.GateDecision{approval("bob")}, as: "ada", change: add(approval("ada"))},
		"a decision is removed":               {before: []v1alpha1.GateDecision{approval("bob")}, as: "ada", change: func(st *v1alpha1.GateStatus) { st.Decisions = nil }, want: record},
		"one's own is removed":                {before: []v1alpha1.GateDecision{approval("ada")}, as: "ada", change: func(st *v1alpha1.GateStatus) { st.Decisions = nil }, want: record},
		"a decision is changed":               {before: []v1alpha1.GateDecision{approval("bob")}, as: "ada", change: func(st *v1alpha1.GateStatus) { st.Decisions[0].Comment = "no" }, want: record},
		"a decision is taken over":            {before: []v1alpha1.GateDecision{approval("bob")}, as: "ada", change: func(st *v1alpha1.GateStatus) { st.Decisions[0].By = "ada" }, want: record},
		"one goes before another": {before: []v1alpha1.GateDecision{approval("bob")}, as: "ada", change: func(st *v1alpha1.GateStatus) {
			st.Decisions = []v1alpha1.GateDecision{approval("ada"), approval("bob")}
		}, want: record},
		"the controllers remove one":             {before: []v1alpha1.GateDecision{approval("bob")}, change: func(st *v1alpha1.GateStatus) { st.Decisions = nil }, want: record},
		"one of a group":                         {approvers: []string{"group:leads"}, as: "ada", groups: []string{"leads"}, change: add(approval("ada", "leads"))},
		"one claims a group":                     {approvers: []string{"group:leads"}, as: "ada", change: add(approval("ada", "leads")), want: "ada does not belong to a group that the decision names"},
		"one claims a group where none is asked": {as: "ada", change: add(approval("ada", "leads")), want: "ada does not belong to a group that the decision names"},
		"one of the approvers":                   {approvers: []string{"bob", "ada"}, as: "ada", change: add(approval("ada"))},
		"not one of the approvers":               {approvers: []string{"bob", "group:leads"}, as: "ada", change: add(approval("ada")), want: "ada is not among the approvers of this gate: bob, group:leads"},
		"one opens the gate":                     {as: "ada", change: func(st *v1alpha1.GateStatus) { st.State = v1alpha1.GateStatePassed }, want: others},
		"an admin opens the gate":                {as: "ada", groups: []string{hub.GroupAdmins}, change: func(st *v1alpha1.GateStatus) { st.State = v1alpha1.GateStatePassed }, want: others},
		"one approves and opens the gate":        {as: "ada", change: func(st *v1alpha1.GateStatus) { add(approval("ada"))(st); st.State = v1alpha1.GateStatePassed }, want: others},
		"one says who decided":                   {as: "ada", change: func(st *v1alpha1.GateStatus) { st.DecidedBy = "bob" }, want: others},
		"one says that it was reached":           {as: "ada", change: func(st *v1alpha1.GateStatus) { st.ReachedAt = &noon }, want: others},
		"one says what is ready":                 {as: "ada", change: func(st *v1alpha1.GateStatus) { st.Evidence = []string{"all is well"} }, want: others},
		"one lets it open":                       {as: "ada", change: func(st *v1alpha1.GateStatus) { st.OpensAt = &noon }, want: others},
		"the controllers open the gate": {before: []v1alpha1.GateDecision{approval("bob")}, change: func(st *v1alpha1.GateStatus) {
			st.State, st.DecidedBy, st.DecidedAt, st.ReachedAt = v1alpha1.GateStatePassed, "bob", &noon, &noon
		}},
		"a refusal without a reason": {as: "ada", change: add(v1alpha1.GateDecision{By: "ada", At: noon, Decision: v1alpha1.GateDecisionRefuse}), want: "a refusal needs a comment: why"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			f.gateOf(&v1alpha1.ApprovalGate{Approvers: tc.approvers}, tc.before...)
			g, c := get(f, "g", &v1alpha1.Gate{}), f.controllers()
			if tc.as != "" {
				c = f.as(tc.as, tc.groups...)
			}
			kept := g.Status.DeepCopy()
			tc.change(&g.Status)
			refused(t, c.Status().Update(t.Context(), g), tc.want)
			if after := get(f, "g", &v1alpha1.Gate{}).Status; tc.want != "" && cmp.Diff(*kept, after) != "" {
				t.Errorf("the gate has changed:\n%s", cmp.Diff(*kept, after))
			}
		})
	}
}

// TestEveryFieldOfAGateIsGuarded: a field that is added to the status of gates must be added to the policy.
func TestEveryFieldOfAGateIsGuarded(t *testing.T) {
	content, err := fs.ReadFile(policies.FS, "gates.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for field := range reflect.TypeFor[v1alpha1.GateStatus]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		rule := fmt.Sprintf("oldObject.?status.?%s == object.?status.?%s", name, name)
		if name != "decisions" && !strings.Contains(string(content), rule) {
			t.Errorf("anybody may change status.%s of a gate: the policy lacks %q", name, rule)
		}
	}
}

// TestGatesAreTheControllers': people neither make nor delete them, nor give them to another run.
func TestGatesAreTheControllers(t *testing.T) {
	f := newFleet(t)
	f.gateOf(&v1alpha1.ApprovalGate{}, approval("ada"))
	for _, groups := range [][]string{nil, {hub.GroupAdmins}} {
		ada := f.as("ada", groups...)
		g := get(f, "g", &v1alpha1.Gate{})
		forged := &v1alpha1.Gate{ObjectMeta: f.named("h"), Spec: g.Spec}
		refused(t, ada.Create(t.Context(), forged), "gates are made by the controllers")
		refused(t, ada.Delete(t.Context(), g), "a gate is deleted with its run")
		g.OwnerReferences = []metav1.OwnerReference{{APIVersion: "sengu.dev/v1alpha1", Kind: "UpgradeRun", Name: "x", UID: "y"}}
		refused(t, ada.Update(t.Context(), g), "which run a gate belongs to cannot be changed")
		g = get(f, "g", &v1alpha1.Gate{})
		g.Labels = map[string]string{"team": "red"}
		refused(t, ada.Update(t.Context(), g), "")
	}
	refused(t, f.controllers().Delete(context.Background(), get(f, "g", &v1alpha1.Gate{})), "")
}

func stage(name string, after ...string) v1alpha1.StrategyStage {
	return v1alpha1.StrategyStage{Name: name, DependsOn: after, Groups: []v1alpha1.StrategyGroup{{
		Name: "all", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": name}}}}}
}

// largest is the largest graph that the API takes: 64 stages of which each waits for the 16 before it.
func largest() []v1alpha1.StrategyStage {
	var stages []v1alpha1.StrategyStage
	for i := range 64 {
		s := stage(fmt.Sprintf("stage-%02d", i))
		for j := max(0, i-16); j < i; j++ {
			s.DependsOn = append(s.DependsOn, stages[j].Name)
		}
		s.BeforeGates = []v1alpha1.GateSpecTemplate{starting("Asia/Tokyo")}
		stages = append(stages, s)
	}
	return stages
}

func starting(zone string) v1alpha1.GateSpecTemplate {
	return v1alpha1.GateSpecTemplate{Name: "go", ScheduledStart: &v1alpha1.ScheduledStartGate{Next: "MON 09:00", TimeZone: zone}}
}

func gated(zone string) v1alpha1.StrategyStage {
	s := stage("a")
	s.Groups[0].AfterGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{}}, starting(zone)}
	return s
}

// TestStrategiesThatCanNeverWork are refused when they are applied, by name and inside a run.
func TestStrategiesThatCanNeverWork(t *testing.T) {
	for name, tc := range map[string]struct {
		stages []v1alpha1.StrategyStage
		want   string
	}{
		"a graph":                       {stages: []v1alpha1.StrategyStage{stage("a"), stage("b", "a"), stage("c", "a", "b")}},
		"the largest":                   {stages: largest()},
		"a stage that comes later":      {stages: []v1alpha1.StrategyStage{stage("a", "b"), stage("b")}, want: "stage a waits for b, which is not listed before it"},
		"a cycle":                       {stages: []v1alpha1.StrategyStage{stage("a", "c"), stage("b", "a"), stage("c", "b")}, want: "stage a waits for c, which is not listed before it"},
		"a stage that does not exist":   {stages: []v1alpha1.StrategyStage{stage("a"), stage("b", "a", "x")}, want: "stage b waits for x, which is not listed before it"},
		"a time zone":                   {stages: []v1alpha1.StrategyStage{gated("Asia/Tokyo")}},
		"a time zone that is not there": {stages: []v1alpha1.StrategyStage{gated("Asia/Tokio")}, want: "unknown time zone Asia/Tokio"},
		"an offset":                     {stages: []v1alpha1.StrategyStage{gated("+09:00")}, want: "a time zone of a scheduled start is not an IANA name like Asia/Tokyo"},
		"the hub's own time zone":       {stages: []v1alpha1.StrategyStage{gated("Local")}, want: "a time zone of a scheduled start is not an IANA name like Asia/Tokyo"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			spec := v1alpha1.UpgradeStrategySpec{StageOrder: v1alpha1.StageOrderGraph, Stages: tc.stages}
			admin := f.as("ada", hub.GroupAdmins)
			refused(t, admin.Create(t.Context(), &v1alpha1.UpgradeStrategy{ObjectMeta: f.named("s"), Spec: spec}), tc.want)
			r := run(f)
			r.Spec.StrategyRef, r.Spec.Strategy = nil, &spec
			refused(t, admin.Create(t.Context(), r), tc.want)
		})
	}
}
