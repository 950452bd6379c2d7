// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// Limits of one entry. A hub stores an object of at most 1.5 MB, and a page of five hundred entries is read at a time.
const (
	maxRecords = 100
	maxBytes   = 128 * 1024
)

// Name is the name of the entry with a sequence: its creation is the lock on the end of the chain.
func Name(sequence int64) string { return fmt.Sprintf("%012d", sequence) }

// Chain is what a chain says, as far as it matters to what comes next.
type Chain struct {
	// Sequence and Hash of the newest entry; zero and empty: there is none.
	Sequence int64
	Hash     string

	runs map[string]*recorded
}

// recorded is what the chain says of one run.
type recorded struct {
	keys       map[string]bool
	generation int64             // of the spec that was recorded last
	state      v1alpha1.RunState // as it was recorded last
	skips      int               // recorded
	attempt    int32             // recorded last
	pruned     bool              // it ended, and its entries were taken away
}

// NewChain is an empty chain.
func NewChain() *Chain { return &Chain{runs: map[string]*recorded{}} }

// Add takes the next entry of the chain in.
func (c *Chain) Add(e *v1alpha1.AuditEntrySpec) {
	if e.Sequence > c.Sequence {
		c.Sequence, c.Hash = e.Sequence, e.Hash
	}
	if e.Checkpoint != nil {
		for _, uid := range e.Checkpoint.Runs {
			c.of(uid).pruned = true
		}
	}
	for i := range e.Records {
		c.of(e.RunUID).add(&e.Records[i])
	}
}

func (c *Chain) of(uid string) *recorded {
	if c.runs[uid] == nil {
		c.runs[uid] = &recorded{keys: map[string]bool{}, state: v1alpha1.RunStateRun, attempt: 1}
	}
	return c.runs[uid]
}

func (k *recorded) add(r *v1alpha1.AuditRecord) {
	k.keys[r.Key] = true
	switch r.Action {
	case v1alpha1.AuditRunCreated:
		k.state = cmp.Or(v1alpha1.RunState(value(r, evidenceState)), v1alpha1.RunStateRun)
	case v1alpha1.AuditRunPaused:
		k.state = v1alpha1.RunStatePause
	case v1alpha1.AuditRunResumed:
		k.state = v1alpha1.RunStateRun
	case v1alpha1.AuditRunStopped:
		k.state = v1alpha1.RunStateStop
	case v1alpha1.AuditSkipped:
		k.skips++
	}
	if r.Action == v1alpha1.AuditRunCreated || r.Action == v1alpha1.AuditRunRetried {
		if n, err := strconv.ParseInt(value(r, evidenceAttempt), 10, 32); err == nil {
			k.attempt = max(k.attempt, int32(n))
		}
	}
	if g, err := strconv.ParseInt(value(r, evidenceGeneration), 10, 64); err == nil {
		k.generation = max(k.generation, g)
	}
}

// value of an evidence; empty: there is none.
func value(r *v1alpha1.AuditRecord, name string) string {
	for _, e := range r.Evidence {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// Entries makes the entries that carry a run's records on from the end of the chain. Each record that has no time gets
// that of the entry. The chain does not change: an entry counts when it was stored.
func (c *Chain) Entries(namespace string, run Run, records []v1alpha1.AuditRecord, now time.Time) ([]v1alpha1.AuditEntry, error) {
	var entries []v1alpha1.AuditEntry
	at := metav1.NewTime(now.UTC()).Rfc3339Copy()
	sequence, hash := c.Sequence, c.Hash
	for len(records) > 0 {
		n, err := fitting(records)
		if err != nil {
			return nil, err
		}
		sequence++
		e := v1alpha1.AuditEntry{}
		e.Namespace, e.Name = namespace, Name(sequence)
		e.Spec = v1alpha1.AuditEntrySpec{Sequence: sequence, Time: at, Run: run.Name, RunUID: run.UID, PreviousHash: hash}
		e.Spec.Records = append(e.Spec.Records, records[:n]...)
		for i := range e.Spec.Records {
			if r := &e.Spec.Records[i]; r.Time.IsZero() {
				r.Time = at
			}
		}
		if hash, err = Hash(&e.Spec); err != nil {
			return nil, err
		}
		e.Spec.Hash = hash
		entries, records = append(entries, e), records[n:]
	}
	return entries, nil
}

// fitting counts the records that fit into one entry, at least one.
func fitting(records []v1alpha1.AuditRecord) (int, error) {
	size := 0
	for i := range records {
		content, err := json.Marshal(&records[i])
		if err != nil {
			return 0, err
		}
		size += len(content)
		if i == maxRecords || i > 0 && size > maxBytes {
			return i, nil
		}
	}
	return len(records), nil
}

// CheckpointAfter makes the entry that says that entries were taken away on purpose.
func (c *Chain) CheckpointAfter(namespace string, p v1alpha1.AuditCheckpoint, now time.Time) (*v1alpha1.AuditEntry, error) {
	e := &v1alpha1.AuditEntry{}
	e.Namespace, e.Name = namespace, Name(c.Sequence+1)
	e.Spec = v1alpha1.AuditEntrySpec{Sequence: c.Sequence + 1, Time: metav1.NewTime(now.UTC()).Rfc3339Copy(), PreviousHash: c.Hash, Checkpoint: &p}
	var err error
	e.Spec.Hash, err = Hash(&e.Spec)
	return e, err
}
