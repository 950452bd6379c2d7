// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/auditlog"
	"sengu.dev/sengu/internal/decide/audit"
	"sengu.dev/sengu/internal/view"
)

func (a *app) auditVerify() *cobra.Command {
	var file, against string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that nothing in the record was altered or taken away",
		Long: `Check that nothing in the record was altered or taken away: each entry has the hash of what it holds, carries the hash
of the one before, follows it in number and in time, and tells nothing twice. A record that begins later must have a
checkpoint, which 'audit prune' writes. Each finding is one line. It exits with 1 when there is one.

A chain cannot say by itself that its newest entries were taken away, or that somebody who may write to the hub wrote
all of it anew. Keep exports where nobody who may write to the hub can, and compare: --against.`,
		Example: `  # The record in the hub
  sengu audit verify

  # An export
  sengu audit verify -f audit-2027-03.jsonl

  # Is all that was exported last month still there?
  sengu audit verify --against audit-2027-02.jsonl`,
		Args:              args(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().StringVarP(&file, "filename", "f", "", "Check this export (jsonl or json) instead of the hub; -: standard input.")
	c.Flags().StringVar(&against, "against", "", "An earlier export (jsonl or json) that the record must still hold.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var earlier *audit.Verifier
		var err error
		if against != "" {
			if against == "-" && file == "-" {
				return usage("only one of -f and --against can be read from standard input")
			}
			if earlier, err = a.verifiedFile(against); err != nil {
				return err
			}
		}
		var v *audit.Verifier
		if file != "" {
			v, err = a.verifiedFile(file)
		} else {
			v, err = a.verifiedHub(c.Context())
		}
		if err != nil {
			return err
		}
		return a.tellVerified(v, earlier)
	}
	return c
}

func (a *app) tellVerified(v, earlier *audit.Verifier) error {
	found := v.End()
	if earlier != nil {
		if broken := earlier.End(); len(broken) > 0 {
			return usage("the export to compare with is broken itself: %s", broken[0])
		}
		found = append(found, v.Compare(earlier)...)
	}
	for _, f := range found {
		a.say("%s", view.Clean(f.String()))
	}
	if n := len(found); n > 0 {
		return &exitError{exitFailed, fmt.Sprintf("the record of decisions is broken: findings: %d", n)}
	}
	if v.Entries() == 0 {
		a.say("nothing is recorded")
		return nil
	}
	sequence, hash := v.Last()
	a.say("the record is whole: %d entries with %d records; entry %d is the newest, with the hash %s", v.Entries(), v.Records(), sequence, hash)
	return nil
}

func (a *app) verifiedHub(ctx context.Context) (*audit.Verifier, error) {
	h, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	v := audit.NewVerifier()
	return v, auditlog.Each(ctx, h, h.namespace, func(e *v1alpha1.AuditEntry) error {
		v.Add(e.Name, &e.Spec, nil)
		return nil
	})
}

// exported is an entry as an export holds it.
type exported struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec json.RawMessage `json:"spec"`
}

// verifiedFile reads an export, one entry after the other.
func (a *app) verifiedFile(path string) (*audit.Verifier, error) {
	content, err := a.readFile(path)
	if err != nil {
		return nil, err
	}
	v, fleet, n := audit.NewVerifier(), "", 0
	wrong := func(format string, args ...any) error {
		return usage("%s is no export of the record of decisions: after %d entries %s", source(path), n, fmt.Sprintf(format, args...))
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	for {
		var value json.RawMessage
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			return v, nil
		} else if err != nil {
			return nil, wrong("comes what is not JSON (%v): export it as jsonl or json", err)
		}
		values := []json.RawMessage{value}
		if value[0] == '[' {
			if err := json.Unmarshal(value, &values); err != nil {
				return nil, wrong("comes what cannot be read: %v", err)
			}
		}
		for _, value := range values {
			var e exported
			var spec v1alpha1.AuditEntrySpec
			if err := errors.Join(json.Unmarshal(value, &e), json.Unmarshal(e.Spec, &spec)); err != nil || e.Kind != "AuditEntry" {
				return nil, wrong("comes something that is no AuditEntry")
			}
			if n > 0 && e.Metadata.Namespace != fleet {
				return nil, wrong("comes one of namespace %q, and the others are of %q", e.Metadata.Namespace, fleet)
			}
			fleet = e.Metadata.Namespace
			v.Add(e.Metadata.Name, &spec, e.Spec)
			n++
		}
	}
}
