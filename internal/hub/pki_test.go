// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
)

var made = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestServingCertificateIsRenewedWhenItMustBe(t *testing.T) {
	cases := map[string]struct {
		names     []string
		after     time.Duration
		damage    string // a file to damage
		wantRenew bool
	}{
		"the next day":                  {after: 24 * time.Hour},
		"31 days before its end":        {after: 334 * 24 * time.Hour},
		"29 days before its end":        {after: 336 * 24 * time.Hour, wantRenew: true},
		"after its end":                 {after: 400 * 24 * time.Hour, wantRenew: true},
		"the machine has another name":  {names: []string{"localhost", "127.0.0.1", "newname"}, wantRenew: true},
		"the certificate was destroyed": {damage: "server.crt", wantRenew: true},
		"the key was destroyed":         {damage: "server.key", wantRenew: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := newDataDir(t)
			names := []string{"localhost", "127.0.0.1", "::1", "oldname"}
			if err := ensurePKI(d, names, made); err != nil {
				t.Fatal(err)
			}
			before, authority := serving(t, d), read(t, d.path("pki", "ca.crt"))
			if c.damage != "" {
				if err := os.WriteFile(d.path("pki", c.damage), []byte("damaged"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if c.names == nil {
				c.names = names
			}
			now := made.Add(c.after)
			if err := ensurePKI(d, c.names, now); err != nil {
				t.Fatal(err)
			}
			after := serving(t, d)
			if renewed := !after.Equal(before); renewed != c.wantRenew {
				t.Errorf("renewed = %t, want %t", renewed, c.wantRenew)
			}
			if diff := cmp.Diff(authority, read(t, d.path("pki", "ca.crt"))); diff != "" {
				t.Errorf("the authority changed, and with it every kubeconfig:\n%s", diff)
			}
			for _, n := range c.names {
				if err := after.VerifyHostname(n); err != nil {
					t.Error(err)
				}
			}
			ca, err := loadAuthority(d.root)
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			roots.AddCert(ca.cert)
			if _, err := after.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
				t.Error(err)
			}
			// The hub's own certificate must not open the hub.
			if _, err := after.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
				t.Error("the serving certificate is good for clients too")
			}
		})
	}
}

func TestAKubeconfigSaysWhoItIsFor(t *testing.T) {
	d := newDataDir(t)
	d.state = state{Address: "127.0.0.1", Port: 4711}
	if err := d.saveState(); err != nil {
		t.Fatal(err)
	}
	if err := ensurePKI(d, []string{"localhost"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	b, err := IssueKubeconfig(d.root, User{Name: "alice", Groups: []string{GroupViewers, "team-a"}, ValidFor: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(b)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://127.0.0.1:4711" {
		t.Errorf("server = %s, want https://127.0.0.1:4711", config.Host)
	}
	pair, err := tls.X509KeyPair(config.CertData, config.KeyData)
	if err != nil {
		t.Fatal(err)
	}
	if got := pair.Leaf.Subject.CommonName; got != "alice" {
		t.Errorf("user = %q, want alice", got)
	}
	groups := slices.Sorted(slices.Values(pair.Leaf.Subject.Organization)) // a certificate has a set, without order
	if diff := cmp.Diff([]string{GroupViewers, "team-a"}, groups); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if left := time.Until(pair.Leaf.NotAfter); left > time.Hour || left < 55*time.Minute {
		t.Errorf("valid for another %s, want about 1 h", left)
	}
}

func TestSomeUsersAreRefused(t *testing.T) {
	cases := map[string]struct {
		user User
		want string
	}{
		"no name":               {User{}, "has no name"},
		"a component's name":    {User{Name: "system:apiserver"}, "Kubernetes' own"},
		"a group of everything": {User{Name: "eve", Groups: []string{"system:masters"}}, "Kubernetes' own"},
		"a group with a typo":   {User{Name: "eve", Groups: []string{"sengu:operator"}}, "say sengu:admins, sengu:operators or sengu:viewers"},
		"an empty group":        {User{Name: "eve", Groups: []string{""}}, `belong to ""`},
		"a time in the past":    {User{Name: "eve", ValidFor: -time.Hour}, "positive duration"},
		"no hub there":          {User{Name: "alice"}, "start one there first"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := IssueKubeconfig(t.TempDir(), c.user)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a refusal with %q", err, c.want)
			}
		})
	}
}

func TestAnotherUserCannotIssue(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	d := newDataDir(t)
	if err := d.saveState(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d.path("hub.json"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := IssueKubeconfig(d.root, User{Name: "alice"})
	if err == nil || !strings.Contains(err.Error(), "run this as the user who runs the hub") {
		t.Errorf("got %v, want a sentence that says who may", err)
	}
}

func newDataDir(t *testing.T) *dataDir {
	t.Helper()
	d, err := openDataDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.unlock)
	return d
}

func serving(t *testing.T, d *dataDir) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(d.path("pki", "server.crt"), d.path("pki", "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
