// SPDX-License-Identifier: Apache-2.0

// Package budget resolves how many clusters may be in flight and how many may fail, and how many nodes of a pool may
// be renewed at a time.
package budget

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// Error says that a limit cannot be used.
type Error struct {
	// Field that holds the limit, for example "maxConcurrency of stage staging".
	Field string
	// Value as it was written.
	Value string
	// Want is what would be accepted.
	Want string
}

// Error returns one sentence.
func (e *Error) Error() string {
	return fmt.Sprintf("%s is %q: write %s", e.Field, e.Value, e.Want)
}

// Concurrency resolves a limit of clusters in flight: a number, or a percentage of total rounded down, and at least
// one. nil: fallback.
func Concurrency(field string, limit *intstr.IntOrString, total, fallback int) (int, error) {
	if limit == nil {
		return fallback, nil
	}
	n, percent, err := read(limit)
	switch {
	case err != nil || n < 1 || percent && n > 100:
		return 0, &Error{field, limit.String(), "a number from 1 or a percentage from 1% to 100%"}
	case percent:
		return max(1, total*n/100), nil
	}
	return n, nil
}

// Failures resolves how many clusters may fail: a number, or a percentage of total rounded down. nil: fallback.
func Failures(field string, limit *intstr.IntOrString, total, fallback int) (int, error) {
	if limit == nil {
		return fallback, nil
	}
	n, percent, err := read(limit)
	switch {
	case err != nil || n < 0 || percent && n > 100:
		return 0, &Error{field, limit.String(), "a number from 0 or a percentage from 0% to 100%"}
	case percent:
		return total * n / 100, nil
	}
	return n, nil
}

func read(limit *intstr.IntOrString) (n int, percent bool, err error) {
	if limit.Type == intstr.Int {
		return limit.IntValue(), false, nil
	}
	digits, percent := strings.CutSuffix(limit.StrVal, "%")
	if !percent {
		return 0, false, strconv.ErrSyntax
	}
	whole, err := strconv.ParseUint(digits, 10, 31) // no sign: +5% is a slip, not a percentage
	return int(whole), true, err
}

// Room is what is left of several limits that hold together.
type Room []*Limit

// Limit is one limit and how much of it is used.
type Limit struct {
	// Max allowed at a time, and Used of it.
	Max, Used int
}

// Full is the first limit that is used up; nil: none is.
func (r Room) Full() *Limit {
	for _, l := range r {
		if l.Used >= l.Max {
			return l
		}
	}
	return nil
}

// Take uses one of every limit, or nothing when one of them is used up.
func (r Room) Take() bool {
	if r.Full() != nil {
		return false
	}
	for _, l := range r {
		l.Used++
	}
	return true
}
