// SPDX-License-Identifier: Apache-2.0

// Sengu is the one binary that people use: the command line, the embedded hub, and the controllers. It also
// works as a plugin of kubectl when it is called kubectl-sengu.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"sengu.dev/sengu/internal/buildinfo"
	"sengu.dev/sengu/internal/cli"
	"sengu.dev/sengu/internal/decide/rollout"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	quietLibraries()
	return cli.Run(ctx, cli.Config{
		Serve:         serve,
		Controller:    controllers,
		HubKubeconfig: hubKubeconfig,
		Plan:          rollout.Decide,
		Clock:         clock.RealClock{},
		Streams:       genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Version:       buildinfo.Get(),
		Program:       filepath.Base(os.Args[0]),
	}, os.Args[1:])
}
