// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/auditlog"
	"sengu.dev/sengu/internal/view"
)

func (a *app) auditExport() *cobra.Command {
	format := "jsonl"
	c := &cobra.Command{
		Use:   "export",
		Short: "Print the whole record, to keep it elsewhere",
		Long: `Print the whole record, the oldest entry first, to keep it elsewhere. The same record always prints the same.

jsonl is one AuditEntry on each line and json one list of them; 'audit verify -f' reads both. csv is one line for each
record, to read in a spreadsheet; a cell that a spreadsheet would take for a formula begins with an apostrophe.`,
		Example: `  # Keep it, and check what was kept
  sengu audit export > audit-2027-03.jsonl
  sengu audit verify -f audit-2027-03.jsonl

  # For a spreadsheet
  sengu audit export -o csv > audit.csv`,
		Args:              args(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().StringVarP(&format, "output", "o", format, "Output format. One of: jsonl, json, csv.")
	complete(c, "output", "jsonl", "json", "csv")
	c.RunE = func(c *cobra.Command, _ []string) error {
		out := bufio.NewWriter(a.Streams.Out)
		e := exporterOf(format, out)
		if e == nil {
			return usage("--output %q is no format: say jsonl, json or csv", format)
		}
		h, err := a.connect(c.Context())
		if err != nil {
			return err
		}
		if err := auditlog.Each(c.Context(), h, h.namespace, e.entry); err != nil {
			return err
		}
		if err := e.end(); err != nil {
			return err
		}
		return out.Flush()
	}
	return c
}

// exporter writes entries one after the other.
type exporter interface {
	entry(e *v1alpha1.AuditEntry) error
	end() error
}

func exporterOf(format string, out io.Writer) exporter {
	switch format {
	case "jsonl":
		return &jsonExporter{out: out, after: "\n"}
	case "json":
		return &jsonExporter{out: out, before: "[\n", between: ",\n", last: "\n]\n"}
	case "csv":
		return &csvExporter{out: csv.NewWriter(out)}
	}
	return nil
}

// jsonExporter leaves out what the hub adds to an entry: it differs from hub to hub, and no hash covers it.
type jsonExporter struct {
	out                          io.Writer
	before, between, after, last string
	n                            int
}

func (x *jsonExporter) entry(e *v1alpha1.AuditEntry) error {
	spec, err := json.Marshal(&e.Spec)
	if err != nil {
		return err
	}
	kept := exported{APIVersion: v1alpha1.GroupVersion.String(), Kind: "AuditEntry", Spec: spec}
	kept.Metadata.Name, kept.Metadata.Namespace = e.Name, e.Namespace
	line, err := json.Marshal(&kept)
	if err != nil {
		return err
	}
	lead := x.between
	if x.n == 0 {
		lead = x.before
	}
	x.n++
	_, err = fmt.Fprintf(x.out, "%s%s%s", lead, line, x.after)
	return err
}

func (x *jsonExporter) end() error {
	lead := ""
	if x.n == 0 {
		lead = x.before
	}
	_, err := io.WriteString(x.out, lead+x.last)
	return err
}

type csvExporter struct {
	out   *csv.Writer
	begun bool
}

var csvColumns = []string{
	"entry", "entryTime", "run", "runUID", "key", "time", "actorKind", "actor", "action", "stage", "group", "gate", "cluster", "reason", "evidence", "hash",
}

func (x *csvExporter) entry(e *v1alpha1.AuditEntry) error {
	if err := x.header(); err != nil {
		return err
	}
	s := &e.Spec
	written := s.Time.UTC().Format(time.RFC3339)
	if c := s.Checkpoint; c != nil {
		return x.row(fmt.Sprint(s.Sequence), written, "", "", "", written, string(c.Actor.Kind), c.Actor.Name, "Checkpoint", "", "", "", "",
			fmt.Sprintf("the entries up to %d were taken away", c.Through), "hash="+c.Hash, s.Hash)
	}
	for i := range s.Records {
		r := &s.Records[i]
		of := v1alpha1.AuditSubject{}
		if r.Subject != nil {
			of = *r.Subject
		}
		err := x.row(fmt.Sprint(s.Sequence), written, s.Run, s.RunUID, r.Key, r.Time.UTC().Format(time.RFC3339), string(r.Actor.Kind), r.Actor.Name,
			string(r.Action), of.Stage, of.Group, of.Gate, of.Cluster, r.Reason, view.AuditEvidence(r.Evidence), s.Hash)
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *csvExporter) header() error {
	if x.begun {
		return nil
	}
	x.begun = true
	return x.out.Write(csvColumns)
}

func (x *csvExporter) row(cells ...string) error {
	for i, cell := range cells {
		if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
			cells[i] = "'" + cell
		}
	}
	return x.out.Write(cells)
}

func (x *csvExporter) end() error {
	if err := x.header(); err != nil {
		return err
	}
	x.out.Flush()
	return x.out.Error()
}
