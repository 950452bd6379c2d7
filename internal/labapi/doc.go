// SPDX-License-Identifier: Apache-2.0

// Package labapi is the wire protocol of the lab's management API and a client of it.
//
// The API is JSON over HTTP on loopback with a bearer token. It is what a cloud's management API is to a managed
// cluster: describe, offered versions, operations that run for a while, and faults on demand. Requests that change
// something carry a request key; the same key with the same content always means the same operation, also after
// the lab was restarted.
package labapi
