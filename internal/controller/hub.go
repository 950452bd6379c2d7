// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func oneNamespace(name string) map[string]cache.Config {
	return map[string]cache.Config{name: {}}
}

func secrets() []client.Object { return []client.Object{&corev1.Secret{}} }

func splitKey(key string) (namespace, name string) {
	namespace, name, _ = strings.Cut(key, "/")
	return namespace, name
}
