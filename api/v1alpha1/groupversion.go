// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "sengu.dev", Version: "v1alpha1"}

// SchemeBuilder collects the functions that register this package's kinds.
var SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

// AddToScheme registers every kind of this package with a scheme.
var AddToScheme = SchemeBuilder.AddToScheme

func addKnownTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&AuditEntry{}, &AuditEntryList{},
		&Cluster{}, &ClusterList{},
		&ClusterUpgrade{}, &ClusterUpgradeList{},
		&Fleet{}, &FleetList{},
		&Gate{}, &GateList{},
		&MaintenanceCalendar{}, &MaintenanceCalendarList{},
		&UpgradePolicy{}, &UpgradePolicyList{},
		&UpgradeRun{}, &UpgradeRunList{},
		&UpgradeStrategy{}, &UpgradeStrategyList{},
		&Verification{}, &VerificationList{},
		&Waiver{}, &WaiverList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
