// SPDX-License-Identifier: Apache-2.0

// Package lab runs real Kubernetes control planes as processes on this machine: etcd, API server, controller manager
// and scheduler of each cluster, with KWOK in the place of the kubelets.
//
// It also plays the cloud around them: a management API (see labapi) with operations, request keys and faults on
// demand. Everything listens on loopback, lives in one directory, and is gone when the lab is.
package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sengu.dev/sengu/internal/lab/fleet"
	"sengu.dev/sengu/internal/lab/pki"
	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/internal/labapi"
)

// Config says what to start.
type Config struct {
	// Dir holds everything of the lab, secrets included; it is made if it is missing. One lab a directory.
	Dir string
	// Fleet is the content of a fleet file; nil: the default fleet. Clusters that the directory already holds are
	// continued as they are, whatever the file says of them.
	Fleet []byte
	// Binary is the path of the sengu-lab program, which is also the program of all children.
	Binary string
	// Log gets a line for each step; nil: nothing.
	Log io.Writer
	// Cache is the folder of genuine releases; empty: release.CacheDir.
	Cache string
}

// Lab is a running lab.
type Lab struct {
	config     Config
	token      string
	lock       *os.File
	listener   net.Listener
	server     *http.Server
	operations *operations

	// creating is held while a cluster is created or deleted.
	creating sync.Mutex
	mu       sync.Mutex
	clusters map[string]*cluster

	logging   sync.Mutex
	closeOnce func() error
}

// Start starts a lab and returns when all clusters are up: nodes Ready, workloads ready or told why not. When the
// context is canceled meanwhile, everything is stopped again; afterwards it plays no role.
func Start(ctx context.Context, c Config) (*Lab, error) {
	file, err := prepare(&c)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, clustersDir), 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's directory: %w", err)
	}
	lock, err := acquire(c.Dir, os.Getpid())
	if err != nil {
		return nil, err
	}
	// An earlier lab that was killed has left how to reach it.
	_ = os.Remove(filepath.Join(c.Dir, connectionFile))
	l := &Lab{config: c, lock: lock, clusters: map[string]*cluster{}}
	l.closeOnce = sync.OnceValue(l.close)
	if err := l.start(ctx, file); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Check says what would keep Start from starting a lab, and changes nothing.
func Check(c Config) error {
	if _, err := prepare(&c); err != nil {
		return err
	}
	if held(c.Dir) {
		return anotherLab(c.Dir)
	}
	return nil
}

// prepare fills in the configuration and reads the fleet file. What it refuses has changed nothing.
func prepare(c *Config) (*fleet.File, error) {
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.Fleet == nil {
		c.Fleet = fleet.Default
	}
	file, err := fleet.Parse(c.Fleet)
	if err != nil {
		return nil, fmt.Errorf("read the fleet file: %w", err)
	}
	// Children work in their cluster's directory, so that no path may depend on ours.
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, fmt.Errorf("find the lab's directory: %w", err)
	}
	if c.Binary, err = filepath.Abs(c.Binary); err != nil {
		return nil, fmt.Errorf("find the lab's program: %w", err)
	}
	if c.Cache == "" {
		if c.Cache, err = release.CacheDir(); err != nil {
			return nil, err
		}
	}
	if err := usable(c.Dir); err != nil {
		return nil, err
	}
	return file, c.checkVersions(file)
}

// checkVersions refuses a fleet with a cluster that cannot start, before any does. Clusters that the directory holds
// are not what the file says of them.
func (c *Config) checkVersions(file *fleet.File) error {
	catalog := release.Catalog(c.Cache)
	for i, definition := range file.Clusters {
		if _, _, kept, err := loadCluster(filepath.Join(c.Dir, clustersDir, definition.Name)); err != nil || kept {
			continue // an error comes again, with all that belongs to it, when the cluster is started
		}
		if refusal := checkVersions(definition, catalog); refusal != nil {
			problem := "cluster " + definition.Name + ": " + strings.TrimSuffix(refusal.Message, ".")
			return fmt.Errorf("read the fleet file: %w", &fleet.FieldError{Field: fmt.Sprintf("clusters[%d]", i), Problem: problem})
		}
	}
	return nil
}

func (l *Lab) start(ctx context.Context, file *fleet.File) error {
	if err := sweep(l.config.Dir); err != nil {
		return err
	}
	var err error
	if l.operations, err = loadOperations(filepath.Join(l.config.Dir, operationsFile)); err != nil {
		return err
	}
	if l.token, err = pki.NewToken(); err != nil {
		return err
	}
	if l.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return fmt.Errorf("listen for the management API: %w", err)
	}
	definitions, err := l.withKept(file.Clusters)
	if err != nil {
		return err
	}
	if err := l.startAll(ctx, definitions); err != nil {
		return err
	}
	l.server = &http.Server{Handler: l.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = l.server.Serve(l.listener) }() // ends with Close
	return saveJSON(filepath.Join(l.config.Dir, connectionFile), Connection{Endpoint: l.Endpoint(), Token: l.token, PID: os.Getpid()})
}

// Endpoint is the URL of the management API.
func (l *Lab) Endpoint() string { return "http://" + l.listener.Addr().String() }

// Token is what the management API asks for. It is secret.
func (l *Lab) Token() string { return l.token }

// Dir is the directory that holds everything of the lab.
func (l *Lab) Dir() string { return l.config.Dir }

// Client returns a client of the management API.
func (l *Lab) Client() *labapi.Client { return labapi.NewClient(l.Endpoint(), l.token) }

// Clusters lists the names of the clusters.
func (l *Lab) Clusters() []string {
	var names []string
	for _, c := range l.all() {
		names = append(names, c.name)
	}
	return names
}

// Kubeconfig returns an administrator's kubeconfig of a cluster; nil when the lab has no such cluster. It is secret.
func (l *Lab) Kubeconfig(name string) []byte {
	c, ok := l.find(name)
	if !ok {
		return nil
	}
	content, err := c.kubeconfig()
	if err != nil {
		return nil
	}
	return content
}

// Close stops everything that runs and keeps the data, so that a lab of the same directory goes on with it. Closing
// again does nothing.
func (l *Lab) Close() error { return l.closeOnce() }

func (l *Lab) close() error {
	if l.server != nil {
		_ = l.server.Close()
	} else if l.listener != nil {
		_ = l.listener.Close()
	}
	l.creating.Lock()
	defer l.creating.Unlock()
	var group sync.WaitGroup
	for _, c := range l.all() {
		group.Go(c.stopAll)
	}
	group.Wait()
	for _, file := range []string{connectionFile, recordFile} {
		_ = os.Remove(filepath.Join(l.config.Dir, file))
	}
	if err := l.lock.Close(); err != nil {
		return fmt.Errorf("give the lab's directory back: %w", err)
	}
	return nil
}

func (l *Lab) find(name string) (*cluster, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.clusters[name]
	return c, ok
}

// all clusters by name.
func (l *Lab) all() []*cluster {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*cluster
	for _, c := range l.clusters {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *cluster) int { return cmp.Compare(a.name, b.name) })
	return all
}

func (l *Lab) say(format string, arguments ...any) {
	l.logging.Lock()
	defer l.logging.Unlock()
	line := fmt.Sprintf(format, arguments...)
	fmt.Fprintln(l.config.Log, strings.TrimSuffix(line, "\n"))
}
