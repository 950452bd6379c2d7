// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/config/policies"
	"sengu.dev/sengu/internal/hub/hubtest"
)

func TestMain(m *testing.M) { hubtest.Main(m, crd.FS, policies.FS) }

func hubClient(t *testing.T) client.Client {
	t.Helper()
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(hubtest.Hub(t).AdminConfig(), client.Options{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func simulated(version string) v1alpha1.ProviderSpec {
	return v1alpha1.ProviderSpec{Simulated: &v1alpha1.SimulatedProvider{Version: version}}
}

func env(value string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: map[string]string{"env": value}}
}

func oneStage(change func(*v1alpha1.UpgradeStrategySpec)) *v1alpha1.UpgradeStrategy {
	s := &v1alpha1.UpgradeStrategy{Spec: v1alpha1.UpgradeStrategySpec{Stages: []v1alpha1.StrategyStage{{
		Name: "staging", Groups: []v1alpha1.StrategyGroup{{Name: "all", Selector: env("staging")}},
	}}}}
	if change != nil {
		change(&s.Spec)
	}
	return s
}

func runTo(version string, change func(*v1alpha1.UpgradeRunSpec)) *v1alpha1.UpgradeRun {
	r := &v1alpha1.UpgradeRun{Spec: v1alpha1.UpgradeRunSpec{
		Target:      v1alpha1.UpgradeTarget{Kubernetes: version},
		StrategyRef: &v1alpha1.LocalObjectReference{Name: "standard"},
	}}
	if change != nil {
		change(&r.Spec)
	}
	return r
}

func cluster(change func(*v1alpha1.ClusterSpec)) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{Spec: v1alpha1.ClusterSpec{Provider: simulated("1.36.1")}}
	if change != nil {
		change(&c.Spec)
	}
	return c
}

func calendar(change func(*v1alpha1.MaintenanceCalendarSpec)) *v1alpha1.MaintenanceCalendar {
	c := &v1alpha1.MaintenanceCalendar{Spec: v1alpha1.MaintenanceCalendarSpec{
		TimeZone: "Asia/Tokyo",
		Windows: []v1alpha1.MaintenanceWindow{{
			RRule: "FREQ=WEEKLY;BYDAY=TU", Start: "22:00", Duration: metav1.Duration{Duration: 6 * time.Hour},
		}},
	}}
	if change != nil {
		change(&c.Spec)
	}
	return c
}

// TestCreate tries objects that people write. What is refused is refused with a sentence that says why.
func TestCreate(t *testing.T) {
	cases := map[string]struct {
		object      client.Object
		wantRefusal string // part of the message; empty: accepted
	}{
		"a cluster with one provider": {object: cluster(nil)},
		"a cluster with two providers": {
			object: cluster(func(s *v1alpha1.ClusterSpec) {
				s.Provider.Local = &v1alpha1.LocalProvider{Endpoint: "http://127.0.0.1:1", Cluster: "a",
					TokenSecretRef: v1alpha1.SecretKeyReference{Name: "lab", Key: "token"}}
			}),
			wantRefusal: "set exactly one provider",
		},
		"a cluster without provider": {
			object:      cluster(func(s *v1alpha1.ClusterSpec) { s.Provider = v1alpha1.ProviderSpec{} }),
			wantRefusal: "Required value",
		},
		"surge as a percentage": {
			object: cluster(func(s *v1alpha1.ClusterSpec) { s.NodeRollout.MaxSurge = new(intstr.FromString("33%")) }),
		},
		"surge above a hundred percent": {
			object:      cluster(func(s *v1alpha1.ClusterSpec) { s.NodeRollout.MaxSurge = new(intstr.FromString("120%")) }),
			wantRefusal: "must be a number from 0 to 5000 or a percentage from 0% to 100%",
		},
		"negative unavailable": {
			object:      cluster(func(s *v1alpha1.ClusterSpec) { s.NodeRollout.MaxUnavailable = new(intstr.FromInt32(-1)) }),
			wantRefusal: "must be a number from 0 to 5000 or a percentage from 0% to 100%",
		},
		"a simulated version without a patch": {
			object:      cluster(func(s *v1alpha1.ClusterSpec) { s.Provider = simulated("1.36") }),
			wantRefusal: "version",
		},
		"a strategy of one stage": {object: oneStage(nil)},
		"an empty selector": {
			object:      oneStage(func(s *v1alpha1.UpgradeStrategySpec) { s.Stages[0].Groups[0].Selector = metav1.LabelSelector{} }),
			wantRefusal: "selector",
		},
		"a selector with an empty list": {
			object: oneStage(func(s *v1alpha1.UpgradeStrategySpec) {
				s.Stages[0].Groups[0].Selector = metav1.LabelSelector{MatchLabels: map[string]string{}}
			}),
			wantRefusal: "selector",
		},
		"concurrency zero": {
			object:      oneStage(func(s *v1alpha1.UpgradeStrategySpec) { s.MaxConcurrency = new(intstr.FromInt32(0)) }),
			wantRefusal: "must be a number from 1 to 10000 or a percentage from 1% to 100%",
		},
		"concurrency in words": {
			object:      oneStage(func(s *v1alpha1.UpgradeStrategySpec) { s.MaxConcurrency = new(intstr.FromString("half")) }),
			wantRefusal: "must be a number from 1 to 10000 or a percentage from 1% to 100%",
		},
		"two stages of one name": {
			object:      oneStage(func(s *v1alpha1.UpgradeStrategySpec) { s.Stages = append(s.Stages, s.Stages[0]) }),
			wantRefusal: "Duplicate value",
		},
		"a gate of two kinds": {
			object: oneStage(func(s *v1alpha1.UpgradeStrategySpec) {
				s.Stages[0].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{Count: 1},
					Verification: &v1alpha1.LocalObjectReference{Name: "shop"}}}
			}),
			wantRefusal: "set exactly one of approval, scheduledStart and verification",
		},
		"stages that depend on each other in a sequence": {
			object:      oneStage(func(s *v1alpha1.UpgradeStrategySpec) { s.Stages[0].DependsOn = []string{"other"} }),
			wantRefusal: "dependsOn goes with stageOrder: Graph",
		},
		"a stage that waits for itself": {
			object: oneStage(func(s *v1alpha1.UpgradeStrategySpec) {
				s.StageOrder, s.Stages[0].DependsOn = v1alpha1.StageOrderGraph, []string{"staging"}
			}),
			wantRefusal: "a stage cannot wait for itself",
		},
		"an order by nodes with a label": {
			object: oneStage(func(s *v1alpha1.UpgradeStrategySpec) {
				s.Stages[0].Groups[0].ClusterOrder = &v1alpha1.ClusterOrder{By: v1alpha1.ClusterOrderNodes, Label: "cost"}
			}),
			wantRefusal: "label goes with by: Label",
		},
		"one cluster with the same cause is no series": {
			object:      oneStage(func(s *v1alpha1.UpgradeStrategySpec) { s.SameCauseLimit = 1 }),
			wantRefusal: "sameCauseLimit",
		},
		"the settings of a fleet under another name": {
			object:      &v1alpha1.Fleet{},
			wantRefusal: "the settings of a fleet are named fleet",
		},
		"a run to a minor": {object: runTo("1.37", nil)},
		"a run to nowhere": {
			object:      runTo("", func(s *v1alpha1.UpgradeRunSpec) { s.Target.Scope = v1alpha1.UpgradeScopeFull }),
			wantRefusal: "kubernetes is needed",
		},
		"a run to a word": {
			object:      runTo("latest", nil),
			wantRefusal: "kubernetes",
		},
		"a node image run that names a version": {
			object:      runTo("1.37", func(s *v1alpha1.UpgradeRunSpec) { s.Target.Scope = v1alpha1.UpgradeScopeNodeImageOnly }),
			wantRefusal: "must not name it",
		},
		"a run with two strategies": {
			object:      runTo("1.37", func(s *v1alpha1.UpgradeRunSpec) { s.Strategy = &oneStage(nil).Spec }),
			wantRefusal: "set exactly one of strategyRef and strategy",
		},
		"custom images without a list": {
			object: runTo("1.37", func(s *v1alpha1.UpgradeRunSpec) {
				s.Target.NodeImage = &v1alpha1.NodeImageTarget{Type: v1alpha1.NodeImageCustom}
			}),
			wantRefusal: "custom images go with type Custom",
		},
		"a skip without reason": {
			object: runTo("1.37", func(s *v1alpha1.UpgradeRunSpec) {
				s.Skip = []v1alpha1.Skip{{Kind: v1alpha1.SkipKindCluster, Cluster: "a"}}
			}),
			wantRefusal: "reason",
		},
		"a skip of a group that is not named": {
			object: runTo("1.37", func(s *v1alpha1.UpgradeRunSpec) {
				s.Skip = []v1alpha1.Skip{{Kind: v1alpha1.SkipKindGroup, Stage: "a", Reason: "why"}}
			}),
			wantRefusal: "kind Group needs group",
		},
		"a calendar": {object: calendar(nil)},
		"a window with two rules": {
			object:      calendar(func(s *v1alpha1.MaintenanceCalendarSpec) { s.Windows[0].Cron = "0 22 * * 2" }),
			wantRefusal: "set exactly one of rrule and cron",
		},
		"a calendar by cron": {object: calendar(func(s *v1alpha1.MaintenanceCalendarSpec) {
			s.Windows[0].RRule, s.Windows[0].Start, s.Windows[0].Cron = "", "", " 0 22\t1-15/2  JAN,mar tue"
		})},
		"a rule in small letters": {object: calendar(func(s *v1alpha1.MaintenanceCalendarSpec) { s.Windows[0].RRule = "rrule:byday=TU;freq=weekly" })},
		"a window every hour by rule": {
			object:      calendar(func(s *v1alpha1.MaintenanceCalendarSpec) { s.Windows[0].RRule = "FREQ=HOURLY" }),
			wantRefusal: "use cron for a window that opens several times a day",
		},
		"a window of three days": {
			object:      calendar(func(s *v1alpha1.MaintenanceCalendarSpec) { s.Windows[0].RRule = "FREQ=DAILY;COUNT=3" }),
			wantRefusal: "cannot have COUNT",
		},
		"a rule with a time of its own": {
			object:      calendar(func(s *v1alpha1.MaintenanceCalendarSpec) { s.Windows[0].RRule = "freq=daily;byhour=3" }),
			wantRefusal: "start says the time",
		},
		"a cron expression of seconds": {
			object: calendar(func(s *v1alpha1.MaintenanceCalendarSpec) {
				s.Windows[0].RRule, s.Windows[0].Start, s.Windows[0].Cron = "", "", "0 0 22 * * 2"
			}),
			wantRefusal: "must have five fields",
		},
		"a cron expression by name": {
			object: calendar(func(s *v1alpha1.MaintenanceCalendarSpec) {
				s.Windows[0].RRule, s.Windows[0].Start, s.Windows[0].Cron = "", "", "@daily"
			}),
			wantRefusal: "must have five fields",
		},
		"a window of half a minute": {
			object:      calendar(func(s *v1alpha1.MaintenanceCalendarSpec) { s.Windows[0].Duration.Duration = 30 * time.Second }),
			wantRefusal: "must be from 1m to 8784h",
		},
		"a window of two years": {
			object:      calendar(func(s *v1alpha1.MaintenanceCalendarSpec) { s.Windows[0].Duration.Duration = 2 * 8784 * time.Hour }),
			wantRefusal: "must be from 1m to 8784h",
		},
		"a zone of a file": {
			object:      calendar(func(s *v1alpha1.MaintenanceCalendarSpec) { s.TimeZone = "../../etc/localtime" }),
			wantRefusal: "spec.timeZone",
		},
		"a freeze that ends before it begins": {
			object: calendar(func(s *v1alpha1.MaintenanceCalendarSpec) {
				s.Freezes = []v1alpha1.Freeze{{From: metav1.Unix(2e9, 0), To: metav1.Unix(1e9, 0), Reason: "year end"}}
			}),
			wantRefusal: "from must be before to",
		},
		"a verification of nothing": {
			object:      &v1alpha1.Verification{Spec: v1alpha1.VerificationSpec{MinSamples: 1}},
			wantRefusal: "name at least one flow, probe or metric",
		},
		"a policy": {object: &v1alpha1.UpgradePolicy{Spec: v1alpha1.UpgradePolicySpec{
			StrategyRef: v1alpha1.LocalObjectReference{Name: "standard"}}}},
		"a waiver without an owner": {
			object: &v1alpha1.Waiver{Spec: v1alpha1.WaiverSpec{Finding: "x", Clusters: []string{"a"}, Reason: "r",
				Expires: metav1.Unix(2e9, 0)}},
			wantRefusal: "owner",
		},
		"a waiver": {object: &v1alpha1.Waiver{Spec: v1alpha1.WaiverSpec{Finding: "x", Clusters: []string{"a"}, Owner: "team",
			Reason: "r", Expires: metav1.Unix(2e9, 0)}}},
	}
	hub, namespace := hubClient(t), hubtest.Namespace(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.object.SetNamespace(namespace)
			tc.object.SetGenerateName("try-")
			expectRefusal(t, hub.Create(context.Background(), tc.object), tc.wantRefusal)
		})
	}
}

