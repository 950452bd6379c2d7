// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"cmp"
	"fmt"
	"math/rand"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

type chooser = func([]NodeLoad, []Budget) []NodeLoad

func byName(c []NodeLoad, _ []Budget) []NodeLoad {
	return slices.SortedFunc(slices.Values(c), func(a, b NodeLoad) int { return cmp.Compare(a.Node, b.Node) })
}

func byChance(c []NodeLoad, _ []Budget) []NodeLoad {
	c = byName(c, nil)
	rand.New(rand.NewSource(int64(len(c)))).Shuffle(len(c), func(i, j int) { c[i], c[j] = c[j], c[i] })
	return c
}

func emptiestFirst(c []NodeLoad, _ []Budget) []NodeLoad {
	return slices.SortedFunc(slices.Values(c), func(a, b NodeLoad) int {
		return cmp.Or(cmp.Compare(a.Pods, b.Pods), cmp.Compare(a.Node, b.Node))
	})
}

// mixed are ten workloads of very different size and haste.
func mixed() []*wApp {
	var apps []*wApp
	for i := range 10 {
		apps = append(apps, &wApp{
			name: fmt.Sprintf("mixed-%02d", i), replicas: 10 + 20*(i%4), away: 1 + 2*(i%4), stateful: i%2 == 0,
			term: time.Duration(2+i*3) * time.Second, start: 5 * time.Second, grace: 30 * time.Second,
		})
	}
	return apps
}

// hot is a workload whose budget is the bottleneck, on the nodes with the last names, and one that is easy.
func hot() []*wApp {
	return []*wApp{
		{name: "hot", first: 40, replicas: 40, away: 2, term: 10 * time.Second, start: 10 * time.Second, grace: 30 * time.Second, stateful: true},
		{name: "cold", replicas: 160, away: 20, term: 15 * time.Second, start: 5 * time.Second, grace: 30 * time.Second},
	}
}

// TestOrder plays whole upgrades in virtual time, because an order is good only if the upgrade ends early.
func TestOrder(t *testing.T) {
	t.Parallel()
	mean := func(apps func() []*wApp, choose chooser) time.Duration {
		var sum time.Duration
		for seed := range int64(4) {
			w := newWorld(seed, 50, apps()...)
			w.preferNew = true
			took := w.renew(5, 10*time.Second, choose)
			if took < 0 {
				t.Fatal("the upgrade does not end")
			}
			if w.refused > 0 {
				t.Errorf("the API refused %d evictions; with fresh budgets Decide asks for none that is not allowed", w.refused)
			}
			for _, a := range w.apps {
				if least := w.least[a.name]; least < a.replicas-a.away {
					t.Errorf("%s had only %d of %d healthy pods, its budget wants %d", a.name, least, a.replicas, a.replicas-a.away)
				}
			}
			sum += took
		}
		return sum / 4
	}
	oursMixed := sync.OnceValue(func() time.Duration { return mean(mixed, Order) })
	oursHot := sync.OnceValue(func() time.Duration { return mean(hot, Order) })
	tests := map[string]struct {
		apps  func() []*wApp
		ours  func() time.Duration
		other chooser
		want  float64 // at most this part of the other's time
	}{
		"workloads of all sizes, against the order of names":   {apps: mixed, ours: oursMixed, other: byName, want: 0.97},
		"workloads of all sizes, against chance":               {apps: mixed, ours: oursMixed, other: byChance, want: 0.91},
		"workloads of all sizes, against emptiest first":       {apps: mixed, ours: oursMixed, other: emptiestFirst, want: 0.97},
		"one slow budget on ten nodes, against names":          {apps: hot, ours: oursHot, other: byName, want: 0.75},
		"one slow budget on ten nodes, against emptiest first": {apps: hot, ours: oursHot, other: emptiestFirst, want: 0.9},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, other := tc.ours(), mean(tc.apps, tc.other)
			t.Logf("ours %s, other %s", ours, other)
			if float64(ours) > tc.want*float64(other) {
				t.Errorf("ours took %s and the other %s: more than %.2f of it", ours, other, tc.want)
			}
		})
	}
}

func TestOrderChoosesBy(t *testing.T) {
	budget := func(name string, allowed, desired, expected int) Budget {
		return Budget{Namespace: "shop", Name: name, DisruptionsAllowed: allowed, Healthy: expected, Desired: desired, Expected: expected, Observed: true}
	}
	load := func(node string, grace int64, counts map[string]int) NodeLoad {
		l := NodeLoad{Node: node, Budgets: counts, LongestGrace: grace}
		for _, n := range counts {
			l.Pods += n
		}
		return l
	}
	tests := map[string]struct {
		candidates []NodeLoad
		budgets    []Budget
		want       []string
	}{
		"nothing to choose from": {want: nil},
		"names when all is equal": {
			candidates: []NodeLoad{load("c", 30, nil), load("a", 30, nil), load("b", 30, nil)},
			want:       []string{"a", "b", "c"},
		},
		"the longest grace first, for it ends last": {
			candidates: []NodeLoad{load("a", 30, nil), load("b", 600, nil)},
			want:       []string{"b", "a"},
		},
		"other budgets before a second node of the same": {
			candidates: []NodeLoad{
				load("a1", 30, map[string]int{"shop/web": 2}), load("a2", 30, map[string]int{"shop/web": 2}),
				load("b1", 30, map[string]int{"shop/db": 1}),
			},
			budgets: []Budget{budget("web", 2, 8, 10), budget("db", 1, 2, 3)},
			want:    []string{"a1", "b1", "a2"},
		},
		"a budget that nodes in hand hold is left alone": {
			candidates: []NodeLoad{load("a", 30, map[string]int{"shop/web": 1}), load("b", 30, map[string]int{"shop/db": 1})},
			budgets:    []Budget{budget("web", 0, 9, 10), budget("db", 1, 2, 3)},
			want:       []string{"b", "a"},
		},
		"the budget that needs most rounds first": {
			candidates: []NodeLoad{
				load("a", 30, map[string]int{"shop/web": 1}),
				load("b", 30, map[string]int{"shop/db": 1}), load("c", 30, map[string]int{"shop/db": 1}),
			},
			budgets: []Budget{budget("web", 1, 9, 10), budget("db", 1, 2, 3)},
			want:    []string{"b", "a", "c"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for seed := range int64(5) {
				in := slices.Clone(tc.candidates)
				rand.New(rand.NewSource(seed)).Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
				var got []string
				for _, l := range Order(in, tc.budgets) {
					got = append(got, l.Node)
				}
				if diff := gocmp.Diff(tc.want, got); diff != "" {
					t.Fatalf("order (-want +got):\n%s", diff)
				}
			}
		})
	}
}
