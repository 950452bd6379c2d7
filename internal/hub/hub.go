// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
)

const (
	// startTimeout is the longest a start may take: it needs 1 to 2 s on an idle machine and 15 s when
	// eight test binaries share two cores.
	startTimeout = 90 * time.Second
	// apiCloseTimeout bounds how long Close waits for the API; it needs 0.3 s.
	apiCloseTimeout = 1500 * time.Millisecond
	// renewInterval is how often a running hub looks at its own certificates.
	renewInterval = 12 * time.Hour
)

// ErrAlreadyRunning is returned by Start when this process already runs a hub.
var ErrAlreadyRunning = errors.New("this process already runs a hub, and can run only one at a time: close the first one")

// running is true while this process runs a hub.
var running atomic.Bool

// Config says where a hub keeps its data and where it listens. Only DataDir is required.
type Config struct {
	// DataDir is the directory with everything the hub stores; it is made with mode 0700.
	DataDir string
	// BindAddress is the IP address to listen on; default 127.0.0.1.
	BindAddress string
	// Port is the TCP port to listen on. Zero takes the port of the last start on this DataDir if it is
	// free, else one from the kernel.
	Port int
	// CRDs holds the custom resource definitions to serve, in files named *.yaml; nil serves none.
	CRDs fs.FS
	// Policies holds the validating admission policies for these kinds, in files named *.yaml; nil installs none.
	Policies fs.FS
	// Log receives the few lines that matter to the person who started the hub; the zero value discards
	// them. What Kubernetes and etcd log goes to hub.log in DataDir.
	Log logr.Logger
}

// Hub is a running Kubernetes API. Its methods may be called from any goroutine.
type Hub struct {
	config  Config
	dir     *dataDir
	logs    *logFile
	store   *store
	api     *apiServer
	stop    context.CancelFunc
	workers sync.WaitGroup

	failOnce  sync.Once
	closeOnce sync.Once
	done      chan struct{}
	err       error
	closing   atomic.Bool
}

// Start starts a hub and returns when /readyz is ok and every custom resource definition is served. The
// context bounds the start only: a started hub runs until Close. The error is one sentence that names the
// data directory and says what to do.
func Start(ctx context.Context, c Config) (*Hub, error) {
	if !running.CompareAndSwap(false, true) {
		return nil, ErrAlreadyRunning
	}
	if c.BindAddress == "" {
		c.BindAddress = "127.0.0.1"
	}
	if net.ParseIP(c.BindAddress) == nil {
		running.Store(false)
		return nil, fmt.Errorf("the hub cannot listen on %q: it is not an IP address", c.BindAddress)
	}
	h := &Hub{config: c, done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	began := time.Now()
	if err := h.start(ctx); err != nil {
		h.shutdown()
		return nil, err
	}
	c.Log.Info("hub is ready", "url", h.URL(), "dataDir", c.DataDir, "after", time.Since(began).Round(time.Millisecond).String())
	return h, nil
}

// start brings up the parts in the order in which they need each other. What it has brought up when it
// fails is taken down by shutdown.
func (h *Hub) start(ctx context.Context) error {
	var err error
	if h.dir, err = openDataDir(h.config.DataDir); err != nil {
		return err
	}
	h.config.DataDir = h.dir.root
	if h.logs, err = openLogFile(h.dir.path("hub.log")); err != nil {
		return fmt.Errorf("the hub cannot write its log in %s: %w", h.config.DataDir, err)
	}
	redirectLibraryLogs(h.logs)

	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stop = stop
	names := servingNames(h.config.BindAddress)
	if err = ensurePKI(h.dir, names, time.Now()); err != nil {
		return fmt.Errorf("the hub cannot prepare its certificates in %s: %w", h.dir.path("pki"), err)
	}
	listener, err := h.listen()
	if err != nil {
		return err
	}
	if h.store, err = startStore(ctx, h.dir, h.logs, h.fail); err != nil {
		listener.Close()
		return err
	}
	if h.api, err = startAPIServer(runCtx, apiServerConfig{
		dir: h.dir, listener: listener, etcdEndpoint: h.store.endpoint, stopped: h.fail,
	}); err != nil {
		listener.Close()
		return fmt.Errorf("the hub cannot start its API: %w", err)
	}
	if err = h.prepare(ctx, runCtx); err != nil {
		return h.explain(err)
	}
	h.workers.Go(func() { h.renewCertificates(runCtx, names) })
	return nil
}

// prepare waits for the API and puts into it what every hub has.
func (h *Hub) prepare(ctx, runCtx context.Context) error {
	// A start whose API server or etcd has died must not wait for the time limit.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-h.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := h.api.waitReady(ctx); err != nil {
		return err
	}
	// The API server reads policies once a second; the kinds are installed meanwhile.
	fresh, err := installPolicies(ctx, h.api.adminConfig(), h.config.Policies)
	if err != nil {
		return err
	}
	groups, err := installCRDs(ctx, h.api.adminConfig(), h.config.CRDs)
	if err != nil {
		return err
	}
	if err := installBasics(ctx, h.api.adminConfig(), groups); err != nil {
		return err
	}
	if fresh {
		if err := waitEnforced(ctx, h.api.adminConfig()); err != nil {
			return err
		}
	}
	if err := startControllers(runCtx, h.api.adminConfig(), &h.workers); err != nil {
		return err
	}
	return h.writeAdminKubeconfig()
}

