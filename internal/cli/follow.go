// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
)

// How long the follower waits before it asks a hub again that did not answer: a hub that restarts is back in
// 2 to 3 s.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
	// pace is the time between two tellings: what changes in between is told as one. A fleet of a thousand
	// clusters changes some hundred times a second.
	pace = 100 * time.Millisecond
	// startingTime is how long a hub that answered before may refuse: in the first second of a restart it serves before
	// it has read its roles and kinds, and on a loaded machine that second is long.
	startingTime = 15 * time.Second
)

// errRunDeleted ends the following of a run that was deleted.
var errRunDeleted = errors.New("the run was deleted")

// news is what a follower tells: the state of the world, or of the connection.
type news struct {
	// objects are the run and what belongs to it; its Run is nil until everything was read once.
	objects view.RunObjects
	// lost is why there is no connection to the hub now; nil: there is one.
	lost error
}

// follower keeps a copy of a run and what belongs to it by watches.
type follower struct {
	hub   *hub
	run   string
	clock clock.Clock

	mutex    sync.Mutex
	copies   [3]map[string]client.Object // of runs, cluster upgrades and gates, by name; nil: not read yet
	problems [3]error                    // of the streams
	changed  chan struct{}               // holds at most one element: several changes are told once
}

func (a *app) newFollower(h *hub, run string) *follower {
	return &follower{hub: h, run: run, clock: a.Clock, changed: make(chan struct{}, 1)}
}

// follow tells what changes until the context ends or tell returns false. Its error is nil then.
func (f *follower) follow(ctx context.Context, tell func(news) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var streams sync.WaitGroup
	defer streams.Wait()
	defer cancel(nil)
	name, ofRun := client.MatchingFields{"metadata.name": f.run}, client.MatchingLabels{v1alpha1.LabelRun: f.run}
	for i, s := range []stream{
		{list: &v1alpha1.UpgradeRunList{}, filter: name},
		{list: &v1alpha1.ClusterUpgradeList{}, filter: ofRun},
		{list: &v1alpha1.GateList{}, filter: ofRun},
	} {
		s.index = i
		streams.Go(func() {
			if err := f.stream(ctx, s); err != nil {
				cancel(err)
			}
		})
	}
	for {
		select {
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				return err
			}
			return nil
		case <-f.changed:
			if n, ok := f.news(); ok && !tell(n) {
				return nil
			}
			select {
			case <-ctx.Done():
			case <-f.clock.After(pace):
			}
		}
	}
}

// stream is one kind of objects to follow.
type stream struct {
	index  int
	list   client.ObjectList
	filter client.ListOption
}

// stream keeps the copies of one kind until the context ends. It returns an error only when asking again would
// change nothing.
func (f *follower) stream(ctx context.Context, s stream) error {
	wait := firstRetry
	var p patience
	for ctx.Err() == nil {
		err := f.readAndWatch(ctx, s, func() { wait, p = firstRetry, patience{answered: true} })
		if err == nil || ctx.Err() != nil { // the server ends every watch after some minutes
			continue
		}
		if p.over(err, f.clock.Now()) {
			return err
		}
		f.update(func() { f.problems[s.index] = err })
		select {
		case <-ctx.Done():
		case <-f.clock.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
	return nil
}

// patience tells the refusals of a hub that is starting from those that last.
type patience struct {
	answered  bool
	refusedAt time.Time // zero: the last error was not a refusal
}

// over says that asking again would change nothing.
func (p *patience) over(err error, now time.Time) bool {
	switch {
	case !hopeless(err):
		p.refusedAt = time.Time{}
		return false
	case !p.answered || errors.Is(err, errRunDeleted):
		return true
	case p.refusedAt.IsZero():
		p.refusedAt = now
	}
	return now.Sub(p.refusedAt) >= startingTime
}

// hopeless tells refusals from a hub that is away.
func hopeless(err error) bool {
	return errors.Is(err, errRunDeleted) || notServed(err) || apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err)
}

func (f *follower) readAndWatch(ctx context.Context, s stream, answered func()) error {
	list := s.list.DeepCopyObject().(client.ObjectList)
	options := []client.ListOption{client.InNamespace(f.hub.namespace), s.filter}
	if err := f.hub.List(ctx, list, options...); err != nil {
		return err
	}
	answered()
	objects, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	if s.index == 0 && len(objects) == 0 {
		return errRunDeleted
	}
	f.replace(s.index, objects)
	raw := &client.ListOptions{}
	for _, o := range options {
		o.ApplyToList(raw)
	}
	raw.Raw = raw.AsListOptions()
	raw.Raw.ResourceVersion = list.GetResourceVersion()
	w, err := f.hub.Watch(ctx, list, raw)
	if err != nil {
		return err
	}
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, open := <-w.ResultChan():
			if !open {
				return nil
			}
			if again, err := f.apply(s.index, event); again || err != nil {
				return err
			}
		}
	}
}

// apply takes one event in; again asks for everything to be read anew.
func (f *follower) apply(index int, event apiwatch.Event) (again bool, err error) {
	object, ok := event.Object.(client.Object)
	switch {
	case event.Type == apiwatch.Bookmark:
		return false, nil
	case event.Type == apiwatch.Error || !ok: // most often: the version to go on from is gone
		return true, nil
	case event.Type == apiwatch.Deleted && index == 0:
		return false, errRunDeleted
	}
	f.update(func() {
		if event.Type == apiwatch.Deleted {
			delete(f.copies[index], object.GetName())
		} else {
			f.copies[index][object.GetName()] = object
		}
	})
	return false, nil
}

func (f *follower) replace(index int, objects []runtime.Object) {
	f.update(func() {
		f.copies[index] = make(map[string]client.Object, len(objects))
		for _, o := range objects {
			if object, ok := o.(client.Object); ok {
				f.copies[index][object.GetName()] = object
			}
		}
		f.problems[index] = nil
	})
}

// update changes what is known and wakes the teller.
func (f *follower) update(change func()) {
	f.mutex.Lock()
	change()
	f.mutex.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// news is the state as it is known now; false: nothing was read yet and nothing is wrong.
func (f *follower) news() (news, bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	var n news
	for _, problem := range f.problems {
		if problem != nil {
			n.lost = problem
			break
		}
	}
	for _, copies := range f.copies {
		if copies == nil {
			return n, n.lost != nil
		}
	}
	if run, ok := f.copies[0][f.run].(*v1alpha1.UpgradeRun); ok {
		n.objects.Run = run
	}
	for _, object := range f.copies[1] {
		if upgrade, ok := object.(*v1alpha1.ClusterUpgrade); ok {
			n.objects.Upgrades = append(n.objects.Upgrades, upgrade)
		}
	}
	for _, object := range f.copies[2] {
		if gate, ok := object.(*v1alpha1.Gate); ok {
			n.objects.Gates = append(n.objects.Gates, gate)
		}
	}
	return n, true
}
