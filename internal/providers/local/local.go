// SPDX-License-Identifier: Apache-2.0

// Package local is the provider for the clusters of a lab: real control planes on this machine, changed through the
// lab's management API. The lab replaces machines; Sengu drains them.
package local

import (
	"context"
	"net"
	"net/url"
	"strings"
	"time"

	"sengu.dev/sengu/internal/labapi"
	"sengu.dev/sengu/provider"
)

// pace is how often an operation of the lab is looked at: a replaced node takes it about a second.
const pace = 250 * time.Millisecond

// requestTimeout bounds one request. The lab answers within milliseconds, or it hangs.
const requestTimeout = 10 * time.Second

// CodeBadEndpoint is the code of an endpoint that no lab can have.
const CodeBadEndpoint = "BadEndpoint"

// handle is one cluster of a lab.
type handle struct {
	lab     *labapi.Client
	cluster string
	token   string
}

var (
	_ provider.Provider         = (*handle)(nil)
	_ provider.NodeReplacer     = (*handle)(nil)
	_ provider.CredentialIssuer = (*handle)(nil)
	_ provider.Pacer            = (*handle)(nil)
)

// Open returns a handle on a cluster of the lab at an endpoint, for example http://127.0.0.1:40123. It asks nothing
// of the lab yet. An endpoint that is not on this machine is rejected: a lab serves loopback only, and its token
// would be sent to somebody else.
func Open(endpoint, cluster, token string) (provider.Provider, error) {
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, provider.Rejected(CodeBadEndpoint, "the endpoint is not the address of a lab: use what `sengu-lab up` printed, like http://127.0.0.1:40123")
	}
	if host := u.Hostname(); host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return nil, provider.Rejected(CodeBadEndpoint, "the endpoint %s is not on this machine, so it is not a lab's: use what `sengu-lab up` printed", u.Host)
	}
	token = strings.TrimSpace(token)
	return &handle{lab: labapi.NewClient(u.Scheme+"://"+u.Host, token), cluster: cluster, token: token}, nil
}

// Describe says what the cluster is now.
func (h *handle) Describe(ctx context.Context) (*provider.Description, error) {
	c, err := ask(ctx, h, func(ctx context.Context) (*labapi.Cluster, error) { return h.lab.Cluster(ctx, h.cluster) })
	if err != nil {
		return nil, err
	}
	d := &provider.Description{
		ControlPlaneVersion: c.ControlPlane.Version,
		State:               provider.ControlPlaneState(c.ControlPlane.State),
		StateText:           string(c.ControlPlane.State),
		Region:              c.Region,
		BusyWith:            c.BusyWith,
		SupportEnds:         c.ControlPlane.SupportEnds,
	}
	if c.ControlPlane.Message != "" {
		d.StateText += ": " + c.ControlPlane.Message
	}
	for _, p := range c.NodePools {
		pool := provider.NodePool{Name: p.Name, Mode: p.Mode, Version: p.Version, Image: p.Image, Desired: p.Desired}
		for _, n := range p.Nodes {
			pool.Nodes = append(pool.Nodes, provider.Node{Name: n.Name, Version: n.Version, Image: n.Image, Ready: n.Ready})
		}
		d.NodePools = append(d.NodePools, pool)
	}
	return d, nil
}

// Offers lists what the lab can run.
func (h *handle) Offers(ctx context.Context) (*provider.Offers, error) {
	v, err := ask(ctx, h, func(ctx context.Context) (*labapi.Versions, error) { return h.lab.Versions(ctx, h.cluster) })
	if err != nil {
		return nil, err
	}
	o := &provider.Offers{Images: v.Images}
	for _, k := range v.Kubernetes {
		o.Kubernetes = append(o.Kubernetes, provider.OfferedVersion{Version: k.Version, Preview: strings.Contains(k.Version, "-")})
	}
	return o, nil
}

