// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/provider"
)

// TaintOutdated keeps the scheduler from putting replacements on nodes that will be drained as well, where it has the
// choice (PreferNoSchedule). Its value is the owner.
const TaintOutdated = "sengu.dev/outdated"

// steerTogether bounds the patches at a time.
const steerTogether = 16

// Steerer is an optional capability of an Access, found by type assertion.
//
// A pod whose replacement lands on a node that is drained later moves twice, and needs its budget twice. How many do
// depends on the scheduler: among nodes that are alike it prefers the new ones by itself, because they are empty, and
// the pods of the first nodes have nowhere else to go. `make bench` counts both.
type Steerer interface {
	// Steer gives exactly these nodes the taint TaintOutdated of the owner: all others lose it, whoever's it was, for
	// one upgrade at a time works on a cluster, and what another left behind is from when the cluster could not be
	// reached. Nodes that are gone are passed over. It reads the cache and is cheap when nothing changes, so it can
	// be called at every look.
	Steer(ctx context.Context, owner string, nodes []string) error
}

// Steer implements Steerer.
func (l *live) Steer(ctx context.Context, owner string, nodes []string) error {
	s := l.current()
	if s == nil {
		return provider.Retry(v1alpha1.ReasonMemberUnreachable, ErrNotSynced, "the cluster's API was just contacted")
	}
	taint := corev1.Taint{Key: TaintOutdated, Value: owner, Effect: corev1.TaintEffectPreferNoSchedule}
	outdated := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		outdated[n] = true
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(steerTogether)
	for _, n := range casts[*corev1.Node](s.nodes.List()) {
		want := outdated[n.Name]
		if slices.Equal(steered(n.Spec.Taints, taint, want), n.Spec.Taints) {
			continue
		}
		group.Go(func() error {
			err := l.edit(ctx, n.Name, "steering pods away from node "+n.Name, func(now *corev1.Node) (*nodeEdit, error) {
				taints := steered(now.Spec.Taints, taint, want)
				if slices.Equal(taints, now.Spec.Taints) {
					return nil, nil
				}
				return &nodeEdit{taints: taints}, nil
			})
			if provider.CodeOf(err) == provider.CodeNodeNotFound {
				return nil
			}
			return err
		})
	}
	return group.Wait()
}

// steered returns the taints that a node is to have; the same ones when it has them already.
func steered(taints []corev1.Taint, taint corev1.Taint, want bool) []corev1.Taint {
	isMark := func(t corev1.Taint) bool { return t.Key == TaintOutdated }
	if want && slices.Contains(taints, taint) || !want && !slices.ContainsFunc(taints, isMark) {
		return taints
	}
	others := slices.DeleteFunc(slices.Clone(taints), isMark)
	if want {
		others = append(others, taint)
	}
	return others
}
