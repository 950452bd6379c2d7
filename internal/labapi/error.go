// SPDX-License-Identifier: Apache-2.0

package labapi

import "fmt"

// Codes of errors and failed operations.
const (
	// CodeUnauthorized: the token is wrong.
	CodeUnauthorized = "Unauthorized"
	// CodeBadRequest: the request is not understood.
	CodeBadRequest = "BadRequest"
	// CodeClusterNotFound: the lab has no such cluster.
	CodeClusterNotFound = "ClusterNotFound"
	// CodeClusterExists: the lab already has a cluster of that name.
	CodeClusterExists = "ClusterExists"
	// CodeNodePoolNotFound: the cluster has no such node pool.
	CodeNodePoolNotFound = "NodePoolNotFound"
	// CodeNodeNotFound: the cluster has no such node.
	CodeNodeNotFound = "NodeNotFound"
	// CodeOperationNotFound: the lab knows no such operation.
	CodeOperationNotFound = "OperationNotFound"
	// CodeOperationInProgress: another operation must end first; the error names it.
	CodeOperationInProgress = "OperationInProgress"
	// CodeRequestKeyReused: the key belongs to a request with another content.
	CodeRequestKeyReused = "RequestKeyReused"
	// CodeUnknownVersion: the version is not offered.
	CodeUnknownVersion = "UnknownVersion"
	// CodeUnknownImage: the node image is not offered.
	CodeUnknownImage = "UnknownImage"
	// CodeSkippedMinor: a control plane moves one minor at a time.
	CodeSkippedMinor = "SkippedMinor"
	// CodeDowngrade: a control plane does not go back.
	CodeDowngrade = "Downgrade"
	// CodeSkewViolation: a node would be newer than its control plane, or more than three minors older.
	CodeSkewViolation = "SkewViolation"
	// CodeControlPlaneDown: the control plane does not run, so its nodes cannot be read or changed.
	CodeControlPlaneDown = "ControlPlaneDown"
	// CodeControlPlaneStartFailed: the control plane did not start.
	CodeControlPlaneStartFailed = "ControlPlaneStartFailed"
	// CodeNodeImageNotFound: the node image is missing where nodes are made.
	CodeNodeImageNotFound = "NodeImageNotFound"
	// CodeQuotaExceeded: no more nodes may be added.
	CodeQuotaExceeded = "QuotaExceeded"
	// CodeCanceled: the cluster was deleted while the operation ran.
	CodeCanceled = "Canceled"
	// CodeInternal: a bug of the lab.
	CodeInternal = "InternalError"
)

// Error is a refusal of the lab: the body of every answer that is not 2xx.
type Error struct {
	// Status of the HTTP answer, for example 409.
	Status int `json:"-"`
	// Code names the case.
	Code string `json:"code"`
	// Message is one sentence for a person.
	Message string `json:"message"`
	// OperationID of the operation that stands in the way, with OperationInProgress.
	OperationID string `json:"operationID,omitempty"`
}

// Error returns the code and the sentence.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }
