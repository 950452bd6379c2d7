// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// TestWhatWasWrittenCountsUntilItsWatchShowsIt: between the two a pass on the old cache, of this run or of another one of
// the fleet, would start one cluster more than may be in flight.
func TestWhatWasWrittenCountsUntilItsWatchShowsIt(t *testing.T) {
	written := time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)
	run, other, elsewhere := types.NamespacedName{Namespace: "fleet", Name: "a"}, types.NamespacedName{Namespace: "fleet", Name: "b"}, types.NamespacedName{Namespace: "f2", Name: "a"}
	upgrade := func(generation int64) *v1alpha1.ClusterUpgrade {
		return &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "a-one", Generation: generation}}
	}
	gate := &v1alpha1.Gate{ObjectMeta: metav1.ObjectMeta{Name: "a-ok", Generation: 1}}
	for name, tc := range map[string]struct {
		run           types.NamespacedName
		shown         rollout.Snapshot // what the cache shows in an earlier pass
		forget        bool
		after         time.Duration
		cached        rollout.Snapshot // what it shows in this one
		want          []string
		wantElsewhere []string
	}{
		"in the next pass":                    {run: run, after: time.Second, want: []string{"a-ok", "a-one 2"}},
		"in place of what is older":           {run: run, after: time.Second, cached: rollout.Snapshot{Upgrades: []*v1alpha1.ClusterUpgrade{upgrade(1)}}, want: []string{"a-ok", "a-one 2"}},
		"not in place of what is newer":       {run: run, after: time.Second, cached: rollout.Snapshot{Upgrades: []*v1alpha1.ClusterUpgrade{upgrade(3)}}, want: []string{"a-ok", "a-one 3"}},
		"in another run of the fleet":         {run: other, after: time.Second, wantElsewhere: []string{"a-one 2"}},
		"there too in place of what is older": {run: other, after: time.Second, cached: rollout.Snapshot{Elsewhere: []*v1alpha1.ClusterUpgrade{upgrade(1)}}, wantElsewhere: []string{"a-one 2"}},
		"not in another fleet":                {run: elsewhere, after: time.Second},
		"not when the run is gone":            {run: run, forget: true, after: time.Second},
		"not for ever: it may be deleted":     {run: run, after: assumedFor + time.Second},
		"not after the cache has shown it":    {run: run, shown: rollout.Snapshot{Upgrades: []*v1alpha1.ClusterUpgrade{upgrade(2)}}, after: time.Second, want: []string{"a-ok"}},
		"not a gate that the cache has shown": {run: run, shown: rollout.Snapshot{Gates: []*v1alpha1.Gate{gate}}, after: time.Second, want: []string{"a-one 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAssumed()
			for _, o := range []client.Object{upgrade(2), gate} {
				a.remember(run, o, written)
			}
			a.addTo(run, &tc.shown, written)
			if tc.forget {
				a.forget(run)
			}
			a.addTo(tc.run, &tc.cached, written.Add(tc.after))
			var got []string
			for _, g := range tc.cached.Gates {
				got = append(got, g.Name)
			}
			if got = append(got, named(tc.cached.Upgrades)...); !slices.Equal(got, tc.want) {
				t.Errorf("assumed %v, want %v", got, tc.want)
			}
			if got := named(tc.cached.Elsewhere); !slices.Equal(got, tc.wantElsewhere) {
				t.Errorf("assumed of other runs %v, want %v", got, tc.wantElsewhere)
			}
		})
	}
}

// named are cluster upgrades by name and generation.
func named(upgrades []*v1alpha1.ClusterUpgrade) (out []string) {
	for _, u := range upgrades {
		out = append(out, fmt.Sprintf("%s %d", u.Name, u.Generation))
	}
	return out
}

// TestPassesOfAFleetTakeTurns: two at once would each take the room that is left for one.
func TestPassesOfAFleetTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		end := turns.take("fleet")
		second := false
		go func() {
			defer turns.take("fleet")()
			second = true
		}()
		time.Sleep(time.Hour)
		turns.take("other fleet")()
		if second {
			t.Error("two passes at once")
		}
		end()
		synctest.Wait()
		if !second {
			t.Error("the second pass never had its turn")
		}
	})
}
