// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

func (a *app) runCommand() *cobra.Command {
	c := a.group("run", "Plan, create, follow and steer upgrades of the fleet",
		`Plan, create, follow and steer runs. A run moves clusters to a target version in the order of a strategy:
stages follow each other, groups of a stage go in parallel, and a cluster is upgraded control plane first, then
node by node.`,
		a.runCreate(), a.runPlan(), a.runList(), a.runDescribe(), a.runWatch(),
		a.runPause(), a.runResume(), a.runStop(), a.runRetry(), a.runApprove(), a.runSkip(), a.runDelete())
	c.Aliases = []string{"runs"}
	return c
}

func (a *app) runList() *cobra.Command {
	var selector string
	var all bool
	c := &cobra.Command{
		Use:     "list [NAME ...]",
		Aliases: []string{"get", "ls"},
		Short:   "List the runs of the fleet",
		Long:    "List the runs of the fleet, the newest last: target, phase, clusters done, and what they wait for.",
		Example: `  # All runs
  sengu run list

  # With the sentence that says what each waits for
  sengu run list -o wide`,
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
	}
	o := outputFlags(c, true)
	selectorFlags(c, &selector, &all)
	c.RunE = func(c *cobra.Command, names []string) error {
		list := &v1alpha1.UpgradeRunList{}
		h, err := a.read(c, o, list, reading{selector, all, names})
		if err != nil {
			return err
		}
		if len(names) > 0 {
			list.Items, err = pick(list.Items, names, h.namespace, "run", func(r *v1alpha1.UpgradeRun) string { return r.Name })
			if err != nil {
				return err
			}
		}
		rows := view.Runs(list.Items, a.Clock.Now())
		if all {
			rows = rows.WithNamespaces()
		}
		return a.list(o, single(list, len(names)), rows)
	}
	return c
}

func (a *app) runDescribe() *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME",
		Short: "Tell where a run is, why, and what it waits for",
		Long: `Tell where a run is: its stages, groups and clusters, the nodes in hand, what blocks them, what each waiting
thing waits for and until when, and the causes of failures.`,
		Example: `  # Why does it not move?
  sengu run describe to-1-37`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
		RunE: func(c *cobra.Command, words []string) error {
			h, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			objects, err := runObjects(c.Context(), h, words[0])
			if err != nil {
				return err
			}
			_, err = io.WriteString(a.Streams.Out, view.DescribeRun(objects, a.Clock.Now()))
			return err
		},
	}
}

// runObjects reads a run with its cluster upgrades and gates.
func runObjects(ctx context.Context, h *hub, name string) (view.RunObjects, error) {
	run, err := operation.GetRun(ctx, h, h.key(name))
	if err != nil {
		return view.RunObjects{}, err
	}
	objects := view.RunObjects{Run: run}
	ofRun := []client.ListOption{client.InNamespace(h.namespace), client.MatchingLabels{v1alpha1.LabelRun: name}}
	var upgrades v1alpha1.ClusterUpgradeList
	if err := h.List(ctx, &upgrades, ofRun...); err != nil {
		return objects, err
	}
	for i := range upgrades.Items {
		objects.Upgrades = append(objects.Upgrades, &upgrades.Items[i])
	}
	var gates v1alpha1.GateList
	if err := h.List(ctx, &gates, ofRun...); err != nil {
		return objects, err
	}
	for i := range gates.Items {
		objects.Gates = append(objects.Gates, &gates.Items[i])
	}
	return objects, nil
}

func (a *app) runDelete() *cobra.Command {
	return &cobra.Command{
		Use:     "delete NAME",
		Aliases: []string{"rm"},
		Short:   "Delete a run, after what is in flight is at a safe point",
		Long: `Delete a run with its record. When clusters are in flight, the controller brings them to a safe point first:
no node stays cordoned. Clusters stay on the version that they have.`,
		Example: `  # Remove an old run
  sengu run delete to-1-36`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
		RunE: func(c *cobra.Command, words []string) error {
			h, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			if err := operation.DeleteRun(c.Context(), h, h.key(words[0])); err != nil {
				return err
			}
			a.say("upgraderun.sengu.dev/%s deleted", words[0])
			return nil
		},
	}
}
