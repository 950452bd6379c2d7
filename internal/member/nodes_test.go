// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/provider"
)

// TestCordonAndBack plays stories of one node; what is left of our marks must never be more than it has to.
func TestCordonAndBack(t *testing.T) {
	const (
		ours, theirs = "upgrade-1", "upgrade-2"
		by, before   = v1alpha1.AnnotationCordonedBy, AnnotationCordonedBefore
		quarantined  = v1alpha1.AnnotationQuarantined
	)
	cordon := func(w *world, n string) error { return w.access.Cordon(w.t.Context(), n, ours) }
	cordonByOther := func(w *world, n string) error { return w.access.Cordon(w.t.Context(), n, theirs) }
	uncordon := func(w *world, n string) error { return w.access.Uncordon(w.t.Context(), n, ours) }
	uncordonByOther := func(w *world, n string) error { return w.access.Uncordon(w.t.Context(), n, theirs) }
	quarantine := func(w *world, n string) error { return w.access.Quarantine(w.t.Context(), n, ours, "it hangs") }
	byHand := func(patch string) func(*world, string) error {
		return func(w *world, n string) error { w.patchNode(n, patch); return nil }
	}
	kubectlCordon, kubectlUncordon := byHand(`{"spec":{"unschedulable":true}}`), byHand(`{"spec":{"unschedulable":false}}`)
	tests := map[string]struct {
		steps     []func(*world, string) error
		want      map[string]string
		wantOpen  bool // schedulable
		wantError string
	}{
		"cordoned":                            {steps: steps(cordon), want: map[string]string{by: ours}},
		"cordoned twice":                      {steps: steps(cordon, cordon), want: map[string]string{by: ours}},
		"cordoned and uncordoned":             {steps: steps(cordon, uncordon), wantOpen: true},
		"uncordoned twice":                    {steps: steps(cordon, uncordon, uncordon), wantOpen: true},
		"somebody else had cordoned it":       {steps: steps(kubectlCordon, cordon), want: map[string]string{by: ours, before: "true"}},
		"so it stays cordoned":                {steps: steps(kubectlCordon, cordon, cordon, uncordon)},
		"a node without our mark":             {steps: steps(kubectlCordon, uncordon)},
		"another upgrade holds it":            {steps: steps(cordonByOther, cordon), want: map[string]string{by: theirs}, wantError: CodeNodeHeld},
		"another upgrade's is not taken":      {steps: steps(cordon, uncordonByOther), want: map[string]string{by: ours}},
		"a person uncordoned it meanwhile":    {steps: steps(cordon, kubectlUncordon, cordon), want: map[string]string{by: ours}},
		"a mark that a person made void":      {steps: steps(cordonByOther, kubectlUncordon, cordon), want: map[string]string{by: ours}},
		"a void mark of before, too":          {steps: steps(kubectlCordon, cordon, kubectlUncordon, cordon, uncordon), wantOpen: true},
		"quarantined":                         {steps: steps(cordon, quarantine), want: map[string]string{quarantined: "it hangs"}},
		"quarantined twice":                   {steps: steps(cordon, quarantine, quarantine), want: map[string]string{quarantined: "it hangs"}},
		"quarantined nodes stay cordoned":     {steps: steps(cordon, quarantine, uncordon), want: map[string]string{quarantined: "it hangs"}},
		"quarantine needs our mark":           {steps: steps(quarantine), wantOpen: true},
		"a later upgrade takes it over":       {steps: steps(cordon, quarantine, cordonByOther), want: map[string]string{quarantined: "it hangs", by: theirs, before: "true"}},
		"and leaves it cordoned when it ends": {steps: steps(cordon, quarantine, cordonByOther, uncordonByOther), want: map[string]string{quarantined: "it hangs"}},
	}
	w := newWorld(t)
	node := w.view().Nodes()[2].Name
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			defer w.patchNode(node, `{"spec":{"unschedulable":null},"metadata":{"annotations":{"`+by+`":null,"`+before+`":null,"`+quarantined+`":null}}}`)
			var last error
			for i, step := range tc.steps {
				last = step(w, node)
				if last != nil && i < len(tc.steps)-1 {
					t.Fatalf("step %d: %v", i, last)
				}
			}
			if got := provider.CodeOf(last); got != tc.wantError || (last == nil) != (tc.wantError == "") {
				t.Errorf("last step: %v, want code %q", last, tc.wantError)
			}
			n := w.node(node)
			if n.Spec.Unschedulable == tc.wantOpen {
				t.Errorf("unschedulable: %t", n.Spec.Unschedulable)
			}
			got := map[string]string{}
			for _, key := range []string{by, before, quarantined} {
				if value, ok := n.Annotations[key]; ok {
					got[key] = value
				}
			}
			if tc.want == nil {
				tc.want = map[string]string{}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("marks (-want +got):\n%s", diff)
			}
		})
	}
}

func steps(s ...func(*world, string) error) []func(*world, string) error { return s }

func TestNodeThatIsGone(t *testing.T) {
	w := newWorld(t)
	if err := w.access.Cordon(t.Context(), "gone", "upgrade-1"); !errors.Is(err, provider.ErrRetry) || provider.CodeOf(err) != provider.CodeNodeNotFound {
		t.Errorf("cordon: %v, want a retry with %s", err, provider.CodeNodeNotFound)
	}
	if err := w.access.Uncordon(t.Context(), "gone", "upgrade-1"); err != nil {
		t.Errorf("uncordon: %v, want nothing to do", err)
	}
}

// TestSteer: the nodes that are named get the taint, all others lose ours and keep what is not ours.
func TestSteer(t *testing.T) {
	w := newWorld(t)
	var names []string
	for _, n := range w.view().Nodes() {
		names = append(names, n.Name)
	}
	defer w.patchNode(names[0], `{"spec":{"taints":null}}`)
	annotations := w.node(names[0]).Annotations
	w.patchNode(names[0], `{"spec":{"taints":[{"key":"theirs","effect":"PreferNoSchedule"},
		{"key":"`+TaintOutdated+`","value":"upgrade-0","effect":"PreferNoSchedule"}]}}`)
	steered := func() []string {
		var out []string
		for _, n := range w.view().Nodes() {
			for _, taint := range n.Spec.Taints {
				if taint.Key == TaintOutdated && taint.Value == "upgrade-1" && taint.Effect == corev1.TaintEffectPreferNoSchedule {
					out = append(out, n.Name)
				}
			}
		}
		return out
	}
	for _, want := range [][]string{names[:2], names[1:], names[1:], nil} {
		if err := w.access.(Steerer).Steer(t.Context(), "upgrade-1", append([]string{"gone"}, want...)); err != nil {
			t.Fatal(err)
		}
		w.until("the taints are shown", func() bool { return slices.Equal(steered(), want) })
	}
	if taints := w.node(names[0]).Spec.Taints; len(taints) != 1 || taints[0].Key != "theirs" {
		t.Errorf("taints of others are now %v", taints)
	}
	if diff := cmp.Diff(annotations, w.node(names[0]).Annotations); diff != "" {
		t.Errorf("annotations (-before +after):\n%s", diff)
	}
}
