// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/http"
	"slices"

	"sengu.dev/sengu/internal/lab/fleet"
	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/internal/labapi"
)

// maxSkew is how many minors a kubelet may be older than its API server.
const maxSkew = 3

// refuse makes the error that the client of the management API gets.
func refuse(status int, code, format string, arguments ...any) *labapi.Error {
	return &labapi.Error{Status: status, Code: code, Message: fmt.Sprintf(format, arguments...)}
}

func (c *cluster) upgrade(r labapi.UpgradeRequest) (labapi.Operation, error) {
	return c.begin(labapi.Operation{
		Kind: labapi.OperationUpgrade, RequestKey: r.RequestKey, Target: labapi.OperationTarget{Version: r.Version},
	})
}

func (c *cluster) addNode(pool string, r labapi.NodeRequest) (labapi.Operation, error) {
	return c.begin(labapi.Operation{
		Kind: labapi.OperationAddNode, RequestKey: r.RequestKey,
		Target: labapi.OperationTarget{Pool: pool, Version: r.Version, Image: r.Image},
	})
}

func (c *cluster) replaceNode(node string, r labapi.NodeRequest) (labapi.Operation, error) {
	return c.begin(labapi.Operation{
		Kind: labapi.OperationReplaceNode, RequestKey: r.RequestKey,
		Target: labapi.OperationTarget{Node: node, Version: r.Version, Image: r.Image},
	})
}

func (c *cluster) removeNode(node, requestKey string) (labapi.Operation, error) {
	return c.begin(labapi.Operation{
		Kind: labapi.OperationRemoveNode, RequestKey: requestKey, Target: labapi.OperationTarget{Node: node},
	})
}

