// SPDX-License-Identifier: Apache-2.0

package message

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// How long something that comes and goes must be so before people are told.
const (
	refusedFor     = 30 * time.Second
	interruptedFor = 5 * time.Minute
	blockedFor     = 10 * time.Minute
)

// Fact is something worth telling that an object's record shows now. It is made from the record alone, so that a
// process that comes up finds the same facts as the one before it.
type Fact struct {
	// Event that it is.
	Event v1alpha1.NotificationEvent
	// Key tells it from every other fact of the object, for ever: what is told once is not told again.
	Key string
	// At is when it happened.
	At time.Time
	// Due is when it is told at the earliest; until then it may still pass.
	Due time.Time
	// part of the object that it is about: the name of a stage.
	part string
}

// refusals are the reasons for which a run does not start until a person acts.
var refusals = []string{
	v1alpha1.ReasonStrategyMissing, v1alpha1.ReasonInvalidStrategy, v1alpha1.ReasonNoClusters,
	v1alpha1.ReasonClusterInNoGroup, v1alpha1.ReasonClusterInTwoGroups, v1alpha1.ReasonUnknownVersion,
	v1alpha1.ReasonDowngrade, v1alpha1.ReasonSkippedMinor, v1alpha1.ReasonUnknownImage, v1alpha1.ReasonSkewTooLarge,
	v1alpha1.ReasonInvalidFleet, v1alpha1.ReasonCalendarMissing, v1alpha1.ReasonInvalidCalendar, v1alpha1.ReasonNeverOpens,
}

// OfRun are the facts of a run, in the order in which they happened.
func OfRun(run *v1alpha1.UpgradeRun) []Fact {
	var facts facts
	st := &run.Status
	if c := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionReady); c != nil && c.Status == metav1.ConditionFalse && slices.Contains(refusals, c.Reason) {
		facts.held(v1alpha1.EventRunRefused, c.Reason+"/"+stamp(c.LastTransitionTime), c.LastTransitionTime.Time, refusedFor)
	}
	if st.StartedAt != nil {
		facts.add(v1alpha1.EventRunStarted, "", st.StartedAt.Time)
	}
	for i := range st.Stages {
		facts.stage(&st.Stages[i])
	}
	switch st.Phase {
	case v1alpha1.RunPhasePaused:
		if since := waitingSince(st.Waiting); since != nil {
			facts.add(v1alpha1.EventRunPaused, stamp(*since), since.Time)
		}
	case v1alpha1.RunPhaseStopped:
		facts.add(v1alpha1.EventRunStopped, "", finished(st.FinishedAt, run))
	case v1alpha1.RunPhaseFailed:
		facts.add(v1alpha1.EventRunFailed, fmt.Sprint(max(st.Attempt, 1)), finished(st.FinishedAt, run))
	case v1alpha1.RunPhaseSucceeded:
		facts.add(v1alpha1.EventRunSucceeded, "", finished(st.FinishedAt, run))
	}
	return facts.sorted()
}

// stage adds what has become of a stage.
func (f *facts) stage(s *v1alpha1.RunStageStatus) {
	if s.Phase == v1alpha1.StagePhaseSucceeded && s.FinishedAt != nil {
		f.add(v1alpha1.EventStageFinished, s.Name, s.FinishedAt.Time)
		f.last().part = s.Name
	}
	if since := waitingSince(s.Waiting); since != nil && s.Waiting.Reason == v1alpha1.ReasonSoakInterrupted {
		f.held(v1alpha1.EventSoakInterrupted, s.Name+"/"+stamp(*since), since.Time, interruptedFor)
		f.last().part = s.Name
	}
}

// OfUpgrade are the facts of a cluster upgrade.
func OfUpgrade(u *v1alpha1.ClusterUpgrade) []Fact {
	var facts facts
	c := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionDrainBlocked)
	switch {
	case u.Status.Phase == v1alpha1.ClusterUpgradePhaseFailed:
		facts.add(v1alpha1.EventClusterFailed, fmt.Sprint(max(u.Status.Attempt, 1)), finished(u.Status.FinishedAt, u))
	case u.Status.Phase == v1alpha1.ClusterUpgradePhaseSucceeded:
		facts.add(v1alpha1.EventClusterSucceeded, "", finished(u.Status.FinishedAt, u))
	case c != nil && c.Status == metav1.ConditionTrue:
		facts.held(v1alpha1.EventDrainBlocked, stamp(c.LastTransitionTime), c.LastTransitionTime.Time, blockedFor)
	}
	return facts.sorted()
}

// OfGate are the facts of a gate.
func OfGate(g *v1alpha1.Gate) []Fact {
	var facts facts
	switch {
	case g.Status.State == v1alpha1.GateStateRefused:
		at := g.CreationTimestamp
		if g.Status.DecidedAt != nil {
			at = *g.Status.DecidedAt
		}
		facts.add(v1alpha1.EventGateRefused, stamp(at), at.Time)
	case g.Spec.Type == v1alpha1.GateTypeApproval && (g.Status.State == "" || g.Status.State == v1alpha1.GateStatePending):
		facts.add(v1alpha1.EventApprovalNeeded, "", g.CreationTimestamp.Time)
	}
	return facts.sorted()
}

type facts []Fact

func (f *facts) add(event v1alpha1.NotificationEvent, key string, at time.Time) {
	f.held(event, key, at, 0)
}

func (f *facts) held(event v1alpha1.NotificationEvent, key string, at time.Time, hold time.Duration) {
	full := string(event)
	if key != "" {
		full += "/" + key
	}
	*f = append(*f, Fact{Event: event, Key: full, At: at, Due: at.Add(hold)})
}

func (f *facts) last() *Fact { return &(*f)[len(*f)-1] }

func (f *facts) sorted() []Fact {
	slices.SortStableFunc(*f, func(a, b Fact) int { return a.At.Compare(b.At) })
	return *f
}

// stamp makes an instant a part of a key.
func stamp(t metav1.Time) string { return fmt.Sprint(t.Unix()) }

func waitingSince(w *v1alpha1.Waiting) *metav1.Time {
	if w == nil {
		return nil
	}
	return w.Since
}

// finished is when something ended, or when it was created where the record does not say.
func finished(at *metav1.Time, o metav1.Object) time.Time {
	if at != nil {
		return at.Time
	}
	return o.GetCreationTimestamp().Time
}
