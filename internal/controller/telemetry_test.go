// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/controller/metric"
	"sengu.dev/sengu/internal/hub/hubtest"
)

// freeAddress is one on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// scrape returns the names of Sengu's metrics that are served.
func scrape(t *testing.T, address string) []string {
	t.Helper()
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v: %s", response.Status, err, body)
	}
	var names []string
	for line := range strings.Lines(string(body)) {
		if name, ok := strings.CutPrefix(line, "# TYPE sengu_"); ok {
			name, _, _ = strings.Cut(name, " ")
			names = append(names, "sengu_"+name)
		}
	}
	return names
}

// TestMetricsAreServed: only those that the reference names, and those of a run that was made.
func TestMetricsAreServed(t *testing.T) {
	f := newFleet(t)
	f.stop()
	address := freeAddress(t)
	stop := f.process(hubtest.Hub(t).AdminConfig(), func(o *controller.Options) { o.MetricsAddress = address })
	defer func() { _ = stop() }()
	f.add("prod-1", "production", nil)
	f.run("to-1-37", "1.37", "production")
	f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
	served := scrape(t, address)
	for _, name := range served {
		if !slices.ContainsFunc(metric.All, func(m metric.Metric) bool { return m.Name == name }) {
			t.Errorf("%s is served and not in the reference", name)
		}
	}
	for _, m := range []metric.Metric{metric.RunInfo, metric.RunPhase, metric.RunClusters, metric.UpgradeDuration, metric.StepDuration} {
		if !slices.Contains(served, m.Name) {
			t.Errorf("%s is not served: %v", m.Name, served)
		}
	}
	response, err := http.Get("http://" + address + "/debug/pprof/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("more than metrics is served: %s", response.Status)
	}
}

// TestAnAddressThatIsTakenIsAnErrorOfTheStart: and not of a moment later.
func TestAnAddressThatIsTakenIsAnErrorOfTheStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = controller.Run(t.Context(), hubtest.Hub(t).AdminConfig(), controller.Options{MetricsAddress: l.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "metrics cannot be served at") {
		t.Errorf("got %v", err)
	}
}

// TestARunIsTraced: from its start to its end, over a restart, as one trace in which every span has its parent.
func TestARunIsTraced(t *testing.T) {
	var mu sync.Mutex
	seen, parents, names := map[string]int{}, map[string]string{}, map[string]string{}
	traces := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		var request collectorpb.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			t.Errorf("no export: %v", err)
		}
		for _, s := range request.ResourceSpans[0].ScopeSpans[0].Spans {
			seen[string(s.SpanId)]++
			parents[string(s.SpanId)], names[string(s.SpanId)] = string(s.ParentSpanId), s.Name
			traces[string(s.TraceId)] = true
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer server.Close()
	f := newFleet(t)
	f.stop()
	traced := func(o *controller.Options) { o.TracesEndpoint = server.URL + "/v1/traces" }
	stop := f.process(hubtest.Hub(t).AdminConfig(), traced)
	f.add("staging-1", "staging", nil)
	f.add("prod-1", "production", nil)
	f.run("to-1-37", "1.37", "staging", "production")
	until(f, "to-1-37", &v1alpha1.UpgradeRun{}, "half done", func(r *v1alpha1.UpgradeRun) bool { return r.Status.Counts.Succeeded > 0 })
	_ = stop()
	stop = f.process(hubtest.Hub(t).AdminConfig(), traced)
	f.untilPhase("to-1-37", v1alpha1.RunPhaseSucceeded)
	complete := func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, name := range []string{"run to-1-37", "stage staging", "stage production", "cluster staging-1", "cluster prod-1"} {
			if !slices.Contains(slices.Collect(maps.Values(names)), name) {
				return false
			}
		}
		return true
	}
	for end := time.Now().Add(patience); !complete(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("exported %v", names)
		}
	}
	_ = stop()
	stop = f.process(hubtest.Hub(t).AdminConfig(), traced)
	time.Sleep(300 * time.Millisecond) // a second export would be here by now
	_ = stop()
	mu.Lock()
	defer mu.Unlock()
	if len(traces) != 1 {
		t.Errorf("%d traces, want 1", len(traces))
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("span %q was exported %d times", names[id], n)
		}
		if parent := parents[id]; parent == "" != (names[id] == "run to-1-37") || parent != "" && names[parent] == "" {
			t.Errorf("span %q has no parent, or has one too many", names[id])
		}
	}
}
