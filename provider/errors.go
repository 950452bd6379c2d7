// SPDX-License-Identifier: Apache-2.0

package provider

import (
	"errors"
	"fmt"
	"time"
)

// The kinds of errors. Every error that leaves a provider is of one of them: test with errors.Is, never by text.
// An error of no kind is a bug.
var (
	// ErrRejected: a person must act; repeating the request changes nothing.
	ErrRejected = errors.New("rejected")
	// ErrWait: not now; look again when something else has ended or after WaitError.Until.
	ErrWait = errors.New("wait")
	// ErrRetry: the answer was lost or not usable; ask again soon.
	ErrRetry = errors.New("retry")
)

// Codes that Sengu itself gives; providers add their own words.
const (
	CodeUnreachable         = "ProviderUnreachable"
	CodeUnauthorized        = "Unauthorized"
	CodeClusterNotFound     = "ClusterNotFound"
	CodeNodeNotFound        = "NodeNotFound"
	CodeNodePoolNotFound    = "NodePoolNotFound"
	CodeOperationNotFound   = "OperationNotFound"
	CodeOperationInProgress = "OperationInProgress"
	CodeUnknownVersion      = "UnknownVersion"
	CodeUnknownImage        = "UnknownImage"
	CodeSkippedMinor        = "SkippedMinor"
	CodeDowngrade           = "Downgrade"
	CodeSkewViolation       = "SkewViolation"
	CodeQuotaExceeded       = "QuotaExceeded"
	CodeRequestKeyReused    = "RequestKeyReused"
	CodeThrottled           = "Throttled"
)

// Error is a provider's error with its kind and code.
type Error struct {
	// Kind is ErrRejected, ErrWait or ErrRetry.
	Kind error
	// Code names the case, for example QuotaExceeded.
	Code string
	// Message is one sentence for a person. It may hold text from outside.
	Message string
	// Until is when to look again, with ErrWait and ErrRetry; zero: the caller's choice.
	Until time.Time
	// OperationID of the operation that stands in the way, with OperationInProgress.
	OperationID string
	// Err is what lies underneath; it may be nil.
	Err error
}

// Error returns the code and the sentence.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap lets errors.Is find the kind, and errors.As what lies underneath.
func (e *Error) Unwrap() []error {
	if e.Err != nil {
		return []error{e.Kind, e.Err}
	}
	return []error{e.Kind}
}

// Rejected returns an error that a person must act on.
func Rejected(code, format string, args ...any) error {
	return &Error{Kind: ErrRejected, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wait returns an error that ends by itself; until may be zero.
func Wait(code string, until time.Time, format string, args ...any) error {
	return &Error{Kind: ErrWait, Code: code, Until: until, Message: fmt.Sprintf(format, args...)}
}

// Retry returns an error that may be gone at the next try.
func Retry(code string, err error, format string, args ...any) error {
	return &Error{Kind: ErrRetry, Code: code, Err: err, Message: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of an error, or "" when it has none.
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}
