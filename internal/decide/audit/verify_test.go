// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/audit"
)

// entry is an entry of a chain that holds one record.
func record(key, reason string) v1alpha1.AuditRecord {
	return v1alpha1.AuditRecord{
		Key: key, Action: v1alpha1.AuditClusterFailed, Actor: v1alpha1.AuditActor{Kind: v1alpha1.AuditActorController, Name: "clusterupgrade"},
		Subject: &v1alpha1.AuditSubject{Cluster: "prod-1"}, Reason: reason,
		Evidence: []v1alpha1.AuditEvidence{{Name: "reason", Value: "QuotaExceeded"}, {Name: "step", Value: "1.37.2/ControlPlane"}},
	}
}

// chainOf makes a chain of n entries, one minute apart.
func chainOf(t interface{ Fatal(...any) }, n int) []v1alpha1.AuditEntry {
	c := audit.NewChain()
	var out []v1alpha1.AuditEntry
	for i := range n {
		entries, err := c.Entries("fleet", audit.Run{Name: "to-1-37", UID: "run-1"}, []v1alpha1.AuditRecord{record(string(rune('a'+i)), "no <quota> & \"no\" \\ 遷宮")}, at(i).Time)
		if err != nil {
			t.Fatal(err)
		}
		c.Add(&entries[0].Spec)
		out = append(out, entries[0])
	}
	return out
}

func verify(entries []v1alpha1.AuditEntry) []string {
	v := audit.NewVerifier()
	for i := range entries {
		v.Add(entries[i].Name, &entries[i].Spec, nil)
	}
	return sentences(v.End())
}

func sentences(found []audit.Finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.String())
	}
	return out
}

// reseal gives an entry the hash of what it holds, as a careful forger does.
func reseal(t interface{ Fatal(...any) }, e *v1alpha1.AuditEntry) {
	hash, err := audit.Hash(&e.Spec)
	if err != nil {
		t.Fatal(err)
	}
	e.Spec.Hash = hash
}

func TestWhatVerifyFinds(t *testing.T) {
	for name, tc := range map[string]struct {
		change func([]v1alpha1.AuditEntry) []v1alpha1.AuditEntry
		want   []string // parts of the findings in their order
	}{
		"nothing in a chain as it was written": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry { return c }, nil},
		"nothing in no chain":                  {func([]v1alpha1.AuditEntry) []v1alpha1.AuditEntry { return nil }, nil},
		"a changed reason": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry {
			c[2].Spec.Records[0].Reason = "all was well"
			return c
		}, []string{"entry 3: it was altered"}},
		"a changed entry with a new hash": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry {
			c[2].Spec.Records[0].Reason = "all was well"
			reseal(t, &c[2])
			return c
		}, []string{"entry 4: it follows an entry with the hash"}},
		"an entry that is gone": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry {
			return append(c[:1], c[2:]...)
		}, []string{"entry 3: entry 2 is missing before it"}},
		"several that are gone": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry {
			return append(c[:1], c[4:]...)
		}, []string{"entry 5: entries 2 to 4 are missing before it"}},
		"a beginning that is gone": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry { return c[2:] },
			[]string{"entry 3: entries 1 to 2 are missing before it, and no checkpoint"}},
		"two in the wrong order": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry {
			c[1], c[2] = c[2], c[1]
			return c
		}, []string{"entry 3: entry 2 is missing", "entry 2: it comes after entry 3", "entry 4: entry 3 is missing"}},
		"another name": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry {
			c[1].Name = "2"
			return c
		}, []string{`entry 2: it is named "2"`}},
		"a clock that was wrong": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry {
			c[4].Spec.Time = metav1.NewTime(nine.Add(-time.Hour))
			reseal(t, &c[4])
			return c
		}, []string{"entry 5: its time is 1h3m0s before that of entry 4"}},
		"clocks of two processes are a little apart": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry {
			c[4].Spec.Time = metav1.NewTime(c[3].Spec.Time.Add(-4 * time.Minute))
			reseal(t, &c[4])
			return c
		}, nil},
		"a record that is there twice": {func(c []v1alpha1.AuditEntry) []v1alpha1.AuditEntry {
			c[4].Spec.Records = c[3].Spec.Records
			reseal(t, &c[4])
			return c
		}, []string{`entry 5: its record "d" of run to-1-37 is in entry 4 already`}},
	} {
		t.Run(name, func(t *testing.T) {
			got := verify(tc.change(chainOf(t, 5)))
			if len(got) != len(tc.want) {
				t.Fatalf("found %q, want %q", got, tc.want)
			}
			for i := range got {
				if !strings.Contains(got[i], tc.want[i]) {
					t.Errorf("found %q, want %q", got[i], tc.want[i])
				}
			}
		})
	}
}

