// SPDX-License-Identifier: Apache-2.0

// Package policies embeds the admission policies that make the hub's record of who did what trustworthy, and that
// refuse strategies which could never work. They hold for everybody who writes to the hub, admins included.
package policies

import "embed"

// FS holds one YAML file for each subject.
//
//go:embed *.yaml
var FS embed.FS
