// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/config/crd"
)

func (a *app) hubKinds() *cobra.Command {
	return &cobra.Command{
		Use:   "kinds",
		Short: "Print Sengu's kinds, to install them in a cluster of your own",
		Long: `Print the CustomResourceDefinitions of this version. A hub of 'sengu serve' has them already; any other Kubernetes
cluster becomes a hub by them, with 'sengu controller' to do the work.`,
		Example: `  # Make the cluster of a kubeconfig a hub, and run the controllers against it
  sengu hub kinds | kubectl --kubeconfig management.kubeconfig apply --server-side -f -
  sengu controller --kubeconfig management.kubeconfig`,
		Args:              args(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			files, err := fs.Glob(crd.FS, "*.yaml")
			if err != nil {
				return err
			}
			for _, name := range files {
				content, err := fs.ReadFile(crd.FS, name)
				if err != nil {
					return err
				}
				if _, err := fmt.Fprintf(a.Streams.Out, "---\n%s\n", strings.TrimSpace(strings.TrimPrefix(string(content), "---\n"))); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
