// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"sengu.dev/sengu/provider"
)

const (
	// firstBackoff and lastBackoff bound the wait after a delivery that failed.
	firstBackoff, lastBackoff = 5 * time.Second, 5 * time.Minute
	// busyFor is when to look again at a lane that somebody else is in.
	busyFor = time.Second
)

// lanes let one message at a time to each receiver, and none to one that failed until its back-off is over. A receiver
// that is slow or away so costs one worker for a few seconds at a time, and no other receiver waits for it long.
type lanes struct {
	mu     sync.Mutex
	byName map[types.NamespacedName]*lane
	jitter func() float64 // from 0 to 1
}

type lane struct {
	busy     bool
	until    time.Time
	failures int
	// tried says that this process has an opinion of the receiver: problem, or none.
	tried   bool
	problem *provider.Error
}

func newLanes() *lanes {
	return &lanes{byName: map[types.NamespacedName]*lane{}, jitter: rand.Float64}
}

func (l *lanes) of(name types.NamespacedName) *lane {
	if l.byName[name] == nil {
		l.byName[name] = &lane{}
	}
	return l.byName[name]
}

// take enters a lane, or says when to look again.
func (l *lanes) take(name types.NamespacedName, now time.Time) (again time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane := l.of(name)
	switch {
	case lane.busy:
		return now.Add(busyFor), false
	case lane.until.After(now):
		return lane.until, false
	}
	lane.busy = true
	return time.Time{}, true
}

// leave leaves a lane with what came of it: nil is a delivery, and the next goes not before pace is over. It says when
// the lane opens again, and whether people should know something new of the receiver.
func (l *lanes) leave(name types.NamespacedName, err error, now time.Time, pace time.Duration) (again time.Time, news bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane := l.of(name)
	before, tried := lane.problem, lane.tried
	lane.busy, lane.tried, lane.problem = false, true, problem(err)
	if err == nil {
		lane.failures, lane.until = 0, now.Add(pace)
		return lane.until, before != nil || !tried
	}
	lane.failures++
	lane.until = now.Add(l.backoff(lane.failures, err))
	if at := lane.problem.Until; at.After(lane.until) {
		lane.until = at
	}
	return lane.until, before == nil || before.Code != lane.problem.Code || before.Message != lane.problem.Message
}

// backoff doubles, and differs from receiver to receiver and from time to time, so that many do not come back at once.
// Where a person must act it is the longest at once.
func (l *lanes) backoff(failures int, err error) time.Duration {
	wait := lastBackoff
	if !errors.Is(err, provider.ErrRejected) && failures < 10 {
		wait = min(firstBackoff<<(failures-1), lastBackoff)
	}
	return wait/2 + time.Duration(l.jitter()*float64(wait/2))
}

// state returns what this process knows of a receiver; tried is false when it knows nothing.
func (l *lanes) state(name types.NamespacedName) (problem *provider.Error, tried bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	lane := l.byName[name]
	if lane == nil {
		return nil, false
	}
	return lane.problem, lane.tried
}

// open ends the back-off of all lanes of a fleet: its settings have changed, and with them perhaps the reason.
func (l *lanes) open(namespace string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, lane := range l.byName {
		if name.Namespace == namespace {
			lane.until, lane.failures = time.Time{}, 0
		}
	}
}

// keep forgets the lanes of a fleet but those that it still names.
func (l *lanes) keep(namespace string, names map[string]bool) (gone []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name := range l.byName {
		if name.Namespace == namespace && !names[name.Name] {
			delete(l.byName, name)
			gone = append(gone, name.Name)
		}
	}
	return gone
}

// problem is what people are told of an error.
func problem(err error) *provider.Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*provider.Error](err); ok {
		return e
	}
	return &provider.Error{Kind: provider.ErrRetry, Code: reasonBug, Message: "the message could not be delivered: this is a mistake in Sengu"}
}
