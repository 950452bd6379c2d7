// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"errors"
	"testing"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// handle opens the cluster.
func (w *world) handle() *Handle {
	w.t.Helper()
	h, err := w.handles.Open(w.t.Context(), w.cluster)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// access to the cluster's own API.
func (w *world) access() member.Access {
	w.t.Helper()
	a, err := w.handles.Member(w.t.Context(), w.handle(), w.cluster)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func TestWhenAHandleIsOpenedAnew(t *testing.T) {
	tests := map[string]struct {
		change     func(w *world)
		wantOpened int
	}{
		"nothing changed":                         {change: func(*world) {}, wantOpened: 1},
		"its status changed":                      {change: func(w *world) { w.cluster.Status.Region = "here" }, wantOpened: 1},
		"its spec changed":                        {change: func(w *world) { w.cluster.Generation++ }, wantOpened: 2},
		"deleted and added under its name":        {change: func(w *world) { w.cluster.UID = "uid-2" }, wantOpened: 2},
		"forgotten, as after a refusal":           {change: func(w *world) { w.handles.Forget(key()) }, wantOpened: 2},
		"nearly five minutes old":                 {change: func(w *world) { w.clock.Step(credentialsAge - 1) }, wantOpened: 1},
		"five minutes old: a Secret may be newer": {change: func(w *world) { w.clock.Step(credentialsAge) }, wantOpened: 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.handle()
			tc.change(w)
			second := w.handle()
			if w.opened != tc.wantOpened || (first == second) != (tc.wantOpened == 1) {
				t.Errorf("opened %d times, want %d; the same handle: %t", w.opened, tc.wantOpened, first == second)
			}
		})
	}
}

// TestAHandleThatCannotBeOpenedAnewIsNotUsed: what the old one reaches may not be what the spec says now.
func TestAHandleThatCannotBeOpenedAnewIsNotUsed(t *testing.T) {
	w := newWorld(t)
	w.handle()
	w.cluster.Generation++
	w.open = func(SecretReader) (provider.Provider, error) { return nil, errors.New("no") }
	if h, err := w.handles.Open(t.Context(), w.cluster); err == nil {
		t.Errorf("got %v, want an error", h)
	}
}

// TestARotatedSecretIsReadWithinFiveMinutes: and its key may be another.
func TestARotatedSecretIsReadWithinFiveMinutes(t *testing.T) {
	s := secret("kubeconfig", kubeconfig("old"))
	w := newWorld(t, s)
	refersTo("access", "kubeconfig")(w)
	first := w.access()
	s.Data["kubeconfig"] = kubeconfig("new")
	if err := w.hub.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	w.clock.Step(credentialsAge - 1)
	if w.access() != first {
		t.Error("the Secret was read again at once: it would be at every look")
	}
	w.clock.Step(1)
	second := w.access()
	if second == first {
		t.Error("after five minutes the old credentials are still used")
	}
	w.handles.Close(key())
	if w.access() == second {
		t.Error("the connection to a deleted cluster is still open")
	}
}

func TestIssuedCredentialsAreRenewedBeforeTheyExpire(t *testing.T) {
	tests := map[string]struct {
		expires    time.Duration // after they were issued; 0: never
		wait       time.Duration
		wantIssued int
	}{
		"they never expire":            {wait: credentialsAge - 1, wantIssued: 1},
		"they are as old as a Secret":  {wait: credentialsAge, wantIssued: 2},
		"they expire in a minute":      {expires: time.Minute, wait: time.Minute, wantIssued: 2},
		"they have not expired yet":    {expires: time.Minute, wait: time.Minute - 1, wantIssued: 1},
		"they expire in an hour":       {expires: time.Hour, wait: credentialsAge, wantIssued: 2},
		"they have expired when given": {expires: -time.Minute, wantIssued: 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			issued := 0
			w.cloud.issues = func() *provider.Credentials {
				issued++
				c := &provider.Credentials{Kubeconfig: kubeconfig("t")}
				if tc.expires != 0 {
					c.Expires = w.clock.Now().Add(tc.expires)
				}
				return c
			}
			w.open = func(SecretReader) (provider.Provider, error) { return issuing{w.cloud}, nil }
			first := w.access()
			w.clock.Step(tc.wait)
			if w.access() != first {
				t.Error("the same kubeconfig opened a second connection")
			}
			if issued != tc.wantIssued {
				t.Errorf("issued %d times, want %d", issued, tc.wantIssued)
			}
		})
	}
}

