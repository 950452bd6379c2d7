// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// TestMissingEvidenceNeverOpens: a gate opens on a pass of its verification and on nothing else.
func TestMissingEvidenceNeverOpens(t *testing.T) {
	for name, tc := range map[string]struct {
		found      *VerificationEvidence
		wantState  v1alpha1.GateState
		wantReason string
	}{
		"no result":               {nil, v1alpha1.GateStatePending, v1alpha1.ReasonVerificationMissing},
		"an empty result":         {&VerificationEvidence{}, v1alpha1.GateStatePending, v1alpha1.ReasonVerificationUnknown},
		"it could not tell":       {&VerificationEvidence{Outcome: OutcomeUnknown}, v1alpha1.GateStatePending, v1alpha1.ReasonVerificationUnknown},
		"a word of later version": {&VerificationEvidence{Outcome: "Perhaps"}, v1alpha1.GateStatePending, v1alpha1.ReasonVerificationUnknown},
		"it failed":               {&VerificationEvidence{Outcome: OutcomeFailed}, v1alpha1.GateStateRefused, v1alpha1.ReasonVerificationFailed},
		"it passed":               {&VerificationEvidence{Outcome: OutcomePassed}, v1alpha1.GateStatePassed, v1alpha1.ReasonVerificationPassed},
	} {
		t.Run(name, func(t *testing.T) {
			got := Evaluate(Snapshot{Template: &v1alpha1.GateSpecTemplate{Name: "shop", Verification: &v1alpha1.LocalObjectReference{Name: "shop"}}, Verification: tc.found}, asked)
			if got.State != tc.wantState || got.Reason != tc.wantReason {
				t.Errorf("it is %s, %s: %s; want %s, %s", got.State, got.Reason, got.Message, tc.wantState, tc.wantReason)
			}
		})
	}
}

func TestAGateOfAnUnknownKindStaysClosed(t *testing.T) {
	if got := Evaluate(Snapshot{Template: &v1alpha1.GateSpecTemplate{Name: "x"}}, asked); got.State != v1alpha1.GateStatePending || got.Reason != v1alpha1.ReasonGateClosed {
		t.Errorf("it is %s, %s", got.State, got.Reason)
	}
}

// TestWhatIsDecidedStays: a gate that has passed or was skipped does not close again, whatever comes to light.
func TestWhatIsDecidedStays(t *testing.T) {
	for _, state := range []v1alpha1.GateState{v1alpha1.GateStatePassed, v1alpha1.GateStateSkipped} {
		status := v1alpha1.GateStatus{State: state, Reason: "R", Message: "m", DecidedBy: "ada", Evidence: []string{"e"}, ReachedAt: &metav1.Time{Time: asked},
			Decisions: []v1alpha1.GateDecision{refuses("bob", 0)}}
		got := Evaluate(Snapshot{Template: &v1alpha1.GateSpecTemplate{Approval: &v1alpha1.ApprovalGate{}}, Status: status, Soaking: true}, asked.Add(time.Hour))
		want := Result{State: state, Reason: "R", Message: "m", DecidedBy: "ada", Evidence: []string{"e"}, ReachedAt: status.ReachedAt}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s changed (-want +got):\n%s", state, diff)
		}
	}
}

func TestAGateOpensWithTheSoak(t *testing.T) {
	s := Snapshot{Template: &v1alpha1.GateSpecTemplate{Approval: &v1alpha1.ApprovalGate{}}, Starters: []string{"eve"}, Soaking: true,
		Status: v1alpha1.GateStatus{Decisions: []v1alpha1.GateDecision{approves("ada", 0)}}}
	got := Evaluate(s, asked)
	if got.State != v1alpha1.GateStatePending || got.Reason != v1alpha1.ReasonOpensWithSoak || got.DecidedBy != "" {
		t.Errorf("during the soak it is %s, %s, by %q", got.State, got.Reason, got.DecidedBy)
	}
	if s.Soaking = false; Evaluate(s, asked).State != v1alpha1.GateStatePassed {
		t.Error("after the soak it stays closed")
	}
}

