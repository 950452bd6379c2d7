// SPDX-License-Identifier: Apache-2.0

package lab

import (
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
	mu   sync.Mutex
	left []*pending
	// open says whether the control plane serves at all; the proxy is cut while it does not.
	open  bool
	proxy *proxy.Proxy
}

// pending is a fault that is still to be suffered, with what ends it when it is one of the API for some seconds.
type pending struct {
	labapi.Fault
	timer *time.Timer
}

// set replaces all faults.
func (f *faults) set(all []labapi.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, old := range f.left {
		old.disarm()
	}
	f.left = nil
	for _, fault := range all {
		f.arm(fault)
	}
	f.apply()
}

// add appends a fault. Those that are there keep the time that they have left.
func (f *faults) add(fault labapi.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arm(fault)
	f.apply()
}

// arm appends a fault. f.mu is held.
func (f *faults) arm(fault labapi.Fault) {
	next := &pending{Fault: fault}
	if isAPIFault(fault.Kind) && fault.Seconds > 0 {
		next.timer = time.AfterFunc(seconds(fault), func() { f.end(next) })
	}
	f.left = append(f.left, next)
}

func (p *pending) disarm() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// list returns what is left.
func (f *faults) list() []labapi.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := []labapi.Fault{}
	for _, fault := range f.left {
		all = append(all, fault.Fault)
	}
	return all
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
		if fault.Kind != kind || !hits(fault.Fault) {
			continue
		}
		switch {
		case fault.Times == 1:
			fault.disarm()
			f.left = slices.Delete(f.left, i, i+1)
		case fault.Times > 1:
			fault.Times--
		}
		return fault.Fault, true
	}
	return labapi.Fault{}, false
}

// end ends a fault of the API whose time is over.
func (f *faults) end(over *pending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = slices.DeleteFunc(f.left, func(fault *pending) bool { return fault == over })
	f.apply()
}

// failing is asked by the proxy for each request: whether it is to fail, and with which status.
func (f *faults) failing() (status int, ok bool) {
	fault, ok := f.take(labapi.FaultAPIErrors, always)
	return httpStatus(fault), ok
}

// apply tells the proxy what holds now. f.mu is held.
func (f *faults) apply() {
	mode := proxy.Cut
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
		}
	}
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
	status, _ := strconv.Atoi(fault.Code) // checkCode has seen it
	return status
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
