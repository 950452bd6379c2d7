// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"net"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	mutatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	mutatingwebhook "k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	validatingwebhook "k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	serverstorage "k8s.io/apiserver/pkg/server/storage"
	"k8s.io/client-go/informers"
	"k8s.io/kubernetes/pkg/controlplane/apiserver/options"

	// Each install package puts the types of one served group into Kubernetes' scheme.
	_ "k8s.io/kubernetes/pkg/apis/admissionregistration/install"
	_ "k8s.io/kubernetes/pkg/apis/authentication/install"
	_ "k8s.io/kubernetes/pkg/apis/authorization/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/events/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	"k8s.io/kubernetes/pkg/kubeapiserver/authorizer/modes"
	kubeoptions "k8s.io/kubernetes/pkg/kubeapiserver/options"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

type initializer = admission.PluginInitializer

// eventTTL keeps the events of a Friday night until Monday; Kubernetes' default is 1 h.
const eventTTL = 72 * time.Hour

// serverOptions are the options of the API server, as its flags would set them.
func serverOptions(c apiServerConfig) *options.Options {
	address := c.listener.Addr().(*net.TCPAddr)
	o := options.NewOptions()
	o.EventTTL = eventTTL
	o.SystemNamespaces = []string{metav1.NamespaceSystem, metav1.NamespaceDefault}

	o.SecureServing.Listener = c.listener
	o.SecureServing.BindAddress, o.SecureServing.BindPort = address.IP, address.Port
	o.SecureServing.ServerCert.CertKey = genericoptions.CertKey{
		CertFile: c.dir.path("pki", "server.crt"), KeyFile: c.dir.path("pki", "server.key"),
	}
	// Only published, not used to connect; without it Kubernetes looks for a network that may not be there.
	o.GenericServerRunOptions.AdvertiseAddress = address.IP
	o.GenericServerRunOptions.ShutdownWatchTerminationGracePeriod = watchGrace

	o.Etcd.StorageConfig.Transport.ServerList = []string{c.etcdEndpoint}
	// The watch cache keeps every object once more, and the last minute of changes twice, decoded: 500 MiB for a
	// thousand clusters in a run. It is for hundreds of watches; the hub has a dozen, which etcd serves directly.
	o.Etcd.EnableWatchCache = false

	// Fair queuing keeps many tenants apart, for a dozen watches and 30 stored objects at every start. The
	// hub's clients are one product and its operators: the limits on requests in flight (400 reads, 200
	// writes) protect it enough.
	o.Features.EnablePriorityAndFairness = false
	o.Features.EnableProfiling = false

	o.Authentication = &kubeoptions.BuiltInAuthenticationOptions{
		ClientCert:    &genericoptions.ClientCertAuthenticationOptions{ClientCA: c.dir.path("pki", "ca.crt")},
		RequestHeader: &genericoptions.RequestHeaderAuthenticationOptions{}, // no proxy may speak for a user
		// There are no service accounts; the control plane only insists on an issuer's name.
		ServiceAccounts: &kubeoptions.ServiceAccountAuthenticationOptions{
			Issuers: []string{"https://sengu.invalid"},
			OptionalTokenGetter: func(informers.SharedInformerFactory) serviceaccount.ServiceAccountTokenGetter {
				return nil
			},
		},
	}
	o.Authorization.Modes = []string{modes.ModeRBAC}

	// What is left on is NamespaceLifecycle and ValidatingAdmissionPolicy: Sengu's own rules and those of a
	// platform team as CEL, without a server to call. The hub writes by itself who created and changed a run.
	o.Admission = &kubeoptions.AdmissionOptions{GenericAdmission: genericoptions.NewAdmissionOptions()}
	o.Admission.GenericAdmission.DisablePlugins = []string{
		mutatingpolicy.PluginName, mutatingwebhook.PluginName, validatingwebhook.PluginName,
	}
	registerWhoRuns(o.Admission.GenericAdmission)
	return o
}

// servedResources are the built-in kinds of the hub.
func servedResources() *serverstorage.ResourceConfig {
	r := serverstorage.NewResourceConfig()
	r.EnableVersions(
		corev1.SchemeGroupVersion,
		admissionregistrationv1.SchemeGroupVersion,
		authenticationv1.SchemeGroupVersion,
		authorizationv1.SchemeGroupVersion,
		coordinationv1.SchemeGroupVersion,
		eventsv1.SchemeGroupVersion,
		rbacv1.SchemeGroupVersion,
	)
	// Nothing calls webhooks or applies mutating policies here, and a kind that is stored and then ignored
	// would mislead.
	r.DisableResources(
		admissionregistrationv1.SchemeGroupVersion.WithResource("mutatingwebhookconfigurations"),
		admissionregistrationv1.SchemeGroupVersion.WithResource("validatingwebhookconfigurations"),
		admissionregistrationv1.SchemeGroupVersion.WithResource("mutatingadmissionpolicies"),
		admissionregistrationv1.SchemeGroupVersion.WithResource("mutatingadmissionpolicybindings"),
	)
	return r
}
