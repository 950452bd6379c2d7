// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"math/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/auditlog"
	"sengu.dev/sengu/internal/decide/audit"
	"sengu.dev/sengu/internal/hub/hubtest"
)

// recorded reads the fleet's record of decisions, fails the test when the chain is broken, and returns the keys of a
// run's records, sorted.
func (f *fleet) recorded(run string) []string {
	f.t.Helper()
	v := audit.NewVerifier()
	var keys []string
	err := auditlog.Each(context.Background(), f, f.namespace, func(e *v1alpha1.AuditEntry) error {
		v.Add(e.Name, &e.Spec, nil)
		for _, r := range e.Spec.Records {
			if e.Spec.Run == run {
				keys = append(keys, r.Key)
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if found := v.End(); len(found) > 0 {
		f.t.Errorf("the chain is broken: %v", found)
	}
	slices.Sort(keys)
	return keys
}

// untilRecorded waits until the record holds a key.
func (f *fleet) untilRecorded(run, key string) []string {
	f.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		keys := f.recorded(run)
		if slices.Contains(keys, key) {
			return keys
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s of run %s is not recorded: %v", key, run, keys)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestEachDecisionIsRecorded: of a run that is paused, fails, is retried, succeeds and is deleted.
func TestEachDecisionIsRecorded(t *testing.T) {
	f := newFleet(t)
	f.add("staging-1", "staging", func(c *v1alpha1.Cluster) {
		c.Spec.Provider.Simulated.Failures = []v1alpha1.SimulatedFailure{{Operation: "ControlPlane", Times: 1, Code: "QuotaExceeded", Message: "no quota is left"}}
	})
	f.create(&v1alpha1.UpgradeRun{ObjectMeta: named("first"), Spec: v1alpha1.UpgradeRunSpec{
		Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Strategy: strategy("staging"), State: v1alpha1.RunStatePause,
	}})
	f.untilRecorded("first", "created")
	change := func(do func(*v1alpha1.UpgradeRunSpec)) {
		t.Helper()
		run := until(f, "first", &v1alpha1.UpgradeRun{}, "there", func(*v1alpha1.UpgradeRun) bool { return true })
		before := run.DeepCopy()
		do(&run.Spec)
		if err := f.Patch(t.Context(), run, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
	}
	change(func(s *v1alpha1.UpgradeRunSpec) { s.State = v1alpha1.RunStateRun })
	f.untilPhase("first", v1alpha1.RunPhaseFailed)
	change(func(s *v1alpha1.UpgradeRunSpec) { s.Attempt = 2 })
	run := f.untilPhase("first", v1alpha1.RunPhaseSucceeded)
	f.remove("first", run)
	got := f.untilRecorded("first", "deleted")
	want := []string{
		"attempt/2", "cluster/staging-1/1/failed", "cluster/staging-1/1/started", "cluster/staging-1/2/started", "cluster/staging-1/2/succeeded",
		"created", "deleted", "ended/Failed/1", "ended/Succeeded", "spec/2", "stage/staging/failed/1", "stage/staging/finished", "stage/staging/started", "started",
	}
	if !slices.Equal(got, want) {
		t.Errorf("recorded is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// severed is the way to the hub of a process that is killed at one of its writes: before the write reaches the hub, or
// before its answer reaches the process. Nothing gets through afterwards.
type severed struct {
	next   http.RoundTripper
	left   atomic.Int64 // writes until then
	answer bool         // the write still gets through, and its answer does not
	once   sync.Once
	killed chan struct{}
}

// RoundTrip sends a request.
func (s *severed) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.left.Load() <= 0 {
		return nil, errKilled
	}
	if r.Method == http.MethodGet || s.left.Add(-1) > 0 {
		return s.next.RoundTrip(r)
	}
	if s.answer {
		if response, err := s.next.RoundTrip(r); err == nil {
			_ = response.Body.Close()
		}
	}
	s.once.Do(func() { close(s.killed) })
	return nil, errKilled
}

// killedAt runs a process until its n-th write.
func (f *fleet) killedAt(n int64, answer bool) {
	f.t.Helper()
	s := &severed{answer: answer, killed: make(chan struct{})}
	s.left.Store(n)
	cfg := rest.CopyConfig(hubtest.Hub(f.t).AdminConfig())
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { s.next = next; return s })
	stop := f.process(cfg, nil)
	defer func() { _ = stop() }() // it cannot end well: it was cut off
	select {
	case <-s.killed:
	case <-time.After(patience):
		f.t.Fatalf("the process has not written %d times", n)
	}
}

// TestTheRecordSurvivesKills: whenever the process is killed, each decision is recorded once.
func TestTheRecordSurvivesKills(t *testing.T) {
	f := newFleet(t)
	f.stop()
	f.add("staging-1", "staging", senguStyle(2))
	f.add("staging-2", "staging", senguStyle(2))
	f.run("first", "1.37", "staging")
	r := rand.New(rand.NewSource(2))
	// A run of two such clusters needs more than sixty writes, so each of these dies in the middle.
	for range 8 {
		f.killedAt(1+r.Int63n(6), r.Intn(2) == 0)
		f.recorded("first")
	}
	f.start()
	f.untilPhase("first", v1alpha1.RunPhaseSucceeded)
	got := f.untilRecorded("first", "ended/Succeeded")
	want := []string{
		"cluster/staging-1/1/started", "cluster/staging-1/1/succeeded", "cluster/staging-2/1/started", "cluster/staging-2/1/succeeded",
		"created", "ended/Succeeded", "stage/staging/finished", "stage/staging/started", "started",
	}
	if !slices.Equal(got, want) {
		t.Errorf("recorded is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// counted counts the writes of a process.
type counted struct {
	next         http.RoundTripper
	all, entries atomic.Int64
}

// RoundTrip sends a request.
func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		c.all.Add(1)
		if strings.HasSuffix(r.URL.Path, "/auditentries") {
			c.entries.Add(1)
		}
	}
	return c.next.RoundTrip(r)
}

// TestTheRecordCostsFewWrites: what happens to clusters at the same time shares entries.
func TestTheRecordCostsFewWrites(t *testing.T) {
	f := newFleet(t)
	f.stop()
	const clusters = 100
	c := &counted{}
	cfg := rest.CopyConfig(hubtest.Hub(t).AdminConfig())
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { c.next = next; return c })
	stop := f.process(cfg, nil)
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	for i := range clusters {
		f.add(fmt.Sprintf("c-%04d", i), "staging", nil)
	}
	s := strategy("staging")
	s.Stages[0].Groups[0].MaxConcurrency = new(intstr.FromInt32(50))
	f.create(&v1alpha1.UpgradeRun{ObjectMeta: named("first"), Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Strategy: s}})
	f.untilPhase("first", v1alpha1.RunPhaseSucceeded)
	keys := f.untilRecorded("first", "ended/Succeeded")
	if want := 2*clusters + 5; len(keys) != want {
		t.Errorf("%d records, want %d", len(keys), want)
	}
	all, entries := c.all.Load(), c.entries.Load()
	t.Logf("%d clusters: %d writes, of which %d of the record", clusters, all, entries)
	if entries*20 > all {
		t.Errorf("%d of %d writes are of the record, want at most one of twenty", entries, all)
	}
}
