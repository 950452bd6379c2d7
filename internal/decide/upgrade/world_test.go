// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/drain"
)

// world plays a provider and a cluster in virtual time: operations, machines, cordons, pods, budgets and the
// eviction API. It is written from the contracts and shares no code with Decide.
type world struct {
	now     time.Time
	rnd     *rand.Rand
	version string
	// restartUntil: the control plane is being replaced.
	restartUntil time.Time
	pools        map[string]*wPool
	nodes        map[string]*wNode
	apps         []*wApp
	pods         map[string]*wPod
	ops          map[string]*wOp
	started      []string // keys in the order of their first start
	names        int
	refused      int // evictions that a budget refused

	upgradesPools, replacesNodes, noMember bool
	images                                 []string
	// how long things take
	controlPlaneTakes, nodeTakes, bootTakes time.Duration
	faults                                  []fault
	busyUntil                               time.Time
	providerAway, memberAway                time.Time // until when
	providerSays                            *Problem
	broken                                  []string // what the world saw that must never be
	lateBinds                               bool     // the scheduler binds pods that it placed before a cordon
	keepsNames                              bool     // a replaced node has the name, and so the cordon, of the old one
	log                                     func(format string, args ...any)
}

// fault hits the first operation or node that it fits.
type fault struct {
	kind  string // Fail, Reject, Wait, LoseAnswer, NeverReady, Dies, Vanishes
	op    ActionKind
	times int
	code  string
}

type wPool struct {
	name, version, image string
	mode                 v1alpha1.PoolMode
	desired              int
	surge, unavailable   int // limits as the test understands them
}

type wNode struct {
	name, pool, version, image string
	readyAt                    time.Time // never: zero
	dead                       bool
	cordoned, before           bool // before: somebody else had cordoned it
	owner, quarantine          string
}

type wApp struct {
	name           string
	replicas, away int // away: maxUnavailable of its budget; -1: no budget
	term, start    time.Duration
	stuck          bool // its budget allows nothing until it is freed
}

type wPod struct {
	name, node string
	app        *wApp
	readyAt    time.Time
	deletion   time.Time // end of grace; zero: it is not ending
	goneAt     time.Time
	seenAt     time.Time // the watch shows it from then on
}

type wOp struct {
	key, id string
	action  Action
	node    string // new node
	endAt   time.Time
	done    bool
	code    string
	message string
}

var epoch = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

func newWorld(seed int64, version string) *world {
	return &world{
		now: epoch, rnd: rand.New(rand.NewSource(seed)), version: version, pools: map[string]*wPool{}, nodes: map[string]*wNode{},
		pods: map[string]*wPod{}, ops: map[string]*wOp{}, replacesNodes: true, controlPlaneTakes: 3 * time.Minute, nodeTakes: 40 * time.Second,
		bootTakes: 20 * time.Second, log: func(string, ...any) {},
	}
}

// addPool adds a pool whose nodes are of a version and image.
func (w *world) addPool(name string, mode v1alpha1.PoolMode, size int, version, image string) *wPool {
	pool := &wPool{name: name, mode: mode, version: version, image: image, desired: size}
	w.pools[name] = pool
	for range size {
		w.addNode(pool, version, image).readyAt = epoch.Add(-time.Hour)
	}
	return pool
}

func (w *world) addNode(pool *wPool, version, image string) *wNode {
	w.names++
	n := &wNode{name: fmt.Sprintf("%s-%02d", pool.name, w.names), pool: pool.name, version: cmp.Or(version, pool.version), image: cmp.Or(image, pool.image)}
	w.nodes[n.name] = n
	return n
}

func (w *world) addApp(name string, replicas, away int, term, start time.Duration) *wApp {
	a := &wApp{name: name, replicas: replicas, away: away, term: term, start: start}
	w.apps = append(w.apps, a)
	for range replicas {
		w.names++
		p := &wPod{name: fmt.Sprintf("%s-%02d", name, w.names), app: a}
		w.pods[p.name] = p
	}
	w.schedule()
	for _, p := range w.pods {
		p.readyAt = epoch
	}
	return a
}

func (n *wNode) ready(now time.Time) bool {
	return !n.dead && !n.readyAt.IsZero() && !now.Before(n.readyAt)
}

