// SPDX-License-Identifier: Apache-2.0

package message

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"sengu.dev/sengu/api/v1alpha1"
)

// run says what a fact of a run means.
func (m *Message) run(run *v1alpha1.UpgradeRun) {
	describe := m.command("run describe " + run.Name)
	switch m.Event {
	case v1alpha1.EventRunStarted:
		m.What = fmt.Sprintf("Run %s has started: %s to %s.", run.Name, clusters(run.Status.Counts.Total), m.goal())
		m.Next = "Follow it with " + m.command("run watch "+run.Name) + "."
	case v1alpha1.EventRunRefused:
		m.refused(run)
	case v1alpha1.EventStageFinished:
		m.stageFinished(run)
	case v1alpha1.EventSoakInterrupted:
		m.Reason = v1alpha1.ReasonSoakInterrupted
		m.What = fmt.Sprintf("The soak of stage %s does not count.", m.Stage)
		for i := range run.Status.Stages {
			if s := &run.Status.Stages[i]; s.Name == m.Stage && s.Waiting != nil {
				m.What = fmt.Sprintf("Stage %s: %s.", m.Stage, waitingFor(s.Waiting))
			}
		}
		m.Next = "It counts on as soon as every cluster of the stage is healthy. " + describe + " says which is not."
	case v1alpha1.EventRunPaused:
		m.Reason = v1alpha1.ReasonPausedByUser
		m.What = fmt.Sprintf("Run %s is paused: %s done.", run.Name, done(run.Status.Counts))
		m.Next = m.command("run resume "+run.Name) + " lets it go on."
	case v1alpha1.EventRunStopped:
		m.Reason = v1alpha1.ReasonStoppedByUser
		m.What = fmt.Sprintf("Run %s is stopped for good: %s done.", run.Name, done(run.Status.Counts))
		m.Next = "A new run takes the other clusters further."
	case v1alpha1.EventRunFailed:
		m.failed(run)
	case v1alpha1.EventRunSucceeded:
		m.Reason = v1alpha1.ReasonOnTarget
		m.What = fmt.Sprintf("Run %s has succeeded: %s on %s and healthy.", run.Name, done(run.Status.Counts), m.goal())
		m.Next = "Nothing is left to do."
	}
}

// goal is what the run moves its clusters to.
func (m *Message) goal() string {
	if m.Target == "" {
		return "the newest node images"
	}
	return m.Target
}

func (m *Message) refused(run *v1alpha1.UpgradeRun) {
	why := ""
	if c := meta.FindStatusCondition(run.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		m.Reason, why = c.Reason, c.Message
	}
	m.What = fmt.Sprintf("Run %s does not start: %s.", run.Name, sentence(m.Reason, why))
	m.Next = "Correct it, or delete the run with " + m.command("run delete "+run.Name) + ". Nothing was changed."
}

func (m *Message) stageFinished(run *v1alpha1.UpgradeRun) {
	for i := range run.Status.Stages {
		if s := &run.Status.Stages[i]; s.Name == m.Stage {
			m.What = fmt.Sprintf("Stage %s is finished: %s done.", s.Name, done(s.Counts))
		}
	}
	to := next(run, m.Stage)
	switch {
	case to == "":
		m.Next = "No stage is left."
	case run.Status.Waiting != nil:
		m.Next = fmt.Sprintf("Stage %s comes next. The run waits: %s.", to, waitingFor(run.Status.Waiting))
	default:
		m.Next = fmt.Sprintf("Stage %s comes next.", to)
	}
}

func (m *Message) failed(run *v1alpha1.UpgradeRun) {
	if w := run.Status.Waiting; w != nil {
		m.Reason = w.Reason
	}
	m.What = fmt.Sprintf("Run %s has failed: %s failed, %s done.", run.Name, clusters(run.Status.Counts.Failed), done(run.Status.Counts))
	var causes []string
	for _, c := range run.Status.Causes[:min(len(run.Status.Causes), 3)] {
		causes = append(causes, fmt.Sprintf("%s on %s", c.ID, listed(c.Clusters)))
	}
	if len(causes) > 0 {
		m.What += " Causes: " + strings.Join(causes, "; ") + "."
	}
	m.Next = "Nothing is in flight. Remove the cause and go on with " + m.command("run retry "+run.Name) + "."
}

