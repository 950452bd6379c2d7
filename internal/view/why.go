// SPDX-License-Identifier: Apache-2.0

package view

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// What brings the next change.
const (
	// ByTime: the instant of the change is known.
	ByTime = "Time"
	// ByEvent: something happens by itself, and it is watched.
	ByEvent = "Event"
	// ByPerson: nothing happens before a person acts.
	ByPerson = "Person"
	// ByNothing: it is over.
	ByNothing = "Nothing"
)

// Explanation is why something does not move, or what it does: the one thing that it waits for, what a person can do
// about it, the chain behind it, and the next moment at which something can change.
type Explanation struct {
	// Subject is what was asked about, for example "run to-1-37".
	Subject string `json:"subject"`
	// Reason is the documented constant of the nearest cause.
	Reason string `json:"reason,omitempty"`
	// Headline is the one thing in a sentence.
	Headline string `json:"headline"`
	// Fix is what a person can do now, the best first.
	Fix []Fix `json:"fix,omitempty"`
	// Guide is the address of a text about the cause.
	Guide string `json:"guide,omitempty"`
	// Chain leads from the subject down to the nearest cause.
	Chain []Link `json:"chain"`
	// NextChange is the next moment at which something can change.
	NextChange NextChange `json:"nextChange"`
}

// Fix is one thing that a person can do.
type Fix struct {
	// Do says what, and where when it is not the hub.
	Do string `json:"do"`
	// Command to do it with; empty: there is none.
	Command string `json:"command,omitempty"`
}

// Link is one object of the chain behind a wait.
type Link struct {
	// Object by kind and name, for example "budget shop/cart".
	Object string `json:"object"`
	// Reason is a documented constant or, of a failure, the provider's code; empty: it is only on the way.
	Reason string `json:"reason,omitempty"`
	// Message is one sentence.
	Message string `json:"message,omitempty"`
	// Since is when that began.
	Since *time.Time `json:"since,omitempty"`
}

// NextChange is the next moment at which something can change.
type NextChange struct {
	// By is Time, Event, Person or Nothing.
	By string `json:"by"`
	// What happens: the event, what a person can bring about, or what happens at the instant.
	What string `json:"what,omitempty"`
	// At is the instant at which it is looked at without an event; not set: there is none.
	At *time.Time `json:"at,omitempty"`
	// Then is what happens at that instant when What did not come before.
	Then string `json:"then,omitempty"`
}

// WhyObjects are what an explanation is made from, in any order: those of one fleet, or as many of them as there are
// rights and time to read.
type WhyObjects struct {
	// Runs of the fleet.
	Runs []*v1alpha1.UpgradeRun
	// Upgrades of the run, and of others that are in its way.
	Upgrades []*v1alpha1.ClusterUpgrade
	// Gates of the run.
	Gates []*v1alpha1.Gate
	// Clusters of the fleet.
	Clusters []*v1alpha1.Cluster
	// Calendars of the fleet.
	Calendars []*v1alpha1.MaintenanceCalendar
	// Fleet holds the settings of the fleet; nil: none.
	Fleet *v1alpha1.Fleet
}

// WhyRun explains what a run waits for.
func WhyRun(o WhyObjects, run *v1alpha1.UpgradeRun, now time.Time) Explanation {
	w := newWhy(o, now)
	w.e.Subject = "run " + Clean(run.Name)
	w.run(run)
	return w.finish()
}

// why makes one explanation.
type why struct {
	whyIndex
	now time.Time
	// names of what has been met, for the sentences and commands: "cluster", "run", …
	names map[string]string
	// lead is put before the headline when the nearest cause does not say whom it holds up.
	lead string
	// far is how far what works has come; empty: it is not known.
	far []string
	// late is why the record cannot be trusted to be the present; empty: it can.
	late string
	// met are the runs that were explained already: two that wait for each other end the chain.
	met map[string]bool
	// also are fixes beside those of the nearest cause.
	also []Fix
	e    Explanation
}

func newWhy(o WhyObjects, now time.Time) *why {
	return &why{whyIndex: indexOf(o), now: now, names: map[string]string{}, met: map[string]bool{}}
}

// link adds an object to the chain.
func (w *why) link(object, reason, message string, since *metav1.Time) {
	l := Link{Object: Clean(object), Reason: Clean(reason), Message: Clean(message)}
	if since != nil && !since.IsZero() {
		l.Since = &since.Time
	}
	w.e.Chain = append(w.e.Chain, l)
}

