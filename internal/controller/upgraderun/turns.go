// SPDX-License-Identifier: Apache-2.0

package upgraderun

import "sync"

// turns lets the runs of a fleet take one pass at a time: limits and mutexes hold over all runs, and two passes at once
// would each take the room that is left for one. Fleets do not wait for each other.
type turns struct {
	mu      sync.Mutex
	byFleet map[string]chan struct{} // full while somebody has the turn
}

func newTurns() *turns { return &turns{byFleet: map[string]chan struct{}{}} }

// take waits for the turn of a fleet, by its namespace, and returns what ends it.
func (t *turns) take(fleet string) (end func()) {
	t.mu.Lock()
	turn := t.byFleet[fleet]
	if turn == nil {
		turn = make(chan struct{}, 1)
		t.byFleet[fleet] = turn
	}
	t.mu.Unlock()
	turn <- struct{}{}
	return func() { <-turn }
}
