// SPDX-License-Identifier: Apache-2.0

package waves

import (
	"errors"
	"fmt"
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// cluster of a name with labels, given as key and value in turn.
func cluster(name string, pairs ...string) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	for i := 0; i < len(pairs); i += 2 {
		c.Labels[pairs[i]] = pairs[i+1]
	}
	return c
}

func where(pairs ...string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: cluster("", pairs...).Labels}
}

func expression(key string, operator metav1.LabelSelectorOperator, values ...string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: operator, Values: values}}}
}

func stage(name string, groups ...v1alpha1.StrategyGroup) v1alpha1.StrategyStage {
	return v1alpha1.StrategyStage{Name: name, Groups: groups}
}

func group(name string, s metav1.LabelSelector) v1alpha1.StrategyGroup {
	return v1alpha1.StrategyGroup{Name: name, Selector: s}
}

// stagingFirst has a stage for staging, and one for production with a group for each of two regions.
func stagingFirst() *v1alpha1.UpgradeStrategySpec {
	return &v1alpha1.UpgradeStrategySpec{Stages: []v1alpha1.StrategyStage{
		stage("staging", group("all", where("env", "staging"))),
		stage("production", group("eu", where("env", "production", "region", "eu")), group("us", where("env", "production", "region", "us"))),
	}}
}

// ordered is a strategy of one group with an order.
func ordered(o *v1alpha1.ClusterOrder) *v1alpha1.UpgradeStrategySpec {
	s := &v1alpha1.UpgradeStrategySpec{Stages: []v1alpha1.StrategyStage{stage("staging", group("all", where("env", "staging")))}}
	s.Stages[0].Groups[0].ClusterOrder = o
	return s
}

// sized is a staging cluster with some nodes.
func sized(name string, nodes int32) *v1alpha1.Cluster {
	c := cluster(name, "env", "staging")
	c.Status.Nodes, c.Status.ControlPlane.Version = nodes, "1.36.1"
	return c
}

