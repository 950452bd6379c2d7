// SPDX-License-Identifier: Apache-2.0

// Package auditlog reads and carries on the chain of audit entries in the hub.
package auditlog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/audit"
)

// page is how many entries are read at a time.
const page = 500

// attempts bounds how often a writer that was outrun tries again before it says so.
const attempts = 100

// ErrOutrun says that other writers were faster each time.
var ErrOutrun = errors.New("other writers of the audit record were faster each time")

// Each reads the chain of a fleet in its order. It reads the hub itself and no cache: a chain is read once.
func Each(ctx context.Context, hub client.Reader, namespace string, do func(*v1alpha1.AuditEntry) error) error {
	next := ""
	for {
		var list v1alpha1.AuditEntryList
		if err := hub.List(ctx, &list, client.InNamespace(namespace), client.Limit(page), client.Continue(next)); err != nil {
			return fmt.Errorf("the audit record cannot be read: %w", err)
		}
		for i := range list.Items {
			if err := do(&list.Items[i]); err != nil {
				return err
			}
		}
		if next = list.Continue; next == "" {
			return nil
		}
	}
}

// Log carries on the chain of one fleet. What it knows of the chain is read from the hub, once; what others append, and
// what it appended itself without getting an answer, it reads when it meets it at the end of the chain.
type Log struct {
	hub       client.Client
	reader    client.Reader
	namespace string
	clock     clock.PassiveClock

	mu    sync.Mutex
	chain *audit.Chain // nil: to be read
}

// New returns the log of a fleet. The reader must read the hub itself, without a cache.
func New(hub client.Client, reader client.Reader, namespace string, c clock.PassiveClock) *Log {
	return &Log{hub: hub, reader: reader, namespace: namespace, clock: c}
}

// Record appends what follows from a look and is not in the chain, and returns how many entries that took. With
// mayWait, records that can wait are left, and waits says so.
func (l *Log) Record(ctx context.Context, look audit.Look, mayWait bool) (entries int, waits bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range attempts {
		if err := l.load(ctx); err != nil {
			return entries, false, err
		}
		missing := l.chain.Missing(look)
		if len(missing) == 0 || mayWait && audit.CanWait(missing) {
			return entries, len(missing) > 0, nil
		}
		next, err := l.chain.Entries(l.namespace, look.Of, missing, l.clock.Now())
		if err != nil {
			return entries, false, err
		}
		n, err := l.append(ctx, next)
		entries += n
		if err != nil {
			return entries, false, err
		}
	}
	return entries, false, ErrOutrun
}

// append stores entries one after the other, as far as nobody else was faster.
func (l *Log) append(ctx context.Context, entries []v1alpha1.AuditEntry) (int, error) {
	for i := range entries {
		e := &entries[i]
		err := l.hub.Create(ctx, e)
		switch {
		case err == nil:
			l.chain.Add(&e.Spec)
		case apierrors.IsAlreadyExists(err):
			return i, l.catchUp(ctx)
		default:
			// It may be stored all the same: then the next one meets it.
			return i, fmt.Errorf("the audit record cannot be carried on: %w", err)
		}
	}
	return len(entries), nil
}

func (l *Log) load(ctx context.Context) error {
	if l.chain != nil {
		return nil
	}
	c := audit.NewChain()
	err := Each(ctx, l.reader, l.namespace, func(e *v1alpha1.AuditEntry) error {
		c.Add(&e.Spec)
		return nil
	})
	if err == nil {
		l.chain = c
	}
	return err
}

// catchUp reads what others have appended since.
func (l *Log) catchUp(ctx context.Context) error {
	for {
		var e v1alpha1.AuditEntry
		err := l.reader.Get(ctx, types.NamespacedName{Namespace: l.namespace, Name: audit.Name(l.chain.Sequence + 1)}, &e)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the audit record cannot be read: %w", err)
		}
		l.chain.Add(&e.Spec)
	}
}

// NothingToKeep says whether an error comes from a fleet that is being deleted with all that is in it, where nothing
// can be recorded any more.
func NothingToKeep(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}
