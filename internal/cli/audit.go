// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"time"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/auditlog"
	"sengu.dev/sengu/internal/view"
)

func (a *app) auditCommand() *cobra.Command {
	return a.group("audit", "Read, check and export the record of decisions",
		`Read, check and export the record of decisions: who or what decided, when, and on which evidence. The record of a fleet
is a chain of AuditEntries in the hub. Each carries the hash of the one before, so that a change or a gap is found.`,
		a.auditList(), a.auditVerify(), a.auditExport(), a.auditPrune())
}

func (a *app) auditList() *cobra.Command {
	var run string
	var since time.Duration
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List what was decided, the oldest first",
		Long:    "List what was decided, the oldest first: one line for each record. Times are in UTC.",
		Example: `  # All that was decided in a run
  sengu audit list --run to-1-37

  # Who did what since yesterday, with the evidence
  sengu audit list --since 24h -o wide`,
		Args:              args(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o := outputFlags(c, true)
	c.Flags().StringVar(&run, "run", "", "Only records of the runs of this name.")
	c.Flags().DurationVar(&since, "since", 0, "Only records that are not older, like 24h. With another output than a table: only entries.")
	if err := c.RegisterFlagCompletionFunc("run", a.names(&v1alpha1.UpgradeRunList{})); err != nil {
		panic(err) // the flag is not there: a mistake above
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.check(); err != nil {
			return err
		}
		if since < 0 {
			return usage("--since %s is in the future", since)
		}
		f := view.AuditFilter{Run: run}
		if since > 0 {
			f.Since = a.Clock.Now().Add(-since)
		}
		h, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		found := &v1alpha1.AuditEntryList{}
		err = auditlog.Each(c.Context(), h, h.namespace, func(e *v1alpha1.AuditEntry) error {
			if (run == "" || e.Spec.Run == run) && !e.Spec.Time.Time.Before(f.Since) {
				found.Items = append(found.Items, *e)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return a.list(o, found, view.Audit(found.Items, f))
	}
	return c
}
