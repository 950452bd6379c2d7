// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Limits of one connection and one request. A watch has no limit, so they are not in the http.Client.
const (
	dialTimeout    = 5 * time.Second
	requestTimeout = 10 * time.Second
	// A server that vanished without a word is noticed by HTTP/2 pings after the sum of these.
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

// newClient returns a client with a transport of its own. Client-go's shared transports are kept for the life of
// the process, which grows with every credential that is rotated; this one is closed with its access.
func newClient(cfg *rest.Config, onTrouble func()) (*kubernetes.Clientset, *http.Transport, error) {
	tls, err := rest.TLSConfigFor(cfg)
	if err != nil {
		return nil, nil, refuse("its certificates do not parse: correct certificate-authority-data, client-certificate-data or client-key-data")
	}
	base := &http.Transport{
		Proxy:                 cfg.Proxy,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       tls,
		TLSHandshakeTimeout:   dialTimeout,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   25,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
	wrapped, err := rest.HTTPWrappersForConfig(cfg, &noticing{next: base, onTrouble: onTrouble})
	if err != nil {
		return nil, nil, refuse("its user's credentials contradict each other: keep one kind")
	}
	client, err := kubernetes.NewForConfigAndClient(cfg, &http.Client{Transport: wrapped})
	if err != nil {
		return nil, nil, refuse("its server cannot be used: set it to https://host:port")
	}
	return client, base, nil
}

// noticing tells of every request that the server did not answer, or answered with an error of its own, and of every
// watch that ended. The reflectors of client-go retry silently, up to 30 s apart; this hears the first.
type noticing struct {
	next      http.RoundTripper
	onTrouble func()
}

// RoundTrip sends the request.
func (n *noticing) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := n.next.RoundTrip(r)
	switch {
	case errors.Is(err, context.Canceled): // the caller gave up
	case err != nil, response.StatusCode >= http.StatusInternalServerError, response.StatusCode == http.StatusUnauthorized:
		n.onTrouble()
	case r.URL.Query().Get("watch") != "":
		response.Body = &watched{ReadCloser: response.Body, request: r.Context(), onEnd: n.onTrouble}
	}
	return response, err
}

// watched is the body of a watch.
type watched struct {
	io.ReadCloser
	request context.Context
	onEnd   func()
}

// Read reads the next events.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil && w.request.Err() == nil {
		w.onEnd()
	}
	return n, err
}
