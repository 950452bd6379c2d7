// SPDX-License-Identifier: Apache-2.0

package simulated_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"sengu.dev/sengu/internal/member"
)

// outdated names the nodes with the mark, and whose it is.
func outdated(v member.View) []string {
	var out []string
	for _, n := range v.Nodes() {
		for _, taint := range n.Spec.Taints {
			if taint.Key == member.TaintOutdated && taint.Effect == corev1.TaintEffectPreferNoSchedule {
				out = append(out, n.Name+" by "+taint.Value)
			}
		}
	}
	return out
}

// TestReplacementsGoWhereTheyMayStay: a pod goes to a node that is not outdated although it is the fullest, and to one
// that is where there is no other.
func TestReplacementsGoWhereTheyMayStay(t *testing.T) {
	p, a := drainable(t)
	steer := func(want []string, nodes ...string) {
		t.Helper()
		if err := a.(member.Steerer).Steer(t.Context(), "me", nodes); err != nil {
			t.Fatal(err)
		}
		if got := outdated(view(t, a)); !slices.Equal(got, want) {
			t.Errorf("outdated are %v, want %v", got, want)
		}
	}
	if err := a.Cordon(t.Context(), "user-1", "me"); err != nil {
		t.Fatal(err)
	}
	steer([]string{"user-2 by me"}, "user-2", "gone")
	for i, pod := range []string{"web-1", "web-4"} {
		if err := evict(t, a, pod); err != nil {
			t.Fatal(err)
		}
		p.after(time.Duration(i+1) * 10 * time.Second)
	}
	p.expect(a, "both moved", "web-2@2:ready web-3@3:ready web-5@2:ready web-6@3:ready web-7@3:ready web-8@3:ready")

	steer([]string{"user-2 by me", "user-3 by me"}, "user-3", "user-2")
	if err := evict(t, a, "web-7"); err != nil {
		t.Fatal(err)
	}
	p.expect(a, "all are outdated", "web-2@2:ready web-3@3:ready web-5@2:ready web-6@3:ready web-7@3:ending web-8@3:ready web-9@2:starting")
	steer(nil)
}
