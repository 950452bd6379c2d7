// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/upgrade"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// Upgrade is one look at the world of one cluster upgrade, with the handles that its actions need.
type Upgrade struct {
	// Snapshot for the decider.
	Snapshot upgrade.Snapshot
	// Handle on the cluster; nil when it could not be opened.
	Handle *Handle
	// Access to the member's API; nil when there is none, or when it could not be opened.
	Access member.Access
}

// LookAtUpgrade observes everything that a cluster upgrade depends on. Only reading the hub can fail; what the
// provider or the member does not answer becomes a problem in the snapshot.
func LookAtUpgrade(ctx context.Context, hub client.Reader, handles *Handles, u *v1alpha1.ClusterUpgrade, now time.Time) (*Upgrade, error) {
	look := &Upgrade{Snapshot: upgrade.Snapshot{Upgrade: u, Deleting: !u.DeletionTimestamp.IsZero()}}
	var c v1alpha1.Cluster
	err := hub.Get(ctx, types.NamespacedName{Namespace: u.Namespace, Name: u.Spec.Cluster}, &c)
	if apierrors.IsNotFound(err) {
		return look, nil
	}
	if err != nil {
		return nil, err
	}
	look.Snapshot.Cluster = &c
	if look.Snapshot.Calendars, err = calendarsFor(ctx, hub, &c, u); err != nil {
		return nil, err
	}
	look.Handle, err = handles.Open(ctx, &c)
	if err != nil {
		look.Snapshot.ProviderProblem = Problem(err)
		look.Snapshot.MemberProblem = Problem(err)
		return look, nil
	}
	d := look.observeProvider(ctx, now)
	look.observeMember(ctx, handles, d)
	return look, nil
}

func (l *Upgrade) observeProvider(ctx context.Context, now time.Time) *provider.Description {
	d, err := l.Handle.Describe(ctx, now)
	if err != nil {
		l.Snapshot.ProviderProblem = Problem(err)
		return nil
	}
	var images []string
	if offers, err := l.Handle.Offers(ctx, now); err == nil {
		images = offers.Images
	}
	l.Snapshot.Provider = providerState(d, l.Handle.Provider(), images)
	for _, o := range l.Snapshot.Upgrade.Status.Operations {
		if o.ID == "" {
			continue
		}
		op, err := l.Handle.Operation(ctx, now, o.ID)
		if err != nil {
			l.Snapshot.Provider, l.Snapshot.ProviderProblem = nil, Problem(err)
			return d
		}
		l.Snapshot.Provider.Operations[o.RequestKey] = operationState(op)
	}
	return d
}

func (l *Upgrade) observeMember(ctx context.Context, handles *Handles, d *provider.Description) {
	access, err := handles.Member(ctx, l.Handle, l.Snapshot.Cluster)
	if err != nil {
		l.Snapshot.MemberProblem = Problem(err)
		return
	}
	if access == nil {
		return
	}
	l.Access = access
	v, err := access.View(ctx)
	if err != nil {
		l.Snapshot.MemberProblem = Problem(justContacted(err))
		return
	}
	if err := sameCluster(l.Snapshot.Cluster, v.UID()); err != nil {
		l.Snapshot.MemberProblem, l.Access = Problem(err), nil
		return
	}
	l.Snapshot.Member = memberState(v, l.Snapshot.Upgrade, d)
}

// sameCluster refuses credentials that lead to another cluster than at the first contact: draining the wrong
// cluster is worse than not draining.
func sameCluster(c *v1alpha1.Cluster, uid string) error {
	if c.Status.UID == "" || uid == "" || c.Status.UID == uid {
		return nil
	}
	return provider.Rejected(v1alpha1.ReasonWrongCluster,
		"the credentials of %s lead to another cluster than before (kube-system uid %s, was %s): correct the kubeconfig, or delete the Cluster and add it again",
		c.Name, uid, c.Status.UID)
}
