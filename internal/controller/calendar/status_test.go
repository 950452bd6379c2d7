// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02T15:04Z07:00", text)
	if err != nil {
		panic(err)
	}
	return t
}

func daily(duration time.Duration, kinds ...v1alpha1.UpgradeKind) v1alpha1.MaintenanceWindow {
	return v1alpha1.MaintenanceWindow{RRule: "FREQ=DAILY", Start: "22:00", Duration: metav1.Duration{Duration: duration}, For: kinds}
}

func freeze(from, to string) v1alpha1.Freeze {
	return v1alpha1.Freeze{From: metav1.NewTime(at(from)), To: metav1.NewTime(at(to)), Reason: "year end"}
}

func TestWriteStatus(t *testing.T) {
	over := daily(time.Hour)
	over.RRule = "FREQ=DAILY;UNTIL=20261231"
	tests := map[string]struct {
		windows []v1alpha1.MaintenanceWindow
		freezes []v1alpha1.Freeze
		now     string

		wantReady  metav1.ConditionStatus
		wantReason string
		wantMsg    string
		wantNext   int // openings
		wantFirst  string
		wantLook   time.Duration
	}{
		"between two openings": {
			windows: []v1alpha1.MaintenanceWindow{daily(time.Hour)}, now: "2027-03-16T12:00Z",
			wantReady: metav1.ConditionTrue, wantReason: v1alpha1.ReasonAccepted, wantMsg: "its windows and freezes are accepted",
			wantNext: 10, wantFirst: "2027-03-16 22:00 to 2027-03-16 23:00 for []", wantLook: time.Hour,
		},
		"in an opening: it is looked at again when it passes": {
			windows: []v1alpha1.MaintenanceWindow{daily(time.Hour)}, now: "2027-03-16T22:20Z",
			wantReady: metav1.ConditionTrue, wantReason: v1alpha1.ReasonAccepted, wantMsg: "its windows and freezes are accepted",
			wantNext: 10, wantFirst: "2027-03-16 22:00 to 2027-03-16 23:00 for []", wantLook: 40 * time.Minute,
		},
		"the moment it has passed": {
			windows: []v1alpha1.MaintenanceWindow{daily(time.Hour)}, now: "2027-03-16T23:00Z",
			wantReady: metav1.ConditionTrue, wantReason: v1alpha1.ReasonAccepted, wantMsg: "its windows and freezes are accepted",
			wantNext: 10, wantFirst: "2027-03-17 22:00 to 2027-03-17 23:00 for []", wantLook: time.Hour,
		},
		"windows for some kinds": {
			windows: []v1alpha1.MaintenanceWindow{daily(time.Hour, v1alpha1.UpgradeKindNodeImage)}, now: "2027-03-16T12:00Z",
			wantReady: metav1.ConditionTrue, wantReason: v1alpha1.ReasonAccepted,
			wantMsg:  "its windows and freezes are accepted; no window is for Patch or Minor upgrades, so none may start",
			wantNext: 10, wantFirst: "2027-03-16 22:00 to 2027-03-16 23:00 for [NodeImage]", wantLook: time.Hour,
		},
		"always open but for a freeze": {
			freezes: []v1alpha1.Freeze{freeze("2027-12-20T00:00Z", "2028-01-10T00:00Z")}, now: "2027-03-16T12:00Z",
			wantReady: metav1.ConditionTrue, wantReason: v1alpha1.ReasonAccepted, wantMsg: "its windows and freezes are accepted",
			wantNext: 2, wantFirst: "2027-01-01 00:00 to 2027-12-20 00:00 for []", wantLook: time.Hour,
		},
		"a rule that is over": {
			windows: []v1alpha1.MaintenanceWindow{over}, now: "2027-03-16T12:00Z",
			wantReady: metav1.ConditionFalse, wantReason: v1alpha1.ReasonNeverOpens,
			wantMsg:  "calendar nights does not open within five years: its rules are over, or its freezes cover all of its windows",
			wantLook: time.Hour,
		},
		"a freeze over everything": {
			windows: []v1alpha1.MaintenanceWindow{daily(time.Hour)}, freezes: []v1alpha1.Freeze{freeze("2020-01-01T00:00Z", "2100-01-01T00:00Z")}, now: "2027-03-16T12:00Z",
			wantReady: metav1.ConditionFalse, wantReason: v1alpha1.ReasonNeverOpens,
			wantMsg: "calendar nights never opens: its freezes cover all of its windows; shorten a freeze",
		},
		"nonsense": {
			windows: []v1alpha1.MaintenanceWindow{{Cron: "0 22 31 2 *", Duration: metav1.Duration{Duration: time.Hour}}}, now: "2027-03-16T12:00Z",
			wantReady: metav1.ConditionFalse, wantReason: v1alpha1.ReasonInvalidCalendar,
			wantMsg: `calendar nights cannot be used: spec.windows[0]: cron "0 22 31 2 *" never opens: no day of the next 40 years has it`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: "nights", Generation: 3, CreationTimestamp: metav1.NewTime(at("2027-01-01T00:00Z"))}}
			c.Spec = v1alpha1.MaintenanceCalendarSpec{TimeZone: "UTC", Windows: tc.windows, Freezes: tc.freezes}
			c.Status.Next = []v1alpha1.Opening{{}} // of an earlier spec
			look := writeStatus(c, at(tc.now))
			if look != tc.wantLook {
				t.Errorf("looks again after %s, want %s", look, tc.wantLook)
			}
			if c.Status.ObservedGeneration != 3 {
				t.Errorf("observedGeneration is %d, want 3", c.Status.ObservedGeneration)
			}
			ready := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionReady)
			got := []any{ready.Status, ready.Reason, ready.Message, len(c.Status.Next), first(c.Status.Next)}
			if diff := cmp.Diff([]any{tc.wantReady, tc.wantReason, tc.wantMsg, tc.wantNext, tc.wantFirst}, got); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

// first tells the first opening.
func first(openings []v1alpha1.Opening) string {
	if len(openings) == 0 {
		return ""
	}
	o := openings[0]
	text := o.From.UTC().Format("2006-01-02 15:04") + " to -"
	if o.To != nil {
		text = strings.TrimSuffix(text, "-") + o.To.UTC().Format("2006-01-02 15:04")
	}
	text += " for ["
	for _, k := range o.For {
		text += string(k)
	}
	return text + "]"
}
