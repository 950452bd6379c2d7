// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/client-go/tools/leaderelection/resourcelock"
	clocktesting "k8s.io/utils/clock/testing"
)

// paper is a lease that is written on nothing.
type paper struct {
	resourcelock.Interface
	holder string
	err    error
}

func (p *paper) Identity() string { return "me" }

func (p *paper) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	return &resourcelock.LeaderElectionRecord{HolderIdentity: p.holder}, nil, p.err
}

func (p *paper) Create(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	return p.Update(nil, r) //nolint:staticcheck // no context is needed to write on nothing
}

func (p *paper) Update(_ context.Context, r resourcelock.LeaderElectionRecord) error {
	if p.err == nil {
		p.holder = r.HolderIdentity
	}
	return p.err
}

// TestWhoStoodStillDoesNotLead: by the time that passed, not by what a timer had the chance to do.
func TestWhoStoodStillDoesNotLead(t *testing.T) {
	mine, nobodys := resourcelock.LeaderElectionRecord{HolderIdentity: "me"}, resourcelock.LeaderElectionRecord{}
	for name, tc := range map[string]struct {
		live       func(*leadership, *paper, *clocktesting.FakeClock)
		want       bool
		wantResign bool
	}{
		"it never got the lease": {live: func(*leadership, *paper, *clocktesting.FakeClock) {}},
		"it asked and was refused": {live: func(l *leadership, p *paper, _ *clocktesting.FakeClock) {
			p.err = errors.New("no")
			_ = l.Update(t.Context(), mine)
		}},
		"it has just got it": {want: true, live: func(l *leadership, _ *paper, _ *clocktesting.FakeClock) { _ = l.Create(t.Context(), mine) }},
		"the lease is nearly over": {want: true, live: func(l *leadership, _ *paper, c *clocktesting.FakeClock) {
			_ = l.Update(t.Context(), mine)
			c.Step(15*time.Second - 1)
		}},
		"the lease is over": {live: func(l *leadership, _ *paper, c *clocktesting.FakeClock) {
			_ = l.Update(t.Context(), mine)
			c.Step(15 * time.Second)
		}},
		"it was renewed": {want: true, live: func(l *leadership, _ *paper, c *clocktesting.FakeClock) {
			_ = l.Update(t.Context(), mine)
			c.Step(10 * time.Second)
			_ = l.Update(t.Context(), mine)
			c.Step(10 * time.Second)
		}},
		"it could not be renewed": {live: func(l *leadership, p *paper, c *clocktesting.FakeClock) {
			_ = l.Update(t.Context(), mine)
			c.Step(10 * time.Second)
			p.err = errors.New("the hub is away")
			_ = l.Update(t.Context(), mine)
			c.Step(10 * time.Second)
		}},
		"it was released": {live: func(l *leadership, _ *paper, _ *clocktesting.FakeClock) {
			_ = l.Update(t.Context(), mine)
			_ = l.Update(t.Context(), nobodys)
		}},
		"another one has taken it": {wantResign: true, live: func(l *leadership, p *paper, c *clocktesting.FakeClock) {
			_ = l.Update(t.Context(), mine)
			c.Step(time.Minute)
			p.holder = "another"
			_, _, _ = l.Get(t.Context())
		}},
		"another one has it all the time": {live: func(l *leadership, p *paper, _ *clocktesting.FakeClock) {
			p.holder = "another"
			_, _, _ = l.Get(t.Context())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			clock, lock := clocktesting.NewFakeClock(time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)), &paper{}
			ctx, resign := context.WithCancelCause(t.Context())
			defer resign(nil)
			l := &leadership{Interface: lock, clock: clock, duration: 15 * time.Second, resign: resign}
			tc.live(l, lock, clock)
			if got := l.holds(); got != tc.want {
				t.Errorf("it leads: %t, want %t", got, tc.want)
			}
			if got := errors.Is(context.Cause(ctx), ErrNotLeading); got != tc.wantResign {
				t.Errorf("it resigns: %t, want %t", got, tc.wantResign)
			}
		})
	}
}