func TestScheduledStart(t *testing.T) {
	at := func(s string) time.Time {
		parsed, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for name, tc := range map[string]struct {
		next, zone, reached, want string
	}{
		"later today":                     {"MON 19:00", "Asia/Tokyo", "2027-03-01T09:00:00Z", "2027-03-01T10:00:00Z"},
		"this very second":                {"MON 18:00", "Asia/Tokyo", "2027-03-01T09:00:00Z", "2027-03-01T09:00:00Z"},
		"a second too late":               {"MON 18:00", "Asia/Tokyo", "2027-03-01T09:00:01Z", "2027-03-08T09:00:00Z"},
		"today there, tomorrow here":      {"TUE 03:00", "Asia/Tokyo", "2027-03-01T15:00:00Z", "2027-03-01T18:00:00Z"},
		"a quarter past":                  {"WED 09:00", "Asia/Kathmandu", "2027-03-01T09:00:00Z", "2027-03-03T03:15:00Z"},
		"gap: 02:30 becomes 03:30":        {"SUN 02:30", "America/New_York", "2027-03-12T00:00:00Z", "2027-03-14T07:30:00Z"},
		"fold: the first of the two":      {"SUN 01:30", "America/New_York", "2027-11-05T00:00:00Z", "2027-11-07T05:30:00Z"},
		"fold: between the two":           {"SUN 01:30", "America/New_York", "2027-11-07T06:00:00Z", "2027-11-14T06:30:00Z"},
		"gap of half an hour":             {"SUN 02:15", "Australia/Lord_Howe", "2027-10-01T00:00:00Z", "2027-10-02T15:45:00Z"},
		"the day before the clocks":       {"SAT 12:00", "Europe/London", "2027-03-25T00:00:00Z", "2027-03-27T12:00:00Z"},
		"the day of the clocks":           {"SUN 12:00", "Europe/London", "2027-03-25T00:00:00Z", "2027-03-28T11:00:00Z"},
		"a gap at midnight":               {"SUN 00:30", "America/Asuncion", "2023-09-29T00:00:00Z", "2023-10-01T04:30:00Z"},
		"a day that was left out":         {"FRI 09:00", "Pacific/Apia", "2011-12-29T00:00:00Z", "2011-12-30T19:00:00Z"},
		"where clocks go back in Ramadan": {"SUN 02:30", "Africa/Casablanca", "2027-02-05T00:00:00Z", "2027-02-07T01:30:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Snapshot{Template: &v1alpha1.GateSpecTemplate{ScheduledStart: &v1alpha1.ScheduledStartGate{Next: tc.next, TimeZone: tc.zone}},
				Status: v1alpha1.GateStatus{ReachedAt: &metav1.Time{Time: at(tc.reached)}}}
			got := Evaluate(s, at(tc.reached))
			if got.OpensAt == nil || !got.OpensAt.Time.Equal(at(tc.want)) {
				t.Fatalf("it opens at %v, want %s: %s", got.OpensAt, tc.want, got.Message)
			}
			if open := got.State == v1alpha1.GateStatePassed; open != !at(tc.reached).Before(at(tc.want)) {
				t.Errorf("it is %s when it is reached", got.State)
			}
			s.Status.OpensAt = got.OpensAt
			s.Template.ScheduledStart.Next = "MON 00:00" // what is fixed stays
			if early := Evaluate(s, got.OpensAt.Add(-time.Second)); early.State != v1alpha1.GateStatePending || early.Reason != v1alpha1.ReasonScheduledLater || !early.Until.Equal(got.OpensAt.Time) {
				t.Errorf("a second before it is %s, %s until %s", early.State, early.Reason, early.Until)
			}
			if sharp := Evaluate(s, got.OpensAt.Time); sharp.State != v1alpha1.GateStatePassed || sharp.DecidedBy != "schedule" {
				t.Errorf("when its time has come it is %s", sharp.State)
			}
		})
	}
}

func TestAFixedStart(t *testing.T) {
	s := Snapshot{Template: &v1alpha1.GateSpecTemplate{ScheduledStart: &v1alpha1.ScheduledStartGate{At: &metav1.Time{Time: asked.Add(time.Hour)}}}}
	if got := Evaluate(s, asked); got.State != v1alpha1.GateStatePending || !got.Until.Equal(asked.Add(time.Hour)) {
		t.Errorf("it is %s until %s", got.State, got.Until)
	}
	if got := Evaluate(s, asked.Add(2*time.Hour)); got.State != v1alpha1.GateStatePassed {
		t.Errorf("for a run that comes later it is %s", got.State)
	}
}

