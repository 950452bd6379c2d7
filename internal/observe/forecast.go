// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// Ahead is everything that a forecast of a run depends on.
type Ahead struct {
	// Snapshot of the run.
	Snapshot rollout.Snapshot
	// History is what every run has done to the fleet's clusters.
	History []*v1alpha1.ClusterUpgrade
	// Calendars of the fleet, by which clusters, stages and the fleet itself go.
	Calendars []*v1alpha1.MaintenanceCalendar
	// Fleet holds what counts for every run; nil: nothing.
	Fleet *v1alpha1.FleetSpec
}

// LookAhead observes what a forecast depends on. Like LookAtRun it reads the hub only.
func LookAhead(ctx context.Context, hub client.Reader, run *v1alpha1.UpgradeRun) (*Ahead, error) {
	snapshot, err := LookAtRun(ctx, hub, run)
	if err != nil {
		return nil, err
	}
	a := &Ahead{Snapshot: snapshot}
	list := func(l client.ObjectList) error {
		return hub.List(ctx, l, client.InNamespace(run.Namespace), client.UnsafeDisableDeepCopy)
	}
	var upgrades v1alpha1.ClusterUpgradeList
	if err := list(&upgrades); err != nil {
		return nil, err
	}
	for i := range upgrades.Items {
		a.History = append(a.History, &upgrades.Items[i])
	}
	var calendars v1alpha1.MaintenanceCalendarList
	if err := list(&calendars); err != nil {
		return nil, err
	}
	for i := range calendars.Items {
		a.Calendars = append(a.Calendars, &calendars.Items[i])
	}
	var fleet v1alpha1.Fleet
	err = hub.Get(ctx, types.NamespacedName{Namespace: run.Namespace, Name: v1alpha1.FleetName}, &fleet)
	switch {
	case err == nil:
		a.Fleet = &fleet.Spec
	case !apierrors.IsNotFound(err):
		return nil, err
	}
	return a, nil
}
