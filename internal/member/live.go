// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/provider"
)

const (
	// probeTimeout of the one small request that tells whether the member answers.
	probeTimeout = 5 * time.Second
	// probeEvery while it does not answer: a control plane that restarts is back in use a second later.
	probeEvery = time.Second
	// probeSlowly after probeLong without an answer, and while it refuses us: then a person is needed.
	probeSlowly = 5 * time.Second
	probeLong   = time.Minute
	// quietProbe is how long no event may come before we ask whether the member is still there.
	quietProbe = 10 * time.Second
	// syncTimeout for the first list of everything; 10,000 pods take less than 5 s.
	syncTimeout = time.Minute
)

// live is the Access to one member: a client, and watches that are started anew whenever the member was away.
type live struct {
	key       string
	config    Config
	client    *kubernetes.Clientset
	transport *http.Transport
	notifier  *notifier
	evictions *evictions
	trouble   chan struct{} // something went wrong: is the member still there?
	lastEvent atomic.Int64  // when a watch last told something, Unix nanoseconds
	cancel    context.CancelFunc
	ctx       context.Context
	running   sync.WaitGroup

	mu      sync.RWMutex
	closed  bool
	uid     string
	session *session // nil until it has synced once
	problem error    // nil: the session can be used
}

func openLive(c Config, key string, kubeconfig []byte) (*live, error) {
	cfg, err := restConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	l := &live{key: key, config: c, problem: ErrNotSynced, trouble: make(chan struct{}, 1), evictions: newEvictions()}
	l.client, l.transport, err = newClient(cfg, l.onTrouble)
	if err != nil {
		return nil, err
	}
	l.notifier = newNotifier(c.Clock, func() { c.OnChange(key) })
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l, nil
}

func (l *live) start() {
	l.spawn(func() { l.notifier.run(l.ctx) })
	l.spawn(func() { l.keep(l.ctx) })
}

// spawn runs f beside, and close waits for it; after close f does not run at all, and spawn returns false.
func (l *live) spawn(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.running.Go(f)
	}
	return !l.closed
}

// close ends the watches and waits until they have ended.
func (l *live) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.cancel()
	l.running.Wait()
	l.transport.CloseIdleConnections()
}

// onTrouble asks for a probe. It never blocks.
func (l *live) onTrouble() {
	select {
	case l.trouble <- struct{}{}:
	default:
	}
}

func (l *live) clock() clock.Clock { return l.config.Clock }

// keep keeps a session with the member for as long as the context lives.
func (l *live) keep(ctx context.Context) {
	for l.reach(ctx) {
		pause := l.watch(ctx)
		if pause > 0 && !wait(ctx, l.clock(), pause) {
			return
		}
	}
}

// reach probes until the member answers; false when the context ended first.
func (l *live) reach(ctx context.Context) bool {
	began := l.clock().Now()
	for ctx.Err() == nil {
		err := l.probe(ctx)
		if err == nil {
			select {
			case <-l.trouble: // of the probes that failed
			default:
			}
			return true
		}
		l.setProblem(err)
		pause := probeEvery
		if provider.CodeOf(err) == provider.CodeUnauthorized || l.clock().Since(began) > probeLong {
			pause = probeSlowly
		}
		if !wait(ctx, l.clock(), pause) {
			return false
		}
	}
	return false
}

// probe reads the namespace kube-system, which needs the server, its storage and our credentials, and tells one
// cluster from another. Its errors are of the kinds of package provider.
func (l *live) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var ns corev1.Namespace
	err := l.client.CoreV1().RESTClient().Get().Resource("namespaces").Name(metav1.NamespaceSystem).
		MaxRetries(0). // client-go would hide a reset connection for 10 s
		Do(ctx).Into(&ns)
	if err != nil {
		return explain(err, "reading namespace kube-system")
	}
	l.mu.Lock()
	l.uid = string(ns.UID)
	l.mu.Unlock()
	return nil
}

// watch runs one session until the member is away or refuses it, and returns how long to wait before the next.
func (l *live) watch(ctx context.Context) time.Duration {
	s := startSession(ctx, l)
	defer s.stop()
	synced, deadline := s.synced, l.clock().After(syncTimeout)
	for {
		select {
		case <-ctx.Done():
			return 0
		case <-synced:
			synced, deadline = nil, nil
			l.serve(s)
		case <-deadline:
			l.setProblem(provider.Retry(v1alpha1.ReasonMemberUnreachable, nil,
				"the cluster's API answers, but did not list its nodes, pods and budgets within %s: look at its load", syncTimeout))
			return 0
		case err := <-s.refused:
			l.setProblem(explain(err, "watching nodes, pods and budgets"))
			return probeSlowly
		case <-l.trouble:
			if err := l.probe(ctx); err != nil {
				l.setProblem(err)
				return 0
			}
		case <-l.clock().After(quietProbe):
			last := time.Unix(0, l.lastEvent.Load())
			if l.clock().Since(last) < quietProbe {
				continue
			}
			if err := l.probe(ctx); err != nil {
				l.setProblem(err)
				return 0
			}
		}
	}
}

// serve makes the session the one that View shows.
func (l *live) serve(s *session) {
	l.mu.Lock()
	l.session, l.problem = s, nil
	l.mu.Unlock()
	l.config.Log.V(1).Info("member can be used", "cluster", l.key)
	l.notifier.touch()
}

// setProblem keeps View from showing what is old.
func (l *live) setProblem(err error) {
	l.mu.Lock()
	fresh := l.problem == nil || provider.CodeOf(l.problem) != provider.CodeOf(err)
	l.problem = err
	l.mu.Unlock()
	if fresh {
		l.config.Log.Info("member cannot be used", "cluster", l.key, "reason", provider.CodeOf(err))
		l.notifier.touch()
	}
}

// View returns the cached state: ErrNotSynced at the very beginning, rejected when the member refuses our
// credentials, retry when it does not answer.
func (l *live) View(ctx context.Context) (View, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.problem != nil {
		return nil, l.problem
	}
	return &view{uid: l.uid, session: l.session, access: l}, nil
}

// explain turns an error of the member's API into one of the kinds of package provider.
func explain(err error, doing string) error {
	switch {
	case apierrors.IsUnauthorized(err):
		return provider.Rejected(provider.CodeUnauthorized, "the cluster's API refuses the credentials: put a valid kubeconfig into the Secret")
	case apierrors.IsForbidden(err):
		return provider.Rejected(provider.CodeUnauthorized, "the credentials are not allowed to do this (%s): grant them that: %v", doing, err)
	default:
		return provider.Retry(v1alpha1.ReasonMemberUnreachable, err, "the cluster's API did not answer (%s)", doing)
	}
}
