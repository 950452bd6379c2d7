// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/audit"
)

// Pruned says what Prune did or would do.
type Pruned struct {
	// Through is the sequence of the last entry that is taken away; zero: none is.
	Through int64
	// Entries that are taken away.
	Entries int
	// Held says why it is less than was asked for; empty: it is not.
	Held string
}

// Prune writes a checkpoint and then takes the oldest entries away, the oldest first, so that one that is interrupted
// leaves a chain without gaps. With dryRun it changes nothing.
func (l *Log) Prune(ctx context.Context, limit audit.Limit, by v1alpha1.AuditActor, dryRun bool) (Pruned, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The runs are read first: one that is created meanwhile is none of those whose entries go.
	exist, err := l.runs(ctx)
	if err != nil {
		return Pruned{}, err
	}
	for range attempts {
		p, chain, names := audit.NewPruner(limit), audit.NewChain(), []string(nil)
		err := Each(ctx, l.reader, l.namespace, func(e *v1alpha1.AuditEntry) error {
			p.Add(&e.Spec)
			chain.Add(&e.Spec)
			names = append(names, e.Name)
			return nil
		})
		if err != nil {
			return Pruned{}, err
		}
		l.chain = chain
		c, held := p.End(exist)
		if c == nil {
			return Pruned{Held: held}, nil
		}
		out := Pruned{Through: c.Through, Held: held}
		for out.Entries < len(names) && names[out.Entries] <= audit.Name(c.Through) {
			out.Entries++
		}
		if dryRun {
			return out, nil
		}
		c.Actor = by
		e, err := chain.CheckpointAfter(l.namespace, *c, l.clock.Now())
		if err != nil {
			return Pruned{}, err
		}
		n, err := l.append(ctx, []v1alpha1.AuditEntry{*e})
		if err != nil {
			return Pruned{}, err
		}
		if n == 1 {
			return out, l.remove(ctx, names[:out.Entries])
		}
	}
	return Pruned{}, ErrOutrun
}

func (l *Log) runs(ctx context.Context) (map[string]bool, error) {
	var list v1alpha1.UpgradeRunList
	if err := l.reader.List(ctx, &list, client.InNamespace(l.namespace)); err != nil {
		return nil, fmt.Errorf("the runs cannot be listed: %w", err)
	}
	exist := map[string]bool{}
	for i := range list.Items {
		exist[string(list.Items[i].UID)] = true
	}
	return exist, nil
}

func (l *Log) remove(ctx context.Context, names []string) error {
	for _, name := range names {
		e := &v1alpha1.AuditEntry{ObjectMeta: metav1.ObjectMeta{Namespace: l.namespace, Name: name}}
		if err := l.hub.Delete(ctx, e); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("entry %s cannot be taken away; the checkpoint is written, and the same command goes on: %w", name, err)
		}
	}
	return nil
}
