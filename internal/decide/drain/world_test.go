// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// world plays a cluster in virtual time: the eviction subresource, the disruption controller, the controllers that
// replace pods, and a scheduler. It is written from the API's behaviour and shares no code with Decide.
type world struct {
	now   time.Time
	rnd   *rand.Rand
	nodes map[string]*wNode
	apps  []*wApp
	pods  map[string]*wPod
	next  int // number of the next pod

	granted, refused int
	asked            map[string]int // evictions that were granted, by pod
	least            map[string]int // least number of healthy pods ever, by app
	preferNew        bool
}

type wNode struct {
	name     string
	cordoned bool
	since    time.Time // drain began
	readyAt  time.Time // a replacement that is on its way
	renewed  bool
	dead     bool
}

type wApp struct {
	name                string
	replicas, away      int // away: maxUnavailable of its budget; -1: it has no budget
	term, start, grace  time.Duration
	first               int  // the first node that its pods start on, others follow in turn; 0: anywhere
	stateful            bool // a replacement starts only when its predecessor is gone
	allowed, healthyNow int  // the budget's status; the eviction API counts allowed down, sync works both out anew
}

type wPod struct {
	uid, node string
	app       *wApp
	readyAt   time.Time // zero: it is not on a node yet
	goneAt    time.Time // zero: it is not ending
	deletion  time.Time
}

var epoch = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func newWorld(seed int64, nodes int, apps ...*wApp) *world {
	w := &world{
		now: epoch, rnd: rand.New(rand.NewSource(seed)), apps: apps, nodes: map[string]*wNode{}, pods: map[string]*wPod{},
		asked: map[string]int{}, least: map[string]int{},
	}
	for i := range nodes {
		name := fmt.Sprintf("node-%02d", i)
		w.nodes[name] = &wNode{name: name}
	}
	for _, a := range apps {
		for i := range a.replicas {
			p := w.create(a)
			if a.first > 0 {
				p.node = fmt.Sprintf("node-%02d", a.first+i%(nodes-a.first))
			}
		}
	}
	w.place()
	for _, p := range w.pods {
		p.readyAt = w.now
	}
	w.sync()
	return w
}

func (w *world) create(a *wApp) *wPod {
	p := &wPod{uid: fmt.Sprintf("%s-%04d", a.name, w.next), app: a}
	w.next++
	w.pods[p.uid] = p
	return p
}

// place is the scheduler: the node with the fewest pods, ties by chance.
func (w *world) place() {
	count := map[string]int{}
	for _, p := range w.pods {
		count[p.node]++
	}
	if count[""] == 0 {
		return
	}
	for _, uid := range slices.Sorted(maps.Keys(w.pods)) {
		p := w.pods[uid]
		if p.node != "" {
			continue
		}
		var free []*wNode
		for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
			n := w.nodes[name]
			if !n.cordoned && !n.dead && !w.now.Before(n.readyAt) {
				free = append(free, n)
			}
		}
		if len(free) == 0 {
			continue
		}
		w.rnd.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
		best := slices.MinFunc(free, func(a, b *wNode) int {
			if w.preferNew && a.renewed != b.renewed {
				if a.renewed {
					return -1
				}
				return 1
			}
			return count[a.name] - count[b.name]
		})
		p.node = best.name
		count[best.name]++
		p.readyAt = w.now.Add(p.app.start)
	}
}

func (w *world) healthy(a *wApp) int {
	n := 0
	for _, p := range w.pods {
		if p.app == a && p.ready(w.now) && p.deletion.IsZero() {
			n++
		}
	}
	return n
}

func (p *wPod) ready(now time.Time) bool { return !p.readyAt.IsZero() && !now.Before(p.readyAt) }

// sync is the disruption controller.
func (w *world) sync() {
	for _, a := range w.apps {
		a.healthyNow = w.healthy(a)
		a.allowed = max(0, a.healthyNow-(a.replicas-a.away))
		if least, ok := w.least[a.name]; !ok || a.healthyNow < least {
			w.least[a.name] = a.healthyNow
		}
	}
}

