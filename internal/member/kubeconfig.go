// SPDX-License-Identifier: Apache-2.0

package member

import (
	"fmt"
	"net/http"
	"net/url"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"sengu.dev/sengu/internal/buildinfo"
	"sengu.dev/sengu/provider"
)

// CodeInvalidKubeconfig is the code of a kubeconfig that cannot be used or is not safe to use.
const CodeInvalidKubeconfig = "InvalidKubeconfig"

// Client-go's own limits of 5 requests a second and bursts of 10 would make the drain of ten nodes with 300 pods
// last a minute by themselves. The server's priority and fairness is what protects it.
const (
	requestsPerSecond = 200
	requestBurst      = 400
)

// restConfig turns a kubeconfig into a client configuration.
//
// A kubeconfig comes from a Secret that whoever adds a cluster may write, and it is used in the hub's process. Its
// standard loader would run a command of its choice there (exec), and read any file (tokenFile, client-key, …) and
// send it to a server of its choice. So nothing here runs a command or opens a file: whatever would is refused.
func restConfig(kubeconfig []byte) (*rest.Config, error) {
	parsed, err := clientcmd.Load(kubeconfig)
	if err != nil {
		// Not wrapped: a YAML error quotes what it could not read, which may be a secret.
		return nil, refuse("it is not a kubeconfig: correct its YAML")
	}
	context, ok := parsed.Contexts[parsed.CurrentContext]
	if !ok {
		return nil, refuse("its current-context %q does not exist: set current-context to one of its contexts", parsed.CurrentContext)
	}
	cluster, ok := parsed.Clusters[context.Cluster]
	if !ok {
		return nil, refuse("its cluster %q does not exist: add it", context.Cluster)
	}
	user, ok := parsed.AuthInfos[context.AuthInfo]
	if !ok {
		return nil, refuse("its user %q does not exist: add it", context.AuthInfo)
	}
	if err := checkCluster(cluster); err != nil {
		return nil, err
	}
	if err := checkUser(user); err != nil {
		return nil, err
	}
	return &rest.Config{
		Host:        cluster.Server,
		BearerToken: user.Token,
		Username:    user.Username,
		Password:    user.Password,
		Impersonate: rest.ImpersonationConfig{
			UserName: user.Impersonate, UID: user.ImpersonateUID, Groups: user.ImpersonateGroups, Extra: user.ImpersonateUserExtra,
		},
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: cluster.TLSServerName, CAData: cluster.CertificateAuthorityData,
			CertData: user.ClientCertificateData, KeyData: user.ClientKeyData,
		},
		ContentConfig: rest.ContentConfig{
			// A list of 10,000 pods is a third of its JSON size, and decoding it takes a fifth of the time.
			ContentType: "application/vnd.kubernetes.protobuf", AcceptContentTypes: "application/vnd.kubernetes.protobuf,application/json",
		},
		WarningHandler: rest.NoWarnings{}, // deprecations are for the people who write the objects
		UserAgent:      "sengu/" + buildinfo.Get().Version,
		QPS:            requestsPerSecond,
		Burst:          requestBurst,
		Proxy:          proxyOf(cluster),
	}, nil
}

func checkCluster(c *api.Cluster) error {
	server, err := url.Parse(c.Server)
	switch {
	case err != nil || server.Host == "":
		return refuse("its server is not a URL: set it to https://host:port")
	case server.Scheme != "https":
		return refuse("its server uses %q, which would send the credentials in the clear: set it to https://host:port", server.Scheme)
	case c.InsecureSkipTLSVerify:
		return refuse("it sets insecure-skip-tls-verify, which would give the credentials to whoever answers: remove that and set certificate-authority-data")
	case c.CertificateAuthority != "":
		return refuse("it names the file certificate-authority, and files are not read: embed it as certificate-authority-data (kubectl config view --raw --flatten)")
	}
	if c.ProxyURL != "" {
		if _, err := url.Parse(c.ProxyURL); err != nil {
			return refuse("its proxy-url is not a URL: correct or remove it")
		}
	}
	return nil
}

func checkUser(u *api.AuthInfo) error {
	switch {
	case u.Exec != nil:
		return refuse("its user runs a command (exec), and commands are not run: use a token of a service account, or a client certificate")
	case u.AuthProvider != nil:
		return refuse("its user has an auth-provider, which is not supported: use a token of a service account, or a client certificate")
	case u.TokenFile != "":
		return refuse("its user names the file tokenFile, and files are not read: embed it as token")
	case u.ClientCertificate != "" || u.ClientKey != "":
		return refuse("its user names files for its certificate, and files are not read: embed them as client-certificate-data and client-key-data (kubectl config view --raw --flatten)")
	case u.Token == "" && u.Username == "" && len(u.ClientCertificateData) == 0:
		return refuse("its user has no credentials: add a token, or a client certificate")
	}
	return nil
}

func proxyOf(c *api.Cluster) func(*http.Request) (*url.URL, error) {
	if c.ProxyURL == "" {
		return http.ProxyFromEnvironment
	}
	proxy, err := url.Parse(c.ProxyURL)
	return func(*http.Request) (*url.URL, error) { return proxy, err }
}

func refuse(format string, args ...any) error {
	return provider.Rejected(CodeInvalidKubeconfig, "the kubeconfig cannot be used: %s", fmt.Sprintf(format, args...))
}
