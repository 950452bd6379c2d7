// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// assumed holds the objects that a pass created until the watch shows them. Without it a pass on an old cache
// would count fewer clusters in flight than there are and start one too many.
type assumed struct {
	mu    sync.Mutex
	byRun map[types.NamespacedName]map[string]client.Object
}

func newAssumed() *assumed {
	return &assumed{byRun: map[types.NamespacedName]map[string]client.Object{}}
}

func (a *assumed) forget(run types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byRun, run)
}

func (a *assumed) remember(run types.NamespacedName, o client.Object) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byRun[run] == nil {
		a.byRun[run] = map[string]client.Object{}
	}
	a.byRun[run][o.GetName()] = o
}

// assumedFor bounds how long an object is assumed: one that somebody deleted before the watch showed it would
// be assumed for ever.
const assumedFor = 30 * time.Second

// addTo adds what the snapshot does not show yet, and forgets what it does.
func (a *assumed) addTo(run types.NamespacedName, s *rollout.Snapshot, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, u := range s.Upgrades {
		delete(a.byRun[run], u.Name)
	}
	for _, g := range s.Gates {
		delete(a.byRun[run], g.Name)
	}
	for name, o := range a.byRun[run] {
		if now.Sub(o.GetCreationTimestamp().Time) > assumedFor {
			delete(a.byRun[run], name)
			continue
		}
		switch o := o.(type) {
		case *v1alpha1.ClusterUpgrade:
			s.Upgrades = append(s.Upgrades, o)
		case *v1alpha1.Gate:
			s.Gates = append(s.Gates, o)
		}
	}
}
