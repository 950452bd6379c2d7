// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	controlplane "k8s.io/kubernetes/pkg/controlplane/apiserver"
	configmapstore "k8s.io/kubernetes/pkg/registry/core/configmap/storage"
	eventstore "k8s.io/kubernetes/pkg/registry/core/event/storage"
	namespacestore "k8s.io/kubernetes/pkg/registry/core/namespace/storage"
	secretstore "k8s.io/kubernetes/pkg/registry/core/secret/storage"
)

// servedProviders takes what the hub serves from the groups of Kubernetes' generic control plane.
func servedProviders(all []controlplane.RESTStorageProvider) []controlplane.RESTStorageProvider {
	served := []controlplane.RESTStorageProvider{coreProvider{eventTTL: eventTTL}}
	for _, p := range all {
		switch p.GroupName() {
		case admissionregistrationv1.GroupName, authenticationv1.GroupName, authorizationv1.GroupName,
			coordinationv1.GroupName, eventsv1.GroupName, rbacv1.GroupName:
			served = append(served, p)
		}
	}
	return served
}

// coreProvider provides the four core kinds that the hub has a use for. Kubernetes' own provider also makes
// service accounts and resource quotas, on which nothing here acts; when told not to serve them it leaves
// their storage open for ever, and etcd waits 5 s for such a client when it closes.
type coreProvider struct {
	eventTTL time.Duration
}

// GroupName returns the name of the core group, which is empty.
func (coreProvider) GroupName() string { return corev1.GroupName }

// NewRESTStorage makes the storage of namespaces, secrets, config maps and events.
func (p coreProvider) NewRESTStorage(_ serverstorage.APIResourceConfigSource, getter generic.RESTOptionsGetter) (genericapiserver.APIGroupInfo, error) {
	info := genericapiserver.NewDefaultAPIGroupInfo(corev1.GroupName, legacyscheme.Scheme, legacyscheme.ParameterCodec, legacyscheme.Codecs)
	namespaces, namespaceStatus, namespaceFinalize, err := namespacestore.NewREST(getter)
	if err != nil {
		return info, err
	}
	secrets, err := secretstore.NewREST(getter)
	if err != nil {
		return info, err
	}
	configMaps, err := configmapstore.NewREST(getter)
	if err != nil {
		return info, err
	}
	events, err := eventstore.NewREST(getter, uint64(p.eventTTL.Seconds()))
	if err != nil {
		return info, err
	}
	info.VersionedResourcesStorageMap[corev1.SchemeGroupVersion.Version] = map[string]rest.Storage{
		"namespaces":          namespaces,
		"namespaces/status":   namespaceStatus,
		"namespaces/finalize": namespaceFinalize,
		"secrets":             secrets,
		"configmaps":          configMaps,
		"events":              events,
	}
	return info, nil
}
