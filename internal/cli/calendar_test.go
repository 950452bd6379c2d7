// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/yaml"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/examples"
)

// aTuesday is 21:00 in Tokyo.
var aTuesday = time.Date(2027, 3, 16, 12, 0, 0, 0, time.UTC)

const nightsInTokyo = `apiVersion: sengu.dev/v1alpha1
kind: MaintenanceCalendar
metadata: {name: nights}
spec:
  timeZone: Asia/Tokyo
  windows: [{rrule: "FREQ=WEEKLY;BYDAY=TU,WE,TH", start: "22:00", duration: 6h}]
`

const launch = `apiVersion: sengu.dev/v1alpha1
kind: MaintenanceCalendar
metadata: {name: company}
spec:
  timeZone: America/New_York
  freezes: [{from: "2027-03-16T00:00:00Z", to: "2027-03-18T00:00:00Z", for: [Minor], reason: the launch}]
`

// calendarSession has two calendars, of which one holds for the fleet, and a cluster with the other. It is Tuesday.
func calendarSession(t *testing.T) *session {
	t.Helper()
	s := newSession(t)
	s.config.Clock = clocktesting.NewFakeClock(aTuesday)
	window := v1alpha1.MaintenanceWindow{RRule: "FREQ=WEEKLY;BYDAY=TU,WE,TH", Start: "22:00", Duration: metav1.Duration{Duration: 6 * time.Hour}}
	freeze := v1alpha1.Freeze{From: metav1.NewTime(aTuesday.Add(-12 * time.Hour)), To: metav1.NewTime(aTuesday.Add(36 * time.Hour)),
		For: []v1alpha1.UpgradeKind{v1alpha1.UpgradeKindMinor}, Reason: "the launch"}
	for name, spec := range map[string]v1alpha1.MaintenanceCalendarSpec{
		"nights":  {TimeZone: "Asia/Tokyo", Windows: []v1alpha1.MaintenanceWindow{window}},
		"company": {TimeZone: "America/New_York", Freezes: []v1alpha1.Freeze{freeze}},
		"broken":  {TimeZone: "Asia/Tokio"},
	} {
		if err := s.client().Create(t.Context(), &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace}, Spec: spec}); err != nil {
			t.Fatal(err)
		}
	}
	s.must("cluster add prod-1 --provider simulated --simulated-version 1.36.1 --calendar nights")
	s.must("cluster add free-1 --provider simulated --simulated-version 1.36.1")
	return s
}

// fleet sets the calendars of the whole fleet.
func (s *session) fleet(calendars ...string) {
	s.t.Helper()
	f := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.FleetName, Namespace: s.namespace}}
	for _, name := range calendars {
		f.Spec.CalendarRefs = append(f.Spec.CalendarRefs, v1alpha1.LocalObjectReference{Name: name})
	}
	if err := s.client().Create(s.t.Context(), f); err != nil {
		s.t.Fatal(err)
	}
}

func has(t *testing.T, what, out string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			t.Errorf("%s has no %q:\n%s", what, want, out)
		}
	}
}

func TestCalendarsAreLookedAt(t *testing.T) {
	s := calendarSession(t)
	has(t, "the list", s.must("calendar list"),
		"NAME      TIME ZONE          NOW                         CHANGES    READY",
		"broken    Asia/Tokio         unusable",
		"company   America/New_York   open for NodeImage, Patch   in 1d12h   Unknown",
		"nights    Asia/Tokyo         closed                      in 1h00m   Unknown")
	if out, want := s.must("calendar get nights -o jsonpath={.spec.timeZone}"), "Asia/Tokyo"; out != want {
		t.Errorf("the zone is %q, want %q", out, want)
	}
	has(t, "the description", s.must("calendar describe nights --time-zone Europe/Berlin"),
		"closed for all upgrades, opens at Tue 2027-03-16 14:00 CET (in 1h00m): no window of calendar nights is open",
		"in 1h00m    Tue 2027-03-16 22:00 JST   Wed 2027-03-17 04:00 JST   6h00m   Tue 2027-03-16 14:00 CET ")
	has(t, "the description", s.must("calendar describe company"), "Minor   the launch", "closed for Minor upgrades")
	has(t, "the description", s.must("calendar describe broken"), `Problem:        calendar broken cannot be used: spec.timeZone: "Asia/Tokio" is not a time zone`)
}

