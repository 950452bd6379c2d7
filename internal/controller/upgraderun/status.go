// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"sengu.dev/sengu/api/v1alpha1"
)

// progressEvery bounds how often a record is written that differs only in its counts and in what it waits for. A
// record names every cluster of the run: written at each end of one of ten thousand clusters, it would be most of
// what the hub does.
const progressEvery = time.Second

// same compares two records by meaning: an empty list equals none.
func same(a, b v1alpha1.UpgradeRunStatus) bool {
	return equality.Semantic.DeepEqual(a, b)
}

// onlyProgress says whether two records differ only in what is told to people meanwhile. What is frozen, phases,
// gates and soaks are never among that.
func onlyProgress(a, b v1alpha1.UpgradeRunStatus) bool {
	return same(withoutProgress(a), withoutProgress(b))
}

// setAside are the clusters that the run goes on without; who only waits is told meanwhile.
func setAside(all []v1alpha1.RunAside) []v1alpha1.RunAside {
	return slices.DeleteFunc(slices.Clone(all), func(a v1alpha1.RunAside) bool { return a.State != v1alpha1.AsideSetAside })
}

func withoutProgress(st v1alpha1.UpgradeRunStatus) v1alpha1.UpgradeRunStatus {
	st.Counts, st.Progress, st.Waiting = v1alpha1.RunCounts{}, "", nil
	stages := make([]v1alpha1.RunStageStatus, len(st.Stages))
	for i, s := range st.Stages {
		s.Counts, s.Waiting = v1alpha1.RunCounts{}, nil
		groups := make([]v1alpha1.RunGroupStatus, len(s.Groups))
		for j, g := range s.Groups {
			g.Counts, g.Waiting, g.Aside = v1alpha1.RunCounts{}, nil, setAside(g.Aside)
			groups[j] = g
		}
		s.Groups = groups
		stages[i] = s
	}
	st.Stages = stages
	return st
}