func TestCheck(t *testing.T) {
	start := func(next, zone string) []v1alpha1.GateSpecTemplate {
		return []v1alpha1.GateSpecTemplate{{Name: "go", ScheduledStart: &v1alpha1.ScheduledStartGate{Next: next, TimeZone: zone}}}
	}
	stage := func(name string, before []v1alpha1.GateSpecTemplate, groups ...v1alpha1.StrategyGroup) v1alpha1.StrategyStage {
		return v1alpha1.StrategyStage{Name: name, BeforeGates: before, Groups: groups}
	}
	for name, tc := range map[string]struct {
		stages []v1alpha1.StrategyStage
		want   string
	}{
		"all is well":      {[]v1alpha1.StrategyStage{stage("a", start("MON 09:00", "Asia/Tokyo"))}, ""},
		"no such zone":     {[]v1alpha1.StrategyStage{stage("a", start("MON 09:00", "Asia/Tokio"))}, `gate a/go: there is no time zone "Asia/Tokio": write an IANA name like Asia/Tokyo`},
		"this machine's":   {[]v1alpha1.StrategyStage{stage("a", start("MON 09:00", "Local"))}, `gate a/go: "Local" is no time zone: write an IANA name like Asia/Tokyo`},
		"a file elsewhere": {[]v1alpha1.StrategyStage{stage("a", start("MON 09:00", "../../etc/passwd"))}, `gate a/go: there is no time zone "../../etc/passwd": write an IANA name like Asia/Tokyo`},
		"no such day":      {[]v1alpha1.StrategyStage{stage("a", start("MOO 09:00", "Asia/Tokyo"))}, `gate a/go: "MOO 09:00" is no weekday and time: write it like "MON 09:00"`},
		"in a group":       {[]v1alpha1.StrategyStage{stage("a", nil, v1alpha1.StrategyGroup{Name: "g", AfterGates: start("MON 09:00", "Mars")})}, `gate a/g/go: there is no time zone "Mars": write an IANA name like Asia/Tokyo`},
		"two of one name": {[]v1alpha1.StrategyStage{stage("a-b", start("MON 09:00", "UTC")), stage("a", nil, v1alpha1.StrategyGroup{Name: "b", BeforeGates: start("MON 09:00", "UTC")})},
			"gates a-b/go and a/b/go would have the same name: call one of them otherwise"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := Check(&v1alpha1.UpgradeStrategySpec{Stages: tc.stages}); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("error %q, want %q", got, tc.want)
			}
		})
	}
}

// healthy is a cluster with a verdict of the checks; empty: none.
func healthy(verdict v1alpha1.ReadinessVerdict, target string) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{}
	for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
		c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue})
	}
	if verdict != "" {
		c.Status.Readiness = &v1alpha1.ClusterReadiness{Target: target, Verdict: verdict, Blockers: 2, Warnings: 1}
	}
	return c
}

func with(c *v1alpha1.Cluster, kind string, status metav1.ConditionStatus) *v1alpha1.Cluster {
	for i := range c.Status.Conditions {
		if c.Status.Conditions[i].Type == kind {
			c.Status.Conditions[i].Status, c.Status.Conditions[i].Message = status, "not Ready: node-1"
		}
	}
	return c
}

