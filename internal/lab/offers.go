// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"net/http"
	"strings"

	"sengu.dev/sengu/internal/lab/fleet"
	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/internal/labapi"
)

// checkVersions refuses a new cluster with a version that the lab cannot run, or with nodes that its control plane
// would not have; nil: it can be made.
func checkVersions(definition fleet.Cluster, catalog []release.Release) *labapi.Error {
	unknown := func(what, version string) *labapi.Error {
		return refuse(http.StatusBadRequest, labapi.CodeUnknownVersion,
			"The version %s of %s is not offered: choose one of %s, or make a genuine release with sengu-lab build.",
			version, what, listed(catalog))
	}
	controlPlane, ok := release.Find(catalog, definition.Version)
	if !ok {
		return unknown("the control plane", definition.Version)
	}
	for _, pool := range definition.NodePools {
		if pool.Version == "" {
			continue
		}
		nodes, ok := release.Find(catalog, pool.Version)
		if !ok {
			return unknown("node pool "+pool.Name, pool.Version)
		}
		if err := checkSkew(nodes.Version, controlPlane.Version); err != nil {
			return refuse(http.StatusBadRequest, labapi.CodeSkewViolation, "Node pool %s: %v.", pool.Name, err)
		}
	}
	return nil
}

func listed(catalog []release.Release) string {
	var versions []string
	for _, r := range catalog {
		versions = append(versions, r.Version)
	}
	return strings.Join(versions, ", ")
}
