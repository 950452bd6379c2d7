// SPDX-License-Identifier: Apache-2.0

// Command sengu-demo upgrades a fleet of real Kubernetes control planes on this machine, as a person would do it
// with sengu and sengu-lab, and ends with a table of what happened.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/go-logr/logr"
	"golang.org/x/term"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"sengu.dev/sengu/internal/demo"
)

func main() {
	// What the Kubernetes client libraries log of reconnecting watches is no part of the story.
	klog.SetLogger(logr.Discard())
	ctrllog.SetLogger(logr.Discard())
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sengu-demo:", err)
		os.Exit(1)
	}
	terminal := term.IsTerminal(int(os.Stdout.Fd())) && term.IsTerminal(int(os.Stdin.Fd()))
	c := demo.Config{Out: os.Stdout, Err: os.Stderr, In: os.Stdin, Clock: clock.RealClock{}, Terminal: terminal}
	flag.StringVar(&c.Binaries, "binaries", filepath.Dir(self), "folder with sengu and sengu-lab")
	flag.StringVar(&c.Fleet, "fleet", "", "fleet file of the lab; default: the lab's own, four clusters at 1.36")
	flag.StringVar(&c.Target, "to", "1.37", "Kubernetes version to upgrade to")
	flag.BoolVar(&c.Stay, "stay", terminal, "stay up for exploring when the upgrade is done, until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo.Run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
