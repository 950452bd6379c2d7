// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"crypto/sha256"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

// Config is what a Directory needs.
type Config struct {
	// Clock of the process.
	Clock clock.Clock
	// Log for what people who run Sengu should know; never credentials.
	Log logr.Logger
	// OnChange is called with the key of a member when something changed that decisions depend on: at once, and
	// then at most every 20 ms. It may block; that delays only the calls for the same member. It may be nil.
	OnChange func(key string)
}

// Directory keeps one live Access for each member. It is safe for concurrent use.
type Directory struct {
	config Config

	mu      sync.Mutex
	closed  bool
	members map[string]entry
}

type entry struct {
	credentials [sha256.Size]byte // hash of the kubeconfig: enough to compare
	access      *live
}

// NewDirectory returns an empty directory.
func NewDirectory(c Config) *Directory {
	if c.OnChange == nil {
		c.OnChange = func(string) {}
	}
	return &Directory{config: c, members: map[string]entry{}}
}

// Open returns the access to a member: the one that is live already for the same key and kubeconfig, or a new one.
// It does not wait for the member: View says whether it answers, and OnChange is called when that changes. The
// errors are of the kinds of package provider: rejected when the kubeconfig cannot be used.
func (d *Directory) Open(ctx context.Context, key string, kubeconfig []byte) (Access, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	credentials := sha256.Sum256(kubeconfig)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, context.Canceled
	}
	old, ok := d.members[key]
	if ok && old.credentials == credentials {
		return old.access, nil
	}
	access, err := openLive(d.config, key, kubeconfig)
	if err != nil {
		return nil, err // the old access, if any, stays: its caller may still be at work with it
	}
	if ok {
		access.evictions = old.access.evictions // what was granted stays granted, whatever the credentials
		go old.access.close()
	}
	access.start()
	d.members[key] = entry{credentials: credentials, access: access}
	return access, nil
}

// Forget ends the access to a member. An unknown key changes nothing.
func (d *Directory) Forget(key string) {
	d.mu.Lock()
	old, ok := d.members[key]
	delete(d.members, key)
	d.mu.Unlock()
	if ok {
		old.access.close()
	}
}

// Close ends all accesses and waits until they have ended. Open returns an error afterwards.
func (d *Directory) Close() {
	d.mu.Lock()
	members := d.members
	d.members, d.closed = map[string]entry{}, true
	d.mu.Unlock()
	var wg sync.WaitGroup
	for _, m := range members {
		wg.Go(m.access.close)
	}
	wg.Wait()
}
