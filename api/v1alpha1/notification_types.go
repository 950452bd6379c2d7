// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// NotificationType is the form in which people are told.
// +kubebuilder:validation:Enum=CloudEvents;Slack;Teams
type NotificationType string

const (
	// NotificationCloudEvents posts a CloudEvent 1.0 in structured JSON, for machines.
	NotificationCloudEvents NotificationType = "CloudEvents"
	// NotificationSlack posts to an incoming webhook of Slack, or of what understands the same.
	NotificationSlack NotificationType = "Slack"
	// NotificationTeams posts an Adaptive Card to a workflow's webhook of Microsoft Teams.
	NotificationTeams NotificationType = "Teams"
)

// NotificationEvent is something that people are told of.
// +kubebuilder:validation:Enum=RunStarted;RunRefused;StageFinished;ApprovalNeeded;GateRefused;SoakInterrupted;RunPaused;RunStopped;RunFailed;RunSucceeded;ClusterFailed;DrainBlocked;ClusterSucceeded
type NotificationEvent string

const (
	// EventRunStarted: the target is frozen and the run begins.
	EventRunStarted NotificationEvent = "RunStarted"
	// EventRunRefused: the input of a run is refused; a person must act.
	EventRunRefused NotificationEvent = "RunRefused"
	// EventStageFinished: a stage is finished, soaked and through its gates.
	EventStageFinished NotificationEvent = "StageFinished"
	// EventApprovalNeeded: a run has come to a gate that people approve.
	EventApprovalNeeded NotificationEvent = "ApprovalNeeded"
	// EventGateRefused: a person or the evidence said no.
	EventGateRefused NotificationEvent = "GateRefused"
	// EventSoakInterrupted: a cluster of a soaking stage is not healthy, so the soak does not count.
	EventSoakInterrupted NotificationEvent = "SoakInterrupted"
	// EventRunPaused: a person paused the run and nothing is in flight.
	EventRunPaused NotificationEvent = "RunPaused"
	// EventRunStopped: a person stopped the run for good.
	EventRunStopped NotificationEvent = "RunStopped"
	// EventRunFailed: more clusters failed than allowed, and nothing is in flight.
	EventRunFailed NotificationEvent = "RunFailed"
	// EventRunSucceeded: every cluster that no person skipped is on the target and healthy.
	EventRunSucceeded NotificationEvent = "RunSucceeded"
	// EventClusterFailed: the upgrade of one cluster failed.
	EventClusterFailed NotificationEvent = "ClusterFailed"
	// EventDrainBlocked: a drain has waited ten minutes for a budget.
	EventDrainBlocked NotificationEvent = "DrainBlocked"
	// EventClusterSucceeded: one cluster is on the target. Told only where it is asked for by name.
	EventClusterSucceeded NotificationEvent = "ClusterSucceeded"
)

// NotificationTransport says how a receiver may be reached.
// +kubebuilder:validation:Enum=Encrypted;Plain
type NotificationTransport string

const (
	// NotificationEncrypted takes https only, and http to this machine. This is the default.
	NotificationEncrypted NotificationTransport = "Encrypted"
	// NotificationPlain takes http to any host: everybody on the way can read and change what is told.
	NotificationPlain NotificationTransport = "Plain"
)

// Notification tells people or machines of what happens to runs.
// +kubebuilder:validation:XValidation:rule="self.type == 'CloudEvents' || !has(self.signingSecretRef)",message="signingSecretRef goes with type CloudEvents: Slack and Teams check no signature"
// +kubebuilder:validation:XValidation:rule="self.type == 'CloudEvents' || !has(self.authorizationSecretRef)",message="authorizationSecretRef goes with type CloudEvents: the URLs of Slack and Teams are their own secret"
type Notification struct {
	// name of the notification, unique in the fleet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`

	// type is the form of what is posted.
	// +required
	Type NotificationType `json:"type,omitempty"`

	// urlSecretRef names the Secret with the URL to post to. Such URLs carry tokens: it is never shown.
	// +required
	URLSecretRef SecretKeyReference `json:"urlSecretRef,omitempty,omitzero"`

	// authorizationSecretRef names the Secret with the value of the Authorization header, for example "Bearer …".
	// +optional
	AuthorizationSecretRef *SecretKeyReference `json:"authorizationSecretRef,omitempty"`

	// signingSecretRef names the Secret with the key by which each request is signed, as standardwebhooks.com says:
	// "whsec_" and the key in base64, 24 to 64 bytes.
	// +optional
	SigningSecretRef *SecretKeyReference `json:"signingSecretRef,omitempty"`

	// events to tell of. Not set: all but ClusterSucceeded.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Events []NotificationEvent `json:"events,omitempty"`

	// transport that is allowed. Not set: Encrypted.
	// +optional
	Transport NotificationTransport `json:"transport,omitempty"`
}

// NotificationStatus is how one notification fares.
type NotificationStatus struct {
	// name of the notification.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`

	// since when it tells: what happened before is not told.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`

	// events that it tells of since then.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Events []NotificationEvent `json:"events,omitempty"`

	// reason why the last delivery failed, a documented constant. Not set: it did not fail.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message is one sentence: what failed and what to do.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}

// NotificationTest is the answer to a test that a person asked for.
type NotificationTest struct {
	// request that it answers: the value of the annotation sengu.dev/test-notification.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Request string `json:"request,omitempty"`

	// reason why it failed, a documented constant. Not set: the receiver took it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message is one sentence: what failed and what to do.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}
