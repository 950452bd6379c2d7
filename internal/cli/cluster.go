// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

func (a *app) clusterCommand() *cobra.Command {
	c := a.group("cluster", "Add, look at and remove the clusters of the fleet",
		"Add, look at and remove the clusters of the fleet: the clusters in one namespace of the hub.",
		a.clusterAdd(), a.clusterList(), a.clusterDescribe(), a.clusterRemove())
	c.Aliases = []string{"clusters", "cl"}
	return c
}

func (a *app) clusterList() *cobra.Command {
	var selector string
	var all bool
	c := &cobra.Command{
		Use:     "list [NAME ...]",
		Aliases: []string{"get", "ls"},
		Short:   "List the clusters of the fleet",
		Long:    "List the clusters of the fleet with their versions, nodes, health, and the run that works on them.",
		Example: `  # All clusters
  sengu cluster list

  # Only production, with what the provider offers
  sengu cluster list -l env=production -o wide

  # One cluster as YAML
  sengu cluster get staging-1 -o yaml`,
		ValidArgsFunction: a.names(&v1alpha1.ClusterList{}),
	}
	o := outputFlags(c, true)
	selectorFlags(c, &selector, &all)
	c.RunE = func(c *cobra.Command, names []string) error {
		list := &v1alpha1.ClusterList{}
		h, err := a.read(c, o, list, reading{selector, all, names})
		if err != nil {
			return err
		}
		if len(names) > 0 {
			list.Items, err = pick(list.Items, names, h.namespace, "cluster", func(c *v1alpha1.Cluster) string { return c.Name })
			if err != nil {
				return err
			}
		}
		rows := view.Clusters(list.Items, a.Clock.Now())
		if all {
			rows = rows.WithNamespaces()
		}
		return a.list(o, single(list, len(names)), rows)
	}
	return c
}

func (a *app) clusterDescribe() *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME",
		Short: "Tell all that is known of a cluster",
		Long:  "Tell all that is known of a cluster: provider, versions, node pools, what it is offered, and its conditions.",
		Example: `  # Why is this cluster not ready?
  sengu cluster describe staging-1`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.ClusterList{}),
		RunE: func(c *cobra.Command, words []string) error {
			h, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			cluster, err := operation.GetCluster(c.Context(), h, h.key(words[0]))
			if err != nil {
				return err
			}
			_, err = io.WriteString(a.Streams.Out, view.DescribeCluster(cluster, a.Clock.Now()))
			return err
		},
	}
}

func (a *app) clusterRemove() *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm", "delete"},
		Short:   "Take a cluster out of the fleet; the cluster itself is not touched",
		Long: `Take a cluster out of the fleet, with the Secrets that 'cluster add' made for it. The cluster itself is not
touched. This is refused while a run works on the cluster.`,
		Example: `  # Sengu shall no longer look after this cluster
  sengu cluster remove staging-1`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.ClusterList{}),
		RunE: func(c *cobra.Command, words []string) error {
			h, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			if err := operation.RemoveCluster(c.Context(), h, h.key(words[0])); err != nil {
				return err
			}
			a.say("cluster.sengu.dev/%s removed", words[0])
			return nil
		},
	}
}

// selectorFlags adds the flags that say which objects a list holds.
func selectorFlags(c *cobra.Command, selector *string, all *bool) {
	c.Flags().StringVarP(selector, "selector", "l", "", "Only objects with these labels, like env=production,tier!=db.")
	c.Flags().BoolVarP(all, "all-namespaces", "A", false, "The fleets of all namespaces.")
}

// reading says what is read.
type reading struct {
	selector string
	all      bool
	names    []string
}

// read fills a list from the hub.
func (a *app) read(c *cobra.Command, o *output, list client.ObjectList, r reading) (*hub, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if len(r.names) > 0 && (r.selector != "" || r.all) {
		return nil, usage("names cannot be combined with --selector or --all-namespaces")
	}
	h, err := a.connect(c.Context())
	if err != nil {
		return nil, err
	}
	var options []client.ListOption
	if !r.all {
		options = append(options, client.InNamespace(h.namespace))
	}
	if r.selector != "" {
		s, err := parseSelector(r.selector)
		if err != nil {
			return nil, err
		}
		options = append(options, client.MatchingLabelsSelector{Selector: s})
	}
	return h, h.List(c.Context(), list, options...)
}
