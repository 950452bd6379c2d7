// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"sengu.dev/sengu/internal/lab/pki"
)

// kubeconfig of a user for the API server at an address.
func (p *controlPlane) kubeconfig(user, address string) ([]byte, error) {
	authority, err := os.ReadFile(filepath.Join(p.dir, pki.CAFile))
	if err != nil {
		return nil, fmt.Errorf("read the cluster's authority: %w", err)
	}
	name := filepath.Base(p.dir)
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + address, CertificateAuthorityData: authority}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: p.tokens[user]}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	content, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("write a kubeconfig: %w", err)
	}
	return content, nil
}

// MergeKubeconfigs makes one kubeconfig of several; the first one's context is the current one.
func MergeKubeconfigs(all ...[]byte) ([]byte, error) {
	merged := clientcmdapi.NewConfig()
	for _, content := range all {
		config, err := clientcmd.Load(content)
		if err != nil {
			return nil, fmt.Errorf("read a kubeconfig: %w", err)
		}
		maps.Copy(merged.Clusters, config.Clusters)
		maps.Copy(merged.AuthInfos, config.AuthInfos)
		maps.Copy(merged.Contexts, config.Contexts)
		if merged.CurrentContext == "" {
			merged.CurrentContext = config.CurrentContext
		}
	}
	content, err := clientcmd.Write(*merged)
	if err != nil {
		return nil, fmt.Errorf("write a kubeconfig: %w", err)
	}
	return content, nil
}
