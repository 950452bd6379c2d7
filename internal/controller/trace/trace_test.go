// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"sengu.dev/sengu/api/v1alpha1"
)

var epoch = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

func at(minutes int) *metav1.Time {
	return new(metav1.NewTime(epoch.Add(time.Duration(minutes) * time.Minute)))
}

// collector is a receiver of OTLP over HTTP.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	spans  []*tracepb.Span
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{status: http.StatusOK}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.WriteHeader(c.status)
		if c.status != http.StatusOK {
			return
		}
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unzipped, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = unzipped
		}
		content, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		var request collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(content, &request); err != nil {
			t.Errorf("what was posted to %s is no export: %v", r.URL.Path, err)
		}
		for _, resource := range request.ResourceSpans {
			if got := resource.Resource.Attributes[0]; got.Key != "service.name" || got.Value.GetStringValue() != "sengu" {
				t.Errorf("the resource is %v", resource.Resource)
			}
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// tree writes the spans as people see them: indented under their parents, with minutes since the start.
func (c *collector) tree() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	var below func(parent []byte, depth int)
	minute := func(nanos uint64) int { return int(time.Unix(0, int64(nanos)).Sub(epoch).Minutes()) }
	below = func(parent []byte, depth int) {
		for _, s := range c.spans {
			if string(s.ParentSpanId) != string(parent) {
				continue
			}
			line := fmt.Sprintf("%s%s %d-%d", strings.Repeat("  ", depth), s.Name, minute(s.StartTimeUnixNano), minute(s.EndTimeUnixNano))
			if s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
				line += " error: " + s.Status.Message
			}
			out = append(out, line)
			below(s.SpanId, depth+1)
		}
	}
	below(nil, 0)
	if len(out) != len(c.spans) {
		out = append(out, fmt.Sprintf("%d spans have no parent", len(c.spans)-len(out)))
	}
	return out
}

// world is a hub with a run of one cluster, and the process that traces it.
type world struct {
	client.Client
	t         *testing.T
	clock     *clocktesting.FakeClock
	collector *collector
	runs      *runs
	upgrades  *upgrades
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	run := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: "a", UID: "run-uid"}}
	run.Status = v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseRunning, Attempt: 1, StartedAt: at(0), Resolved: &v1alpha1.ResolvedTarget{Version: "1.37.2"},
		Stages: []v1alpha1.RunStageStatus{{Name: "staging", StartedAt: at(1), Groups: []v1alpha1.RunGroupStatus{{Name: "all", Clusters: []string{"one"}}}}}}
	u := &v1alpha1.ClusterUpgrade{
		ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: "a-one", UID: "one-uid", OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("UpgradeRun"))}},
		Spec:       v1alpha1.ClusterUpgradeSpec{Cluster: "one", RunRef: v1alpha1.LocalObjectReference{Name: "a"}, Hops: []string{"1.37.2"}},
		Status: v1alpha1.ClusterUpgradeStatus{Phase: v1alpha1.ClusterUpgradePhaseRunning, Attempt: 1, StartedAt: at(2), Steps: []v1alpha1.StepStatus{
			{Name: "1.37.2/ControlPlane", Result: v1alpha1.StepResultSucceeded, StartedAt: at(2), FinishedAt: at(5)},
			{Name: "1.37.2/NodePool/user", Result: v1alpha1.StepResultRunning, StartedAt: at(6)},
		}},
	}
	w := &world{t: t, clock: clocktesting.NewFakeClock(epoch.Add(20 * time.Minute)), collector: newCollector(t)}
	w.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(run, u).WithStatusSubresource(run, u).Build()
	w.process()
	return w
}

// process starts a new process, which remembers nothing.
func (w *world) process() {
	w.t.Helper()
	start := func() *tracer {
		t, err := newTracer(w.Client, Config{Endpoint: w.collector.URL + "/v1/traces", Clock: w.clock, Version: "v1"})
		if err != nil {
			w.t.Fatal(err)
		}
		if err := t.client.Start(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		return t
	}
	w.runs, w.upgrades = &runs{start()}, &upgrades{start()}
}

// pass looks at both records.
func (w *world) pass() error {
	key := func(name string) ctrl.Request {
		return ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "emea", Name: name}}
	}
	if _, err := w.upgrades.Reconcile(w.t.Context(), key("a-one")); err != nil {
		return err
	}
	_, err := w.runs.Reconcile(w.t.Context(), key("a"))
	return err
}

