// SPDX-License-Identifier: Apache-2.0

// Package viewtest has scenes from the life of a run, as objects, for tests of what people see.
package viewtest

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
)

// Now is the instant of every scene: a Monday.
var Now = time.Date(2026, time.November, 23, 14, 3, 20, 0, time.UTC)

// Ago is the instant some time before Now.
func Ago(d time.Duration) *metav1.Time { return new(metav1.NewTime(Now.Add(-d))) }

// Strategy goes from staging over canary to production in two groups, with soaks, and an approval before
// production.
func Strategy() v1alpha1.UpgradeStrategySpec {
	group := func(name, env string, atOnce int) v1alpha1.StrategyGroup {
		return v1alpha1.StrategyGroup{
			Name: name, MaxConcurrency: new(intstr.FromInt(atOnce)),
			Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": env}},
		}
	}
	return v1alpha1.UpgradeStrategySpec{
		MaxConcurrency: new(intstr.FromString("25%")),
		Stages: []v1alpha1.StrategyStage{
			{Name: "staging", Groups: []v1alpha1.StrategyGroup{group("all", "staging", 1)}, Soak: &v1alpha1.Soak{Duration: metav1.Duration{Duration: 30 * time.Second}}},
			{Name: "canary", Groups: []v1alpha1.StrategyGroup{group("all", "canary", 1)}, Soak: &v1alpha1.Soak{Duration: metav1.Duration{Duration: 2 * time.Hour}}},
			{
				Name: "production", Groups: []v1alpha1.StrategyGroup{group("asia", "asia", 1), group("europe", "europe", 2)},
				BeforeGates: []v1alpha1.GateSpecTemplate{{Name: "approve", Approval: &v1alpha1.ApprovalGate{Approvers: []string{"group:platform"}, Count: 2}}},
			},
		},
	}
}

// Scene is a run with what belongs to it, to be changed by its methods.
type Scene struct {
	// Objects of the scene.
	view.RunObjects
}

// NewScene is a run that has frozen its target and started nothing: four stages' clusters are known.
func NewScene() *Scene {
	strategy := Strategy()
	run := &v1alpha1.UpgradeRun{
		ObjectMeta: metav1.ObjectMeta{Name: "to-1-37", Namespace: "default", CreationTimestamp: *Ago(10 * time.Minute)},
		Spec: v1alpha1.UpgradeRunSpec{
			Target:      v1alpha1.UpgradeTarget{Kubernetes: "1.37"},
			StrategyRef: &v1alpha1.LocalObjectReference{Name: "staging-first"},
		},
	}
	run.Status = v1alpha1.UpgradeRunStatus{
		Phase: v1alpha1.RunPhaseRunning, Attempt: 1, Strategy: &strategy, StartedAt: Ago(9*time.Minute + 12*time.Second),
		Resolved: &v1alpha1.ResolvedTarget{Version: "1.37.2"},
	}
	members := map[string][]string{
		"staging/all": {"staging-1"}, "canary/all": {"canary-1"},
		"production/asia": {"prod-tokyo-1", "prod-osaka-1"}, "production/europe": {"prod-berlin-1"},
	}
	for _, stage := range strategy.Stages {
		s := v1alpha1.RunStageStatus{Name: stage.Name, Phase: v1alpha1.StagePhaseNotStarted}
		for _, group := range stage.Groups {
			clusters := members[stage.Name+"/"+group.Name]
			s.Groups = append(s.Groups, v1alpha1.RunGroupStatus{Name: group.Name, Phase: v1alpha1.StagePhaseNotStarted, Clusters: clusters})
		}
		run.Status.Stages = append(run.Status.Stages, s)
	}
	s := &Scene{RunObjects: view.RunObjects{Run: run}}
	s.Recount()
	return s
}

// Stage returns the status of a stage.
func (s *Scene) Stage(name string) *v1alpha1.RunStageStatus {
	for i := range s.Run.Status.Stages {
		if s.Run.Status.Stages[i].Name == name {
			return &s.Run.Status.Stages[i]
		}
	}
	panic("the scene has no stage " + name)
}

