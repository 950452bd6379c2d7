// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/estimate"
)

// BlockerKind is a kind of what stops or delays a run.
type BlockerKind string

// The kinds of blockers. The first four stop the run unless somebody acts; the others say what was assumed, or delay it.
const (
	// BlockerFailed: more clusters failed than allowed.
	BlockerFailed BlockerKind = "Failed"
	// BlockerStuck: nothing can change any more.
	BlockerStuck BlockerKind = "Stuck"
	// BlockerWindow: a step fits into no window.
	BlockerWindow BlockerKind = "Window"
	// BlockerHorizon: the run ends later than the forecast looks.
	BlockerHorizon BlockerKind = "Horizon"
	// BlockerGate: a gate that is approved stays closed until clusters are mended, and they are assumed to be.
	BlockerGate BlockerKind = "Gate"
	// BlockerApproval: people must approve.
	BlockerApproval BlockerKind = "Approval"
	// BlockerVerification: a proof is needed, and assumed.
	BlockerVerification BlockerKind = "Verification"
	// BlockerFreeze: a calendar holds clusters.
	BlockerFreeze BlockerKind = "Freeze"
	// BlockerPaused: a person must let the run go on.
	BlockerPaused BlockerKind = "Paused"
	// BlockerHealth: clusters that are not healthy now are assumed to be.
	BlockerHealth BlockerKind = "Health"
	// BlockerBusy: clusters that others work on are assumed to be free in time.
	BlockerBusy BlockerKind = "Busy"
	// BlockerEstimate: durations are defaults.
	BlockerEstimate BlockerKind = "Estimate"
)

var blockerOrder = []BlockerKind{BlockerFailed, BlockerStuck, BlockerWindow, BlockerHorizon, BlockerGate, BlockerApproval,
	BlockerVerification, BlockerFreeze, BlockerPaused, BlockerHealth, BlockerBusy, BlockerEstimate}

// Blocker is what stops or delays a run, or what was assumed so that it goes on.
type Blocker struct {
	// Kind of the blocker.
	Kind BlockerKind `json:"kind"`
	// Where it stands: a cluster, a gate or a calendar; empty: the run.
	Where string `json:"where,omitempty"`
	// Message is one sentence.
	Message string `json:"message"`
	// Clusters that it is about.
	Clusters int `json:"clusters,omitempty"`
	// From and To, where it is about a time.
	From *time.Time `json:"from,omitempty"`
	To   *time.Time `json:"to,omitempty"`
}

// notes are collected while a run is played.
type notes struct {
	found []Blocker
	// health, released and defaults: what is said, with the clusters it is said of.
	health, released, defaults, windows map[string][]string
}

func (n *notes) add(kind BlockerKind, where, message string) {
	n.found = append(n.found, Blocker{Kind: kind, Where: where, Message: message})
}

func note(to *map[string][]string, what, cluster string) {
	if *to == nil {
		*to = map[string][]string{}
	}
	(*to)[what] = append((*to)[what], cluster)
}

func (n *notes) unwell(cluster, kind string, found *metav1.Condition) {
	what := "health is not known"
	if found != nil {
		what = cmp.Or(found.Reason, kind+" is "+string(found.Status))
	}
	note(&n.health, what, cluster)
}

func (n *notes) busy(cluster, with string) { note(&n.released, with, cluster) }

// estimated notes that nothing is known of how long a cluster takes. A simulated one takes as long as it is told to.
func (n *notes) estimated(c *v1alpha1.Cluster, steps []estimate.Step) {
	if len(steps) > 0 && c.Spec.Provider.Simulated == nil && estimate.Sum(steps).Samples == 0 {
		note(&n.defaults, providerOf(c), c.Name)
	}
}

func (n *notes) tooLong(cluster string, w *hours, s *estimate.Step, horizon time.Time) {
	if problem := w.calendars.Problem(); problem != "" {
		note(&n.windows, problem+", so no window is open", cluster)
		return
	}
	note(&n.windows, fmt.Sprintf("no window of at least %s before %s", s.Part.P90, instant(horizon)), cluster)
}

func providerOf(c *v1alpha1.Cluster) string {
	if c.Spec.Provider.Local != nil {
		return "local"
	}
	return "aks"
}

// blockers of all kinds, what stops the run first.
func (p *player) blockers() []Blocker {
	n := &p.notes
	out := slices.Clone(n.found)
	each := func(of map[string][]string, kind BlockerKind, sentence string) {
		for _, what := range slices.Sorted(maps.Keys(of)) {
			names := slices.Compact(slices.Sorted(slices.Values(of[what])))
			out = append(out, Blocker{Kind: kind, Clusters: len(names), Where: only(names), Message: fmt.Sprintf(sentence, what, few(names))})
		}
	}
	each(n.windows, BlockerWindow, "%s for %s")
	each(n.health, BlockerHealth, "not healthy now (%s), and assumed to be from the start on: %s")
	each(n.released, BlockerBusy, "%s works on clusters, and is assumed to be done with them in time: %s")
	each(n.defaults, BlockerEstimate, "no history of provider %s yet: defaults are used for %s")
	out = append(out, p.freezes()...)
	slices.SortStableFunc(out, func(a, b Blocker) int {
		return cmp.Compare(slices.Index(blockerOrder, a.Kind), slices.Index(blockerOrder, b.Kind))
	})
	return out
}

// freezes are those that begin before a cluster that they hold has ended.
func (p *player) freezes() []Blocker {
	var out []Blocker
	for f, n := range p.heldBy() {
		zone := p.in.From.Location()
		from, to := time.Unix(f.from, 0).In(zone), time.Unix(f.to, 0).In(zone)
		out = append(out, Blocker{Kind: BlockerFreeze, Where: f.calendar, Clusters: n, From: new(from), To: new(to),
			Message: fmt.Sprintf("freeze %q of calendar %s holds %s from %s to %s", f.reason, f.calendar, countOf(n, "cluster"), instant(from), instant(to))})
	}
	slices.SortFunc(out, func(a, b Blocker) int { return cmp.Or(a.From.Compare(*b.From), strings.Compare(a.Message, b.Message)) })
	return out
}

// stuck notes why nothing can change any more.
func (p *player) stuck() {
	if len(p.notes.windows) > 0 {
		return // said already
	}
	message := "nothing can change any more"
	if w := p.run.Status.Waiting; w != nil {
		message = w.Message
	}
	p.notes.add(BlockerStuck, p.run.Status.CurrentStage, message)
}

func only(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return ""
}

func few(names []string) string {
	if len(names) <= 5 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), len(names)-5)
}

func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// instant for a sentence, in the zone that the forecast was asked in.
func instant(t time.Time) string { return t.Format("2006-01-02 15:04 MST") }
