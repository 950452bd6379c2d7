// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// watcher counts the healthy pods of each workload at every change, as the disruption controller does: Ready and not
// ending. It shares nothing with the code that it watches.
type watcher struct {
	cancel context.CancelFunc

	mu         sync.Mutex
	healthy    map[string]map[string]bool // workload → pod
	least      map[string]int
	wanted     int // by each budget
	started    bool
	violations int
	looks      int
}

// watch begins to watch and returns when it has seen all pods.
func watch(ctx context.Context, c Config, kubeconfig []byte) (*watcher, error) {
	cfg, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	cfg.UserAgent = "sengu-bench-watcher"
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{cancel: cancel, healthy: map[string]map[string]bool{}, least: map[string]int{}, wanted: c.Replicas - c.budget()}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace("shop"))
	registration, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { w.look(o, false) },
		UpdateFunc: func(_, o any) { w.look(o, false) },
		DeleteFunc: func(o any) {
			if unknown, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = unknown.Obj
			}
			w.look(o, true)
		},
	})
	if err != nil {
		cancel()
		return nil, err
	}
	factory.StartWithContext(ctx)
	select {
	case <-registration.HasSyncedChecker().Done():
	case <-ctx.Done():
		cancel()
		return nil, ctx.Err()
	}
	return w, w.start(c)
}

// start checks that all is well at the beginning: only then does a lack later mean anything.
func (w *watcher) start(c Config) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started = true
	for _, a := range c.workloads() {
		w.least[a.name] = len(w.healthy[a.name])
		if got := len(w.healthy[a.name]); got != c.Replicas {
			w.cancel()
			return fmt.Errorf("%s has %d of %d healthy pods before anything began", a.name, got, c.Replicas)
		}
	}
	return nil
}

func (w *watcher) look(object any, deleted bool) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return
	}
	app := pod.Labels["app"]
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.healthy[app] == nil {
		w.healthy[app] = map[string]bool{}
	}
	w.looks++
	is := false
	for _, c := range pod.Status.Conditions {
		is = is || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	}
	if deleted || !is || pod.DeletionTimestamp != nil {
		delete(w.healthy[app], string(pod.UID))
	} else {
		w.healthy[app][string(pod.UID)] = true
	}
	if !w.started {
		return
	}
	now := len(w.healthy[app])
	if now < w.wanted && now < w.least[app] {
		w.violations++ // each further pod that is missing counts once
	}
	w.least[app] = min(w.least[app], now)
}

// end stops watching and says what was seen.
func (w *watcher) end() (spare, violations, looks int) {
	w.cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	first := true
	for _, least := range w.least {
		if first || least-w.wanted < spare {
			spare, first = least-w.wanted, false
		}
	}
	return spare, w.violations, w.looks
}
