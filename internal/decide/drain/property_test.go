// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"
)

// drawWorld draws a cluster in which everything can be drained: each budget lets at least one pod go.
func drawWorld(t *rapid.T) *world {
	seconds := func(name string, lo, hi int) time.Duration {
		return time.Duration(rapid.IntRange(lo, hi).Draw(t, name)) * time.Second
	}
	var apps []*wApp
	for i := range rapid.IntRange(1, 4).Draw(t, "apps") {
		a := &wApp{
			name: fmt.Sprintf("app-%d", i), replicas: rapid.IntRange(1, 8).Draw(t, "replicas"),
			term: seconds("term", 1, 20), start: seconds("start", 1, 20), stateful: rapid.Bool().Draw(t, "stateful"),
		}
		a.away = rapid.IntRange(-1, a.replicas).Draw(t, "away")
		if a.away == 0 {
			a.away = 1
		}
		a.grace = max(a.term, seconds("grace", 1, 30))
		apps = append(apps, a)
	}
	return newWorld(rapid.Int64().Draw(t, "seed"), rapid.IntRange(2, 6).Draw(t, "nodes"), apps...)
}

// TestEverythingIsDrained plays upgrades of small clusters of all kinds with a watch that is up to date: no budget is
// ever violated, the API never refuses, no pod is asked twice, and all ends in the time that one pod after the other
// would take.
func TestEverythingIsDrained(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		var limit time.Duration
		for _, a := range w.apps {
			limit += time.Duration(a.replicas*len(w.nodes)) * (a.term + a.start)
		}
		limit += time.Duration(len(w.nodes)) * time.Minute
		took := w.renew(rapid.IntRange(1, len(w.nodes)-1).Draw(t, "in flight"), time.Minute, Order)
		if took < 0 || took > limit {
			t.Errorf("took %s, one after the other takes %s", took, limit)
		}
		if w.refused > 0 {
			t.Errorf("the API refused %d evictions", w.refused)
		}
		w.checkPromises(t)
	})
}

// checkPromises checks what must hold in every world.
func (w *world) checkPromises(t *rapid.T) {
	for _, a := range w.apps {
		if a.away >= 0 && w.least[a.name] < a.replicas-a.away {
			t.Errorf("%s had only %d healthy pods of %d, and %d may be away", a.name, w.least[a.name], a.replicas, a.away)
		}
	}
	for pod, n := range w.asked {
		if n > 1 {
			t.Errorf("%s was evicted %d times", pod, n)
		}
	}
}

// TestAWatchThatLags shows Decide a mixture of old and new: pods and budgets come by different watches, each as late
// as it likes, and what was granted is remembered as package member does. The API may refuse then; budgets still
// hold, no pod is asked twice, and a node that is called drained is empty.
func TestAWatchThatLags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for _, n := range w.nodes {
			if len(w.nodes) > 1 && n.name != "node-00" {
				n.cordoned, n.since = true, w.now
			}
		}
		seen := w.snapshot(0)
		granted := map[string]bool{}
		for range 2000 {
			fresh := w.snapshot(0)
			if rapid.Bool().Draw(t, "pods shown") {
				seen.Pods = fresh.Pods
			}
			if rapid.Bool().Draw(t, "budgets shown") {
				seen.Budgets = fresh.Budgets
			}
			for i := range seen.Pods {
				seen.Pods[i].Evicting = granted[seen.Pods[i].UID]
			}
			d := Decide(seen, w.now)
			for _, e := range d.Evict {
				if w.evict(e.UID) {
					granted[e.UID] = true
				}
			}
			if w.done(t, d, cmp.Equal(seen.Pods, fresh.Pods)) {
				w.checkPromises(t)
				return
			}
			w.place()
			w.sync()
			w.step(w.now.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "pause")) * time.Millisecond))
		}
		t.Fatalf("not drained after %s", w.now.Sub(epoch))
	})
}

// done says whether every node is drained, and checks it when the decision saw the pods as they are.
func (w *world) done(t *rapid.T, d Decision, sawAll bool) bool {
	all := true
	for _, n := range d.Nodes {
		all = all && n.Drained
		if !n.Drained || !sawAll {
			continue
		}
		for _, p := range w.pods {
			if p.node == n.Name {
				t.Errorf("%s is called drained and has %s", n.Name, p.uid)
			}
		}
	}
	return all && sawAll
}