// schedule puts pods without a node on the node with the fewest.
func (w *world) schedule() {
	count := map[string]int{}
	for _, p := range w.pods {
		count[p.node]++
	}
	for _, name := range sortedKeys(w.pods) {
		p := w.pods[name]
		if p.node != "" {
			continue
		}
		var best *wNode
		for _, n := range sortedKeys(w.nodes) {
			node := w.nodes[n]
			if node.cordoned || !node.ready(w.now) {
				continue
			}
			if best == nil || count[node.name] < count[best.name] {
				best = node
			}
		}
		if best != nil {
			p.node = best.name
			count[best.name]++
			p.readyAt = w.now.Add(p.app.start)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (w *world) podReady(p *wPod) bool {
	return p.node != "" && !w.now.Before(p.readyAt) && p.deletion.IsZero() && w.nodes[p.node] != nil && w.nodes[p.node].ready(w.now)
}

func (w *world) allowed(a *wApp) (healthy, allowed int) {
	for _, p := range w.pods {
		if p.app == a && w.podReady(p) {
			healthy++
		}
	}
	if a.stuck {
		return healthy, 0
	}
	return healthy, max(0, healthy-(a.replicas-a.away))
}

// evict is the eviction API.
func (w *world) evict(name string) bool {
	p := w.pods[name]
	if p == nil || !p.deletion.IsZero() {
		return true
	}
	if p.app.away >= 0 && w.podReady(p) {
		if _, allowed := w.allowed(p.app); allowed <= 0 {
			w.refused++
			return false
		}
	}
	p.deletion, p.goneAt = w.now.Add(p.app.term), w.now.Add(p.app.term)
	w.names++
	next := &wPod{name: fmt.Sprintf("%s-%02d", p.app.name, w.names), app: p.app}
	w.pods[next.name] = next
	return true
}

// take uses up a fault.
func (w *world) take(kind string, op ActionKind) *fault {
	for i := range w.faults {
		if f := &w.faults[i]; f.kind == kind && (f.op == "" || f.op == op) && f.times > 0 {
			f.times--
			return f
		}
	}
	return nil
}

// start is the provider's start of an operation.
func (w *world) start(a Action) (id string, problem *Problem) {
	if known := w.ops[a.RequestKey]; known != nil {
		k, b := known.action, a
		k.Reason, b.Reason = "", ""
		if k != b {
			w.breaks("key %s was used for %+v and for %+v", a.RequestKey, k, b)
		}
		return known.id, nil
	}
	if w.now.Before(w.providerAway) {
		return "", &Problem{Kind: ProblemRetry, Code: "ProviderUnreachable", Message: "no answer"}
	}
	if f := w.take("Reject", a.Kind); f != nil {
		return "", &Problem{Kind: ProblemRejected, Code: f.code, Message: "it is not allowed"}
	}
	if f := w.take("Wait", a.Kind); f != nil || w.now.Before(w.busyUntil) {
		return "", &Problem{Kind: ProblemWait, Code: "OperationInProgress", Message: "something else is under way"}
	}
	op := &wOp{key: a.RequestKey, id: fmt.Sprintf("op-%d", len(w.started)+1), action: a}
	w.ops[a.RequestKey] = op
	w.started = append(w.started, a.RequestKey)
	w.beginOp(op)
	if f := w.take("LoseAnswer", a.Kind); f != nil {
		return "", &Problem{Kind: ProblemRetry, Code: "ProviderUnreachable", Message: "the answer was lost"}
	}
	return op.id, nil
}

func (w *world) beginOp(op *wOp) {
	takes := w.nodeTakes
	switch op.action.Kind {
	case ActionUpgradeControlPlane:
		takes = w.controlPlaneTakes
		w.restartUntil = w.now.Add(takes)
	case ActionReplaceNode, ActionRemoveNode:
		w.checkEmpty(op.action)
	}
	op.endAt = w.now.Add(takes)
	if f := w.take("Fail", op.action.Kind); f != nil {
		op.code, op.message = f.code, "the cloud says no"
	}
}

// endOp carries out what an operation does. Machines boot after that.
func (w *world) endOp(op *wOp) {
	a := op.action
	if op.code != "" {
		op.done = true
		w.log("provider: %s failed: %s", a.Kind, op.code)
		return
	}
	switch a.Kind {
	case ActionUpgradeControlPlane:
		w.version = a.Version
	case ActionUpgradeNodePool:
		w.renewPool(op)
		return
	case ActionReplaceNode:
		old := w.nodes[a.Node]
		w.drop(a.Node)
		op.node = w.boot(a)
		if w.keepsNames && old != nil {
			fresh := w.nodes[op.node]
			delete(w.nodes, op.node)
			op.node, fresh.name, fresh.cordoned, fresh.owner, fresh.before = old.name, old.name, old.cordoned, old.owner, old.before
			w.nodes[old.name] = fresh
		}
	case ActionAddNode:
		op.node = w.boot(a)
	case ActionRemoveNode:
		w.drop(a.Node)
	}
	op.done = true
	w.log("provider: %s %s", a.Kind, strings.TrimSpace(strings.Join([]string{"done", a.Version, a.Node, op.node}, " ")))
}

// renewPool renews one node of the pool at a time, as a provider does.
func (w *world) renewPool(op *wOp) {
	pool := w.pools[op.action.Pool]
	pool.version, pool.image = op.action.Version, cmp.Or(op.action.Image, pool.image)
	for _, n := range w.of(op.action.Pool) {
		if n.version != pool.version || n.image != pool.image {
			n.version, n.image, n.readyAt = pool.version, pool.image, w.now.Add(w.bootTakes)
			op.endAt = w.now.Add(w.nodeTakes)
			return
		}
	}
	op.done = true
	w.log("provider: %s done %s", op.action.Kind, op.action.Pool)
}

func (w *world) boot(a Action) string {
	n := w.addNode(w.pools[a.Pool], a.Version, a.Image)
	if w.take("NeverReady", a.Kind) == nil {
		n.readyAt = w.now.Add(w.bootTakes)
	}
	return n.name
}

func (w *world) drop(name string) {
	for _, p := range sortedKeys(w.pods) {
		if w.pods[p].node != name {
			continue
		}
		app, ending := w.pods[p].app, !w.pods[p].deletion.IsZero()
		delete(w.pods, p)
		if !ending {
			w.names++
			next := &wPod{name: fmt.Sprintf("%s-%02d", app.name, w.names), app: app}
			w.pods[next.name] = next
		}
	}
	delete(w.nodes, name)
}

// of a pool, by name.
func (w *world) of(pool string) []*wNode {
	var out []*wNode
	for _, name := range sortedKeys(w.nodes) {
		if w.nodes[name].pool == pool {
			out = append(out, w.nodes[name])
		}
	}
	return out
}

func (w *world) cordon(name, owner string) *Problem {
	n := w.nodes[name]
	if n == nil {
		return &Problem{Kind: ProblemRetry, Code: "NodeNotFound", Message: "gone"}
	}
	if n.owner != owner {
		n.before = n.cordoned
	}
	fresh := !n.cordoned
	n.cordoned, n.owner = true, owner
	if w.lateBinds && fresh && w.rnd.Intn(3) == 0 { // the scheduler had placed it before it saw the cordon
		w.names++
		p := &wPod{name: fmt.Sprintf("late-%02d", w.names), node: name, app: &wApp{name: "late", away: -1, term: time.Second}}
		p.readyAt, p.seenAt = w.now, w.now.Add(1500*time.Millisecond)
		w.pods[p.name] = p
	}
	if f := w.take("Dies", ActionCordon); f != nil {
		n.dead, n.readyAt = true, w.now
		w.log("world: node %s dies", name)
	}
	return nil
}

func (w *world) uncordon(name, owner string) {
	if n := w.nodes[name]; n != nil && n.owner == owner {
		n.cordoned, n.owner, n.before = n.before, "", false
		w.schedule()
	}
}

func (w *world) quarantine(name, owner, reason string) {
	if n := w.nodes[name]; n != nil && n.owner == owner {
		n.cordoned, n.owner, n.before, n.quarantine = true, "", false, reason
	}
}

// advance goes to the next instant at which something happens, at the latest to until; false: nothing ever will.
func (w *world) advance(until time.Time) bool {
	next := until
	consider := func(t time.Time) {
		if t.After(w.now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, p := range w.pods {
		consider(p.readyAt)
		if n := w.nodes[p.node]; n == nil || !n.dead {
			consider(p.goneAt)
		}
	}
	for _, n := range w.nodes {
		consider(n.readyAt)
	}
	for _, op := range w.ops {
		if !op.done {
			consider(op.endAt)
		}
	}
	for _, t := range []time.Time{w.restartUntil, w.busyUntil, w.providerAway, w.memberAway} {
		consider(t)
	}
	if next.IsZero() {
		return false
	}
	w.now = next
	w.happen()
	return true
}

// happen lets everything happen that is due.
func (w *world) happen() {
	for _, key := range w.started {
		if op := w.ops[key]; !op.done && !w.now.Before(op.endAt) {
			w.endOp(op)
		}
	}
	for _, name := range sortedKeys(w.pods) {
		p := w.pods[name]
		if n := w.nodes[p.node]; !p.goneAt.IsZero() && !w.now.Before(p.goneAt) && n != nil && !n.dead {
			delete(w.pods, name)
		}
	}
	w.schedule()
}

// provider is what the provider says now.
func (w *world) provider(ids map[string]string) (*Provider, *Problem) {
	if w.providerSays != nil {
		return nil, w.providerSays
	}
	if w.now.Before(w.providerAway) {
		return nil, &Problem{Kind: ProblemRetry, Code: "ProviderUnreachable", Message: "no answer"}
	}
	out := &Provider{
		Version: w.version, Running: !w.now.Before(w.restartUntil), State: "Running", UpgradesPools: w.upgradesPools, ReplacesNodes: w.replacesNodes,
		Images: w.images, Operations: map[string]Operation{},
	}
	if !out.Running {
		out.State = "Upgrading"
	}
	if w.now.Before(w.busyUntil) {
		out.BusyWith = "foreign"
	}
	for _, key := range w.started {
		op := w.ops[key]
		if !op.done && (op.action.Kind == ActionUpgradeControlPlane || op.action.Kind == ActionUpgradeNodePool) {
			out.BusyWith = op.id
		}
		if ids[key] != "" {
			out.Operations[key] = Operation{ID: op.id, Done: op.done, Succeeded: op.done && op.code == "", Code: op.code, Message: op.message, Node: op.node}
		}
	}
	for _, name := range sortedKeys(w.pools) {
		p := w.pools[name]
		pool := Pool{Name: name, Mode: p.mode, Version: p.version, Image: p.image, Desired: p.desired}
		for _, n := range w.of(name) {
			pool.Nodes = append(pool.Nodes, ProviderNode{Name: n.name, Version: n.version, Image: n.image, Ready: n.ready(w.now)})
		}
		out.Pools = append(out.Pools, pool)
	}
	return out, nil
}

// member is what the member's API says now to the upgrade with a uid.
func (w *world) member(u *v1alpha1.ClusterUpgrade) (*Member, *Problem) {
	if w.noMember {
		return nil, nil
	}
	if w.now.Before(w.memberAway) || w.now.Before(w.restartUntil) {
		return nil, &Problem{Kind: ProblemRetry, Code: v1alpha1.ReasonMemberUnreachable, Message: "no answer"}
	}
	m := &Member{}
	for _, name := range sortedKeys(w.nodes) {
		n := w.nodes[name]
		m.Nodes = append(m.Nodes, Node{
			Name: name, Pool: n.pool, Version: n.version, Image: n.image, Ready: n.ready(w.now), ReadySince: n.readyAt,
			Cordoned: n.cordoned, CordonedByUs: n.owner == string(u.UID), Quarantined: n.quarantine != "",
		})
	}
	for _, a := range w.apps {
		if a.away < 0 {
			continue
		}
		healthy, allowed := w.allowed(a)
		m.Budgets = append(m.Budgets, drain.Budget{
			Namespace: "shop", Name: a.name, Selector: labels.SelectorFromSet(labels.Set{"app": a.name}), Observed: true,
			DisruptionsAllowed: allowed, Healthy: healthy, Desired: a.replicas - a.away, Expected: a.replicas,
		})
	}
	since := blockedSince(u)
	var all []drain.Pod
	for _, name := range sortedKeys(w.pods) {
		p := w.pods[name]
		if p.node == "" || w.now.Before(p.seenAt) {
			continue
		}
		pod := drain.Pod{
			Namespace: "shop", Name: name, UID: name, Node: p.node, Labels: map[string]string{"app": p.app.name}, Ready: w.podReady(p),
			Pending: w.now.Before(p.readyAt), DeletionAt: p.deletion, GracePeriod: p.app.term, BlockedSince: since["shop/"+name],
		}
		all = append(all, pod)
		if w.nodes[p.node].owner == string(u.UID) {
			m.Pods = append(m.Pods, pod)
		}
	}
	m.Load = drain.Loads(sortedKeys(w.nodes), all, m.Budgets)
	return m, nil
}

func blockedSince(u *v1alpha1.ClusterUpgrade) map[string]time.Time {
	out := map[string]time.Time{}
	for _, pool := range u.Status.NodePools {
		for _, d := range pool.Draining {
			for _, b := range d.BlockedBy {
				out[b.Pod] = b.Since.Time
			}
		}
	}
	return out
}

func (w *world) breaks(format string, args ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, args...))
}
