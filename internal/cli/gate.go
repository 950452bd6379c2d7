// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

func (a *app) gateCommand() *cobra.Command {
	c := a.group("gate", "List, describe, approve and refuse gates of runs",
		`List, describe, approve and refuse gates. A gate stands before or after a stage or a group of a run: an approval
waits for people, a scheduled start for a time, a verification for proof. All gates of a run exist from its start, so
that people can decide in advance.`,
		a.gateList(), a.gateDescribe(), a.gateApprove(), a.gateRefuse())
	c.Aliases = []string{"gates"}
	return c
}

func (a *app) gateList() *cobra.Command {
	var selector string
	var all bool
	c := &cobra.Command{
		Use:     "list [NAME ...]",
		Aliases: []string{"get", "ls"},
		Short:   "List the gates of the fleet's runs",
		Long:    "List the gates of the fleet's runs: where they stand, whether they are open, and why not.",
		Example: `  # All gates
  sengu gate list

  # Those of one run, with what each waits for
  sengu gate list -l sengu.dev/run=to-1-37 -o wide`,
		ValidArgsFunction: a.names(&v1alpha1.GateList{}),
	}
	o := outputFlags(c, true)
	selectorFlags(c, &selector, &all)
	c.RunE = func(c *cobra.Command, names []string) error {
		list := &v1alpha1.GateList{}
		h, err := a.read(c, o, list, reading{selector, all, names})
		if err != nil {
			return err
		}
		if len(names) > 0 {
			list.Items, err = pick(list.Items, names, h.namespace, "gate", func(g *v1alpha1.Gate) string { return g.Name })
			if err != nil {
				return err
			}
		}
		rows := view.Gates(list.Items, a.Clock.Now())
		if all {
			rows = rows.WithNamespaces()
		}
		return a.list(o, single(list, len(names)), rows)
	}
	return c
}

// gateUse is how a gate is named: by its object, or by its run and its path.
const gateUse = "NAME | RUN STAGE[/GROUP]/GATE"

// oneGate checks the words that name a gate.
func oneGate(c *cobra.Command, words []string) error {
	if len(words) == 0 || len(words) > 2 {
		return usage("%q needs %s", c.CommandPath(), "the name of a gate, or a run and STAGE/GATE or STAGE/GROUP/GATE")
	}
	return nil
}

// gateOf finds the gate that the words name.
func gateOf(ctx context.Context, h *hub, words []string) (*v1alpha1.Gate, error) {
	if len(words) == 2 {
		return operation.FindGate(ctx, h, h.key(words[0]), words[1])
	}
	return operation.GetGate(ctx, h, h.key(words[0]))
}

func (a *app) gateDescribe() *cobra.Command {
	return &cobra.Command{
		Use:   "describe " + gateUse,
		Short: "Tell what a gate waits for, who decided, and what comes next",
		Long: `Tell what a gate waits for, who may decide and who has, and whether the clusters that come next behind it are
ready.`,
		Example: `  # Should I approve this?
  sengu gate describe to-1-37 production/ok`,
		Args:              oneGate,
		ValidArgsFunction: a.gatesToName,
		RunE: func(c *cobra.Command, words []string) error {
			h, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			g, err := gateOf(c.Context(), h, words)
			if err != nil {
				return err
			}
			next, err := operation.ReadinessBehind(c.Context(), h, g)
			if err != nil {
				return err
			}
			_, err = io.WriteString(a.Streams.Out, view.DescribeGate(g, next.Evidence, a.Clock.Now()))
			return err
		},
	}
}

// approving are the flags of an approval.
type approving struct {
	comment, notAfter string
	noFailures, yes   bool
}

func (f *approving) addTo(c *cobra.Command) {
	c.Flags().StringVar(&f.comment, "comment", "", "What you want to have on record.")
	c.Flags().BoolVar(&f.noFailures, "if-no-failures", false, "It counts only while no cluster of the run has failed.")
	c.Flags().StringVar(&f.notAfter, "not-after", "", "It counts only when the run comes to the gate by then: an instant like 2027-03-01T18:00:00+09:00, or a time from now like 12h.")
	c.Flags().BoolVarP(&f.yes, "yes", "y", false, "Do not ask.")
}

func (f *approving) approval(now time.Time) (operation.Approval, error) {
	approval := operation.Approval{At: now, Comment: f.comment, NoFailures: f.noFailures}
	if f.notAfter == "" {
		return approval, nil
	}
	if wait, err := time.ParseDuration(f.notAfter); err == nil {
		approval.NotAfter = now.Add(wait)
		return approval, nil
	}
	at, err := time.Parse(time.RFC3339, f.notAfter)
	if err != nil {
		return approval, usage("--not-after is %q: write an instant like 2027-03-01T18:00:00+09:00, or a time from now like 12h", f.notAfter)
	}
	approval.NotAfter = at
	return approval, nil
}

const approveLong = `Approve a gate, under the name by which the hub knows you. What is known of the clusters that come next is shown
first; the gate opens when enough people have approved, nobody refuses, and none of those clusters is Blocked or not
healthy. Who created, resumed or retried the run cannot be the only one.

An approval can be given before the run comes to the gate. Your last decision counts: approving takes back your
refusal.`

