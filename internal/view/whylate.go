// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

const (
	// overdueAfter is how long a look may be overdue before the controllers are thought to be away: longer than the
	// clocks of two machines differ, and than a hub takes to start anew.
	overdueAfter = 2 * time.Minute
	// carriedEvery is how old the count of a soak may get; controllers carry it on every minute.
	carriedEvery = time.Minute
)

// overdue notes that a look was promised and did not come.
func (w *why) overdue(object string, until *metav1.Time) {
	if until == nil || w.late != "" {
		return
	}
	if over := w.now.Sub(until.Time); over > overdueAfter {
		w.late = fmt.Sprintf("%s was to be looked at again %s ago, and nobody has", Clean(object), Elapsed(over))
	}
}

// notSeen notes that an object was changed and no controller has looked since.
func (w *why) notSeen(object string, meta *metav1.ObjectMeta, observed int64, never bool) {
	if w.late != "" {
		return
	}
	switch {
	case never:
		w.late = fmt.Sprintf("nobody has looked at %s since it was created %s ago", Clean(object), Elapsed(w.now.Sub(meta.CreationTimestamp.Time)))
	case observed < meta.Generation:
		w.late = Clean(object) + " was changed, and nobody has looked at it since; if it is so in a moment still, no controller runs"
	}
}

// notCarried notes that the count of a soak stands still.
func (w *why) notCarried(s *v1alpha1.RunStageStatus) bool {
	if s.SoakCountedAt == nil {
		return false
	}
	old := w.now.Sub(s.SoakCountedAt.Time)
	if old <= carriedEvery+overdueAfter {
		return false
	}
	if w.late == "" {
		w.late = fmt.Sprintf("the soak of stage %s was counted %s ago for the last time", Clean(s.Name), Elapsed(old))
	}
	return true
}