// TestAnySingleAlterationIsFound: whatever one byte of an entry is changed to.
func TestAnySingleAlterationIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chain := chainOf(t, rapid.IntRange(1, 8).Draw(t, "entries"))
		i := rapid.IntRange(0, len(chain)-1).Draw(t, "entry")
		content, err := json.Marshal(&chain[i].Spec)
		if err != nil {
			t.Fatal(err)
		}
		altered := bytes.Clone(content)
		altered[rapid.IntRange(0, len(content)-1).Draw(t, "byte")] = rapid.Byte().Draw(t, "becomes")
		var spec v1alpha1.AuditEntrySpec
		if json.Unmarshal(altered, &spec) != nil || jsonSame(content, altered) {
			return // it is not even read, or is the same
		}
		v := audit.NewVerifier()
		for k := range chain {
			if k == i {
				v.Add(chain[k].Name, &spec, altered)
				continue
			}
			v.Add(chain[k].Name, &chain[k].Spec, nil)
		}
		if len(v.End()) == 0 {
			t.Fatalf("%s\nbecame\n%s\nand nothing was found", content, altered)
		}
	})
}

// TestAnEntryThatIsTakenAwayIsFound, whichever it is. That the newest is gone is found by an earlier export, and only
// by that.
func TestAnEntryThatIsTakenAwayIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chain := chainOf(t, rapid.IntRange(2, 8).Draw(t, "entries"))
		gone := rapid.IntRange(0, len(chain)-1).Draw(t, "entry")
		earlier, now := audit.NewVerifier(), audit.NewVerifier()
		for i := range chain {
			earlier.Add(chain[i].Name, &chain[i].Spec, nil)
			if i != gone {
				now.Add(chain[i].Name, &chain[i].Spec, nil)
			}
		}
		if newest := gone == len(chain)-1; newest != (len(now.End()) == 0) {
			t.Fatalf("entry %d of %d was taken away, and found is %v", gone+1, len(chain), now.End())
		}
		if gone > 0 && len(now.Compare(earlier)) == 0 {
			t.Fatalf("entry %d of %d was taken away, and the export does not tell", gone+1, len(chain))
		}
	})
}

// TestAChainThatWasWrittenAnewIsFoundByAnExport: by itself it is without fault.
func TestAChainThatWasWrittenAnewIsFoundByAnExport(t *testing.T) {
	earlier, now := audit.NewVerifier(), audit.NewVerifier()
	for _, e := range chainOf(t, 3) {
		earlier.Add(e.Name, &e.Spec, nil)
	}
	c := audit.NewChain()
	entries, err := c.Entries("fleet", audit.Run{Name: "to-1-37", UID: "run-1"}, []v1alpha1.AuditRecord{record("a", "all was well")}, nine)
	if err != nil {
		t.Fatal(err)
	}
	now.Add(entries[0].Name, &entries[0].Spec, nil)
	found := sentences(now.Compare(earlier))
	if len(now.End()) > 0 || len(found) != 2 || !strings.Contains(found[0], "written anew") || !strings.Contains(found[1], "entries 2 to 3 are in the export") {
		t.Errorf("alone %v, against the export %q", now.End(), found)
	}
	same := audit.NewVerifier()
	same.Add(entries[0].Name, &entries[0].Spec, nil)
	if found := now.Compare(same); len(found) > 0 {
		t.Errorf("a chain differs from what is the same: %v", found)
	}
}

