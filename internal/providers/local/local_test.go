// SPDX-License-Identifier: Apache-2.0

package local_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sengu.dev/sengu/internal/providers/local"
	"sengu.dev/sengu/provider"
)

const token = "s3cr3t-t0k3n"

// answering is a lab that gives one answer to everything.
func answering(t *testing.T, status int, body string) provider.Provider {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return openLab(t, server.URL, "c1", token)
}

func TestRefusalsKeepTheirCodeAndGetAKind(t *testing.T) {
	for name, tc := range map[string]struct {
		status                  int
		body                    string
		wantKind                error
		wantCode, wantOperation string
	}{
		"wrong token":            {401, `{"code":"Unauthorized","message":"no"}`, provider.ErrRejected, provider.CodeUnauthorized, ""},
		"unknown cluster":        {404, `{"code":"ClusterNotFound","message":"no"}`, provider.ErrRejected, provider.CodeClusterNotFound, ""},
		"unknown node":           {404, `{"code":"NodeNotFound","message":"no"}`, provider.ErrRejected, provider.CodeNodeNotFound, ""},
		"skipped minor":          {400, `{"code":"SkippedMinor","message":"no"}`, provider.ErrRejected, provider.CodeSkippedMinor, ""},
		"no image of that name":  {400, `{"code":"UnknownImage","message":"no"}`, provider.ErrRejected, provider.CodeUnknownImage, ""},
		"busy":                   {409, `{"code":"OperationInProgress","message":"wait","operationID":"op-7"}`, provider.ErrWait, provider.CodeOperationInProgress, "op-7"},
		"key of another request": {409, `{"code":"RequestKeyReused","message":"no"}`, provider.ErrRejected, provider.CodeRequestKeyReused, ""},
		"no quota":               {403, `{"code":"QuotaExceeded","message":"no"}`, provider.ErrRejected, provider.CodeQuotaExceeded, ""},
		"control plane is down":  {503, `{"code":"ControlPlaneDown","message":"later"}`, provider.ErrRetry, "ControlPlaneDown", ""},
		"bug of the lab":         {500, `{"code":"InternalError","message":"oops"}`, provider.ErrRetry, provider.CodeUnreachable, ""},
		"a proxy in between":     {502, `<html>bad gateway</html>`, provider.ErrRetry, provider.CodeUnreachable, ""},
		"not a lab":              {404, `404 page not found`, provider.ErrRetry, provider.CodeUnreachable, ""},
		"not JSON":               {200, `hello`, provider.ErrRetry, provider.CodeUnreachable, ""},
		"an echo of the request": {400, `{"code":"BadRequest","message":"what is Bearer s3cr3t-t0k3n?"}`, provider.ErrRejected, "BadRequest", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := answering(t, tc.status, tc.body).StartUpgrade(t.Context(), provider.UpgradeRequest{Key: "k", Version: "1.37.2"})
			e, ok := errors.AsType[*provider.Error](err)
			if !ok {
				t.Fatalf("got %v, want a *provider.Error", err)
			}
			if !errors.Is(err, tc.wantKind) || e.Code != tc.wantCode || e.OperationID != tc.wantOperation {
				t.Errorf("got %s (%s) by operation %q, want %s (%s) by %q", e.Kind, e.Code, e.OperationID, tc.wantKind, tc.wantCode, tc.wantOperation)
			}
			if e.Message == "" || strings.Contains(err.Error(), token) {
				t.Errorf("the error says nothing, or the token: %q", err)
			}
		})
	}
}

func TestALabThatIsAwayIsARetry(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	_, err := openLab(t, gone.URL, "c1", token).Describe(t.Context())
	if !errors.Is(err, provider.ErrRetry) || provider.CodeOf(err) != provider.CodeUnreachable {
		t.Errorf("refused connection: got %v, want a retry with %s", err, provider.CodeUnreachable)
	}
	if strings.Contains(err.Error(), token) {
		t.Error("the token is in the error")
	}
}

