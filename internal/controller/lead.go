// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"
)

// LeaderElection says how several processes share the work of one hub: one leads, the others wait.
type LeaderElection struct {
	// Namespace holds the lease.
	Namespace string
	// LeaseDuration is how long the others wait after the leader's last word before one of them takes over, RenewDeadline how
	// long the leader tries to renew before it gives up, and RetryPeriod the time between two tries. 0: 15 s, 10 s and 2 s.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

func (l LeaderElection) withDefaults() LeaderElection {
	set := func(d *time.Duration, unset time.Duration) {
		if *d == 0 {
			*d = unset
		}
	}
	set(&l.LeaseDuration, 15*time.Second)
	set(&l.RenewDeadline, 10*time.Second)
	set(&l.RetryPeriod, 2*time.Second)
	return l
}

// ErrNotLeading is what a process ends with that has lost its lease to another one.
var ErrNotLeading = errors.New("another process leads now: this one has stepped down, and waits for its turn when it is started again")

// leaseName is the same for all versions: two of them must not work at once.
const leaseName = "sengu-controller"

// leadership is the lock of the leader election, and what this process knows by it.
//
// The election alone ends a leader that cannot renew its lease. That is not enough for one that did not run at all for a
// while, because it was stopped, swapped out or moved to another host: when it goes on, another one leads, and its
// goroutines are in the middle of what they were doing. So everything that changes the world asks first whether the lease
// still holds, by the time since the request by which it was renewed last. The others count from later than that.
type leadership struct {
	resourcelock.Interface
	clock    clock.PassiveClock
	duration time.Duration
	resign   context.CancelCauseFunc

	mu      sync.Mutex
	renewed time.Time // zero: never, or released
}

func newLeadership(cfg *rest.Config, l LeaderElection, c clock.PassiveClock, resign context.CancelCauseFunc) (*leadership, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("this machine has no name to sign a lease with: %w", err)
	}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, l.Namespace, leaseName,
		resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())}, cfg, l.RenewDeadline)
	if err != nil {
		return nil, err
	}
	return &leadership{Interface: lock, clock: c, duration: l.LeaseDuration, resign: resign}, nil
}

// Get reads the lease. A leader that finds another one's name in it steps down at once.
func (l *leadership) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err == nil && record.HolderIdentity != "" && record.HolderIdentity != l.Identity() && l.hasLed() {
		l.resign(ErrNotLeading)
	}
	return record, raw, err
}

// Create makes the lease.
func (l *leadership) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.note(record, func() error { return l.Interface.Create(ctx, record) })
}

// Update takes, renews or releases the lease.
func (l *leadership) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.note(record, func() error { return l.Interface.Update(ctx, record) })
}

func (l *leadership) note(record resourcelock.LeaderElectionRecord, write func() error) error {
	asked := l.clock.Now()
	if err := write(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = asked
	if record.HolderIdentity != l.Identity() {
		l.renewed = time.Time{}
	}
	return nil
}

func (l *leadership) hasLed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.renewed.IsZero()
}

// holds says whether nobody else can lead now. Both clocks of the machine have to agree: the monotonic one stands still
// while some machines sleep, and the other one can be set.
func (l *leadership) holds() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	return !l.renewed.IsZero() && now.Sub(l.renewed) < l.duration && now.Round(0).Sub(l.renewed.Round(0)) < l.duration
}
