// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

// TestChangesAreBundled: the first change is told at once, a storm of them 50 times a second, and the last one always.
func TestChangesAreBundled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var calls atomic.Int64
		n := newNotifier(clock.RealClock{}, func() { calls.Add(1) })
		go n.run(ctx)

		synctest.Wait()
		n.touch()
		synctest.Wait()
		if calls.Load() != 1 {
			t.Fatalf("%d calls after the first change, want 1 at once", calls.Load())
		}
		for range 1010 { // a second and half a bundle, an event each millisecond
			time.Sleep(time.Millisecond)
			n.touch()
		}
		synctest.Wait()
		if n := calls.Load(); n < 50 || n > 52 {
			t.Errorf("%d calls in the second of a storm, want about 50", n)
		}
		before := calls.Load()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := calls.Load(); n != before+1 {
			t.Errorf("%d calls after the storm, want 1 for what came last", n-before)
		}
	})
}
