// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the kinds of the sengu.dev API, version v1alpha1.
//
// All kinds are namespaced: a fleet is a namespace of the hub. A Cluster is a
// member of the fleet; an UpgradeStrategy is a reusable order of work; an
// UpgradeRun executes a strategy against a target; a ClusterUpgrade is the work
// on one cluster inside a run; a Gate is one condition to pass on the way.
// MaintenanceCalendar, UpgradePolicy, Verification and Waiver say when, how far,
// by which proof and under which accepted risk.
//
// Field comments are the manual: they name the default, the unit, the limits and
// whether a field may change. No defaults are written into objects: a field that
// is not set stays visible as not set, and its comment says what that means.
//
// +kubebuilder:object:generate=true
// +groupName=sengu.dev
package v1alpha1
