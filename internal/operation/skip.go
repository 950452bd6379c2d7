// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// ParseSkip reads what the command line and the browser call a thing to skip: "cluster NAME", "stage STAGE",
// "soak STAGE", "group STAGE/GROUP", "gate STAGE/GATE" or "gate STAGE/GROUP/GATE".
func ParseSkip(kind, path, reason string) (v1alpha1.Skip, error) {
	skip := v1alpha1.Skip{Reason: strings.TrimSpace(reason)}
	parts := strings.Split(path, "/")
	if skip.Reason == "" {
		return skip, invalid("a skip needs a reason, for the record")
	}
	if slices.Contains(parts, "") {
		return skip, invalid("%q has an empty name in it", path)
	}
	var want string
	switch n := len(parts); strings.ToLower(kind) {
	case "cluster":
		skip.Kind, skip.Cluster = v1alpha1.SkipKindCluster, path
		want = wanting(n == 1, "NAME")
	case "stage":
		skip.Kind, skip.Stage = v1alpha1.SkipKindStage, path
		want = wanting(n == 1, "STAGE")
	case "soak":
		skip.Kind, skip.Stage = v1alpha1.SkipKindSoak, path
		want = wanting(n == 1, "STAGE")
	case "group":
		skip.Kind, skip.Stage, skip.Group = v1alpha1.SkipKindGroup, parts[0], parts[n-1]
		want = wanting(n == 2, "STAGE/GROUP")
	case "gate":
		skip.Kind, skip.Stage, skip.Gate = v1alpha1.SkipKindGate, parts[0], parts[n-1]
		if n == 3 {
			skip.Group = parts[1]
		}
		want = wanting(n == 2 || n == 3, "STAGE/GATE or STAGE/GROUP/GATE")
	default:
		return skip, invalid("%q cannot be skipped: say cluster, group, stage, soak or gate", kind)
	}
	if want != "" {
		return skip, invalid("%q does not name a %s: write %s", path, strings.ToLower(kind), want)
	}
	return skip, nil
}

func wanting(ok bool, form string) string {
	if ok {
		return ""
	}
	return form
}

// Skip leaves a part out of a run, which cannot be taken back. It returns false when that part is skipped
// already.
func Skip(ctx context.Context, c client.Client, key types.NamespacedName, skip v1alpha1.Skip) (bool, error) {
	return change(ctx, c, key, func(run *v1alpha1.UpgradeRun) (bool, error) {
		if over(run) {
			return false, refused("run %q is %s: there is nothing to skip", run.Name, run.Status.Phase)
		}
		for _, s := range run.Spec.Skip {
			if s.Reason = skip.Reason; s == skip {
				return false, nil
			}
		}
		if err := known(run, &skip); err != nil {
			return false, err
		}
		if err := unfinished(ctx, c, run, &skip); err != nil {
			return false, err
		}
		run.Spec.Skip = append(run.Spec.Skip, skip)
		return true, nil
	})
}

// known refuses a skip of something that the run does not have. Before the run has started, nobody knows its
// parts, and the skip is taken as it is.
func known(run *v1alpha1.UpgradeRun, skip *v1alpha1.Skip) error {
	if len(run.Status.Stages) == 0 {
		return nil
	}
	if skip.Kind == v1alpha1.SkipKindCluster {
		if !hasCluster(run, skip.Cluster) {
			return refused("run %q has no cluster %q", run.Name, skip.Cluster)
		}
		return nil
	}
	var stages []string
	for i := range run.Status.Stages {
		stage := &run.Status.Stages[i]
		stages = append(stages, stage.Name)
		if stage.Name == skip.Stage {
			return knownInStage(run.Name, stage, skip)
		}
	}
	return refused("run %q has no stage %q: its stages are %s", run.Name, skip.Stage, strings.Join(stages, ", "))
}

