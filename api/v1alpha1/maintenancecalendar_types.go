// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// GapPolicy says what happens to a window whose start does not exist because clocks go forward.
// +kubebuilder:validation:Enum=Shift;Skip
type GapPolicy string

const (
	// GapPolicyShift opens the window the length of the gap later on the clock. This is the default.
	GapPolicyShift GapPolicy = "Shift"
	// GapPolicySkip leaves that opening out.
	GapPolicySkip GapPolicy = "Skip"
)

// FoldPolicy says what happens to a window whose start comes twice because clocks go back.
// +kubebuilder:validation:Enum=First;Second;Both
type FoldPolicy string

const (
	// FoldPolicyFirst opens at the first of the two. This is the default.
	FoldPolicyFirst FoldPolicy = "First"
	// FoldPolicySecond opens at the second of the two.
	FoldPolicySecond FoldPolicy = "Second"
	// FoldPolicyBoth opens at each of the two.
	FoldPolicyBoth FoldPolicy = "Both"
)

// MaintenanceWindow is a recurring time in which upgrades may happen.
// +kubebuilder:validation:XValidation:rule="has(self.rrule) != has(self.cron)",message="set exactly one of rrule and cron"
// +kubebuilder:validation:XValidation:rule="has(self.rrule) == has(self.start)",message="start goes with rrule: a cron expression has its own time"
type MaintenanceWindow struct {
	// rrule is an RFC 5545 recurrence rule of days, for example FREQ=WEEKLY;BYDAY=TU,WE,TH. FREQ is DAILY, WEEKLY,
	// MONTHLY or YEARLY, and all but DAILY name their days. An INTERVAL, at most 1000, counts from Monday 2024-01-01:
	// every second week has one of 2024-01-01, 2024-01-15, and so on. UNTIL ends the rule; as a date it includes that
	// day. COUNT, DTSTART, BYHOUR, BYMINUTE and BYSECOND are refused: there is no first day, and start says the time.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.upperAscii().matches('(^|[;: ])FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)( |;|$)')",message="needs FREQ=DAILY, WEEKLY, MONTHLY or YEARLY: use cron for a window that opens several times a day"
	// +kubebuilder:validation:XValidation:rule="!self.upperAscii().matches('(^|[;: ])(COUNT|DTSTART|BYHOUR|BYMINUTE|BYSECOND|BYEASTER) *[=:;]')",message="cannot have COUNT, DTSTART, BYHOUR, BYMINUTE, BYSECOND or BYEASTER: start says the time, UNTIL the end"
	RRule string `json:"rrule,omitempty"`

	// cron is a five-field cron expression of the window's start: minute, hour, day of the month, month, day of the
	// week, with numbers, names, lists, ranges and steps. When both fields of days name some, one of them is enough.
	// It may open at most 24 times a day.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[ \\\\t]*[0-9A-Za-z*,/-]+([ \\\\t]+[0-9A-Za-z*,/-]+){4}[ \\\\t]*$')",message="must have five fields: minute, hour, day of the month, month, day of the week"
	Cron string `json:"cron,omitempty"`

	// start is the wall-clock time of the start, for example "22:00". Goes with rrule.
	// +optional
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	// +kubebuilder:validation:MaxLength=5
	Start string `json:"start,omitempty"`

	// duration of the window in elapsed time, in whole seconds, from 1m to 8784h: 6h stays 6h when clocks change.
	// Windows that overlap or touch are one opening.
	// +required
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) > duration('0s')",message="must be a duration like 90s, 30m or 168h and more than 0s; days are not a unit"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') || duration(self) >= duration('1m') && duration(self) <= duration('8784h')",message="must be from 1m to 8784h, a year"
	Duration metav1.Duration `json:"duration,omitempty,omitzero"`

	// for which kinds of upgrade. Empty: for all. A kind for which no window is never starts under this calendar.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	For []UpgradeKind `json:"for,omitempty"`
}

// Freeze is a time in which nothing may start.
// +kubebuilder:validation:XValidation:rule="timestamp(self.from) < timestamp(self.to)",message="from must be before to"
type Freeze struct {
	// from which instant.
	// +required
	From metav1.Time `json:"from,omitempty,omitzero"`

	// to which instant, exclusive.
	// +required
	To metav1.Time `json:"to,omitempty,omitzero"`

	// for which kinds of upgrade. Empty: for all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	For []UpgradeKind `json:"for,omitempty"`

	// reason for people.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`
}

// MaintenanceCalendarSpec says when upgrades may happen. Windows add up and freezes subtract; where several
// calendars apply, the most restrictive wins.
type MaintenanceCalendarSpec struct {
	// timeZone is an IANA name, for example Asia/Tokyo. Its rules are those of the machine that runs the controllers,
	// and where it has none, those that Sengu brings.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`
	TimeZone string `json:"timeZone,omitempty"`

	// windows in which upgrades may happen. Empty: always, outside freezes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Windows []MaintenanceWindow `json:"windows,omitempty"`

	// freezes in which nothing may start.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Freezes []Freeze `json:"freezes,omitempty"`

	// gap says what happens to a start that does not exist. Not set: Shift.
	// +optional
	Gap GapPolicy `json:"gap,omitempty"`

	// fold says what happens to a start that comes twice. Not set: First.
	// +optional
	Fold FoldPolicy `json:"fold,omitempty"`
}

// Opening is a time in which upgrades may happen.
type Opening struct {
	// from which instant. An opening that has lasted for longer than Sengu looks back, 512 days, is from when the
	// calendar was made.
	// +required
	From metav1.Time `json:"from,omitempty,omitzero"`

	// to which instant, exclusive. Not set: it does not close within five years.
	// +optional
	To *metav1.Time `json:"to,omitempty"`

	// for which kinds of upgrade. Empty: for all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=3
	For []UpgradeKind `json:"for,omitempty"`
}

// MaintenanceCalendarStatus shows what the calendar means.
type MaintenanceCalendarStatus struct {
	// observedGeneration is the spec's generation that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// next openings over all kinds of upgrade by time, at most ten, the one in hand included.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Next []Opening `json:"next,omitempty"`

	// conditions are Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MaintenanceCalendar says when upgrades may happen.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=mc,categories=sengu
// +kubebuilder:printcolumn:name="Time Zone",type=string,JSONPath=`.spec.timeZone`
// +kubebuilder:printcolumn:name="Next",type=string,JSONPath=`.status.next[0].from`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type MaintenanceCalendar struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says when upgrades may happen.
	// +required
	Spec MaintenanceCalendarSpec `json:"spec,omitempty,omitzero"`

	// status shows what the calendar means.
	// +optional
	Status MaintenanceCalendarStatus `json:"status,omitempty,omitzero"`
}

// MaintenanceCalendarList is a list of MaintenanceCalendars.
// +kubebuilder:object:root=true
type MaintenanceCalendarList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MaintenanceCalendar `json:"items"`
}
