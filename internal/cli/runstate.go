// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

// steering is a function of package operation that changes what is wanted of a run.
type steering func(context.Context, client.Client, types.NamespacedName) (bool, error)

// steer runs it and says what became of it: what it is now, or that it was so already.
func (a *app) steer(do steering, done, already string) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, words []string) error {
		h, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		changed, err := do(c.Context(), h, h.key(words[0]))
		if err != nil {
			return err
		}
		if !changed {
			done = already
		}
		a.say("upgraderun.sengu.dev/%s %s", words[0], done)
		return nil
	}
}

func (a *app) runPause() *cobra.Command {
	return &cobra.Command{
		Use:   "pause NAME",
		Short: "Start nothing new and bring what is in flight to a safe point",
		Long: `Pause a run: nothing new starts, and clusters in flight go to a safe point, where no node is cordoned and no
operation runs. 'run resume' goes on from there.`,
		Example: `  # Hold everything
  sengu run pause to-1-37`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
		RunE:              a.steer(operation.Pause, "paused: clusters in flight go to a safe point", "is paused already"),
	}
}

func (a *app) runResume() *cobra.Command {
	return &cobra.Command{
		Use:   "resume NAME",
		Short: "Let a paused run go on",
		Long:  "Let a paused run go on from where it is.",
		Example: `  # Go on
  sengu run resume to-1-37`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
		RunE:              a.steer(operation.Resume, "resumed", "is not paused"),
	}
}

func (a *app) runRetry() *cobra.Command {
	return &cobra.Command{
		Use:   "retry NAME",
		Short: "Try the clusters that failed again",
		Long: `Try the clusters that failed again, each from its first unfinished step, with the same frozen target. Remove the
cause first: 'run describe' names it.`,
		Example: `  # After the quota was raised
  sengu run retry to-1-37`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
		RunE:              a.steer(operation.Retry, "retried: the clusters that failed are tried again", "is about to be retried already"),
	}
}

func (a *app) runStop() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "stop NAME",
		Short: "End a run at a safe point, for good",
		Long: `End a run: nothing new starts, clusters in flight go to a safe point, and the run cannot be resumed. Clusters
stay on the version that they have; a new run takes them further. On a terminal you are asked first.`,
		Example: `  # End it, and ask first
  sengu run stop to-1-37

  # End it from a script
  sengu run stop to-1-37 --yes`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "Do not ask.")
	c.RunE = func(c *cobra.Command, words []string) error {
		if _, asks := terminal(a.Streams.In); asks && !yes {
			question := fmt.Sprintf("Stop run %s for good? It cannot be resumed. [y/N] ", view.Clean(words[0]))
			if !a.confirmed(question) {
				return &exitError{exitFailed, "not stopped"}
			}
		}
		return a.steer(operation.Stop, "stopped: clusters in flight go to a safe point", "is stopped already")(c, words)
	}
	return c
}

func (a *app) confirmed(question string) bool {
	fmt.Fprint(a.Streams.ErrOut, question)
	answer, err := bufio.NewReader(a.Streams.In).ReadString('\n')
	if err != nil {
		return false
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

func (a *app) runSkip() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "skip NAME cluster|group|stage|soak|gate PATH --reason REASON",
		Short: "Leave a part out of a run, for good",
		Long: `Leave a part out of a run by your decision, with a reason for the record. A skip cannot be taken back. A cluster
in flight goes to a safe point first.

PATH is the name of a cluster, STAGE for a stage or its soak, STAGE/GROUP for a group, and STAGE/GATE or
STAGE/GROUP/GATE for a gate.`,
		Example: `  # Leave a cluster as it is
  sengu run skip to-1-37 cluster prod-7 --reason "is decommissioned next week"

  # Do not wait for the rest of a soak
  sengu run skip to-1-37 soak staging --reason "security fix, CHG-1234"

  # Pass a gate of a stage
  sengu run skip to-1-37 gate canary/approve --reason "approved by phone"`,
		Args:              args("NAME", "cluster|group|stage|soak|gate", "PATH"),
		ValidArgsFunction: a.skippable,
	}
	c.Flags().StringVar(&reason, "reason", "", "Why, for the record. Needed.")
	c.RunE = func(c *cobra.Command, words []string) error {
		if strings.TrimSpace(reason) == "" {
			return usage("--reason is needed, for the record")
		}
		skip, err := operation.ParseSkip(words[1], words[2], reason)
		if err != nil {
			return err
		}
		what := view.SkipText(&skip)
		return a.steer(func(ctx context.Context, hub client.Client, key types.NamespacedName) (bool, error) {
			return operation.Skip(ctx, hub, key, skip)
		}, "skips "+what, "skips "+what+" already")(c, words)
	}
	return c
}