// waits adds an object with what it waits for; otherwise is said of it when it waits for nothing.
func (w *why) waits(object string, wait *v1alpha1.Waiting, otherwise string) {
	if wait == nil {
		w.link(object, "", otherwise, nil)
		return
	}
	w.link(object, wait.Reason, wait.Message, wait.Since)
	w.overdue(object, wait.Until)
}

// cause is the nearest cause of a wait.
type cause struct {
	reason, message string
	until           *metav1.Time
}

func causeOf(wait *v1alpha1.Waiting) cause {
	if wait == nil {
		return cause{}
	}
	return cause{wait.Reason, wait.Message, wait.Until}
}

// conclude ends the explanation with the nearest cause.
func (w *why) conclude(c cause) {
	text, known := whyTexts[c.reason]
	if !known {
		text = unknownReason
	}
	w.names["reason"] = c.reason
	w.e.Reason = Clean(c.reason)
	w.e.Headline = w.sentence(text.says, c.message)
	if text.works && len(w.far) > 0 {
		w.e.Headline += " (" + strings.Join(w.far, "; ") + ")"
	}
	if w.lead != "" {
		w.e.Headline = capital(w.lead) + ": " + small(strings.TrimPrefix(w.e.Headline, nothingInTheWay))
	}
	for _, f := range text.do {
		w.e.Fix = append(w.e.Fix, Fix{Do: w.sentence(f.Do, c.message), Command: w.command(f.Command)})
	}
	w.e.Fix = append(w.e.Fix, w.also...)
	w.e.NextChange = NextChange{By: text.by, What: small(w.sentence(text.next, c.message))}
	if c.until != nil && text.by != ByNothing {
		w.e.NextChange.At = &c.until.Time
		w.e.NextChange.Then = small(w.sentence(text.then, c.message))
	}
}

// finish returns the explanation. A record that is older than it should be has one explanation only.
func (w *why) finish() Explanation {
	if w.late != "" {
		w.link("the controllers", v1alpha1.ReasonControllerBehind, w.late, nil)
		w.e.Fix, w.e.Guide, w.also, w.lead = nil, "", nil, ""
		w.conclude(cause{reason: v1alpha1.ReasonControllerBehind, message: w.late})
	}
	return w.e
}

// Text is the explanation for people.
func (e *Explanation) Text(now time.Time) string {
	var b strings.Builder
	b.WriteString(stopped(e.Headline) + "\n")
	if len(e.Fix) > 0 {
		b.WriteString("\nWhat to do:\n")
	}
	for _, f := range e.Fix {
		b.WriteString("- " + stopped(f.Do) + "\n")
		if f.Command != "" {
			b.WriteString("    " + f.Command + "\n")
		}
	}
	if len(e.Chain) > 0 {
		t := Table{Columns: []Column{{Name: "OBJECT"}, {Name: "REASON"}, {Name: "FOR"}, {Name: "MESSAGE"}}}
		before := ""
		for _, l := range e.Chain {
			message := dash(l.Message)
			if l.Reason != "" && l.Message != "" && l.Message == before {
				message = "the same"
			}
			before = l.Message
			t.Rows = append(t.Rows, []string{l.Object, dash(l.Reason), dash(l.age(now)), message})
		}
		b.WriteString("\nWhy:\n")
		for line := range strings.Lines(t.Format(false)) {
			b.WriteString("  " + line)
		}
	}
	b.WriteString("\nNext change: " + stopped(e.NextChange.sentence(now)) + "\n")
	if e.Guide != "" {
		b.WriteString("Guide: " + e.Guide + "\n")
	}
	return b.String()
}

func (l *Link) age(now time.Time) string {
	if l.Since == nil {
		return ""
	}
	return Elapsed(now.Sub(*l.Since))
}

func (n *NextChange) sentence(now time.Time) string {
	at := ""
	if n.At != nil {
		at = Until(*n.At, now)
	}
	switch {
	case n.By == ByNothing:
		return "none; " + n.What
	case n.By == ByTime && at != "":
		return at + ", when " + n.What
	case at != "" && n.Then != "":
		return "when " + n.What + "; at the latest " + at + ", when " + n.Then
	case at != "":
		return "when " + n.What + "; it is looked at again " + at
	case n.By == ByPerson:
		return "when " + n.What + "; nothing happens before a person acts"
	}
	return "when " + n.What
}
