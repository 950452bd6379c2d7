// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"sengu.dev/sengu/internal/lab"
	"sengu.dev/sengu/internal/labapi"
)

func newStatus(o *options) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:     "status",
		Short:   "Show the clusters of the lab",
		Example: "  sengu-lab status\n  sengu-lab status -o wide\n  sengu-lab status -o json",
		Args:    arguments(0, 0),
		RunE:    func(command *cobra.Command, _ []string) error { return status(command.Context(), o, output) },
	}
	addOutput(command, &output, "json", "yaml", "wide")
	return command
}

func status(ctx context.Context, o *options, output string) error {
	if err := checkOutput(output, "json", "yaml", "wide"); err != nil {
		return err
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	clusters, err := client.Clusters(ctx)
	if err != nil {
		return err
	}
	if output == "json" || output == "yaml" {
		return write(o, output, clusters)
	}
	table := tabwriter.NewWriter(o.Out, 0, 0, 3, ' ', 0)
	defer table.Flush()
	header := "NAME\tVERSION\tSTATE\tREADY\tNODES"
	if output == "wide" {
		header += "\tPOOL\tMODE\tNODE VERSION\tIMAGE\tSERVER"
	}
	fmt.Fprintln(table, header)
	for _, c := range clusters {
		ready, nodes := count(c.NodePools...)
		state := string(c.ControlPlane.State)
		if c.BusyWith != "" {
			state += " (" + c.BusyWith + ")"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d", c.Name, c.ControlPlane.Version, state, ready, nodes)
		if output == "" {
			fmt.Fprintln(table)
			continue
		}
		fmt.Fprintf(table, "\t\t\t\t\t%s\n", c.Server)
		for _, pool := range c.NodePools {
			ready, nodes := count(pool)
			fmt.Fprintf(table, "\t\t\t%d\t%d\t%s\t%s\t%s\t%s\t\n", ready, nodes, pool.Name, pool.Mode, pool.Version, pool.Image)
		}
	}
	return nil
}

func count(pools ...labapi.NodePool) (ready, nodes int) {
	for _, pool := range pools {
		for _, node := range pool.Nodes {
			nodes++
			if node.Ready {
				ready++
			}
		}
	}
	return ready, nodes
}

func newCluster(o *options) *cobra.Command {
	command := &cobra.Command{
		Use:     "cluster",
		Short:   "Create, delete and list clusters of a running lab",
		Example: "  sengu-lab cluster create -f cluster.yaml\n  sengu-lab cluster list\n  sengu-lab cluster delete extra",
		Args:    arguments(0, 0),
		RunE:    func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	var file string
	create := &cobra.Command{
		Use:     "create -f cluster.yaml",
		Short:   "Create a cluster from one entry of a fleet file's clusters",
		Example: "  sengu-lab cluster create -f - <<'EOF'\n  name: extra\n  version: \"1.36\"\n  nodePools: [{name: user, count: 2}]\n  EOF",
		Args:    arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			if file == "" {
				return misused("name the definition of the cluster with -f")
			}
			definition, err := readFleet(o.In, file)
			if err != nil {
				return err
			}
			client, err := o.client()
			if err != nil {
				return err
			}
			created, err := client.CreateCluster(command.Context(), definition)
			if err != nil {
				return err
			}
			fmt.Fprintf(o.Out, "cluster %s is up with Kubernetes %s\n", created.Name, created.ControlPlane.Version)
			return nil
		},
	}
	create.Flags().StringVarP(&file, "file", "f", "", "definition of the cluster, - for standard input")
	remove := &cobra.Command{
		Use:               "delete CLUSTER",
		Short:             "Stop a cluster and remove its data",
		Example:           "  sengu-lab cluster delete extra",
		Args:              arguments(1, 1),
		ValidArgsFunction: o.completeClusters,
		RunE: func(command *cobra.Command, given []string) error {
			client, err := o.client()
			if err != nil {
				return err
			}
			if err := client.DeleteCluster(command.Context(), given[0]); err != nil {
				return err
			}
			fmt.Fprintf(o.Out, "cluster %s is gone\n", given[0])
			return nil
		},
	}
	var output string
	list := &cobra.Command{
		Use: "list", Short: "List the clusters, as status does", Example: "  sengu-lab cluster list -o json", Args: arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error { return status(command.Context(), o, output) },
	}
	addOutput(list, &output, "json", "yaml", "wide")
	command.AddCommand(create, remove, list)
	return command
}

func newKubeconfig(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "kubeconfig [CLUSTER]",
		Short: "Print a kubeconfig with a context for each cluster, or for one",
		Example: "  sengu-lab kubeconfig > lab.kubeconfig\n" +
			"  kubectl --kubeconfig lab.kubeconfig --context canary-1 get nodes",
		Args:              arguments(0, 1),
		ValidArgsFunction: o.completeClusters,
		RunE: func(command *cobra.Command, given []string) error {
			content, err := kubeconfig(command.Context(), o, given)
			if err != nil {
				return err
			}
			_, err = o.Out.Write(content)
			return err
		},
	}
}

// kubeconfig merges those of the named clusters, or of all.
func kubeconfig(ctx context.Context, o *options, names []string) ([]byte, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		clusters, err := client.Clusters(ctx)
		if err != nil {
			return nil, err
		}
		for _, c := range clusters {
			names = append(names, c.Name)
		}
	}
	var all [][]byte
	for _, name := range names {
		one, err := client.Kubeconfig(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return lab.MergeKubeconfigs(all...)
}

// write prints a value as JSON or YAML, which have the same fields.
func write(o *options, format string, value any) error {
	content, err := yaml.Marshal(value)
	if err == nil && format == "json" {
		content, err = indented(value)
	}
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	_, err = o.Out.Write(content)
	return err
}
