// SPDX-License-Identifier: Apache-2.0

// Package hub is the Kubernetes API that stores Sengu's objects, run inside the process of `sengu serve`:
// an API server (namespaces, secrets, config maps, events, leases, RBAC, custom resources) on an etcd,
// with the namespace and garbage-collection controllers that a Kubernetes API needs to honour deletions.
// It keeps all it knows in one data directory.
//
// Start returns a hub that is ready to be used:
//
//	h, err := hub.Start(ctx, hub.Config{DataDir: dir, CRDs: crd.FS})
//	if err != nil {
//		return err
//	}
//	defer h.Close()
//	mgr, err := ctrl.NewManager(h.AdminConfig(), …)
//
// Kubernetes keeps feature gates, metrics and its scheme in variables of the process, so a process can run
// one hub at a time; after Close the next one may start.
package hub
