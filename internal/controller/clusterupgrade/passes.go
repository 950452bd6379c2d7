// SPDX-License-Identifier: Apache-2.0

package clusterupgrade

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/act"
	"sengu.dev/sengu/internal/decide/upgrade"
)

// passes carries from one pass to the next what is cheap to lose: what failed, ids of operations that can be
// asked for again by their key, and eviction counts that are not written yet.
type passes struct {
	mu   sync.Mutex
	last map[types.NamespacedName]*pass
}

type pass struct {
	failures         map[string]upgrade.Problem
	ids              map[string]string
	evicted, refused int32
	writtenAt        time.Time
	// madeAt is when the last pass was made, and due when the next was wanted at the latest; zero: at an event.
	madeAt, due time.Time
	// inStatus are the counts that went into the status that is being written.
	inStatus struct{ evicted, refused int32 }
}

func newPasses() *passes { return &passes{last: map[types.NamespacedName]*pass{}} }

func (p *passes) of(key types.NamespacedName) *pass {
	if p.last[key] == nil {
		p.last[key] = &pass{ids: map[string]string{}}
	}
	return p.last[key]
}

func (p *passes) forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.last, key)
}

// failures returns what failed in the last pass, once.
func (p *passes) failures(key types.NamespacedName) map[string]upgrade.Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.of(key).failures
	p.of(key).failures = nil
	return f
}

// awayAfter is how much later than wanted a look may come and still count as one that was made in time.
const awayAfter = time.Minute

// begin notes that a pass is made, and says whether nobody looked when it was wanted: this is the first pass of the
// process, it comes late, or the clock was set.
func (p *passes) begin(key types.NamespacedName, now time.Time) (away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.of(key)
	away = last.madeAt.IsZero() || now.Before(last.madeAt) || (!last.due.IsZero() && now.Sub(last.due) > awayAfter)
	last.madeAt, last.due = now, time.Time{}
	return away
}

// wanted notes after how long the next pass is wanted; 0: at an event.
func (p *passes) wanted(key types.NamespacedName, now time.Time, after time.Duration) {
	if after <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of(key).due = now.Add(after)
}

func (p *passes) remember(key types.NamespacedName, failures map[string]upgrade.Problem, ids map[string]string, out act.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.of(key)
	last.failures = failures
	maps.Copy(last.ids, ids)
	last.evicted += out.Evicted
	last.refused += out.Refused
}

// fillIDs adds the ids of operations that were started and not written yet. An id that is lost in a crash is
// found again by its key.
func (p *passes) fillIDs(key types.NamespacedName, operations []v1alpha1.OperationStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.of(key)
	for i := range operations {
		if operations[i].ID == "" {
			operations[i].ID = last.ids[operations[i].RequestKey]
		}
	}
}

// addCounts puts the counts of evictions into a status to be written.
func (p *passes) addCounts(key types.NamespacedName, st *v1alpha1.ClusterUpgradeStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.of(key)
	st.Drain.Evicted += last.evicted
	st.Drain.Refused += last.refused
	last.inStatus.evicted, last.inStatus.refused = last.evicted, last.refused
}

// written notes when a status was written and takes off the counts that were in it.
func (p *passes) written(key types.NamespacedName, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.of(key)
	last.writtenAt = now
	last.evicted -= last.inStatus.evicted
	last.refused -= last.inStatus.refused
	last.inStatus.evicted, last.inStatus.refused = 0, 0
}

func (p *passes) lastWrite(key types.NamespacedName) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of(key).writtenAt
}
