// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// way is a proxy in front of a server that says "hello", and a client that comes through it.
type way struct {
	*testing.T
	proxy  *Proxy
	url    string
	client *http.Client
	// failures are how many requests are still to be answered with a 502.
	failures *atomic.Int32
}

func build(t *testing.T) way {
	t.Helper()
	backend := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(backend.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	roots := backend.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	failures := new(atomic.Int32)
	p := Start(Config{
		Listener: listener, Certificate: backend.TLS.Certificates[0], Roots: roots, Backend: backend.Listener.Addr().String(),
		Failing: func() (int, bool) { return http.StatusBadGateway, failures.Add(-1) >= 0 },
	})
	t.Cleanup(p.Close)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return way{t, p, "https://" + listener.Addr().String(), &http.Client{Transport: transport}, failures}
}

// ask sends a request with a token and gives up after the patience.
func (w way) ask(patience time.Duration) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if err != nil {
		w.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer t")
	response, err := w.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

func (w way) answers() {
	w.Helper()
	if status, answer, err := w.ask(10 * time.Second); status != http.StatusOK || answer != "hello Bearer t" {
		w.Errorf("got %d %q, %v, want the backend's answer with the token passed on", status, answer, err)
	}
}

func (w way) isCut() {
	w.Helper()
	_, _, err := w.ask(10 * time.Second)
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		w.Errorf("got %v, want a connection that is reset at once", err)
	}
}

func (w way) hangs() {
	w.Helper()
	if _, _, err := w.ask(200 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		w.Errorf("got %v, want no answer at all", err)
	}
}

func TestModes(t *testing.T) {
	w := build(t)
	w.isCut() // a proxy starts cut: nothing is behind it yet
	for range 2 {
		w.proxy.Set(Open)
		w.answers()
		w.proxy.Set(Hang)
		w.hangs() // on the connection that was used before
		w.client.CloseIdleConnections()
		w.hangs() // on a new one
		w.proxy.Set(Cut)
		w.isCut()
	}
}

func TestFailingRequestsAreAnsweredAsByAnAPIServer(t *testing.T) {
	w := build(t)
	w.proxy.Set(Open)
	w.failures.Store(2)
	for range 2 {
		status, answer, err := w.ask(10 * time.Second)
		if status != http.StatusBadGateway || !strings.Contains(answer, `"kind":"Status"`) {
			t.Errorf("got %d %q, %v, want a 502 in the words of an API server", status, answer, err)
		}
	}
	w.answers()
}

func TestCloseDoesNotWaitForTheFrozen(t *testing.T) {
	w := build(t)
	w.proxy.Set(Open)
	w.answers()
	w.proxy.Set(Hang)
	waiting := make(chan error, 1)
	go func() {
		_, _, err := w.ask(10 * time.Second)
		waiting <- err
	}()
	began := time.Now()
	w.proxy.Close()
	if err := <-waiting; err == nil {
		t.Error("the frozen request was answered")
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Close took %s", took)
	}
}
