// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/audit"
)

var nine = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

func at(minutes int) *metav1.Time {
	return new(metav1.NewTime(nine.Add(time.Duration(minutes) * time.Minute)))
}

// story is a run as it goes, with the chain that is written about it.
type story struct {
	t        *testing.T
	chain    *audit.Chain
	written  []v1alpha1.AuditEntry
	minute   int
	run      *v1alpha1.UpgradeRun
	gates    []*v1alpha1.Gate
	upgrades map[string]*v1alpha1.ClusterUpgrade
	order    []string
}

func newStory(t *testing.T) *story {
	t.Helper()
	return &story{t: t, chain: audit.NewChain(), upgrades: map[string]*v1alpha1.ClusterUpgrade{}, run: &v1alpha1.UpgradeRun{
		ObjectMeta: metav1.ObjectMeta{
			Name: "to-1-37", Namespace: "fleet", UID: "run-1", Generation: 1, CreationTimestamp: *at(0),
			Annotations: map[string]string{"sengu.dev/created-by": "ada"},
		},
		Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, StrategyRef: &v1alpha1.LocalObjectReference{Name: "standard"}},
	}}
}

// change changes the spec of the run as a person does, and the hub counts it.
func (s *story) change(by string, do func(*v1alpha1.UpgradeRunSpec)) {
	do(&s.run.Spec)
	s.run.Generation++
	delete(s.run.Annotations, "sengu.dev/changed-by")
	if by != "" {
		s.run.Annotations["sengu.dev/changed-by"] = by
	}
}

func (s *story) start() {
	s.run.Status = v1alpha1.UpgradeRunStatus{
		Phase: v1alpha1.RunPhaseRunning, Attempt: 1, StartedAt: at(1), Counts: v1alpha1.RunCounts{Total: 2},
		Resolved: &v1alpha1.ResolvedTarget{Version: "1.37.2", ResolvedAt: at(1)},
		Stages:   []v1alpha1.RunStageStatus{{Name: "staging", Phase: v1alpha1.StagePhaseRunning, StartedAt: at(2), Counts: v1alpha1.RunCounts{Total: 2}}},
	}
}

// upgrade is the work on a cluster, made when it is first spoken of.
func (s *story) upgrade(cluster string) *v1alpha1.ClusterUpgradeStatus {
	if s.upgrades[cluster] == nil {
		s.upgrades[cluster] = &v1alpha1.ClusterUpgrade{
			Spec:   v1alpha1.ClusterUpgradeSpec{Cluster: cluster, Hops: []string{"1.37.2"}},
			Status: v1alpha1.ClusterUpgradeStatus{Phase: v1alpha1.ClusterUpgradePhaseRunning, Attempt: 1, FromVersion: "1.36.1", StartedAt: at(2)},
		}
		s.order = append(s.order, cluster)
	}
	return &s.upgrades[cluster].Status
}

func (s *story) look() audit.Look {
	l := audit.Look{Of: audit.Run{Name: s.run.Name, UID: string(s.run.UID)}, Run: s.run, Gates: s.gates}
	for _, name := range s.order {
		l.Upgrades = append(l.Upgrades, s.upgrades[name])
	}
	return l
}

// write looks and appends what is missing, one minute later each time, and returns it as lines.
func (s *story) write() []string {
	s.t.Helper()
	s.minute++
	entries, err := s.chain.Entries("fleet", s.look().Of, s.chain.Missing(s.look()), at(s.minute).Time)
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for i := range entries {
		s.chain.Add(&entries[i].Spec)
		for _, r := range entries[i].Spec.Records {
			lines = append(lines, line(&r))
		}
	}
	s.written = append(s.written, entries...)
	return lines
}

// line is a record as a story tells it.
func line(r *v1alpha1.AuditRecord) string {
	what := ""
	if r.Subject != nil {
		what = " " + cmp.Or(r.Subject.Cluster, r.Subject.Stage+strings.TrimSuffix("/"+r.Subject.Gate, "/"))
	}
	out := fmt.Sprintf("%s%s by %s", r.Action, what, r.Actor.Name)
	if r.Reason != "" {
		out += ": " + r.Reason
	}
	return out
}

// tells fails the test unless the next look adds exactly these records.
func (s *story) tells(want ...string) {
	s.t.Helper()
	if diff := gocmp.Diff(want, s.write()); diff != "" {
		s.t.Errorf("the record (-want +got):\n%s", diff)
	}
}

