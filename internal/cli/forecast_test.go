// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/simulate"
	"sengu.dev/sengu/internal/view/viewtest"
)

// described adds a simulated cluster as its controller has described it.
func (s *session) described(name, env string) {
	s.t.Helper()
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"env": env}}}
	c.Spec.Provider.Simulated = &v1alpha1.SimulatedProvider{Version: "1.36.1"}
	put(s, c, func(c *v1alpha1.Cluster) {
		c.Status.ControlPlane.Version = "1.36.1"
		c.Status.NodePools = []v1alpha1.NodePoolStatus{{Name: "user", Version: "1.36.1", Nodes: 3, Ready: 3}}
		c.Status.Offers.Kubernetes = []string{"1.36.1", "1.37.2"}
		for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
			c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, LastTransitionTime: metav1.Now()})
		}
	})
}

func (s *session) forecast(line string) *simulate.Forecast {
	s.t.Helper()
	var f simulate.Forecast
	if err := json.Unmarshal([]byte(s.must(line+" -o json")), &f); err != nil {
		s.t.Fatal(err)
	}
	return &f
}

func TestAForecastIsMadeWithoutARun(t *testing.T) {
	s := newSession(t)
	s.strategy()
	s.described("staging-1", "staging")
	s.described("asia-1", "asia")
	f := s.forecast("forecast --to 1.37 --strategy staging-first --from 2099-03-02T22:00:00Z --approve-after 24h")
	// 22 minutes and a soak of 30 seconds; nothing in canary; a day for the approval; 22 minutes.
	begin := time.Date(2099, 3, 2, 22, 0, 0, 0, time.UTC)
	if want := begin.Add(24*time.Hour + 2*time.Hour + 44*time.Minute + 30*time.Second); f.ExpectedEnd.P50 == nil || !f.ExpectedEnd.P50.Equal(want) {
		t.Errorf("it ends at %v, want %s: %+v", f.ExpectedEnd.P50, want, f.Stages)
	}
	if f.Target != "1.37.2" || len(f.Clusters) != 2 || f.Blockers[0].Kind != simulate.BlockerApproval {
		t.Errorf("to %s, %d clusters, %+v", f.Target, len(f.Clusters), f.Blockers)
	}
	if out := s.must("run list -o name"); out != "" {
		t.Errorf("the forecast left a run behind: %s", out)
	}
	line := "forecast --to 1.37 --strategy staging-first"
	for flags, want := range map[string]string{
		"":                         "  Approval: gate production/approve needs an approval",
		" -o wide":                 "SAMPLES",
		" -o yaml":                 "target: 1.37.2",
		" -o svg":                  "<svg xmlns",
		" --percentile 90 -o json": `"percentile": "P90"`,
	} {
		if out := s.must(line + flags); !strings.Contains(out, want) {
			t.Errorf("%s has no %q:\n%s", line+flags, want, out)
		}
	}
}

func TestAForecastGoesByTheCalendarsOfTheFleet(t *testing.T) {
	s := newSession(t)
	s.strategy()
	s.described("staging-1", "staging")
	put(s, &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: "company"}, Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: "UTC",
		Windows: []v1alpha1.MaintenanceWindow{{RRule: "FREQ=DAILY", Start: "22:00", Duration: metav1.Duration{Duration: 6 * time.Hour}}}}},
		func(*v1alpha1.MaintenanceCalendar) {})
	fleet := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.FleetName, Namespace: s.namespace},
		Spec: v1alpha1.FleetSpec{CalendarRefs: []v1alpha1.LocalObjectReference{{Name: "company"}}}}
	if err := s.client().Create(t.Context(), fleet); err != nil {
		t.Fatal(err)
	}
	f := s.forecast("forecast --to 1.37 --strategy staging-first --from 2099-03-02T09:00:00Z")
	if want := time.Date(2099, 3, 2, 22, 0, 0, 0, time.UTC); f.Clusters[0].Start == nil || !f.Clusters[0].Start.Equal(want) {
		t.Errorf("the cluster starts at %v, want %s", f.Clusters[0].Start, want)
	}
}

func TestAForecastGoesOnForARunThatExists(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.Draining())
	f := s.forecast("forecast to-1-37")
	if f.Run != "to-1-37" || len(f.Clusters) != 5 || !f.Clusters[0].Done {
		t.Errorf("forecast of %s with %d clusters, the first done: %t", f.Run, len(f.Clusters), f.Clusters[0].Done)
	}
	if r := s.do("forecast to-1-37 --from 2099-01-01"); r.code != 2 || !strings.Contains(r.errOut, "--from does not go with run to-1-37, which has begun") {
		t.Errorf("exit code %d and %q", r.code, r.errOut)
	}
}

func TestForecastsThatAreRefused(t *testing.T) {
	s := newSession(t)
	s.strategy()
	s.described("staging-1", "staging")
	described := "forecast --to 1.37 --strategy staging-first"
	tests := map[string]struct {
		line      string
		wantCode  int
		wantError string
	}{
		"nothing to play":         {"forecast", 2, "'sengu forecast' needs NAME of a run, or --to and --strategy, or -f FILE"},
		"a run that is not":       {"forecast nope", 1, `there is no run "nope"`},
		"two names":               {"forecast a b", 2, `"b" is too much`},
		"half a description":      {"forecast --to 1.37", 2, "--strategy is needed"},
		"the decision says no":    {"forecast --to 1.99 --strategy staging-first", 1, "the run would not start: 1.99 is not offered to staging-1"},
		"an unknown format":       {described + " -o png", 2, `--output is "png": say wide, json, yaml, svg, or leave it out for a table`},
		"another percentile":      {described + " --percentile 75", 2, `--percentile is "P75": say P50 or P90`},
		"an approval before":      {described + " --approve-after -1h", 2, "nobody approves before they are asked"},
		"a begin that is no time": {described + " --from soon", 2, `--from is "soon": write 2027-03-01`},
		"a begin that is over":    {described + " --from 2020-01-01", 2, "--from is 2020-01-01, which is over"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.do(tc.line)
			if r.code != tc.wantCode || !strings.Contains(r.errOut, tc.wantError) {
				t.Errorf("exit code %d and %q, want %d and %q", r.code, r.errOut, tc.wantCode, tc.wantError)
			}
		})
	}
}
