// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// witness watches the workloads of one cluster from outside of Sengu and remembers the least number of ready
// replicas that each had.
type witness struct {
	cluster string

	mu        sync.Mutex
	workloads map[string]*workload
	budgets   map[string]*policyv1.PodDisruptionBudget
}

// workload is a Deployment or StatefulSet as the witness saw it.
type workload struct {
	name                string
	desired, leastReady int32
	pods                labels.Set
	// complete says that all replicas were ready once: what is missing before that was never there.
	complete bool
}

// watch starts to watch a cluster with a connection of its own.
func watch(ctx context.Context, c labCluster) (*witness, error) {
	cfg, err := clientcmd.RESTConfigFromKubeConfig(c.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig of %s cannot be used: %w", c.Name, err)
	}
	cfg.UserAgent = "sengu-demo-witness"
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("no client for %s: %w", c.Name, err)
	}
	w := &witness{cluster: c.Name, workloads: map[string]*workload{}, budgets: map[string]*policyv1.PodDisruptionBudget{}}
	f := informers.NewSharedInformerFactory(client, 10*time.Minute)
	for _, i := range []cache.SharedIndexInformer{
		f.Apps().V1().Deployments().Informer(), f.Apps().V1().StatefulSets().Informer(), f.Policy().V1().PodDisruptionBudgets().Informer(),
	} {
		if _, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    w.see,
			UpdateFunc: func(_, o any) { w.see(o) },
		}); err != nil {
			return nil, fmt.Errorf("the workloads of %s cannot be watched: %w", c.Name, err)
		}
	}
	f.Start(ctx.Done())
	if err := f.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		return nil, fmt.Errorf("the workloads of %s cannot be listed: %w", c.Name, err)
	}
	return w, nil
}

func (w *witness) see(o any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch o := o.(type) {
	case *appsv1.Deployment:
		w.count(o.ObjectMeta, o.Spec.Replicas, o.Status.ReadyReplicas, o.Spec.Template.Labels)
	case *appsv1.StatefulSet:
		w.count(o.ObjectMeta, o.Spec.Replicas, o.Status.ReadyReplicas, o.Spec.Template.Labels)
	case *policyv1.PodDisruptionBudget:
		w.budgets[o.Namespace+"/"+o.Name] = o
	}
}

func (w *witness) count(m metav1.ObjectMeta, desired *int32, ready int32, pods map[string]string) {
	key := m.Namespace + "/" + m.Name
	seen := w.workloads[key]
	if seen == nil {
		seen = &workload{name: key}
		w.workloads[key] = seen
	}
	seen.desired, seen.pods = 1, pods
	if desired != nil {
		seen.desired = *desired
	}
	switch {
	case !seen.complete && ready < seen.desired:
	case !seen.complete:
		seen.complete, seen.leastReady = true, ready
	default:
		seen.leastReady = min(seen.leastReady, ready)
	}
}

// kept is what the witness says of one workload.
type kept struct {
	cluster, workload         string
	leastReady, desired, need int32
	hasBudget                 bool
}

// report returns what was seen of each workload, by name.
func (w *witness) report() []kept {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []kept
	for _, seen := range w.workloads {
		k := kept{cluster: w.cluster, workload: seen.name, leastReady: seen.leastReady, desired: seen.desired}
		for _, b := range w.budgets {
			selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
			if err == nil && b.Namespace == namespaceOf(seen.name) && selector.Matches(seen.pods) {
				k.hasBudget, k.need = true, b.Status.DesiredHealthy
			}
		}
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b kept) int { return cmp.Compare(a.workload, b.workload) })
	return out
}

func namespaceOf(key string) string {
	namespace, _, _ := strings.Cut(key, "/")
	return namespace
}
