// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

const whyLong = `Tell the one thing that a run or a cluster waits for: a budget rather than "the stage is running". Then what you can
do about it now, the chain from the run down to that thing, and the next moment at which something can change.

When all is well it says so, with how far it is and what comes next.`

func (a *app) whyCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "why NAME | run NAME | cluster NAME",
		Short: "Tell the one thing that a run or a cluster waits for, and what to do",
		Long:  whyLong,
		Example: `  # Why does this run not move?
  sengu why run to-1-37

  # Why has this cluster not been upgraded yet?
  sengu why cluster prod-tokyo-1

  # A run or a cluster of that name, whichever there is
  sengu why to-1-37

  # The reason alone, for scripts
  sengu why run to-1-37 -o json | jq -r .reason`,
		Args:              args("NAME, run NAME or cluster NAME"),
		ValidArgsFunction: a.whyNames,
	}
	c.RunE = a.why(&format, a.whyEither)
	whyFormat(c, &format)
	c.AddCommand(
		a.whyOf("run", "Tell the one thing that a run waits for, and what to do", "sengu why run to-1-37", &v1alpha1.UpgradeRunList{}, a.whyRun),
		a.whyOf("cluster", "Tell the one thing that a cluster waits for, and what to do", "sengu why cluster prod-tokyo-1", &v1alpha1.ClusterList{}, a.whyCluster),
	)
	return c
}

// explaining answers about one object of the fleet.
type explaining func(context.Context, *hub, string) (view.Explanation, error)

func (a *app) whyOf(kind, short, example string, names client.ObjectList, explain explaining) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:               kind + " NAME",
		Aliases:           []string{kind + "s"},
		Short:             short,
		Long:              whyLong,
		Example:           "  # Why does it not move?\n  " + example + "\n\n  # For scripts\n  " + example + " -o json",
		Args:              args("NAME"),
		ValidArgsFunction: a.names(names),
		RunE:              a.why(&format, explain),
	}
	whyFormat(c, &format)
	return c
}

func whyFormat(c *cobra.Command, format *string) {
	c.Flags().StringVarP(format, "output", "o", "", "Output format. One of: json, yaml.")
	complete(c, "output", "json", "yaml")
}

// why asks and answers.
func (a *app) why(format *string, explain explaining) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, words []string) error {
		if *format != "" && *format != "json" && *format != "yaml" {
			return usage("output format %q is not known: say json or yaml", *format)
		}
		h, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		e, err := explain(c.Context(), h, words[0])
		if err != nil {
			return err
		}
		a.nameCommands(&e)
		return a.tellWhy(&e, *format)
	}
}

// nameCommands makes commands that can be typed as they stand: the way this binary was called, in the fleet that was
// asked for.
func (a *app) nameCommands(e *view.Explanation) {
	where := ""
	if *a.flags.Namespace != "" {
		where = " -n " + *a.flags.Namespace
	}
	for i := range e.Fix {
		if rest, ok := strings.CutPrefix(e.Fix[i].Command, "sengu "); ok {
			e.Fix[i].Command = a.name + where + " " + rest
		}
	}
}

func (a *app) tellWhy(e *view.Explanation, format string) error {
	if format == "" {
		fmt.Fprint(a.Streams.Out, e.Text(a.Clock.Now()))
		return nil
	}
	content, err := json.MarshalIndent(e, "", "  ")
	if err == nil && format == "yaml" {
		content, err = yaml.JSONToYAML(content)
	} else {
		content = append(content, '\n')
	}
	if err != nil {
		return err
	}
	_, err = a.Streams.Out.Write(content)
	return err
}

func (a *app) whyRun(ctx context.Context, h *hub, name string) (view.Explanation, error) {
	run, err := operation.GetRun(ctx, h, h.key(name))
	if err != nil {
		return view.Explanation{}, err
	}
	objects, err := whyObjects(ctx, h, client.MatchingLabels{v1alpha1.LabelRun: name})
	if err != nil {
		return view.Explanation{}, err
	}
	return view.WhyRun(objects, run, a.Clock.Now()), nil
}

