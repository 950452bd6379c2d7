// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"maps"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

// waiting is a wait of two minutes; left is how long until it is looked at again, zero for an event.
func waiting(reason, message string, left time.Duration) v1alpha1.Waiting {
	w := v1alpha1.Waiting{Reason: reason, Message: message, Since: viewtest.Ago(2 * time.Minute)}
	if left != 0 {
		w.Until = viewtest.Ago(-left)
	}
	return w
}

// begun is a run whose staging cluster is in flight.
func begun(wait *v1alpha1.Waiting) *viewtest.Scene {
	s := viewtest.NewScene()
	u := s.Upgrade("staging-1")
	u.Status.Waiting = wait
	u.Status.Steps = []v1alpha1.StepStatus{{Name: u.Status.CurrentStep, StartedAt: viewtest.Ago(40 * time.Second), Result: v1alpha1.StepResultRunning}}
	return s.Waits("staging", "", waiting(v1alpha1.ReasonClustersInFlight, "upgrading staging-1", 0))
}

// refused is a run that is not accepted.
func refused(reason, message string) *viewtest.Fleet {
	s := viewtest.NewScene()
	s.Run.Status = v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseNotStarted, Waiting: new(waiting(reason, message, 0))}
	return viewtest.NewFleet(s)
}

// soaked is a run whose staging stage is done and soaks.
func soaked(state v1alpha1.SoakState, counted time.Duration) *viewtest.Scene {
	s := viewtest.NewScene().Succeed("staging-1", 3, 58*time.Second).Phase("staging", v1alpha1.StagePhaseSoaking)
	s.Run.Status.Phase = v1alpha1.RunPhasePending
	staging := s.Stage("staging")
	staging.SoakedFor, staging.SoakCountedAt, staging.SoakState = &metav1.Duration{Duration: 10 * time.Second}, viewtest.Ago(counted), state
	reason, left := v1alpha1.ReasonSoaking, 18*time.Second
	if state == v1alpha1.SoakStateInterrupted {
		reason, left = v1alpha1.ReasonSoakInterrupted, 0
	}
	return s.Waits("staging", "", waiting(reason, "healthy time of 30s is counted", left))
}

// gated is a run that has come to the gate before production.
func gated(edit func(*v1alpha1.Gate)) *viewtest.Fleet {
	s := viewtest.Draining().Succeed("canary-1", 6, time.Minute).Phase("canary", v1alpha1.StagePhaseSucceeded).Phase("production", v1alpha1.StagePhaseWaiting)
	s.Waits("production", "", waiting(v1alpha1.ReasonGateClosed, "gate production/approve waits for an approval", 0))
	s.Run.Status.Phase = v1alpha1.RunPhasePending
	s.Gates[0].CreationTimestamp = *viewtest.Ago(time.Hour)
	s.Gates[0].Status = v1alpha1.GateStatus{}
	edit(s.Gates[0])
	return viewtest.NewFleet(s)
}

// blockedBy is a run one of whose nodes is held up.
func blockedBy(reason, budget string) *viewtest.Fleet {
	s := viewtest.Draining()
	node := &s.Upgrade("canary-1").Status.NodePools[0].Draining[0]
	node.BlockedBy = node.BlockedBy[:1]
	node.BlockedBy[0].Reason, node.BlockedBy[0].Budget = reason, budget
	s.Upgrade("canary-1").Status.Waiting.Until = viewtest.Ago(-20 * time.Minute)
	return viewtest.NewFleet(s)
}

// production is a run that has come to production and can start nothing of group asia.
func production(wait v1alpha1.Waiting) *viewtest.Scene {
	s := viewtest.NewScene().Succeed("staging-1", 3, time.Minute).Succeed("canary-1", 6, time.Minute)
	s.Phase("staging", v1alpha1.StagePhaseSucceeded).Phase("canary", v1alpha1.StagePhaseSucceeded).Phase("production", v1alpha1.StagePhaseWaiting)
	s.Run.Status.Phase = v1alpha1.RunPhasePending
	return s.Waits("production", "asia", wait)
}

func aCalendar(name string, next ...v1alpha1.Opening) *v1alpha1.MaintenanceCalendar {
	return &v1alpha1.MaintenanceCalendar{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1alpha1.MaintenanceCalendarStatus{Next: next},
		Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: "Asia/Tokyo", Windows: []v1alpha1.MaintenanceWindow{{Cron: "0 22 * * *", Duration: metav1.Duration{Duration: 6 * time.Hour}}}},
	}
}

