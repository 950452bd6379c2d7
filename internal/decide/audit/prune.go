// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// Limit says which entries may be taken away: those that meet all that is set.
type Limit struct {
	// BeforeSequence keeps this entry and all after it. Zero: not set.
	BeforeSequence int64
	// Before keeps what was written at this instant or later. Zero: not set.
	Before time.Time
}

// Pruner finds how much of a chain can be taken away. Entries of a run that may still go on stay: they say what of it is
// recorded already.
type Pruner struct {
	limit   Limit
	entries []prunable
	ended   map[string]bool // runs whose end is recorded
	before  map[string]bool // runs of earlier checkpoints
}

type prunable struct {
	sequence int64
	hash     string
	time     time.Time
	run, uid string
}

// NewPruner begins to look at a chain.
func NewPruner(limit Limit) *Pruner {
	return &Pruner{limit: limit, ended: map[string]bool{}, before: map[string]bool{}}
}

// Add looks at the next entry.
func (p *Pruner) Add(e *v1alpha1.AuditEntrySpec) {
	p.entries = append(p.entries, prunable{e.Sequence, e.Hash, e.Time.Time, e.Run, e.RunUID})
	for i := range e.Records {
		switch e.Records[i].Action {
		case v1alpha1.AuditRunSucceeded, v1alpha1.AuditRunEnded:
			p.ended[e.RunUID] = true
		}
	}
	if e.Checkpoint != nil {
		for _, uid := range e.Checkpoint.Runs {
			p.before[uid] = true
		}
	}
}

// End returns the checkpoint to write before anything is taken away, and nil when nothing can be. Held says why less is
// taken away than the limit lets; empty: it is not less. Exist are the runs that exist, by their uid.
func (p *Pruner) End(exist map[string]bool) (c *v1alpha1.AuditCheckpoint, held string) {
	runs := map[string]bool{}
	for uid := range p.before {
		runs[uid] = exist[uid]
	}
	for _, e := range p.entries {
		if p.limit.BeforeSequence > 0 && e.sequence >= p.limit.BeforeSequence || !p.limit.Before.IsZero() && !e.time.Before(p.limit.Before) {
			break
		}
		if exist[e.uid] && !p.ended[e.uid] && !p.before[e.uid] {
			held = fmt.Sprintf("entry %d and all after it stay: run %s has not ended, and its entries say what of it is recorded", e.sequence, e.run)
			break
		}
		if e.uid != "" {
			runs[e.uid] = exist[e.uid]
		}
		c = &v1alpha1.AuditCheckpoint{Through: e.sequence, Hash: e.hash}
	}
	if c == nil {
		return nil, held
	}
	for uid, exists := range runs {
		if exists {
			c.Runs = append(c.Runs, uid)
		}
	}
	slices.Sort(c.Runs)
	return c, held
}
