// SPDX-License-Identifier: Apache-2.0

// Package etcdlog takes the log of the API server's etcd client off the terminal. That client makes its
// logger when its package is initialized, on standard error and for good; each stop of a hub would print a
// line of JSON about a cancelled read.
//
// This package changes the defaults of etcd's loggers before. That works because Go initializes, of the
// packages whose imports are initialized, the one with the first import path: the etcd client has to wait for
// packages under sigs.k8s.io, which come later than this one. The hub's test of a silent child process holds
// it.
package etcdlog

import (
	"io"
	"net/url"
	"sync/atomic"

	"go.etcd.io/etcd/client/pkg/v3/logutil"
	"go.uber.org/zap"
)

// scheme names the output in a list of etcd's outputs.
const scheme = "senguhub"

// output is where the loggers write now.
var output atomic.Pointer[io.Writer]

//nolint:gochecknoinits // only another package's initialization comes early enough, as the package comment says
func init() {
	if err := zap.RegisterSink(scheme, func(*url.URL) (zap.Sink, error) { return sink{}, nil }); err != nil {
		panic("the name of the hub's log is taken: " + err.Error())
	}
	logutil.DefaultZapLoggerConfig.OutputPaths = []string{scheme + ":log"}
	logutil.DefaultZapLoggerConfig.ErrorOutputPaths = []string{scheme + ":log"}
}

// SetOutput sends what etcd's default loggers write from now on to a writer. Before the first call it is
// discarded.
func SetOutput(w io.Writer) { output.Store(&w) }

// sink is an output in the form that the logger wants.
type sink struct{}

// Write passes a line on.
func (sink) Write(p []byte) (int, error) {
	if w := output.Load(); w != nil {
		return (*w).Write(p)
	}
	return len(p), nil
}

// Sync does nothing: the hub's log is not buffered.
func (sink) Sync() error { return nil }

// Close does nothing: the writer belongs to who has set it.
func (sink) Close() error { return nil }
