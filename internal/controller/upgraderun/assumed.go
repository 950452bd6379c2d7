// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// assumed holds the objects that a pass created or changed until the watch shows them. Without it a pass on an old
// cache, of the same run or of another one of the fleet, would count fewer clusters in flight than there are and start
// one too many.
type assumed struct {
	mu    sync.Mutex
	byRun map[types.NamespacedName]map[string]memory
}

// memory is an object as this process has last written it, and when.
type memory struct {
	object client.Object
	at     time.Time
}

func newAssumed() *assumed {
	return &assumed{byRun: map[types.NamespacedName]map[string]memory{}}
}

func (a *assumed) forget(run types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byRun, run)
}

func (a *assumed) remember(run types.NamespacedName, o client.Object, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byRun[run] == nil {
		a.byRun[run] = map[string]memory{}
	}
	a.byRun[run][o.GetName()] = memory{o, now}
}

// assumedFor bounds how long an object is assumed: one that somebody deleted before the watch showed it would
// be assumed for ever.
const assumedFor = 30 * time.Second

// addTo puts what was written into the snapshot where that is older, and forgets what the snapshot shows.
func (a *assumed) addTo(run types.NamespacedName, s *rollout.Snapshot, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for of, objects := range a.byRun {
		if of.Namespace != run.Namespace {
			continue
		}
		for name, m := range objects {
			if now.Sub(m.at) > assumedFor {
				delete(objects, name)
				continue
			}
			seen := false
			switch o := m.object.(type) {
			case *v1alpha1.ClusterUpgrade:
				list := &s.Elsewhere
				if of == run {
					list = &s.Upgrades
				}
				*list, seen = merge(*list, o)
			case *v1alpha1.Gate:
				if seen = of != run; !seen {
					s.Gates, seen = merge(s.Gates, o)
				}
			}
			if seen && of == run {
				delete(objects, name)
			}
		}
	}
}

// merge puts an object into a list in place of an older one of its name, or at the end. seen: the list has it as it is
// or newer.
func merge[T client.Object](list []T, o T) (merged []T, seen bool) {
	for i, there := range list {
		if there.GetName() != o.GetName() {
			continue
		}
		if there.GetGeneration() >= o.GetGeneration() {
			return list, true
		}
		list = slices.Clone(list) // the snapshot's own
		list[i] = o
		return list, false
	}
	return append(list, o), false
}
