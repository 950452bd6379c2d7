// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/upgrade"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// justContacted says in a person's words that the member's caches are being filled.
func justContacted(err error) error {
	if errors.Is(err, member.ErrNotSynced) {
		return provider.Retry(v1alpha1.ReasonMemberUnreachable, nil, "the cluster's API was just contacted and has not answered everything yet")
	}
	return err
}

// Cluster is one look at a cluster.
type Cluster struct {
	// Description by the provider; nil when it did not answer, and then Problem says why.
	Description *provider.Description
	// Offers of the provider; nil when it did not answer.
	Offers *provider.Offers
	// Problem of the provider; nil: none.
	Problem *upgrade.Problem
	// View of the member; nil when there is no access or it did not answer, and then MemberProblem says why.
	View member.View
	// HasMember says whether access to the member's own API is configured.
	HasMember bool
	// MemberProblem is why the member's API cannot be used; nil: none.
	MemberProblem *upgrade.Problem
	// JustContacted: the member's caches are being filled for the first time.
	JustContacted bool
	// LookAgain is when the provider's answer can have changed.
	LookAgain time.Time
}

// LookAtCluster observes one cluster. What does not answer becomes a problem in the result.
func LookAtCluster(ctx context.Context, handles *Handles, c *v1alpha1.Cluster, now time.Time) Cluster {
	var seen Cluster
	h, err := handles.Open(ctx, c)
	if err != nil {
		seen.Problem = Problem(err)
		return seen
	}
	if seen.Description, err = h.Describe(ctx, now); err != nil {
		if provider.CodeOf(err) == provider.CodeUnauthorized {
			handles.Forget(h.key)
		}
		seen.Problem = Problem(err)
		return seen
	}
	if seen.Offers, err = h.Offers(ctx, now); err != nil {
		seen.Problem = Problem(err)
	}
	seen.LookAgain = h.LookAgain(now)
	access, err := handles.Member(ctx, h, c)
	if err != nil {
		seen.HasMember, seen.MemberProblem = true, Problem(err)
		return seen
	}
	if access == nil {
		return seen
	}
	seen.HasMember = true
	if seen.View, err = access.View(ctx); err != nil {
		seen.JustContacted = errors.Is(err, member.ErrNotSynced)
		if provider.CodeOf(err) == provider.CodeUnauthorized {
			handles.Forget(h.key) // the next look reads the Secret anew, and not what it was up to credentialsAge ago
		}
		seen.View, seen.MemberProblem = nil, Problem(justContacted(err))
		return seen
	}
	if err := sameCluster(c, seen.View.UID()); err != nil {
		seen.View, seen.MemberProblem = nil, Problem(err)
	}
	return seen
}
