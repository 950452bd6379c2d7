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

	"sengu.dev/sengu/internal/cli"
	"sengu.dev/sengu/internal/controller"
)

// controlling says what the controllers work on.
type controlling struct {
	config  *rest.Config
	leaders *controller.LeaderElection
	streams genericiooptions.IOStreams
}

// controllers runs the controllers against a hub that is served elsewhere.
func controllers(ctx context.Context, o cli.ControllerOptions) error {
	klog.SetLogger(logTo(o.Streams.ErrOut, slog.LevelInfo))
	c := controlling{config: o.Config, streams: o.Streams}
	if o.LeaderElection {
		c.leaders = &controller.LeaderElection{
			Namespace: o.Namespace, LeaseDuration: o.LeaseDuration, RenewDeadline: o.RenewDeadline, RetryPeriod: o.RetryPeriod,
		}
	}
	return runControllers(ctx, c)
}

// runControllers runs the controllers until the context ends.
func runControllers(ctx context.Context, c controlling) error {
	log := logTo(c.streams.ErrOut, slog.LevelWarn)
	ctrllog.SetLogger(log)
	return controller.Run(ctx, c.config, controller.Options{
		Openers: openers(), Clock: clock.RealClock{}, Log: log,
		LeaderElection: c.leaders,
	})
}

// logTo writes to the person who started this process, one line each, what is at least of a level.
func logTo(w io.Writer, level slog.Level) logr.Logger {
	return logr.FromSlogHandler(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// quietLibraries keeps what Kubernetes' libraries log away from the output of commands; a hub writes it to its
// own log file.
func quietLibraries() {
	klog.SetLogger(logr.Discard())
	ctrllog.SetLogger(logr.Discard())
}
