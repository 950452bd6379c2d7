// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsapiserver "k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	genericapifilters "k8s.io/apiserver/pkg/endpoints/filters"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/util/notfoundhandler"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	aggregatorapiserver "k8s.io/kube-aggregator/pkg/apiserver"
	aggregatorscheme "k8s.io/kube-aggregator/pkg/apiserver/scheme"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	controlplane "k8s.io/kubernetes/pkg/controlplane/apiserver"
	"k8s.io/kubernetes/pkg/controlplane/apiserver/options"
	generatedopenapi "k8s.io/kubernetes/pkg/generated/openapi"
	rbacrest "k8s.io/kubernetes/pkg/registry/rbac/rest"
)

const (
	// watchGrace is how long a closing API server gives its watches to end; they need a few ms.
	watchGrace = time.Second
	// connectionGrace is how long it then gives clients to close their connections before it does. Without
	// it HTTP/2 takes 1 s even when all is idle, and Kubernetes' default is 60 s.
	connectionGrace = 250 * time.Millisecond
)

type apiServerConfig struct {
	dir          *dataDir
	listener     *listener
	etcdEndpoint string
	// stopped is called when the server ends, with the reason.
	stopped func(error)
}

// apiServer is the running API: built-in kinds and custom resources behind an aggregator that merges their
// discovery and OpenAPI documents.
type apiServer struct {
	loopback *rest.Config
	listener *listener
	finished chan struct{} // closed when the server has ended
}

// startAPIServer builds the chain of servers and runs it until the context ends.
func startAPIServer(ctx context.Context, c apiServerConfig) (*apiServer, error) {
	opts, err := serverOptions(c).Complete(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	configs, err := newServerConfigs(opts)
	if err != nil {
		return nil, err
	}
	server, err := configs.chain()
	if err != nil {
		return nil, err
	}
	server.GenericAPIServer.ShutdownTimeout = connectionGrace
	prepared, err := server.PrepareRun()
	if err != nil {
		return nil, err
	}
	s := &apiServer{loopback: configs.controlPlane.Generic.LoopbackClientConfig, listener: c.listener, finished: make(chan struct{})}
	go func() {
		defer close(s.finished)
		cause := prepared.Run(ctx)
		if cause == nil {
			cause = errors.New("it was told to")
		}
		c.stopped(fmt.Errorf("the hub's API has stopped (%w): start the hub again", cause))
	}()
	return s, nil
}

// adminConfig is a client of this process with every right. JSON, because custom resources have no
// protobuf form; no client-side limit, because the server is in the same process.
func (s *apiServer) adminConfig() *rest.Config {
	c := rest.CopyConfig(s.loopback)
	c.ContentType = ""
	c.QPS = -1
	c.WarningHandler = rest.NoWarnings{}
	return c
}

// waitReady returns when /readyz is ok.
func (s *apiServer) waitReady(ctx context.Context) error {
	client, err := rest.HTTPClientFor(s.adminConfig())
	if err != nil {
		return err
	}
	url := s.loopback.Host + "/readyz"
	err = wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return false, nil //nolint:nilerr // it does not listen yet
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK, nil
	})
	if err != nil {
		return fmt.Errorf("the hub's API did not become ready: %w", err)
	}
	return nil
}

// serverConfigs are the configurations of the three servers in the chain.
type serverConfigs struct {
	controlPlane  *controlplane.Config
	apiExtensions *apiextensionsapiserver.Config
	aggregator    *aggregatorapiserver.Config
}

func newServerConfigs(opts options.CompletedOptions) (*serverConfigs, error) {
	generic, informers, storageFactory, err := controlplane.BuildGenericConfig(opts,
		[]*runtime.Scheme{legacyscheme.Scheme, apiextensionsapiserver.Scheme, aggregatorscheme.Scheme},
		servedResources(), generatedopenapi.GetOpenAPIDefinitions, nil)
	if err != nil {
		return nil, err
	}
	generic.DisabledPostStartHooks.Insert(unneededHooks...)
	generic.EffectiveVersion = namedVersion{generic.EffectiveVersion}

	resolver := webhook.NewDefaultServiceResolver()
	c := &serverConfigs{}
	var initializers []initializer
	c.controlPlane, initializers, err = controlplane.CreateConfig(opts, generic, informers, nil, storageFactory, resolver, nil)
	if err != nil {
		return nil, err
	}
	kube := c.controlPlane
	auth := webhook.NewDefaultAuthenticationInfoResolverWrapper(kube.ProxyTransport, kube.Generic.EgressSelector, kube.Generic.LoopbackClientConfig, kube.Generic.TracerProvider)
	c.apiExtensions, err = controlplane.CreateAPIExtensionsConfig(*kube.Generic, kube.VersionedInformers, initializers, opts, 1, resolver, auth)
	if err != nil {
		return nil, err
	}
	c.aggregator, err = controlplane.CreateAggregatorConfig(*kube.Generic, opts, kube.VersionedInformers, resolver, kube.ProxyTransport, kube.PeerProxy, initializers)
	if err != nil {
		return nil, err
	}
	// There are no services to forward to: every API is served by this process.
	c.aggregator.ExtraConfig.DisableRemoteAvailableConditionController = true
	return c, nil
}

// chain connects the servers: a request that the aggregator does not answer goes to the built-in kinds, and
// from there to the custom resources.
func (c *serverConfigs) chain() (*aggregatorapiserver.APIAggregator, error) {
	generic := c.controlPlane.Generic
	notFound := notfoundhandler.New(generic.Serializer, genericapifilters.NoMuxAndDiscoveryIncompleteKey)
	extensions, err := c.apiExtensions.Complete().New(genericapiserver.NewEmptyDelegateWithCustomHandler(notFound))
	if err != nil {
		return nil, fmt.Errorf("custom resources: %w", err)
	}
	completed := c.controlPlane.Complete()
	native, err := completed.New("sengu-hub", extensions.GenericAPIServer)
	if err != nil {
		return nil, fmt.Errorf("built-in kinds: %w", err)
	}
	client, err := kubernetes.NewForConfig(generic.LoopbackClientConfig)
	if err != nil {
		return nil, err
	}
	all, err := completed.GenericStorageProviders(client.Discovery())
	if err != nil {
		return nil, fmt.Errorf("built-in kinds: %w", err)
	}
	if err := native.InstallAPIs(servedProviders(all)...); err != nil {
		return nil, fmt.Errorf("built-in kinds: %w", err)
	}
	aggregator, err := controlplane.CreateAggregatorServer(c.aggregator.Complete(), native.GenericAPIServer,
		extensions.Informers.Apiextensions().V1().CustomResourceDefinitions(),
		c.apiExtensions.GenericConfig.MergedResourceConfig.ResourceEnabled(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")),
		controlplane.DefaultGenericAPIServicePriorities())
	if err != nil {
		return nil, fmt.Errorf("aggregator: %w", err)
	}
	return aggregator, nil
}

// unneededHooks are what Kubernetes starts with a control plane and a hub has no use for: some 70 roles for
// components that are not here (the hub has its own, see roles.go), two leases renewed every 10 s to tell
// servers of one cluster apart, bookkeeping of service-account tokens, and the publication of the client
// authority for API extensions.
var unneededHooks = []string{
	rbacrest.PostStartHookName,
	"start-kube-apiserver-identity-lease-controller",
	"start-kube-apiserver-identity-lease-garbage-collector",
	"start-legacy-token-tracking-controller",
	"start-cluster-authentication-info-controller",
	"peer-endpoint-reconciler-controller",
}