func (w *world) traces() {
	w.t.Helper()
	if err := w.pass(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) run(edit func(*v1alpha1.UpgradeRunStatus)) {
	w.t.Helper()
	run := &v1alpha1.UpgradeRun{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "emea", Name: "a"}, run); err != nil {
		w.t.Fatal(err)
	}
	edit(&run.Status)
	if err := w.Status().Update(w.t.Context(), run); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) upgrade(edit func(*v1alpha1.ClusterUpgradeStatus)) {
	w.t.Helper()
	u := &v1alpha1.ClusterUpgrade{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "emea", Name: "a-one"}, u); err != nil {
		w.t.Fatal(err)
	}
	edit(&u.Status)
	u.Spec.Attempt = u.Status.Attempt
	if err := w.Status().Update(w.t.Context(), u); err != nil {
		w.t.Fatal(err)
	}
}

// ends lets everything end well.
func (w *world) ends() {
	w.upgrade(func(st *v1alpha1.ClusterUpgradeStatus) {
		st.Phase, st.FinishedAt = v1alpha1.ClusterUpgradePhaseSucceeded, at(9)
		st.Steps[1].Result, st.Steps[1].FinishedAt = v1alpha1.StepResultSucceeded, at(8)
	})
	w.run(func(st *v1alpha1.UpgradeRunStatus) {
		st.Stages[0].Phase, st.Stages[0].FinishedAt = v1alpha1.StagePhaseSucceeded, at(10)
		st.Phase, st.FinishedAt = v1alpha1.RunPhaseSucceeded, at(11)
	})
}

func (w *world) wants(want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.collector.tree()); diff != "" {
		w.t.Errorf("spans (-want +got):\n%s", diff)
	}
}

var whole = []string{
	"run a 0-11",
	"  stage staging 1-10",
	"    cluster one 2-9",
	"      step 1.37.2/ControlPlane 2-5",
	"      step 1.37.2/NodePool/user 6-8",
}

// TestARunIsOneTrace: with the times of the record, and one id of the trace.
func TestARunIsOneTrace(t *testing.T) {
	w := newWorld(t)
	w.traces()
	w.wants()
	w.ends()
	w.traces()
	w.wants(whole...)
	for _, s := range w.collector.spans {
		if string(s.TraceId) != string(traceID("run-uid")) || len(s.TraceId) != 16 || len(s.SpanId) != 8 {
			t.Errorf("%s is span %x of trace %x", s.Name, s.SpanId, s.TraceId)
		}
	}
}

// TestARestartExportsNothingTwice: what is marked stays so, and what ended meanwhile is exported.
func TestARestartExportsNothingTwice(t *testing.T) {
	w := newWorld(t)
	w.upgrade(func(st *v1alpha1.ClusterUpgradeStatus) {
		st.Phase, st.FinishedAt = v1alpha1.ClusterUpgradePhaseSucceeded, at(9)
		st.Steps[1].Result, st.Steps[1].FinishedAt = v1alpha1.StepResultSucceeded, at(8)
	})
	w.traces()
	w.traces()
	w.process()
	w.traces()
	w.ends()
	w.process()
	w.traces()
	w.traces()
	w.wants(whole...)
}

// TestACollectorThatIsAwayGetsTheSpansLater: and the error holds no URL.
func TestACollectorThatIsAwayGetsTheSpansLater(t *testing.T) {
	w := newWorld(t)
	w.collector.status = http.StatusServiceUnavailable
	w.ends()
	err := w.pass()
	if err == nil || strings.Contains(err.Error(), w.collector.URL) {
		t.Errorf("got %v, want an error without the URL", err)
	}
	w.collector.status = http.StatusOK
	w.traces()
	w.wants(whole...)
}

// TestNobodyListens: the error of the connection holds no URL either.
func TestNobodyListens(t *testing.T) {
	w := newWorld(t)
	w.collector.Close()
	w.ends()
	if err := w.pass(); err == nil || strings.Contains(err.Error(), "/v1/traces") {
		t.Errorf("got %v, want an error without the URL", err)
	}
}