func opening(in, lasts time.Duration) v1alpha1.Opening {
	return v1alpha1.Opening{From: *viewtest.Ago(-in), To: viewtest.Ago(-in - lasts)}
}

// situations in which people ask why a run does not move.
func situations() map[string]*viewtest.Fleet {
	all := map[string]*viewtest.Fleet{
		"refused-strategy-missing": refused(v1alpha1.ReasonStrategyMissing, `strategy "staging-first" does not exist: create it, and the run starts`),
		"refused-no-group":         refused(v1alpha1.ReasonClusterInNoGroup, "cluster prod-9 belongs to no group of the strategy"),
		"refused-unknown-version":  refused(v1alpha1.ReasonUnknownVersion, "1.39 is offered to no cluster of the run"),
		"drain-blocked":            blockedBy(v1alpha1.ReasonBudgetExhausted, "shop/cart"),
		"drain-never":              blockedBy(v1alpha1.ReasonBudgetNeverAllows, "shop/db"),
		"drain-several-budgets":    blockedBy(v1alpha1.ReasonSeveralBudgets, ""),
		"drain-pod-ends":           blockedBy(v1alpha1.ReasonTerminating, ""),
		"drain-pod-stuck":          blockedBy(v1alpha1.ReasonStuckTerminating, ""),
		"soaking":                  viewtest.NewFleet(soaked(v1alpha1.SoakStateCounting, 2*time.Second)),
		"control-plane":            viewtest.NewFleet(begun(new(waiting(v1alpha1.ReasonControlPlaneUpgrading, "the provider upgrades the control plane to 1.37.2", 0)))),
		"provider-silent":          viewtest.NewFleet(begun(new(waiting(v1alpha1.ReasonProviderUnreachable, "the provider does not answer: \x1b[31mdial tcp: i/o timeout", 30*time.Second)))),
		"provider-conflict":        viewtest.NewFleet(begun(new(waiting(v1alpha1.ReasonOperationConflict, "the upgrade of the control plane has to wait: another operation is in progress", 40*time.Second)))),
		"of-a-later-release":       viewtest.NewFleet(begun(new(waiting("MoonPhase", "the moon is not full", 0)))),
		"gate-approval":            gated(func(g *v1alpha1.Gate) { g.Status.Decisions = []v1alpha1.GateDecision{{By: "ada", Decision: "Approve"}} }),
		"gate-refused": gated(func(g *v1alpha1.Gate) {
			g.Status = v1alpha1.GateStatus{State: v1alpha1.GateStateRefused, DecidedBy: "bob", DecidedAt: viewtest.Ago(time.Minute), Message: "the shop sells on Monday"}
		}),
		"gate-scheduled": gated(func(g *v1alpha1.Gate) {
			g.Spec.Template = v1alpha1.GateSpecTemplate{Name: "approve", ScheduledStart: &v1alpha1.ScheduledStartGate{At: viewtest.Ago(-5 * time.Hour)}}
		}),
		"busy-with-an-operation": viewtest.NewFleet(production(waiting(v1alpha1.ReasonClusterBusy, "prod-tokyo-1: the provider is busy with operation resize", 0))),
		"mutex":                  viewtest.NewFleet(production(waiting(v1alpha1.ReasonMutexHeld, "prod-tokyo-1 shares mutex pair with paris-1 of run hotfix", 0))),
		"fleet-limit":            viewtest.NewFleet(production(waiting(v1alpha1.ReasonFleetConcurrencyReached, "prod-tokyo-1 starts when a cluster in flight of the fleet is done", 0))),
		"window-closed":          viewtest.NewFleet(production(waiting(v1alpha1.ReasonOutsideWindow, "prod-tokyo-1: no window of calendar tokyo-nights is open", 0))),
		"frozen":                 viewtest.NewFleet(production(waiting(v1alpha1.ReasonFrozen, "prod-tokyo-1: calendar company is frozen", 40*time.Hour))),
		"window-too-short":       viewtest.NewFleet(production(waiting(v1alpha1.ReasonWindowTooShort, "prod-tokyo-1: the control plane usually takes 25m, and 10m are left", 22*time.Hour))),
		"cluster-removed":        viewtest.NewFleet(production(waiting(v1alpha1.ReasonClusterMissingFromFleet, "prod-tokyo-1 is no longer in the fleet", 0))),
	}
	all["refused-no-group"].Cluster("prod-9")
	tokyo := all["busy-with-an-operation"].Cluster("prod-tokyo-1")
	tokyo.Status.Conditions = append(tokyo.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionBusy, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonOperationRunning,
		Message: "the provider is busy with operation resize", LastTransitionTime: *viewtest.Ago(5 * time.Minute),
	})
	for _, name := range []string{"prod-tokyo-1", "paris-1"} {
		all["mutex"].Cluster(name).Spec.Mutexes = []string{"pair"}
	}
	hotfix := func(cluster string) *viewtest.Scene {
		s := viewtest.NewScene()
		s.Stage("staging").Groups[0].Clusters = []string{cluster}
		s.Drain(cluster, 1, 4, viewtest.Blocked("user-1"))
		s.Upgrade(cluster).Status.Waiting = new(waiting(v1alpha1.ReasonDrainBlocked, "node user-1: budget shop/cart", 10*time.Minute))
		return s.Named("hotfix").Waits("staging", "", waiting(v1alpha1.ReasonClustersInFlight, "upgrading "+cluster, 0))
	}
	all["mutex"].Join(hotfix("paris-1"))
	all["fleet-limit"].Join(hotfix("paris-1")).Others.Fleet = &v1alpha1.Fleet{Spec: v1alpha1.FleetSpec{MaxConcurrency: new(intstr.FromInt(1))}}
	all["busy-with-a-run"] = viewtest.NewFleet(production(waiting(v1alpha1.ReasonClusterBusy, "run hotfix works on prod-tokyo-1: it starts when that run is done with it", 0))).Join(hotfix("prod-tokyo-1"))

	closed := all["window-closed"]
	closed.Cluster("prod-tokyo-1").Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: "tokyo-nights"}
	closed.Others.Fleet = &v1alpha1.Fleet{Spec: v1alpha1.FleetSpec{CalendarRefs: []v1alpha1.LocalObjectReference{{Name: "company"}}}}
	closed.Others.Calendars = []*v1alpha1.MaintenanceCalendar{
		aCalendar("tokyo-nights", opening(3*time.Hour, 6*time.Hour), opening(27*time.Hour, 6*time.Hour)), aCalendar("company", opening(-time.Hour, 2*time.Hour), opening(5*time.Hour, 10*time.Hour)),
	}
	frozen := aCalendar("company")
	frozen.Spec.Freezes = []v1alpha1.Freeze{{From: *viewtest.Ago(time.Hour), To: *viewtest.Ago(-40 * time.Hour), Reason: "the week of the big sale"}}
	all["frozen"].Others.Fleet, all["frozen"].Others.Calendars = closed.Others.Fleet, []*v1alpha1.MaintenanceCalendar{frozen}
	maps.Copy(all, moreSituations())
	return all
}