func (a *app) whyCluster(ctx context.Context, h *hub, name string) (view.Explanation, error) {
	cluster, err := operation.GetCluster(ctx, h, h.key(name))
	if err != nil {
		return view.Explanation{}, err
	}
	objects, err := whyObjects(ctx, h, client.MatchingLabels{v1alpha1.LabelCluster: name})
	if err != nil {
		return view.Explanation{}, err
	}
	return view.WhyCluster(objects, cluster, a.Clock.Now()), nil
}

// whyEither explains what has the name. A name of both kinds is not guessed at.
func (a *app) whyEither(ctx context.Context, h *hub, name string) (view.Explanation, error) {
	_, noRun := operation.GetRun(ctx, h, h.key(name))
	_, noCluster := operation.GetCluster(ctx, h, h.key(name))
	switch {
	case noRun == nil && noCluster == nil:
		return view.Explanation{}, usage("there is a run and a cluster %q: say '%[2]s why run %[1]s' or '%[2]s why cluster %[1]s'", name, a.name)
	case noRun == nil:
		return a.whyRun(ctx, h, name)
	case noCluster == nil:
		return a.whyCluster(ctx, h, name)
	case !errors.Is(noRun, operation.ErrNotFound):
		return view.Explanation{}, noRun
	case !errors.Is(noCluster, operation.ErrNotFound):
		return view.Explanation{}, noCluster
	}
	return view.Explanation{}, &operation.Error{Kind: operation.ErrNotFound,
		Sentence: fmt.Sprintf("there is no run or cluster %q in namespace %q", name, h.namespace)}
}

// whyObjects reads what explanations are made from: of cluster upgrades only those that match and those of runs that
// still move, because a fleet keeps the records of all its runs.
func whyObjects(ctx context.Context, h *hub, matching client.MatchingLabels) (view.WhyObjects, error) {
	var (
		o         view.WhyObjects
		runs      v1alpha1.UpgradeRunList
		gates     v1alpha1.GateList
		clusters  v1alpha1.ClusterList
		calendars v1alpha1.MaintenanceCalendarList
	)
	for _, list := range []client.ObjectList{&runs, &gates, &clusters, &calendars} {
		if err := h.List(ctx, list, client.InNamespace(h.namespace)); err != nil {
			return o, err
		}
	}
	o.Gates, o.Clusters, o.Calendars = pointers(gates.Items), pointers(clusters.Items), pointers(calendars.Items)
	filters := []client.MatchingLabels{matching}
	for i := range runs.Items {
		run := &runs.Items[i]
		o.Runs = append(o.Runs, run)
		if !view.Final(run) && matching[v1alpha1.LabelRun] != run.Name {
			filters = append(filters, client.MatchingLabels{v1alpha1.LabelRun: run.Name})
		}
	}
	seen := map[string]bool{}
	for _, filter := range filters {
		var upgrades v1alpha1.ClusterUpgradeList
		if err := h.List(ctx, &upgrades, client.InNamespace(h.namespace), filter); err != nil {
			return o, err
		}
		for i := range upgrades.Items {
			if u := &upgrades.Items[i]; !seen[u.Name] {
				seen[u.Name] = true
				o.Upgrades = append(o.Upgrades, u)
			}
		}
	}
	var fleet v1alpha1.Fleet
	switch err := h.Get(ctx, h.key(v1alpha1.FleetName), &fleet); {
	case err == nil:
		o.Fleet = &fleet
	case !apierrors.IsNotFound(err):
		return o, err
	}
	return o, nil
}

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}

// whyNames completes "why NAME".
func (a *app) whyNames(c *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return append(a.namesOf(c.Context(), &v1alpha1.UpgradeRunList{}, prefix), a.namesOf(c.Context(), &v1alpha1.ClusterList{}, prefix)...),
		cobra.ShellCompDirectiveNoFileComp
}