// Upgrade returns the upgrade of a cluster, and makes one that runs when there is none.
func (s *Scene) Upgrade(cluster string) *v1alpha1.ClusterUpgrade {
	for _, u := range s.Upgrades {
		if u.Spec.Cluster == cluster {
			return u
		}
	}
	u := &v1alpha1.ClusterUpgrade{
		ObjectMeta: metav1.ObjectMeta{
			Name: s.Run.Name + "-" + cluster, Namespace: s.Run.Namespace,
			Labels: map[string]string{v1alpha1.LabelRun: s.Run.Name, v1alpha1.LabelCluster: cluster},
		},
		Spec: v1alpha1.ClusterUpgradeSpec{
			Cluster: cluster, RunRef: v1alpha1.LocalObjectReference{Name: s.Run.Name}, Hops: []string{"1.37.2"},
		},
		Status: v1alpha1.ClusterUpgradeStatus{
			Phase: v1alpha1.ClusterUpgradePhaseRunning, Attempt: 1, FromVersion: "1.36.3",
			CurrentStep: "1.37.2/ControlPlane", StartedAt: Ago(41 * time.Second),
		},
	}
	s.Upgrades = append(s.Upgrades, u)
	s.Recount()
	return u
}

// Succeed ends the upgrade of a cluster well.
func (s *Scene) Succeed(cluster string, nodes int32, took time.Duration) *Scene {
	u := s.Upgrade(cluster)
	u.Status.Phase, u.Status.CurrentStep = v1alpha1.ClusterUpgradePhaseSucceeded, ""
	u.Status.StartedAt, u.Status.FinishedAt = Ago(5*time.Minute+took), Ago(5*time.Minute)
	u.Status.NodePools = []v1alpha1.NodePoolProgress{{Name: "user", Desired: nodes, Done: nodes, Total: nodes}}
	u.Status.Drain = v1alpha1.DrainCounts{Evicted: 5 * nodes, Refused: 1, Waited: nodes}
	s.Recount()
	return s
}

// Fail ends the upgrade of a cluster badly.
func (s *Scene) Fail(cluster, reason, message string) *Scene {
	u := s.Upgrade(cluster)
	u.Status.Phase, u.Status.FinishedAt = v1alpha1.ClusterUpgradePhaseFailed, Ago(0)
	u.Status.Reason, u.Status.Message = reason, message
	s.Recount()
	return s
}

// Drain puts nodes of a cluster in hand.
func (s *Scene) Drain(cluster string, done, total int32, nodes ...v1alpha1.DrainingNode) *Scene {
	u := s.Upgrade(cluster)
	u.Status.CurrentStep = "1.37.2/NodePool/user"
	u.Status.NodePools = []v1alpha1.NodePoolProgress{{Name: "user", Desired: total, Done: done, Total: total, Draining: nodes}}
	return s
}

// Blocked is a node whose last two pods wait for a budget.
func Blocked(name string) v1alpha1.DrainingNode {
	blocker := func(pod string) v1alpha1.DrainBlocker {
		return v1alpha1.DrainBlocker{
			Pod: "shop/" + pod, Budget: "shop/cart", Healthy: 3, Desired: 3,
			Reason: v1alpha1.ReasonBudgetExhausted, Since: Ago(12 * time.Second),
		}
	}
	return v1alpha1.DrainingNode{
		Name: name, State: "Draining", Since: Ago(40 * time.Second), PodsLeft: 2,
		BlockedBy: []v1alpha1.DrainBlocker{blocker("cart-6d8-x2x9k"), blocker("cart-6d8-p4kq7")},
	}
}

// Many replaces the last group's clusters by n of them.
func (s *Scene) Many(n int) *Scene {
	stage := s.Stage("production")
	group := &stage.Groups[len(stage.Groups)-1]
	group.Clusters = nil
	for i := range n {
		group.Clusters = append(group.Clusters, fmt.Sprintf("prod-europe-%04d", i+1))
	}
	s.Recount()
	return s
}

