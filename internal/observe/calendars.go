// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/windows"
)

// calendarsOf reads the calendars of a fleet; nil: it has none.
func calendarsOf(ctx context.Context, hub client.Reader, fleet string) (*windows.Calendars, error) {
	var list v1alpha1.MaintenanceCalendarList
	if err := hub.List(ctx, &list, client.InNamespace(fleet), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	if len(list.Items) == 0 {
		return nil, nil
	}
	return windows.Read(pointers(list.Items)), nil
}

// calendarsFor reads the calendars that hold for a cluster in its upgrade; nil: none does.
func calendarsFor(ctx context.Context, hub client.Reader, c *v1alpha1.Cluster, u *v1alpha1.ClusterUpgrade) (*windows.Set, error) {
	fleet, err := fleetOf(ctx, hub, c.Namespace)
	if err != nil {
		return nil, err
	}
	if c.Spec.CalendarRef == nil && len(u.Spec.CalendarRefs) == 0 && (fleet == nil || len(fleet.CalendarRefs) == 0) {
		return nil, nil
	}
	calendars, err := calendarsOf(ctx, hub, c.Namespace)
	if err != nil {
		return nil, err
	}
	return calendars.For(c, u.Spec.CalendarRefs, fleet), nil
}
