// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// AuditFilter says which records of the audit record are shown.
type AuditFilter struct {
	// Run by name; empty: all.
	Run string
	// Since is the earliest time; zero: all.
	Since time.Time
}

// Audit lists records of decisions, the oldest first.
func Audit(entries []v1alpha1.AuditEntry, f AuditFilter) Table {
	t := Table{Columns: []Column{
		{Name: "ENTRY"}, {Name: "TIME"}, {Name: "RUN"}, {Name: "ACTION"}, {Name: "WHAT"}, {Name: "BY"}, {Name: "REASON"},
		{Name: "EVIDENCE", Wide: true}, {Name: "HASH", Wide: true},
	}}
	for i := range entries {
		e := &entries[i]
		if e.Spec.Checkpoint != nil && f.Run == "" && !e.Spec.Time.Time.Before(f.Since) {
			c := e.Spec.Checkpoint
			t.add(&e.ObjectMeta, fmt.Sprint(e.Spec.Sequence), exactInstant(e.Spec.Time.Time), "", "Checkpoint", "", actor(c.Actor),
				fmt.Sprintf("the entries up to %d were taken away", c.Through), "hash="+Clean(c.Hash), Clean(e.Spec.Hash))
		}
		for j := range e.Spec.Records {
			r := &e.Spec.Records[j]
			if f.Run != "" && e.Spec.Run != f.Run || r.Time.Time.Before(f.Since) {
				continue
			}
			t.add(&e.ObjectMeta, fmt.Sprint(e.Spec.Sequence), exactInstant(r.Time.Time), Clean(e.Spec.Run), Clean(string(r.Action)), AuditSubject(r.Subject),
				actor(r.Actor), Truncate(Clean(r.Reason), 80), AuditEvidence(r.Evidence), Clean(e.Spec.Hash))
		}
	}
	return t
}

func exactInstant(at time.Time) string { return at.UTC().Format(time.RFC3339) }

func actor(a v1alpha1.AuditActor) string {
	if a.Kind == v1alpha1.AuditActorController {
		return Clean(a.Name) + " (controller)"
	}
	return Clean(a.Name)
}

// AuditSubject is what a record is about: a cluster, or a path of stage, group and gate.
func AuditSubject(s *v1alpha1.AuditSubject) string {
	if s == nil {
		return ""
	}
	var path []string
	for _, part := range []string{s.Stage, s.Group, s.Gate, s.Cluster} {
		if part != "" {
			path = append(path, Clean(part))
		}
	}
	return strings.Join(path, "/")
}

// AuditEvidence is evidence on one line.
func AuditEvidence(evidence []v1alpha1.AuditEvidence) string {
	var pairs []string
	for _, e := range evidence {
		pairs = append(pairs, Clean(e.Name)+"="+Clean(e.Value))
	}
	return strings.Join(pairs, "; ")
}