// TestOrderOfTheInput: the same facts in any order give the same decision.
func TestOrderOfTheInput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSnapshot(t)
		want := Decide(s, at(time.Minute))
		other := s
		other.Pods, other.Budgets, other.Nodes = slices.Clone(s.Pods), slices.Clone(s.Budgets), slices.Clone(s.Nodes)
		r := rand.New(rand.NewSource(rapid.Int64().Draw(t, "shuffle")))
		r.Shuffle(len(other.Pods), func(i, j int) { other.Pods[i], other.Pods[j] = other.Pods[j], other.Pods[i] })
		r.Shuffle(len(other.Budgets), func(i, j int) { other.Budgets[i], other.Budgets[j] = other.Budgets[j], other.Budgets[i] })
		r.Shuffle(len(other.Nodes), func(i, j int) { other.Nodes[i], other.Nodes[j] = other.Nodes[j], other.Nodes[i] })
		got := Decide(other, at(time.Minute))
		for i, n := range other.Nodes {
			if got.Nodes[i].Name != n.Name {
				t.Fatalf("state %d is of %s, the snapshot has %s there", i, got.Nodes[i].Name, n.Name)
			}
		}
		slices.SortFunc(got.Nodes, func(a, b NodeState) int { return strings.Compare(a.Name, b.Name) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("decision (-first +shuffled):\n%s", diff)
		}
	})
}

// TestNoUnitIsHandedOutTwice: whatever the snapshot, no more is evicted than each budget allows.
func TestNoUnitIsHandedOutTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSnapshot(t)
		d := Decide(s, at(time.Minute))
		pods := map[string]Pod{}
		for _, p := range s.Pods {
			pods[p.UID] = p
		}
		left := map[string]int{}
		for _, b := range s.Budgets {
			left[b.Name] = b.DisruptionsAllowed
		}
		for _, e := range d.Evict {
			p := pods[e.UID]
			if p.DaemonSet || p.Mirror || p.Evicting || !p.DeletionAt.IsZero() {
				t.Errorf("%s is asked to go, and it is %+v", e.Name, p)
			}
			if app := p.Labels["app"]; p.Ready && !p.Pending && !p.Finished {
				if left[app]--; left[app] < 0 {
					t.Errorf("%s goes, and its budget has nothing left", e.Name)
				}
			}
		}
	})
}

// TestNoStateContradictsItself: a node is drained exactly when no pod is left, and then nothing is in its way.
func TestNoStateContradictsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, n := range Decide(drawSnapshot(t), at(time.Minute)).Nodes {
			if n.Drained != (n.PodsLeft == 0) || n.Drained && (n.TimedOut || len(n.Blockers)+len(n.Ending) > 0) {
				t.Errorf("the state contradicts itself: %+v", n)
			}
		}
	})
}

// drawSnapshot draws facts that need not fit together, each workload with one budget of its name.
func drawSnapshot(t *rapid.T) Snapshot {
	s := Snapshot{Timeout: 2 * time.Minute}
	for i := range rapid.IntRange(1, 4).Draw(t, "nodes") {
		s.Nodes = append(s.Nodes, Node{
			Name: fmt.Sprintf("n%d", i), Ready: rapid.Bool().Draw(t, "ready"),
			Since: at(-time.Duration(rapid.IntRange(0, 2).Draw(t, "since")) * time.Minute),
		})
	}
	for i := range 3 {
		app := fmt.Sprintf("app-%d", i)
		s.Budgets = append(s.Budgets, aBudget(app, units{rapid.IntRange(-1, 3).Draw(t, "allowed"), rapid.IntRange(0, 5).Draw(t, "healthy"), 3, 5},
			func(b *Budget) {
				b.Selector = labels.SelectorFromSet(labels.Set{"app": app})
				b.Observed = rapid.Bool().Draw(t, "observed")
				b.AlwaysAllowUnhealthy = rapid.Bool().Draw(t, "always")
			}))
	}
	for i := range rapid.IntRange(0, 12).Draw(t, "pods") {
		app := fmt.Sprintf("app-%d", rapid.IntRange(0, 2).Draw(t, "app"))
		s.Pods = append(s.Pods, aPod(app, fmt.Sprintf("p%02d", i), rapid.SampledFrom(s.Nodes).Draw(t, "node").Name, func(p *Pod) {
			p.Ready = rapid.Bool().Draw(t, "pod ready")
			switch rapid.IntRange(0, 8).Draw(t, "kind") {
			case 0:
				p.DaemonSet = true
			case 1:
				p.Mirror = true
			case 2:
				p.Finished = true
			case 3:
				p.Pending = true
			case 4:
				p.Evicting = true
			case 5:
				p.DeletionAt = at(time.Duration(rapid.IntRange(0, 80).Draw(t, "deletion")) * time.Second)
			case 6:
				p.RefusedUntil = at(time.Duration(rapid.IntRange(50, 70).Draw(t, "refused")) * time.Second)
			}
		}))
	}
	return s
}
