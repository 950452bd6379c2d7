// SPDX-License-Identifier: Apache-2.0

// Package waves decides which cluster is in which stage and group of a strategy, and in which order.
package waves

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"sengu.dev/sengu/api/v1alpha1"
)

// OrderLabel on a Cluster is a whole number: unless their group says otherwise, clusters start in its ascending order,
// those without it last.
const OrderLabel = "sengu.dev/order"

// named is how many names a sentence lists.
const named = 5

// Error says why the clusters of a run cannot be assigned.
type Error struct {
	// Reason is one of the documented constants of the API.
	Reason string
	// Message is one sentence: what, where, what to do.
	Message string
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Message }

// Group is a group of a stage with its clusters in the order in which they start.
type Group struct {
	// Name of the group.
	Name string
	// Clusters by name.
	Clusters []string
}

// Stage is a stage with its groups in the order of the strategy.
type Stage struct {
	// Name of the stage.
	Name string
	// Groups of the stage.
	Groups []Group
}

// Total is the number of clusters in the stage.
func (s *Stage) Total() int {
	n := 0
	for i := range s.Groups {
		n += len(s.Groups[i].Clusters)
	}
	return n
}

// place is a group of the strategy with its selector compiled.
type place struct {
	stage, group int
	name         string
	selector     labels.Selector
	order        *v1alpha1.ClusterOrder
}

// Assign puts every selected cluster into exactly one group. A nil selector selects every cluster. The time is
// linear in clusters × groups; the order of the clusters does not matter. The error is an *Error.
func Assign(s *v1alpha1.UpgradeStrategySpec, selector *metav1.LabelSelector, clusters []*v1alpha1.Cluster) ([]Stage, error) {
	selected, err := selectClusters(selector, clusters)
	if err != nil {
		return nil, err
	}
	stages, places, err := compile(s)
	if err != nil {
		return nil, err
	}
	members := make([][]*v1alpha1.Cluster, len(places))
	var nowhere, twice []string
	for _, c := range selected {
		set, first := labels.Set(c.Labels), -1
		for i := range places {
			if !places[i].selector.Matches(set) {
				continue
			}
			if first >= 0 {
				twice = append(twice, fmt.Sprintf("%s (%s and %s)", c.Name, places[first].name, places[i].name))
				break
			}
			first = i
		}
		if first < 0 {
			nowhere = append(nowhere, c.Name)
			continue
		}
		members[first] = append(members[first], c)
	}
	if len(twice) > 0 {
		return nil, &Error{v1alpha1.ReasonClusterInTwoGroups, fmt.Sprintf(
			"a cluster belongs to exactly one group, and these match two: %s; narrow the selectors", few(twice))}
	}
	if len(nowhere) > 0 {
		return nil, &Error{v1alpha1.ReasonClusterInNoGroup, fmt.Sprintf(
			"no group of the strategy selects %s: add them to a group, or leave them out with spec.clusterSelector", few(nowhere))}
	}
	for i := range places {
		slices.SortFunc(members[i], byOrder(places[i].order))
		names := make([]string, len(members[i]))
		for j, c := range members[i] {
			names[j] = c.Name
		}
		stages[places[i].stage].Groups[places[i].group].Clusters = names
	}
	return stages, nil
}

func selectClusters(selector *metav1.LabelSelector, clusters []*v1alpha1.Cluster) ([]*v1alpha1.Cluster, error) {
	if len(clusters) == 0 {
		return nil, &Error{v1alpha1.ReasonNoClusters, "the fleet has no clusters: add one with `sengu cluster add`"}
	}
	if selector == nil {
		return clusters, nil
	}
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, &Error{v1alpha1.ReasonInvalidStrategy, fmt.Sprintf("spec.clusterSelector cannot be used: %v", err)}
	}
	var out []*v1alpha1.Cluster
	for _, c := range clusters {
		if compiled.Matches(labels.Set(c.Labels)) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, &Error{v1alpha1.ReasonNoClusters, fmt.Sprintf("spec.clusterSelector (%s) selects none of the fleet's %d clusters", compiled, len(clusters))}
	}
	return out, nil
}

func compile(s *v1alpha1.UpgradeStrategySpec) ([]Stage, []place, error) {
	stages := make([]Stage, len(s.Stages))
	var places []place
	for i := range s.Stages {
		stages[i] = Stage{Name: s.Stages[i].Name, Groups: make([]Group, len(s.Stages[i].Groups))}
		for j := range s.Stages[i].Groups {
			g := &s.Stages[i].Groups[j]
			stages[i].Groups[j].Name = g.Name
			name := s.Stages[i].Name + "/" + g.Name
			selector, err := metav1.LabelSelectorAsSelector(&g.Selector)
			if err != nil || selector.Empty() {
				return nil, nil, &Error{v1alpha1.ReasonInvalidStrategy, fmt.Sprintf("the selector of group %s cannot be used: name at least one label", name)}
			}
			places = append(places, place{stage: i, group: j, name: name, selector: selector, order: g.ClusterOrder})
		}
	}
	return stages, places, nil
}

// byOrder compares two clusters by the order of their group; nil: by OrderLabel. A cluster without a number is last in
// either direction, because nobody has given it a place.
func byOrder(o *v1alpha1.ClusterOrder) func(a, b *v1alpha1.Cluster) int {
	if o == nil {
		o = &v1alpha1.ClusterOrder{}
	}
	sign := 1
	if o.Direction == v1alpha1.OrderDescending {
		sign = -1
	}
	return func(a, b *v1alpha1.Cluster) int {
		x, hasX := rank(o, a)
		y, hasY := rank(o, b)
		switch {
		case hasX && hasY && x != y:
			return sign * cmp.Compare(x, y)
		case hasX != hasY && hasX:
			return -1
		case hasX != hasY:
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	}
}

// rank is the number by which a cluster is ordered, if it has one.
func rank(o *v1alpha1.ClusterOrder, c *v1alpha1.Cluster) (int, bool) {
	if o.By == v1alpha1.ClusterOrderNodes {
		return int(c.Status.Nodes), c.Status.ControlPlane.Version != ""
	}
	n, err := strconv.Atoi(c.Labels[cmp.Or(o.Label, OrderLabel)])
	return n, err == nil
}

func few(names []string) string {
	slices.Sort(names)
	if len(names) <= named {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:named], ", "), len(names)-named)
}
