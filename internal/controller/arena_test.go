// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller"
	"sengu.dev/sengu/internal/hub/hubtest"
	"sengu.dev/sengu/internal/observe"
	"sengu.dev/sengu/internal/providers/simulated"
	"sengu.dev/sengu/provider"
)

// arena plays many fleets at once, each in a namespace of its own, with one process after the other for all of them.
// A process that dies for one fleet goes on with the others: what it holds in memory is by object, and of a fleet that
// it died for nothing reaches the world any more.
type arena struct {
	t      *testing.T
	hub    client.Client // what people use
	sight  cache.Cache   // what people see
	world  *simulated.World
	trials map[string]*trial // by namespace
}

func newArena(t *testing.T) *arena {
	t.Helper()
	cfg := rest.CopyConfig(hubtest.Hub(t).AdminConfig())
	cfg.QPS = -1
	hub, err := client.New(cfg, client.Options{Scheme: controller.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	sight, err := cache.New(cfg, cache.Options{Scheme: controller.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []client.Object{&v1alpha1.UpgradeRun{}, &v1alpha1.ClusterUpgrade{}, &v1alpha1.Cluster{}, &v1alpha1.Gate{}} {
		if _, err := sight.GetInformer(t.Context(), o, cache.BlockUntilSynced(false)); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _ = sight.Start(t.Context()) }()
	if !sight.WaitForCacheSync(t.Context()) {
		t.Fatal("nothing can be seen")
	}
	return &arena{t: t, hub: hub, sight: sight, trials: map[string]*trial{},
		world: simulated.NewWorld(simulated.Config{Clock: clock.RealClock{}})}
}

// play lets the fleets live through their stories: the first process until it has died for every fleet that it is to
// die for, then the next; the last one lives.
func (a *arena) play(trials []*trial, processes int) {
	a.t.Helper()
	var g errgroup.Group
	g.SetLimit(16)
	for _, tr := range trials {
		g.Go(func() error { return a.found(tr) })
	}
	if err := g.Wait(); err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(a.t.Context(), arenaPatience)
	defer cancel()
	for _, tr := range trials {
		a.trials[tr.namespace] = tr
		go tr.live(ctx)
	}
	for i := range processes {
		stop := a.process(i)
		for _, tr := range trials {
			select {
			case <-tr.lives[i].killed:
			case <-tr.ended:
			}
		}
		if err := stop(); err != nil {
			a.t.Errorf("the controllers ended with %v", err)
		}
	}
}

// arenaPatience is how long all stories together may take on a busy machine.
const arenaPatience = 6 * time.Minute

// found creates the namespace of a trial with its clusters and its run. It goes with the hub: deleting hundreds of them
// would only keep the tests after this one waiting.
func (a *arena) found(tr *trial) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "trial-"}}
	if err := a.hub.Create(a.t.Context(), ns); err != nil {
		return err
	}
	tr.arena, tr.namespace, tr.ended = a, ns.Name, make(chan struct{})
	tr.created, tr.requests = map[string]int{}, map[string]string{}
	for _, o := range tr.story.objects() {
		o.SetNamespace(tr.namespace)
		if err := a.hub.Create(a.t.Context(), o); err != nil {
			return err
		}
	}
	return nil
}

// process starts controllers for all fleets; generation says which of their lives it is.
func (a *arena) process(generation int) (stop func() error) {
	a.t.Helper()
	cfg := rest.CopyConfig(hubtest.Hub(a.t).AdminConfig())
	cfg.RateLimiter = flowcontrol.NewFakeAlwaysRateLimiter() // hundreds of fleets have one process here
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) { return a.roundTrip(generation, next, r) })
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended, started := make(chan error, 1), make(chan struct{})
	go func() {
		ended <- controller.Run(ctx, cfg, controller.Options{
			Clock: clock.RealClock{}, Log: logr.Discard(), Parallel: 64, OnStarted: func() { close(started) },
			Openers: map[string]observe.Opener{"simulated": func(_ context.Context, c *v1alpha1.Cluster, _ observe.SecretReader) (provider.Provider, error) {
				tr := a.trials[c.Namespace]
				if tr == nil {
					return nil, provider.Rejected("Elsewhere", "it is of another test")
				}
				return tr.open(generation, c), nil
			}},
		})
	}()
	select {
	case <-started:
	case err := <-ended:
		a.t.Fatalf("the controllers did not start: %v", err)
	}
	return func() error {
		cancel()
		return <-ended
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip sends a request.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// roundTrip lets a request of a process through to the hub, as far as it lives for the fleet that it is about. Events
// are told to people and move nothing, so they have no number.
func (a *arena) roundTrip(generation int, next http.RoundTripper, r *http.Request) (*http.Response, error) {
	namespace, what := resourceOf(r)
	if r.Method == http.MethodGet || namespace == "" {
		return next.RoundTrip(r)
	}
	refused := func() (*http.Response, error) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errKilled
	}
	tr := a.trials[namespace]
	if tr == nil {
		return refused() // of another test
	}
	life := tr.lives[generation]
	if strings.HasPrefix(what, "events") {
		if life.over() {
			return refused()
		}
		return next.RoundTrip(r)
	}
	var response *http.Response
	err := life.change(r.Method+" "+what, func() (err error) {
		name := tr.nameIn(r)
		if response, err = next.RoundTrip(r); err == nil && //nolint:bodyclose // the caller closes it, or it is closed below
			response.StatusCode == http.StatusCreated {
			tr.noteCreated(what + " " + name)
		}
		return err
	})
	if errors.Is(err, errKilled) && response != nil {
		_ = response.Body.Close()
	}
	if errors.Is(err, errKilled) {
		return refused()
	}
	return response, err
}

