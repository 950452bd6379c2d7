// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/config/policies"
)

func (a *app) hubKinds() *cobra.Command {
	return &cobra.Command{
		Use:   "kinds",
		Short: "Print Sengu's kinds, to install them in a cluster of your own",
		Long: `Print the CustomResourceDefinitions of this version, and the admission policies that make its record of who did what
trustworthy. A hub of 'sengu serve' has them already; any other Kubernetes cluster from 1.36 on becomes a hub by them,
with 'sengu controller' to do the work. Who runs it needs the verb 'decide' on gates.sengu.dev, and nobody else does.`,
		Example: `  # Make the cluster of a kubeconfig a hub, and run the controllers against it
  sengu hub kinds | kubectl --kubeconfig management.kubeconfig apply --server-side -f -
  sengu controller --kubeconfig management.kubeconfig`,
		Args:              args(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			for _, files := range []fs.FS{crd.FS, policies.FS} {
				if err := printFiles(a.Streams.Out, files); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// printFiles prints the YAML files of a file system as one stream.
func printFiles(w io.Writer, files fs.FS) error {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return err
	}
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "---\n%s\n", strings.TrimSpace(strings.TrimPrefix(string(content), "---\n"))); err != nil {
			return err
		}
	}
	return nil
}
