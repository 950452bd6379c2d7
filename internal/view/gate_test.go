// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
)

var noon = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// gate is one of run r.
func gate(name string, place v1alpha1.GatePlace, age time.Duration, status v1alpha1.GateStatus) v1alpha1.Gate {
	return v1alpha1.Gate{ObjectMeta: metav1.ObjectMeta{Name: "r-" + name, Namespace: "fleet", CreationTimestamp: metav1.NewTime(noon.Add(-age))},
		Spec: v1alpha1.GateSpec{Type: v1alpha1.GateTypeApproval, RunRef: v1alpha1.LocalObjectReference{Name: "r"}, Place: place,
			Template: v1alpha1.GateSpecTemplate{Name: name, Approval: &v1alpha1.ApprovalGate{Count: 2, Approvers: []string{"ada", "group:leads"}, ExpiresAfter: &metav1.Duration{Duration: 8 * time.Hour}}}},
		Status: status}
}

func ago(d time.Duration) *metav1.Time { return &metav1.Time{Time: noon.Add(-d)} }

func TestTheTableOfGates(t *testing.T) {
	gates := []v1alpha1.Gate{
		gate("later", v1alpha1.GatePlace{Stage: "production", Timing: v1alpha1.GateTimingAfter}, time.Hour, v1alpha1.GateStatus{}),
		gate("waits", v1alpha1.GatePlace{Stage: "production", Group: "tokyo", Timing: v1alpha1.GateTimingBefore}, 2*time.Hour, v1alpha1.GateStatus{
			State: v1alpha1.GateStatePending, Reason: v1alpha1.ReasonApprovalNeeded, Message: "it waits", ReachedAt: ago(time.Minute), Until: ago(-30 * time.Minute)}),
		gate("passed", v1alpha1.GatePlace{Stage: "staging", Timing: v1alpha1.GateTimingAfter}, 3*time.Hour, v1alpha1.GateStatus{
			State: v1alpha1.GateStatePassed, Reason: v1alpha1.ReasonApproved, Message: "approved by ada\x1b[31m", DecidedBy: "ada", ReachedAt: ago(time.Hour)}),
		gate("reached", v1alpha1.GatePlace{Stage: "a", Timing: v1alpha1.GateTimingBefore}, 0, v1alpha1.GateStatus{ReachedAt: ago(0)}),
	}
	want := strings.TrimLeft(`
NAME        RUN   GATE                            TYPE       STATE        REASON           DECIDED BY   UNTIL       MESSAGE
r-passed    r     after staging/passed            Approval   Passed       Approved         ada          <none>      approved by ada\x1b[31m
r-waits     r     before production/tokyo/waits   Approval   Pending      ApprovalNeeded   <none>       in 30m00s   it waits
r-later     r     after production/later          Approval   NotReached   <none>           <none>       <none>      <none>
r-reached   r     before a/reached                Approval   Pending      <none>           <none>       <none>      <none>
`, "\n")
	if diff := cmp.Diff(want, view.Gates(gates, noon).Format(true)); diff != "" {
		t.Errorf("the table (-want +got):\n%s", diff)
	}
}

func TestDescribeGate(t *testing.T) {
	g := gate("ok", v1alpha1.GatePlace{Stage: "production", Timing: v1alpha1.GateTimingBefore}, time.Hour, v1alpha1.GateStatus{
		State: v1alpha1.GateStatePending, Reason: v1alpha1.ReasonApprovalNeeded, Message: "it waits for the approval of 2 people, and has that of ada",
		ReachedAt: ago(time.Hour), Until: ago(-7 * time.Hour),
		Decisions: []v1alpha1.GateDecision{
			{By: "ada", At: *ago(2 * time.Hour), Decision: v1alpha1.GateDecisionApprove, Condition: v1alpha1.GateConditionNoFailures, NotAfter: ago(-time.Hour), Comment: "CHG-1"},
			{By: "bob", At: *ago(time.Minute), Decision: v1alpha1.GateDecisionRefuse, Groups: []string{"leads"}, Comment: "month\nend"},
		},
	})
	want := strings.TrimLeft(`
Name:           r-ok
Namespace:      fleet
Run:            r
Gate:           before production/ok
Needs:          2 approvals by ada, group:leads
Expires:        after 8h00m
State:          Pending, ApprovalNeeded
Message:        it waits for the approval of 2 people, and has that of ada
Reached:        1h00m ago
Until:          at Mon 2027-03-01 19:00 UTC (in 7h00m)

Comes next:
  1 cluster comes next: 1 ready
  prod-1: healthy and Ready

Decisions:
  ada approves, 2h00m ago, if no cluster fails, if the run comes to the gate by 2027-03-01T13:00:00Z: CHG-1
  bob refuses, 1m00s ago, for leads: month end
`, "\n")
	if diff := cmp.Diff(want, view.DescribeGate(&g, []string{"1 cluster comes next: 1 ready", "prod-1: healthy and Ready"}, noon)); diff != "" {
		t.Errorf("the description (-want +got):\n%s", diff)
	}
	g.Spec.Template = v1alpha1.GateSpecTemplate{Name: "go", ScheduledStart: &v1alpha1.ScheduledStartGate{Next: "MON 22:00", TimeZone: "Asia/Tokyo"}}
	g.Status = v1alpha1.GateStatus{State: v1alpha1.GateStatePending, OpensAt: ago(-time.Hour), Until: ago(-time.Hour)}
	got := view.DescribeGate(&g, nil, noon)
	if !strings.Contains(got, "Needs:          start at the next MON 22:00 Asia/Tokyo\n") || !strings.Contains(got, "Opens:          at Mon 2027-03-01 13:00 UTC (in 1h00m)\n") {
		t.Errorf("a scheduled start is described as\n%s", got)
	}
}
