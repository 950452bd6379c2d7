// SPDX-License-Identifier: Apache-2.0

// Package local is the provider of the lab's clusters: real control planes on this machine, changed through the
// lab's management API. The lab replaces machines; Sengu drains them.
package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"sengu.dev/sengu/internal/labapi"
	"sengu.dev/sengu/provider"
)

// pace is how often an operation of the lab is looked at: a node is replaced within a second or two there.
const pace = 250 * time.Millisecond

// requestTimeout bounds one request to the lab, which answers within milliseconds or hangs.
const requestTimeout = 10 * time.Second

// handle is one cluster of a lab.
type handle struct {
	lab     *labapi.Client
	cluster string
}

var (
	_ provider.Provider         = (*handle)(nil)
	_ provider.NodeReplacer     = (*handle)(nil)
	_ provider.CredentialIssuer = (*handle)(nil)
	_ provider.Pacer            = (*handle)(nil)
)

// Open returns a handle on a cluster of the lab at endpoint. The token is sent there in the clear over HTTP, so an
// endpoint that is not on this machine is refused. Nothing is asked of the lab yet.
func Open(endpoint, cluster, token string) (provider.Provider, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return nil, provider.Rejected(provider.CodeUnreachable, "%q is not the address of a lab: use what `sengu-lab up` printed, like http://127.0.0.1:40123", endpoint)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && u.Hostname() != "localhost" && !ip.IsLoopback() {
		return nil, provider.Rejected(provider.CodeUnreachable, "the lab at %s is not on this machine: its token would be sent over the network in the clear", u.Host)
	}
	return &handle{lab: labapi.NewClient(endpoint, strings.TrimSpace(token)), cluster: cluster}, nil
}

// Describe says what the cluster is now.
func (h *handle) Describe(ctx context.Context) (*provider.Description, error) {
	c, err := ask(ctx, func(ctx context.Context) (*labapi.Cluster, error) { return h.lab.Cluster(ctx, h.cluster) })
	if err != nil {
		return nil, err
	}
	d := &provider.Description{
		ControlPlaneVersion: c.ControlPlane.Version, State: states[c.ControlPlane.State], StateText: string(c.ControlPlane.State),
		Region: c.Region, BusyWith: c.BusyWith, SupportEnds: c.ControlPlane.SupportEnds,
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

var states = map[labapi.ControlPlaneState]provider.ControlPlaneState{
	labapi.Running:   provider.ControlPlaneRunning,
	labapi.Upgrading: provider.ControlPlaneUpgrading,
	labapi.Stopped:   provider.ControlPlaneStopped,
	labapi.Failed:    provider.ControlPlaneFailed,
}

// Offers lists the versions and images that the lab can run.
func (h *handle) Offers(ctx context.Context) (*provider.Offers, error) {
	v, err := ask(ctx, func(ctx context.Context) (*labapi.Versions, error) { return h.lab.Versions(ctx, h.cluster) })
	if err != nil {
		return nil, err
	}
	o := &provider.Offers{Images: v.Images}
	for _, k := range v.Kubernetes {
		o.Kubernetes = append(o.Kubernetes, provider.OfferedVersion{Version: k.Version, Preview: strings.Contains(k.Version, "-")})
	}
	return o, nil
}

// StartUpgrade stops the control plane and starts the next version on the same data.
func (h *handle) StartUpgrade(ctx context.Context, r provider.UpgradeRequest) (*provider.Operation, error) {
	return operation(ctx, func(ctx context.Context) (*labapi.Operation, error) {
		return h.lab.Upgrade(ctx, h.cluster, labapi.UpgradeRequest{RequestKey: r.Key, Version: r.Version})
	})
}

// Operation looks at an operation.
func (h *handle) Operation(ctx context.Context, id string) (*provider.Operation, error) {
	return operation(ctx, func(ctx context.Context) (*labapi.Operation, error) { return h.lab.Operation(ctx, id) })
}

// AddNode starts to add a node to a pool.
func (h *handle) AddNode(ctx context.Context, r provider.AddNodeRequest) (*provider.Operation, error) {
	return operation(ctx, func(ctx context.Context) (*labapi.Operation, error) {
		return h.lab.AddNode(ctx, h.cluster, r.Pool, labapi.NodeRequest{RequestKey: r.Key, Version: r.Version, Image: r.Image})
	})
}

// ReplaceNode starts to replace a drained node; the replacement has a new name.
func (h *handle) ReplaceNode(ctx context.Context, r provider.ReplaceNodeRequest) (*provider.Operation, error) {
	return operation(ctx, func(ctx context.Context) (*labapi.Operation, error) {
		return h.lab.ReplaceNode(ctx, h.cluster, r.Node, labapi.NodeRequest{RequestKey: r.Key, Version: r.Version, Image: r.Image})
	})
}

// RemoveNode starts to remove a drained node.
func (h *handle) RemoveNode(ctx context.Context, r provider.RemoveNodeRequest) (*provider.Operation, error) {
	return operation(ctx, func(ctx context.Context) (*labapi.Operation, error) {
		return h.lab.RemoveNode(ctx, h.cluster, r.Node, r.Key)
	})
}

// Credentials returns an administrator's kubeconfig, which is good for as long as the lab is up.
func (h *handle) Credentials(ctx context.Context) (*provider.Credentials, error) {
	k, err := ask(ctx, func(ctx context.Context) ([]byte, error) { return h.lab.Kubeconfig(ctx, h.cluster) })
	if err != nil {
		return nil, err
	}
	return &provider.Credentials{Kubeconfig: k}, nil
}

// LookAgain is a moment from now.
func (*handle) LookAgain(now time.Time) time.Time { return now.Add(pace) }

func operation(ctx context.Context, call func(context.Context) (*labapi.Operation, error)) (*provider.Operation, error) {
	o, err := ask(ctx, call)
	if err != nil {
		return nil, err
	}
	return &provider.Operation{
		ID: o.ID, State: provider.OperationState(o.State), Code: o.Code, Message: o.Message, Node: o.NewNode,
		PercentComplete: -1, StartedAt: o.StartedAt, FinishedAt: o.FinishedAt,
	}, nil
}

// ask makes one call and turns its error into one of the provider's kinds.
func ask[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := call(bounded)
	if err != nil {
		var none T
		return none, kindOf(ctx, err)
	}
	return answer, nil
}

func kindOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	refused, ok := errors.AsType[*labapi.Error](err)
	if !ok {
		return provider.Retry(provider.CodeUnreachable, err, "the lab does not answer: is `sengu-lab up` running?")
	}
	e := &provider.Error{Kind: provider.ErrRejected, Code: refused.Code, Message: refused.Message}
	switch refused.Code {
	case labapi.CodeUnauthorized:
		e.Message = "the lab refuses the token: give the Secret the token of the lab that runs now"
	case labapi.CodeOperationInProgress:
		e.Kind, e.OperationID = provider.ErrWait, refused.OperationID
	case labapi.CodeControlPlaneDown, labapi.CodeInternal:
		e.Kind = provider.ErrRetry
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("the lab answered with status %d", refused.Status)
	}
	return e
}
