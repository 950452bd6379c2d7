// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
)

// Annotations by which the hub says who wrote a run.
const (
	createdBy = v1alpha1.AnnotationCreatedBy
	changedBy = v1alpha1.AnnotationChangedBy
)

// Names of evidence that the chain itself reads again.
const (
	evidenceGeneration = "generation"
	evidenceState      = "state"
	evidenceAttempt    = "attempt"
)

// Controllers that act, by the name of their package.
const (
	byRuns     = "upgraderun"
	byUpgrades = "clusterupgrade"
	byGates    = "gate"
)

// Run is the run that records are of.
type Run struct {
	// Name of the run, and UID, which tells runs of one name apart.
	Name, UID string
}

// Look is what is known of one run. What it does not hold is not recorded.
type Look struct {
	// Of is the run that all is about.
	Of Run
	// Run with its spec and its record; nil: only of what belongs to it is anything known.
	Run *v1alpha1.UpgradeRun
	// Gates and Upgrades that belong to the run.
	Gates    []*v1alpha1.Gate
	Upgrades []*v1alpha1.ClusterUpgrade
}

// scribe collects the records that are missing.
type scribe struct {
	known   *recorded
	records []v1alpha1.AuditRecord
}

// Missing returns the records that follow from a look and that the chain does not hold, in the order of their times.
func (c *Chain) Missing(l Look) []v1alpha1.AuditRecord {
	known := c.runs[l.Of.UID]
	if known == nil {
		known = &recorded{state: v1alpha1.RunStateRun, attempt: 1}
	}
	s := &scribe{known: known}
	if !known.pruned {
		if l.Run != nil {
			s.wishes(l.Run)
			s.progress(l.Run)
		}
		for _, g := range l.Gates {
			s.gate(g)
		}
		for _, u := range l.Upgrades {
			s.upgrade(u)
		}
	}
	if l.Run != nil && l.Run.DeletionTimestamp != nil {
		s.add("deleted", *l.Run.DeletionTimestamp, user(""), v1alpha1.AuditRunDeleted, func(r *v1alpha1.AuditRecord) {
			r.Evidence = evidence("phase", string(l.Run.Status.Phase))
		})
	}
	slices.SortStableFunc(s.records, func(a, b v1alpha1.AuditRecord) int {
		if a.Time.IsZero() || b.Time.IsZero() {
			return cmp.Compare(unknown(a.Time), unknown(b.Time)) // found now, so it is the newest
		}
		return a.Time.Compare(b.Time.Time)
	})
	return s.records
}

func unknown(t metav1.Time) int {
	if t.IsZero() {
		return 1
	}
	return 0
}

// CanWait says whether records may wait a moment for others to share an entry with: those of clusters, which stay in
// their own records. What a person wants of a run can be gone at the next look.
func CanWait(records []v1alpha1.AuditRecord) bool {
	for i := range records {
		switch records[i].Action {
		case v1alpha1.AuditClusterStarted, v1alpha1.AuditClusterSucceeded, v1alpha1.AuditClusterFailed, v1alpha1.AuditClusterSkipped:
		default:
			return false
		}
	}
	return true
}

// add adds a record unless the chain holds it. The rest of it is filled in only then.
func (s *scribe) add(key string, at metav1.Time, actor v1alpha1.AuditActor, action v1alpha1.AuditAction, fill func(*v1alpha1.AuditRecord)) {
	if s.known.keys[key] {
		return
	}
	r := v1alpha1.AuditRecord{Key: key, Actor: actor, Action: action}
	if !at.IsZero() {
		r.Time = metav1.NewTime(at.UTC()).Rfc3339Copy()
	}
	if fill != nil {
		fill(&r)
	}
	r.Reason = text(r.Reason, 1024)
	s.records = append(s.records, r)
}

func user(name string) v1alpha1.AuditActor {
	return v1alpha1.AuditActor{Kind: v1alpha1.AuditActorUser, Name: cmp.Or(text(name, 256), v1alpha1.AuditUnknown)}
}

func controller(name string) v1alpha1.AuditActor {
	return v1alpha1.AuditActor{Kind: v1alpha1.AuditActorController, Name: name}
}

// evidence makes a list of names and values, without the values that are empty.
func evidence(pairs ...string) []v1alpha1.AuditEvidence {
	var out []v1alpha1.AuditEvidence
	for i := 0; i+1 < len(pairs) && len(out) < 16; i += 2 {
		if v := text(pairs[i+1], 512); v != "" {
			out = append(out, v1alpha1.AuditEvidence{Name: pairs[i], Value: v})
		}
	}
	return out
}

// text makes text from outside fit to be kept and shown for ever: on one line, without what a terminal would obey, and
// of at most n characters.
func text(s string, n int) string {
	s = view.Clean(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

func when(t *metav1.Time) metav1.Time {
	if t == nil {
		return metav1.Time{}
	}
	return *t
}

func number[N int | int32 | int64](n N) string { return strconv.FormatInt(int64(n), 10) }

func counts(c *v1alpha1.RunCounts) string {
	parts := []string{fmt.Sprintf("%d succeeded, %d failed, %d skipped", c.Succeeded, c.Failed, c.Skipped)}
	for _, more := range []struct {
		n    int32
		what string
	}{{c.NotStarted, "not started"}, {c.Running, "running"}, {c.Stopped, "stopped"}, {c.SetAside, "set aside"}} {
		if more.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", more.n, more.what))
		}
	}
	return fmt.Sprintf("%s, of %d", list(parts), c.Total)
}

func duration(d *metav1.Duration) string {
	if d == nil {
		return ""
	}
	return d.Round(time.Second).String()
}

func list(words []string) string { return strings.Join(words, ", ") }
