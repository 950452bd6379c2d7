// SPDX-License-Identifier: Apache-2.0

package labapi

// FaultKind names a fault that the lab can play.
type FaultKind string

// The faults on demand.
const (
	// FaultStartFails lets the API server end at its start with an error. The upgrade fails with
	// ControlPlaneStartFailed, the control plane stays Failed until an upgrade with a new request key.
	FaultStartFails FaultKind = "control-plane-start-fails"
	// FaultStartSlow starts the API server Seconds later (20 if not set).
	FaultStartSlow FaultKind = "control-plane-start-slow"
	// FaultAPIErrors answers requests to the cluster's API with a 5xx: Code 500 to 599, 503 if not set. Times
	// counts requests.
	FaultAPIErrors FaultKind = "api-errors"
	// FaultAPIHangs accepts connections to the cluster's API and freezes them, old ones too.
	FaultAPIHangs FaultKind = "api-hangs"
	// FaultAPICut resets all connections to the cluster's API, old ones too.
	FaultAPICut FaultKind = "api-cut"
	// FaultNodeNeverReady delivers a new node whose kubelet never becomes Ready; the operation still succeeds,
	// as the machine is there.
	FaultNodeNeverReady FaultKind = "node-never-ready"
	// FaultImageMissing fails operations that make a node with NodeImageNotFound, before anything is changed.
	FaultImageMissing FaultKind = "node-image-missing"
	// FaultQuota fails operations that add a node with QuotaExceeded.
	FaultQuota FaultKind = "quota-exceeded"
	// FaultOperationFails fails operations with Code and Message, before anything is changed.
	FaultOperationFails FaultKind = "operation-fails"
	// FaultNodeDies lets a node go NotReady as soon as it is cordoned; its pods never end.
	FaultNodeDies FaultKind = "node-dies-in-drain"
)

// Fault is one fault of a cluster. Faults that hit the same thing are played in their order.
type Fault struct {
	// Kind of fault.
	Kind FaultKind `json:"kind"`
	// Pool that it is limited to; empty: every pool.
	Pool string `json:"pool,omitempty"`
	// Node that it is limited to, for new nodes the one that is replaced; empty: every node.
	Node string `json:"node,omitempty"`
	// Operation that operation-fails is limited to; empty: every kind.
	Operation OperationKind `json:"operation,omitempty"`
	// Times is how often it happens; 0: until it is cleared.
	Times int `json:"times,omitempty"`
	// Seconds of control-plane-start-slow; for the api faults how long they last, 0: until they are cleared.
	Seconds float64 `json:"seconds,omitempty"`
	// Code of operation-fails, or the HTTP status of api-errors.
	Code string `json:"code,omitempty"`
	// Message of operation-fails.
	Message string `json:"message,omitempty"`
}

// FaultKinds explains every kind in one sentence, in the order in which people read them.
func FaultKinds() []FaultHelp {
	return []FaultHelp{
		{FaultStartFails, "the next version of the control plane ends at its start; the control plane stays Failed"},
		{FaultStartSlow, "the control plane starts --seconds later (default 20)"},
		{FaultAPIErrors, "the cluster's API answers with a 5xx (--code, default 503)"},
		{FaultAPIHangs, "the cluster's API accepts connections and never answers"},
		{FaultAPICut, "the cluster's API resets every connection"},
		{FaultNodeNeverReady, "a new node never becomes Ready though its operation succeeds"},
		{FaultImageMissing, "making a node fails with NodeImageNotFound"},
		{FaultQuota, "adding a node fails with QuotaExceeded"},
		{FaultOperationFails, "an operation fails with --code and --message"},
		{FaultNodeDies, "a node goes NotReady when it is cordoned, and its pods never end"},
	}
}

// FaultHelp is one line of help.
type FaultHelp struct {
	// Kind of fault.
	Kind FaultKind `json:"kind"`
	// Help is what it does, without a full stop.
	Help string `json:"help"`
}
