// SPDX-License-Identifier: Apache-2.0

package view

import "sengu.dev/sengu/api/v1alpha1"

// Marks are one cell wide in every terminal font, unlike most pictures.
const (
	markTodo    = "○"
	markBusy    = "●"
	markWaiting = "◌"
	markDone    = "✓"
	markFailed  = "✗"
	markHeld    = "■"
	markSkipped = "–"
)

func runTone(p v1alpha1.RunPhase) Tone {
	switch p {
	case v1alpha1.RunPhaseRunning:
		return ToneBusy
	case v1alpha1.RunPhaseSucceeded:
		return ToneGood
	case v1alpha1.RunPhaseFailed:
		return ToneBad
	case v1alpha1.RunPhaseNotStarted:
		return ToneMuted
	default:
		return ToneWaiting
	}
}

func stageMark(p v1alpha1.StagePhase) (string, Tone) {
	switch p {
	case v1alpha1.StagePhaseRunning:
		return markBusy, ToneBusy
	case v1alpha1.StagePhaseSoaking, v1alpha1.StagePhaseWaiting:
		return markWaiting, ToneWaiting
	case v1alpha1.StagePhaseSucceeded:
		return markDone, ToneGood
	case v1alpha1.StagePhaseFailed:
		return markFailed, ToneBad
	case v1alpha1.StagePhaseSkipped:
		return markSkipped, ToneMuted
	default:
		return markTodo, ToneMuted
	}
}

func clusterMark(p v1alpha1.ClusterUpgradePhase) (string, Tone) {
	switch p {
	case v1alpha1.ClusterUpgradePhaseRunning:
		return markBusy, ToneBusy
	case v1alpha1.ClusterUpgradePhaseHolding:
		return markWaiting, ToneWaiting
	case v1alpha1.ClusterUpgradePhaseHeld:
		return markHeld, ToneWaiting
	case v1alpha1.ClusterUpgradePhaseSucceeded:
		return markDone, ToneGood
	case v1alpha1.ClusterUpgradePhaseFailed:
		return markFailed, ToneBad
	case v1alpha1.ClusterUpgradePhaseSkipped:
		return markSkipped, ToneMuted
	default:
		return markTodo, ToneMuted
	}
}

// soakTone tells a soak that counts from one that is over or ahead, and from one that does not count.
func soakTone(s *Stage) Tone {
	switch {
	case s.Soak.Left == 0:
		return ToneGood
	case s.Phase == v1alpha1.StagePhaseSoaking && !s.Soak.Running:
		return ToneBad
	case s.Phase == v1alpha1.StagePhaseSoaking:
		return ToneWaiting
	default:
		return ToneMuted
	}
}

// attention orders clusters by how much a person wants to see them: the smaller the sooner.
func attention(p v1alpha1.ClusterUpgradePhase) int {
	switch p {
	case v1alpha1.ClusterUpgradePhaseFailed:
		return 0
	case v1alpha1.ClusterUpgradePhaseRunning, v1alpha1.ClusterUpgradePhaseHolding:
		return 1
	case v1alpha1.ClusterUpgradePhaseHeld:
		return 2
	case v1alpha1.ClusterUpgradePhaseNotStarted:
		return 3
	default:
		return leastAttention
	}
}

// leastAttention is the rank of clusters that are done.
const leastAttention = 4

// chosen picks at most limit clusters, those that need attention first, in their own order, and counts the rest.
func chosen(clusters []Cluster, limit int) (shown []*Cluster, hidden v1alpha1.RunCounts) {
	var room [leastAttention + 1]int // how many of each rank are shown
	for i := range clusters {
		room[attention(clusters[i].Phase)]++
	}
	left := limit
	for rank := range room {
		if limit > 0 {
			room[rank] = min(room[rank], left)
			left -= room[rank]
		}
	}
	for i := range clusters {
		rank := attention(clusters[i].Phase)
		if room[rank] == 0 {
			countIn(&hidden, clusters[i].Phase)
			continue
		}
		room[rank]--
		shown = append(shown, &clusters[i])
	}
	return shown, hidden
}

func countIn(c *v1alpha1.RunCounts, p v1alpha1.ClusterUpgradePhase) {
	c.Total++
	switch p {
	case v1alpha1.ClusterUpgradePhaseFailed:
		c.Failed++
	case v1alpha1.ClusterUpgradePhaseRunning, v1alpha1.ClusterUpgradePhaseHolding:
		c.Running++
	case v1alpha1.ClusterUpgradePhaseHeld:
		c.Stopped++
	case v1alpha1.ClusterUpgradePhaseSucceeded:
		c.Succeeded++
	case v1alpha1.ClusterUpgradePhaseSkipped:
		c.Skipped++
	default:
		c.NotStarted++
	}
}