func moreSituations() map[string]*viewtest.Fleet {
	unseen := viewtest.NewScene()
	unseen.Run.Status = v1alpha1.UpgradeRunStatus{}
	changed := begun(nil)
	changed.Run.Generation, changed.Run.Status.ObservedGeneration = 3, 2
	overdue := begun(new(waiting(v1alpha1.ReasonProviderUnreachable, "the provider does not answer", -12*time.Minute)))

	paused := viewtest.NewScene()
	paused.Run.Spec.State, paused.Run.Status.Phase = v1alpha1.RunStatePause, v1alpha1.RunPhasePaused
	paused.Run.Status.Waiting = new(waiting(v1alpha1.ReasonPausedByUser, "a person paused the run: `sengu run resume` lets it go on", 0))
	pausing := begun(new(waiting(v1alpha1.ReasonNodeReplacing, "a safe point is reached when the provider has ended the replacement of node user-3", 0)))
	pausing.Run.Spec.State = v1alpha1.RunStatePause
	pausing.Run.Status.Waiting = paused.Run.Status.Waiting
	pausing.Upgrade("staging-1").Status.Phase = v1alpha1.ClusterUpgradePhaseHolding
	pausing.Upgrade("staging-1").Status.Operations = []v1alpha1.OperationStatus{{RequestKey: "k", Kind: v1alpha1.OperationReplaceNode, Node: "user-3", ID: "op-17", RequestedAt: viewtest.Ago(50 * time.Second)}}

	several := scenes()["failed"]
	several.Run.Status.Causes = append([]v1alpha1.RunCause{{ID: v1alpha1.ReasonDrainTimeout, Message: "node user-3 was not drained in 30m", Clusters: []string{"prod-berlin-1"}}}, several.Run.Status.Causes...)
	several.Run.Status.Causes[1].Clusters = []string{"canary-1", "prod-osaka-1"}

	aside := production(waiting(v1alpha1.ReasonClustersSetAside, "all is done but for prod-osaka-1, which was not available", 0))
	aside.Run.Status.Phase = v1alpha1.RunPhaseFailed
	aside.Stage("production").Groups[0].Aside = []v1alpha1.RunAside{{Cluster: "prod-osaka-1", Reason: v1alpha1.ReasonClusterNotReady, State: "SetAside", Since: viewtest.Ago(25 * time.Hour)}}

	limit := production(waiting(v1alpha1.ReasonConcurrencyReached, "prod-osaka-1 starts when a cluster in flight is done", 0))
	limit.Drain("prod-tokyo-1", 1, 6, v1alpha1.DrainingNode{Name: "user-2", State: "Draining", PodsLeft: 4, Since: viewtest.Ago(3 * time.Second)})
	limit.Upgrade("prod-tokyo-1").Status.Waiting = new(waiting(v1alpha1.ReasonNodesDraining, "pods leave node user-2", 0))
	limit.Upgrade("prod-tokyo-1").Status.Steps = []v1alpha1.StepStatus{{Name: "1.37.2/NodePool/user", StartedAt: viewtest.Ago(5 * time.Minute)}}

	stopping := scenes()["failed"]
	stopping.Run.Status.Phase, stopping.Run.Status.FinishedAt = v1alpha1.RunPhaseStopping, nil
	stopping.Upgrade("prod-osaka-1").Status.Phase = v1alpha1.ClusterUpgradePhaseHolding
	byNobody := gated(func(g *v1alpha1.Gate) {
		g.Spec.Template.Approval = &v1alpha1.ApprovalGate{ExpiresAfter: &metav1.Duration{Duration: 24 * time.Hour}}
		g.Status.Decisions = []v1alpha1.GateDecision{{By: "ada", Decision: "Approve"}, {By: "ada", Decision: "Refuse"}}
	})

	return map[string]*viewtest.Fleet{
		"failing": viewtest.NewFleet(stopping), "gate-expires": byNobody,
		"unseen": viewtest.NewFleet(unseen), "changed": viewtest.NewFleet(changed), "overdue": viewtest.NewFleet(overdue),
		"paused": viewtest.NewFleet(paused), "pausing": viewtest.NewFleet(pausing), "done": viewtest.NewFleet(scenes()["done"]),
		"failed": viewtest.NewFleet(scenes()["failed"]), "failed-by-several-causes": viewtest.NewFleet(several),
		"set-aside": viewtest.NewFleet(aside).Trouble("prod-osaka-1", v1alpha1.ConditionReachable, v1alpha1.ReasonMemberUnreachable, "dial tcp 10.0.0.1:443: i/o timeout"),
		"working":   viewtest.NewFleet(limit),
		"soak-interrupted": viewtest.NewFleet(soaked(v1alpha1.SoakStateInterrupted, time.Minute)).
			Trouble("staging-1", v1alpha1.ConditionHealthy, v1alpha1.ReasonNodesNotReady, "not Ready: user-2"),
		"soak-not-counted": viewtest.NewFleet(soaked(v1alpha1.SoakStateCounting, 20*time.Minute)),
		"not-ready": viewtest.NewFleet(production(waiting(v1alpha1.ReasonClusterNotReady, "prod-tokyo-1: dial tcp: i/o timeout", 0))).
			Trouble("prod-tokyo-1", v1alpha1.ConditionReachable, v1alpha1.ReasonMemberUnreachable, "dial tcp: i/o timeout"),
	}
}

