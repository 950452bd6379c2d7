// SPDX-License-Identifier: Apache-2.0

// Package simulate plays a run in virtual time: the decider of runs decides, and a modelled world does what it says.
//
// Nobody waits for anything: the clock jumps to the next instant at which something can change. In the modelled world
// clusters take as long as others have taken before, end healthy, and work only while their calendars are open;
// scheduled starts open by themselves, and people give their approval after a time that is set. Whatever is assumed
// about what cannot be known is listed with the result.
package simulate

import (
	"cmp"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/estimate"
	"sengu.dev/sengu/internal/decide/rollout"
)

// Percentile is which of the known durations the clusters take.
type Percentile string

// The percentiles that are known.
const (
	P50 Percentile = "P50"
	P90 Percentile = "P90"
)

func (p Percentile) of(d estimate.Duration) time.Duration {
	if p == P90 {
		return d.P90
	}
	return d.P50
}

// Horizon is how far a forecast looks ahead when nobody says how far.
const Horizon = 366 * 24 * time.Hour

// Input of a forecast. Nothing in it is changed, but for what its calendars remember: they serve one forecast at a time.
type Input struct {
	// Snapshot of the run as it is now, with the calendars and the estimates. A run that does not exist yet has an
	// empty record.
	Snapshot rollout.Snapshot
	// From which instant the forecast begins.
	From time.Time
	// Percentile that the timeline is told with; empty: P50.
	Percentile Percentile
	// ApproveAfter is how long people take to approve once the run has come to a gate.
	ApproveAfter time.Duration
	// Horizon after From, beyond which nothing is told; zero: Horizon.
	Horizon time.Duration
	// Exact makes fleets of any size be played cluster by cluster.
	Exact bool
}

// Forecast of a run.
type Forecast struct {
	// Run by its name, and Target by its exact version.
	Run    string `json:"run"`
	Target string `json:"target,omitempty"`
	// From which instant.
	From time.Time `json:"from"`
	// Percentile of the timeline.
	Percentile Percentile `json:"percentile"`
	// Refused is why the run would not start; all that follows is empty then.
	Refused string `json:"refused,omitempty"`
	// ExpectedEnd of the run; what is not set cannot be told, and a blocker says why.
	ExpectedEnd Ends `json:"expectedEnd"`
	// Phase in which the run ends, or rests for good.
	Phase v1alpha1.RunPhase `json:"phase,omitempty"`
	// Stages in the order of the strategy.
	Stages []Stage `json:"stages,omitempty"`
	// Clusters by their stage, group and place in it.
	Clusters []Cluster `json:"clusters,omitempty"`
	// Blockers are what stops or delays the run, and what was assumed not to.
	Blockers []Blocker `json:"blockers,omitempty"`
	// Passes that were decided, of both percentiles.
	Passes int `json:"-"`
}

// Ends of a run.
type Ends struct {
	// P50 is the end when every cluster takes the time that is as likely too long as too short.
	P50 *time.Time `json:"p50,omitempty"`
	// P90 is the end when every cluster is as slow as one of ten.
	P90 *time.Time `json:"p90,omitempty"`
}

// Stage of a forecast.
type Stage struct {
	// Name of the stage.
	Name string `json:"name"`
	// Start of its first cluster, ClustersEnd of its last.
	Start       *time.Time `json:"start,omitempty"`
	ClustersEnd *time.Time `json:"clustersEnd,omitempty"`
	// SoakEnd is when it has soaked; not set: it has no soak, or does not come to it.
	SoakEnd *time.Time `json:"soakEnd,omitempty"`
	// End of the stage, soaked and through its gates.
	End *time.Time `json:"end,omitempty"`
	// Clusters in the stage.
	Clusters int `json:"clusters"`
}

// Cluster of a forecast.
type Cluster struct {
	// Name of the cluster, and the Stage and Group that it is in.
	Name  string `json:"name"`
	Stage string `json:"stage"`
	Group string `json:"group"`
	// Start of the work on it, and its End; what is not set does not happen.
	Start *time.Time `json:"start,omitempty"`
	End   *time.Time `json:"end,omitempty"`
	// Pauses until the next window opens.
	Pauses []Pause `json:"pauses,omitempty"`
	// Done: it is history, not forecast.
	Done bool `json:"done,omitempty"`
	// Samples that its duration was learned from; 0: defaults.
	Samples int `json:"samples"`
	// Phase that it ends in, when that is not Succeeded.
	Phase v1alpha1.ClusterUpgradePhase `json:"phase,omitempty"`
}

// Pause of a cluster whose windows are closed.
type Pause struct {
	// From and To, exclusive.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Make plays a run once for each percentile.
func Make(in Input) *Forecast {
	in.Percentile = cmp.Or(in.Percentile, P50)
	in.Horizon = cmp.Or(in.Horizon, Horizon)
	in.Snapshot.Calendars.Expand(in.From, in.From.Add(in.Horizon+month))
	other := in
	other.Percentile = P90
	if in.Percentile == P90 {
		other.Percentile = P50
	}
	told := newPlayer(in)
	told.play()
	f := told.forecast()
	if f.Refused != "" {
		return f
	}
	second := newPlayer(other)
	second.play()
	f.Passes += second.passes
	f.ExpectedEnd = Ends{P50: told.end(), P90: second.end()}
	if in.Percentile == P90 {
		f.ExpectedEnd = Ends{P50: second.end(), P90: told.end()}
	}
	f.Blockers = append(f.Blockers, onlyAt(other.Percentile, told, second)...)
	return f
}

// onlyAt are the blockers that the told percentile does not meet: a window that is too short for the slow only, or a
// run that would not end.
func onlyAt(p Percentile, told, other *player) []Blocker {
	if told.end() == nil || other.end() != nil {
		return nil
	}
	var out []Blocker
	for _, b := range other.blockers() {
		if b.Kind == BlockerWindow || b.Kind == BlockerStuck || b.Kind == BlockerHorizon {
			b.Message = "at " + string(p) + ": " + b.Message
			out = append(out, b)
		}
	}
	return out
}
