// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

const (
	// hubEnv names the kubeconfig of the hub.
	hubEnv = "SENGU_KUBECONFIG"
	// probeTimeout is how long a kubeconfig that may or may not lead to a hub is tried.
	probeTimeout = 3 * time.Second

	noHubFound = "no hub was found: start one with 'sengu serve', or name its kubeconfig with --kubeconfig or $" + hubEnv
)

// hub is a connection to a hub.
type hub struct {
	client.WithWatch
	config    *rest.Config
	namespace string
}

// key names an object of the fleet.
func (h *hub) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: h.namespace, Name: name}
}

// connect finds the hub and makes a client for it. Nothing is asked of the hub yet unless there is a choice of
// kubeconfigs.
func (a *app) connect(ctx context.Context) (*hub, error) {
	config, err := a.hubConfig(ctx)
	if err != nil {
		return nil, err
	}
	namespace, _, err := a.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, usage("the kubeconfig cannot be used: %v", err)
	}
	// The fleet's kinds are known here, so that no command begins with a discovery of all APIs.
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme, Mapper: kinds()})
	if err != nil {
		return nil, usage("the kubeconfig cannot be used: %v", err)
	}
	return &hub{WithWatch: c, config: config, namespace: namespace}, nil
}

func kinds() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for kind := range scheme.KnownTypes(v1alpha1.GroupVersion) {
		m.Add(v1alpha1.GroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	m.Add(authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"), meta.RESTScopeRoot)
	m.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	return m
}

// hubConfig finds the hub and returns how to reach it.
func (a *app) hubConfig(ctx context.Context) (*rest.Config, error) {
	if err := a.findHub(ctx); err != nil {
		return nil, err
	}
	config, err := a.flags.ToRESTConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, &noHubError{noHubFound, err}
	}
	if err != nil {
		return nil, usage("the kubeconfig cannot be used: %v", err)
	}
	// One person's command is not worth a client-side limit; the hub has its own.
	config.QPS = -1
	config.UserAgent = "sengu/" + a.Version.Version
	return config, nil
}

// findHub chooses the kubeconfig, unless a flag has chosen.
func (a *app) findHub(ctx context.Context) error {
	if *a.flags.KubeConfig != "" || *a.flags.Context != "" {
		return nil
	}
	if path := os.Getenv(hubEnv); path != "" {
		if _, err := os.Stat(path); err != nil {
			return usage("$%s names %s, which cannot be read: %v", hubEnv, path, innermost(err))
		}
		*a.flags.KubeConfig = path
		return nil
	}
	admin := filepath.Join(defaultDataDir(), adminKubeconfig)
	_, noAdmin := os.Stat(admin)
	if os.Getenv(clientcmd.RecommendedConfigPathEnvVar) == "" && noAdmin == nil {
		*a.flags.KubeConfig = admin
		return nil
	}
	if a.leadsToHub(ctx) {
		return nil
	}
	if noAdmin != nil {
		return &noHubError{noHubFound, noAdmin}
	}
	*a.flags.KubeConfig = admin
	return nil
}

// leadsToHub asks whether the usual kubeconfig leads to an API server that serves Sengu's kinds. In a cluster
// without any kubeconfig, that is the cluster's own API server.
func (a *app) leadsToHub(ctx context.Context) bool {
	config, err := a.probe().ClientConfig()
	if err != nil {
		return false
	}
	config.Timeout = probeTimeout
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return false
	}
	result := d.RESTClient().Get().AbsPath("/apis", v1alpha1.GroupVersion.Group, v1alpha1.GroupVersion.Version).Do(ctx)
	return result.Error() == nil
}

func (a *app) probe() clientcmd.ClientConfig {
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil)
}

// adminKubeconfig is the file in a hub's data directory that gives all rights.
const adminKubeconfig = "admin.kubeconfig"

// defaultDataDir is where a hub keeps its data unless told otherwise.
func defaultDataDir() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "sengu")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "sengu-data"
	}
	return filepath.Join(home, ".local", "share", "sengu")
}
