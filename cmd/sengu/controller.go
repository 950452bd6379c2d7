// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"sengu.dev/sengu/internal/buildinfo"
	"sengu.dev/sengu/internal/cli"
	"sengu.dev/sengu/internal/controller"
)

// controlling says what the controllers work on.
type controlling struct {
	config    *rest.Config
	leaders   *controller.LeaderElection
	telemetry cli.Telemetry
	streams   genericiooptions.IOStreams
}

// controllers runs the controllers against a hub that is served elsewhere.
func controllers(ctx context.Context, o cli.ControllerOptions) error {
	klog.SetLogger(logTo(o.Streams.ErrOut, o.Telemetry.LogFormat, min(o.Telemetry.LogLevel, slog.LevelInfo)))
	c := controlling{config: o.Config, telemetry: o.Telemetry, streams: o.Streams}
	if o.LeaderElection {
		c.leaders = &controller.LeaderElection{
			Namespace: o.Namespace, LeaseDuration: o.LeaseDuration, RenewDeadline: o.RenewDeadline, RetryPeriod: o.RetryPeriod,
		}
	}
	return runControllers(ctx, c)
}

// runControllers runs the controllers until the context ends.
func runControllers(ctx context.Context, c controlling) error {
	log := logTo(c.streams.ErrOut, c.telemetry.LogFormat, c.telemetry.LogLevel)
	ctrllog.SetLogger(log)
	return controller.Run(ctx, c.config, controller.Options{
		Openers: openers(), Clock: clock.RealClock{}, Log: log, Version: buildinfo.Get().Version,
		LeaderElection: c.leaders,
		MetricsAddress: c.telemetry.MetricsAddress, TracesEndpoint: c.telemetry.TracesEndpoint,
	})
}

// logTo writes to the person who started this process, one line each, what is at least of a level.
func logTo(w io.Writer, format string, level slog.Level) logr.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return logr.FromSlogHandler(slog.NewJSONHandler(w, options))
	}
	return logr.FromSlogHandler(slog.NewTextHandler(w, options))
}

// quietLibraries keeps what Kubernetes' libraries log away from the output of commands; a hub writes it to its
// own log file.
func quietLibraries() {
	klog.SetLogger(logr.Discard())
	ctrllog.SetLogger(logr.Discard())
}
