// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"context"
	"net/http"
	"testing"

	"sengu.dev/sengu/internal/labapi"
)

// requests to the management API that are repeated, collide, or make no sense. The cluster is on 1.34.0.
func requests(t *testing.T, w world) {
	story(t, w, "what makes no sense is refused and changes nothing", senselessIsRefused)
	story(t, w, "a repeated request is the same operation", requestKeys)
	story(t, w, "an upgrade keeps the cluster busy", busyWhileUpgrading)
	story(t, w, "operations on different nodes run side by side", nodesSideBySide)
	story(t, w, "a patch upgrade within a minor", patchUpgrade)
	story(t, w, "a control plane does not leave its nodes more than three minors behind", skewIsKept)
}

func senselessIsRefused(w world) {
	before := w.describe()
	node := before.NodePools[0].Nodes[0].Name
	ctx := w.Context()
	upgrade := func(version string) func() error {
		return func() error {
			_, err := w.cloud.Upgrade(ctx, w.name, labapi.UpgradeRequest{RequestKey: "no", Version: version})
			return err
		}
	}
	add := func(pool string, r labapi.NodeRequest) func() error {
		return func() error { _, err := w.cloud.AddNode(ctx, w.name, pool, r); return err }
	}
	replace := func(node string, r labapi.NodeRequest) func() error {
		return func() error { _, err := w.cloud.ReplaceNode(ctx, w.name, node, r); return err }
	}
	inject := func(fault labapi.Fault) func() error {
		return func() error { return w.cloud.SetFaults(ctx, w.name, fault) }
	}
	for name, c := range map[string]struct {
		do         func() error
		wantStatus int
		wantCode   string
	}{
		"a minor is skipped":                   {upgrade("1.36.0"), http.StatusBadRequest, labapi.CodeSkippedMinor},
		"an unknown version":                   {upgrade("1.35.99"), http.StatusBadRequest, labapi.CodeUnknownVersion},
		"a minor is no version":                {upgrade("1.35"), http.StatusBadRequest, labapi.CodeUnknownVersion},
		"a node newer than its control plane":  {add("user", labapi.NodeRequest{RequestKey: "no", Version: "1.35.0"}), http.StatusBadRequest, labapi.CodeSkewViolation},
		"a replacement newer than its cluster": {replace(node, labapi.NodeRequest{RequestKey: "no", Version: "1.35.0"}), http.StatusBadRequest, labapi.CodeSkewViolation},
		"an unknown image":                     {add("user", labapi.NodeRequest{RequestKey: "no", Image: "gone"}), http.StatusBadRequest, labapi.CodeUnknownImage},
		"an unknown pool":                      {add("nope", labapi.NodeRequest{RequestKey: "no"}), http.StatusNotFound, labapi.CodeNodePoolNotFound},
		"an unknown node":                      {replace("nope", labapi.NodeRequest{RequestKey: "no"}), http.StatusNotFound, labapi.CodeNodeNotFound},
		"no request key":                       {replace(node, labapi.NodeRequest{}), http.StatusBadRequest, labapi.CodeBadRequest},
		"an unknown fault":                     {inject(labapi.Fault{Kind: "flood"}), http.StatusBadRequest, labapi.CodeBadRequest},
		"an api fault that is no 5xx":          {inject(labapi.Fault{Kind: labapi.FaultAPIErrors, Code: "404"}), http.StatusBadRequest, labapi.CodeBadRequest},
		"a fault of an unknown pool":           {inject(labapi.Fault{Kind: labapi.FaultNodeDies, Pool: "nope"}), http.StatusNotFound, labapi.CodeNodePoolNotFound},
		"a fault of an unknown node":           {inject(labapi.Fault{Kind: labapi.FaultNodeDies, Node: "nope"}), http.StatusNotFound, labapi.CodeNodeNotFound},
		"a fault of a node in another pool":    {inject(labapi.Fault{Kind: labapi.FaultNodeDies, Node: node, Pool: "other"}), http.StatusBadRequest, labapi.CodeBadRequest},
		"a fault of an unknown operation":      {inject(labapi.Fault{Kind: labapi.FaultOperationFails, Code: "No", Operation: "Fly"}), http.StatusBadRequest, labapi.CodeBadRequest},
		"a failing upgrade of a pool":          {inject(labapi.Fault{Kind: labapi.FaultOperationFails, Code: "No", Operation: labapi.OperationUpgrade, Pool: "user"}), http.StatusBadRequest, labapi.CodeBadRequest},
		"a fault with what it does not know":   {inject(labapi.Fault{Kind: labapi.FaultAPIHangs, Times: 2}), http.StatusBadRequest, labapi.CodeBadRequest},
		"an unknown operation":                 {func() error { _, err := w.cloud.Operation(ctx, "op-999"); return err }, http.StatusNotFound, labapi.CodeOperationNotFound},
		"an unknown cluster":                   {func() error { _, err := w.cloud.Cluster(ctx, "nope"); return err }, http.StatusNotFound, labapi.CodeClusterNotFound},
		"a cluster that exists": {func() error {
			return create(ctx, w, "{name: requests, version: '1.36', nodePools: [{name: a, count: 1}]}")
		}, http.StatusConflict, labapi.CodeClusterExists},
		"a cluster of an unknown version": {func() error { return create(ctx, w, "{name: new, version: '1.12', nodePools: [{name: a, count: 1}]}") }, http.StatusBadRequest, labapi.CodeUnknownVersion},
		"a cluster with nodes newer than itself": {func() error {
			return create(ctx, w, "{name: new, version: '1.36', nodePools: [{name: a, count: 1, version: '1.37'}]}")
		}, http.StatusBadRequest, labapi.CodeSkewViolation},
		"a cluster with a field that is not known": {func() error { return create(ctx, w, "{name: new, size: 3}") }, http.StatusBadRequest, labapi.CodeBadRequest},
		"a pool target newer than its cluster": {func() error {
			_, err := w.cloud.SetTarget(ctx, w.name, "user", labapi.PoolTarget{Version: "1.37.2"})
			return err
		}, http.StatusBadRequest, labapi.CodeSkewViolation},
		"a wrong token": {func() error {
			wrong := labapi.NewClient(w.endpoint, "wrong")
			_, err := wrong.Clusters(ctx)
			return err
		}, http.StatusUnauthorized, labapi.CodeUnauthorized},
	} {
		w.Run(name, func(t *testing.T) { refused(t, c.do(), c.wantStatus, c.wantCode) })
	}
	if after := w.describe(); after.ControlPlane != before.ControlPlane || len(after.NodePools[0].Nodes) != len(before.NodePools[0].Nodes) {
		w.Errorf("the cluster changed from %+v to %+v", before, after)
	}
	if left, err := w.cloud.Faults(ctx, w.name); err != nil || len(left) != 0 {
		w.Errorf("the refusals left faults: %v, %v", left, err)
	}
	if operations, err := w.cloud.Operations(ctx, w.name); err != nil || len(operations) != 0 {
		w.Errorf("the refusals left operations: %v, %v", operations, err)
	}
}

