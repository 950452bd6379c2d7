// SPDX-License-Identifier: Apache-2.0

package view

import (
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// whyIndex finds objects by name.
type whyIndex struct {
	runs      map[string]*v1alpha1.UpgradeRun
	upgrades  map[[2]string]*v1alpha1.ClusterUpgrade // by run and cluster
	all       []*v1alpha1.ClusterUpgrade
	gates     map[string]*v1alpha1.Gate
	clusters  map[string]*v1alpha1.Cluster
	calendars map[string]*v1alpha1.MaintenanceCalendar
	fleet     *v1alpha1.Fleet
}

func indexOf(o WhyObjects) whyIndex {
	x := whyIndex{
		runs: map[string]*v1alpha1.UpgradeRun{}, upgrades: map[[2]string]*v1alpha1.ClusterUpgrade{}, all: o.Upgrades,
		gates: map[string]*v1alpha1.Gate{}, clusters: map[string]*v1alpha1.Cluster{},
		calendars: map[string]*v1alpha1.MaintenanceCalendar{}, fleet: o.Fleet,
	}
	for _, r := range o.Runs {
		x.runs[r.Name] = r
	}
	for _, u := range o.Upgrades {
		x.upgrades[[2]string{u.Spec.RunRef.Name, u.Spec.Cluster}] = u
	}
	for _, g := range o.Gates {
		x.gates[g.Name] = g
	}
	for _, c := range o.Clusters {
		x.clusters[c.Name] = c
	}
	for _, c := range o.Calendars {
		x.calendars[c.Name] = c
	}
	return x
}

// inFlight says that an upgrade is in hand, or is about to be: what was told to go on counts at once.
func inFlight(u *v1alpha1.ClusterUpgrade) bool {
	switch u.Status.Phase {
	case v1alpha1.ClusterUpgradePhaseSucceeded, v1alpha1.ClusterUpgradePhaseSkipped:
		return false
	case v1alpha1.ClusterUpgradePhaseFailed:
		return max(u.Spec.Attempt, 1) > max(u.Status.Attempt, 1)
	case v1alpha1.ClusterUpgradePhaseHeld:
		return u.Spec.State == "" || u.Spec.State == v1alpha1.ClusterUpgradeStateRun
	}
	return true
}

// flying are the upgrades in flight that a filter lets through, the run's own objects first to last.
func (x *whyIndex) flying(keep func(*v1alpha1.ClusterUpgrade) bool) []*v1alpha1.ClusterUpgrade {
	var found []*v1alpha1.ClusterUpgrade
	for _, u := range x.all {
		if inFlight(u) && keep(u) {
			found = append(found, u)
		}
	}
	return found
}

// ofStage are the upgrades in flight of a stage, or of one of its groups.
func (x *whyIndex) ofStage(run string, groups ...v1alpha1.RunGroupStatus) []*v1alpha1.ClusterUpgrade {
	var found []*v1alpha1.ClusterUpgrade
	for i := range groups {
		for _, name := range groups[i].Clusters {
			if u := x.upgrades[[2]string{run, name}]; u != nil && inFlight(u) {
				found = append(found, u)
			}
		}
	}
	return found
}

// trouble says what is wrong with a cluster; nil: nothing is. What is missing or unknown is not a pass.
func trouble(c *v1alpha1.Cluster) *metav1.Condition {
	for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
		condition := meta.FindStatusCondition(c.Status.Conditions, kind)
		if condition == nil {
			return &metav1.Condition{Reason: v1alpha1.ReasonClusterNotDescribed, Message: "its health is not known yet"}
		}
		if condition.Status != metav1.ConditionTrue {
			return condition
		}
	}
	return nil
}

// aWord are the characters of names.
var aWord = regexp.MustCompile(`[a-z0-9]([-.a-z0-9]*[a-z0-9])?`)

// namedIn finds the first of some names that a message names.
func namedIn(message string, names []string) string {
	for _, word := range aWord.FindAllString(message, -1) {
		if slices.Contains(names, word) {
			return word
		}
	}
	return ""
}