// explain prefers the reason why the hub died to the error that this death caused in the start.
func (h *Hub) explain(err error) error {
	select {
	case <-h.done:
		return h.err
	default:
		return err
	}
}

// AdminConfig returns a client configuration with every right, for the controllers of this process. It is
// valid until Close and has no client-side rate limit.
func (h *Hub) AdminConfig() *rest.Config { return h.api.adminConfig() }

// URL returns the address that clients on this machine use, as https://host:port.
func (h *Hub) URL() string { return "https://" + h.dir.clientAddress() }

// Kubeconfig returns a kubeconfig file for a user, with a new client certificate in it. See IssueKubeconfig.
func (h *Hub) Kubeconfig(u User) ([]byte, error) { return IssueKubeconfig(h.config.DataDir, u) }

// Done returns a channel that is closed when the hub has stopped: after Close, or because its API or its
// storage died.
func (h *Hub) Done() <-chan struct{} { return h.done }

// Err returns why the hub stopped by itself, and nil while it runs or when Close has stopped it.
func (h *Hub) Err() error {
	select {
	case <-h.done:
		return h.err
	default:
		return nil
	}
}

// Close stops the hub in less than 3 s, also while clients watch, and returns when its files are closed and
// another process may use the data directory. Closing twice is harmless.
func (h *Hub) Close() error {
	h.shutdown()
	return nil
}

// fail records why the hub died. Only the first reason counts: the others follow from it.
func (h *Hub) fail(err error) {
	if h.closing.Load() {
		return
	}
	h.failOnce.Do(func() {
		h.err = err
		close(h.done)
	})
}

func (h *Hub) shutdown() {
	h.closeOnce.Do(func() {
		h.closing.Store(true)
		if h.stop != nil {
			h.stop()
		}
		h.waitForAPI()
		if h.store != nil {
			h.store.close()
		}
		if h.logs != nil {
			h.logs.Close()
		}
		if h.dir != nil {
			h.dir.unlock()
		}
		h.failOnce.Do(func() { close(h.done) })
		running.Store(false)
	})
}

// waitForAPI returns when the controllers and the API server have ended. Without its storage the API server
// retries for up to 60 s, and is left behind.
func (h *Hub) waitForAPI() {
	if h.api == nil {
		return
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.workers.Wait()
		<-h.api.finished
	}()
	select {
	case <-ended:
	case <-time.After(apiCloseTimeout):
	}
	h.api.listener.closeAll()
}

// renewCertificates keeps a hub that runs for more than a year reachable: the API server reloads the files.
func (h *Hub) renewCertificates(ctx context.Context, names []string) {
	ticker := time.NewTicker(renewInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			err := ensurePKI(h.dir, names, now)
			if err == nil {
				err = h.writeAdminKubeconfig()
			}
			if err != nil {
				h.config.Log.Error(err, "the hub cannot renew its certificates", "dataDir", h.config.DataDir)
			}
		}
	}
}