// TestARetryIsAnotherSpanOfTheSameTrace: a failure shows as one, and what was done before is not told again.
func TestARetryIsAnotherSpanOfTheSameTrace(t *testing.T) {
	w := newWorld(t)
	w.upgrade(func(st *v1alpha1.ClusterUpgradeStatus) {
		st.Phase, st.FinishedAt, st.Reason, st.Message = v1alpha1.ClusterUpgradePhaseFailed, at(8), "QuotaExceeded", "no cores are left"
		st.Steps[1].Result, st.Steps[1].FinishedAt, st.Steps[1].Message = v1alpha1.StepResultFailed, at(8), "no cores are left"
	})
	w.run(func(st *v1alpha1.UpgradeRunStatus) {
		st.Phase, st.FinishedAt = v1alpha1.RunPhaseFailed, at(9)
		st.Waiting, st.Stages[0].Phase = &v1alpha1.Waiting{Reason: v1alpha1.ReasonTooManyFailures, Message: "1 failed"}, v1alpha1.StagePhaseFailed
	})
	w.traces()
	first := []string{
		"run a 0-9 error: TooManyFailures: 1 failed",
		"  stage staging 1-9 error: Failed",
		"    cluster one 2-8 error: QuotaExceeded: no cores are left",
		"      step 1.37.2/ControlPlane 2-5",
		"      step 1.37.2/NodePool/user 6-8 error: no cores are left",
	}
	w.wants(first...)
	w.upgrade(func(st *v1alpha1.ClusterUpgradeStatus) {
		st.Phase, st.FinishedAt, st.Attempt, st.Reason, st.Message = v1alpha1.ClusterUpgradePhaseSucceeded, at(15), 2, "", ""
		st.Steps[1] = v1alpha1.StepStatus{Name: "1.37.2/NodePool/user", Result: v1alpha1.StepResultSucceeded, StartedAt: at(12), FinishedAt: at(14)}
	})
	w.run(func(st *v1alpha1.UpgradeRunStatus) {
		st.Phase, st.FinishedAt, st.Attempt, st.Waiting = v1alpha1.RunPhaseSucceeded, at(16), 2, nil
		st.Stages[0].Phase, st.Stages[0].FinishedAt = v1alpha1.StagePhaseSucceeded, at(15)
	})
	w.process()
	w.traces()
	w.traces()
	w.wants(append(first,
		"run a 9-16",
		"  stage staging 9-15",
		"    cluster one 12-15",
		"      step 1.37.2/NodePool/user 12-14",
	)...)
}

// TestHistoryIsNotExported: who begins to collect traces gets what ends from now on.
func TestHistoryIsNotExported(t *testing.T) {
	w := newWorld(t)
	w.ends()
	w.clock.SetTime(epoch.Add(tooOld + 12*time.Minute))
	w.traces()
	w.wants()
}

// TestIdsFollowFromTheRecord: the same span has the same id in every process, and no two have the same.
func TestIdsFollowFromTheRecord(t *testing.T) {
	ids := map[string]string{}
	for name, id := range map[string][]byte{
		"run a, 1": runSpanID("a", 1), "run a, 2": runSpanID("a", 2), "run b": runSpanID("b", 1), "stage x": stageSpanID("a", "x", 1), "stage y": stageSpanID("a", "y", 1),
		"stage x, 2": stageSpanID("a", "x", 2), "parts": spanID("a", "b", "c"), "joined parts": spanID("a", "b c"), "cluster": spanID("a", "cluster", "x", 1),
	} {
		if other, ok := ids[string(id)]; ok {
			t.Errorf("%s and %s are one span", name, other)
		}
		ids[string(id)] = name
	}
	// A version that makes other ids exports what ran while it was installed as two traces.
	if got, want := fmt.Sprintf("%x %x", traceID("run-uid"), runSpanID("run-uid", 1)), "c4c619da00834e4f7bd8765db1ac4db5 5dabc6ebca7e25f0"; got != want {
		t.Errorf("ids %s, want %s", got, want)
	}
}

// TestOnlyWhatEndsIsLookedAt: records are written far more often.
func TestOnlyWhatEndsIsLookedAt(t *testing.T) {
	w := newWorld(t)
	before := &v1alpha1.UpgradeRun{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "emea", Name: "a"}, before); err != nil {
		t.Fatal(err)
	}
	counted, staged, ended := before.DeepCopy(), before.DeepCopy(), before.DeepCopy()
	counted.Status.Counts.Running = 7
	staged.Status.Stages[0].FinishedAt = at(3)
	ended.Status.FinishedAt = at(4)
	var got []bool
	for _, after := range []client.Object{counted, staged, ended} {
		got = append(got, somethingEnded().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}))
	}
	if !slices.Equal(got, []bool{false, true, true}) {
		t.Errorf("looked at %v, want only what ends", got)
	}
}

// TestAnEndpointThatIsNone is refused at the start, without being repeated.
func TestAnEndpointThatIsNone(t *testing.T) {
	for _, endpoint := range []string{"", "T0KEN", "ftp://T0KEN", "http://", "http://a b"} {
		if _, err := newTracer(nil, Config{Endpoint: endpoint}); err == nil || strings.Contains(err.Error(), "T0KEN") {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}
