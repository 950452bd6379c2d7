// SPDX-License-Identifier: Apache-2.0

// Package estimate says how long the steps of an upgrade take: learned from the upgrades that the fleet remembers,
// and from documented defaults where it remembers none.
//
// What is learned is the time of a hop of the control plane, and the time of one wave of a pool: as many nodes as
// maxSurge and maxUnavailable let be renewed together. A pool is as many waves as it needs. Waves are kept by the size
// of the pool they were seen in, because large pools wait more for budgets than small ones.
package estimate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/budget"
)

// Duration is how long something takes.
type Duration struct {
	// P50 is as likely too long as too short; P90 is enough nine times of ten.
	P50, P90 time.Duration
	// Samples that it was learned from; 0: it is a default.
	Samples int
}

// times is d n times in a row.
func (d Duration) times(n int) Duration {
	return Duration{d.P50 * time.Duration(n), d.P90 * time.Duration(n), d.Samples}
}

// maxUpgrades bounds the history: the newest count, because providers and fleets change.
const maxUpgrades = 2000

// Model knows durations. A nil Model knows the defaults alone.
type Model struct {
	controlPlane map[kind]Duration
	waves        map[kind]Duration
	nodes        map[kind]Duration
}

// kind is what is alike enough to learn from each other.
type kind struct {
	// provider, with the durations that a simulated cluster is configured with.
	provider string
	// bucket of pool sizes; 0: all.
	bucket int
}

// buckets are the upper ends of pool sizes that are alike.
var buckets = []int{3, 10, 30, 100, 300}

func bucketOf(nodes int) int {
	for i, end := range buckets {
		if nodes <= end {
			return i + 1
		}
	}
	return len(buckets) + 1
}

// enough samples of pools of a size; with fewer, pools of all sizes are asked.
const enough = 5

// Learn looks at the steps that succeeded. Both lists may be in any order, and are not changed; upgrades of clusters
// that have left the fleet are passed over.
func Learn(upgrades []*v1alpha1.ClusterUpgrade, clusters []*v1alpha1.Cluster) *Model {
	byName := make(map[string]*v1alpha1.Cluster, len(clusters))
	for _, c := range clusters {
		byName[c.Name] = c
	}
	known := slices.DeleteFunc(slices.Clone(upgrades), func(u *v1alpha1.ClusterUpgrade) bool {
		return len(u.Status.Steps) == 0 || byName[u.Spec.Cluster] == nil
	})
	slices.SortFunc(known, newestFirst)
	l := lesson{controlPlane: map[kind][]sample{}, waves: map[kind][]sample{}}
	for _, u := range known[:min(len(known), maxUpgrades)] {
		l.add(u, byName[u.Spec.Cluster])
	}
	m := &Model{controlPlane: map[kind]Duration{}, waves: map[kind]Duration{}, nodes: map[kind]Duration{}}
	for k, samples := range l.controlPlane {
		m.controlPlane[k] = percentiles(samples)
	}
	for k, samples := range l.waves {
		m.waves[k] = percentiles(samples)
		m.nodes[k] = widened(samples)
	}
	return m
}

func newestFirst(a, b *v1alpha1.ClusterUpgrade) int {
	return cmp.Or(lastStep(b).Compare(lastStep(a)), cmp.Compare(a.Name, b.Name))
}

// lastStep is when the last step of an upgrade ended.
func lastStep(u *v1alpha1.ClusterUpgrade) time.Time {
	for _, s := range slices.Backward(u.Status.Steps) {
		if s.FinishedAt != nil {
			return s.FinishedAt.Time
		}
	}
	return time.Time{}
}

// lesson collects samples.
type lesson struct {
	controlPlane, waves map[kind][]sample
}

func (l *lesson) add(u *v1alpha1.ClusterUpgrade, c *v1alpha1.Cluster) {
	provider := providerOf(c)
	for i := range u.Status.Steps {
		s := &u.Status.Steps[i]
		if s.Result != v1alpha1.StepResultSucceeded || s.StartedAt == nil || s.FinishedAt == nil {
			continue
		}
		took := s.FinishedAt.Sub(s.StartedAt.Time)
		_, step, _ := strings.Cut(s.Name, "/")
		pool, ofPool := strings.CutPrefix(step, "NodePool/")
		switch {
		case took < 0:
		case step == "ControlPlane":
			l.controlPlane[kind{provider, 0}] = append(l.controlPlane[kind{provider, 0}], sample{took, 1})
		case ofPool:
			l.addPool(u, c, pool, took)
		}
	}
}

