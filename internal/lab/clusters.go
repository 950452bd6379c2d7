// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sengu.dev/sengu/internal/lab/fleet"
	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/internal/labapi"
)

// withKept adds the clusters that the directory holds and the file does not name: they were created by hand.
func (l *Lab) withKept(definitions []fleet.Cluster) ([]fleet.Cluster, error) {
	folders, err := os.ReadDir(filepath.Join(l.config.Dir, clustersDir))
	if err != nil {
		return nil, fmt.Errorf("read the lab's directory: %w", err)
	}
	for _, folder := range folders {
		kept, _, ok, err := loadCluster(filepath.Join(l.config.Dir, clustersDir, folder.Name()))
		if err != nil {
			return nil, err
		}
		if ok && !slices.ContainsFunc(definitions, func(d fleet.Cluster) bool { return d.Name == kept.Name }) {
			definitions = append(definitions, kept)
		}
	}
	return definitions, nil
}

// startAll starts clusters side by side, but no more at a time than there are cores: starting is mostly computing.
func (l *Lab) startAll(ctx context.Context, definitions []fleet.Cluster) error {
	var done sync.Mutex
	count := 0
	group, together := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for _, definition := range definitions {
		group.Go(func() error {
			if together.Err() != nil {
				return together.Err()
			}
			if _, err := l.startCluster(together, definition); err != nil {
				return err
			}
			done.Lock()
			defer done.Unlock()
			count++
			l.say("%s is up (%d/%d)", definition.Name, count, len(definitions))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// startCluster starts one cluster, new or kept.
func (l *Lab) startCluster(ctx context.Context, definition fleet.Cluster) (*cluster, error) {
	c, err := newCluster(filepath.Join(l.config.Dir, clustersDir, definition.Name), definition, surroundings{
		binary: l.config.Binary, record: filepath.Join(l.config.Dir, recordFile), operations: l.operations,
		catalog: func() []release.Release { return release.Catalog(l.config.Cache) }, say: l.say,
	})
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.end)
	defer stop()
	began := time.Now()
	l.say("starting %s: Kubernetes %s", c.name, c.state.Version)
	if err := c.open(ctx); err != nil {
		c.stopAll()
		return nil, fmt.Errorf("cluster %s: %w", c.name, err)
	}
	if c.interrupted() {
		l.say("starting %s: going on with the upgrade that was interrupted", c.name)
	} else {
		l.say("starting %s: API server ready after %.1f s", c.name, time.Since(began).Seconds())
	}
	if err := c.settle(); err != nil {
		c.stopAll()
		return nil, errors.Join(ctx.Err(), fmt.Errorf("cluster %s: %w", c.name, err))
	}
	c.resume()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clusters[c.name] = c
	return c, nil
}

// create adds a cluster to the running lab.
func (l *Lab) create(ctx context.Context, definition fleet.Cluster) (*cluster, error) {
	l.creating.Lock()
	defer l.creating.Unlock()
	if _, ok := l.find(definition.Name); ok {
		return nil, refuse(http.StatusConflict, labapi.CodeClusterExists, "The lab already has a cluster %s.", definition.Name)
	}
	if refusal := checkVersions(definition, release.Catalog(l.config.Cache)); refusal != nil {
		return nil, refusal
	}
	c, err := l.startCluster(ctx, definition)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(filepath.Join(l.config.Dir, clustersDir, definition.Name)))
	}
	return c, nil
}

// remove stops a cluster and deletes its data.
func (l *Lab) remove(name string) error {
	l.creating.Lock()
	defer l.creating.Unlock()
	c, ok := l.find(name)
	if !ok {
		return noCluster(name)
	}
	c.stopAll()
	l.mu.Lock()
	delete(l.clusters, name)
	l.mu.Unlock()
	if err := l.operations.cancel(name); err != nil {
		return err
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("remove the cluster's data: %w", err)
	}
	return nil
}
