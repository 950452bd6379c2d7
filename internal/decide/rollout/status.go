// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// finishStatus writes what follows from the pass: counts, progress, causes, the wait and the conditions.
func (p *pass) finishStatus() {
	st := p.st
	var total v1alpha1.RunCounts
	for _, s := range p.stages {
		var inStage v1alpha1.RunCounts
		for _, g := range s.groups {
			g.st.Counts = counts(g.members)
			add(&inStage, g.st.Counts)
		}
		s.st.Counts = inStage
		add(&total, inStage)
	}
	if len(p.stages) > 0 {
		st.Counts, st.Causes = total, p.causes()
		st.Progress = fmt.Sprintf("%d/%d", total.Succeeded+total.Skipped, total.Total)
	}
	st.Waiting = p.waiting
	if st.Phase == v1alpha1.RunPhaseSucceeded {
		st.Waiting = nil
	}
	p.condition(v1alpha1.ConditionReady, p.ready())
	p.condition(v1alpha1.ConditionProgressing, p.progressing())
	p.condition(v1alpha1.ConditionSucceeded, p.succeeded())
}

func add(to *v1alpha1.RunCounts, c v1alpha1.RunCounts) {
	to.Total += c.Total
	to.NotStarted += c.NotStarted
	to.Running += c.Running
	to.Succeeded += c.Succeeded
	to.Failed += c.Failed
	to.Skipped += c.Skipped
	to.Stopped += c.Stopped
	to.SetAside += c.SetAside
	to.AlreadyOnTarget += c.AlreadyOnTarget
}

// fact is a condition's status, reason and message. Messages carry no times and no counters.
type fact struct {
	status          metav1.ConditionStatus
	reason, message string
}

func (p *pass) condition(kind string, f fact) {
	meta.SetStatusCondition(&p.st.Conditions, metav1.Condition{Type: kind, Status: f.status, Reason: f.reason,
		Message: cut(f.message, 1024), ObservedGeneration: p.s.Run.Generation, LastTransitionTime: *p.instant()})
}

func (p *pass) ready() fact {
	if p.st.Resolved == nil && p.waiting != nil {
		return fact{metav1.ConditionFalse, p.waiting.Reason, p.waiting.Message}
	}
	if p.st.Resolved == nil {
		return fact{metav1.ConditionUnknown, v1alpha1.ReasonClusterNotDescribed, "the run was not looked at yet"}
	}
	return fact{metav1.ConditionTrue, v1alpha1.ReasonAccepted, "the target, the strategy and the clusters are frozen"}
}

func (p *pass) progressing() fact {
	switch p.st.Phase {
	case v1alpha1.RunPhaseRunning, v1alpha1.RunPhaseStopping:
		return fact{metav1.ConditionTrue, string(p.st.Phase), "clusters are in flight"}
	case v1alpha1.RunPhasePending:
		return fact{metav1.ConditionTrue, string(p.st.Phase), "nothing is in flight: see status.waiting"}
	}
	return fact{metav1.ConditionFalse, string(p.st.Phase), "nothing is in flight"}
}

func (p *pass) succeeded() fact {
	switch p.st.Phase {
	case v1alpha1.RunPhaseSucceeded:
		return fact{metav1.ConditionTrue, v1alpha1.ReasonOnTarget, "every cluster that no person skipped is on the target and healthy"}
	case v1alpha1.RunPhaseFailed, v1alpha1.RunPhaseStopped:
		f := fact{metav1.ConditionFalse, string(p.st.Phase), ""}
		if p.waiting != nil {
			f.reason, f.message = p.waiting.Reason, p.waiting.Message
		}
		return f
	}
	return fact{metav1.ConditionUnknown, string(p.st.Phase), "it is not finished"}
}