func TestWhyARunDoesNotMove(t *testing.T) {
	for name, fleet := range situations() {
		t.Run(name, func(t *testing.T) {
			e := view.WhyRun(fleet.Objects(), fleet.Run, viewtest.Now)
			golden(t, "why-"+name, e.Text(viewtest.Now))
		})
	}
}

func TestWhyAClusterDoesNotMove(t *testing.T) {
	limit := situations()["working"]
	aside := viewtest.NewFleet(production(waiting(v1alpha1.ReasonClustersInFlight, "upgrading prod-tokyo-1", 0)))
	aside.Upgrade("prod-tokyo-1")
	aside.Stage("production").Groups[0].Waiting = nil
	aside.Stage("production").Groups[0].Aside = []v1alpha1.RunAside{{Cluster: "prod-osaka-1", Reason: v1alpha1.ReasonClusterNotReady, State: "Waiting", Since: viewtest.Ago(time.Hour)}}
	aside.Trouble("prod-osaka-1", v1alpha1.ConditionHealthy, v1alpha1.ReasonControlPlaneNotRunning, "the control plane is Stopped")

	canaries := production(waiting(v1alpha1.ReasonCanariesFirst, "the canaries of group production/asia are not done", 0))
	canaries.Drain("prod-tokyo-1", 1, 6, viewtest.Blocked("user-2"))
	canaries.Upgrade("prod-tokyo-1").Status.Waiting = new(waiting(v1alpha1.ReasonDrainBlocked, "node user-2: budget shop/cart", 9*time.Minute))

	failed := scenes()["failed"]
	failed.Upgrade("canary-1").Status.Diagnosis.GuideURL = "https://sengu.dev/guides/quota"
	failed.Upgrade("canary-1").Status.Diagnosis.Evidence = []string{"cores used: 100 of 100"}
	failed.Upgrade("canary-1").Status.Steps = []v1alpha1.StepStatus{{Name: "1.37.2/NodePool/user", Result: v1alpha1.StepResultFailed, Reason: "QuotaExceeded", FinishedAt: viewtest.Ago(0)}}

	graph := viewtest.Draining()
	graph.Run.Status.Strategy.StageOrder = v1alpha1.StageOrderGraph
	graph.Run.Status.Strategy.Stages[2].DependsOn = []string{"canary"}

	skipping := scenes()["skipping"]
	held := moreSituations()["paused"]
	held.Upgrade("staging-1").Status.Phase, held.Upgrade("staging-1").Spec.State = v1alpha1.ClusterUpgradePhaseHeld, v1alpha1.ClusterUpgradeStateHold
	held.Upgrade("staging-1").Status.Waiting = new(waiting(v1alpha1.ReasonHeld, "held at a safe point: set the run to Run to go on", 0))
	free := viewtest.NewFleet(viewtest.NewScene())
	free.Cluster("lonely-1")
	tests := map[string]struct {
		fleet   *viewtest.Fleet
		cluster string
	}{
		"draining":          {viewtest.NewFleet(viewtest.Draining()), "canary-1"},
		"previous-stage":    {viewtest.NewFleet(viewtest.Draining()), "prod-berlin-1"},
		"of-a-graph":        {viewtest.NewFleet(graph), "prod-berlin-1"},
		"its-turn":          {limit, "prod-osaka-1"},
		"behind-a-canary":   {viewtest.NewFleet(canaries), "prod-osaka-1"},
		"aside":             {aside, "prod-osaka-1"},
		"gate":              {gated(func(*v1alpha1.Gate) {}), "prod-berlin-1"},
		"failed":            {viewtest.NewFleet(failed), "canary-1"},
		"after-a-failure":   {viewtest.NewFleet(scenes()["failed"]), "prod-berlin-1"},
		"skipped":           {viewtest.NewFleet(skipping), "prod-osaka-1"},
		"held":              {held, "staging-1"},
		"done":              {viewtest.NewFleet(scenes()["done"]), "prod-osaka-1"},
		"done-and-ill":      {viewtest.NewFleet(scenes()["done"]).Trouble("prod-osaka-1", v1alpha1.ConditionHealthy, v1alpha1.ReasonNodesNotReady, "not Ready: user-4"), "prod-osaka-1"},
		"of-no-run":         {free, "lonely-1"},
		"of-no-run-and-ill": {viewtest.NewFleet(viewtest.NewScene()).Trouble("lonely-1", v1alpha1.ConditionReachable, v1alpha1.ReasonWrongCluster, "the credentials lead to another cluster than before"), "lonely-1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e := view.WhyCluster(tc.fleet.Objects(), tc.fleet.Cluster(tc.cluster), viewtest.Now)
			golden(t, "why-cluster-"+name, e.Text(viewtest.Now))
		})
	}
}