// resourceOf is the namespace of a request, and its resource with the subresource.
func resourceOf(r *http.Request) (namespace, what string) {
	_, path, found := strings.Cut(r.URL.Path, "/namespaces/")
	parts := strings.Split(path, "/")
	if !found || len(parts) < 2 {
		return "", ""
	}
	what = parts[1]
	if len(parts) > 3 {
		what += "/" + parts[3]
	}
	return parts[0], what
}

// nameIn is the name of the object that a request creates.
func (tr *trial) nameIn(r *http.Request) string {
	if r.Method != http.MethodPost || r.GetBody == nil {
		return ""
	}
	body, err := r.GetBody()
	if err != nil {
		return err.Error()
	}
	defer func() { _ = body.Close() }()
	var o metav1.PartialObjectMetadata
	content, err := io.ReadAll(body)
	if err == nil {
		err = json.Unmarshal(content, &o)
	}
	if err != nil {
		return err.Error()
	}
	return o.Name
}

var errKilled = errors.New("the process was killed")

// change is one change of the world among all that a process makes: the nth of its kind.
type change struct {
	what string
	nth  int
}

// death is when a process dies for a fleet: right before or right after a change. The zero value: never.
type death struct {
	change
	after bool
}

// kind of death, whichever number the change has.
func (d death) kind() string {
	if d.after {
		return "after " + d.what
	}
	return "before " + d.what
}

func (d death) String() string {
	return fmt.Sprintf("%s (number %d of these)", d.kind(), d.nth)
}

// life is what one process does to one fleet: every change of the hub, of the provider and of a member goes through it.
type life struct {
	death  death
	killed chan struct{}

	mu      sync.Mutex
	dead    bool
	changes []change
	counts  map[string]int
}

func newLife(d death) *life {
	return &life{death: d, killed: make(chan struct{}), counts: map[string]int{}}
}

// change makes one change of the world, unless the process has died. It dies for good: also what is late gets nothing
// through, and nobody gets to know what became of the change at which it died.
func (l *life) change(what string, do func() error) error {
	l.mu.Lock()
	if l.dead {
		l.mu.Unlock()
		return errKilled
	}
	l.counts[what]++
	c := change{what, l.counts[what]}
	l.changes = append(l.changes, c)
	l.dead = c == l.death.change
	dies := l.dead
	l.mu.Unlock()
	if !dies {
		return do()
	}
	defer close(l.killed)
	if l.death.after {
		_ = do()
	}
	return errKilled
}

func (l *life) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}
