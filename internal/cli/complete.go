// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"k8s.io/apimachinery/pkg/api/meta"

	"sengu.dev/sengu/api/v1alpha1"
)

// completionTimeout is how long a person who pressed Tab waits for names.
const completionTimeout = 2 * time.Second

type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// names completes the first argument with the names of objects of a kind.
func (a *app) names(list client.ObjectList) completion {
	return func(c *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.namesOf(c.Context(), list, prefix), cobra.ShellCompDirectiveNoFileComp
	}
}

// moreNames completes every argument with the names of objects of a kind that are not given yet.
func (a *app) moreNames(list client.ObjectList) completion {
	return func(c *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
		names := slices.DeleteFunc(a.namesOf(c.Context(), list, prefix), func(name string) bool { return slices.Contains(given, name) })
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

func (a *app) namesOf(ctx context.Context, list client.ObjectList, prefix string) []string {
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	h, err := a.connect(ctx)
	if err != nil {
		return nil
	}
	list = list.DeepCopyObject().(client.ObjectList)
	if err := h.List(ctx, list, client.InNamespace(h.namespace)); err != nil {
		return nil
	}
	var names []string
	objects, err := meta.ExtractList(list)
	if err != nil {
		return nil
	}
	for _, o := range objects {
		if named, ok := o.(client.Object); ok && strings.HasPrefix(named.GetName(), prefix) {
			names = append(names, named.GetName())
		}
	}
	return names
}

// skippable completes "skip RUN KIND PATH".
func (a *app) skippable(c *cobra.Command, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
	switch len(given) {
	case 0:
		return a.namesOf(c.Context(), &v1alpha1.UpgradeRunList{}, prefix), cobra.ShellCompDirectiveNoFileComp
	case 1:
		return []string{"cluster", "group", "stage", "soak", "gate"}, cobra.ShellCompDirectiveNoFileComp
	case 2:
		ctx, cancel := context.WithTimeout(c.Context(), completionTimeout)
		defer cancel()
		h, err := a.connect(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		run := &v1alpha1.UpgradeRun{}
		if err := h.Get(ctx, h.key(given[0]), run); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var kept []string
		for _, path := range skipPaths(run, given[1]) {
			if strings.HasPrefix(path, prefix) {
				kept = append(kept, path)
			}
		}
		return kept, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// skipPaths are the parts of a run of one kind, as 'run skip' names them.
func skipPaths(run *v1alpha1.UpgradeRun, kind string) []string {
	var paths []string
	for _, stage := range run.Status.Stages {
		switch kind {
		case "stage", "soak":
			paths = append(paths, stage.Name)
		case "gate":
			for _, gate := range stage.Gates {
				paths = append(paths, stage.Name+"/"+gate.Name)
			}
		}
		for _, group := range stage.Groups {
			switch kind {
			case "cluster":
				paths = append(paths, group.Clusters...)
			case "group":
				paths = append(paths, stage.Name+"/"+group.Name)
			case "gate":
				for _, gate := range group.Gates {
					paths = append(paths, stage.Name+"/"+group.Name+"/"+gate.Name)
				}
			}
		}
	}
	return paths
}
