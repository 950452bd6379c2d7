// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"net/http"
	"slices"
	"strings"

	"sengu.dev/sengu/internal/labapi"
)

// faultFields are what each fault can be told. A fault that was told something else would never hit, or not as it
// was meant, so it is refused.
var faultFields = map[labapi.FaultKind][]string{
	labapi.FaultStartFails:     {"times"},
	labapi.FaultStartSlow:      {"seconds", "times"},
	labapi.FaultAPIErrors:      {"code", "seconds", "times"},
	labapi.FaultAPIHangs:       {"seconds"},
	labapi.FaultAPICut:         {"seconds"},
	labapi.FaultNodeNeverReady: {"pool", "node", "times"},
	labapi.FaultImageMissing:   {"pool", "node", "times"},
	labapi.FaultQuota:          {"pool", "times"},
	labapi.FaultOperationFails: {"operation", "code", "message", "pool", "node", "times"},
	labapi.FaultNodeDies:       {"pool", "node", "times"},
}

// setFaults replaces all faults of the cluster.
func (c *cluster) setFaults(all []labapi.Fault) ([]labapi.Fault, error) {
	for _, fault := range all {
		if err := c.checkFault(fault); err != nil {
			return nil, err
		}
	}
	c.faults.set(all)
	return all, nil
}

// addFault appends one fault to those that are left.
func (c *cluster) addFault(fault labapi.Fault) (labapi.Fault, error) {
	if err := c.checkFault(fault); err != nil {
		return fault, err
	}
	c.faults.add(fault)
	return fault, nil
}

func (c *cluster) checkFault(fault labapi.Fault) error {
	fields, known := faultFields[fault.Kind]
	if !known {
		return badFault("There is no fault %q: see sengu-lab inject --list.", fault.Kind)
	}
	if fault.Times < 0 || fault.Seconds < 0 {
		return badFault("Times and seconds of a fault cannot be negative.")
	}
	for _, given := range givenFields(fault) {
		if !slices.Contains(fields, given) {
			return badFault("The fault %s knows no %s: it takes %s.", fault.Kind, given, strings.Join(fields, ", "))
		}
	}
	if err := checkCode(fault); err != nil {
		return err
	}
	return c.checkAim(fault)
}

// givenFields names the fields that were set.
func givenFields(fault labapi.Fault) []string {
	var given []string
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"pool", fault.Pool != ""},
		{"node", fault.Node != ""},
		{"operation", fault.Operation != ""},
		{"times", fault.Times != 0},
		{"seconds", fault.Seconds != 0},
		{"code", fault.Code != ""},
		{"message", fault.Message != ""},
	} {
		if field.set {
			given = append(given, field.name)
		}
	}
	return given
}

func checkCode(fault labapi.Fault) error {
	switch {
	case fault.Kind == labapi.FaultAPIErrors && (httpStatus(fault) < 500 || httpStatus(fault) > 599):
		return badFault("The code of api-errors is an HTTP status from 500 to 599, not %q.", fault.Code)
	case fault.Kind == labapi.FaultOperationFails && fault.Code == "":
		return badFault("The fault operation-fails needs a code.")
	}
	return nil
}

// checkAim refuses a fault of something that the cluster does not have.
func (c *cluster) checkAim(fault labapi.Fault) error {
	if kinds := operationKinds(); fault.Operation != "" && !slices.Contains(kinds, string(fault.Operation)) {
		return badFault("There is no operation %q: name one of %s.", fault.Operation, strings.Join(kinds, ", "))
	}
	if fault.Operation == labapi.OperationUpgrade && (fault.Pool != "" || fault.Node != "") {
		return badFault("An Upgrade is one of the control plane: it has no pool and no node.")
	}
	if fault.Pool != "" {
		if _, ok := c.pool(fault.Pool); !ok {
			return c.noPool(fault.Pool)
		}
	}
	if fault.Node == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	pool, _, ok := c.state.poolOf(fault.Node)
	if !ok {
		return c.noNode(fault.Node)
	}
	if fault.Pool != "" && fault.Pool != pool {
		return badFault("Node %s is in pool %s, not in %s.", fault.Node, pool, fault.Pool)
	}
	return nil
}

func operationKinds() []string {
	var kinds []string
	for _, kind := range labapi.OperationKinds() {
		kinds = append(kinds, string(kind))
	}
	return kinds
}

func badFault(format string, arguments ...any) error {
	return refuse(http.StatusBadRequest, labapi.CodeBadRequest, format, arguments...)
}
