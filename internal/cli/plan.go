// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

// plannedClusters is how many clusters of a group a plan lists unless all are asked for.
const plannedClusters = 20

func (a *app) runPlan() *cobra.Command {
	var f runFlags
	var all bool
	c := &cobra.Command{
		Use:   "plan [NAME] [--to VERSION --strategy STRATEGY] | -f FILE",
		Short: "Print what a run would do and why, without doing it",
		Long: `Print what a run would do next and why, and in which order the rest would follow, without doing it. The plan comes
from the same decision that the controller acts on, made from what the hub knows now.

With a name alone, it plans on for a run that exists. With flags or a file, it plans a run that would be created.
It exits with 1 when the run would not start, and says why.`,
		Example: `  # Before creating a run
  sengu run plan --to 1.37 --strategy staging-first

  # What does this run do next?
  sengu run plan to-1-37

  # From a file
  sengu run plan -f run.yaml`,
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
	}
	o := outputFlags(c, false)
	a.addRunFlags(c, &f)
	c.Flags().BoolVar(&all, "all", false, fmt.Sprintf("List every cluster; otherwise %d of each group.", plannedClusters))
	c.RunE = func(c *cobra.Command, words []string) error {
		if err := o.check(); err != nil {
			return err
		}
		if len(words) > 1 {
			return args("NAME")(c, words)
		}
		h, run, err := a.plannedRun(c.Context(), &f, strings.Join(words, ""))
		if err != nil {
			return err
		}
		snapshot, err := observe.LookAtRun(c.Context(), h, run)
		if err != nil {
			return err
		}
		now := a.Clock.Now()
		p := view.PlanInput{Snapshot: snapshot, Decision: a.Plan(snapshot, now), Now: now, MaxClusters: plannedClusters}
		if all {
			p.MaxClusters = 0
		}
		if refused := p.Refused(); refused != "" {
			return &exitError{exitFailed, "the run would not start: " + refused}
		}
		if !o.table() {
			run.Status = p.Decision.Status
			return o.print(a.Streams.Out, run)
		}
		_, err = io.WriteString(a.Streams.Out, view.Plan(&p))
		return err
	}
	return c
}

// plannedRun reads the run that exists, or lets the hub check and complete the one that is described.
func (a *app) plannedRun(ctx context.Context, f *runFlags, name string) (*hub, *v1alpha1.UpgradeRun, error) {
	if !f.describes() {
		if name == "" {
			return nil, nil, usage("'%s run plan' needs NAME of a run, or --to and --strategy, or -f FILE", a.name)
		}
		h, err := a.connect(ctx)
		if err != nil {
			return nil, nil, err
		}
		run, err := operation.GetRun(ctx, h, h.key(name))
		return h, run, err
	}
	if f.file == "" {
		name = cmp.Or(name, "plan")
	}
	run, err := a.describedRun(f, name)
	if err != nil {
		return nil, nil, err
	}
	h, err := a.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := settle(run, h.namespace); err != nil {
		return nil, nil, err
	}
	return h, run, operation.CreateRun(ctx, h, run, true)
}
