// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/labapi"
	"sengu.dev/sengu/provider"
)

func TestAWrongTokenIsRefused(t *testing.T) {
	parsed, err := clientcmd.Load(theLab(t).Kubeconfig("one"))
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range parsed.AuthInfos {
		user.Token, user.ClientCertificateData, user.ClientKeyData = "wrong", nil, nil
	}
	kubeconfig, err := clientcmd.Write(*parsed)
	if err != nil {
		t.Fatal(err)
	}
	changed := make(chan string, 10)
	d := NewDirectory(Config{Clock: clock.RealClock{}, Log: logr.Discard(), OnChange: func(key string) { changed <- key }})
	defer d.Close()
	access, err := d.Open(t.Context(), "fleet/one", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if key := <-changed; key != "fleet/one" {
		t.Errorf("told of %q", key)
	}
	_, err = access.View(t.Context())
	if !errors.Is(err, provider.ErrRejected) || provider.CodeOf(err) != provider.CodeUnauthorized {
		t.Errorf("view: %v, want rejected with %s", err, provider.CodeUnauthorized)
	}
	if strings.Contains(err.Error(), "wrong") {
		t.Errorf("the sentence shows the token: %v", err)
	}
}

// TestAnAPIThatIsAway: every way of being away is noticed, View never shows what is old, and the watches are back
// soon after the API is.
func TestAnAPIThatIsAway(t *testing.T) {
	faults := map[string]struct {
		fault  labapi.Fault
		within time.Duration // until it is noticed
	}{
		"its connections are cut": {fault: labapi.Fault{Kind: labapi.FaultAPICut}, within: 3 * time.Second},
		"it hangs":                {fault: labapi.Fault{Kind: labapi.FaultAPIHangs}, within: quietProbe + probeTimeout + 5*time.Second},
		"it answers with errors":  {fault: labapi.Fault{Kind: labapi.FaultAPIErrors}, within: 3 * time.Second},
	}
	for name, tc := range faults {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := w.lab.Client().SetFaults(t.Context(), "one", tc.fault); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = w.lab.Client().ClearFaults(context.Background(), "one") }()
			told, began := w.changes.Load(), time.Now()
			if tc.fault.Kind == labapi.FaultAPIErrors {
				// Open watches go on, so what is shown is not old: only a request can notice.
				if err := w.access.Cordon(t.Context(), "any", "upgrade-1"); !errors.Is(err, provider.ErrRetry) {
					t.Errorf("cordon: %v, want a retry", err)
				}
			}
			w.until("it is noticed", func() bool { return w.view() == nil })
			if took := time.Since(began); took > tc.within {
				t.Errorf("noticed after %s, want %s", took, tc.within)
			}
			t.Logf("noticed after %s", time.Since(began))
			_, err := w.access.View(t.Context())
			if !errors.Is(err, provider.ErrRetry) || provider.CodeOf(err) != v1alpha1.ReasonMemberUnreachable {
				t.Errorf("view: %v, want a retry with %s", err, v1alpha1.ReasonMemberUnreachable)
			}
			w.until("it is told", func() bool { return w.changes.Load() > told })
			if err := w.lab.Client().ClearFaults(t.Context(), "one"); err != nil {
				t.Fatal(err)
			}
			told, began = w.changes.Load(), time.Now()
			w.until("it is back", func() bool { return w.view() != nil })
			t.Logf("back after %s", time.Since(began))
			if took := time.Since(began); took > probeEvery+probeTimeout+4*time.Second {
				t.Errorf("back after %s", took)
			}
			w.until("that is told, too", func() bool { return w.changes.Load() > told })
		})
	}
}

// TestChangesThatMatter: heartbeats and pods of other nodes are no reason to look.
func TestChangesThatMatter(t *testing.T) {
	w := newWorld(t)
	w.settled("free", 2)
	node := w.view().Nodes()[0].Name
	told := w.changes.Load()
	if err := w.access.Cordon(t.Context(), node, "upgrade-1"); err != nil {
		t.Fatal(err)
	}
	w.until("the cordon is told", func() bool { return w.changes.Load() > told })
	w.until("the cordon is shown", func() bool { return w.view().Nodes()[0].Spec.Unschedulable })
	if err := w.access.Uncordon(t.Context(), node, "upgrade-1"); err != nil {
		t.Fatal(err)
	}
	w.until("the end of the cordon is shown", func() bool { return !w.view().Nodes()[0].Spec.Unschedulable })
}

func TestDirectoryKeepsOneAccess(t *testing.T) {
	d := NewDirectory(Config{Clock: clock.RealClock{}, Log: logr.Discard()})
	open := func(key, token string) *live {
		t.Helper()
		a, err := d.Open(t.Context(), key, kubeconfigWith(t, func(c *testConfig) { c.user.Token = token }))
		if err != nil {
			t.Fatal(err)
		}
		return a.(*live)
	}
	first := open("a", "one")
	if open("a", "one") != first {
		t.Error("the same kubeconfig opened a second access")
	}
	if open("b", "one") == first {
		t.Error("another member shares the access")
	}
	second := open("a", "two")
	if second == first {
		t.Error("new credentials are not used")
	}
	until(t, "the access with the old credentials has ended", func() bool { return first.ctx.Err() != nil })
	if _, err := d.Open(t.Context(), "a", []byte("{")); provider.CodeOf(err) != CodeInvalidKubeconfig {
		t.Errorf("a broken kubeconfig: %v", err)
	}
	if second.ctx.Err() != nil {
		t.Error("a broken kubeconfig ended the access that works")
	}
	d.Forget("a")
	if second.ctx.Err() == nil {
		t.Error("a forgotten member is still watched")
	}
	d.Forget("a")
	d.Close()
	if _, err := d.Open(t.Context(), "a", kubeconfigWith(t, func(*testConfig) {})); err == nil {
		t.Error("a closed directory opened an access")
	}
}
