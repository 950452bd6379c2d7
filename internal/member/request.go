// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	lifecyclev1alpha1 "k8s.io/api/lifecycle/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// requester is our name in an EvictionRequest.
	requester = "sengu.dev/drain"
	// unobserved is how long a request may go without anybody taking notice of it. Kubernetes 1.37 can serve eviction
	// requests, but has no controller of its own that acts on them: without one the eviction subresource is used.
	unobserved = 10 * time.Second
)

// requestsServed asks discovery for lifecycle.k8s.io EvictionRequests. Whatever goes wrong is a no: the eviction
// subresource always works.
func requestsServed(ctx context.Context, client kubernetes.Interface) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	list, err := client.Discovery().ServerResourcesForGroupVersionWithContext(ctx, lifecyclev1alpha1.SchemeGroupVersion.String())
	if err != nil {
		return false
	}
	for _, r := range list.APIResources {
		if r.Kind == "EvictionRequest" && r.Name == "evictionrequests" {
			return true
		}
	}
	return false
}

// usesRequest says whether the pod wants to be told before it goes, by somebody who may be there to do so.
func (l *live) usesRequest(s *session, p *corev1.Pod) bool {
	return s.requests != nil && len(p.Spec.EvictionResponders) > 0 && !l.evictions.isDirect(string(p.UID))
}

// request asks for the eviction by an EvictionRequest, once. done is false when the eviction subresource must be used:
// the member does not take our request, nobody acts on it, or those who did gave up.
func (l *live) request(ctx context.Context, s *session, p *corev1.Pod) (done bool, err error) {
	uid := string(p.UID)
	existing := s.requestOf(p)
	if existing == nil {
		err := l.createRequest(ctx, p)
		switch {
		case err == nil, apierrors.IsAlreadyExists(err):
			l.evictions.note(uid, outcome{granted: l.clock().Now()})
			l.wakeAt(l.clock().Now().Add(unobserved))
			return true, nil
		case apierrors.IsForbidden(err), apierrors.IsNotFound(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
			l.evictions.goDirect(uid)
			return false, nil
		default:
			return false, explain(err, "requesting the eviction of "+p.Namespace+"/"+p.Name)
		}
	}
	if !l.givenUp(existing) {
		l.evictions.note(uid, outcome{granted: l.clock().Now()})
		return true, nil
	}
	l.evictions.goDirect(uid)
	return false, l.deleteRequest(ctx, p)
}

// givenUp says whether nobody works on a request any more, or ever did.
func (l *live) givenUp(r *lifecyclev1alpha1.EvictionRequest) bool {
	if meta.IsStatusConditionTrue(r.Status.Conditions, string(lifecyclev1alpha1.EvictionConditionFailed)) {
		return true
	}
	return r.Status.ObservedGeneration == nil && l.clock().Since(r.CreationTimestamp.Time) > unobserved
}

// requestName is the same for each attempt, so that a lost answer makes no second request.
func requestName(p *corev1.Pod) string { return "sengu-" + string(p.UID) }

// requestOf a pod, from the cache; nil when there is none.
func (s *session) requestOf(p *corev1.Pod) *lifecyclev1alpha1.EvictionRequest {
	if s.requests == nil {
		return nil
	}
	o, ok, _ := s.requests.GetByKey(p.Namespace + "/" + requestName(p))
	if !ok {
		return nil
	}
	return o.(*lifecyclev1alpha1.EvictionRequest)
}

// requestByUID is requestOf a pod by its UID.
func (s *session) requestByUID(uid string) *lifecyclev1alpha1.EvictionRequest {
	if s.requests == nil {
		return nil
	}
	objects, _ := s.pods.ByIndex(podsByUID, uid)
	if len(objects) == 0 {
		return nil
	}
	return s.requestOf(objects[0].(*corev1.Pod))
}

func (l *live) createRequest(ctx context.Context, p *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_, err := l.client.LifecycleV1alpha1().EvictionRequests(p.Namespace).Create(ctx, &lifecyclev1alpha1.EvictionRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: requestName(p)},
		Spec: lifecyclev1alpha1.EvictionRequestSpec{
			Target:    lifecyclev1alpha1.EvictionRequestTarget{Pod: &lifecyclev1alpha1.EvictionRequestPodReference{Name: p.Name, UID: p.UID}},
			Requester: requester,
			Intent:    lifecyclev1alpha1.EvictionRequestIntentEviction,
		},
	}, metav1.CreateOptions{FieldManager: "sengu"})
	return err
}

// deleteRequest withdraws our request, if there is one.
func (l *live) deleteRequest(ctx context.Context, p *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := l.client.LifecycleV1alpha1().EvictionRequests(p.Namespace).Delete(ctx, requestName(p), metav1.DeleteOptions{})
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return explain(err, "withdrawing the request to evict "+p.Namespace+"/"+p.Name)
}

// dropRequest deletes the request of a pod that is gone: its requester has to.
func (l *live) dropRequest(s *session, p *corev1.Pod) {
	if s.requestOf(p) == nil {
		return
	}
	l.spawn(func() {
		if err := l.deleteRequest(l.ctx, p); err != nil {
			l.config.Log.Error(err, "an eviction request is left over", "cluster", l.key, "namespace", p.Namespace, "request", requestName(p))
		}
	})
}

// withdrawRequests takes back our requests for pods on a node that is not drained any more.
func (l *live) withdrawRequests(ctx context.Context, node string) {
	s := l.current()
	if s == nil || s.requests == nil {
		return
	}
	objects, _ := s.pods.ByIndex(podsByNode, node)
	for _, p := range casts[*corev1.Pod](objects) {
		if s.requestOf(p) == nil {
			continue
		}
		l.evictions.forget(string(p.UID))
		if err := l.deleteRequest(ctx, p); err != nil {
			l.config.Log.Error(err, "an eviction request is left over", "cluster", l.key, "namespace", p.Namespace, "request", requestName(p))
		}
	}
}

// isDirect says whether requests were tried for the pod, in vain.
func (e *evictions) isDirect(uid string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.direct[uid]
}

func (e *evictions) goDirect(uid string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.direct[uid] = true
}