func create(ctx context.Context, w world, definition string) error {
	_, err := w.cloud.CreateCluster(ctx, []byte(definition))
	return err
}

func requestKeys(w world) {
	ctx := w.Context()
	request := labapi.NodeRequest{RequestKey: "twice"}
	first := w.succeed(w.cloud.ReplaceNode(ctx, w.name, w.pool("user").Nodes[0].Name, request))
	again, err := w.cloud.ReplaceNode(ctx, w.name, first.Target.Node, request)
	if must(w, again, err).ID != first.ID || again.NewNode != first.NewNode {
		w.Errorf("the repeated request is operation %s, want %s", again.ID, first.ID)
	}
	if got := len(w.pool("user").Nodes); got != 2 {
		w.Errorf("the pool has %d nodes after the repeated request, want 2", got)
	}
	_, err = w.cloud.ReplaceNode(ctx, w.name, w.pool("user").Nodes[0].Name, request)
	refused(w, err, http.StatusConflict, labapi.CodeRequestKeyReused)
	_, err = w.cloud.Upgrade(ctx, w.name, labapi.UpgradeRequest{RequestKey: "twice", Version: "1.35.0"})
	refused(w, err, http.StatusConflict, labapi.CodeRequestKeyReused)
}

func busyWhileUpgrading(w world) {
	ctx := w.Context()
	node := w.pool("user").Nodes[0].Name
	upgrade, err := w.cloud.Upgrade(ctx, w.name, labapi.UpgradeRequest{RequestKey: "to 1.35", Version: "1.35.0"})
	noError(w, err)
	if got := w.describe().BusyWith; got != upgrade.ID {
		w.Errorf("the cluster is busy with %q, want %s", got, upgrade.ID)
	}
	for name, do := range map[string]func() error{
		"another upgrade": func() error {
			_, err := w.cloud.Upgrade(ctx, w.name, labapi.UpgradeRequest{RequestKey: "x", Version: "1.35.0"})
			return err
		},
		"a replacement": func() error {
			_, err := w.cloud.ReplaceNode(ctx, w.name, node, labapi.NodeRequest{RequestKey: "x"})
			return err
		},
		"a pool target": func() error {
			_, err := w.cloud.SetTarget(ctx, w.name, "user", labapi.PoolTarget{Image: "lab-linux-2026.10.1"})
			return err
		},
	} {
		w.Run(name, func(t *testing.T) {
			refusal := refusedBy(t, do(), http.StatusConflict, labapi.CodeOperationInProgress)
			if refusal.OperationID != upgrade.ID {
				t.Errorf("the refusal names operation %q, want %s", refusal.OperationID, upgrade.ID)
			}
		})
	}
	w.succeed(upgrade, nil)
	_, err = w.cloud.Upgrade(ctx, w.name, labapi.UpgradeRequest{RequestKey: "back", Version: "1.34.0"})
	refused(w, err, http.StatusBadRequest, labapi.CodeDowngrade)
}

