// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/config/policies"
	"sengu.dev/sengu/internal/cli"
	"sengu.dev/sengu/internal/hub"
)

// serve runs a hub with its controllers until the context ends or one of them dies.
func serve(ctx context.Context, o cli.ServeOptions) error {
	h, err := hub.Start(ctx, hub.Config{
		DataDir: o.DataDir, BindAddress: o.BindAddress, Port: o.Port, CRDs: crd.FS, Policies: policies.FS,
		Log: logTo(o.Streams.ErrOut, o.Telemetry.LogFormat, max(o.Telemetry.LogLevel, slog.LevelWarn)),
	})
	if err != nil {
		return err
	}
	defer h.Close()
	working, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		if o.NoControllers {
			<-working.Done()
			done <- nil
			return
		}
		done <- runControllers(working, controlling{config: h.AdminConfig(), telemetry: o.Telemetry, streams: o.Streams})
	}()
	admin := filepath.Join(o.DataDir, "admin.kubeconfig")
	fmt.Fprintf(o.Streams.Out, "The hub is ready at %s\n  kubectl --kubeconfig %s get clusters.sengu.dev\n", h.URL(), admin)
	select {
	case err = <-done:
	case <-h.Done():
		stop()
		err = errors.Join(h.Err(), <-done)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// hubKubeconfig makes a kubeconfig for a user.
func hubKubeconfig(u cli.HubUser) ([]byte, error) {
	return hub.IssueKubeconfig(u.DataDir, hub.User{Name: u.Name, Groups: u.Groups, ValidFor: u.ValidFor})
}
