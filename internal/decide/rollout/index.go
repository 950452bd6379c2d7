// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"slices"

	"sengu.dev/sengu/api/v1alpha1"
)

// Index finds the objects of a snapshot by cluster. A snapshot without one is indexed by Decide, which for a large fleet
// is most of the work; who decides on nearly the same snapshot a thousand times keeps one. It serves the snapshots of
// one run, one after the other, in which clusters, calendars, estimates and the lists of a frozen strategy stay as they
// are.
type Index struct {
	clusters map[string]*v1alpha1.Cluster
	upgrades map[string]*v1alpha1.ClusterUpgrade
	// blocks are the members of the groups, by the places of stage and group, and places the same by name; each pass
	// sets their states anew.
	blocks map[[2]int][]*member
	places map[string]*member
	// lists are the members of whole stages by their place, and of the run at place -1.
	lists map[int][]*member
}

// NewIndex of the clusters and the upgrades of a snapshot.
func NewIndex(s *Snapshot) *Index {
	x := &Index{clusters: make(map[string]*v1alpha1.Cluster, len(s.Clusters)), upgrades: make(map[string]*v1alpha1.ClusterUpgrade, len(s.Upgrades))}
	for _, c := range s.Clusters {
		x.clusters[c.Name] = c
	}
	for _, u := range s.Upgrades {
		x.upgrades[u.Spec.Cluster] = u
	}
	return x
}

// NewLastingIndex is one that is kept for further snapshots.
func NewLastingIndex(s *Snapshot) *Index {
	x := NewIndex(s)
	x.blocks, x.places, x.lists = map[[2]int][]*member{}, make(map[string]*member, len(s.Clusters)), map[int][]*member{}
	return x
}

// Keep an upgrade that is new in the snapshot, or that takes the place of another one of its cluster.
func (x *Index) Keep(u *v1alpha1.ClusterUpgrade) {
	x.upgrades[u.Spec.Cluster] = u
	if m := x.places[u.Spec.Cluster]; m != nil {
		m.upgrade = u
	}
}

// group returns the members of a group, of which the state is not set.
func (x *Index) group(place [2]int, stage, group string, names []string) []*member {
	if b, ok := x.blocks[place]; ok && len(b) == len(names) {
		return b
	}
	room, members := make([]member, len(names)), make([]*member, len(names))
	for i, name := range names {
		room[i] = member{name: name, stage: stage, group: group, cluster: x.clusters[name], upgrade: x.upgrades[name]}
		members[i] = &room[i]
		if x.places != nil {
			x.places[name] = members[i]
		}
	}
	if x.blocks != nil {
		x.blocks[place] = members
	}
	return members
}

// join returns the members of several groups as one list.
func (x *Index) join(place int, groups [][]*member) []*member {
	n := 0
	for _, g := range groups {
		n += len(g)
	}
	if list, ok := x.lists[place]; ok && len(list) == n {
		return list
	}
	list := slices.Concat(groups...)
	if x.lists != nil {
		x.lists[place] = list
	}
	return list
}

// copyStatus copies a record but for the lists of clusters, which are frozen and long: nobody ever changes one.
func copyStatus(st *v1alpha1.UpgradeRunStatus) *v1alpha1.UpgradeRunStatus {
	light := *st
	light.Stages = slices.Clone(st.Stages)
	for i := range light.Stages {
		light.Stages[i].Groups = slices.Clone(light.Stages[i].Groups)
		for j := range light.Stages[i].Groups {
			light.Stages[i].Groups[j].Clusters = nil
		}
	}
	out := light.DeepCopy()
	for i := range out.Stages {
		for j := range out.Stages[i].Groups {
			out.Stages[i].Groups[j].Clusters = st.Stages[i].Groups[j].Clusters
		}
	}
	return out
}
