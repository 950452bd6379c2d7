// SPDX-License-Identifier: Apache-2.0

package labapi_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sengu.dev/sengu/internal/labapi"
)

// serve answers every request in the same way and keeps the last one.
func serve(t *testing.T, status int, answer string) (*labapi.Client, *asked) {
	t.Helper()
	last := &asked{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*last = asked{r.Method + " " + r.URL.RequestURI(), r.Header.Get("Authorization"), string(body)}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return labapi.NewClient(server.URL+"/", "secret"), last
}

type asked struct{ Line, Authorization, Body string }

func TestRequestsAreWrittenAsTheLabReadsThem(t *testing.T) {
	ctx := t.Context()
	for name, c := range map[string]struct {
		send func(c *labapi.Client) error
		want asked
	}{
		"upgrade": {
			func(c *labapi.Client) error {
				_, err := c.Upgrade(ctx, "one", labapi.UpgradeRequest{RequestKey: "k", Version: "1.37.2"})
				return err
			},
			asked{"POST /v1/clusters/one/upgrade", "Bearer secret", `{"requestKey":"k","version":"1.37.2"}`},
		},
		"replace": {
			func(c *labapi.Client) error {
				_, err := c.ReplaceNode(ctx, "one", "n-1", labapi.NodeRequest{RequestKey: "k", Image: "i"})
				return err
			},
			asked{"POST /v1/clusters/one/nodes/n-1/replace", "Bearer secret", `{"requestKey":"k","image":"i"}`},
		},
		"a key with letters that a URL does not have": {
			func(c *labapi.Client) error { _, err := c.RemoveNode(ctx, "one", "n-1", "run 7/a&b"); return err },
			asked{"DELETE /v1/clusters/one/nodes/n-1?requestKey=run+7%2Fa%26b", "Bearer secret", ""},
		},
		"a name that would be another path": {
			func(c *labapi.Client) error { _, err := c.Cluster(ctx, "../operations"); return err },
			asked{"GET /v1/clusters/..%2Foperations", "Bearer secret", ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, last := serve(t, http.StatusOK, "{}")
			if err := c.send(client); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, *last); diff != "" {
				t.Errorf("the request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusalIsTyped(t *testing.T) {
	client, _ := serve(t, http.StatusConflict, `{"code":"OperationInProgress","message":"Wait.","operationID":"op-7"}`)
	_, err := client.Cluster(t.Context(), "one")
	var got *labapi.Error
	if !errors.As(err, &got) {
		t.Fatalf("got %v, want a labapi.Error", err)
	}
	want := &labapi.Error{Status: 409, Code: labapi.CodeOperationInProgress, Message: "Wait.", OperationID: "op-7"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the refusal (-want +got):\n%s", diff)
	}
}

func TestStrangeAnswersAreNoRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
	}{
		"another program's error page": {http.StatusNotFound, "<html>not here</html>"},
		"an error without a code":      {http.StatusBadGateway, "{}"},
		"an answer that is no JSON":    {http.StatusOK, "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := serve(t, c.status, c.answer)
			_, err := client.Cluster(t.Context(), "one")
			var refusal *labapi.Error
			if err == nil || errors.As(err, &refusal) {
				t.Errorf("got %v, want an error that is no refusal", err)
			}
		})
	}
}
