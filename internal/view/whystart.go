// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// start explains why a cluster of a group cannot start now. The name is empty when the group does not say whom.
func (w *why) start(run *v1alpha1.UpgradeRun, g *v1alpha1.RunGroupStatus, wait *v1alpha1.Waiting, name string) {
	c := causeOf(wait)
	w.names["cluster"] = name
	cluster := w.clusters[name]
	switch {
	case c.reason == v1alpha1.ReasonClusterNotReady && cluster != nil:
		w.cluster(cluster, c)
	case c.reason == v1alpha1.ReasonClusterBusy && name != "":
		w.busy(run, name, c)
	case c.reason == v1alpha1.ReasonMutexHeld && cluster != nil:
		w.mutex(cluster, c)
	case byCalendar(c.reason):
		w.calendar(c, stageCalendars(run, w.names["stage"]), cluster)
	case c.reason == v1alpha1.ReasonFleetConcurrencyReached:
		w.fleetLimit(c)
	case c.reason == v1alpha1.ReasonConcurrencyReached:
		w.behindOthers(c, w.ofRun(run))
	case c.reason == v1alpha1.ReasonCanariesFirst:
		w.behindOthers(c, w.ofStage(run.Name, *g))
	default:
		if c.message == "" {
			c.message = "group " + w.names["group"] + " waits for " + cmp.Or(name, "it")
		}
		w.conclude(c)
	}
}

// busy explains a cluster that another run or an operation has.
func (w *why) busy(run *v1alpha1.UpgradeRun, name string, c cause) {
	others := w.flying(func(u *v1alpha1.ClusterUpgrade) bool { return u.Spec.Cluster == name && u.Spec.RunRef.Name != run.Name })
	cluster := w.clusters[name]
	var holder *v1alpha1.UpgradeRun
	switch {
	case len(others) > 0:
		holder = w.runs[others[0].Spec.RunRef.Name]
	case cluster != nil && cluster.Status.ActiveRun != run.Name:
		holder = w.runs[cluster.Status.ActiveRun]
	}
	if holder != nil && !w.met[holder.Name] && !Final(holder) {
		w.met[holder.Name], w.far = true, nil
		w.lead = "run " + Clean(holder.Name) + " has cluster " + Clean(name) + ", which run " + Clean(run.Name) + " waits for"
		if len(others) > 0 {
			w.link("run "+holder.Name, "", "works on "+name, holder.Status.StartedAt)
			w.upgrade(others[0])
			return
		}
		w.run(holder)
		return
	}
	if cluster != nil {
		busy := meta.FindStatusCondition(cluster.Status.Conditions, v1alpha1.ConditionBusy)
		if busy != nil && busy.Status == metav1.ConditionTrue && busy.Reason == v1alpha1.ReasonOperationRunning {
			w.link("cluster "+name, busy.Reason, busy.Message, &busy.LastTransitionTime)
			w.conclude(cause{busy.Reason, busy.Message, c.until})
			return
		}
	}
	w.conclude(c)
}

// mutex explains a cluster by the one in flight that shares a mutex with it.
func (w *why) mutex(cluster *v1alpha1.Cluster, c cause) {
	for _, u := range w.flying(func(u *v1alpha1.ClusterUpgrade) bool { return u.Spec.Cluster != cluster.Name }) {
		other := w.clusters[u.Spec.Cluster]
		if other == nil {
			continue
		}
		for _, name := range cluster.Spec.Mutexes {
			if slices.Contains(other.Spec.Mutexes, name) {
				w.link("mutex "+name, v1alpha1.ReasonMutexHeld, "held by cluster "+other.Name+" of run "+u.Spec.RunRef.Name, waitSince(u))
				w.lead = "cluster " + Clean(cluster.Name) + " waits for mutex " + Clean(name) + ", which cluster " + Clean(other.Name) + " holds"
				w.far = nil
				w.upgrade(u)
				return
			}
		}
	}
	w.conclude(c)
}

// fleetLimit explains the limit over all runs.
func (w *why) fleetLimit(c cause) {
	flying := w.flying(func(*v1alpha1.ClusterUpgrade) bool { return true })
	limit := "no limit is set any more"
	if w.fleet != nil && w.fleet.Spec.MaxConcurrency != nil {
		limit = "maxConcurrency is " + w.fleet.Spec.MaxConcurrency.String()
	}
	w.link("fleet", v1alpha1.ReasonFleetConcurrencyReached, limit, nil)
	w.behindOthers(c, flying)
}

// behindOthers explains a limit by the clusters in flight: by the one that is held up most when none of them moves.
func (w *why) behindOthers(c cause, flying []*v1alpha1.ClusterUpgrade) {
	stuck := len(flying) > 0
	var names []string
	for _, u := range flying {
		names = append(names, Clean(u.Spec.Cluster))
		stuck = stuck && upgradeHardship(u) > 0
	}
	if !stuck {
		if len(names) > 0 {
			w.link("in flight", "", few(names), nil)
		}
		w.conclude(c)
		return
	}
	w.lead = "cluster " + Clean(cmp.Or(w.names["cluster"], "after cluster")) + " waits for those in flight, and none of them moves"
	w.far = nil
	w.upgrade(hardest(flying))
}
