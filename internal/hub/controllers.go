// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
)

const (
	// controllerWorkers is how many objects each controller deletes at once.
	controllerWorkers = 5
	// namespaceResync repairs what a namespace's events have missed.
	namespaceResync = 5 * time.Minute
	// kindsRefresh is how soon the garbage collector knows a kind that was added while the hub runs.
	kindsRefresh = 10 * time.Second
)

// startControllers runs the two controllers that a Kubernetes API needs so that deletion means what people
// expect: a namespace goes with its content, and an owner with what it owns.
func startControllers(ctx context.Context, config *rest.Config, running *sync.WaitGroup) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	startNamespaceController(ctx, client, meta, running)
	return startGarbageCollector(ctx, client, meta, running)
}

func startNamespaceController(ctx context.Context, client kubernetes.Interface, meta metadata.Interface, running *sync.WaitGroup) {
	factory := informers.NewSharedInformerFactory(client, 0)
	c := namespace.NewNamespaceController(ctx, client, meta,
		func() ([]*metav1.APIResourceList, error) {
			return client.Discovery().ServerPreferredNamespacedResources()
		},
		factory.Core().V1().Namespaces(), namespaceResync, corev1.FinalizerKubernetes)
	factory.Start(ctx.Done())
	running.Go(func() { c.Run(ctx, controllerWorkers) })
}

func startGarbageCollector(ctx context.Context, client kubernetes.Interface, meta metadata.Interface, running *sync.WaitGroup) error {
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	started := make(chan struct{})
	close(started) // the informers below are started as soon as they are asked for
	c, err := garbagecollector.NewGarbageCollector(ctx, client, meta, mapper,
		garbagecollector.DefaultIgnoredResources(), metadataInformers{metadatainformer.NewSharedInformerFactory(meta, 0)}, started)
	if err != nil {
		return err
	}
	running.Go(func() { c.Run(ctx, controllerWorkers, kindsRefresh) })
	running.Go(func() { c.Sync(ctx, client.Discovery(), kindsRefresh) })
	return nil
}

// metadataInformers gives the garbage collector the metadata of every kind and never the content, so that
// no secret is held in memory for its sake.
type metadataInformers struct {
	metadatainformer.SharedInformerFactory
}

// ForResource returns the informer of one kind.
func (m metadataInformers) ForResource(resource schema.GroupVersionResource) (informers.GenericInformer, error) {
	return m.SharedInformerFactory.ForResource(resource), nil
}
