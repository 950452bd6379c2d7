// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line of sengu-lab.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sengu.dev/sengu/internal/buildinfo"
	"sengu.dev/sengu/internal/lab"
	"sengu.dev/sengu/internal/lab/fleet"
	"sengu.dev/sengu/internal/labapi"
)

// Exit codes.
const (
	codeFailed = 1
	codeUsage  = 2
)

// Streams are where a command reads and writes.
type Streams struct {
	// In, Out and Err are the standard streams.
	In       io.Reader
	Out, Err io.Writer
}

// Run runs a command and returns the exit code: 0 done, 1 failed, 2 wrong usage or input. Ctrl-C ends the command.
func Run(arguments []string, s Streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root := newRoot(s)
	root.SetArgs(arguments)
	err := root.ExecuteContext(ctx)
	coded, isCoded := errors.AsType[*exitError](err)
	_, isUsage := errors.AsType[*usageError](err)
	switch {
	case err == nil:
		return 0
	case isCoded:
		return coded.code
	case isInput(err):
		fmt.Fprintf(s.Err, "Error: %v\n", err)
		return codeUsage
	case isUsage || strings.HasPrefix(err.Error(), "unknown command"):
		fmt.Fprintf(s.Err, "Error: %v\nSee sengu-lab --help.\n", err)
		return codeUsage
	}
	fmt.Fprintf(s.Err, "Error: %v\n", err)
	return codeFailed
}

// isInput says whether what a person wrote is wrong: a fleet file, or a request that the lab does not take.
func isInput(err error) bool {
	_, isFleet := errors.AsType[*fleet.FieldError](err)
	refusal, isRefusal := errors.AsType[*labapi.Error](err)
	return isFleet || isRefusal && refusal.Status == http.StatusBadRequest
}

// exitError is the code of a program that was run and has said everything itself.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func misused(format string, arguments ...any) error {
	return &usageError{fmt.Errorf(format, arguments...)}
}

// options are the flags of all commands.
type options struct {
	Streams
	dir string
}

// client of the lab that runs in the directory.
func (o *options) client() (*labapi.Client, error) { return lab.Connect(o.dir) }

func newRoot(s Streams) *cobra.Command {
	o := &options{Streams: s}
	root := &cobra.Command{
		Use:   "sengu-lab",
		Short: "Real Kubernetes control planes on this machine, for demos, tests and rehearsals",
		Long: "sengu-lab runs a fleet of real Kubernetes control planes as processes on loopback. KWOK plays their nodes, and a\n" +
			"management API plays the cloud around them: upgrades, node replacements, and faults on demand.",
		Example: "  sengu-lab up                          # the default fleet: staging, canary, two production clusters\n" +
			"  sengu-lab status\n" +
			"  sengu-lab kubectl --cluster staging-1 get nodes\n" +
			"  sengu-lab inject canary-1 node-never-ready --times 1\n" +
			"  sengu-lab down",
		SilenceErrors: true, SilenceUsage: true,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	defaultDir, err := lab.DefaultDir()
	root.PersistentFlags().StringVar(&o.dir, "dir", defaultDir, "directory of the lab")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if o.dir == "" && err != nil {
			return fmt.Errorf("%w: name one with --dir", err)
		}
		return nil
	}
	// Kubernetes, which is linked in, has put a --version of its own among the flags of every command. It does nothing.
	if flag := pflag.CommandLine.Lookup("version"); flag != nil {
		flag.Hidden = true
	}
	root.Flags().Bool("version", false, "print the version")
	root.Version = buildinfo.Get().Version
	root.AddCommand(newUp(o), newDown(o), newStatus(o), newCluster(o), newKubeconfig(o), newInject(o), newBuild(o), newKubectl(o), newVersion(o))
	return root
}

// arguments checks their number and calls wrong usage by its name.
func arguments(low, high int) cobra.PositionalArgs {
	return func(command *cobra.Command, given []string) error {
		if len(given) < low || len(given) > high {
			return misused("wrong number of arguments: usage is %s", command.UseLine())
		}
		return nil
	}
}

// addOutput adds --output with its values, also for the shell.
func addOutput(command *cobra.Command, output *string, values ...string) {
	command.Flags().StringVarP(output, "output", "o", "", either(values))
	completeFlag(command, "output", cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// checkOutput refuses a format that is none of the values.
func checkOutput(output string, values ...string) error {
	if output != "" && !slices.Contains(values, output) {
		return misused("--output is %s, not %q", either(values), output)
	}
	return nil
}

// either joins words as "json, yaml or wide".
func either(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// completeFlag registers what the shell offers after a flag that the command has.
func completeFlag(command *cobra.Command, flag string, complete cobra.CompletionFunc) {
	_ = command.RegisterFlagCompletionFunc(flag, complete) // fails only for a flag that is not there
}

// completeClusters completes the first argument with the names of the lab's clusters.
func (o *options) completeClusters(command *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	client, err := o.client()
	if err != nil || len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	clusters, err := client.Clusters(command.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, c := range clusters {
		names = append(names, c.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