// restart forgets everything but the chain.
func (s *story) restart() {
	s.chain = audit.NewChain()
	for i := range s.written {
		s.chain.Add(&s.written[i].Spec)
	}
}

// TestARunIsToldOnce: from its creation to its end, each thing once, however often it is looked at.
func TestARunIsToldOnce(t *testing.T) {
	s := newStory(t)
	s.tells("RunCreated by ada")
	s.tells()

	s.start()
	s.upgrade("staging-1")
	s.tells("RunStarted by upgraderun: the target, the strategy and the clusters are frozen", "StageStarted staging by upgraderun", "ClusterStarted staging-1 by upgraderun")

	one := s.upgrade("staging-1")
	one.Phase, one.FinishedAt, one.NodesRenewed = v1alpha1.ClusterUpgradePhaseSucceeded, at(5), 3
	s.upgrade("staging-2").Phase = v1alpha1.ClusterUpgradePhaseRunning
	s.tells("ClusterStarted staging-2 by upgraderun", "ClusterSucceeded staging-1 by clusterupgrade")

	two := s.upgrade("staging-2")
	two.Phase, two.FinishedAt = v1alpha1.ClusterUpgradePhaseSucceeded, at(6)
	stage := &s.run.Status.Stages[0]
	stage.Phase, stage.SoakState, stage.SoakedFor, stage.SoakCountedAt, stage.FinishedAt = v1alpha1.StagePhaseSucceeded, v1alpha1.SoakStateDone, &metav1.Duration{Duration: time.Hour}, at(66), at(67)
	s.run.Status.Phase, s.run.Status.FinishedAt = v1alpha1.RunPhaseSucceeded, at(67)
	s.restart()
	s.tells("ClusterSucceeded staging-2 by clusterupgrade", "SoakDone staging by upgraderun", "StageFinished staging by upgraderun", "RunSucceeded by upgraderun")
	s.restart()
	s.tells()

	s.run.DeletionTimestamp = at(100)
	s.run.Generation++ // which the hub does
	s.tells("RunDeleted by unknown")
	s.tells()
}

// TestWhoWantedWhat: the name of who changed a run is told when there was one change, and never guessed.
func TestWhoWantedWhat(t *testing.T) {
	s := newStory(t)
	s.tells("RunCreated by ada")
	s.change("ben", func(r *v1alpha1.UpgradeRunSpec) { r.State = v1alpha1.RunStatePause })
	s.tells("RunPaused by ben")
	s.change("cleo", func(r *v1alpha1.UpgradeRunSpec) { r.State = v1alpha1.RunStateRun })
	s.restart()
	s.tells("RunResumed by cleo")
	s.change("", func(r *v1alpha1.UpgradeRunSpec) {
		r.Skip = append(r.Skip, v1alpha1.Skip{Kind: v1alpha1.SkipKindCluster, Cluster: "prod-7", Reason: "goes \x1b[31maway"})
	})
	s.tells(`Skipped prod-7 by unknown: goes \x1b[31maway`)

	// Two changes between two looks: the hub knows the name of the last only.
	s.change("dan", func(r *v1alpha1.UpgradeRunSpec) { r.Attempt = 2 })
	s.change("eve", func(r *v1alpha1.UpgradeRunSpec) {
		r.Skip = append(r.Skip, v1alpha1.Skip{Kind: v1alpha1.SkipKindSoak, Stage: "staging", Reason: "CHG-1"})
	})
	s.tells("RunRetried by unknown", "Skipped staging by unknown: CHG-1")

	// Paused and resumed while nobody looked: what it was is lost, that it was is not.
	s.change("eve", func(r *v1alpha1.UpgradeRunSpec) { r.State = v1alpha1.RunStatePause })
	s.change("eve", func(r *v1alpha1.UpgradeRunSpec) { r.State = v1alpha1.RunStateRun })
	s.tells("RunChanged by unknown: changes of its spec since it was last looked at: 2; those that can still be told: 0")
	s.tells()
	s.change("eve", func(r *v1alpha1.UpgradeRunSpec) { r.State = v1alpha1.RunStateStop })
	s.tells("RunStopped by eve")
}

