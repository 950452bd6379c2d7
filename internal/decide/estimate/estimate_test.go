// SPDX-License-Identifier: Apache-2.0

package estimate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
)

var epoch = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

const second = time.Second

func cluster(name string, nodes int32, provider v1alpha1.ProviderSpec) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ClusterSpec{Provider: provider}}
	c.Status.ControlPlane.Version = "1.36.1"
	c.Status.NodePools = []v1alpha1.NodePoolStatus{{Name: "user", Mode: v1alpha1.PoolModeUser, Version: "1.36.1", Nodes: nodes}}
	return c
}

func onAKS() v1alpha1.ProviderSpec {
	return v1alpha1.ProviderSpec{AKS: &v1alpha1.AKSProvider{Name: "c"}}
}

func simulated(change func(*v1alpha1.SimulatedProvider)) v1alpha1.ProviderSpec {
	s := &v1alpha1.SimulatedProvider{Version: "1.36.1"}
	if change != nil {
		change(s)
	}
	return v1alpha1.ProviderSpec{Simulated: s}
}

// history is fleets whose control planes and pools of some size took the times given.
type history struct {
	clusters []*v1alpha1.Cluster
	upgrades []*v1alpha1.ClusterUpgrade
}

// upgraded adds an upgrade that took controlPlane, and pool for a pool of nodes.
func (h *history) upgraded(provider v1alpha1.ProviderSpec, nodes int32, controlPlane, pool time.Duration) *v1alpha1.ClusterUpgrade {
	name := fmt.Sprintf("c%d", len(h.clusters))
	h.clusters = append(h.clusters, cluster(name, nodes, provider))
	begin := epoch.Add(time.Duration(len(h.clusters)) * 24 * time.Hour)
	step := func(name string, from, to time.Time) v1alpha1.StepStatus {
		return v1alpha1.StepStatus{Name: name, StartedAt: new(metav1.NewTime(from)), FinishedAt: new(metav1.NewTime(to)), Result: v1alpha1.StepResultSucceeded}
	}
	u := &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "r-" + name}, Spec: v1alpha1.ClusterUpgradeSpec{Cluster: name}}
	u.Status.Steps = []v1alpha1.StepStatus{
		step("1.37.2/Preflight", begin, begin.Add(second)),
		step("1.37.2/ControlPlane", begin, begin.Add(controlPlane)),
		step("1.37.2/NodePool/user", begin.Add(controlPlane), begin.Add(controlPlane+pool)),
	}
	u.Status.NodePools = []v1alpha1.NodePoolProgress{{Name: "user", Desired: nodes, Done: nodes, Total: nodes}}
	h.upgrades = append(h.upgrades, u)
	return u
}

func (h *history) learn() *Model { return Learn(h.upgrades, h.clusters) }

func TestWithoutHistoryTheDefaultsCount(t *testing.T) {
	minutes := func(p50, p90 int) Duration {
		return Duration{P50: time.Duration(p50) * minute, P90: time.Duration(p90) * minute}
	}
	tests := map[string]struct {
		provider                             v1alpha1.ProviderSpec
		wantControlPlane, wantNode, wantPool Duration // a pool of 30
	}{
		"AKS, on the slow side":                    {onAKS(), minutes(10, 20), minutes(5, 12), minutes(50, 120)},
		"a simulated cluster as its API documents": {simulated(nil), minutes(10, 10), minutes(4, 4), minutes(40, 40)},
		"a simulated cluster as it is told": {simulated(func(s *v1alpha1.SimulatedProvider) {
			s.ControlPlaneDuration, s.NodeDuration = &metav1.Duration{Duration: 2 * minute}, &metav1.Duration{Duration: minute}
		}), minutes(2, 2), minutes(1, 1), minutes(10, 10)},
		"a simulated cluster whose nodes Sengu moves": {simulated(func(s *v1alpha1.SimulatedProvider) { s.NodeStyle = "Sengu" }), minutes(10, 10), minutes(4, 8), minutes(40, 80)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := cluster("c", 30, tc.provider)
			for model, m := range map[string]*Model{"no model": nil, "no history": Learn(nil, nil)} {
				got := []Duration{m.ControlPlane(c), m.Node(c), m.NodePool(c, 30)}
				if diff := cmp.Diff([]Duration{tc.wantControlPlane, tc.wantNode, tc.wantPool}, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", model, diff)
				}
			}
		})
	}
}

