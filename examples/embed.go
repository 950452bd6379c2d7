// SPDX-License-Identifier: Apache-2.0

// Package examples embeds the files of this folder, so that the demo and the tests apply the same text that people
// read.
package examples

import _ "embed"

// StagingCanaryProduction is the standard order of work.
//
//go:embed staging-canary-production.yaml
var StagingCanaryProduction []byte

// MemberAccess is what Sengu needs in a cluster that it upgrades, and no more.
//
//go:embed member-access.yaml
var MemberAccess []byte

// MaintenanceWindows are calendars: nights for a cluster, and the freezes of a company for all.
//
//go:embed maintenance-windows.yaml
var MaintenanceWindows []byte
