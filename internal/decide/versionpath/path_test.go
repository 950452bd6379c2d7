// SPDX-License-Identifier: Apache-2.0

package versionpath

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sengu.dev/sengu/api/v1alpha1"
)

// wantError checks the reason and the sentence; both empty: no error.
func wantError(t *testing.T, err error, reason, message string) {
	t.Helper()
	got := &Error{}
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Fatalf("error %#v is of no known kind", err)
		}
		got = e
	}
	if diff := cmp.Diff(&Error{Reason: reason, Message: message}, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func TestResolve(t *testing.T) {
	tests := map[string]struct {
		target      string
		offers      []Offers
		want        string
		wantReason  string
		wantMessage string
	}{
		"the newest patch that all are offered": {
			target: "1.37",
			offers: []Offers{
				{Cluster: "tokyo", Current: "1.36.4", Versions: []string{"1.37.1", "1.37.2", "1.37.3"}},
				{Cluster: "osaka", Current: "1.36.3", Versions: []string{"1.37.2", "1.37.0", "1.36.4"}},
			},
			want: "1.37.2",
		},
		"a preview is never chosen": {
			target:     "1.38",
			offers:     []Offers{{Cluster: "tokyo", Current: "1.37.2", Versions: []string{"1.38.0-rc.1", "1.38.0-beta.0"}}},
			wantReason: v1alpha1.ReasonUnknownVersion, wantMessage: "1.38 is not offered to tokyo; offered: 1.38.0-beta.0, 1.38.0-rc.1",
		},
		"a preview that is named is taken": {
			target: "1.38.0-rc.1",
			offers: []Offers{{Cluster: "tokyo", Versions: []string{"1.38.0-rc.1"}}},
			want:   "1.38.0-rc.1",
		},
		"exact": {
			target: "1.37.1",
			offers: []Offers{{Cluster: "tokyo", Current: "1.36.4", Versions: []string{"1.37.1", "1.37.2"}}},
			want:   "1.37.1",
		},
		"the current version counts as offered": {
			target: "1.37",
			offers: []Offers{
				{Cluster: "tokyo", Current: "1.37.2", Versions: []string{"1.38.0"}},
				{Cluster: "osaka", Current: "1.36.3", Versions: []string{"1.37.2"}},
			},
			want: "1.37.2",
		},
		"not offered to one": {
			target:     "1.39",
			offers:     []Offers{{Cluster: "prod-tokyo-1", Current: "1.36.3", Versions: []string{"1.37.2", "1.36.4"}}},
			wantReason: v1alpha1.ReasonUnknownVersion, wantMessage: "1.39 is not offered to prod-tokyo-1; offered: 1.36.4, 1.37.2",
		},
		"nothing is offered": {
			target: "1.37", offers: []Offers{{Cluster: "tokyo", Current: "1.36.3"}},
			wantReason: v1alpha1.ReasonUnknownVersion, wantMessage: "1.37 is not offered to tokyo: nothing is offered to it now",
		},
		"no patch in common": {
			target:      "1.37",
			offers:      []Offers{{Cluster: "tokyo", Versions: []string{"1.37.1"}}, {Cluster: "osaka", Versions: []string{"1.37.2"}}},
			wantReason:  v1alpha1.ReasonUnknownVersion,
			wantMessage: "no patch of 1.37 is offered to all clusters: choose fewer clusters, or wait until the same patch is offered everywhere",
		},
		"a cluster is past the minor": {
			target:     "1.36",
			offers:     []Offers{{Cluster: "tokyo", Current: "1.37.2", Versions: []string{"1.38.0"}}},
			wantReason: v1alpha1.ReasonDowngrade, wantMessage: "tokyo runs 1.37.2, which is newer than 1.36, and Kubernetes does not go back: choose 1.37.2 or newer",
		},
		"a cluster is past the newest common patch": {
			target: "1.37",
			offers: []Offers{
				{Cluster: "tokyo", Current: "1.37.3", Versions: []string{"1.37.2"}},
				{Cluster: "osaka", Current: "1.36.3", Versions: []string{"1.37.2"}},
			},
			wantReason: v1alpha1.ReasonDowngrade, wantMessage: "tokyo runs 1.37.3, which is newer than 1.37.2, and Kubernetes does not go back: choose 1.37.3 or newer",
		},
		"no version at all": {
			target:     "latest",
			wantReason: v1alpha1.ReasonUnknownVersion, wantMessage: `"latest" is not a version: write a minor as 1.37 or an exact version as 1.37.2`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Resolve(tc.target, tc.offers...)
			wantError(t, err, tc.wantReason, tc.wantMessage)
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestHops(t *testing.T) {
	tests := map[string]struct {
		from, to    string
		offered     []string
		want        []string
		wantReason  string
		wantMessage string
	}{
		"one minor":           {from: "1.36.3", to: "1.37.2", offered: []string{"1.37.2"}, want: []string{"1.37.2"}},
		"a patch":             {from: "1.37.0", to: "1.37.2", offered: []string{"1.37.1", "1.37.2"}, want: []string{"1.37.2"}},
		"already there":       {from: "1.37.2", to: "1.37.2"},
		"newest patch on way": {from: "1.34.1", to: "1.37.0", offered: []string{"1.35.2", "1.36.9", "1.36.10", "1.36.11-rc.1", "1.35.0", "1.37.0", "1.37.4"}, want: []string{"1.35.2", "1.36.10", "1.37.0"}},
		"a minor on the way is not offered": {
			from: "1.35.1", to: "1.37.2", offered: []string{"1.37.2", "1.35.4"},
			wantReason: v1alpha1.ReasonSkippedMinor, wantMessage: "the way from 1.35.1 to 1.37.2 leads through 1.36, of which nothing is offered; offered: 1.35.4, 1.37.2",
		},
		"not offered": {
			from: "1.36.1", to: "1.37.9", offered: []string{"1.37.2"},
			wantReason: v1alpha1.ReasonUnknownVersion, wantMessage: "1.37.9 is not offered to the cluster; offered: 1.37.2",
		},
		"back": {
			from: "1.37.2", to: "1.36.4", offered: []string{"1.36.4"},
			wantReason: v1alpha1.ReasonDowngrade, wantMessage: "the cluster runs 1.37.2, which is newer than 1.36.4, and Kubernetes does not go back: choose 1.37.2 or newer",
		},
		"another major": {
			from: "1.37.2", to: "2.0.0", offered: []string{"2.0.0"},
			wantReason: v1alpha1.ReasonSkippedMinor, wantMessage: "no known path leads from 1.37.2 to 2.0.0: choose a target of major version 1",
		},
		"from nowhere": {from: "", to: "1.37.2", wantReason: v1alpha1.ReasonUnknownVersion, wantMessage: `"" is not an exact version: write it as 1.37.2`},
		"to nowhere":   {from: "1.37.2", to: "1.37", wantReason: v1alpha1.ReasonUnknownVersion, wantMessage: `"1.37" is not an exact version: write it as 1.37.2`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Hops(tc.from, tc.to, tc.offered)
			wantError(t, err, tc.wantReason, tc.wantMessage)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNodeSteps(t *testing.T) {
	four := []string{"1.30.1", "1.31.1", "1.32.1", "1.33.1"}
	tests := map[string]struct {
		nodes      []string
		from       string
		hops       []string
		want       []string
		wantReason string
	}{
		"three minors need one renewal":     {nodes: []string{"1.30.0"}, from: "1.30.1", hops: []string{"1.31.1", "1.32.1", "1.33.1"}, want: []string{"1.33.1"}},
		"four minors need two":              {nodes: []string{"1.29.5"}, from: "1.29.5", hops: four, want: []string{"1.32.1", "1.33.1"}},
		"the oldest node counts":            {nodes: []string{"1.32.0", "1.30.0", "not known"}, from: "1.32.1", hops: []string{"1.33.1", "1.34.1"}, want: []string{"1.33.1", "1.34.1"}},
		"too old for the first hop already": {nodes: []string{"1.29.0"}, from: "1.32.1", hops: []string{"1.33.1"}, want: []string{"1.32.1", "1.33.1"}},
		"nothing to do":                     {nodes: []string{"1.29.0"}, from: "1.32.1"},
		"no nodes":                          {from: "1.32.1", hops: []string{"1.33.1"}},
		"a node too new":                    {nodes: []string{"1.33.0"}, from: "1.32.1", hops: []string{"1.33.1"}, wantReason: v1alpha1.ReasonSkewTooLarge},
		"a node too old":                    {nodes: []string{"1.28.0"}, from: "1.32.1", hops: []string{"1.33.1"}, wantReason: v1alpha1.ReasonSkewTooLarge},
		"a hop that is no version":          {nodes: []string{"1.32.0"}, from: "1.32.1", hops: []string{"new"}, wantReason: v1alpha1.ReasonUnknownVersion},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := NodeSteps(tc.nodes, tc.from, tc.hops)
			if e, _ := errors.AsType[*Error](err); (err != nil) != (tc.wantReason != "") || (e != nil && e.Reason != tc.wantReason) {
				t.Errorf("error %v, want reason %q", err, tc.wantReason)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAWayIsSafe: whatever is offered, a way goes up, one minor at a time, through what is offered, to the target; and
// nodes that are renewed where NodeSteps says are never too old nor newer than their control plane.
func TestAWayIsSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := drawVersion(t), drawVersion(t)
		var offered []string
		for range rapid.IntRange(0, 30).Draw(t, "offers") {
			offered = append(offered, drawVersion(t).String())
		}
		if rapid.Bool().Draw(t, "all offered") {
			for m := from.Minor; m <= to.Minor; m++ {
				offered = append(offered, Version{Major: 1, Minor: m, Patch: 1}.String())
			}
			offered = append(offered, to.String())
		}
		hops, err := Hops(from.String(), to.String(), offered)
		if err != nil {
			if from.Compare(to) == 0 {
				t.Errorf("already there: %v", err)
			}
			return
		}
		at := from
		for _, hop := range hops {
			next, err := Parse(hop)
			if err != nil {
				t.Fatal(err)
			}
			if next.Compare(at) <= 0 || next.Minor-at.Minor > 1 {
				t.Errorf("a hop from %s to %s", at, next)
			}
			if next.Preview() && next != to {
				t.Errorf("the way leads through the preview %s", next)
			}
			at = next
		}
		if at != to {
			t.Errorf("the way ends at %s, not at %s", at, to)
		}
		checkNodes(t, from, hops)
	})
}

func checkNodes(t *rapid.T, from Version, hops []string) {
	node := Version{Major: 1, Minor: from.Minor - rapid.IntRange(0, MaxSkew).Draw(t, "node behind")}
	if node.Compare(from) > 0 {
		return // from is a preview of that minor
	}
	steps, err := NodeSteps([]string{node.String()}, from.String(), hops)
	if err != nil {
		t.Fatal(err)
	}
	renewed := 0
	for _, at := range append([]string{from.String()}, hops...) {
		control, _ := Parse(at)
		if skew := control.Minor - node.Minor; skew > MaxSkew {
			t.Errorf("a node on %s under a control plane on %s", node, control)
		}
		if renewed < len(steps) && steps[renewed] == at {
			node = control
			renewed++
		}
	}
	if renewed != len(steps) {
		t.Errorf("renewals at %v, of which %d are on the way %v", steps, renewed, hops)
	}
	// A renewal carries the nodes through MaxSkew more minors, so no more of them are needed than this.
	if most := (len(hops)+MaxSkew)/MaxSkew + 1; len(steps) > most {
		t.Errorf("%d renewals for %d hops, %d are enough", len(steps), len(hops), most)
	}
	if len(hops) > 0 && (len(steps) == 0 || steps[len(steps)-1] != hops[len(hops)-1]) {
		t.Errorf("the nodes end at %v, not at the target", steps)
	}
}
