// SPDX-License-Identifier: Apache-2.0

// Package component is the inside of the lab's child processes: the Kubernetes control plane, etcd, KWOK and
// kubectl, all linked into the one binary and chosen by its first argument.
//
// It is a package of its own because it links all of Kubernetes: whoever only starts a lab does not import it.
package component

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kwokcmd "sigs.k8s.io/kwok/pkg/kwok/cmd"

	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwoklog "sigs.k8s.io/kwok/pkg/log"

	"sengu.dev/sengu/internal/lab/process"
)

// components by the argument that chooses them; each gets the arguments after it and returns the exit code.
var components = map[string]func(arguments []string) int{
	"kube-apiserver": func(arguments []string) int {
		return kubernetes(apiserver.NewAPIServerCommand(), arguments)
	},
	"kube-controller-manager": func(arguments []string) int {
		return kubernetes(controllers.NewControllerManagerCommand(), arguments)
	},
	"kube-scheduler": func(arguments []string) int {
		return kubernetes(scheduler.NewSchedulerCommand(), arguments)
	},
	"etcd": func(arguments []string) int {
		etcdmain.Main(append([]string{"etcd"}, arguments...))
		return 0
	},
	"kwok": kwok,
}

// Run runs a component until it ends if the arguments of the program name one; ok is false if they do not, so
// that the program goes on with its own commands.
func Run(arguments []string) (code int, ok bool) {
	if len(arguments) < 2 {
		return 0, false
	}
	component, ok := components[arguments[1]]
	if !ok {
		return 0, false
	}
	watchParent()
	return component(arguments[2:]), true
}

// Kubectl runs kubectl with the arguments and returns its exit code.
func Kubectl(arguments []string) int {
	// kubectl reads os.Args itself to find plugins and to name itself in its help.
	os.Args = append([]string{"kubectl"}, arguments...)
	return cli.Run(kubectl.NewDefaultKubectlCommand())
}

func kubernetes(command *cobra.Command, arguments []string) int {
	command.SetArgs(arguments)
	return cli.Run(command)
}

// kwok reads its --config twice: once for the stages, which travel in the context, and once as a flag of its
// command.
func kwok(arguments []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Args = append([]string{"kwok"}, arguments...)
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, logger := kwoklog.InitFlags(ctx, flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err != nil {
		logger.Error("Read the stages", "err", err)
		return 1
	}
	command := kwokcmd.NewCommand(ctx)
	// Kubernetes has put a --version of another type into the global flags, which every command inherits.
	command.Version = ""
	command.PersistentFlags().AddFlagSet(flags)
	command.SetArgs(arguments)
	if err := command.ExecuteContext(ctx); err != nil {
		logger.Error("Run", "err", err)
		return 1
	}
	return 0
}

// watchParent ends this process when the lab that started it is gone, however it ended: the lab holds the other
// end of a pipe, and the kernel closes it. Unlike a parent-death signal this works on every system and does not
// depend on the thread that forked.
func watchParent() {
	descriptor, err := strconv.Atoi(os.Getenv(process.ParentPipe))
	if err != nil {
		return
	}
	pipe := os.NewFile(uintptr(descriptor), "parent")
	go func() {
		// Nothing is ever written: the read ends with the parent.
		_, _ = io.Copy(io.Discard, pipe)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}()
}