func TestReadinessOfOneCluster(t *testing.T) {
	for name, tc := range map[string]struct {
		cluster     *v1alpha1.Cluster
		wantLine    string
		wantSummary string
		wantBlocked bool
	}{
		"ready":                      {healthy(v1alpha1.ReadinessReady, "1.37.2"), "healthy and Ready", "1 ready", false},
		"ready for any patch":        {healthy(v1alpha1.ReadinessReady, "1.37"), "healthy and Ready", "1 ready", false},
		"warnings":                   {healthy(v1alpha1.ReadinessWarn, "1.37.2"), "healthy, the checks found 1 warnings", "1 with warnings", false},
		"blocked":                    {healthy(v1alpha1.ReadinessBlocked, "1.37.2"), "Blocked: the checks found 2 blockers", "1 blocked", true},
		"the checks could not tell":  {healthy(v1alpha1.ReadinessUnknown, "1.37.2"), "healthy, the checks could not tell", "1 not checked", false},
		"never checked":              {healthy("", ""), "healthy, not checked for the target", "1 not checked", false},
		"blocked for another target": {healthy(v1alpha1.ReadinessBlocked, "1.38.0"), "healthy, checked for 1.38.0 and not for 1.37.2", "1 not checked", false},
		"ready for 1.3":              {healthy(v1alpha1.ReadinessReady, "1.3"), "healthy, checked for 1.3 and not for 1.37.2", "1 not checked", false},
		"not healthy":                {with(healthy(v1alpha1.ReadinessReady, "1.37.2"), v1alpha1.ConditionHealthy, metav1.ConditionFalse), "not Ready: node-1", "1 not healthy", true},
		"unreachable":                {with(healthy(v1alpha1.ReadinessReady, "1.37.2"), v1alpha1.ConditionReachable, metav1.ConditionUnknown), "not Ready: node-1", "1 not healthy", true},
		"nothing is known":           {&v1alpha1.Cluster{}, "its health is not known yet", "1 not healthy", true},
		"gone":                       {nil, "it is no longer in the fleet", "1 not healthy", true},
	} {
		t.Run(name, func(t *testing.T) {
			got := ReadinessOf([]string{"c"}, map[string]*v1alpha1.Cluster{"c": tc.cluster}, "1.37.2")
			want := []string{"1 cluster comes next: " + tc.wantSummary, "c: " + tc.wantLine}
			if diff := cmp.Diff(want, got.Evidence); diff != "" {
				t.Errorf("evidence (-want +got):\n%s", diff)
			}
			if (got.Blocked != "") != tc.wantBlocked {
				t.Errorf("blocked: %q, want %t", got.Blocked, tc.wantBlocked)
			}
		})
	}
}

// TestEvidenceIsBounded: of a thousand clusters the worst are shown, and the rest is counted.
func TestEvidenceIsBounded(t *testing.T) {
	clusters, names := map[string]*v1alpha1.Cluster{}, []string(nil)
	for i := range 1000 {
		name := fmt.Sprintf("prod-%03d", i)
		names = append(names, name)
		clusters[name] = healthy(v1alpha1.ReadinessReady, "1.37.2")
	}
	for _, i := range []int{400, 500, 600, 700, 999} {
		clusters[names[i]] = with(healthy("", ""), v1alpha1.ConditionHealthy, metav1.ConditionFalse)
	}
	clusters[names[999]].Status.Conditions[1].Message = strings.Repeat("ü", 600)
	r := ReadinessOf(names, clusters, "1.37.2")
	if len(r.Evidence) != maxEvidence || r.Evidence[0] != "1000 clusters come next: 995 ready, 5 not healthy" || r.Evidence[63] != "… and 938 more" {
		t.Errorf("%d lines, from %q to %q", len(r.Evidence), r.Evidence[0], r.Evidence[len(r.Evidence)-1])
	}
	if !strings.HasPrefix(r.Evidence[1], "prod-400") || len(r.Evidence[5]) > maxEvidenceLine || !strings.HasSuffix(r.Evidence[5], "ü…") {
		t.Errorf("the worst are not first, or too long: %q", r.Evidence[1:6])
	}
	if !strings.HasSuffix(r.Blocked, "; and 2 more") || len(r.Blocked) > 1000 {
		t.Errorf("blocked: %q", r.Blocked)
	}
	if r := ReadinessOf(names[:63], clusters, "1.37.2"); len(r.Evidence) != 64 || r.Evidence[63] != "prod-062: healthy and Ready" {
		t.Errorf("63 clusters are told in %d lines, the last %q", len(r.Evidence), r.Evidence[len(r.Evidence)-1])
	}
	if r := ReadinessOf(nil, clusters, ""); !slices.Equal(r.Evidence, []string{"no cluster comes next"}) || r.Blocked != "" {
		t.Errorf("without clusters: %+v", r)
	}
}

