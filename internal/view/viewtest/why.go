// SPDX-License-Identifier: Apache-2.0

package viewtest

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
)

// Fleet is a scene with the clusters, calendars and other runs around it.
type Fleet struct {
	*Scene
	// Others are what is in the fleet beside the scene.
	Others view.WhyObjects
}

// NewFleet puts a scene among clusters that are reachable and healthy.
func NewFleet(s *Scene) *Fleet {
	f := &Fleet{Scene: s}
	for _, stage := range s.Run.Status.Stages {
		for _, group := range stage.Groups {
			for _, name := range group.Clusters {
				f.Others.Clusters = append(f.Others.Clusters, Member(name))
			}
		}
	}
	return f
}

// Member is a cluster that is reachable and healthy.
func Member(name string) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	c.Spec.Provider.Simulated = &v1alpha1.SimulatedProvider{Version: "1.36.3"}
	for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy, v1alpha1.ConditionReady} {
		c.Status.Conditions = append(c.Status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAvailable, LastTransitionTime: *Ago(time.Hour),
		})
	}
	return c
}

// Cluster returns a cluster of the fleet, and adds one when there is none.
func (f *Fleet) Cluster(name string) *v1alpha1.Cluster {
	for _, c := range f.Others.Clusters {
		if c.Name == name {
			return c
		}
	}
	f.Others.Clusters = append(f.Others.Clusters, Member(name))
	return f.Cluster(name)
}

// Trouble makes a condition of a cluster false.
func (f *Fleet) Trouble(name, kind, reason, message string) *Fleet {
	c := f.Cluster(name)
	for i := range c.Status.Conditions {
		if c.Status.Conditions[i].Type == kind {
			c.Status.Conditions[i] = metav1.Condition{
				Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message, LastTransitionTime: *Ago(90 * time.Second),
			}
		}
	}
	return f
}

// Join adds another run with its upgrades to the fleet.
func (f *Fleet) Join(s *Scene) *Fleet {
	f.Others.Runs = append(f.Others.Runs, s.Run)
	f.Others.Upgrades = append(f.Others.Upgrades, s.Upgrades...)
	return f
}

// Objects are all that an explanation is made from.
func (f *Fleet) Objects() view.WhyObjects {
	o := f.Others
	o.Runs = append([]*v1alpha1.UpgradeRun{f.Run}, o.Runs...)
	o.Upgrades = append(append([]*v1alpha1.ClusterUpgrade{}, f.Upgrades...), o.Upgrades...)
	o.Gates = append(append([]*v1alpha1.Gate{}, f.Gates...), o.Gates...)
	return o
}

// Waits puts a wait where the controllers do: at the run, its stage in hand and the group that it comes from; an
// empty group: it is the stage's own.
func (s *Scene) Waits(stage, group string, wait v1alpha1.Waiting) *Scene {
	s.Run.Status.Waiting, s.Run.Status.CurrentStage = &wait, stage
	st := s.Stage(stage)
	st.Waiting = &wait
	for i := range st.Groups {
		if st.Groups[i].Name == group {
			st.Groups[i].Waiting = &wait
		}
	}
	return s
}

// Named gives the run another name.
func (s *Scene) Named(name string) *Scene {
	s.Run.Name = name
	for _, u := range s.Upgrades {
		u.Name, u.Spec.RunRef.Name, u.Labels[v1alpha1.LabelRun] = name+"-"+u.Spec.Cluster, name, name
	}
	return s
}
