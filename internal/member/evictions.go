// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const (
	// refusedFor is how long a pod is not asked again after a refusal, when the API did not say. A refusal by a
	// budget ends earlier: as soon as the budget or the pod changes.
	refusedFor = 5 * time.Second
	// grantedFor is how long a granted eviction may stay invisible; after that it is asked again, which does no harm.
	grantedFor = 30 * time.Second
	// refusedTogether is how long the refusal of one pod counts for the others of an unchanged budget.
	refusedTogether = time.Second
)

// evictions remembers what became of the evictions that were asked for, until the pods are gone.
type evictions struct {
	mu      sync.Mutex
	pods    map[string]outcome       // by UID
	budgets map[string]refusal       // by namespace/name
	turns   map[string]chan struct{} // one eviction at a time, by budget
	direct  map[string]bool          // by UID: nobody acts on its eviction request
}

// outcome of one eviction.
type outcome struct {
	granted      time.Time
	refusedUntil time.Time
	// facts that the refusal rests on: the versions of the pod and its budgets. Empty: none that a watch shows.
	facts string
}

// refusal of a budget.
type refusal struct {
	version string
	at      time.Time
}

func newEvictions() *evictions {
	return &evictions{
		pods: map[string]outcome{}, budgets: map[string]refusal{}, turns: map[string]chan struct{}{}, direct: map[string]bool{},
	}
}

// outcome of a pod's eviction as it is to be understood now.
func (e *evictions) outcome(uid string, s *session, now time.Time) (granted, refusedUntil time.Time) {
	e.mu.Lock()
	o, ok := e.pods[uid]
	e.mu.Unlock()
	if !ok {
		return time.Time{}, time.Time{}
	}
	if now.Sub(o.granted) < grantedFor {
		granted = o.granted
	}
	if o.refusedUntil.After(now) && (o.facts == "" || o.facts == s.factsByUID(uid)) {
		refusedUntil = o.refusedUntil
	}
	return granted, refusedUntil
}

func (e *evictions) note(uid string, o outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pods[uid] = o
}

// forget a pod that is gone.
func (e *evictions) forget(uid string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pods, uid)
	delete(e.direct, uid)
}

// turn waits until no other eviction under the same budget is under way. The API server writes the budget's status
// for each, and when two meet it lets one of them sleep 500 ms before it tries again: one after the other, 50
// evictions under one budget take half a second, side by side 20 s. The returned function ends the turn.
func (e *evictions) turn(ctx context.Context, budget string) (func(), error) {
	if budget == "" {
		return func() {}, nil
	}
	e.mu.Lock()
	turn := e.turns[budget]
	if turn == nil {
		turn = make(chan struct{}, 1)
		e.turns[budget] = turn
	}
	e.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refused notes that the budget refused a Ready pod.
func (e *evictions) refused(b *policyv1.PodDisruptionBudget, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.budgets[b.Namespace+"/"+b.Name] = refusal{version: b.ResourceVersion, at: now}
}

// refuses says whether the budget refused another Ready pod a moment ago and has not changed since; asking would
// only cost a request.
func (e *evictions) refuses(b *policyv1.PodDisruptionBudget, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, ok := e.budgets[b.Namespace+"/"+b.Name]
	return ok && r.version == b.ResourceVersion && now.Sub(r.at) < refusedTogether
}

// guards are the budgets of a pod, by the cache; none for a pod that is not known.
func (s *session) guards(p *corev1.Pod) []*policyv1.PodDisruptionBudget {
	if p == nil {
		return nil
	}
	var out []*policyv1.PodDisruptionBudget
	for _, b := range s.budgetsOf(p.Namespace) {
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err == nil && selector.Matches(labels.Set(p.Labels)) {
			out = append(out, b)
		}
	}
	return out
}

// facts that an eviction by a budget depends on.
func (s *session) facts(p *corev1.Pod) string {
	versions := []string{p.ResourceVersion}
	for _, b := range s.guards(p) {
		versions = append(versions, b.Name+"@"+b.ResourceVersion)
	}
	slices.Sort(versions)
	return strings.Join(versions, " ")
}

// factsByUID is facts of a pod by its UID; a pod that is gone has none.
func (s *session) factsByUID(uid string) string {
	objects, _ := s.pods.ByIndex(podsByUID, uid)
	if len(objects) == 0 {
		return "gone"
	}
	return s.facts(objects[0].(*corev1.Pod))
}
