// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"sengu.dev/sengu/internal/lab/fleet"
	"sengu.dev/sengu/internal/lab/pki"
	"sengu.dev/sengu/internal/lab/proxy"
	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/internal/labapi"
)

// surroundings are what all clusters of a lab share.
type surroundings struct {
	binary     string
	record     string // of the children
	operations *operations
	catalog    func() []release.Release
	say        func(format string, arguments ...any)
}

// cluster is one cluster: its processes, its machines and the operations on them.
type cluster struct {
	surroundings
	name, dir  string
	definition fleet.Cluster

	plane  *controlPlane
	proxy  *proxy.Proxy
	server string // of the proxy, host:port
	faults faults
	client kubernetes.Interface

	lifetime context.Context
	end      context.CancelFunc
	work     sync.WaitGroup // operations and watches under way

	mu      sync.Mutex
	state   state
	status  labapi.ControlPlaneState
	problem string
	busy    string
	ready   map[string]bool
	dying   map[string]bool
	// unwatch ends the watch on the control plane that runs now.
	unwatch context.CancelFunc
}

// newCluster prepares a cluster, new or as an earlier lab left it.
func newCluster(dir string, definition fleet.Cluster, s surroundings) (*cluster, error) {
	c := &cluster{
		surroundings: s, name: definition.Name, dir: dir, definition: definition,
		status: labapi.Stopped, ready: map[string]bool{}, dying: map[string]bool{}, unwatch: func() {},
	}
	kept, state, isKept, err := loadCluster(dir)
	if err != nil {
		return nil, err
	}
	version := definition.Version
	if isKept {
		c.definition, c.state, version = kept, state, state.Version
	}
	if _, ok := release.Find(c.catalog(), version); !ok {
		return nil, fmt.Errorf("cluster %s: its version %s is no longer there: make it again with sengu-lab build %[2]s", c.name, version)
	}
	if !isKept {
		if err := c.invent(); err != nil {
			return nil, err
		}
	}
	c.lifetime, c.end = context.WithCancel(context.Background())
	return c, nil
}

// invent makes the first state of a cluster from its definition, whose versions were checked: versions, pools, and
// the machines to be.
func (c *cluster) invent() error {
	c.state = state{Version: c.definition.Version, Pools: map[string]*poolState{}}
	if r, ok := release.Find(c.catalog(), c.definition.Version); ok {
		c.state.Version = r.Version
	}
	for _, pool := range c.definition.NodePools {
		p := &poolState{Version: c.state.Version, Image: pool.Image}
		if p.Image == "" {
			p.Image = release.Images()[0]
		}
		if r, ok := release.Find(c.catalog(), pool.Version); ok {
			p.Version = r.Version
		}
		c.state.Pools[pool.Name] = p
		for range pool.Count {
			p.Nodes = append(p.Nodes, c.inventNode(pool, c.nextName(pool.Name), p.Version, p.Image))
		}
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("make the cluster's directory: %w", err)
	}
	if err := saveDefinition(c.dir, c.definition); err != nil {
		return err
	}
	return c.save()
}

// open starts the storage, the proxy and the control plane; c.stopAll undoes it.
func (c *cluster) open(ctx context.Context) error {
	plane, err := newControlPlane(c.dir, c.binary, c.record)
	if err != nil {
		return err
	}
	c.plane = plane
	if err := c.openProxy(); err != nil {
		return err
	}
	c.client, err = kubernetes.NewForConfig(&rest.Config{
		Host: "https://" + plane.address(), BearerToken: plane.tokens[pki.Lab], QPS: 200, Burst: 400,
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(c.dir, pki.CAFile)},
	})
	if err != nil {
		return fmt.Errorf("make a client of the cluster: %w", err)
	}
	if err := plane.startStorage(ctx); err != nil {
		return err
	}
	if c.interrupted() {
		return nil // the upgrade that was under way goes on and starts the control plane itself
	}
	r, _ := release.Find(c.catalog(), c.state.Version)
	if err := plane.start(ctx, r); err != nil {
		return err
	}
	c.serve()
	return nil
}

// interrupted says whether an earlier lab was stopped in an upgrade of this cluster.
func (c *cluster) interrupted() bool {
	return slices.ContainsFunc(c.operations.running(c.name), func(op labapi.Operation) bool { return op.Kind == labapi.OperationUpgrade })
}

