// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
)

// large is a fleet of many sizes in three stages, with windows, for plays that bring ends forward.
func large(n int, seed int64) *scene {
	s := newScene()
	r := rand.New(rand.NewSource(seed))
	for i, env := range []string{"staging", "canary", "production"} {
		s.strategy.Stages = append(s.strategy.Stages, v1alpha1.StrategyStage{Name: env})
		for g := range i + 1 {
			group := v1alpha1.StrategyGroup{Name: fmt.Sprintf("g%d", g), Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": env, "g": fmt.Sprint(g)}},
				MaxConcurrency: new(intstr.FromInt(2 + r.Intn(12))), Canaries: int32(r.Intn(3))}
			s.strategy.Stages[i].Groups = append(s.strategy.Stages[i].Groups, group)
		}
	}
	for i := range n {
		stage := min(2, r.Intn(8))
		c := s.add(fmt.Sprintf("c%05d", i), s.strategy.Stages[stage].Name, int32(1+r.Intn(40)))
		c.Labels["g"] = fmt.Sprint(r.Intn(stage + 1))
		if r.Intn(2) == 0 {
			c.Spec.CalendarRef = &v1alpha1.LocalObjectReference{Name: "night"}
		}
	}
	s.calendars(nightly("night", "20:00", 8*hour))
	return s
}

// TestLargeFleetsEndWhenTheExactPlaySays: bringing ends forward must cost nothing but the order of a few clusters.
func TestLargeFleetsEndWhenTheExactPlaySays(t *testing.T) {
	for seed := range int64(3) {
		s := large(1000, seed)
		quick := Make(s.Input)
		s.Exact = true
		exact := Make(s.Input)
		if quick.ExpectedEnd.P50 == nil || exact.ExpectedEnd.P50 == nil {
			t.Fatalf("seed %d: no end: %+v", seed, quick.Blockers)
		}
		spans, off := exact.ExpectedEnd.P50.Sub(epoch), quick.ExpectedEnd.P50.Sub(*exact.ExpectedEnd.P50).Abs()
		if off > max(spans/50, 24*hour) { // a cluster that misses its window waits a day
			t.Errorf("seed %d: %s after the begin is %s off the exact play", seed, quick.ExpectedEnd.P50.Sub(epoch), off)
		}
		if early := beforeCanaries(s, quick); early != "" && beforeCanaries(s, exact) == "" {
			t.Errorf("seed %d: %s, which the exact play does not do", seed, early)
		}
		if quick.Passes*3 > exact.Passes*2 {
			t.Errorf("seed %d: %d passes where the exact play has %d", seed, quick.Passes, exact.Passes)
		}
	}
}

// beforeCanaries names a cluster that begins before the canaries of its group have ended.
func beforeCanaries(s *scene, f *Forecast) string {
	for _, stage := range s.strategy.Stages {
		for _, g := range stage.Groups {
			var ended time.Time
			n := int32(0)
			for _, c := range f.Clusters {
				if c.Stage != stage.Name || c.Group != g.Name {
					continue
				}
				switch n++; {
				case n <= g.Canaries:
					ended = later(ended, *c.End)
				case c.Start.Before(ended):
					return fmt.Sprintf("%s begins before the canaries of %s/%s have ended", c.Name, c.Stage, c.Group)
				}
			}
		}
	}
	return ""
}

// TestPlacesGoOnSideBySide: with fewer clusters at a time than share a decision, none of the places may run ahead.
func TestPlacesGoOnSideBySide(t *testing.T) {
	s := newScene()
	s.strategy.Stages = []v1alpha1.StrategyStage{{Name: "all", Groups: []v1alpha1.StrategyGroup{{
		Name: "all", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": "all"}}, MaxConcurrency: new(intstr.FromInt32(5)),
	}}}}
	r := rand.New(rand.NewSource(1))
	for i := range 2500 {
		s.add(fmt.Sprintf("c%05d", i), "all", int32(1+r.Intn(40))).Spec.NodeRollout.MaxSurge = new(intstr.FromInt32(1))
	}
	quick := Make(s.Input)
	s.Exact = true
	exact := Make(s.Input)
	if off := quick.ExpectedEnd.P50.Sub(*exact.ExpectedEnd.P50).Abs(); off > 3*hour { // about as long as one takes
		t.Errorf("%s off the %s of the exact play", off, exact.ExpectedEnd.P50.Sub(epoch))
	}
}

// TestALongSoakIsNoManyLooks: virtual time has no reason to look while nothing happens.
func TestALongSoakIsNoManyLooks(t *testing.T) {
	s := newScene("staging")
	s.strategy.Stages[0].Soak = &v1alpha1.Soak{Duration: metav1.Duration{Duration: 168 * hour}}
	if f := Make(s.Input); f.Passes > 10 {
		t.Errorf("%d passes", f.Passes)
	}
}

// TestNoForecastBreaksALimit: at no instant are more clusters of a group in flight than it allows, nor does work begin
// or rest outside its windows.
func TestNoForecastBreaksALimit(t *testing.T) {
	for seed := range int64(3) {
		s := large(700, seed)
		f := Make(s.Input)
		groups := map[string][]Cluster{}
		for _, c := range f.Clusters {
			groups[c.Stage+"/"+c.Group] = append(groups[c.Stage+"/"+c.Group], c)
		}
		for _, stage := range s.strategy.Stages {
			for _, g := range stage.Groups {
				members := groups[stage.Name+"/"+g.Name]
				if got, limit := atOnce(members), g.MaxConcurrency.IntValue(); got > limit {
					t.Errorf("seed %d: %d clusters of %s/%s are in flight at once, allowed are %d", seed, got, stage.Name, g.Name, limit)
				}
			}
		}
		for _, c := range f.Clusters {
			if s.cluster(c.Name).Spec.CalendarRef == nil {
				continue
			}
			if h := c.Start.Hour(); h >= 4 && h < 20 {
				t.Errorf("seed %d: %s begins at %s, outside 20:00 to 04:00", seed, c.Name, c.Start)
			}
		}
	}
}

// atOnce is the largest number of clusters in flight together.
func atOnce(clusters []Cluster) int {
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, c := range clusters {
		changes = append(changes, change{*c.Start, 1}, change{*c.End, -1})
	}
	slices.SortFunc(changes, func(a, b change) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.by - b.by
	})
	now, most := 0, 0
	for _, c := range changes {
		now += c.by
		most = max(most, now)
	}
	return most
}

// TestTheOrderOfTheInputDoesNotMatter: lists come from caches in any order.
func TestTheOrderOfTheInputDoesNotMatter(t *testing.T) {
	s := large(600, 1)
	want := lines(Make(s.Input))
	r := rand.New(rand.NewSource(2))
	r.Shuffle(len(s.Snapshot.Clusters), func(i, j int) {
		s.Snapshot.Clusters[i], s.Snapshot.Clusters[j] = s.Snapshot.Clusters[j], s.Snapshot.Clusters[i]
	})
	if diff := cmp.Diff(want, lines(Make(s.Input))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