// TestProvidersReadSecretsOfTheirClustersNamespaceOnly: the reader that an opener gets knows no other.
func TestProvidersReadSecretsOfTheirClustersNamespaceOnly(t *testing.T) {
	s, elsewhere := secret("token", []byte("ours")), secret("token", []byte("theirs"))
	elsewhere.Namespace = "other"
	w := newWorld(t, s, elsewhere)
	var read []byte
	w.open = func(secret SecretReader) (_ provider.Provider, err error) {
		read, err = secret(t.Context(), v1alpha1.SecretKeyReference{Name: "access", Key: "token"})
		return w.cloud, err
	}
	w.handle()
	if string(read) != "ours" {
		t.Errorf("read %q, want ours", read)
	}
	w.hubSays, w.cluster.Generation = errors.New("away"), 2
	if _, err := w.handles.Open(t.Context(), w.cluster); !errors.Is(err, provider.ErrRetry) {
		t.Errorf("a hub that does not answer: %v, want a retry", err)
	}
}

// TestTheProviderIsAskedAtItsPace: a drain makes many looks a second.
func TestTheProviderIsAskedAtItsPace(t *testing.T) {
	w := newWorld(t)
	for range 3 {
		w.look()
	}
	w.clock.Step(provider.DefaultPace - 1)
	w.look()
	if w.cloud.asked != 1 {
		t.Errorf("asked %d times within its pace, want once", w.cloud.asked)
	}
	w.clock.Step(1)
	w.look()
	if w.cloud.asked != 2 {
		t.Errorf("asked %d times after its pace, want twice", w.cloud.asked)
	}
	w.handle().Touch()
	w.look()
	if w.cloud.asked != 3 {
		t.Errorf("asked %d times after something was changed there, want three times", w.cloud.asked)
	}
	w.cloud.fails = errors.New("away")
	w.handle().Touch()
	if look := w.look(); look.Snapshot.Provider != nil {
		t.Error("what it said before is taken for its word now")
	}
}

// TestAnOperationIsAskedForUntilItHasEnded and not once more: its end does not change.
func TestAnOperationIsAskedForUntilItHasEnded(t *testing.T) {
	w := newWorld(t)
	op := v1alpha1.OperationStatus{RequestKey: "u/1", ID: "op-1"}
	running, done := &provider.Operation{ID: "op-1", State: provider.OperationRunning}, &provider.Operation{ID: "op-1", State: provider.OperationSucceeded}
	w.cloud.operation = running
	w.look(op)
	w.cloud.operation = done
	if seen := w.look(op).Snapshot.Provider.Operations["u/1"]; seen.Done {
		t.Error("asked again within the provider's pace")
	}
	w.clock.Step(provider.DefaultPace)
	if seen := w.look(op).Snapshot.Provider.Operations["u/1"]; !seen.Done || !seen.Succeeded {
		t.Errorf("after the pace it is %+v, want done", seen)
	}
}

// TestACredentialThatIsRefusedIsReadAnewAtTheNextLook: whoever puts a valid one into the Secret need not wait.
func TestACredentialThatIsRefusedIsReadAnewAtTheNextLook(t *testing.T) {
	refusal := provider.Rejected(provider.CodeUnauthorized, "the credentials are refused")
	tests := map[string]func(w *world){
		"by the provider":      func(w *world) { w.cloud.fails = refusal },
		"by the cluster's API": func(w *world) { w.playsMember(&api{fails: refusal}) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			change(w)
			for range 2 {
				seen := LookAtCluster(t.Context(), w.handles, w.cluster, w.clock.Now())
				if seen.Problem == nil && seen.MemberProblem == nil {
					t.Fatal("no problem was seen")
				}
			}
			if w.opened != 2 {
				t.Errorf("opened %d times, want twice", w.opened)
			}
		})
	}
}
