// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// report prints what happened: the clusters by the hub's record, and the workloads as the witnesses saw them.
func (d *demo) report(ctx context.Context) error {
	upgrades, err := d.clusterUpgrades(ctx)
	if err != nil {
		return err
	}
	d.say("what happened")
	t := tabwriter.NewWriter(d.Out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "CLUSTER\tFROM\tTO\tRESULT\tNODES\tDURATION\tEVICTIONS\tREFUSED BY A BUDGET\tWAITED FOR A BUDGET")
	for _, u := range upgrades {
		st := u.Status
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%d\t%d\t%d\n", u.Spec.Cluster, st.FromVersion, strings.Join(u.Spec.Hops, " → "),
			st.Phase, st.NodesRenewed, took(st), st.Drain.Evicted, st.Drain.Refused, st.Drain.Waited)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(d.Out)
	return d.reportWorkloads()
}

// reportWorkloads prints one row a workload, with the least ready replicas in each cluster.
func (d *demo) reportWorkloads() error {
	byWorkload := map[string]map[string]kept{}
	var clusters, broken []string
	for _, w := range d.witnesses {
		clusters = append(clusters, w.cluster)
		for _, k := range w.report() {
			if byWorkload[k.workload] == nil {
				byWorkload[k.workload] = map[string]kept{}
			}
			byWorkload[k.workload][k.cluster] = k
			if k.hasBudget && k.leastReady < k.need {
				broken = append(broken, fmt.Sprintf("%s in %s: %d ready, its budget needs %d", k.workload, k.cluster, k.leastReady, k.need))
			}
		}
	}
	t := tabwriter.NewWriter(d.Out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "LEAST READY REPLICAS\t"+strings.ToUpper(strings.Join(clusters, "\t"))+"\tBUDGET KEEPS")
	for _, name := range sortedKeys(byWorkload) {
		row, budget := []string{name}, "no budget"
		for _, c := range clusters {
			k, ok := byWorkload[name][c]
			if !ok {
				row = append(row, "-")
				continue
			}
			row = append(row, fmt.Sprintf("%d of %d", k.leastReady, k.desired))
			if k.hasBudget {
				budget = fmt.Sprint(k.need)
			}
		}
		fmt.Fprintln(t, strings.Join(append(row, budget), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(broken) > 0 {
		return fmt.Errorf("a budget was not kept: %s", strings.Join(broken, "; "))
	}
	fmt.Fprintln(d.Out, "\nEvery budget was kept at every moment, seen by watches that are not Sengu's.")
	return nil
}

func (d *demo) clusterUpgrades(ctx context.Context) ([]v1alpha1.ClusterUpgrade, error) {
	hub, err := d.hub()
	if err != nil {
		return nil, err
	}
	var list v1alpha1.ClusterUpgradeList
	if err := hub.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("the record of the upgrade cannot be read: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.ClusterUpgrade) int {
		if a.Status.StartedAt != nil && b.Status.StartedAt != nil && !a.Status.StartedAt.Equal(b.Status.StartedAt) {
			return a.Status.StartedAt.Compare(b.Status.StartedAt.Time)
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return list.Items, nil
}

func took(st v1alpha1.ClusterUpgradeStatus) string {
	if st.StartedAt == nil || st.FinishedAt == nil {
		return "-"
	}
	return st.FinishedAt.Sub(st.StartedAt.Time).Round(time.Second).String()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