func TestTheCallersOwnDeadlineIsTheCallersOwnError(t *testing.T) {
	hangs, end := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(hangs); <-end }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(end) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-hangs; cancel() }()
	_, err := openLab(t, server.URL, "c1", token).Describe(ctx)
	if !errors.Is(err, context.Canceled) || errors.Is(err, provider.ErrRetry) {
		t.Errorf("got %v, want the context's error and no kind", err)
	}
}

func TestOpenTakesLoopbackOnly(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"http://127.0.0.1:40123": true, "http://127.0.0.1:40123/": true, "http://localhost:1": true, "https://[::1]:40123": true,
		"http://10.0.0.1:40123": false, "https://lab.example.com": false, "http://127.0.0.1.example.com:1": false,
		"127.0.0.1:40123": false, "ftp://127.0.0.1": false, "": false, "http://": false, "http://x@127.0.0.1:1": false,
		"http://127.0.0.1:1/elsewhere": false, "http://127.0.0.1:1/?a=b": false, "http://127.0.0.1:port": false,
	} {
		_, err := local.Open(endpoint, "c1", token)
		if (err == nil) != want {
			t.Errorf("Open(%q): %v, want accepted: %t", endpoint, err, want)
		}
		if err != nil && (!errors.Is(err, provider.ErrRejected) || strings.Contains(err.Error(), token)) {
			t.Errorf("Open(%q): %v, want a rejection without the token", endpoint, err)
		}
	}
}

func TestDescribeAndOperationsAreTranslated(t *testing.T) {
	started := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	cluster := answering(t, 200, `{"name":"c1","region":"japaneast","server":"https://127.0.0.1:1","busyWith":"op-1",
		"controlPlane":{"version":"1.36.0","state":"Failed","message":"it ended"},
		"nodePools":[{"name":"user","mode":"User","version":"1.36.0","image":"i1","desired":2,
			"nodes":[{"name":"user-1","version":"1.35.0","image":"i0","ready":true}]}]}`)
	got, err := cluster.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := &provider.Description{
		ControlPlaneVersion: "1.36.0", State: provider.ControlPlaneFailed, StateText: "Failed: it ended", Region: "japaneast", BusyWith: "op-1",
		NodePools: []provider.NodePool{{
			Name: "user", Mode: "User", Version: "1.36.0", Image: "i1", Desired: 2,
			Nodes: []provider.Node{{Name: "user-1", Version: "1.35.0", Image: "i0", Ready: true}},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Describe (-want +got):\n%s", diff)
	}

	operation := `{"id":"op-1","kind":"AddNode","cluster":"%s","state":"Succeeded","newNode":"user-4","startedAt":"2026-03-01T09:00:00Z","finishedAt":"2026-03-01T09:00:01Z"}`
	op, err := answering(t, 200, fmt.Sprintf(operation, "c1")).Operation(t.Context(), "op-1")
	if err != nil {
		t.Fatal(err)
	}
	wantOp := &provider.Operation{ID: "op-1", State: provider.OperationSucceeded, Node: "user-4", PercentComplete: 100, StartedAt: started, FinishedAt: started.Add(time.Second)}
	if diff := cmp.Diff(wantOp, op); diff != "" {
		t.Errorf("Operation (-want +got):\n%s", diff)
	}
	_, err = answering(t, 200, fmt.Sprintf(operation, "another")).Operation(t.Context(), "op-1")
	if !errors.Is(err, provider.ErrRejected) || provider.CodeOf(err) != provider.CodeOperationNotFound {
		t.Errorf("another cluster's operation: got %v, want %s", err, provider.CodeOperationNotFound)
	}
}

func TestTheLabIsLookedAtFourTimesASecond(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	p, ok := openLab(t, "http://127.0.0.1:1", "c1", token).(provider.Pacer)
	if !ok {
		t.Fatal("the local provider is no Pacer")
	}
	if got, want := p.LookAgain(now), now.Add(250*time.Millisecond); !got.Equal(want) {
		t.Errorf("LookAgain is %s, want %s", got, want)
	}
}