// TestACreationIsNoChange: what a run is created with is told with its creation.
func TestACreationIsNoChange(t *testing.T) {
	s := newStory(t)
	s.run.Spec.State, s.run.Spec.Attempt = v1alpha1.RunStatePause, 3
	s.run.Spec.Skip = []v1alpha1.Skip{{Kind: v1alpha1.SkipKindStage, Stage: "canary", Reason: "no canary"}}
	s.tells("RunCreated by ada", "Skipped canary by ada: no canary")
	s.tells()
	s.change("ben", func(r *v1alpha1.UpgradeRunSpec) { r.State = v1alpha1.RunStateRun })
	s.tells("RunResumed by ben")
}

// TestAnOldCopyTellsNothing: a cache may show a run as it was before what is recorded.
func TestAnOldCopyTellsNothing(t *testing.T) {
	s := newStory(t)
	s.tells("RunCreated by ada")
	old := s.run.DeepCopy()
	s.change("ben", func(r *v1alpha1.UpgradeRunSpec) { r.State = v1alpha1.RunStatePause })
	s.tells("RunPaused by ben")
	fresh := s.run
	s.run = old
	s.tells()
	s.run = fresh
	s.tells()
}

// TestFailuresAndRetries: each attempt has its own end, even one that nobody had time to record.
func TestFailuresAndRetries(t *testing.T) {
	s := newStory(t)
	s.start()
	one := s.upgrade("staging-1")
	one.Phase, one.Reason, one.Message, one.FinishedAt = v1alpha1.ClusterUpgradePhaseFailed, "QuotaExceeded", "no quota is left", at(4)
	s.run.Status.Phase, s.run.Status.FinishedAt = v1alpha1.RunPhaseFailed, at(5)
	s.run.Status.Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonTooManyFailures, Message: "more clusters failed than allowed"}
	s.run.Status.Stages[0].Phase = v1alpha1.StagePhaseFailed
	s.tells("RunCreated by ada", "RunStarted by upgraderun: the target, the strategy and the clusters are frozen", "StageStarted staging by upgraderun",
		"ClusterStarted staging-1 by upgraderun", "ClusterFailed staging-1 by clusterupgrade: no quota is left",
		"RunFailed by upgraderun: more clusters failed than allowed", "StageFailed staging by upgraderun")

	s.change("ben", func(r *v1alpha1.UpgradeRunSpec) { r.Attempt = 2 })
	s.tells("RunRetried by ben")
	s.run.Status.Attempt = 2
	s.tells("RunFailed by upgraderun: more clusters failed than allowed", "StageFailed staging by upgraderun")

	// The third attempt fails and the fourth begins while nobody looks.
	one.Attempt, one.Phase, one.FinishedAt = 3, v1alpha1.ClusterUpgradePhaseRunning, nil
	s.tells("ClusterStarted staging-1 by upgraderun", "ClusterFailed staging-1 by clusterupgrade: it was tried again before its failure was recorded", "ClusterStarted staging-1 by upgraderun")
	s.tells()
}

