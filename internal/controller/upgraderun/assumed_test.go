// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// TestWhatWasCreatedCountsUntilItsWatchShowsIt: between the two a pass on the old cache would start one cluster more
// than may be in flight.
func TestWhatWasCreatedCountsUntilItsWatchShowsIt(t *testing.T) {
	created := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	run, other := types.NamespacedName{Namespace: "fleet", Name: "a"}, types.NamespacedName{Namespace: "fleet", Name: "b"}
	upgrade := &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "a-one", CreationTimestamp: metav1.NewTime(created)}}
	gate := &v1alpha1.Gate{ObjectMeta: metav1.ObjectMeta{Name: "a-ok", CreationTimestamp: metav1.NewTime(created)}}
	for name, tc := range map[string]struct {
		run    types.NamespacedName
		shown  rollout.Snapshot // what the cache shows in an earlier pass
		forget bool
		after  time.Duration
		want   []string
	}{
		"in the next pass":                    {run: run, after: time.Second, want: []string{"a-ok", "a-one"}},
		"not in another run":                  {run: other, after: time.Second},
		"not when the run is gone":            {run: run, forget: true, after: time.Second},
		"not for ever: it may be deleted":     {run: run, after: assumedFor + time.Second},
		"not after the cache has shown it":    {run: run, shown: rollout.Snapshot{Upgrades: []*v1alpha1.ClusterUpgrade{upgrade}}, after: time.Second, want: []string{"a-ok"}},
		"not a gate that the cache has shown": {run: run, shown: rollout.Snapshot{Gates: []*v1alpha1.Gate{gate}}, after: time.Second, want: []string{"a-one"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAssumed()
			for _, o := range []client.Object{upgrade, gate} {
				a.remember(run, o)
			}
			a.addTo(run, &tc.shown, created)
			if tc.forget {
				a.forget(run)
			}
			var next rollout.Snapshot
			a.addTo(tc.run, &next, created.Add(tc.after))
			var got []string
			for _, g := range next.Gates {
				got = append(got, g.Name)
			}
			for _, u := range next.Upgrades {
				got = append(got, u.Name)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("assumed %v, want %v", got, tc.want)
			}
		})
	}
}