func TestPercentilesAreHonestAboutFewSamples(t *testing.T) {
	tests := map[string]struct {
		seconds []int
		want    Duration
	}{
		"one: a quarter more than it":             {[]int{100}, Duration{100 * second, 125 * second, 1}},
		"nine: a quarter more than the slowest":   {[]int{90, 10, 20, 30, 40, 50, 60, 70, 80}, Duration{50 * second, 90 * second * 5 / 4, 9}},
		"ten: the ninth":                          {[]int{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}, Duration{50 * second, 90 * second, 10}},
		"a night in the middle is not work":       {[]int{10, 11, 12, 13, 14, 36000}, Duration{12 * second, 14 * second * 5 / 4, 5}},
		"of three nobody knows what is a pause":   {[]int{10, 11, 36000}, Duration{11 * second, 36000 * second * 5 / 4, 3}},
		"no time at all is a time":                {[]int{0, 0, 0, 0, 0, 0}, Duration{0, 0, 6}},
		"slow is not a pause: five times as long": {[]int{10, 10, 10, 10, 10, 50}, Duration{10 * second, 50 * second * 5 / 4, 6}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := &history{}
			for _, s := range tc.seconds {
				h.upgraded(onAKS(), 1, time.Duration(s)*second, 0)
			}
			if diff := cmp.Diff(tc.want, h.learn().ControlPlane(cluster("new", 1, onAKS()))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestPoolsTeachByTheirSize: a large pool waits longer for budgets, so that its waves are slower.
func TestPoolsTeachByTheirSize(t *testing.T) {
	h := &history{}
	for range 10 {
		h.upgraded(onAKS(), 3, 0, 3*60*second)     // three waves of a minute
		h.upgraded(onAKS(), 100, 0, 10*300*second) // ten waves of five minutes
	}
	m := h.learn()
	want := func(nodes int, d time.Duration) {
		t.Helper()
		if got := m.NodePool(cluster("new", 1, onAKS()), nodes); got.P50 != d {
			t.Errorf("a pool of %d takes %s, want %s", nodes, got.P50, d)
		}
	}
	want(2, 2*minute)
	want(3, 3*minute)
	want(80, 50*minute)
	want(0, 0)
	// Pools of ten have taught nothing: those of all sizes are asked, of which the median is a minute.
	want(10, 10*minute)
}

// TestProvidersDoNotTeachEachOther: and neither do simulated clusters that are told to take their time otherwise.
func TestProvidersDoNotTeachEachOther(t *testing.T) {
	h := &history{}
	for range 10 {
		h.upgraded(simulated(nil), 3, 11*minute, 3*5*minute)
	}
	m := h.learn()
	if got := m.ControlPlane(cluster("new", 3, onAKS())); got.Samples != 0 {
		t.Errorf("AKS learned %+v from simulated clusters", got)
	}
	other := simulated(func(s *v1alpha1.SimulatedProvider) { s.ControlPlaneDuration = &metav1.Duration{Duration: second} })
	if got := m.ControlPlane(cluster("new", 3, other)); got.P50 != second {
		t.Errorf("a cluster that is told to take a second takes %s", got.P50)
	}
	if got := m.ControlPlane(cluster("new", 3, simulated(nil))); got.P50 != 11*minute || got.Samples != 10 {
		t.Errorf("a cluster like those of the history takes %+v, want 11m of 10 samples", got)
	}
}

// TestTheSoakOfNodesIsSetAndNotLearned: a cluster that asks for a longer one takes longer than its history.
func TestTheSoakOfNodesIsSetAndNotLearned(t *testing.T) {
	h := &history{}
	for range 10 {
		h.upgraded(onAKS(), 3, 0, 3*(60+30)*second)
	}
	for _, c := range h.clusters {
		c.Spec.NodeRollout.NodeSoak = &metav1.Duration{Duration: 30 * second}
	}
	c := cluster("new", 3, onAKS())
	c.Spec.NodeRollout.NodeSoak = &metav1.Duration{Duration: 10 * minute}
	if got := h.learn().NodePool(c, 3); got.P50 != 33*minute {
		t.Errorf("three nodes of a minute with a soak of 10m take %s, want 33m", got.P50)
	}
}

// TestOneNodeVariesMoreThanAPool: slow and quick nodes of a pool even each other out.
func TestOneNodeVariesMoreThanAPool(t *testing.T) {
	h := &history{}
	for i := range 10 {
		h.upgraded(onAKS(), 9, 0, 9*time.Duration(60+i*2)*second)
	}
	m, c := h.learn(), cluster("new", 9, onAKS())
	pool, node := m.NodePool(c, 9), m.Node(c)
	if wave := pool.P90/9 - pool.P50/9; node.P90-node.P50 != 3*wave {
		t.Errorf("a node's P90 is %s above its P50, want three times the %s of the mean of nine", node.P90-node.P50, wave)
	}
}

func TestOnlyTheNewestHistoryCounts(t *testing.T) {
	h := &history{}
	for range maxUpgrades {
		h.upgraded(onAKS(), 1, time.Hour, 0)
	}
	for range maxUpgrades {
		h.upgraded(onAKS(), 1, minute, 0)
	}
	slices.Reverse(h.upgrades)
	if got := h.learn().ControlPlane(h.clusters[0]); got.P50 != minute || got.Samples != maxUpgrades {
		t.Errorf("learned %+v, want a minute of the newest %d", got, maxUpgrades)
	}
}

func TestWhatTeachesNothing(t *testing.T) {
	tests := map[string]func(*v1alpha1.ClusterUpgrade){
		"a step that failed":     func(u *v1alpha1.ClusterUpgrade) { u.Status.Steps[1].Result = v1alpha1.StepResultFailed },
		"a step that runs":       func(u *v1alpha1.ClusterUpgrade) { u.Status.Steps[1].FinishedAt = nil },
		"a step without a begin": func(u *v1alpha1.ClusterUpgrade) { u.Status.Steps[1].StartedAt = nil },
		"a clock that went back": func(u *v1alpha1.ClusterUpgrade) { u.Status.Steps[1].FinishedAt = new(metav1.NewTime(time.Time{})) },
		"a cluster that is gone": func(u *v1alpha1.ClusterUpgrade) { u.Spec.Cluster = "gone" },
		"no steps":               func(u *v1alpha1.ClusterUpgrade) { u.Status.Steps = nil },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			h := &history{}
			change(h.upgraded(onAKS(), 3, minute, minute))
			if got := h.learn().ControlPlane(h.clusters[0]); got.Samples != 0 {
				t.Errorf("learned %+v", got)
			}
		})
	}
	h := &history{}
	h.upgraded(onAKS(), 3, minute, minute).Status.NodePools[0].Total = 0
	if got := h.learn().NodePool(h.clusters[0], 3); got.Samples != 0 {
		t.Errorf("a pool without nodes taught %+v", got)
	}
}

func TestStepsOfAnUpgrade(t *testing.T) {
	tests := map[string]struct {
		change func(*v1alpha1.Cluster, *v1alpha1.ClusterUpgradeSpec)
		want   []string
	}{
		"control plane, then pools": {nil, []string{"1.37.2/ControlPlane 10m0s", "1.37.2/NodePool/user 12m0s"}},
		"the control plane alone": {func(_ *v1alpha1.Cluster, s *v1alpha1.ClusterUpgradeSpec) {
			s.Scope = v1alpha1.UpgradeScopeControlPlaneOnly
		},
			[]string{"1.37.2/ControlPlane 10m0s"}},
		"what is on the target takes no step": {func(c *v1alpha1.Cluster, _ *v1alpha1.ClusterUpgradeSpec) {
			c.Status.ControlPlane.Version, c.Status.NodePools[0].Version = "1.37.2", "1.37.2"
		}, nil},
		"nodes alone are behind": {func(c *v1alpha1.Cluster, _ *v1alpha1.ClusterUpgradeSpec) { c.Status.ControlPlane.Version = "1.37.2" },
			[]string{"1.37.2/NodePool/user 12m0s"}},
		"an image alone": {func(c *v1alpha1.Cluster, s *v1alpha1.ClusterUpgradeSpec) {
			s.Scope, s.Hops, s.NodeImages = v1alpha1.UpgradeScopeNodeImageOnly, nil, []string{"image-2"}
			c.Status.NodePools[0].Image = "image-1"
		}, []string{"NodeImage/NodePool/user 12m0s"}},
		"the image that it has": {func(c *v1alpha1.Cluster, s *v1alpha1.ClusterUpgradeSpec) {
			s.Scope, s.Hops, s.NodeImages = v1alpha1.UpgradeScopeNodeImageOnly, nil, []string{"image-2"}
			c.Status.NodePools[0].Image = "image-2"
		}, nil},
		"system pools first": {func(c *v1alpha1.Cluster, _ *v1alpha1.ClusterUpgradeSpec) {
			c.Status.NodePools = append(c.Status.NodePools, v1alpha1.NodePoolStatus{Name: "zz", Mode: v1alpha1.PoolModeSystem, Version: "1.36.1", Nodes: 1})
		}, []string{"1.37.2/ControlPlane 10m0s", "1.37.2/NodePool/zz 4m0s", "1.37.2/NodePool/user 12m0s"}},
		"several hops renew nodes once": {func(_ *v1alpha1.Cluster, s *v1alpha1.ClusterUpgradeSpec) { s.Hops = []string{"1.37.2", "1.38.0"} },
			[]string{"1.37.2/ControlPlane 10m0s", "1.38.0/ControlPlane 10m0s", "1.38.0/NodePool/user 12m0s"}},
		"unless they would be too old on the way": {func(c *v1alpha1.Cluster, s *v1alpha1.ClusterUpgradeSpec) {
			c.Status.NodePools[0].Version, s.Hops = "1.34.0", []string{"1.37.2", "1.38.0"}
		}, []string{"1.37.2/ControlPlane 10m0s", "1.37.2/NodePool/user 12m0s", "1.38.0/ControlPlane 10m0s", "1.38.0/NodePool/user 12m0s"}},
		"or are too old for the first hop": {func(c *v1alpha1.Cluster, _ *v1alpha1.ClusterUpgradeSpec) { c.Status.NodePools[0].Version = "1.33.0" },
			[]string{"1.36.1/NodePool/user 12m0s", "1.37.2/ControlPlane 10m0s", "1.37.2/NodePool/user 12m0s"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, spec := cluster("c", 3, simulated(nil)), &v1alpha1.ClusterUpgradeSpec{Hops: []string{"1.37.2"}}
			if tc.change != nil {
				tc.change(c, spec)
			}
			var m *Model
			var total time.Duration
			var got []string
			for _, s := range m.Steps(c, spec) {
				got = append(got, s.Name+" "+s.Duration.P50.String())
				total += s.Duration.P50
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if sum := m.Cluster(c, spec); sum.P50 != total {
				t.Errorf("the cluster takes %s, its steps %s", sum.P50, total)
			}
		})
	}
}

// TestWhatMustFitIntoAWindow: where Sengu moves the nodes one is enough, and a provider's pool is done as a whole.
func TestWhatMustFitIntoAWindow(t *testing.T) {
	spec := &v1alpha1.ClusterUpgradeSpec{Hops: []string{"1.37.2"}}
	var m *Model
	whole := m.Steps(cluster("c", 30, simulated(nil)), spec)[1]
	if whole.Parts != 1 || whole.Part.P90 != 40*minute {
		t.Errorf("%d parts of %s, want one of 40m", whole.Parts, whole.Part.P90)
	}
	parts := m.Steps(cluster("c", 30, simulated(func(s *v1alpha1.SimulatedProvider) { s.NodeStyle = "Sengu" })), spec)[1]
	if parts.Parts != 10 || parts.Part.P90 != 8*minute {
		t.Errorf("%d parts of %s, want 10 of 8m", parts.Parts, parts.Part.P90)
	}
	if got := m.NodePool(cluster("c", 31, simulated(nil)), 31); got.P50 != 32*minute {
		t.Errorf("31 nodes, four at a time, take %s, want eight times 4m", got.P50)
	}
	one := cluster("c", 30, simulated(nil))
	one.Spec.NodeRollout.Pools = []v1alpha1.PoolNodeRollout{{Name: "user", NodeRollout: v1alpha1.NodeRollout{MaxSurge: new(intstr.FromInt32(1))}}}
	if got := m.Steps(one, spec)[1].Duration.P50; got != 120*minute {
		t.Errorf("30 nodes one by one take %s, want 2h", got)
	}
}

func TestWhatRemainsOfAnUpgradeInFlight(t *testing.T) {
	at := func(m int) *metav1.Time { return new(metav1.NewTime(epoch.Add(time.Duration(m) * minute))) }
	done := v1alpha1.StepStatus{Name: "1.37.2/ControlPlane", StartedAt: at(-20), FinishedAt: at(-10), Result: v1alpha1.StepResultSucceeded}
	pool := func(since int) v1alpha1.StepStatus {
		return v1alpha1.StepStatus{Name: "1.37.2/NodePool/user", StartedAt: at(since), Result: v1alpha1.StepResultRunning}
	}
	tests := map[string]struct {
		steps    []v1alpha1.StepStatus
		progress v1alpha1.NodePoolProgress
		want     time.Duration
	}{
		"not begun":                            {nil, v1alpha1.NodePoolProgress{}, 22 * minute},
		"the control plane since 4m":           {[]v1alpha1.StepStatus{{Name: "1.37.2/ControlPlane", StartedAt: at(-4), Result: v1alpha1.StepResultRunning}}, v1alpha1.NodePoolProgress{}, 18 * minute},
		"the control plane for far too long":   {[]v1alpha1.StepStatus{{Name: "1.37.2/ControlPlane", StartedAt: at(-90), Result: v1alpha1.StepResultRunning}}, v1alpha1.NodePoolProgress{}, 13 * minute},
		"the pool since 5m":                    {[]v1alpha1.StepStatus{done, pool(-5)}, v1alpha1.NodePoolProgress{Name: "user", Desired: 3, Total: 3, Done: 1}, 7 * minute},
		"the pool since yesterday, with holds": {[]v1alpha1.StepStatus{done, pool(-1440)}, v1alpha1.NodePoolProgress{Name: "user", Desired: 3, Total: 3, Done: 1}, 8 * minute},
		"nothing":                              {[]v1alpha1.StepStatus{done, {Name: "1.37.2/NodePool/user", StartedAt: at(-10), FinishedAt: at(0), Result: v1alpha1.StepResultSucceeded}}, v1alpha1.NodePoolProgress{}, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := cluster("c", 3, simulated(nil))
			u := &v1alpha1.ClusterUpgrade{Spec: v1alpha1.ClusterUpgradeSpec{Hops: []string{"1.37.2"}}}
			u.Status.FromVersion, u.Status.Steps = "1.36.1", tc.steps
			if len(tc.steps) > 1 {
				c.Status.ControlPlane.Version = "1.37.2"
			}
			if tc.progress.Name != "" {
				u.Status.NodePools = []v1alpha1.NodePoolProgress{tc.progress}
			}
			var m *Model
			if got := Sum(m.Remaining(c, u, epoch)); got.P50 != tc.want {
				t.Errorf("%s remains, want %s", got.P50, tc.want)
			}
		})
	}
}