// TestGates: people decide, and the gate says what became of it.
func TestGates(t *testing.T) {
	approval := &v1alpha1.Gate{
		ObjectMeta: metav1.ObjectMeta{Name: "to-1-37-production-before-ok", UID: types.UID("gate-1"), CreationTimestamp: *at(1)},
		Spec: v1alpha1.GateSpec{Type: v1alpha1.GateTypeApproval, Place: v1alpha1.GatePlace{Stage: "production", Timing: v1alpha1.GateTimingBefore},
			Template: v1alpha1.GateSpecTemplate{Name: "ok", Approval: &v1alpha1.ApprovalGate{}}},
	}
	s := newStory(t)
	s.gates = []*v1alpha1.Gate{approval}
	s.tells("RunCreated by ada", "GateAsked production/ok by upgraderun")
	approval.Status.State = v1alpha1.GateStateRefused
	approval.Status.Decisions = []v1alpha1.GateDecision{{By: "ben", At: *at(2), Decision: "Refuse", Comment: "prod-3 is red"}}
	s.tells("GateRefused production/ok by ben: prod-3 is red")
	approval.Status.State, approval.Status.DecidedBy, approval.Status.DecidedAt = v1alpha1.GateStatePassed, "cleo", at(9)
	approval.Status.Evidence = []string{"prod-3 is Ready"}
	approval.Status.Decisions = append(approval.Status.Decisions, v1alpha1.GateDecision{By: "cleo", At: *at(9), Decision: "Approve"})
	s.tells("GateApproved production/ok by cleo", "GatePassed production/ok by cleo")
	last := s.written[len(s.written)-1].Spec.Records[0]
	if got := last.Evidence[len(last.Evidence)-1].Value; got != "prod-3 is Ready" {
		t.Errorf("the evidence ends with %q, want what the approver saw", got)
	}
	s.restart()
	s.tells()

	for name, tc := range map[string]struct {
		kind  v1alpha1.GateType
		state v1alpha1.GateState
		want  string
	}{
		"evidence says no":          {v1alpha1.GateTypeVerification, v1alpha1.GateStateRefused, "GateRefused production/ok by gate"},
		"its time has come":         {v1alpha1.GateTypeScheduledStart, v1alpha1.GateStatePassed, "GatePassed production/ok by gate"},
		"skipped in the run":        {v1alpha1.GateTypeApproval, v1alpha1.GateStateSkipped, "GateSkipped production/ok by upgraderun"},
		"patched by nobody can say": {v1alpha1.GateTypeApproval, v1alpha1.GateStatePassed, "GatePassed production/ok by unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			g := approval.DeepCopy()
			g.Spec.Type, g.Status = tc.kind, v1alpha1.GateStatus{State: tc.state}
			s.gates = []*v1alpha1.Gate{g}
			s.tells("RunCreated by ada", "GateAsked production/ok by upgraderun", tc.want)
		})
	}
}

// TestClustersThatAreLeftOut are told too, those that never began among them.
func TestClustersThatAreLeftOut(t *testing.T) {
	s := newStory(t)
	s.start()
	out := s.upgrade("staging-1")
	out.Phase, out.StartedAt = v1alpha1.ClusterUpgradePhaseSkipped, nil
	s.run.Status.Stages[0].Groups = []v1alpha1.RunGroupStatus{{Name: "all", Aside: []v1alpha1.RunAside{
		{Cluster: "staging-2", Reason: v1alpha1.ReasonClusterNotReady, Since: at(1), State: "SetAside"},
		{Cluster: "staging-3", Reason: v1alpha1.ReasonClusterBusy, Since: at(1), State: "Waiting"},
	}}}
	s.run.Status.Phase = v1alpha1.RunPhaseStopped
	s.tells("RunCreated by ada", "RunStarted by upgraderun: the target, the strategy and the clusters are frozen", "StageStarted staging by upgraderun",
		"ClusterSetAside staging-2 by upgraderun", "RunEnded by upgraderun", "ClusterSkipped staging-1 by clusterupgrade")
}

// TestOnlyWhatCanBeLostIsHurried: clusters keep their own records, so theirs may share an entry.
func TestOnlyWhatCanBeLostIsHurried(t *testing.T) {
	s := newStory(t)
	if missing := s.chain.Missing(s.look()); audit.CanWait(missing) {
		t.Error("the creation of a run waits")
	}
	s.write()
	s.upgrade("staging-1")
	if missing := s.chain.Missing(s.look()); len(missing) != 1 || !audit.CanWait(missing) {
		t.Errorf("%d records hurry, want one that waits", len(missing))
	}
}

// TestAThousandClustersShareEntries: an entry has limits, and the chain goes on over them.
func TestAThousandClustersShareEntries(t *testing.T) {
	s := newStory(t)
	for i := range 1000 {
		st := s.upgrade(fmt.Sprintf("c-%04d", i))
		st.Phase, st.Message, st.FinishedAt = v1alpha1.ClusterUpgradePhaseFailed, strings.Repeat("x", 1500), at(3)
	}
	lines := s.write()
	if len(lines) != 2001 {
		t.Errorf("%d records, want 2001", len(lines))
	}
	if n := len(s.written); n < 21 || n > 40 {
		t.Errorf("%d entries for 2001 records, want at most a hundred records in each, and not many more entries than that takes", n)
	}
	v := audit.NewVerifier()
	for i := range s.written {
		e := &s.written[i]
		v.Add(e.Name, &e.Spec, nil)
		if len(e.Spec.Records) > 100 {
			t.Errorf("entry %d holds %d records, more than the API takes", e.Spec.Sequence, len(e.Spec.Records))
		}
	}
	if found := v.End(); len(found) > 0 {
		t.Errorf("the chain is broken: %v", found)
	}
}