// Recount sets all counts and phases of groups and stages from the upgrades, as the controller does.
func (s *Scene) Recount() {
	phases := map[string]v1alpha1.ClusterUpgradePhase{}
	for _, u := range s.Upgrades {
		phases[u.Spec.Cluster] = u.Status.Phase
	}
	total := v1alpha1.RunCounts{}
	for i := range s.Run.Status.Stages {
		stage := &s.Run.Status.Stages[i]
		stage.Counts = v1alpha1.RunCounts{}
		for j := range stage.Groups {
			group := &stage.Groups[j]
			group.Counts = v1alpha1.RunCounts{}
			for _, name := range group.Clusters {
				for _, c := range []*v1alpha1.RunCounts{&group.Counts, &stage.Counts, &total} {
					add(c, phases[name])
				}
			}
			if group.Counts.Running > 0 {
				group.Phase, stage.Phase = v1alpha1.StagePhaseRunning, v1alpha1.StagePhaseRunning
			}
		}
	}
	s.Run.Status.Counts = total
}

func add(c *v1alpha1.RunCounts, p v1alpha1.ClusterUpgradePhase) {
	c.Total++
	switch p {
	case v1alpha1.ClusterUpgradePhaseSucceeded:
		c.Succeeded++
	case v1alpha1.ClusterUpgradePhaseFailed:
		c.Failed++
	case v1alpha1.ClusterUpgradePhaseRunning:
		c.Running++
	default:
		c.NotStarted++
	}
}

// Phase sets the phase of a stage and of its groups.
func (s *Scene) Phase(stage string, phase v1alpha1.StagePhase) *Scene {
	st := s.Stage(stage)
	st.Phase = phase
	for i := range st.Groups {
		st.Groups[i].Phase = phase
		if phase == v1alpha1.StagePhaseSoaking {
			st.Groups[i].Phase = v1alpha1.StagePhaseSucceeded
		}
	}
	return s
}

// Draining is the scene that people see most: staging is done and soaked, canary drains and is blocked by a
// budget on one node, production waits for canary and for two approvals.
func Draining() *Scene {
	s := NewScene().Succeed("staging-1", 3, 58*time.Second).Phase("staging", v1alpha1.StagePhaseSucceeded)
	staging := s.Stage("staging")
	staging.StartedAt, staging.FinishedAt = Ago(9*time.Minute), Ago(4*time.Minute)
	staging.SoakedFor = &metav1.Duration{Duration: 30 * time.Second}
	s.Drain("canary-1", 2, 6, Blocked("user-7"), v1alpha1.DrainingNode{Name: "user-8", State: "Replacing", Since: Ago(21 * time.Second)})
	s.Upgrade("canary-1").Status.Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonDrainBlocked, Message: "a budget lets no pod of the nodes in hand go", Since: Ago(12 * time.Second)}
	s.Stage("canary").StartedAt = Ago(3 * time.Minute)
	production := s.Stage("production")
	production.Gates = []v1alpha1.RunGateStatus{{Name: "approve", Timing: "Before", Gate: "to-1-37-production-before-approve", State: v1alpha1.GateStatePending}}
	production.Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonPreviousStage, Message: "waits for stage canary"}
	s.Gates = []*v1alpha1.Gate{{
		ObjectMeta: metav1.ObjectMeta{Name: "to-1-37-production-before-approve", Namespace: s.Run.Namespace, Labels: map[string]string{v1alpha1.LabelRun: s.Run.Name}},
		Spec: v1alpha1.GateSpec{
			Type: v1alpha1.GateTypeApproval, RunRef: v1alpha1.LocalObjectReference{Name: s.Run.Name},
			Place: v1alpha1.GatePlace{Stage: "production", Timing: v1alpha1.GateTimingBefore}, Template: Strategy().Stages[2].BeforeGates[0],
		},
		Status: v1alpha1.GateStatus{State: v1alpha1.GateStatePending, Message: "1 of 2 approvals"},
	}}
	s.Run.Status.CurrentStage = "canary"
	return s
}
