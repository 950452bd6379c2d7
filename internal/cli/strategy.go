// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

func (a *app) strategyCommand() *cobra.Command {
	c := a.group("strategy", "Look at the strategies: reusable orders of work",
		"Look at the strategies: reusable orders of work. Strategies are written as YAML and applied with 'kubectl apply'.",
		a.strategyList(), a.strategyDescribe())
	c.Aliases = []string{"strategies"}
	return c
}

func (a *app) strategyList() *cobra.Command {
	var selector string
	var all bool
	c := &cobra.Command{
		Use:     "list [NAME ...]",
		Aliases: []string{"get", "ls"},
		Short:   "List the strategies",
		Long:    "List the strategies with their stages and limits.",
		Example: `  # All strategies
  sengu strategy list

  # One as YAML, to start another from
  sengu strategy get staging-first -o yaml`,
		ValidArgsFunction: a.names(&v1alpha1.UpgradeStrategyList{}),
	}
	o := outputFlags(c, true)
	selectorFlags(c, &selector, &all)
	c.RunE = func(c *cobra.Command, names []string) error {
		list := &v1alpha1.UpgradeStrategyList{}
		h, err := a.read(c, o, list, reading{selector, all, names})
		if err != nil {
			return err
		}
		if len(names) > 0 {
			list.Items, err = pick(list.Items, names, h.namespace, "strategy", func(s *v1alpha1.UpgradeStrategy) string { return s.Name })
			if err != nil {
				return err
			}
		}
		rows := view.Strategies(list.Items, a.Clock.Now())
		if all {
			rows = rows.WithNamespaces()
		}
		return a.list(o, single(list, len(names)), rows)
	}
	return c
}

func (a *app) strategyDescribe() *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME",
		Short: "Tell a strategy as an order of work",
		Long:  "Tell a strategy as an order of work: stages, groups and their limits, soaks and gates.",
		Example: `  # What comes after what?
  sengu strategy describe staging-first`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.UpgradeStrategyList{}),
		RunE: func(c *cobra.Command, words []string) error {
			h, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			s, err := operation.GetStrategy(c.Context(), h, h.key(words[0]))
			if err != nil {
				return err
			}
			_, err = io.WriteString(a.Streams.Out, view.DescribeStrategy(s, a.Clock.Now()))
			return err
		},
	}
}