func (a *app) gateApprove() *cobra.Command {
	var f approving
	c := &cobra.Command{
		Use:   "approve " + gateUse,
		Short: "Let a run through a gate",
		Long:  approveLong,
		Example: `  # Approve, after a look at what comes next
  sengu gate approve to-1-37 production/ok

  # In advance: tonight, and only if nothing fails
  sengu gate approve to-1-37 production/ok --if-no-failures --not-after 12h --comment CHG-1234`,
		Args:              oneGate,
		ValidArgsFunction: a.gatesToName,
	}
	f.addTo(c)
	c.RunE = func(c *cobra.Command, words []string) error {
		return a.approve(c.Context(), &f, func(ctx context.Context, h *hub) (*v1alpha1.Gate, error) { return gateOf(ctx, h, words) })
	}
	return c
}

func (a *app) runApprove() *cobra.Command {
	var f approving
	c := &cobra.Command{
		Use:   "approve NAME",
		Short: "Approve the one gate that a run waits at",
		Long:  "Approve the gate at which a run waits for an approval, when it is the only one. " + approveLong,
		Example: `  # The short way
  sengu run approve to-1-37`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
	}
	f.addTo(c)
	c.RunE = func(c *cobra.Command, words []string) error {
		return a.approve(c.Context(), &f, func(ctx context.Context, h *hub) (*v1alpha1.Gate, error) {
			return operation.PendingApproval(ctx, h, h.key(words[0]))
		})
	}
	return c
}

// approve finds a gate, shows what comes next behind it, asks, and approves.
func (a *app) approve(ctx context.Context, f *approving, find func(context.Context, *hub) (*v1alpha1.Gate, error)) error {
	approval, err := f.approval(a.Clock.Now())
	if err != nil {
		return err
	}
	h, err := a.connect(ctx)
	if err != nil {
		return err
	}
	g, err := find(ctx, h)
	if err != nil {
		return err
	}
	next, err := operation.ReadinessBehind(ctx, h, g)
	if err != nil {
		return err
	}
	fmt.Fprint(a.Streams.ErrOut, view.GateEvidence(next.Evidence))
	if _, asks := terminal(a.Streams.In); asks && !f.yes {
		if !a.confirmed(fmt.Sprintf("Approve gate %s of run %s? [y/N] ", view.GatePlace(g), view.Clean(g.Spec.RunRef.Name))) {
			return &exitError{exitFailed, "not approved"}
		}
	}
	approval.At = a.Clock.Now()
	changed, err := operation.ApproveGate(ctx, h, h.key(g.Name), approval)
	if err != nil {
		return err
	}
	done := "approved"
	switch {
	case !changed:
		done = "is approved by you already"
	case next.Blocked != "":
		done = "approved: it opens when this is mended: " + view.Clean(next.Blocked)
	case g.Status.ReachedAt == nil:
		done = "approved in advance: the run has not come to it"
	}
	a.say("gate.sengu.dev/%s %s", g.Name, done)
	return nil
}

func (a *app) gateRefuse() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use:   "refuse " + gateUse + " --reason REASON",
		Short: "Keep a gate closed",
		Long: `Refuse a gate, with a reason for the record. One refusal keeps the gate closed, however many approve, until you take
it back by approving. The run waits meanwhile; stop it with 'run stop' when it is not to go on at all.`,
		Example: `  # Not today
  sengu gate refuse to-1-37 production/ok --reason "month end, until Tuesday"`,
		Args:              oneGate,
		ValidArgsFunction: a.gatesToName,
	}
	c.Flags().StringVar(&reason, "reason", "", "Why, for the record. Needed.")
	c.RunE = func(c *cobra.Command, words []string) error {
		if strings.TrimSpace(reason) == "" {
			return usage("--reason is needed, for the record")
		}
		h, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		g, err := gateOf(c.Context(), h, words)
		if err != nil {
			return err
		}
		changed, err := operation.RefuseGate(c.Context(), h, h.key(g.Name), reason, a.Clock.Now())
		if err != nil {
			return err
		}
		done := map[bool]string{true: "refused: it stays closed until you approve it", false: ""}[changed]
		a.say("gate.sengu.dev/%s %s", g.Name, cmp.Or(done, "is refused by you already"))
		return nil
	}
	return c
}

// gatesToName completes the name of a gate, or of a run and then the path of one of its gates.
func (a *app) gatesToName(c *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
	switch len(given) {
	case 0:
		names := append(a.namesOf(c.Context(), &v1alpha1.UpgradeRunList{}, prefix), a.namesOf(c.Context(), &v1alpha1.GateList{}, prefix)...)
		return names, cobra.ShellCompDirectiveNoFileComp
	case 1:
		ctx, cancel := context.WithTimeout(c.Context(), completionTimeout)
		defer cancel()
		h, err := a.connect(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return operation.GatePaths(ctx, h, h.key(given[0]), prefix), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
