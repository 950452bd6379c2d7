// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// metricsServer serves Sengu's metrics beside those of controller-runtime. It has a registry of its own because that
// one's is shared by the whole process, and tests run several sets of controllers in one.
type metricsServer struct {
	listener net.Listener
	handler  http.Handler
}

// serveMetrics listens at once, so that an address that cannot be used is an error of the start.
func serveMetrics(mgr ctrl.Manager, address string, registry *prometheus.Registry) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("metrics cannot be served at %q: %w", address, err)
	}
	both := prometheus.Gatherers{registry, ctrlmetrics.Registry}
	return mgr.Add(&metricsServer{listener, promhttp.HandlerFor(both, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})})
}

// NeedLeaderElection says that a process that only waits to lead serves metrics too.
func (*metricsServer) NeedLeaderElection() bool { return false }

// Start serves until the context ends.
func (s *metricsServer) Start(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.handler)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // a scrape that is cut off is made again
	defer stop()
	if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics are no longer served: %w", err)
	}
	return nil
}
