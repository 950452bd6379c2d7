// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"sengu.dev/sengu/internal/lab/proxy"
	"sengu.dev/sengu/internal/labapi"
)

const defaultSlowStart = 20 * time.Second

// faults are what a cluster is to suffer. Faults of the API are played by its proxy; the others are taken by the
// operation that they hit.
type faults struct {
	mu    sync.Mutex
	left  []labapi.Fault
	timer *time.Timer
	// open says whether the control plane serves at all; the proxy is cut while it does not.
	open  bool
	proxy *proxy.Proxy
}

// set replaces all faults.
func (f *faults) set(all []labapi.Fault) error {
	for _, fault := range all {
		if err := checkFault(fault); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = slices.Clone(all)
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	for _, fault := range all {
		if !isAPIFault(fault.Kind) || fault.Seconds == 0 {
			continue
		}
		kind := fault.Kind
		f.timer = time.AfterFunc(seconds(fault), func() { f.end(kind) })
	}
	f.apply()
	return nil
}

// list returns what is left.
func (f *faults) list() []labapi.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]labapi.Fault{}, f.left...)
}

// serve opens or cuts the way to the API server when the control plane starts or stops.
func (f *faults) serve(open bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = open
	f.apply()
}

// take returns the next fault of the kind that hits, and counts it.
func (f *faults) take(kind labapi.FaultKind, hits func(labapi.Fault) bool) (labapi.Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.left {
		if fault.Kind != kind || !hits(fault) {
			continue
		}
		switch {
		case fault.Times == 1:
			f.left = slices.Delete(f.left, i, i+1)
		case fault.Times > 1:
			f.left[i].Times--
		}
		return fault, true
	}
	return labapi.Fault{}, false
}

// end ends a fault of the API whose time is over.
func (f *faults) end(kind labapi.FaultKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = slices.DeleteFunc(f.left, func(fault labapi.Fault) bool { return fault.Kind == kind && fault.Seconds > 0 })
	f.apply()
}

// apply tells the proxy what holds now. f.mu is held.
func (f *faults) apply() {
	mode, status, times := proxy.Cut, 0, 0
	if f.open {
		mode = proxy.Open
	}
	for _, fault := range f.left {
		switch fault.Kind {
		case labapi.FaultAPICut:
			mode = proxy.Cut
		case labapi.FaultAPIHangs:
			if f.open && mode == proxy.Open {
				mode = proxy.Hang
			}
		case labapi.FaultAPIErrors:
			status, times = httpStatus(fault), fault.Times
		}
	}
	f.proxy.Fail(status, times)
	f.proxy.Set(mode)
}

func isAPIFault(kind labapi.FaultKind) bool {
	return kind == labapi.FaultAPICut || kind == labapi.FaultAPIHangs || kind == labapi.FaultAPIErrors
}

func seconds(fault labapi.Fault) time.Duration {
	return time.Duration(fault.Seconds * float64(time.Second))
}

func httpStatus(fault labapi.Fault) int {
	if fault.Code == "" {
		return http.StatusServiceUnavailable
	}
	status, _ := strconv.Atoi(fault.Code) // checkFault has seen it
	return status
}

func checkFault(fault labapi.Fault) error {
	bad := func(format string, arguments ...any) error {
		return &labapi.Error{Status: http.StatusBadRequest, Code: labapi.CodeBadRequest, Message: fmt.Sprintf(format, arguments...)}
	}
	known := slices.ContainsFunc(labapi.FaultKinds(), func(h labapi.FaultHelp) bool { return h.Kind == fault.Kind })
	switch {
	case !known:
		return bad("There is no fault %q: see sengu-lab inject --list.", fault.Kind)
	case fault.Times < 0 || fault.Seconds < 0:
		return bad("Times and seconds of a fault cannot be negative.")
	case fault.Kind == labapi.FaultAPIErrors && (httpStatus(fault) < 500 || httpStatus(fault) > 599):
		return bad("The code of api-errors is an HTTP status from 500 to 599, not %q.", fault.Code)
	case fault.Kind == labapi.FaultOperationFails && fault.Code == "":
		return bad("The fault operation-fails needs a code.")
	}
	return nil
}

// hitsNode says whether a fault is about this node of this pool.
func hitsNode(pool, node string) func(labapi.Fault) bool {
	return func(f labapi.Fault) bool {
		return (f.Pool == "" || f.Pool == pool) && (f.Node == "" || f.Node == node)
	}
}

// hitsOperation says whether a fault is about this operation.
func hitsOperation(op labapi.Operation) func(labapi.Fault) bool {
	node := hitsNode(op.Target.Pool, op.Target.Node)
	return func(f labapi.Fault) bool { return (f.Operation == "" || f.Operation == op.Kind) && node(f) }
}

func always(labapi.Fault) bool { return true }
