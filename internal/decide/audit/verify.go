// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/json"
	"fmt"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// skew is how far the clocks of two processes that write one chain may be apart.
const skew = 5 * time.Minute

// Finding is one thing that is wrong with a chain.
type Finding struct {
	// Sequence of the entry at which it was found.
	Sequence int64 `json:"sequence"`
	// Sentence that says what is wrong.
	Sentence string `json:"sentence"`
}

// String is the finding on one line.
func (f Finding) String() string { return fmt.Sprintf("entry %d: %s", f.Sequence, f.Sentence) }

// Verifier looks at the entries of one chain in their order.
type Verifier struct {
	findings []Finding
	entries  int
	records  int
	first    link
	last     link
	// hashes are kept of what a checkpoint that is still to come may speak of.
	hashes      map[int64]string
	checkpoints []checkpoint
	keys        map[string]int64 // of a run's records: the entry
}

type link struct {
	sequence       int64
	hash, previous string
	time           time.Time
}

type checkpoint struct {
	at int64
	*v1alpha1.AuditCheckpoint
}

// NewVerifier begins to look at a chain.
func NewVerifier() *Verifier {
	return &Verifier{hashes: map[int64]string{}, keys: map[string]int64{}}
}

// Entries that were looked at.
func (v *Verifier) Entries() int { return v.entries }

// Records that were looked at.
func (v *Verifier) Records() int { return v.records }

// Last is the sequence and the hash of the newest entry that was looked at.
func (v *Verifier) Last() (sequence int64, hash string) { return v.last.sequence, v.last.hash }

// Hash of an entry that was looked at; empty: there is none.
func (v *Verifier) Hash(sequence int64) string { return v.hashes[sequence] }

func (v *Verifier) find(at int64, format string, args ...any) {
	v.findings = append(v.findings, Finding{at, fmt.Sprintf(format, args...)})
}

// Add looks at the next entry. Raw is its spec as it was read, when it comes from a file; nil: from the hub.
func (v *Verifier) Add(name string, e *v1alpha1.AuditEntrySpec, raw json.RawMessage) {
	n := e.Sequence
	v.entries++
	v.records += len(e.Records)
	if name != Name(n) {
		v.find(n, "it is named %q, and its sequence asks for %s", name, Name(n))
	}
	hash, err := Hash(e)
	if raw != nil {
		hash, err = hashOf(raw)
	}
	switch {
	case err != nil:
		v.find(n, "its hash cannot be computed: %v", err)
	case hash != e.Hash:
		v.find(n, "it was altered: its content has the hash %s, and it says %s", short(hash), short(e.Hash))
	}
	now := link{n, e.Hash, e.PreviousHash, e.Time.Time}
	if v.entries == 1 {
		v.first = now
	} else {
		v.follow(now)
	}
	if e.Checkpoint != nil {
		v.checkpoints = append(v.checkpoints, checkpoint{n, e.Checkpoint})
	}
	for i := range e.Records {
		key := e.RunUID + "/" + e.Records[i].Key
		if at, twice := v.keys[key]; twice {
			v.find(n, "its record %q of run %s is in entry %d already", e.Records[i].Key, e.Run, at)
		}
		v.keys[key] = n
	}
	v.hashes[n], v.last = e.Hash, now
}

// follow looks at an entry after the one before it.
func (v *Verifier) follow(now link) {
	switch before := v.last; {
	case now.sequence <= before.sequence:
		v.find(now.sequence, "it comes after entry %d: the order is wrong, or it is there twice", before.sequence)
	case now.sequence > before.sequence+1:
		v.find(now.sequence, "%s missing before it", gap(before.sequence+1, now.sequence-1))
	case now.previous != before.hash:
		v.find(now.sequence, "it follows an entry with the hash %s, and entry %d has %s: one of the two was altered", short(now.previous), before.sequence, short(before.hash))
	}
	if back := v.last.time.Sub(now.time); back > skew {
		v.find(now.sequence, "its time is %s before that of entry %d: a clock was wrong, or it was written later than it says", back, v.last.sequence)
	}
}

// End says what is wrong with the chain as a whole, in the order in which it was found.
func (v *Verifier) End() []Finding {
	if v.entries == 0 || v.first.sequence == 1 {
		return v.findings
	}
	var best *checkpoint
	for i := range v.checkpoints {
		if c := &v.checkpoints[i]; c.Through >= v.first.sequence-1 && (best == nil || c.Through < best.Through) {
			best = c
		}
	}
	if best == nil {
		v.find(v.first.sequence, "%s missing before it, and no checkpoint says that they were taken away on purpose", gap(1, v.first.sequence-1))
		return v.findings
	}
	hash := v.hashes[best.Through]
	if best.Through == v.first.sequence-1 {
		hash = v.first.previous
	}
	if hash != best.Hash {
		v.find(best.at, "it says that entry %d had the hash %s, and the chain goes on from %s", best.Through, short(best.Hash), short(hash))
	}
	return v.findings
}

// Compare finds what an earlier export has and the chain has not. It is the only way to see that the newest entries
// were taken away, or that the whole chain was written anew.
func (v *Verifier) Compare(earlier *Verifier) []Finding {
	var found []Finding
	n, _ := earlier.Last()
	for i := max(earlier.first.sequence, v.first.sequence); earlier.entries > 0 && i <= n; i++ {
		was, is := earlier.Hash(i), v.Hash(i)
		switch {
		case was == "" || was == is:
		case is == "" && i > v.last.sequence:
			return append(found, Finding{i, fmt.Sprintf("%s in the export and not in the chain: the newest entries were taken away", gap(i, n))})
		case is == "":
			found = append(found, Finding{i, "it is in the export and not in the chain"})
		default:
			found = append(found, Finding{i, fmt.Sprintf("its hash was %s in the export and is %s: the chain was written anew", short(was), short(is))})
		}
	}
	return found
}

func gap(from, to int64) string {
	if from == to {
		return fmt.Sprintf("entry %d is", from)
	}
	return fmt.Sprintf("entries %d to %d are", from, to)
}

func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12] + "…"
	}
	if hash == "" {
		return "(none)"
	}
	return hash
}