// upgrade says what a fact of a cluster upgrade means.
func (m *Message) upgrade(u *v1alpha1.ClusterUpgrade) {
	cluster, describe := u.Spec.Cluster, m.command("run describe "+u.Spec.RunRef.Name)
	switch m.Event {
	case v1alpha1.EventClusterFailed:
		m.Reason = u.Status.Reason
		m.What = fmt.Sprintf("The upgrade of cluster %s has failed: %s.", cluster, sentence(u.Status.Reason, u.Status.Message))
		m.Next = "The cluster is at a safe point. " + describe + " shows what the run does now."
		if d := u.Status.Diagnosis; d != nil && d.Title != "" {
			m.What = fmt.Sprintf("The upgrade of cluster %s has failed: %s.", cluster, strings.TrimRight(d.Title, "."))
			if len(d.Remedies) > 0 {
				m.Next = d.Remedies[0].Action
			}
		}
	case v1alpha1.EventDrainBlocked:
		m.Reason = v1alpha1.ReasonDrainBlocked
		why := "a budget lets no pod go"
		if c := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionDrainBlocked); c != nil {
			why = c.Message
		}
		m.What = fmt.Sprintf("A drain in cluster %s has not moved for %d minutes: %s.", cluster, int(blockedFor.Minutes()), strings.TrimRight(why, "."))
		m.Next = "It goes on by itself when the budget allows it. " + describe + " names the pods."
	case v1alpha1.EventClusterSucceeded:
		m.Reason = v1alpha1.ReasonOnTarget
		m.What = fmt.Sprintf("Cluster %s is upgraded and healthy.", cluster)
		m.Next = "Nothing is left to do here."
	}
}

// gate says what a fact of a gate means.
func (m *Message) gate(g *v1alpha1.Gate) {
	place := g.Spec.Place.Stage
	if g.Spec.Place.Group != "" {
		place += "/" + g.Spec.Place.Group
	}
	place = strings.ToLower(string(g.Spec.Place.Timing)) + " " + place
	name := g.Spec.Template.Name
	describe := m.command("gate describe " + g.Name)
	switch m.Event {
	case v1alpha1.EventApprovalNeeded:
		m.Reason = v1alpha1.ReasonGateClosed
		m.What = fmt.Sprintf("Run %s needs an approval: gate %s %s.", g.Spec.RunRef.Name, name, place)
		approve := m.command("gate approve " + g.Name)
		m.Next = "Nothing of it starts until people approve: " + approve + ". " + describe + " shows what comes next and who may."
		if a := g.Spec.Template.Approval; a != nil && len(a.Approvers) > 0 {
			m.Next = fmt.Sprintf("%s may approve it: %s. %s shows what comes next.", listed(a.Approvers), approve, describe)
		}
	case v1alpha1.EventGateRefused:
		m.Reason = v1alpha1.ReasonGateClosed
		m.What = fmt.Sprintf("Gate %s %s of run %s is refused", name, place, g.Spec.RunRef.Name)
		if g.Status.DecidedBy != "" {
			m.What += " by " + g.Status.DecidedBy
		}
		if g.Status.Message != "" {
			m.What += ": " + strings.TrimRight(g.Status.Message, ".")
		}
		m.What += "."
		m.Next = "The gate stays closed. " + describe + " says how to go on."
	}
}

// done counts the clusters that are done of all.
func done(c v1alpha1.RunCounts) string {
	return fmt.Sprintf("%d of %s", c.Succeeded+c.Skipped, clusters(c.Total))
}

func clusters(n int32) string {
	if n == 1 {
		return "1 cluster"
	}
	return fmt.Sprintf("%d clusters", n)
}