// begin starts an operation, or finds the one that the same request has started before. The key comes first: a
// repeated request gets its operation also when it would be refused today.
func (c *cluster) begin(asked labapi.Operation) (labapi.Operation, error) {
	asked.Cluster = c.name
	if asked.RequestKey == "" {
		return asked, refuse(http.StatusBadRequest, labapi.CodeBadRequest, "The request has no requestKey: choose one, and repeat it with the request.")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.operations.of(c.name, func(op labapi.Operation) bool { return op.RequestKey == asked.RequestKey })
	if len(known) > 0 {
		if !sameRequest(known[0], asked) {
			return asked, refuse(http.StatusConflict, labapi.CodeRequestKeyReused,
				"The request key %q belongs to another request: choose a new one.", asked.RequestKey)
		}
		return known[0], nil
	}
	if c.lifetime.Err() != nil {
		return asked, refuse(http.StatusNotFound, labapi.CodeClusterNotFound, "The cluster %s is being stopped or deleted.", c.name)
	}
	if err := c.collide(asked); err != nil {
		return asked, err
	}
	if err := c.check(&asked); err != nil {
		return asked, err
	}
	op, err := c.operations.add(asked)
	if err != nil {
		return op, err
	}
	if op.Kind == labapi.OperationUpgrade {
		c.busy = op.ID
	}
	c.work.Go(func() { c.carryOut(op) })
	return op, nil
}

// sameRequest compares what was asked for; the pool of a node was found by the lab.
func sameRequest(known, asked labapi.Operation) bool {
	if asked.Target.Pool == "" {
		asked.Target.Pool = known.Target.Pool
	}
	return known.Kind == asked.Kind && known.Target == asked.Target
}

// collide refuses what cannot run beside an operation that is under way: anything beside an upgrade of the control
// plane, and a second operation on the same node. c.mu is held.
func (c *cluster) collide(asked labapi.Operation) error {
	for _, op := range c.operations.running(c.name) {
		sameNode := asked.Target.Node != "" && asked.Target.Node == op.Target.Node
		if op.Kind != labapi.OperationUpgrade && asked.Kind != labapi.OperationUpgrade && !sameNode {
			continue
		}
		refusal := refuse(http.StatusConflict, labapi.CodeOperationInProgress,
			"The operation %s (%s) is under way on cluster %s: wait for its end.", op.ID, op.Kind, c.name)
		refusal.OperationID = op.ID
		return refusal
	}
	return nil
}

// check refuses what makes no sense and fills in the pool of a node. c.mu is held.
func (c *cluster) check(asked *labapi.Operation) error {
	target := &asked.Target
	if asked.Kind == labapi.OperationUpgrade {
		return c.checkUpgrade(target.Version)
	}
	if c.status != labapi.Running {
		return refuse(http.StatusServiceUnavailable, labapi.CodeControlPlaneDown,
			"The control plane of %s is %s: nodes can be changed when it runs.", c.name, c.status)
	}
	if target.Node != "" {
		pool, _, ok := c.state.poolOf(target.Node)
		if !ok {
			return c.noNode(target.Node)
		}
		target.Pool = pool
	}
	pool, ok := c.pool(target.Pool)
	if !ok {
		return c.noPool(target.Pool)
	}
	return c.checkNode(pool, *target)
}

func (c *cluster) noPool(name string) error {
	return refuse(http.StatusNotFound, labapi.CodeNodePoolNotFound, "The cluster %s has no node pool %q.", c.name, name)
}

func (c *cluster) noNode(name string) error {
	return refuse(http.StatusNotFound, labapi.CodeNodeNotFound, "The cluster %s has no node %q.", c.name, name)
}

func (c *cluster) checkUpgrade(version string) error {
	if err := c.checkOffered(version); err != nil {
		return err
	}
	from, _ := release.ParseVersion(c.state.Version)
	to, _ := release.ParseVersion(version)
	switch {
	case release.Compare(version, c.state.Version) < 0:
		return refuse(http.StatusBadRequest, labapi.CodeDowngrade, "The control plane is on %s and does not go back to %s.", c.state.Version, version)
	case to.Minor > from.Minor+1:
		return refuse(http.StatusBadRequest, labapi.CodeSkippedMinor,
			"A control plane moves one minor at a time: from %s go to a 1.%d first.", c.state.Version, from.Minor+1)
	}
	for name, pool := range c.state.Pools {
		for _, node := range pool.Nodes {
			if err := checkSkew(node.Version, version); err != nil {
				return refuse(http.StatusBadRequest, labapi.CodeSkewViolation, "Node %s of pool %s: %v.", node.Name, name, err)
			}
		}
	}
	return nil
}

// checkNode checks the version and image that were asked for; what was left open is the pool's own.
func (c *cluster) checkNode(pool fleet.NodePool, target labapi.OperationTarget) error {
	if target.Version != "" {
		if err := c.checkOffered(target.Version); err != nil {
			return err
		}
		if err := checkSkew(target.Version, c.state.Version); err != nil {
			return refuse(http.StatusBadRequest, labapi.CodeSkewViolation, "Pool %s: %v.", pool.Name, err)
		}
	}
	if target.Image != "" && !slices.Contains(c.images(), target.Image) {
		return refuse(http.StatusBadRequest, labapi.CodeUnknownImage, "The node image %q is not offered to cluster %s.", target.Image, c.name)
	}
	return nil
}

func (c *cluster) checkOffered(version string) error {
	for _, r := range c.catalog() {
		if r.Version == version {
			return nil
		}
	}
	return refuse(http.StatusBadRequest, labapi.CodeUnknownVersion, "The version %q is not offered to cluster %s.", version, c.name)
}

// checkSkew says why a node of a version may not be in a cluster of another.
func checkSkew(node, controlPlane string) error {
	n, _ := release.ParseVersion(node)
	p, _ := release.ParseVersion(controlPlane)
	if release.Compare(node, controlPlane) > 0 {
		return fmt.Errorf("a node of %s is newer than its control plane of %s", node, controlPlane)
	}
	if p.Minor-n.Minor > maxSkew {
		return fmt.Errorf("a node of %s is more than %d minors older than its control plane of %s", node, maxSkew, controlPlane)
	}
	return nil
}

// setTarget sets what new nodes of a pool get.
func (c *cluster) setTarget(name string, t labapi.PoolTarget) (labapi.NodePool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pool, ok := c.pool(name)
	if !ok {
		return labapi.NodePool{}, c.noPool(name)
	}
	if err := c.collide(labapi.Operation{}); err != nil {
		return labapi.NodePool{}, err
	}
	if err := c.checkNode(pool, labapi.OperationTarget{Version: t.Version, Image: t.Image}); err != nil {
		return labapi.NodePool{}, err
	}
	kept := c.state.Pools[name]
	if t.Version != "" {
		kept.Version = t.Version
	}
	if t.Image != "" {
		kept.Image = t.Image
	}
	return c.describePool(pool), c.save()
}

// versions are what the cluster is offered.
func (c *cluster) versions() labapi.Versions {
	offered := labapi.Versions{Images: c.images()}
	for _, r := range c.catalog() {
		offered.Kubernetes = append(offered.Kubernetes, labapi.KubernetesVersion{
			Version: r.Version, SupportEnds: r.SupportEnds(), Genuine: r.Genuine(),
		})
	}
	return offered
}

// images are the lab's and those that the fleet file names beside them, which count as the oldest.
func (c *cluster) images() []string {
	images := release.Images()
	for _, pool := range c.definition.NodePools {
		if pool.Image != "" && !slices.Contains(images, pool.Image) {
			images = slices.Insert(images, 0, pool.Image)
		}
	}
	return images
}