func TestAssign(t *testing.T) {
	inOrder := func(name, order string) *v1alpha1.Cluster { return cluster(name, "env", "staging", OrderLabel, order) }
	tests := map[string]struct {
		strategy *v1alpha1.UpgradeStrategySpec
		selector *metav1.LabelSelector
		clusters []*v1alpha1.Cluster
		want     []Stage
	}{
		"each cluster to its group, by name": {
			clusters: []*v1alpha1.Cluster{
				cluster("u", "env", "production", "region", "us"), cluster("b", "env", "staging"),
				cluster("e", "env", "production", "region", "eu"), cluster("a", "env", "staging"),
			},
			want: []Stage{
				{Name: "staging", Groups: []Group{{Name: "all", Clusters: []string{"a", "b"}}}},
				{Name: "production", Groups: []Group{{Name: "eu", Clusters: []string{"e"}}, {Name: "us", Clusters: []string{"u"}}}},
			},
		},
		"a group may be empty": {
			clusters: []*v1alpha1.Cluster{cluster("a", "env", "staging")},
			want: []Stage{
				{Name: "staging", Groups: []Group{{Name: "all", Clusters: []string{"a"}}}},
				{Name: "production", Groups: []Group{{Name: "eu", Clusters: []string{}}, {Name: "us", Clusters: []string{}}}},
			},
		},
		"the order label first: as numbers, negative ones too, ties by name, what is no number last": {
			strategy: &v1alpha1.UpgradeStrategySpec{Stages: []v1alpha1.StrategyStage{stage("staging", group("all", where("env", "staging")))}},
			clusters: []*v1alpha1.Cluster{
				inOrder("ten", "10"), inOrder("two", "2"), inOrder("tie-b", "5"), inOrder("tie-a", "5"), inOrder("word", "first"),
				inOrder("before-all", "-1"), cluster("nothing", "env", "staging"), inOrder("too-large", "99999999999999999999"),
			},
			want: []Stage{{Name: "staging", Groups: []Group{{Name: "all", Clusters: []string{
				"before-all", "two", "tie-a", "tie-b", "ten", "nothing", "too-large", "word",
			}}}}},
		},
		"by another label, the largest first": {
			strategy: ordered(&v1alpha1.ClusterOrder{Label: "risk", Direction: v1alpha1.OrderDescending}),
			clusters: []*v1alpha1.Cluster{
				cluster("low", "env", "staging", "risk", "1"), cluster("high", "env", "staging", "risk", "9"),
				cluster("nobody-knows", "env", "staging"), cluster("tie", "env", "staging", "risk", "9"),
			},
			want: []Stage{{Name: "staging", Groups: []Group{{Name: "all", Clusters: []string{"high", "tie", "low", "nobody-knows"}}}}},
		},
		"by nodes, the smallest first, and last what was not described": {
			strategy: ordered(&v1alpha1.ClusterOrder{By: v1alpha1.ClusterOrderNodes}),
			clusters: []*v1alpha1.Cluster{sized("large", 90), sized("small", 3), cluster("unknown", "env", "staging"), sized("middle", 20)},
			want:     []Stage{{Name: "staging", Groups: []Group{{Name: "all", Clusters: []string{"small", "middle", "large", "unknown"}}}}},
		},
		"clusters that the run leaves out need no group": {
			selector: new(where("env", "staging")),
			clusters: []*v1alpha1.Cluster{cluster("a", "env", "staging"), cluster("lonely", "env", "test"), cluster("bare")},
			want: []Stage{
				{Name: "staging", Groups: []Group{{Name: "all", Clusters: []string{"a"}}}},
				{Name: "production", Groups: []Group{{Name: "eu", Clusters: []string{}}, {Name: "us", Clusters: []string{}}}},
			},
		},
		"an empty selector of the run selects all": {
			selector: &metav1.LabelSelector{},
			clusters: []*v1alpha1.Cluster{cluster("a", "env", "staging")},
			want: []Stage{
				{Name: "staging", Groups: []Group{{Name: "all", Clusters: []string{"a"}}}},
				{Name: "production", Groups: []Group{{Name: "eu", Clusters: []string{}}, {Name: "us", Clusters: []string{}}}},
			},
		},
		"a group may take what the others leave": {
			strategy: &v1alpha1.UpgradeStrategySpec{Stages: []v1alpha1.StrategyStage{
				stage("first", group("canary", expression("ring", metav1.LabelSelectorOpIn, "canary", "dev"))),
				stage("rest", group("others", expression("ring", metav1.LabelSelectorOpNotIn, "canary", "dev"))),
			}},
			clusters: []*v1alpha1.Cluster{cluster("a", "ring", "dev"), cluster("b"), cluster("c", "ring", "wide")},
			want: []Stage{
				{Name: "first", Groups: []Group{{Name: "canary", Clusters: []string{"a"}}}},
				{Name: "rest", Groups: []Group{{Name: "others", Clusters: []string{"b", "c"}}}},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.strategy == nil {
				tc.strategy = stagingFirst()
			}
			got, err := Assign(tc.strategy, tc.selector, tc.clusters)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("stages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAssignRefuses(t *testing.T) {
	three := []*v1alpha1.Cluster{cluster("a", "env", "staging"), cluster("b", "env", "staging"), cluster("c", "env", "test")}
	change := func(change func(*v1alpha1.UpgradeStrategySpec)) *v1alpha1.UpgradeStrategySpec {
		s := stagingFirst()
		change(s)
		return s
	}
	tests := map[string]struct {
		strategy *v1alpha1.UpgradeStrategySpec
		selector *metav1.LabelSelector
		clusters []*v1alpha1.Cluster
		want     Error
	}{
		"an empty fleet": {
			want: Error{v1alpha1.ReasonNoClusters, "the fleet has no clusters: add one with `sengu cluster add`"},
		},
		"an empty fleet, whatever is selected of it": {
			selector: &metav1.LabelSelector{},
			want:     Error{v1alpha1.ReasonNoClusters, "the fleet has no clusters: add one with `sengu cluster add`"},
		},
		"a selector that selects nothing": {
			selector: new(where("env", "live")), clusters: three,
			want: Error{v1alpha1.ReasonNoClusters, "spec.clusterSelector (env=live) selects none of the fleet's 3 clusters"},
		},
		"a selector of a label that nobody has": {
			selector: new(expression("team", metav1.LabelSelectorOpExists)), clusters: three,
			want: Error{v1alpha1.ReasonNoClusters, "spec.clusterSelector (team) selects none of the fleet's 3 clusters"},
		},
		"a selector of the run that cannot be used": {
			selector: new(expression("env", "Like", "stag*")), clusters: three,
			want: Error{v1alpha1.ReasonInvalidStrategy, `spec.clusterSelector cannot be used: "Like" is not a valid label selector operator`},
		},
		"a cluster in no group": {
			clusters: three,
			want:     Error{v1alpha1.ReasonClusterInNoGroup, "no group of the strategy selects c: add them to a group, or leave them out with spec.clusterSelector"},
		},
		"a cluster in two groups of one stage": {
			strategy: change(func(s *v1alpha1.UpgradeStrategySpec) { s.Stages[1].Groups[1].Selector = where("env", "production") }),
			clusters: []*v1alpha1.Cluster{cluster("e", "env", "production", "region", "eu")},
			want:     Error{v1alpha1.ReasonClusterInTwoGroups, "a cluster belongs to exactly one group, and these match two: e (production/eu and production/us); narrow the selectors"},
		},
		"a cluster in two stages, which is said before the one in no group": {
			strategy: change(func(s *v1alpha1.UpgradeStrategySpec) {
				s.Stages[1].Groups[0].Selector = expression("env", metav1.LabelSelectorOpIn, "staging", "production")
			}),
			clusters: three,
			want: Error{v1alpha1.ReasonClusterInTwoGroups,
				"a cluster belongs to exactly one group, and these match two: a (staging/all and production/eu), b (staging/all and production/eu); narrow the selectors"},
		},
		"a group without a selector": {
			strategy: change(func(s *v1alpha1.UpgradeStrategySpec) { s.Stages[1].Groups[1].Selector = metav1.LabelSelector{} }),
			clusters: three[:2],
			want:     Error{v1alpha1.ReasonInvalidStrategy, "the selector of group production/us cannot be used: name at least one label"},
		},
		"a group whose selector cannot be used": {
			strategy: change(func(s *v1alpha1.UpgradeStrategySpec) {
				s.Stages[0].Groups[0].Selector = expression("env", "Like", "stag*")
			}),
			clusters: three[:2],
			want:     Error{v1alpha1.ReasonInvalidStrategy, "the selector of group staging/all cannot be used: name at least one label"},
		},
		"many clusters in no group: five are named": {
			clusters: []*v1alpha1.Cluster{cluster("g"), cluster("f"), cluster("e"), cluster("d"), cluster("c"), cluster("b"), cluster("a")},
			want: Error{v1alpha1.ReasonClusterInNoGroup,
				"no group of the strategy selects a, b, c, d, e and 2 more: add them to a group, or leave them out with spec.clusterSelector"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.strategy == nil {
				tc.strategy = stagingFirst()
			}
			got, err := Assign(tc.strategy, tc.selector, tc.clusters)
			var refused *Error
			if !errors.As(err, &refused) || got != nil {
				t.Fatalf("got %v, %v, want an *Error", got, err)
			}
			if diff := cmp.Diff(tc.want, *refused); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTotal(t *testing.T) {
	s := Stage{Groups: []Group{{Clusters: []string{"a", "b"}}, {}, {Clusters: []string{"c"}}}}
	if n := s.Total(); n != 3 {
		t.Errorf("%d clusters, want 3", n)
	}
}

// TestTenThousandClusters: whatever order they are listed in, each is in exactly one place, and always in the same.
func TestTenThousandClusters(t *testing.T) {
	const clusters, groups = 10_000, 50
	strategy := &v1alpha1.UpgradeStrategySpec{}
	for i := range groups {
		name := fmt.Sprintf("g%02d", i)
		strategy.Stages = append(strategy.Stages, stage(name, group("all", where("group", name))))
	}
	r := rand.New(rand.NewSource(1))
	var fleet []*v1alpha1.Cluster
	for i := range clusters {
		fleet = append(fleet, cluster(fmt.Sprintf("c%05d", i), "group", fmt.Sprintf("g%02d", i%groups), OrderLabel, fmt.Sprint(r.Intn(100))))
	}
	first, err := Assign(strategy, nil, fleet)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, s := range first {
		if s.Total() != clusters/groups {
			t.Errorf("stage %s has %d clusters, want %d", s.Name, s.Total(), clusters/groups)
		}
		for _, name := range s.Groups[0].Clusters {
			seen[name]++
		}
	}
	if len(seen) != clusters {
		t.Errorf("%d clusters have a place, want %d", len(seen), clusters)
	}
	r.Shuffle(len(fleet), func(i, j int) { fleet[i], fleet[j] = fleet[j], fleet[i] })
	again, err := Assign(strategy, nil, fleet)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the order of the list matters (-first +again):\n%s", diff)
	}
}