// TestChange tries what may be changed of an object that exists.
func TestChange(t *testing.T) {
	skip := func(cluster string) v1alpha1.Skip {
		return v1alpha1.Skip{Kind: v1alpha1.SkipKindCluster, Cluster: cluster, Reason: "why"}
	}
	cases := map[string]struct {
		object      client.Object
		change      func(client.Object)
		wantRefusal string
	}{
		"the target of a run": {
			object:      runTo("1.37", nil),
			change:      func(o client.Object) { o.(*v1alpha1.UpgradeRun).Spec.Target.Kubernetes = "1.38" },
			wantRefusal: "target is immutable",
		},
		"the strategy of a run": {
			object:      runTo("1.37", nil),
			change:      func(o client.Object) { o.(*v1alpha1.UpgradeRun).Spec.StrategyRef.Name = "other" },
			wantRefusal: "strategyRef is immutable",
		},
		"the selector of a run, added later": {
			object:      runTo("1.37", nil),
			change:      func(o client.Object) { o.(*v1alpha1.UpgradeRun).Spec.ClusterSelector = new(env("staging")) },
			wantRefusal: "immutable",
		},
		"a run is paused": {
			object: runTo("1.37", nil),
			change: func(o client.Object) { o.(*v1alpha1.UpgradeRun).Spec.State = v1alpha1.RunStatePause },
		},
		"a stopped run goes on": {
			object:      runTo("1.37", func(s *v1alpha1.UpgradeRunSpec) { s.State = v1alpha1.RunStateStop }),
			change:      func(o client.Object) { o.(*v1alpha1.UpgradeRun).Spec.State = v1alpha1.RunStateRun },
			wantRefusal: "a stopped run stays stopped",
		},
		"one more skip": {
			object: runTo("1.37", func(s *v1alpha1.UpgradeRunSpec) { s.Skip = []v1alpha1.Skip{skip("a")} }),
			change: func(o client.Object) {
				run := o.(*v1alpha1.UpgradeRun)
				run.Spec.Skip = append(run.Spec.Skip, skip("b"))
			},
		},
		"a skip taken back": {
			object:      runTo("1.37", func(s *v1alpha1.UpgradeRunSpec) { s.Skip = []v1alpha1.Skip{skip("a"), skip("b")} }),
			change:      func(o client.Object) { o.(*v1alpha1.UpgradeRun).Spec.Skip = []v1alpha1.Skip{skip("a")} },
			wantRefusal: "skip is append-only",
		},
		"an earlier attempt": {
			object:      runTo("1.37", func(s *v1alpha1.UpgradeRunSpec) { s.Attempt = 3 }),
			change:      func(o client.Object) { o.(*v1alpha1.UpgradeRun).Spec.Attempt = 2 },
			wantRefusal: "attempt only grows",
		},
		"the kind of provider": {
			object: cluster(nil),
			change: func(o client.Object) {
				o.(*v1alpha1.Cluster).Spec.Provider = v1alpha1.ProviderSpec{Local: &v1alpha1.LocalProvider{
					Endpoint: "http://127.0.0.1:1", Cluster: "a", TokenSecretRef: v1alpha1.SecretKeyReference{Name: "s", Key: "k"}}}
			},
			wantRefusal: "the kind of provider cannot change",
		},
		"the cluster of a cluster upgrade": {
			object: &v1alpha1.ClusterUpgrade{Spec: v1alpha1.ClusterUpgradeSpec{Cluster: "a", Hops: []string{"1.37.2"},
				RunRef: v1alpha1.LocalObjectReference{Name: "r"}}},
			change:      func(o client.Object) { o.(*v1alpha1.ClusterUpgrade).Spec.Cluster = "b" },
			wantRefusal: "cluster is immutable",
		},
		"the hops of a cluster upgrade": {
			object: &v1alpha1.ClusterUpgrade{Spec: v1alpha1.ClusterUpgradeSpec{Cluster: "a", Hops: []string{"1.37.2"},
				RunRef: v1alpha1.LocalObjectReference{Name: "r"}}},
			change:      func(o client.Object) { o.(*v1alpha1.ClusterUpgrade).Spec.Hops[0] = "1.38.0" },
			wantRefusal: "the target is frozen",
		},
	}
	hub, namespace := hubClient(t), hubtest.Namespace(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tc.object.SetNamespace(namespace)
			tc.object.SetGenerateName("try-")
			if err := hub.Create(context.Background(), tc.object); err != nil {
				t.Fatalf("create: %v", err)
			}
			tc.change(tc.object)
			expectRefusal(t, hub.Update(context.Background(), tc.object), tc.wantRefusal)
		})
	}
}

func expectRefusal(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && err == nil:
		t.Errorf("accepted, want a refusal with %q", want)
	case want != "" && !strings.Contains(err.Error(), want):
		t.Errorf("refused with %q, want %q in it", err, want)
	}
}
