// SPDX-License-Identifier: Apache-2.0

package estimate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/versionpath"
)

// Step is a part of an upgrade that takes its time. Checks between them take seconds, and are left out.
type Step struct {
	// Name as in the record of the upgrade, for example "1.37.2/NodePool/user".
	Name string
	// Duration of the whole step.
	Duration Duration
	// Parts of it, between which a cluster can hold; 1: it is done as a whole.
	Parts int
	// Part is how long the longest part takes: what must fit into a window.
	Part Duration
}

// Sum of steps, one after the other. Its samples are those of the step that is known least.
func Sum(steps []Step) Duration {
	var sum Duration
	for i, s := range steps {
		sum.P50 += s.Duration.P50
		sum.P90 += s.Duration.P90
		if i == 0 || s.Duration.Samples < sum.Samples {
			sum.Samples = s.Duration.Samples
		}
	}
	return sum
}

// Steps of an upgrade that has not begun, in their order. What is on the target already takes no step.
func (m *Model) Steps(c *v1alpha1.Cluster, spec *v1alpha1.ClusterUpgradeSpec) []Step {
	if spec.Scope == v1alpha1.UpgradeScopeNodeImageOnly {
		return m.pools(c, "NodeImage", "", spec.NodeImages, func(v1alpha1.NodePoolStatus) bool { return true })
	}
	var out []Step
	renews := spec.Scope != v1alpha1.UpgradeScopeControlPlaneOnly
	at := c.Status.ControlPlane.Version
	versions := poolVersions(c)
	for i, hop := range spec.Hops {
		// Pools of which a node would be too old for a hop are renewed at the stop before it.
		if renews {
			tooOld := func(p v1alpha1.NodePoolStatus) bool { return behind(versions[p.Name], hop) > versionpath.MaxSkew }
			renewed := m.pools(c, at, at, nil, tooOld)
			for _, p := range c.Status.NodePools {
				if len(renewed) > 0 && tooOld(p) {
					versions[p.Name] = at
				}
			}
			out = append(out, renewed...)
		}
		if older(c.Status.ControlPlane.Version, hop) {
			d := m.ControlPlane(c)
			out = append(out, Step{Name: hop + "/ControlPlane", Duration: d, Parts: 1, Part: d})
		}
		at = hop
		if i == len(spec.Hops)-1 && renews {
			out = append(out, m.pools(c, hop, hop, spec.NodeImages, func(v1alpha1.NodePoolStatus) bool { return true })...)
		}
	}
	return out
}

// pools are the steps of the pools that are wanted and not on the version and the images.
func (m *Model) pools(c *v1alpha1.Cluster, stop, version string, images []string, wanted func(v1alpha1.NodePoolStatus) bool) []Step {
	var out []Step
	for _, p := range inOrder(c) {
		old := version != "" && older(p.Version, version) || len(images) > 0 && p.Image != "" && !slices.Contains(images, p.Image)
		if old && wanted(p) {
			out = append(out, m.pool(c, stop, p.Name, int(p.Nodes), int(p.Nodes)))
		}
	}
	return out
}

func (m *Model) pool(c *v1alpha1.Cluster, stop, pool string, size, nodes int) Step {
	s := Step{Name: stop + "/NodePool/" + pool, Duration: m.poolOf(c, pool, size, nodes), Parts: 1}
	s.Part = s.Duration
	if !WholePools(c) && nodes > 0 {
		s.Parts, s.Part = wavesOf(c, pool, size, nodes), m.nodeOf(c, pool, size)
	}
	return s
}

// inOrder are the pools as they are renewed: by the place of their mode, then by name.
func inOrder(c *v1alpha1.Cluster) []v1alpha1.NodePoolStatus {
	modes := c.Spec.NodeRollout.PoolOrder
	if len(modes) == 0 {
		modes = []v1alpha1.PoolMode{v1alpha1.PoolModeSystem, v1alpha1.PoolModeUser}
	}
	place := func(m v1alpha1.PoolMode) int {
		if i := slices.Index(modes, m); i >= 0 {
			return i
		}
		return len(modes)
	}
	if len(c.Status.NodePools) < 2 {
		return c.Status.NodePools
	}
	return slices.SortedStableFunc(slices.Values(c.Status.NodePools), func(a, b v1alpha1.NodePoolStatus) int {
		return cmp.Or(cmp.Compare(place(a.Mode), place(b.Mode)), cmp.Compare(a.Name, b.Name))
	})
}

