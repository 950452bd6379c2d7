// SPDX-License-Identifier: Apache-2.0

// Package crd embeds the CustomResourceDefinitions that are generated from api/v1alpha1.
package crd

import "embed"

// FS holds one YAML file for each kind.
//
//go:embed *.yaml
var FS embed.FS
