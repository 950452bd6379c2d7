// SPDX-License-Identifier: Apache-2.0

package member

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"sengu.dev/sengu/provider"
)

// testConfig is a kubeconfig before it is written.
type testConfig struct {
	*api.Config
	cluster *api.Cluster
	user    *api.AuthInfo
}

// kubeconfigWith returns a sound kubeconfig for a port that nobody listens on, changed.
func kubeconfigWith(t *testing.T, change func(*testConfig)) []byte {
	t.Helper()
	c := &testConfig{
		Config:  api.NewConfig(),
		cluster: &api.Cluster{Server: "https://127.0.0.1:1"},
		user:    &api.AuthInfo{Token: "s3cret"},
	}
	c.CurrentContext = "x"
	c.Contexts["x"] = &api.Context{Cluster: "c", AuthInfo: "u"}
	c.Clusters["c"], c.AuthInfos["u"] = c.cluster, c.user
	change(c)
	data, err := clientcmd.Write(*c.Config)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestKubeconfigs: a Secret must not run commands, read files, or send credentials to whoever answers.
func TestKubeconfigs(t *testing.T) {
	tests := map[string]struct {
		change func(*testConfig)
		want   string // part of the sentence; empty: accepted
	}{
		"a token": {change: func(*testConfig) {}},
		"a client certificate": {change: func(c *testConfig) {
			c.user.Token, c.user.ClientCertificateData, c.user.ClientKeyData = "", []byte("c"), []byte("k")
		}},
		"a command": {
			change: func(c *testConfig) {
				c.user.Exec = &api.ExecConfig{Command: "/bin/sh", APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: "Never"}
			},
			want: "runs a command",
		},
		"an auth provider":         {change: func(c *testConfig) { c.user.AuthProvider = &api.AuthProviderConfig{Name: "gcp"} }, want: "auth-provider"},
		"a file with a token":      {change: func(c *testConfig) { c.user.TokenFile = "/etc/passwd" }, want: "tokenFile"},
		"a file with a key":        {change: func(c *testConfig) { c.user.ClientKey = "/root/.ssh/id_rsa" }, want: "files are not read"},
		"a file with a cert":       {change: func(c *testConfig) { c.user.ClientCertificate = "/x" }, want: "files are not read"},
		"a file with a CA":         {change: func(c *testConfig) { c.cluster.CertificateAuthority = "/etc/shadow" }, want: "files are not read"},
		"no verification":          {change: func(c *testConfig) { c.cluster.InsecureSkipTLSVerify = true }, want: "insecure-skip-tls-verify"},
		"no TLS":                   {change: func(c *testConfig) { c.cluster.Server = "http://127.0.0.1:1" }, want: "in the clear"},
		"no server":                {change: func(c *testConfig) { c.cluster.Server = "" }, want: "not a URL"},
		"no credentials":           {change: func(c *testConfig) { c.user.Token = "" }, want: "no credentials"},
		"no context":               {change: func(c *testConfig) { c.CurrentContext = "y" }, want: "current-context"},
		"no cluster":               {change: func(c *testConfig) { c.Contexts["x"].Cluster = "y" }, want: `cluster "y"`},
		"no user":                  {change: func(c *testConfig) { c.Contexts["x"].AuthInfo = "y" }, want: `user "y"`},
		"a user that is not ours":  {change: func(c *testConfig) { c.AuthInfos["other"] = &api.AuthInfo{TokenFile: "/etc/passwd"} }},
		"a proxy that is no URL":   {change: func(c *testConfig) { c.cluster.ProxyURL = "http://[" }, want: "proxy-url"},
		"a CA that does not parse": {change: func(c *testConfig) { c.cluster.CertificateAuthorityData = []byte("x") }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cfg, err := restConfig(kubeconfigWith(t, tc.change))
			if tc.want == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				if cfg.QPS < 100 || cfg.Burst < 100 || !strings.HasPrefix(cfg.UserAgent, "sengu/") {
					t.Errorf("limits %v/%d, user agent %q", cfg.QPS, cfg.Burst, cfg.UserAgent)
				}
				return
			}
			if !errors.Is(err, provider.ErrRejected) || provider.CodeOf(err) != CodeInvalidKubeconfig {
				t.Fatalf("got %v, want rejected", err)
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("got %v, want %q and no secret", err, tc.want)
			}
		})
	}
}

func TestKubeconfigThatIsNone(t *testing.T) {
	_, err := restConfig([]byte("users: [{user: {token: s3cret}]"))
	if provider.CodeOf(err) != CodeInvalidKubeconfig || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v, want a refusal that does not quote", err)
	}
}
