// SPDX-License-Identifier: Apache-2.0

package hub

// StopStorage takes etcd away from under a running API.
func (h *Hub) StopStorage() { h.store.etcd.Server.Stop() }