// evict is the eviction subresource. It returns whether it was granted.
func (w *world) evict(uid string) bool {
	p := w.pods[uid]
	if p == nil {
		return true
	}
	if p.deletion.IsZero() && p.ready(w.now) && p.app.away >= 0 {
		if p.app.allowed <= 0 {
			w.refused++
			return false
		}
		p.app.allowed--
	}
	w.granted++
	w.asked[uid]++
	p.deletion = w.now.Add(p.app.grace)
	p.goneAt = w.now.Add(p.app.term)
	if !p.app.stateful {
		w.create(p.app)
	}
	return true
}

// step goes to the next instant at which something happens by itself, or to until if that is earlier; it returns
// false when nothing ever will.
func (w *world) step(until time.Time) bool {
	next := until
	consider := func(t time.Time) {
		if t.After(w.now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, p := range w.pods {
		consider(p.readyAt)
		consider(p.goneAt)
	}
	for _, n := range w.nodes {
		consider(n.readyAt)
	}
	if next.IsZero() {
		return false
	}
	w.now = next
	for _, uid := range slices.Sorted(maps.Keys(w.pods)) {
		p := w.pods[uid]
		if p.goneAt.IsZero() || p.goneAt.After(w.now) || w.nodes[p.node].dead {
			continue
		}
		delete(w.pods, uid)
		if p.app.stateful {
			w.create(p.app)
		}
	}
	w.place()
	w.sync()
	return true
}

// snapshot is what a watch that is up to date shows of the cordoned nodes.
func (w *world) snapshot(timeout time.Duration) Snapshot {
	s := Snapshot{Timeout: timeout, Pods: w.drainPods(), Budgets: w.budgets()}
	for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
		if n := w.nodes[name]; n.cordoned {
			s.Nodes = append(s.Nodes, Node{Name: n.name, Since: n.since, Ready: !n.dead})
		}
	}
	return s
}

func (w *world) drainPods() []Pod {
	var out []Pod
	for _, uid := range slices.Sorted(maps.Keys(w.pods)) {
		p := w.pods[uid]
		out = append(out, Pod{
			Namespace: "shop", Name: p.uid, UID: p.uid, Node: p.node, Labels: map[string]string{"app": p.app.name},
			Ready: p.ready(w.now), Pending: p.readyAt.IsZero() || p.readyAt.After(w.now), GracePeriod: p.app.grace,
			DeletionAt: p.deletion,
		})
	}
	return out
}

func (w *world) budgets() []Budget {
	var out []Budget
	for _, a := range w.apps {
		if a.away < 0 {
			continue
		}
		out = append(out, Budget{
			Namespace: "shop", Name: a.name, Selector: labels.SelectorFromSet(labels.Set{"app": a.name}), Observed: true,
			DisruptionsAllowed: a.allowed, Healthy: a.healthyNow, Desired: a.replicas - a.away, Expected: a.replicas,
		})
	}
	return out
}

// renew upgrades every node as the upgrade decider would: at most inFlight nodes at a time, each drained by Decide
// and then replaced, which takes replace. choose puts the candidates in order. It returns how long it took.
func (w *world) renew(inFlight int, replace time.Duration, choose func([]NodeLoad, []Budget) []NodeLoad) time.Duration {
	for {
		busy, open := 0, []string{}
		for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
			n := w.nodes[name]
			switch {
			case n.cordoned || n.readyAt.After(w.now):
				busy++
			case !n.renewed:
				open = append(open, name)
			}
		}
		if busy == 0 && len(open) == 0 {
			return w.now.Sub(epoch)
		}
		if busy < inFlight && len(open) > 0 {
			w.start(choose(Loads(open, w.drainPods(), w.budgets()), w.budgets())[:min(inFlight-busy, len(open))])
		}
		d := Decide(w.snapshot(0), w.now)
		for _, e := range d.Evict {
			w.evict(e.UID)
		}
		w.place()
		for _, n := range d.Nodes {
			if n.Drained {
				node := w.nodes[n.Name]
				node.cordoned, node.renewed, node.readyAt = false, true, w.now.Add(replace)
			}
		}
		if !w.step(d.NextLook) {
			return -1 // nothing moves any more
		}
	}
}

// start drains nodes.
func (w *world) start(chosen []NodeLoad) {
	for _, l := range chosen {
		w.nodes[l.Node].cordoned, w.nodes[l.Node].since = true, w.now
	}
}
