// SPDX-License-Identifier: Apache-2.0

// Package message says what happened, where, and what comes next, from the records of the hub, and writes it as a
// CloudEvent, for Slack and for Teams.
//
// Everything here is a pure function. Text that comes from outside is cleaned when a message is made, and escaped
// as each receiver needs it when it is written.
package message

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/types"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
)

// EventTest is the event of a test: no run has it, and no filter keeps it back.
const EventTest v1alpha1.NotificationEvent = "Test"

// maxLine bounds each line of a message, in bytes; a cloud's error can be a page long.
const maxLine = 600

// Severity says how a message is meant.
type Severity string

// The severities, in the words of monitoring systems.
const (
	SeverityInfo    Severity = "info"
	SeverityWarning Severity = "warning"
	SeverityError   Severity = "error"
)

// Message is what people are told of one fact.
type Message struct {
	// ID is the same however often it is sent, so that a receiver can drop repeats.
	ID string
	// Event that it tells of, and how it is meant.
	Event    v1alpha1.NotificationEvent
	Severity Severity
	// At is when it happened.
	At time.Time
	// What happened, where, and what comes next: one line each.
	What, Where, Next string
	// Fleet is the namespace of the hub; the others name the objects that it is about, where there are any.
	Fleet, Run, Stage, Cluster, Gate string
	// Target version of the run.
	Target string
	// Reason is a documented constant or the provider's code, where there is one.
	Reason string
	// Counts of the run's clusters; nil: it is not about a run.
	Counts *v1alpha1.RunCounts
}

// Subject is what a fact is about. Run may be nil when it is gone.
type Subject struct {
	Run     *v1alpha1.UpgradeRun
	Upgrade *v1alpha1.ClusterUpgrade
	Gate    *v1alpha1.Gate
}

// Of makes the message of a fact.
func Of(f Fact, s Subject) Message {
	m := Message{Event: f.Event, Severity: severity(f.Event), At: f.At, Stage: f.part}
	if s.Run != nil {
		m.ofRun(s.Run)
	}
	switch {
	case s.Upgrade != nil:
		m.ID, m.Fleet = id(s.Upgrade.UID, f.Key), s.Upgrade.Namespace
		m.Run, m.Cluster = s.Upgrade.Spec.RunRef.Name, s.Upgrade.Spec.Cluster
		m.upgrade(s.Upgrade)
	case s.Gate != nil:
		m.ID, m.Fleet = id(s.Gate.UID, f.Key), s.Gate.Namespace
		m.Run, m.Gate, m.Stage = s.Gate.Spec.RunRef.Name, s.Gate.Name, s.Gate.Spec.Place.Stage
		m.gate(s.Gate)
	case s.Run != nil:
		m.ID = id(s.Run.UID, f.Key)
		m.run(s.Run)
	}
	m.Where = m.where()
	return m.cleaned()
}

// Test is the message by which a person tries a notification out.
func Test(fleet, name, request string, at time.Time) Message {
	m := Message{
		ID: id(types.UID(fleet), "Test/"+request), Event: EventTest, Severity: SeverityInfo, At: at, Fleet: fleet,
		What:  fmt.Sprintf("This is a test of notification %s.", name),
		Where: "fleet " + fleet,
		Next:  "Nothing: a person asked for it, and no run has changed.",
	}
	return m.cleaned()
}

// id is unique over all hubs: uids are. A dot would end it where a receiver checks signatures.
func id(uid types.UID, key string) string {
	return strings.NewReplacer("/", "-", ".", "-").Replace(string(uid) + "/" + key)
}

func severity(e v1alpha1.NotificationEvent) Severity {
	switch e {
	case v1alpha1.EventRunFailed, v1alpha1.EventClusterFailed, v1alpha1.EventRunRefused:
		return SeverityError
	case v1alpha1.EventDrainBlocked, v1alpha1.EventSoakInterrupted, v1alpha1.EventGateRefused, v1alpha1.EventApprovalNeeded:
		return SeverityWarning
	}
	return SeverityInfo
}

func (m *Message) ofRun(run *v1alpha1.UpgradeRun) {
	m.Fleet, m.Run, m.Target = run.Namespace, run.Name, run.Spec.Target.Kubernetes
	if run.Status.Resolved != nil && run.Status.Resolved.Version != "" {
		m.Target = run.Status.Resolved.Version
	}
	if run.Status.Counts.Total > 0 {
		m.Counts = &run.Status.Counts
	}
}

// where names the place from the outside to the inside.
func (m *Message) where() string {
	parts := []string{"fleet " + m.Fleet}
	for _, p := range []struct{ kind, name string }{{"run", m.Run}, {"stage", m.Stage}, {"cluster", m.Cluster}} {
		if p.name != "" {
			parts = append(parts, p.kind+" "+p.name)
		}
	}
	return strings.Join(parts, ", ")
}

// cleaned makes every text one bounded line without anything that a terminal or a reader would obey.
func (m Message) cleaned() Message {
	for _, s := range []*string{&m.What, &m.Where, &m.Next, &m.Fleet, &m.Run, &m.Stage, &m.Cluster, &m.Gate, &m.Target, &m.Reason} {
		*s = clip(view.Clean(*s), maxLine)
	}
	return m
}

// clip cuts a text to a number of bytes, at a rune's end.
func clip(s string, most int) string {
	const ellipsis = "…"
	if len(s) <= most {
		return s
	}
	s = s[:most-len(ellipsis)]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + ellipsis
}

// command is what a person types about this fleet.
func (m *Message) command(words string) string {
	return fmt.Sprintf("`sengu %s -n %s`", words, m.Fleet)
}

// listed joins the first names of a list.
func listed(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// sentence puts a reason before the words that go with it.
func sentence(reason, words string) string {
	words = strings.TrimRight(strings.TrimSpace(words), ".")
	switch {
	case words == "":
		return reason
	case reason == "" || strings.HasPrefix(words, reason):
		return words
	}
	return reason + ": " + words
}

// next is the stage that a run goes on to after another; empty: none.
func next(run *v1alpha1.UpgradeRun, after string) string {
	stages := run.Status.Stages
	i := slices.IndexFunc(stages, func(s v1alpha1.RunStageStatus) bool { return s.Name == after })
	for i = max(i, 0); i < len(stages); i++ {
		if stages[i].FinishedAt == nil && stages[i].Phase != v1alpha1.StagePhaseSkipped && stages[i].Phase != v1alpha1.StagePhaseSucceeded {
			return stages[i].Name
		}
	}
	return ""
}

func waitingFor(w *v1alpha1.Waiting) string {
	if w == nil {
		return ""
	}
	return cmp.Or(strings.TrimRight(w.Message, "."), w.Reason)
}
