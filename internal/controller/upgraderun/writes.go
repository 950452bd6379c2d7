// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// writes remembers when the record of each run was last written by this process.
type writes struct {
	mu sync.Mutex
	at map[types.NamespacedName]time.Time
}

func newWrites() *writes { return &writes{at: map[types.NamespacedName]time.Time{}} }

func (w *writes) last(run types.NamespacedName) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at[run]
}

func (w *writes) note(run types.NamespacedName, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[run] = now
}

func (w *writes) forget(run types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.at, run)
}
