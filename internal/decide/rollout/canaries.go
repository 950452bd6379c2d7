// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"fmt"
	"slices"

	"sengu.dev/sengu/api/v1alpha1"
)

// canaries are the clusters of a group that go before its others.
func (g *group) canaries() []*member {
	return g.members[:min(int(g.spec.Canaries), len(g.members))]
}

func (g *group) isCanary(m *member) bool { return slices.Contains(g.canaries(), m) }

// canariesFirst says why the others of a group may not start yet, or nothing: each canary has to be on the target and
// healthy, or to be skipped by a person.
func (g *group) canariesFirst() *v1alpha1.Waiting {
	for _, m := range g.canaries() {
		switch m.state {
		case memberSkipped:
			continue
		case memberSucceeded:
			if problem := unhealthy(m.cluster); problem != "" {
				return &v1alpha1.Waiting{Reason: v1alpha1.ReasonCanariesFirst, Message: fmt.Sprintf("canary %s is on the target and not healthy: %s", m.name, problem)}
			}
			continue
		}
		return &v1alpha1.Waiting{Reason: v1alpha1.ReasonCanariesFirst, Message: fmt.Sprintf("canary %s comes first", m.name)}
	}
	return nil
}

// failedCanaries looks for a canary that failed: nothing else starts then, whatever maxFailures allows.
func (p *pass) failedCanaries() *failure {
	for _, s := range p.stages {
		for _, g := range s.groups {
			if failed := failedOf(g.canaries()); len(failed) > 0 {
				return &failure{reason: v1alpha1.ReasonCanaryFailed, failed: failed, atOnce: true,
					text: fmt.Sprintf("a canary of group %s/%s failed, so nothing else starts: %s", s.spec.Name, g.spec.Name, failures(failed))}
			}
		}
	}
	return nil
}
