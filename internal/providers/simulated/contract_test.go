// SPDX-License-Identifier: Apache-2.0

package simulated_test

import (
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/providers/simulated"
	"sengu.dev/sengu/provider"
	"sengu.dev/sengu/provider/providertest"
)

// begin is when every simulated world of these tests begins.
var begin = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func TestContract(t *testing.T) {
	for _, style := range []string{"Provider", "Sengu"} {
		t.Run(style, func(t *testing.T) {
			providertest.Run(t, providertest.Harness{New: func(*testing.T) providertest.Cluster { return harness(style) }})
		})
	}
}

func harness(style string) providertest.Cluster {
	clock := clocktesting.NewFakeClock(begin)
	world := simulated.NewWorld(simulated.Config{Clock: clock})
	p := world.Open("default/c1", v1alpha1.SimulatedProvider{Version: "1.36.1", NodeStyle: style, Nodes: 5})
	return providertest.Cluster{
		Provider: p,
		Settle:   func(t *testing.T, done func() bool) { settle(t, clock, p.(provider.Pacer), done) },
		FailNext: func(_ *testing.T, code, message string) {
			for _, operation := range []string{"ControlPlane", "NodePool", "Node"} {
				world.Cluster("default/c1").Fail(v1alpha1.SimulatedFailure{Operation: operation, Times: 1, Code: code, Message: message})
			}
		},
		Outage: func(_ *testing.T, on bool) { world.Cluster("default/c1").SetUnreachable(on) },
	}
}

// settle goes from one instant at which something changes to the next.
func settle(t *testing.T, clock *clocktesting.FakeClock, pacer provider.Pacer, done func() bool) {
	t.Helper()
	for !done() {
		next := pacer.LookAgain(clock.Now())
		if !next.After(clock.Now()) {
			t.Fatal("nothing changes any more, and what was waited for has not happened")
		}
		clock.SetTime(next)
	}
}
