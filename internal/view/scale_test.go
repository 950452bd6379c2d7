// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"

	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

// BenchmarkTheTreeOfTenThousandClusters is one redraw of the live tree: it must stay far below the second
// between two of them.
func BenchmarkTheTreeOfTenThousandClusters(b *testing.B) {
	scene := viewtest.Draining().Many(10_000)
	europe := scene.Stage("production").Groups[1].Clusters
	for _, name := range europe[:5_000] {
		u := viewtest.NewScene().Succeed("canary-1", 6, 1).Upgrade("canary-1").DeepCopy()
		u.Spec.Cluster = name
		scene.Upgrades = append(scene.Upgrades, u)
	}
	scene.Recount()
	for b.Loop() {
		run := view.NewRun(scene.RunObjects, viewtest.Now)
		view.Tree(&run, view.TreeOptions{Width: 120, MaxClusters: 20, Now: viewtest.Now})
	}
}