// addPool adds the mean wave of a pool, without the soak of its nodes, which is set and not learned.
func (l *lesson) addPool(u *v1alpha1.ClusterUpgrade, c *v1alpha1.Cluster, pool string, took time.Duration) {
	i := slices.IndexFunc(u.Status.NodePools, func(p v1alpha1.NodePoolProgress) bool { return p.Name == pool })
	if i < 0 || u.Status.NodePools[i].Total <= 0 {
		return
	}
	p := &u.Status.NodePools[i]
	size := int(max(p.Desired, p.Total))
	waves := wavesOf(c, pool, size, int(p.Total))
	s := sample{max(0, took/time.Duration(waves)-nodeSoak(c, pool)), waves}
	for _, k := range []kind{{providerOf(c), 0}, {providerOf(c), bucketOf(size)}} {
		l.waves[k] = append(l.waves[k], s)
	}
}

// wavesOf is in how many waves a number of nodes of a pool is renewed.
func wavesOf(c *v1alpha1.Cluster, pool string, size, nodes int) int {
	surge, unavailable := budget.SurgeAndUnavailable(budget.NodeRollout(c.Spec.NodeRollout, pool), size)
	width := max(1, surge+unavailable)
	return max(1, (nodes+width-1)/width)
}

func nodeSoak(c *v1alpha1.Cluster, pool string) time.Duration {
	if d := budget.NodeRollout(c.Spec.NodeRollout, pool).NodeSoak; d != nil {
		return d.Duration
	}
	return 0
}

// ControlPlane is one hop of a cluster's control plane.
func (m *Model) ControlPlane(c *v1alpha1.Cluster) Duration {
	if m != nil {
		if d, ok := m.controlPlane[kind{providerOf(c), 0}]; ok {
			return d
		}
	}
	return defaultsOf(c).controlPlane
}

// Node is one node of a cluster, in its largest pool. History has whole pools only, whose slow and quick nodes even
// each other out: P90 is farther from P50 here than in the waves of a pool.
func (m *Model) Node(c *v1alpha1.Cluster) Duration {
	largest, pool := 0, ""
	for i := range c.Status.NodePools {
		if n := int(c.Status.NodePools[i].Nodes); n > largest {
			largest, pool = n, c.Status.NodePools[i].Name
		}
	}
	return m.nodeOf(c, pool, largest)
}

// nodeOf is one node of a pool of a size.
func (m *Model) nodeOf(c *v1alpha1.Cluster, pool string, size int) Duration {
	d := defaultsOf(c).node
	if m != nil {
		d = lookup(m.nodes, c, size, d)
	}
	return soaked(d, nodeSoak(c, pool))
}

// NodePool is a whole pool of a size, by the settings of the cluster.
func (m *Model) NodePool(c *v1alpha1.Cluster, nodes int) Duration {
	return m.poolOf(c, "", nodes, nodes)
}

// poolOf is a number of nodes of a pool of a size.
func (m *Model) poolOf(c *v1alpha1.Cluster, pool string, size, nodes int) Duration {
	if nodes <= 0 {
		return Duration{}
	}
	d := defaultsOf(c).node
	if m != nil {
		d = lookup(m.waves, c, size, d)
	}
	return soaked(d, nodeSoak(c, pool)).times(wavesOf(c, pool, size, nodes))
}

// lookup finds what pools of the size have taught, else pools of all sizes, else nothing.
func lookup(of map[kind]Duration, c *v1alpha1.Cluster, size int, unknown Duration) Duration {
	provider := providerOf(c)
	if d := of[kind{provider, bucketOf(size)}]; d.Samples >= enough {
		return d
	}
	if d, ok := of[kind{provider, 0}]; ok {
		return d
	}
	return unknown
}

func soaked(d Duration, soak time.Duration) Duration {
	return Duration{d.P50 + soak, d.P90 + soak, d.Samples}
}

// Cluster is all that is to be done on a cluster, one step after the other without a wait. Its P90 is the sum of the
// steps' P90: it is rarer than one of ten that all of them are slow.
func (m *Model) Cluster(c *v1alpha1.Cluster, spec *v1alpha1.ClusterUpgradeSpec) Duration {
	return Sum(m.Steps(c, spec))
}