func jsonSame(a, b []byte) bool {
	var x, y bytes.Buffer
	var v any
	for out, in := range map[*bytes.Buffer][]byte{&x: a, &y: b} {
		if json.Unmarshal(in, &v) != nil || json.NewEncoder(out).Encode(v) != nil {
			return false
		}
		v = nil
	}
	return bytes.Equal(x.Bytes(), y.Bytes())
}

// TestAFieldThatWasAddedIsFound: an export is hashed as it is read, not as this version understands it.
func TestAFieldThatWasAddedIsFound(t *testing.T) {
	chain := chainOf(t, 1)
	content, err := json.Marshal(&chain[0].Spec)
	if err != nil {
		t.Fatal(err)
	}
	v := audit.NewVerifier()
	v.Add(chain[0].Name, &chain[0].Spec, bytes.Replace(content, []byte("{"), []byte(`{"approvedBy":"ada",`), 1))
	if found := v.End(); len(found) != 1 || !strings.Contains(found[0].Sentence, "altered") {
		t.Errorf("found %v, want one alteration", found)
	}
}

// TestTheHashNeverChanges: what was written by an earlier version must verify for ever, and by other people's programs.
// The file holds an entry and the hash that Python computes of it (see docs/decisions/audit-record.md).
func TestTheHashNeverChanges(t *testing.T) {
	content, err := os.ReadFile("testdata/entry.json")
	if err != nil {
		t.Fatal(err)
	}
	var e v1alpha1.AuditEntry
	if err := json.Unmarshal(content, &e); err != nil {
		t.Fatal(err)
	}
	const want = "3200fb693710eee61396330a3e4d24fdd98cb6332556325fa43d079b81c2896c"
	if got, err := audit.Hash(&e.Spec); err != nil || got != want {
		t.Errorf("hash %s, %v, want %s", got, err, want)
	}
	if e.Spec.Hash != want {
		t.Errorf("the entry says %s, want %s", e.Spec.Hash, want)
	}
}

// TestCheckpoints: a chain may begin where a checkpoint says that it was cut, and nowhere else.
func TestCheckpoints(t *testing.T) {
	for name, tc := range map[string]struct {
		through int  // what the checkpoint says was taken away
		gone    int  // what was
		forge   bool // with the hash of another entry
		want    string
	}{
		"cut where it says":                  {through: 3, gone: 3},
		"not everything was taken away yet":  {through: 3, gone: 1},
		"nothing was taken away yet":         {through: 3, gone: 0},
		"more was taken away":                {through: 2, gone: 3, want: "entry 4: entries 1 to 3 are missing before it, and no checkpoint"},
		"of another chain":                   {through: 3, gone: 3, forge: true, want: "entry 6: it says that entry 3 had the hash"},
		"of another chain, and not all gone": {through: 3, gone: 1, forge: true, want: "entry 6: it says that entry 3 had the hash"},
	} {
		t.Run(name, func(t *testing.T) {
			entries := chainOf(t, 5)
			c := audit.NewChain()
			for i := range entries {
				c.Add(&entries[i].Spec)
			}
			said := v1alpha1.AuditCheckpoint{Through: int64(tc.through), Hash: entries[tc.through-1].Spec.Hash}
			if tc.forge {
				said.Hash = entries[0].Spec.Hash
			}
			e, err := c.CheckpointAfter("fleet", said, at(9).Time)
			if err != nil {
				t.Fatal(err)
			}
			got := verify(append(entries, *e)[tc.gone:])
			if tc.want == "" && len(got) > 0 || tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)) {
				t.Errorf("found %q, want %q", got, tc.want)
			}
		})
	}
}

