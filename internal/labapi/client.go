// SPDX-License-Identifier: Apache-2.0

package labapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxAnswer bounds what is read of an answer: a describe of 1,000 nodes is about 150 kB.
const maxAnswer = 16 << 20

// Client speaks to one lab. It is safe for concurrent use. Refusals of the lab are *Error; every other error
// means that no answer came, so that the request may or may not have had its effect: repeat it with the same key.
type Client struct {
	endpoint string
	token    string
	http     *http.Client
}

// NewClient returns a client for the endpoint, for example http://127.0.0.1:40123, with the lab's token. It does
// not speak to the lab yet. Deadlines are those of the context of each call.
func NewClient(endpoint, token string) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the lab is on this machine
	return &Client{endpoint: strings.TrimSuffix(endpoint, "/"), token: token, http: &http.Client{Transport: transport}}
}

// Clusters describes all clusters, by name.
func (c *Client) Clusters(ctx context.Context) ([]Cluster, error) {
	return get[[]Cluster](ctx, c, "/v1/clusters")
}

// Cluster describes one cluster.
func (c *Client) Cluster(ctx context.Context, name string) (*Cluster, error) {
	return get[*Cluster](ctx, c, cluster(name))
}

// CreateCluster creates and starts a cluster; definition is one entry of `clusters` in a fleet file, YAML or JSON.
// It returns when the cluster serves.
func (c *Client) CreateCluster(ctx context.Context, definition []byte) (*Cluster, error) {
	answer, err := c.do(ctx, http.MethodPost, "/v1/clusters", "application/yaml", definition)
	if err != nil {
		return nil, err
	}
	return decode[*Cluster](answer)
}

// DeleteCluster stops a cluster and removes its data.
func (c *Client) DeleteCluster(ctx context.Context, name string) error {
	_, err := c.do(ctx, http.MethodDelete, cluster(name), "", nil)
	return err
}

// Kubeconfig returns an administrator's kubeconfig of the cluster. It is secret.
func (c *Client) Kubeconfig(ctx context.Context, name string) ([]byte, error) {
	return c.do(ctx, http.MethodGet, cluster(name, "kubeconfig"), "", nil)
}

// Versions lists what the cluster is offered.
func (c *Client) Versions(ctx context.Context, name string) (*Versions, error) {
	return get[*Versions](ctx, c, cluster(name, "versions"))
}

// Upgrade starts the upgrade of a control plane.
func (c *Client) Upgrade(ctx context.Context, name string, r UpgradeRequest) (*Operation, error) {
	return send[*Operation](ctx, c, http.MethodPost, cluster(name, "upgrade"), r)
}

// AddNode starts to add a node to a pool.
func (c *Client) AddNode(ctx context.Context, name, pool string, r NodeRequest) (*Operation, error) {
	return send[*Operation](ctx, c, http.MethodPost, cluster(name, "nodepools", pool, "nodes"), r)
}

// ReplaceNode starts to replace a node by a new one with a new name.
func (c *Client) ReplaceNode(ctx context.Context, name, node string, r NodeRequest) (*Operation, error) {
	return send[*Operation](ctx, c, http.MethodPost, cluster(name, "nodes", node, "replace"), r)
}

// RemoveNode starts to remove a node without a replacement.
func (c *Client) RemoveNode(ctx context.Context, name, node, requestKey string) (*Operation, error) {
	path := cluster(name, "nodes", node) + "?requestKey=" + url.QueryEscape(requestKey)
	answer, err := c.do(ctx, http.MethodDelete, path, "", nil)
	if err != nil {
		return nil, err
	}
	return decode[*Operation](answer)
}

// SetTarget sets what new nodes of a pool get and returns the pool. It changes no node.
func (c *Client) SetTarget(ctx context.Context, name, pool string, t PoolTarget) (*NodePool, error) {
	return send[*NodePool](ctx, c, http.MethodPost, cluster(name, "nodepools", pool, "target"), t)
}

// Operation looks at an operation.
func (c *Client) Operation(ctx context.Context, id string) (*Operation, error) {
	return get[*Operation](ctx, c, "/v1/operations/"+url.PathEscape(id))
}

// Operations lists a cluster's operations, oldest first.
func (c *Client) Operations(ctx context.Context, name string) ([]Operation, error) {
	return get[[]Operation](ctx, c, cluster(name, "operations"))
}

// Faults lists the faults that are still to be played.
func (c *Client) Faults(ctx context.Context, name string) ([]Fault, error) {
	return get[[]Fault](ctx, c, cluster(name, "faults"))
}

// SetFaults replaces all faults of a cluster.
func (c *Client) SetFaults(ctx context.Context, name string, faults ...Fault) error {
	_, err := send[[]Fault](ctx, c, http.MethodPut, cluster(name, "faults"), append([]Fault{}, faults...))
	return err
}

// AddFault adds a fault to those that the cluster is still to suffer.
func (c *Client) AddFault(ctx context.Context, name string, fault Fault) error {
	_, err := send[*Fault](ctx, c, http.MethodPost, cluster(name, "faults"), fault)
	return err
}

// ClearFaults ends all faults of a cluster. Nodes that died stay dead.
func (c *Client) ClearFaults(ctx context.Context, name string) error {
	_, err := c.do(ctx, http.MethodDelete, cluster(name, "faults"), "", nil)
	return err
}

// Evictions counts the evictions that the cluster's API server has answered since the cluster was created.
func (c *Client) Evictions(ctx context.Context, name string) (*Evictions, error) {
	return get[*Evictions](ctx, c, cluster(name, "evictions"))
}

func cluster(name string, more ...string) string {
	parts := []string{"/v1/clusters"}
	for _, part := range append([]string{name}, more...) {
		parts = append(parts, url.PathEscape(part))
	}
	return strings.Join(parts, "/")
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	answer, err := c.do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		var none T
		return none, err
	}
	return decode[T](answer)
}

func send[T any](ctx context.Context, c *Client, method, path string, content any) (T, error) {
	var none T
	body, err := json.Marshal(content)
	if err != nil {
		return none, fmt.Errorf("encode the request to the lab: %w", err)
	}
	answer, err := c.do(ctx, method, path, "application/json", body)
	if err != nil {
		return none, err
	}
	return decode[T](answer)
}

func decode[T any](answer []byte) (T, error) {
	var value T
	if err := json.Unmarshal(answer, &value); err != nil {
		return value, fmt.Errorf("decode the lab's answer: %w", err)
	}
	return value, nil
}

// do sends one request and returns the body of a 2xx answer.
func (c *Client) do(ctx context.Context, method, path, contentType string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the lab: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the lab: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the lab's answer: %w", err)
	}
	if response.StatusCode/100 == 2 {
		return answer, nil
	}
	refusal := &Error{Status: response.StatusCode}
	if json.Unmarshal(answer, refusal) != nil || refusal.Code == "" {
		return nil, fmt.Errorf("the lab answered %s without a reason: is %s a lab?", response.Status, c.endpoint)
	}
	return nil, refusal
}