func knownInStage(run string, stage *v1alpha1.RunStageStatus, skip *v1alpha1.Skip) error {
	gates, place := stage.Gates, "stage "+stage.Name
	if skip.Group != "" {
		i := slices.IndexFunc(stage.Groups, func(g v1alpha1.RunGroupStatus) bool { return g.Name == skip.Group })
		if i < 0 {
			return refused("stage %q of run %q has no group %q", stage.Name, run, skip.Group)
		}
		gates, place = stage.Groups[i].Gates, "group "+stage.Name+"/"+skip.Group
	}
	if skip.Kind != v1alpha1.SkipKindGate {
		return nil
	}
	i := slices.IndexFunc(gates, func(g v1alpha1.RunGateStatus) bool { return g.Name == skip.Gate })
	switch {
	case i < 0 && strategyKnowsLater(stage):
		return nil
	case i < 0:
		return refused("%s of run %q has no gate %q", place, run, skip.Gate)
	case !slices.ContainsFunc(gates, func(g v1alpha1.RunGateStatus) bool {
		return g.Name == skip.Gate && g.State != v1alpha1.GateStatePassed
	}):
		return refused("gate %q of run %q has passed: there is nothing to skip", skip.Gate, run)
	}
	return nil
}

// unfinished refuses a skip of something that is done: it would change nothing, and read later as if it had.
func unfinished(ctx context.Context, c client.Client, run *v1alpha1.UpgradeRun, skip *v1alpha1.Skip) error {
	nothing := func(what, name, is string) error {
		return refused("%s %q of run %q %s: there is nothing to skip", what, name, run.Name, is)
	}
	if skip.Kind == v1alpha1.SkipKindCluster {
		u := &v1alpha1.ClusterUpgrade{}
		key := types.NamespacedName{Namespace: run.Namespace, Name: rollout.UpgradeName(run.Name, skip.Cluster)}
		err := c.Get(ctx, key, u)
		if err == nil && metav1.IsControlledBy(u, run) && u.Status.Phase == v1alpha1.ClusterUpgradePhaseSucceeded {
			return nothing("cluster", skip.Cluster, "is done")
		}
		if IsMissing(err) {
			return nil
		}
		return err
	}
	i := slices.IndexFunc(run.Status.Stages, func(s v1alpha1.RunStageStatus) bool { return s.Name == skip.Stage })
	if i < 0 {
		return nil // the run has not started
	}
	stage := &run.Status.Stages[i]
	switch {
	case stage.Phase == v1alpha1.StagePhaseSucceeded:
		return nothing("stage", stage.Name, "is finished")
	case skip.Kind == v1alpha1.SkipKindSoak && stage.SoakState == v1alpha1.SoakStateDone:
		return nothing("the soak of stage", stage.Name, "is over")
	case skip.Kind == v1alpha1.SkipKindSoak && !soaks(run, stage.Name):
		return nothing("stage", stage.Name, "has no soak")
	}
	for j := range stage.Groups {
		if g := &stage.Groups[j]; skip.Group == g.Name && g.Phase == v1alpha1.StagePhaseSucceeded {
			return nothing("group", stage.Name+"/"+g.Name, "is finished")
		}
	}
	return nil
}

// soaks says whether a stage has a soak, or may have one as far as is known.
func soaks(run *v1alpha1.UpgradeRun, stage string) bool {
	if run.Status.Strategy == nil {
		return true
	}
	return slices.ContainsFunc(run.Status.Strategy.Stages, func(s v1alpha1.StrategyStage) bool {
		return s.Name == stage && s.Soak != nil && s.Soak.Duration.Duration > 0
	})
}

// strategyKnowsLater says that the stage was not reached, so that its gates may not be listed yet.
func strategyKnowsLater(stage *v1alpha1.RunStageStatus) bool {
	return stage.Phase == "" || stage.Phase == v1alpha1.StagePhaseNotStarted
}

func hasCluster(run *v1alpha1.UpgradeRun, name string) bool {
	for _, stage := range run.Status.Stages {
		for _, group := range stage.Groups {
			if slices.Contains(group.Clusters, name) {
				return true
			}
		}
	}
	return false
}