// TestWhatCanBeTakenAway: a run that may still go on keeps its entries and all after them.
func TestWhatCanBeTakenAway(t *testing.T) {
	type run struct {
		uid   string
		ended bool
	}
	for name, tc := range map[string]struct {
		entries  []run // one entry each
		exist    []string
		limit    audit.Limit
		want     int64
		wantRuns []string
		wantHeld bool
	}{
		"before a sequence":                {entries: []run{{"a", true}, {"b", true}, {"c", true}}, limit: audit.Limit{BeforeSequence: 3}, want: 2},
		"what is old":                      {entries: []run{{"a", true}, {"b", true}, {"c", true}}, limit: audit.Limit{Before: nine.Add(90 * time.Second)}, want: 2},
		"both must hold":                   {entries: []run{{"a", true}, {"b", true}, {"c", true}}, limit: audit.Limit{BeforeSequence: 2, Before: nine.Add(time.Hour)}, want: 1},
		"nothing is old enough":            {entries: []run{{"a", true}}, limit: audit.Limit{Before: nine}},
		"a run that goes on holds":         {entries: []run{{"a", true}, {"b", false}, {"c", true}}, exist: []string{"a", "b", "c"}, limit: audit.Limit{BeforeSequence: 9}, want: 1, wantRuns: []string{"a"}, wantHeld: true},
		"a run that was deleted holds not": {entries: []run{{"a", true}, {"b", false}, {"c", true}}, exist: []string{"c"}, limit: audit.Limit{BeforeSequence: 9}, want: 3, wantRuns: []string{"c"}},
		"its end may come later":           {entries: []run{{"a", false}, {"a", true}}, exist: []string{"a"}, limit: audit.Limit{BeforeSequence: 2}, want: 1, wantRuns: []string{"a"}},
		"the first run holds all":          {entries: []run{{"a", false}}, exist: []string{"a"}, limit: audit.Limit{BeforeSequence: 9}, wantHeld: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := audit.NewPruner(tc.limit)
			for i, r := range tc.entries {
				rec := record("x", "")
				if r.ended {
					rec.Action = v1alpha1.AuditRunSucceeded
				}
				p.Add(&v1alpha1.AuditEntrySpec{Sequence: int64(i + 1), Hash: "h", Time: *at(i), Run: r.uid, RunUID: r.uid, Records: []v1alpha1.AuditRecord{rec}})
			}
			exist := map[string]bool{}
			for _, uid := range tc.exist {
				exist[uid] = true
			}
			c, held := p.End(exist)
			if c == nil {
				c = &v1alpha1.AuditCheckpoint{}
			}
			if c.Through != tc.want || strings.Join(c.Runs, ",") != strings.Join(tc.wantRuns, ",") || (held != "") != tc.wantHeld {
				t.Errorf("through %d with runs %v, held %q; want %d with %v, held %t", c.Through, c.Runs, held, tc.want, tc.wantRuns, tc.wantHeld)
			}
		})
	}
}

// TestWhatWasTakenAwayIsNotToldAgain: a run that ended and still exists is known by the checkpoint, and one checkpoint
// hands it to the next.
func TestWhatWasTakenAwayIsNotToldAgain(t *testing.T) {
	s := newStory(t)
	s.start()
	s.run.Status.Phase, s.run.Status.FinishedAt = v1alpha1.RunPhaseSucceeded, at(3)
	s.write()
	for range 2 {
		p := audit.NewPruner(audit.Limit{BeforeSequence: 1000})
		for i := range s.written {
			p.Add(&s.written[i].Spec)
		}
		c, _ := p.End(map[string]bool{"run-1": true})
		if c == nil {
			t.Fatal("nothing can be taken away of a run that has ended")
		}
		c.Actor = v1alpha1.AuditActor{Kind: v1alpha1.AuditActorUser, Name: "ada"}
		e, err := s.chain.CheckpointAfter("fleet", *c, at(60).Time)
		if err != nil {
			t.Fatal(err)
		}
		s.written = []v1alpha1.AuditEntry{*e}
		s.restart()
		s.tells()
	}
	if found := verify(s.written); len(found) > 0 {
		t.Errorf("the chain is broken: %v", found)
	}
	s.run.DeletionTimestamp = at(70)
	s.tells("RunDeleted by unknown")
}
