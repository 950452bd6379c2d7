// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// upgrade records each attempt on a cluster: that it began, and how it ended.
func (s *scribe) upgrade(u *v1alpha1.ClusterUpgrade) {
	attempt := max(u.Status.Attempt, 1)
	for n := int32(1); n < attempt; n++ {
		s.began(u, n)
		// Only what failed is tried again.
		s.add(clusterKey(u, n, "failed"), metav1.Time{}, controller(byUpgrades), v1alpha1.AuditClusterFailed, func(r *v1alpha1.AuditRecord) {
			r.Subject, r.Reason = ofCluster(u), "it was tried again before its failure was recorded"
			r.Evidence = evidence(evidenceAttempt, number(n))
		})
	}
	s.began(u, attempt)
	switch u.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseSucceeded:
		s.outcome(u, clusterKey(u, attempt, "succeeded"), v1alpha1.AuditClusterSucceeded)
	case v1alpha1.ClusterUpgradePhaseFailed:
		s.outcome(u, clusterKey(u, attempt, "failed"), v1alpha1.AuditClusterFailed)
	case v1alpha1.ClusterUpgradePhaseSkipped:
		s.outcome(u, clusterKey(u, attempt, "skipped"), v1alpha1.AuditClusterSkipped)
	}
}

func clusterKey(u *v1alpha1.ClusterUpgrade, attempt int32, what string) string {
	return fmt.Sprintf("cluster/%s/%d/%s", u.Spec.Cluster, attempt, what)
}

func ofCluster(u *v1alpha1.ClusterUpgrade) *v1alpha1.AuditSubject {
	return &v1alpha1.AuditSubject{Cluster: u.Spec.Cluster}
}

// began records the begin of an attempt. A later attempt has no time of its own in the record of the upgrade.
func (s *scribe) began(u *v1alpha1.ClusterUpgrade, attempt int32) {
	if u.Status.StartedAt == nil {
		return
	}
	var at metav1.Time
	if attempt == 1 {
		at = *u.Status.StartedAt
	}
	s.add(clusterKey(u, attempt, "started"), at, controller(byRuns), v1alpha1.AuditClusterStarted, func(r *v1alpha1.AuditRecord) {
		r.Subject = ofCluster(u)
		again := ""
		if attempt > 1 {
			again = number(attempt)
		}
		r.Evidence = evidence("from", u.Status.FromVersion, "hops", list(u.Spec.Hops), "images", list(u.Spec.NodeImages),
			"scope", string(cmp.Or(u.Spec.Scope, v1alpha1.UpgradeScopeFull)), evidenceAttempt, again)
	})
}

// outcome records how an attempt ended, be it by a person's decision before anything began.
func (s *scribe) outcome(u *v1alpha1.ClusterUpgrade, key string, action v1alpha1.AuditAction) {
	st := &u.Status
	s.add(key, when(st.FinishedAt), controller(byUpgrades), action, func(r *v1alpha1.AuditRecord) {
		r.Subject, r.Reason = ofCluster(u), st.Message
		cause, step := "", ""
		if st.Diagnosis != nil {
			cause = st.Diagnosis.Cause
		}
		if action == v1alpha1.AuditClusterFailed {
			step = st.CurrentStep
		}
		r.Evidence = evidence("reason", st.Reason, "cause", cause, "step", step, "nodesRenewed", some(st.NodesRenewed),
			"podsEvicted", some(st.Drain.Evicted), "evictionsRefused", some(st.Drain.Refused))
	})
}

func some(n int32) string {
	if n == 0 {
		return ""
	}
	return number(n)
}
