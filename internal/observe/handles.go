// SPDX-License-Identifier: Apache-2.0

// Package observe reads the hub, the providers and the member clusters, and returns immutable snapshots for
// the deciders. It changes nothing.
package observe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// credentialsAge is how old issued credentials or a read Secret may get before they are read again: a rotated
// Secret is picked up within this time without a watch on all Secrets of the hub.
const credentialsAge = 5 * time.Minute

// SecretReader returns the value of one key of a Secret in the namespace of the Cluster that is opened.
type SecretReader func(ctx context.Context, ref v1alpha1.SecretKeyReference) ([]byte, error)

// Opener opens a provider's handle on one cluster. The composition root has one for each kind of provider.
type Opener func(ctx context.Context, c *v1alpha1.Cluster, secret SecretReader) (provider.Provider, error)

// Handles keeps one live handle for each cluster: the provider's, and the access to the member's own API.
type Handles struct {
	secrets client.Reader
	openers map[string]Opener
	members *member.Directory
	clock   clock.PassiveClock

	mu   sync.Mutex
	byID map[types.NamespacedName]*Handle
}

// HandlesConfig is what NewHandles needs.
type HandlesConfig struct {
	// Secrets reads Secrets from the hub, not through a cache.
	Secrets client.Reader
	// Openers by the provider's key in the API: local, simulated, aks.
	Openers map[string]Opener
	// Members keeps the connections to the members' own APIs.
	Members *member.Directory
	// Clock of the process.
	Clock clock.PassiveClock
}

// NewHandles returns an empty set of handles.
func NewHandles(c HandlesConfig) *Handles {
	return &Handles{secrets: c.Secrets, openers: c.Openers, members: c.Members, clock: c.Clock,
		byID: map[types.NamespacedName]*Handle{}}
}

// Handle is what is known of how to reach one cluster. It is safe for concurrent use.
type Handle struct {
	key      types.NamespacedName
	uid      types.UID
	gen      int64
	openedAt time.Time
	provider provider.Provider

	mu         sync.Mutex
	kubeconfig []byte
	expires    time.Time
	described  described
}

// Provider returns the provider's handle.
func (h *Handle) Provider() provider.Provider { return h.provider }

// Open returns the handle of a cluster, opening it when it is new, its spec changed, or it is old. Errors are
// of the provider package's kinds.
func (s *Handles) Open(ctx context.Context, c *v1alpha1.Cluster) (*Handle, error) {
	key := client.ObjectKeyFromObject(c)
	now := s.clock.Now()
	s.mu.Lock()
	h := s.byID[key]
	s.mu.Unlock()
	if h != nil && h.uid == c.UID && h.gen == c.Generation && !aged(h.openedAt, now, credentialsAge) {
		return h, nil
	}
	kind := ProviderKind(c.Spec.Provider)
	open := s.openers[kind]
	if open == nil {
		return nil, provider.Rejected(v1alpha1.ReasonProviderUnknown,
			"this Sengu has no provider %q: use another one, or a build that has it", kind)
	}
	p, err := open(ctx, c, s.secretReader(c.Namespace))
	if err != nil {
		return nil, err
	}
	fresh := &Handle{key: key, uid: c.UID, gen: c.Generation, openedAt: now, provider: p}
	s.mu.Lock()
	s.byID[key] = fresh
	s.mu.Unlock()
	return fresh, nil
}

// Forget drops the handle of a cluster that was deleted, or whose credentials were refused.
func (s *Handles) Forget(key types.NamespacedName) {
	s.mu.Lock()
	delete(s.byID, key)
	s.mu.Unlock()
}

// Close forgets a deleted cluster and ends the connection to its API.
func (s *Handles) Close(key types.NamespacedName) {
	s.Forget(key)
	s.members.Forget(key.String())
}

// Member returns the access to the cluster's own API, or nil when none is configured and the provider issues
// no credentials. Errors are of the provider package's kinds.
func (s *Handles) Member(ctx context.Context, h *Handle, c *v1alpha1.Cluster) (member.Access, error) {
	if played, ok := h.provider.(member.Source); ok {
		return played.Member(), nil
	}
	kubeconfig, err := s.kubeconfig(ctx, h, c)
	if err != nil || kubeconfig == nil {
		return nil, err
	}
	return s.members.Open(ctx, h.key.String(), kubeconfig)
}

func (s *Handles) kubeconfig(ctx context.Context, h *Handle, c *v1alpha1.Cluster) ([]byte, error) {
	now := s.clock.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kubeconfig != nil && now.Before(h.expires) {
		return h.kubeconfig, nil
	}
	if ref := c.Spec.Access.KubeconfigSecretRef; ref != nil {
		data, err := s.secretReader(c.Namespace)(ctx, *ref)
		if err != nil {
			return nil, err
		}
		h.kubeconfig, h.expires = data, now.Add(credentialsAge)
		return data, nil
	}
	issuer, ok := h.provider.(provider.CredentialIssuer)
	if !ok {
		return nil, nil
	}
	creds, err := issuer.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	h.kubeconfig, h.expires = creds.Kubeconfig, now.Add(credentialsAge)
	if !creds.Expires.IsZero() && creds.Expires.Before(h.expires) {
		h.expires = creds.Expires
	}
	return h.kubeconfig, nil
}

func (s *Handles) secretReader(namespace string) SecretReader {
	return func(ctx context.Context, ref v1alpha1.SecretKeyReference) ([]byte, error) {
		var secret corev1.Secret
		err := s.secrets.Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, &secret)
		switch {
		case apierrors.IsNotFound(err):
			return nil, provider.Rejected(v1alpha1.ReasonSecretMissing,
				"Secret %s/%s does not exist: create it with key %q", namespace, ref.Name, ref.Key)
		case err != nil:
			return nil, provider.Retry(v1alpha1.ReasonRetrying, err, "Secret %s/%s could not be read", namespace, ref.Name)
		}
		data, ok := secret.Data[ref.Key]
		if !ok {
			return nil, provider.Rejected(v1alpha1.ReasonSecretMissing,
				"Secret %s/%s has no key %q: add it", namespace, ref.Name, ref.Key)
		}
		return data, nil
	}
}

// ProviderKind returns the key of the provider that a spec sets, or "" when it sets none.
func ProviderKind(p v1alpha1.ProviderSpec) string {
	switch {
	case p.AKS != nil:
		return "aks"
	case p.Local != nil:
		return "local"
	case p.Simulated != nil:
		return "simulated"
	}
	return ""
}

// sentence returns the text of an error for people, without the code in front where there is one.
func sentence(err error) string {
	if pe, ok := errors.AsType[*provider.Error](err); ok {
		if pe.Err != nil {
			return fmt.Sprintf("%s: %v", pe.Message, pe.Err)
		}
		return pe.Message
	}
	return err.Error()
}
