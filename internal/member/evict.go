// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/provider"
)

const (
	// settleLimit of the wait for the disruption controller; its own queue is the limit in a large cluster.
	settleLimit = 200 * time.Millisecond
	settlePoll  = 2 * time.Millisecond
)

// Evict asks for the eviction of exactly this pod. It may be called for many pods side by side; those that share a
// budget wait for each other. Errors that are no *RefusedError are of the kinds of package provider.
func (l *live) Evict(ctx context.Context, pod PodRef) error {
	ctx, cancel := context.WithTimeout(ctx, 3*requestTimeout) // with the turns of the others before it
	defer cancel()
	s := l.current()
	if s == nil {
		return provider.Retry(v1alpha1.ReasonMemberUnreachable, ErrNotSynced, "the cluster's API was just contacted")
	}
	cached := s.pod(pod.Namespace, pod.Name)
	if cached != nil && string(cached.UID) != pod.UID {
		return nil // its successor has its name: it is gone
	}
	if cached != nil && l.usesRequest(s, cached) {
		if done, err := l.request(ctx, s, cached); done || err != nil {
			return err
		}
	}
	return l.evictInTurn(ctx, s, asked{pod: pod, cached: cached, guards: s.guards(cached)})
}

// asked is an eviction that was asked for.
type asked struct {
	pod    PodRef
	cached *corev1.Pod // nil: the cache does not show it
	guards []*policyv1.PodDisruptionBudget
}

// guard is the budget that the pod needs a unit of, as far as the cache knows; nil: none, or not just one.
func (a asked) guard() *policyv1.PodDisruptionBudget {
	if len(a.guards) != 1 || !podReady(a.cached) {
		return nil
	}
	return a.guards[0]
}

// evictInTurn asks the API when no other eviction under the same budget is under way.
func (l *live) evictInTurn(ctx context.Context, s *session, a asked) error {
	budget := ""
	if len(a.guards) > 0 {
		budget = a.guards[0].Namespace + "/" + a.guards[0].Name
	}
	end, err := l.evictions.turn(ctx, budget)
	if err != nil {
		return provider.Retry(v1alpha1.ReasonMemberUnreachable, err, "the evictions before that of %s/%s took too long", a.pod.Namespace, a.pod.Name)
	}
	guard := a.guard()
	if guard != nil && l.evictions.refuses(guard, l.clock().Now()) {
		end()
		return l.refusal(s, a, &RefusedError{Pod: a.pod, Budget: true, Message: "budget " + budget + " refused another pod a moment ago and has not changed since"})
	}
	err = l.evict(ctx, a.pod)
	if err == nil {
		l.evictions.note(a.pod.UID, outcome{granted: l.clock().Now()})
		if guard == nil || !l.spawn(func() { defer end(); l.awaitController(s, guard, a.pod.Name) }) {
			end()
		}
		return nil
	}
	defer end()
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		if refused.Budget && guard != nil {
			l.evictions.refused(guard, l.clock().Now())
		}
		return l.refusal(s, a, refused)
	}
	return err
}

// awaitController waits until the disruption controller has worked a granted eviction into the budget's status. Its
// write and the API server's for the next eviction would meet otherwise, which costs the latter 500 ms: seen with one
// eviction in eight, while the controller takes 10 to 100 ms.
func (l *live) awaitController(s *session, before *policyv1.PodDisruptionBudget, pod string) {
	deadline := l.clock().Now().Add(settleLimit)
	for l.clock().Now().Before(deadline) && wait(l.ctx, l.clock(), settlePoll) {
		o, ok, _ := s.budgets.GetByKey(before.Namespace + "/" + before.Name)
		if !ok {
			return
		}
		now := o.(*policyv1.PodDisruptionBudget)
		if _, pending := now.Status.DisruptedPods[pod]; !pending && now.ResourceVersion != before.ResourceVersion {
			return
		}
	}
}

// current session; nil before the first has synced.
func (l *live) current() *session {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.session
}

// refusal notes a refusal and returns it.
func (l *live) refusal(s *session, a asked, r *RefusedError) error {
	o := outcome{refusedUntil: l.clock().Now().Add(max(r.RetryAfter, refusedFor))}
	if r.Budget && a.cached != nil {
		o.facts = s.facts(a.cached)
	}
	l.evictions.note(r.Pod.UID, o)
	l.wakeAt(o.refusedUntil)
	return r
}

// evict calls the eviction subresource. nil: granted, or the pod is gone.
//
// The request is not taken back when the caller gives up, as it does when Sengu is stopped: the API server takes a unit
// of the budget first and deletes the pod then, and a request that ends between the two blocks the budget for the two
// minutes after which the disruption controller forgets it.
func (l *live) evict(ctx context.Context, pod PodRef) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	uid := types.UID(pod.UID)
	err := l.client.CoreV1().RESTClient().Post().
		Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("eviction").
		Body(&policyv1.Eviction{
			ObjectMeta:    metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
			DeleteOptions: &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}},
		}).
		MaxRetries(0). // client-go would sleep as long as Retry-After says; the watch knows earlier
		Do(ctx).Error()
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	if apierrors.IsConflict(err) {
		return l.afterConflict(ctx, pod, err)
	}
	return evictionError(pod, err)
}

// afterConflict looks whether the pod that we meant is still there: a conflict may also mean that it was changed.
func (l *live) afterConflict(ctx context.Context, pod PodRef, conflict error) error {
	now, err := l.client.CoreV1().Pods(pod.Namespace).Get(ctx, pod.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), err == nil && string(now.UID) != pod.UID:
		return nil
	case err != nil:
		return explain(err, "evicting "+pod.Namespace+"/"+pod.Name)
	default:
		return provider.Retry(provider.CodeThrottled, conflict, "pod %s/%s changed while it was evicted", pod.Namespace, pod.Name)
	}
}

// evictionError tells a refusal of this eviction from an API that does not answer.
func evictionError(pod PodRef, err error) error {
	status, ok := err.(apierrors.APIStatus)
	if !ok {
		return explain(err, "evicting "+pod.Namespace+"/"+pod.Name)
	}
	r := &RefusedError{Pod: pod, Message: status.Status().Message, Budget: apierrors.HasStatusCause(err, policyv1.DisruptionBudgetCause)}
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		r.RetryAfter = time.Duration(seconds) * time.Second
	}
	switch code := int(status.Status().Code); {
	case r.Budget, code == http.StatusTooManyRequests, code == http.StatusForbidden, code == http.StatusBadRequest,
		code == http.StatusUnprocessableEntity, code == http.StatusInternalServerError:
		// 500 is what the API server says to several budgets, and for an admission webhook that fails.
		return r
	default:
		return explain(err, "evicting "+pod.Namespace+"/"+pod.Name)
	}
}

// wakeAt calls OnChange at an instant that no watch would show.
func (l *live) wakeAt(t time.Time) {
	l.spawn(func() {
		if wait(l.ctx, l.clock(), t.Sub(l.clock().Now())) {
			l.notifier.touch()
		}
	})
}

func podReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
