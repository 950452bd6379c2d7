// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	lifecyclev1alpha1 "k8s.io/api/lifecycle/v1alpha1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/drain"
)

// The indexes of pods besides their namespaces.
const (
	podsByNode = "node"
	podsByUID  = "uid"
)

// session is one set of watches. Nothing in its caches is ever changed by us.
type session struct {
	cancel   context.CancelFunc
	factory  informers.SharedInformerFactory
	nodes    cache.Indexer
	pods     cache.Indexer
	budgets  cache.Indexer
	requests cache.Indexer // eviction requests; nil where they are not served
	synced   chan struct{} // closed when nodes, pods and budgets are there
	refused  chan error    // the member does not let us watch
}

// startSession starts the watches.
func startSession(ctx context.Context, l *live) *session {
	// What the reflectors say of an API that is away, the probes say better.
	ctx, cancel := context.WithCancel(klog.NewContext(ctx, l.config.Log.V(2)))
	s := &session{
		cancel: cancel, synced: make(chan struct{}), refused: make(chan error, 1),
		factory: informers.NewSharedInformerFactoryWithOptions(l.client, 0, informers.WithTransform(strip)),
	}
	nodes, pods := s.factory.Core().V1().Nodes().Informer(), s.factory.Core().V1().Pods().Informer()
	budgets := s.factory.Policy().V1().PodDisruptionBudgets().Informer()
	// An error here means that an informer runs already; these were made three lines above.
	_ = pods.AddIndexers(cache.Indexers{podsByNode: nodeOf, podsByUID: uidOf})
	s.nodes, s.pods, s.budgets = nodes.GetIndexer(), pods.GetIndexer(), budgets.GetIndexer()
	handles := []cache.ResourceEventHandlerRegistration{
		s.listen(nodes, l, s.nodeChange), s.listen(pods, l, s.podChange), s.listen(budgets, l, s.budgetChange),
	}
	if requestsServed(ctx, l.client) {
		requests := s.factory.Lifecycle().V1alpha1().EvictionRequests().Informer()
		s.requests = requests.GetIndexer()
		s.listen(requests, l, s.requestChange)
	}
	s.factory.StartWithContext(ctx)
	go func() {
		for _, h := range handles {
			select {
			case <-h.HasSyncedChecker().Done():
			case <-ctx.Done():
				return
			}
		}
		close(s.synced)
	}()
	return s
}

// stop ends the watches and waits until they have ended.
func (s *session) stop() {
	s.cancel()
	s.factory.Shutdown()
}

// change is what a handler is told of: old is nil for a new object, new is nil for a deleted one.
type change struct{ old, new any }

// listen calls back for every event of an informer.
func (s *session) listen(i cache.SharedIndexInformer, l *live, matters func(*live, change) bool) cache.ResourceEventHandlerRegistration {
	tell := func(c change) {
		l.lastEvent.Store(l.clock().Now().UnixNano())
		if matters(l, c) {
			l.notifier.touch()
		}
	}
	// Errors of these two mean that the informer was stopped or started already; it is neither.
	_ = i.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
			s.refuse(err)
		}
	})
	registration, _ := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { tell(change{new: o}) },
		UpdateFunc: func(old, o any) { tell(change{old: old, new: o}) },
		DeleteFunc: func(o any) {
			if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = unknown.Obj
			}
			tell(change{old: o})
		},
	})
	return registration
}

// refuse reports the first refusal of a watch.
func (s *session) refuse(err error) {
	select {
	case s.refused <- err:
	default:
	}
}

func nodeOf(object any) ([]string, error) {
	if pod, ok := object.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
		return []string{pod.Spec.NodeName}, nil
	}
	return nil, nil
}

func uidOf(object any) ([]string, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return nil, nil
	}
	return []string{string(pod.UID)}, nil
}

func (s *session) nodeChange(_ *live, c change) bool {
	old, wasThere := c.old.(*corev1.Node)
	now, isThere := c.new.(*corev1.Node)
	return !wasThere || !isThere || nodeMatters(old, now)
}

// podChange: only pods of nodes that Sengu has in hand matter, the others come with the next look.
func (s *session) podChange(l *live, c change) bool {
	old, wasThere := c.old.(*corev1.Pod)
	now, isThere := c.new.(*corev1.Pod)
	switch {
	case !isThere:
		l.evictions.forget(string(old.UID))
		l.dropRequest(s, old)
		return s.inHand(old.Spec.NodeName)
	case !wasThere:
		return s.inHand(now.Spec.NodeName)
	}
	return s.inHand(now.Spec.NodeName) && !reflect.DeepEqual(drain.FromPod(old), drain.FromPod(now))
}

// budgetChange: budgets matter while any node is in hand.
func (s *session) budgetChange(*live, change) bool {
	for _, o := range s.nodes.List() {
		if marked(o.(*corev1.Node)) {
			return true
		}
	}
	return false
}

func (s *session) requestChange(_ *live, c change) bool {
	_, isThere := c.new.(*lifecyclev1alpha1.EvictionRequest)
	return isThere
}

func (s *session) inHand(node string) bool {
	o, ok, _ := s.nodes.GetByKey(node)
	return ok && marked(o.(*corev1.Node))
}

func marked(n *corev1.Node) bool {
	_, ok := n.Annotations[v1alpha1.AnnotationCordonedBy]
	return ok
}

// pod from the cache; nil when it is not there.
func (s *session) pod(namespace, name string) *corev1.Pod {
	o, ok, _ := s.pods.GetByKey(namespace + "/" + name)
	if !ok {
		return nil
	}
	return o.(*corev1.Pod)
}

// budgetsOf a namespace, from the cache.
func (s *session) budgetsOf(namespace string) []*policyv1.PodDisruptionBudget {
	objects, _ := s.budgets.ByIndex(cache.NamespaceIndex, namespace)
	return casts[*policyv1.PodDisruptionBudget](objects)
}

func casts[T any](objects []any) []T {
	out := make([]T, len(objects))
	for i, o := range objects {
		out[i] = o.(T)
	}
	return out
}
