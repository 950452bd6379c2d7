// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"sengu.dev/sengu/internal/lab"
	"sengu.dev/sengu/internal/lab/labtest"
	"sengu.dev/sengu/internal/labapi"
	"sengu.dev/sengu/internal/providers/local"
	"sengu.dev/sengu/provider"
	"sengu.dev/sengu/provider/providertest"
)

// limit is how long a lab may take for what takes seconds on an idle machine.
const limit = 2 * time.Minute

// definition of a cluster in the middle of what a lab offers: there is a minor below and there are two above.
const definition = `{name: %s, version: "1.35", nodePools: [{name: user, count: 2}]}`

func TestContract(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real control planes")
	}
	l := labtest.Start(t, "nodes: {replaceDelay: 100ms}\nclusters: ["+fmt.Sprintf(definition, "first")+"]")
	made := 0
	providertest.Run(t, providertest.Harness{New: func(t *testing.T) providertest.Cluster {
		name := "first"
		if made++; made > 1 {
			name = fmt.Sprintf("c%d", made)
			if _, err := l.Client().CreateCluster(t.Context(), fmt.Appendf(nil, definition, name)); err != nil {
				t.Fatalf("create the cluster: %v", err)
			}
		}
		t.Cleanup(func() {
			if err := l.Client().DeleteCluster(context.Background(), name); err != nil {
				t.Errorf("delete the cluster: %v", err)
			}
		})
		return harness(t, l, name)
	}})
}

func harness(t *testing.T, l *lab.Lab, name string) providertest.Cluster {
	endpoint, outage := breakable(t, l.Endpoint())
	return providertest.Cluster{
		Provider: openLab(t, endpoint, name, l.Token()),
		Intruder: openLab(t, endpoint, name, "not-the-token"),
		Secrets:  []string{l.Token(), "not-the-token"},
		Outage:   func(_ *testing.T, on bool) { outage.Store(on) },
		Settle: func(t *testing.T, done func() bool) {
			t.Helper()
			for deadline := time.Now().Add(limit); !done(); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("not within %s", limit)
				}
			}
		},
		FailNext: func(t *testing.T, code, message string) {
			fault := labapi.Fault{Kind: labapi.FaultOperationFails, Times: 1, Code: code, Message: message}
			if err := l.Client().SetFaults(t.Context(), name, fault); err != nil {
				t.Fatal(err)
			}
		},
	}
}

func openLab(t *testing.T, endpoint, name, token string) provider.Provider {
	t.Helper()
	p, err := local.Open(endpoint, name, token)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// breakable returns the address of a proxy in front of a lab, which hangs up while outage is set.
func breakable(t *testing.T, endpoint string) (string, *atomic.Bool) {
	t.Helper()
	behind, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy, outage := httputil.NewSingleHostReverseProxy(behind), &atomic.Bool{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if outage.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	return front.URL, outage
}