func TestWhenACalendarOpensNext(t *testing.T) {
	s := calendarSession(t)
	has(t, "next", s.must("calendar next nights --count 2 --time-zone Asia/Tokyo"),
		"closed for all upgrades, opens at Tue 2027-03-16 22:00 JST (in 1h00m)",
		"WHEN       OPENS                      CLOSES                     LASTS   FOR\n"+
			"in 1h00m   Tue 2027-03-16 22:00 JST   Wed 2027-03-17 04:00 JST   6h00m   all\n"+
			"in 1d01h   Wed 2027-03-17 22:00 JST   Thu 2027-03-18 04:00 JST   6h00m   all\n")
	var answer struct {
		Calendars []string
		TimeZone  string
		Now       []struct {
			For    []string
			Open   bool
			Until  time.Time
			Reason string
		}
		Openings []struct {
			From, To time.Time
			For      []string
		}
	}
	out := s.must("calendar next nights company --for Minor --at-least 2h --count 1 -o json")
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	// The launch ends at nine on Thursday morning in Tokyo; the window of Wednesday is over by then.
	if len(answer.Openings) != 1 || !answer.Openings[0].From.Equal(time.Date(2027, 3, 18, 13, 0, 0, 0, time.UTC)) || answer.TimeZone != "Asia/Tokyo" {
		t.Errorf("both are open together: %+v", answer.Openings)
	}
	if now := answer.Now; len(now) != 1 || now[0].Open || now[0].Reason != v1alpha1.ReasonFrozen || !now[0].Until.Equal(answer.Openings[0].From) {
		t.Errorf("now is %+v, want frozen until that", answer.Now)
	}
	has(t, "next as YAML", s.must("calendar next nights -o yaml"), "timeZone: Asia/Tokyo\n", "- from: \"2027-03-16T13:00:00Z\"\n")
}

func TestWhenAClusterMayBeUpgraded(t *testing.T) {
	s := calendarSession(t)
	has(t, "without a fleet", s.must("calendar next --cluster prod-1"), "cluster prod-1: calendar nights\n", "closed for all upgrades, opens at Tue 2027-03-16 13:00 UTC")
	has(t, "without any", s.must("calendar next --cluster free-1"), "cluster free-1: no calendar holds for it\nopen for all upgrades\n")
	s.fleet("company", "nights")
	has(t, "with the fleet's", s.must("calendar next --cluster prod-1"), "cluster prod-1: calendars nights, company\n",
		"closed for Minor upgrades, opens at Thu 2027-03-18 13:00 UTC (in 2d01h): ")
	has(t, "with the fleet's only", s.must("calendar next --cluster free-1"), "cluster free-1: calendars company, nights\n")
}

func TestCalendarsThatCannotBeTold(t *testing.T) {
	s := calendarSession(t)
	s.fleet("gone")
	good := write(t, "good.yaml", nightsInTokyo)
	tests := map[string]struct {
		line string
		code int
		want string
	}{
		"one that does not exist":     {"calendar next nihgts", 1, `there is no calendar "nihgts"`},
		"one to describe":             {"calendar describe nihgts", 1, `there is no calendar "nihgts"`},
		"one that cannot be used":     {"calendar next nights broken", 1, `calendar broken cannot be used: spec.timeZone: "Asia/Tokio" is not a time zone`},
		"the fleet names a missing":   {"calendar next --cluster prod-1", 1, `there is no calendar "gone"`},
		"a cluster from nowhere":      {"calendar next --cluster prod-9", 1, `there is no cluster "prod-9"`},
		"neither":                     {"calendar next", 2, "name calendars, or a cluster with --cluster"},
		"both":                        {"calendar next nights --cluster prod-1", 2, "name calendars, or a cluster with --cluster"},
		"an unknown zone":             {"calendar next nights --time-zone Mars/Olympus", 2, `--time-zone: "Mars/Olympus" is not a time zone`},
		"an unknown kind":             {"calendar next nights --for Major", 2, `--for "Major" is not a kind of upgrade: say NodeImage, Patch or Minor`},
		"an unknown format":           {"calendar next nights -o table", 2, `output format "table" is not known: say json, yaml or wide`},
		"none":                        {"calendar next nights --count 0", 2, "--count 0 must be from 1 to 1000"},
		"less than nothing":           {"calendar next nights --at-least -1h", 2, "--at-least -1h0m0s must not be less than nothing"},
		"no file":                     {"calendar check", 2, "name the file with -f FILE"},
		"a file that is not there":    {"calendar check -f /nowhere", 2, "/nowhere cannot be read"},
		"a word too much":             {"calendar check nights -f " + good, 2, `takes no arguments, and "nights" is too much`},
		"a calendar of nonsense":      {"calendar check -f " + write(t, "bad.yaml", strings.Replace(nightsInTokyo, "WEEKLY", "HOURLY", 1)), 2, "FREQ=HOURLY is finer than a day"},
		"a field that does not exist": {"calendar check -f " + write(t, "typo.yaml", strings.Replace(nightsInTokyo, "start:", "starts:", 1)), 2, `unknown field "spec.windows[0].starts"`},
		"something else":              {"calendar check -f " + write(t, "else.yaml", "apiVersion: sengu.dev/v1alpha1\nkind: Fleet\nmetadata: {name: fleet}\n"), 2, "holds fleet, and only MaintenanceCalendars can be checked"},
		"nothing":                     {"calendar check -f " + write(t, "empty.yaml", ""), 2, "holds no MaintenanceCalendar"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.do(tc.line)
			if r.code != tc.code || !strings.Contains(r.errOut, tc.want) || r.out != "" {
				t.Errorf("exit code %d and %q, want %d and %q; out: %s", r.code, r.errOut, tc.code, tc.want, r.out)
			}
		})
	}
}

