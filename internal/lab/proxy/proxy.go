// SPDX-License-Identifier: Apache-2.0

// Package proxy stands in front of a lab's API server and plays the faults of the way to it: connections that are
// reset, connections that freeze, and requests that are answered with 5xx.
//
// It ends TLS with the API server's own certificate, as a 5xx is an answer inside TLS, and passes everything else
// on as it is. Users of a lab carry bearer tokens, which pass; a client certificate would not.
package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// Proxy is a server in front of one API server. It starts closed, as Cut.
type Proxy struct {
	gate   *gate
	server *http.Server
}

// Config says where a proxy listens and what it stands in front of.
type Config struct {
	// Listener that clients connect to; the proxy closes it.
	Listener net.Listener
	// Certificate that clients see, and the Roots that the backend's is checked with.
	Certificate tls.Certificate
	Roots       *x509.CertPool
	// Backend is the address of the API server, host:port.
	Backend string
	// Failing is asked for each request whether it is to be answered with a status instead of by the backend.
	Failing func() (status int, ok bool)
}

// Start starts a proxy.
func Start(c Config) *Proxy {
	p := &Proxy{gate: newGate()}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 100,
		IdleConnTimeout:     time.Minute,
		// A stopped backend must not be found again through a dead connection.
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
	}
	quiet := log.New(io.Discard, "", 0)
	passing := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "https", Host: c.Backend})
			r.Out.Host = r.In.Host
		},
		Transport:     transport,
		FlushInterval: -1, // a watch event is passed on at once
		ErrorLog:      quiet,
		// Without an answer of the API server there is none: no made-up 502.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if status, fails := c.Failing(); fails {
				refuse(w, status)
				return
			}
			passing.ServeHTTP(w, r)
		}),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{c.Certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog:          quiet,
		ReadHeaderTimeout: 30 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return context.Background() },
	}
	go func() { _ = p.server.ServeTLS(p.gate.listener(c.Listener), "", "") }() // ends with Close
	return p
}

// Set opens, freezes or cuts all connections, present and future.
func (p *Proxy) Set(m Mode) { p.gate.set(m) }

// Close ends all connections and the listener.
func (p *Proxy) Close() {
	p.gate.set(Cut)
	_ = p.server.Close()
}

// refuse answers as an API server does, so that clients read the code.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure", "code": status,
		"message": fmt.Sprintf("the lab plays a fault: %d %s", status, http.StatusText(status)),
	})
}
