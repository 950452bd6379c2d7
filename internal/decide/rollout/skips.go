// SPDX-License-Identifier: Apache-2.0

package rollout

import "sengu.dev/sengu/api/v1alpha1"

// skips are what people left out of the run.
type skips struct {
	clusters, groups, stages, soaks, gates map[string]bool
}

func skipsOf(run *v1alpha1.UpgradeRun) skips {
	k := skips{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, s := range run.Spec.Skip {
		switch s.Kind {
		case v1alpha1.SkipKindCluster:
			k.clusters[s.Cluster] = true
		case v1alpha1.SkipKindGroup:
			k.groups[s.Stage+"/"+s.Group] = true
		case v1alpha1.SkipKindStage:
			k.stages[s.Stage] = true
		case v1alpha1.SkipKindSoak:
			k.soaks[s.Stage] = true
		case v1alpha1.SkipKindGate:
			k.gates[gateKey(s.Stage, s.Group, s.Gate)] = true
		}
	}
	return k
}

func gateKey(stage, group, gate string) string { return stage + "/" + group + "/" + gate }

// skipInFlight tells clusters that people skip while they are in flight to end at a safe point.
func (p *pass) skipInFlight() {
	if len(p.s.Run.Spec.Skip) == 0 {
		return
	}
	for _, s := range p.stages {
		for _, g := range s.groups {
			for _, m := range g.members {
				wanted := g.skipped || p.skips.clusters[m.name]
				moving := m.state == memberInFlight || m.state == memberHeld
				if wanted && moving && state(m.upgrade) != v1alpha1.ClusterUpgradeStateSkip {
					p.setState(m, v1alpha1.ClusterUpgradeStateSkip, "a person skipped it")
					m.state = memberInFlight
				}
			}
		}
	}
}