// A calendar is checked before there is a hub at all.
func TestACalendarIsCheckedWithoutAHub(t *testing.T) {
	s := newSession(t)
	t.Setenv("SENGU_KUBECONFIG", "/nowhere")
	s.config.Clock = clocktesting.NewFakeClock(aTuesday)
	out := s.must("calendar check -f " + write(t, "nights.yaml", nightsInTokyo))
	has(t, "the check", out, "all upgrades: 158 openings, 948h in all, the shortest 6h00m; closed for at most 4d18h", "Changes of the clock:\n  none\n", "Tue 2027-03-16 22:00 JST")
	if strings.Contains(out, "Together") {
		t.Errorf("one calendar is told together with others:\n%s", out)
	}
	r := s.run(t.Context(), nightsInTokyo+"---\n"+launch, "calendar", "check", "-f", "-")
	if r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.errOut)
	}
	has(t, "the check of two", r.out, "Calendar:       nights\n", "Calendar:       company\n", "Together:       nights, company\n")
}

// What people copy is accepted by the hub, and means what it says.
func TestTheExampleOfCalendarsIsAccepted(t *testing.T) {
	s := newSession(t)
	s.config.Clock = clocktesting.NewFakeClock(aTuesday)
	path := write(t, "example.yaml", string(examples.MaintenanceWindows))
	has(t, "the check", s.must("calendar check -f "+path), "Calendar:       nights\n", "Calendar:       company\n", "Together:       nights, company\n",
		"Minor: 52 openings, 520h in all, the shortest 10h00m")
	for document := range strings.SplitSeq(string(examples.MaintenanceWindows), "\n---\n") {
		c := &v1alpha1.MaintenanceCalendar{}
		if err := yaml.UnmarshalStrict([]byte(document), c); err != nil {
			t.Fatal(err)
		}
		c.Namespace = s.namespace
		if err := s.client().Create(t.Context(), c); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	has(t, "the list", s.must("calendar list"), "company   Europe/Berlin   open", "nights    Europe/Berlin   closed")
}

func TestNamesOfCalendarsAreCompleted(t *testing.T) {
	s := calendarSession(t)
	tests := map[string]struct {
		args []string
		want string
	}{
		"calendars":                     {[]string{"calendar", "describe", ""}, "broken\ncompany\nnights\n"},
		"more of them":                  {[]string{"calendar", "next", "nights", ""}, "broken\ncompany\n"},
		"clusters":                      {[]string{"calendar", "next", "--cluster", "pro"}, "prod-1\n"},
		"kinds":                         {[]string{"calendar", "next", "--for", ""}, "Minor\nNodeImage\nPatch\n"},
		"calendars of a list, only one": {[]string{"calendar", "list", "n"}, "nights\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := s.run(t.Context(), "", append([]string{"__complete"}, tc.args...)...)
			got, _, _ := strings.Cut(r.out, ":4")
			if got != tc.want {
				t.Errorf("completed with %q, want %q", r.out, tc.want)
			}
		})
	}
}
