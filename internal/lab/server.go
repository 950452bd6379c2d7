// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"sengu.dev/sengu/internal/lab/fleet"
	"sengu.dev/sengu/internal/labapi"
)

// maxRequest bounds a request's body: a definition with hundreds of workloads is about 100 kB.
const maxRequest = 4 << 20

// handler serves the management API.
func (l *Lab) handler() http.Handler {
	mux := http.NewServeMux()
	answer := func(pattern string, status int, respond func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { reply(w, r, status, respond) })
	}
	onCluster := func(pattern string, status int, respond func(c *cluster, r *http.Request) (any, error)) {
		answer(pattern, status, func(r *http.Request) (any, error) {
			c, ok := l.find(r.PathValue("cluster"))
			if !ok {
				return nil, noCluster(r.PathValue("cluster"))
			}
			return respond(c, r)
		})
	}
	answer("GET /v1/clusters", http.StatusOK, func(*http.Request) (any, error) { return l.describeAll(), nil })
	answer("POST /v1/clusters", http.StatusCreated, l.createCluster)
	answer("DELETE /v1/clusters/{cluster}", http.StatusOK, func(r *http.Request) (any, error) {
		return struct{}{}, l.remove(r.PathValue("cluster"))
	})
	answer("GET /v1/operations/{id}", http.StatusOK, l.operation)
	onCluster("GET /v1/clusters/{cluster}", http.StatusOK, func(c *cluster, _ *http.Request) (any, error) { return c.describe(), nil })
	onCluster("GET /v1/clusters/{cluster}/kubeconfig", http.StatusOK, func(c *cluster, _ *http.Request) (any, error) { return c.kubeconfig() })
	onCluster("GET /v1/clusters/{cluster}/versions", http.StatusOK, func(c *cluster, _ *http.Request) (any, error) { return c.versions(), nil })
	onCluster("GET /v1/clusters/{cluster}/evictions", http.StatusOK, func(c *cluster, _ *http.Request) (any, error) { return c.evictions() })
	onCluster("GET /v1/clusters/{cluster}/operations", http.StatusOK, func(c *cluster, _ *http.Request) (any, error) {
		return c.operations.of(c.name, nil), nil
	})
	changes(onCluster)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reply(w, r, 0, func(*http.Request) (any, error) {
			return nil, refuse(http.StatusNotFound, labapi.CodeBadRequest, "The management API has no %s %s.", r.Method, r.URL.Path)
		})
	})
	return l.authenticated(mux)
}

// changes are the requests that change a cluster.
func changes(onCluster func(pattern string, status int, respond func(c *cluster, r *http.Request) (any, error))) {
	onCluster("POST /v1/clusters/{cluster}/upgrade", http.StatusAccepted, func(c *cluster, r *http.Request) (any, error) {
		return with(r, c.upgrade)
	})
	onCluster("POST /v1/clusters/{cluster}/nodepools/{pool}/nodes", http.StatusAccepted, func(c *cluster, r *http.Request) (any, error) {
		return with(r, func(n labapi.NodeRequest) (labapi.Operation, error) { return c.addNode(r.PathValue("pool"), n) })
	})
	onCluster("POST /v1/clusters/{cluster}/nodes/{node}/replace", http.StatusAccepted, func(c *cluster, r *http.Request) (any, error) {
		return with(r, func(n labapi.NodeRequest) (labapi.Operation, error) { return c.replaceNode(r.PathValue("node"), n) })
	})
	onCluster("DELETE /v1/clusters/{cluster}/nodes/{node}", http.StatusAccepted, func(c *cluster, r *http.Request) (any, error) {
		return c.removeNode(r.PathValue("node"), r.URL.Query().Get("requestKey"))
	})
	onCluster("POST /v1/clusters/{cluster}/nodepools/{pool}/target", http.StatusOK, func(c *cluster, r *http.Request) (any, error) {
		return with(r, func(t labapi.PoolTarget) (labapi.NodePool, error) { return c.setTarget(r.PathValue("pool"), t) })
	})
	onCluster("GET /v1/clusters/{cluster}/faults", http.StatusOK, func(c *cluster, _ *http.Request) (any, error) { return c.faults.list(), nil })
	onCluster("PUT /v1/clusters/{cluster}/faults", http.StatusOK, func(c *cluster, r *http.Request) (any, error) {
		return with(r, c.setFaults)
	})
	onCluster("POST /v1/clusters/{cluster}/faults", http.StatusCreated, func(c *cluster, r *http.Request) (any, error) {
		return with(r, c.addFault)
	})
	onCluster("DELETE /v1/clusters/{cluster}/faults", http.StatusOK, func(c *cluster, _ *http.Request) (any, error) {
		c.faults.set(nil)
		return struct{}{}, nil
	})
}

func noCluster(name string) *labapi.Error {
	return refuse(http.StatusNotFound, labapi.CodeClusterNotFound, "The lab has no cluster %q.", name)
}

// authenticated lets requests with the lab's token through.
func (l *Lab) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(token), []byte(l.token)) != 1 {
			reply(w, r, 0, func(*http.Request) (any, error) {
				return nil, refuse(http.StatusUnauthorized, labapi.CodeUnauthorized, "The token is not that of this lab: it is new at each start of the lab.")
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// with decodes a request's body, strictly, and answers it.
func with[Request, Answer any](r *http.Request, respond func(Request) (Answer, error)) (any, error) {
	var request Request
	decoder := json.NewDecoder(io.LimitReader(r.Body, maxRequest))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return nil, refuse(http.StatusBadRequest, labapi.CodeBadRequest, "The request is not understood: %v.", err)
	}
	return respond(request)
}

// reply writes an answer or a refusal; bytes are written as they are.
func reply(w http.ResponseWriter, r *http.Request, status int, respond func(r *http.Request) (any, error)) {
	value, err := respond(r)
	if err != nil {
		refusal := refuse(http.StatusInternalServerError, labapi.CodeInternal, "%v", err)
		_ = errors.As(err, &refusal)
		status, value = refusal.Status, refusal
	}
	content, ok := value.([]byte)
	if !ok {
		var buffer bytes.Buffer
		encoder := json.NewEncoder(&buffer)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(value); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		content = buffer.Bytes()
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(content) // a client that is gone needs no answer
}

func (l *Lab) describeAll() []labapi.Cluster {
	all := []labapi.Cluster{}
	for _, c := range l.all() {
		all = append(all, c.describe())
	}
	return all
}

func (l *Lab) operation(r *http.Request) (any, error) {
	op, ok := l.operations.get(r.PathValue("id"))
	if !ok {
		return nil, refuse(http.StatusNotFound, labapi.CodeOperationNotFound, "The lab knows no operation %q.", r.PathValue("id"))
	}
	return op, nil
}

func (l *Lab) createCluster(r *http.Request) (any, error) {
	content, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	definition, err := fleet.ParseCluster(content)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, labapi.CodeBadRequest, "The definition of the cluster is wrong: %v.", err)
	}
	c, err := l.create(r.Context(), *definition)
	if err != nil {
		return nil, err
	}
	return c.describe(), nil
}
