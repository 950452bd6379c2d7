// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"time"

	"k8s.io/utils/clock"
)

// quiet is the least time between two calls of OnChange: the end of a pod is half a dozen events within a few
// milliseconds, and one look at the end of them sees all.
const quiet = 20 * time.Millisecond

// notifier calls back at once on the first change, and then at most once in quiet. No change is lost.
type notifier struct {
	clock clock.Clock
	call  func()
	dirty chan struct{}
}

func newNotifier(c clock.Clock, call func()) *notifier {
	return &notifier{clock: c, call: call, dirty: make(chan struct{}, 1)}
}

// touch notes a change. It never blocks.
func (n *notifier) touch() {
	select {
	case n.dirty <- struct{}{}:
	default:
	}
}

// run calls back until the context ends.
func (n *notifier) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.dirty:
		}
		n.call()
		if !wait(ctx, n.clock, quiet) {
			return
		}
	}
}

// wait returns false when the context ended first.
func wait(ctx context.Context, c clock.Clock, d time.Duration) bool {
	timer := c.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C():
		return true
	}
}
