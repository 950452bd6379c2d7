// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line of Sengu: a thin edge over operation (what people do) and view (what they
// read). What needs a hub or controllers in this process is passed in by cmd/sengu.
package cli

//go:generate go run ../../hack/gendoc ../../docs/reference/cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/buildinfo"
	"sengu.dev/sengu/internal/decide/rollout"
)

// Config is what the command line is made of.
type Config struct {
	// Serve runs a hub with its controllers until the context ends.
	Serve func(context.Context, ServeOptions) error
	// Controller runs the controllers against a hub until the context ends.
	Controller func(context.Context, ControllerOptions) error
	// HubKubeconfig makes a kubeconfig for a user of the hub in a data directory.
	HubKubeconfig func(HubUser) ([]byte, error)
	// Plan decides on a run as the controllers do.
	Plan func(rollout.Snapshot, time.Time) rollout.Decision
	// Clock tells the time.
	Clock clock.WithTicker
	// Streams are what is read from and written to.
	Streams genericiooptions.IOStreams
	// Version of this binary.
	Version buildinfo.Info
	// Program is how this binary was called; kubectl-sengu is shown as "kubectl sengu". Empty: sengu.
	Program string
}

// ServeOptions say where and how a hub is served.
type ServeOptions struct {
	// DataDir is the directory with everything that the hub stores.
	DataDir string
	// BindAddress is the IP address to listen on.
	BindAddress string
	// Port to listen on; zero: the port of the last start, else one from the kernel.
	Port int
	// NoControllers serves the hub alone: the controllers run elsewhere.
	NoControllers bool
	// Telemetry of the controllers.
	Telemetry Telemetry
	// Streams to tell people on.
	Streams genericiooptions.IOStreams
}

// ControllerOptions say which hub the controllers work on.
type ControllerOptions struct {
	// Config reaches the hub.
	Config *rest.Config
	// LeaderElection lets one of several such processes work at a time.
	LeaderElection bool
	// Namespace of the lease for the leader election.
	Namespace string
	// LeaseDuration, RenewDeadline and RetryPeriod of the leader election.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
	// Telemetry of the controllers.
	Telemetry Telemetry
	// Streams to tell people on.
	Streams genericiooptions.IOStreams
}

// HubUser is a user who gets access to a hub.
type HubUser struct {
	// DataDir of the hub.
	DataDir string
	// Name of the user, and the groups that give rights.
	Name   string
	Groups []string
	// ValidFor is how long the access is good for.
	ValidFor time.Duration
}

// app is one invocation.
type app struct {
	Config
	name  string // as people call it: "sengu" or "kubectl sengu"
	flags *genericclioptions.ConfigFlags
}

// scheme knows the kinds that the command line reads and writes.
var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}()

// New makes the root command.
func New(c Config) *cobra.Command {
	a := &app{Config: c, name: "sengu"}
	if strings.HasPrefix(filepath.Base(c.Program), "kubectl-") {
		a.name = "kubectl sengu"
	}
	a.flags = &genericclioptions.ConfigFlags{
		KubeConfig: new(""), Context: new(""), Namespace: new(""), Timeout: new("0"),
	}
	root := &cobra.Command{
		Use:   "sengu",
		Short: "Upgrade fleets of Kubernetes clusters on schedule, in order, with proof at each step",
		Long: `Sengu upgrades fleets of Kubernetes clusters: in stages, with limits, soaks and gates, and drains that
respect every PodDisruptionBudget.

Start a hub with 'sengu serve', add clusters with 'sengu cluster add', and create a run with 'sengu run create'.
Every object can also be read and written with kubectl; strategies and calendars are applied with 'kubectl apply'.

The hub is found by, in this order: --kubeconfig, $SENGU_KUBECONFIG, $KUBECONFIG when it leads to a hub, the
admin.kubeconfig of a hub in the default data directory, and ~/.kube/config when it leads to a hub.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: a.name},
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          a.noSuchCommand,
		RunE:          showHelp,
	}
	root.SetIn(c.Streams.In)
	root.SetOut(c.Streams.Out)
	root.SetErr(c.Streams.ErrOut)
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpTemplate(helpTemplate)
	root.SetFlagErrorFunc(flagError)
	a.globalFlags(root)
	root.AddCommand(
		a.clusterCommand(), a.runCommand(), a.strategyCommand(), a.whyCommand(), a.gateCommand(), a.forecastCommand(), a.auditCommand(), a.importCommand(), a.calendarCommand(), a.fleetCommand(),
		a.serveCommand(), a.controllerCommand(), a.hubCommand(), a.versionCommand(),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	a.nameExamples(root)
	return root
}

// Run executes one invocation and returns its exit code: 0 success, 1 no, failed or stopped, 2 wrong usage or
// input, 3 no connection to a hub, 130 interrupted.
func Run(ctx context.Context, c Config, args []string) int {
	root := New(c)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	code, sentence := explain(ctx, err)
	if sentence != "" {
		fmt.Fprintln(c.Streams.ErrOut, "error: "+sentence)
	}
	var usage *usageError
	if errors.As(err, &usage) && command != nil {
		fmt.Fprintf(c.Streams.ErrOut, "See '%s --help' for usage.\n", command.CommandPath())
	}
	return code
}

func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.BoolP("help", "h", false, "Show what a command does and how it is used.")
	f.StringVar(a.flags.KubeConfig, "kubeconfig", "", "Path to the kubeconfig file of the hub.")
	f.StringVar(a.flags.Context, "context", "", "The name of the kubeconfig context to use.")
	f.StringVarP(a.flags.Namespace, "namespace", "n", "", "The namespace of the fleet. Not set: that of the context, else default.")
	f.StringVar(a.flags.Timeout, "request-timeout", "0", "How long to wait for one answer of the hub, like 5s. 0: no limit.")
}

// nameExamples writes the examples the way this binary was called.
func (a *app) nameExamples(c *cobra.Command) {
	if a.name != "sengu" {
		lines := strings.Split(c.Example, "\n")
		for i, line := range lines {
			if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "sengu "); ok {
				lines[i] = "  " + a.name + " " + rest
			}
		}
		c.Example = strings.Join(lines, "\n")
	}
	for _, sub := range c.Commands() {
		a.nameExamples(sub)
	}
}

// group is a command that only holds others.
func (a *app) group(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Long: long, Args: a.noSuchCommand, RunE: showHelp}
	g.AddCommand(commands...)
	return g
}

func showHelp(c *cobra.Command, _ []string) error { return c.Help() }

// noSuchCommand refuses words that name no command, with the nearest that do.
func (a *app) noSuchCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.SuggestionsMinimumDistance <= 0 {
		c.SuggestionsMinimumDistance = 2
	}
	sentence := fmt.Sprintf("unknown command %q for %q", args[0], c.CommandPath())
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		sentence += ": did you mean " + strings.Join(quoted(near), " or ") + "?"
	}
	return &usageError{sentence}
}

func quoted(words []string) []string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = fmt.Sprintf("%q", w)
	}
	return q
}

// args checks the number of words after a command and names what is missing.
func args(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, given []string) error {
		if len(given) < len(names) {
			return &usageError{fmt.Sprintf("%q needs %s", c.CommandPath(), strings.Join(names[len(given):], " and "))}
		}
		if len(given) > len(names) {
			return &usageError{fmt.Sprintf("%q takes %s, and %q is too much", c.CommandPath(),
				cmp.Or(strings.Join(names, " and "), "no arguments"), given[len(names)])}
		}
		return nil
	}
}