func nodesSideBySide(w world) {
	ctx := w.Context()
	nodes := w.pool("user").Nodes
	first, err := w.cloud.ReplaceNode(ctx, w.name, nodes[0].Name, labapi.NodeRequest{RequestKey: "side 1"})
	noError(w, err)
	second, err := w.cloud.ReplaceNode(ctx, w.name, nodes[1].Name, labapi.NodeRequest{RequestKey: "side 2"})
	noError(w, err)
	_, err = w.cloud.RemoveNode(ctx, w.name, nodes[0].Name, "same node")
	refused(w, err, http.StatusConflict, labapi.CodeOperationInProgress)
	_, err = w.cloud.Upgrade(ctx, w.name, labapi.UpgradeRequest{RequestKey: "beside nodes", Version: "1.36.0"})
	refused(w, err, http.StatusConflict, labapi.CodeOperationInProgress)
	first, second = w.succeed(first, nil), w.succeed(second, nil)
	if second.StartedAt.After(first.FinishedAt) {
		w.Error("the second replacement began after the end of the first")
	}
}

func patchUpgrade(w world) {
	w.succeed(w.cloud.Upgrade(w.Context(), w.name, labapi.UpgradeRequest{RequestKey: "to 1.36.0", Version: "1.36.0"}))
	w.succeed(w.cloud.Upgrade(w.Context(), w.name, labapi.UpgradeRequest{RequestKey: "to 1.36.1", Version: "1.36.1"}))
	if got := w.describe().ControlPlane.Version; got != "1.36.1" {
		w.Errorf("the control plane is on %s, want 1.36.1", got)
	}
}

func skewIsKept(w world) {
	offered, err := w.cloud.Versions(w.Context(), w.name)
	noError(w, err)
	if len(offered.Images) < 2 || len(offered.Kubernetes) < 5 || offered.Kubernetes[0].Version != "1.34.0" || offered.Kubernetes[0].SupportEnds.IsZero() {
		w.Errorf("offered: %+v", offered)
	}
	// The nodes are on 1.34, which is three behind 1.37 and so allowed.
	w.succeed(w.cloud.Upgrade(w.Context(), w.name, labapi.UpgradeRequest{RequestKey: "to 1.37", Version: "1.37.2"}))
}