// StartUpgrade stops the control plane and starts another version on the same data.
func (h *handle) StartUpgrade(ctx context.Context, r provider.UpgradeRequest) (*provider.Operation, error) {
	return h.operation(ctx, func(ctx context.Context) (*labapi.Operation, error) {
		return h.lab.Upgrade(ctx, h.cluster, labapi.UpgradeRequest{RequestKey: r.Key, Version: r.Version})
	})
}

// Operation looks at an operation of this cluster; the lab numbers those of all its clusters together.
func (h *handle) Operation(ctx context.Context, id string) (*provider.Operation, error) {
	return h.operation(ctx, func(ctx context.Context) (*labapi.Operation, error) {
		op, err := h.lab.Operation(ctx, id)
		if err == nil && op.Cluster != h.cluster {
			return nil, provider.Rejected(provider.CodeOperationNotFound, "the operation %q is not one of cluster %s", id, h.cluster)
		}
		return op, err
	})
}

// AddNode starts to add a node to a pool.
func (h *handle) AddNode(ctx context.Context, r provider.AddNodeRequest) (*provider.Operation, error) {
	return h.operation(ctx, func(ctx context.Context) (*labapi.Operation, error) {
		if err := h.follow(ctx, r.Pool, r.Version, r.Image); err != nil {
			return nil, err
		}
		return h.lab.AddNode(ctx, h.cluster, r.Pool, labapi.NodeRequest{RequestKey: r.Key, Version: r.Version, Image: r.Image})
	})
}

// ReplaceNode starts to replace a drained node; the replacement has a new name.
func (h *handle) ReplaceNode(ctx context.Context, r provider.ReplaceNodeRequest) (*provider.Operation, error) {
	return h.operation(ctx, func(ctx context.Context) (*labapi.Operation, error) {
		if err := h.follow(ctx, r.Pool, r.Version, r.Image); err != nil {
			return nil, err
		}
		return h.lab.ReplaceNode(ctx, h.cluster, r.Node, labapi.NodeRequest{RequestKey: r.Key, Version: r.Version, Image: r.Image})
	})
}

// follow has the pool make its next nodes like those that are asked for now: a node that an autoscaler adds later
// must not come with the old version.
func (h *handle) follow(ctx context.Context, pool, version, image string) error {
	if version == "" && image == "" {
		return nil
	}
	_, err := h.lab.SetTarget(ctx, h.cluster, pool, labapi.PoolTarget{Version: version, Image: image})
	return err
}

// RemoveNode starts to remove a drained node.
func (h *handle) RemoveNode(ctx context.Context, r provider.RemoveNodeRequest) (*provider.Operation, error) {
	return h.operation(ctx, func(ctx context.Context) (*labapi.Operation, error) {
		return h.lab.RemoveNode(ctx, h.cluster, r.Node, r.Key)
	})
}

// Credentials returns an administrator's kubeconfig, which works for as long as the cluster exists.
func (h *handle) Credentials(ctx context.Context) (*provider.Credentials, error) {
	kubeconfig, err := ask(ctx, h, func(ctx context.Context) ([]byte, error) { return h.lab.Kubeconfig(ctx, h.cluster) })
	if err != nil {
		return nil, err
	}
	return &provider.Credentials{Kubeconfig: kubeconfig}, nil
}

// LookAgain is a moment after now: the lab does not say when an operation ends.
func (*handle) LookAgain(now time.Time) time.Time { return now.Add(pace) }

func (h *handle) operation(ctx context.Context, call func(context.Context) (*labapi.Operation, error)) (*provider.Operation, error) {
	op, err := ask(ctx, h, call)
	if err != nil {
		return nil, err
	}
	out := &provider.Operation{
		ID: op.ID, State: provider.OperationState(op.State), Code: op.Code, Message: op.Message, Node: op.NewNode,
		PercentComplete: -1, StartedAt: op.StartedAt, FinishedAt: op.FinishedAt,
	}
	if op.State == labapi.OperationSucceeded {
		out.PercentComplete = 100
	}
	return out, nil
}