func TestWhatComesNext(t *testing.T) {
	run := func(edit ...func(*v1alpha1.UpgradeRun)) *v1alpha1.UpgradeRun {
		r := &v1alpha1.UpgradeRun{Status: v1alpha1.UpgradeRunStatus{Strategy: &v1alpha1.UpgradeStrategySpec{}}}
		for _, stage := range []string{"a", "b", "c"} {
			r.Status.Strategy.Stages = append(r.Status.Strategy.Stages, v1alpha1.StrategyStage{Name: stage})
			r.Status.Stages = append(r.Status.Stages, v1alpha1.RunStageStatus{Name: stage, Groups: []v1alpha1.RunGroupStatus{
				{Name: "g", Clusters: []string{stage + "1", stage + "2"}}, {Name: "h", Clusters: []string{stage + "3"}}}})
		}
		for _, f := range edit {
			f(r)
		}
		return r
	}
	skip := func(s v1alpha1.Skip) func(*v1alpha1.UpgradeRun) {
		return func(r *v1alpha1.UpgradeRun) { s.Reason = "why"; r.Spec.Skip = append(r.Spec.Skip, s) }
	}
	graph := func(r *v1alpha1.UpgradeRun) {
		r.Status.Strategy.StageOrder = v1alpha1.StageOrderGraph
		r.Status.Strategy.Stages[2].DependsOn = []string{"a"}
	}
	const before, after = v1alpha1.GateTimingBefore, v1alpha1.GateTimingAfter
	for name, tc := range map[string]struct {
		run   *v1alpha1.UpgradeRun
		place v1alpha1.GatePlace
		want  string
	}{
		"before a stage, its own":                 {run(), v1alpha1.GatePlace{Stage: "b", Timing: before}, "b1 b2 b3"},
		"before a group, its own":                 {run(), v1alpha1.GatePlace{Stage: "b", Group: "g", Timing: before}, "b1 b2"},
		"after a stage, those of the next":        {run(), v1alpha1.GatePlace{Stage: "a", Timing: after}, "b1 b2 b3"},
		"after a group, those of the next stage":  {run(), v1alpha1.GatePlace{Stage: "a", Group: "g", Timing: after}, "b1 b2 b3"},
		"after the last":                          {run(), v1alpha1.GatePlace{Stage: "c", Timing: after}, ""},
		"in a graph, those that depend on it":     {run(graph), v1alpha1.GatePlace{Stage: "a", Timing: after}, "c1 c2 c3"},
		"in a graph, none depends on it":          {run(graph), v1alpha1.GatePlace{Stage: "b", Timing: after}, ""},
		"a skipped stage hands on":                {run(skip(v1alpha1.Skip{Kind: "Stage", Stage: "b"})), v1alpha1.GatePlace{Stage: "a", Timing: after}, "c1 c2 c3"},
		"without a skipped cluster":               {run(skip(v1alpha1.Skip{Kind: "Cluster", Cluster: "b2"})), v1alpha1.GatePlace{Stage: "b", Timing: before}, "b1 b3"},
		"without a skipped group":                 {run(skip(v1alpha1.Skip{Kind: "Group", Stage: "b", Group: "g"})), v1alpha1.GatePlace{Stage: "b", Timing: before}, "b3"},
		"with a group of that name in another":    {run(skip(v1alpha1.Skip{Kind: "Group", Stage: "a", Group: "g"})), v1alpha1.GatePlace{Stage: "b", Timing: before}, "b1 b2 b3"},
		"without what was set aside":              {run(aside("b1", "SetAside")), v1alpha1.GatePlace{Stage: "b", Timing: before}, "b2 b3"},
		"with what only waits":                    {run(aside("b1", "Waiting")), v1alpha1.GatePlace{Stage: "b", Timing: before}, "b1 b2 b3"},
		"of a run that has not started, nothing":  {&v1alpha1.UpgradeRun{}, v1alpha1.GatePlace{Stage: "b", Timing: after}, ""},
		"of a stage that does not exist, nothing": {run(), v1alpha1.GatePlace{Stage: "x", Timing: before}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(Next(tc.run, tc.place), " "); got != tc.want {
				t.Errorf("%q come next, want %q", got, tc.want)
			}
		})
	}
}

func aside(cluster string, state v1alpha1.AsideState) func(*v1alpha1.UpgradeRun) {
	return func(r *v1alpha1.UpgradeRun) {
		r.Status.Stages[1].Groups[0].Aside = []v1alpha1.RunAside{{Cluster: cluster, State: state, Reason: "ClusterNotReady"}}
	}
}
