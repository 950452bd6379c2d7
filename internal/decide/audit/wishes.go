// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// wishes records what people wanted of a run: that it exists, its state, its attempts and its skips.
//
// State can be changed and changed back between two looks, and only the last to change a spec is known by name. The
// spec's generation, which the hub counts, tells both: a change that nobody can explain any more is recorded as such,
// and a change gets a name only when it was the only one.
func (s *scribe) wishes(run *v1alpha1.UpgradeRun) {
	first := s.known.generation == 0
	s.created(run)
	if run.Generation < s.known.generation {
		return // an old copy
	}
	seen, was, attempt := max(s.known.generation, 1), s.known.state, s.known.attempt
	actor := user("")
	if run.Generation == seen+1 {
		actor = user(run.Annotations[changedBy])
	}
	if first && run.Generation <= 1 {
		was, attempt, actor = wanted(run), run.Spec.Attempt, user(run.Annotations[createdBy])
	}
	skips := run.Spec.Skip[min(s.known.skips, len(run.Spec.Skip)):]
	explained := int64(len(skips)) + int64(max(run.Spec.Attempt-attempt, 0))
	if wanted(run) != was {
		explained++
	}
	if run.DeletionTimestamp != nil {
		explained++ // which the hub counts as a change
	}
	generation := number(run.Generation)
	// What cannot be told comes first: once the generation is recorded, only the others are still found.
	if changes := run.Generation - seen; changes > explained {
		s.add("changed/"+generation, metav1.Time{}, user(""), v1alpha1.AuditRunChanged, func(r *v1alpha1.AuditRecord) {
			r.Reason = fmt.Sprintf("changes of its spec since it was last looked at: %d; those that can still be told: %d", changes, explained)
			r.Evidence = evidence(evidenceGeneration, generation, "lastChangedBy", run.Annotations[changedBy])
		})
	}
	if wanted(run) != was {
		s.add("spec/"+generation, metav1.Time{}, actor, stateActions[wanted(run)], func(r *v1alpha1.AuditRecord) {
			r.Evidence = evidence(evidenceGeneration, generation, "phase", string(run.Status.Phase))
		})
	}
	for n := attempt + 1; n <= run.Spec.Attempt; n++ {
		s.add("attempt/"+number(n), metav1.Time{}, actor, v1alpha1.AuditRunRetried, func(r *v1alpha1.AuditRecord) {
			r.Evidence = evidence(evidenceGeneration, generation, evidenceAttempt, number(n), "phase", string(run.Status.Phase))
		})
	}
	for i := range skips {
		s.skip(&skips[i], s.known.skips+i+1, actor, generation)
	}
}

var stateActions = map[v1alpha1.RunState]v1alpha1.AuditAction{
	v1alpha1.RunStateRun: v1alpha1.AuditRunResumed, v1alpha1.RunStatePause: v1alpha1.AuditRunPaused, v1alpha1.RunStateStop: v1alpha1.AuditRunStopped,
}

func wanted(run *v1alpha1.UpgradeRun) v1alpha1.RunState {
	return cmp.Or(run.Spec.State, v1alpha1.RunStateRun)
}

// created records the creation. What is not seen as it was created is taken to have been created running, and what
// differs from that is recorded as changes.
func (s *scribe) created(run *v1alpha1.UpgradeRun) {
	s.add("created", run.CreationTimestamp, user(run.Annotations[createdBy]), v1alpha1.AuditRunCreated, func(r *v1alpha1.AuditRecord) {
		state, attempt := v1alpha1.RunStateRun, ""
		if run.Generation <= 1 {
			state, attempt = wanted(run), some(run.Spec.Attempt)
		}
		t, strategy, image := &run.Spec.Target, "given in place", ""
		if run.Spec.StrategyRef != nil {
			strategy = run.Spec.StrategyRef.Name
		}
		if t.NodeImage != nil {
			image = string(t.NodeImage.Type)
		}
		selector := ""
		if run.Spec.ClusterSelector != nil {
			selector = metav1.FormatLabelSelector(run.Spec.ClusterSelector)
		}
		r.Evidence = evidence(evidenceGeneration, "1", evidenceState, string(state), evidenceAttempt, attempt, "kubernetes", t.Kubernetes,
			"scope", string(cmp.Or(t.Scope, v1alpha1.UpgradeScopeFull)), "nodeImage", image, "strategy", strategy, "clusterSelector", selector)
	})
}

func (s *scribe) skip(skip *v1alpha1.Skip, n int, actor v1alpha1.AuditActor, generation string) {
	s.add("skip/"+number(n), metav1.Time{}, actor, v1alpha1.AuditSkipped, func(r *v1alpha1.AuditRecord) {
		r.Subject = subject(v1alpha1.AuditSubject{Stage: skip.Stage, Group: skip.Group, Gate: skip.Gate, Cluster: skip.Cluster})
		r.Reason = skip.Reason
		r.Evidence = evidence(evidenceGeneration, generation, "kind", string(skip.Kind))
	})
}

func subject(s v1alpha1.AuditSubject) *v1alpha1.AuditSubject {
	if s == (v1alpha1.AuditSubject{}) {
		return nil
	}
	return &s
}