// Remaining are the steps that an upgrade has still to do at an instant. A step in hand that has taken longer than
// was thought goes by the nodes that are left, and one without nodes needs a tenth of its time more: nobody knows, and
// it is not over.
func (m *Model) Remaining(c *v1alpha1.Cluster, u *v1alpha1.ClusterUpgrade, now time.Time) []Step {
	var out []Step
	was := fromStart(c, u)
	for _, s := range m.Steps(was, &u.Spec) {
		i := slices.IndexFunc(u.Status.Steps, func(done v1alpha1.StepStatus) bool { return done.Name == s.Name })
		switch {
		case i < 0, u.Status.Steps[i].Result == v1alpha1.StepResultFailed:
			out = append(out, s)
		case u.Status.Steps[i].Result == v1alpha1.StepResultRunning && u.Status.Steps[i].StartedAt != nil:
			elapsed := now.Sub(u.Status.Steps[i].StartedAt.Time)
			if late := m.late(was, u, s, elapsed); late != nil {
				out = append(out, *late)
				continue
			}
			out = append(out, begun(s, elapsed))
		}
	}
	return out
}

// late is the rest of a pool that has taken longer than a whole one: it was held on the way, or it is slow.
func (m *Model) late(c *v1alpha1.Cluster, u *v1alpha1.ClusterUpgrade, s Step, elapsed time.Duration) *Step {
	stop, pool, ok := strings.Cut(s.Name, "/NodePool/")
	if !ok || elapsed < s.Duration.P50 {
		return nil
	}
	for _, p := range u.Status.NodePools {
		if p.Name == pool && p.Done < p.Total {
			return new(m.pool(c, stop, pool, int(max(p.Desired, p.Total)), int(p.Total-p.Done)))
		}
	}
	return nil
}

func begun(s Step, elapsed time.Duration) Step {
	elapsed = max(0, elapsed)
	left := func(d time.Duration) time.Duration { return max(d-elapsed, d/10) }
	whole := s.Duration
	s.Duration.P50, s.Duration.P90 = left(whole.P50), left(whole.P90)
	if s.Parts > 1 && whole.P50 > 0 {
		s.Parts = max(1, int(int64(s.Parts)*int64(s.Duration.P50)/int64(whole.P50)))
		return s
	}
	s.Part = s.Duration
	return s
}

// fromStart is the cluster as it was when its upgrade began, so that its steps are named and counted as then. The
// pools that are done by now take no time, because the record says so.
func fromStart(c *v1alpha1.Cluster, u *v1alpha1.ClusterUpgrade) *v1alpha1.Cluster {
	if u.Status.FromVersion == "" {
		return c
	}
	was := *c
	was.Status.ControlPlane.Version = u.Status.FromVersion
	was.Status.NodePools = slices.Clone(c.Status.NodePools)
	for i := range was.Status.NodePools {
		p := &was.Status.NodePools[i]
		if older(u.Status.FromVersion, p.Version) {
			p.Version = u.Status.FromVersion
		}
		for _, progress := range u.Status.NodePools {
			if progress.Name == p.Name && progress.Total > 0 {
				p.Nodes = progress.Total
			}
		}
	}
	return &was
}

func poolVersions(c *v1alpha1.Cluster) map[string]string {
	out := make(map[string]string, len(c.Status.NodePools))
	for _, p := range c.Status.NodePools {
		out[p.Name] = p.Version
	}
	return out
}

// older says whether a version is older than another. One that is not known is taken as older: it will be renewed.
func older(version, than string) bool {
	return version != than && (version == "" || versionpath.Compare(version, than) < 0)
}

// behind is how many minors a version is behind another; 0 when one of them is not known.
func behind(version, of string) int {
	v, err := versionpath.Parse(version)
	w, err2 := versionpath.Parse(of)
	if err != nil || err2 != nil {
		return 0
	}
	return v.MinorsBehind(w)
}
