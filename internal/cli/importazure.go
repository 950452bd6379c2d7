// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"

	"sengu.dev/sengu/internal/importer/azurefleet"
	"sengu.dev/sengu/internal/view"
)

func (a *app) importCommand() *cobra.Command {
	return a.group("import", "Turn strategies and runs of other systems into Sengu's",
		"Turn strategies and runs of other systems into Sengu's. Nothing is written to the hub: apply what is printed.",
		a.importAzureFleet())
}

func (a *app) importAzureFleet() *cobra.Command {
	var o azurefleet.Options
	format := "yaml"
	c := &cobra.Command{
		Use:   "azure-fleet FILE",
		Short: "Turn update strategies and runs of Azure Kubernetes Fleet Manager into Sengu's",
		Long: `Turn update strategies and update runs of Azure Kubernetes Fleet Manager into UpgradeStrategies and UpgradeRuns, and print
them. What has no equal, what differs in meaning and what is left to do is listed on standard error.

FILE is JSON: a resource or a list of Azure's REST API, an ARM template, what 'az fleet updatestrategy show' and
'az fleet updaterun show' print, or a file of stages; -: standard input. A run is printed paused, so that applying it
starts nothing.`,
		Example: `  # See what it becomes
  az fleet updatestrategy show -g rg1 -f fleet1 -n staged -o json | sengu import azure-fleet -

  # Apply it
  sengu import azure-fleet strategy.json | kubectl apply -f -`,
		Args: args("FILE"),
	}
	c.Flags().StringVar(&o.Name, "name", "", "The name for a resource that has none, like a file of stages.")
	c.Flags().StringVar(&o.GroupLabel, "group-label", azurefleet.GroupLabel, "The label by which a Cluster belongs to an update group.")
	c.Flags().StringVarP(&format, "output", "o", format, "Output format. One of: yaml, json.")
	complete(c, "output", "yaml", "json")
	c.RunE = func(_ *cobra.Command, words []string) error {
		var p printers.ResourcePrinter
		switch format {
		case "yaml":
			p = &printers.YAMLPrinter{}
		case "json":
			p = &printers.JSONPrinter{}
		default:
			return usage("--output %q is no format: say yaml or json", format)
		}
		content, err := a.readFile(words[0])
		if err != nil {
			return err
		}
		r, err := azurefleet.Import(content, o)
		if err != nil {
			return usage("%s cannot be imported: %v", source(words[0]), err)
		}
		return a.tellImported(r, p)
	}
	return c
}

func (a *app) tellImported(r *azurefleet.Result, p printers.ResourcePrinter) error {
	var objects []runtime.Object
	for i := range r.Strategies {
		objects = append(objects, &r.Strategies[i])
	}
	for i := range r.Runs {
		objects = append(objects, &r.Runs[i])
	}
	for _, o := range objects {
		if err := p.PrintObj(o, a.Streams.Out); err != nil {
			return err
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintln(a.Streams.ErrOut, view.Clean(n.String()))
	}
	return nil
}