func (c *cluster) openProxy() error {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(c.dir, pki.CertificateFile), filepath.Join(c.dir, pki.KeyFile))
	if err != nil {
		return fmt.Errorf("read the server's certificate: %w", err)
	}
	trusted, err := roots(c.dir)
	if err != nil {
		return err
	}
	listener, err := listenAgain(c.state.Port)
	if err != nil {
		return err
	}
	c.proxy = proxy.Start(proxy.Config{
		Listener: listener, Certificate: certificate, Roots: trusted, Backend: c.plane.address(), Failing: c.faults.failing,
	})
	c.faults.proxy = c.proxy
	c.server = listener.Addr().String()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Port = listener.Addr().(*net.TCPAddr).Port
	return c.save()
}

// serve lets clients in and looks after the control plane that has just started.
func (c *cluster) serve() {
	ctx, cancel := context.WithCancel(c.lifetime)
	c.mu.Lock()
	c.status, c.problem, c.unwatch = labapi.Running, "", cancel
	c.mu.Unlock()
	c.faults.serve(true)
	for _, part := range c.plane.parts() {
		c.work.Go(func() { c.watchPart(ctx, part) })
	}
	c.watchNodes(ctx)
}

// watchPart tells when a process of the control plane ends by itself, until the context ends. Without it a cluster
// whose scheduler was killed for lack of memory would look healthy and place no pod.
func (c *cluster) watchPart(ctx context.Context, p part) {
	select {
	case <-ctx.Done():
	case <-p.Done():
		if ctx.Err() == nil { // else it was told to end
			c.fail(fmt.Sprintf("%s ended by itself (%v): %s", p.name, p.Err(), c.plane.lastWords(p.name)))
		}
	}
}

// unserve cuts clients off before the control plane is stopped.
func (c *cluster) unserve(status labapi.ControlPlaneState) {
	c.mu.Lock()
	c.unwatch()
	c.status, c.problem = status, ""
	c.mu.Unlock()
	c.faults.serve(false)
}

// fail notes that the control plane is down and why.
func (c *cluster) fail(why string) {
	c.faults.serve(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status, c.problem = labapi.Failed, why
	c.say("%s: %s", c.name, why)
}

// stopAll ends all that runs. Operations that were under way stay so on disk and go on with the next lab.
func (c *cluster) stopAll() {
	c.end()
	c.work.Wait()
	if c.proxy != nil {
		c.proxy.Close()
	}
	if c.plane != nil {
		c.plane.close()
	}
}

// describe is the cluster as the management API shows it.
func (c *cluster) describe() labapi.Cluster {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := release.Release{Version: c.state.Version}
	described := labapi.Cluster{
		Name: c.name, Region: c.definition.Region, Labels: c.definition.Labels, Server: "https://" + c.server, BusyWith: c.busy,
		ControlPlane: labapi.ControlPlane{Version: c.state.Version, State: c.status, Message: c.problem, SupportEnds: r.SupportEnds()},
	}
	for _, pool := range c.definition.NodePools {
		described.NodePools = append(described.NodePools, c.describePool(pool))
	}
	return described
}

// describePool describes one pool. c.mu is held.
func (c *cluster) describePool(pool fleet.NodePool) labapi.NodePool {
	kept := c.state.Pools[pool.Name]
	described := labapi.NodePool{
		Name: pool.Name, Mode: pool.Mode, Version: kept.Version, Image: kept.Image, Desired: pool.Count,
		Nodes: slices.Clone(kept.Nodes),
	}
	for i := range described.Nodes {
		described.Nodes[i].Ready = c.ready[described.Nodes[i].Name]
	}
	return described
}

// kubeconfig is an administrator's, through the proxy.
func (c *cluster) kubeconfig() ([]byte, error) { return c.plane.kubeconfig(pki.Admin, c.server) }

// save writes the state. c.mu is held, or nobody else knows the cluster yet.
func (c *cluster) save() error { return saveJSON(filepath.Join(c.dir, stateFile), c.state) }

// pool finds a pool of the definition.
func (c *cluster) pool(name string) (fleet.NodePool, bool) {
	for _, pool := range c.definition.NodePools {
		if pool.Name == name {
			return pool, true
		}
	}
	return fleet.NodePool{}, false
}

// patience with the cluster's API, which is on this machine and up, and with whatever pods and nodes take to start.
const patience = 30 * time.Second

// until calls try until it succeeds, the cluster is closed or the patience is over; it returns the last error. What
// the API server calls invalid stays so and is not tried again.
func (c *cluster) until(try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(c.lifetime, patience)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}
