// SPDX-License-Identifier: Apache-2.0

package clusterupgrade

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"sengu.dev/sengu/api/v1alpha1"
)

// progressEvery bounds how often a record is written that differs only in how far a drain is: a pass is made at
// every change of a pod, and a hub with fifty drains would do nothing but write.
const progressEvery = 500 * time.Millisecond

// same compares two records by meaning: an empty list equals none, and an operation's id alone is not worth a
// write, since it is found again by its key.
func same(a, b v1alpha1.ClusterUpgradeStatus) bool {
	a.Operations, b.Operations = withoutIDs(a.Operations), withoutIDs(b.Operations)
	return equality.Semantic.DeepEqual(a, b)
}

// backOffs are the waits that the next pass keeps to: one that is not in the record would be asked again at once.
var backOffs = []string{
	v1alpha1.ReasonRetrying, v1alpha1.ReasonOperationConflict, v1alpha1.ReasonMemberUnreachable, v1alpha1.ReasonProviderUnreachable,
}

// onlyProgress says whether two records differ only in what is told to people about a drain under way. Intents,
// phases, steps and the nodes in hand are never among that.
func onlyProgress(a, b v1alpha1.ClusterUpgradeStatus) bool {
	return same(withoutProgress(a), withoutProgress(b))
}

func withoutProgress(st v1alpha1.ClusterUpgradeStatus) v1alpha1.ClusterUpgradeStatus {
	st.Drain, st.Conditions = v1alpha1.DrainCounts{}, nil
	if st.Waiting != nil && !slices.Contains(backOffs, st.Waiting.Reason) {
		st.Waiting = nil
	}
	pools := make([]v1alpha1.NodePoolProgress, len(st.NodePools))
	for i, p := range st.NodePools {
		p.Draining = append([]v1alpha1.DrainingNode(nil), p.Draining...)
		for j := range p.Draining {
			p.Draining[j].PodsLeft, p.Draining[j].BlockedBy = 0, nil
		}
		pools[i] = p
	}
	st.NodePools = pools
	return st
}

func withoutIDs(operations []v1alpha1.OperationStatus) []v1alpha1.OperationStatus {
	out := make([]v1alpha1.OperationStatus, len(operations))
	for i, o := range operations {
		o.ID = ""
		out[i] = o
	}
	return out
}
