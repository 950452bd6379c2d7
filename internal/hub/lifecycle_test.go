// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"sengu.dev/sengu/internal/hub"
)

func TestRestartContinues(t *testing.T) {
	dir := t.TempDir()
	first := startHub(t, dir)
	kubeconfig, err := first.Kubeconfig(hub.User{Name: "alice", Groups: []string{hub.GroupAdmins}})
	if err != nil {
		t.Fatal(err)
	}
	client := dynamicFor(t, configFrom(t, kubeconfig)).Resource(widgets).Namespace("default")
	created, err := client.Create(t.Context(), widget("kept", 7), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-first.Done():
	default:
		t.Error("Done is still open after Close")
	}
	if err := first.Err(); err != nil {
		t.Errorf("Err after Close = %v, want nil", err)
	}

	second := startHub(t, dir)
	if second.URL() != first.URL() {
		t.Errorf("URL after the restart = %s, want %s as before", second.URL(), first.URL())
	}
	// A new client, but with the kubeconfig of before: the authority and the port are still the same.
	client = dynamicFor(t, configFrom(t, kubeconfig)).Resource(widgets).Namespace("default")
	found, err := client.Get(t.Context(), "kept", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("the widget after the restart: %v", err)
	}
	if found.GetUID() != created.GetUID() {
		t.Errorf("UID after the restart = %s, want %s", found.GetUID(), created.GetUID())
	}
}

func TestAKilledHubLosesNothingItAcknowledged(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, dir)
	kubeconfig, err := os.ReadFile(filepath.Join(dir, "admin.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	client := dynamicFor(t, configFrom(t, kubeconfig)).Resource(widgets).Namespace("default")
	const count = 50
	for i := range count {
		if _, err := client.Create(t.Context(), widget(fmt.Sprintf("w-%d", i), 1), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	c.kill()

	h := startHub(t, dir)
	list, err := dynamicFor(t, h.AdminConfig()).Resource(widgets).Namespace("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != count {
		t.Errorf("widgets after the kill = %d, want the %d that were acknowledged", len(list.Items), count)
	}
}

func TestTheTerminalStaysQuiet(t *testing.T) {
	c := startChild(t, t.TempDir())
	if said := c.stop(t); said != "" {
		t.Errorf("a hub that started and stopped wrote to the terminal:\n%s", said)
	}
}

func TestTheTerminalGetsOneSentenceWhenStorageIsLost(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, dir, childLosesStorage+"=1")
	said := c.stop(t)
	if !strings.HasPrefix(said, "died: the hub's storage "+dir) || strings.Count(said, "\n") != 1 {
		t.Errorf("the hub wrote to the terminal:\n%swant one line that says what died", said)
	}
	log, err := os.ReadFile(filepath.Join(dir, "hub.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "etcd-client") {
		t.Errorf("the log has nothing of the etcd client, whose lines this test is about:\n%s", log)
	}
}

func TestTwoProcessesDoNotShareADirectory(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, dir)
	_, err := hub.Start(t.Context(), hub.Config{DataDir: dir})
	want := fmt.Sprintf("the data directory %s is in use by another hub (process %d): stop that one or choose another directory", dir, c.cmd.Process.Pid)
	if err == nil || err.Error() != want {
		t.Errorf("starting on a used directory:\ngot  %v\nwant %s", err, want)
	}
	// The refusal must leave the other hub's data alone.
	if said := c.stop(t); said != "" {
		t.Errorf("the first hub was disturbed:\n%s", said)
	}
	startHub(t, dir)
}

func TestOneHubAProcess(t *testing.T) {
	h := startHub(t, t.TempDir())
	if _, err := hub.Start(t.Context(), hub.Config{DataDir: t.TempDir()}); !errors.Is(err, hub.ErrAlreadyRunning) {
		t.Errorf("a second hub in one process: %v, want ErrAlreadyRunning", err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	startHub(t, t.TempDir())
}

func TestCloseIsFastWhileClientsWatch(t *testing.T) {
	h := startHub(t, t.TempDir())
	const count = 20
	watches := make([]watch.Interface, count)
	for i := range watches {
		// Odd ones have a connection of their own, as other processes would.
		config := h.AdminConfig()
		if i%2 == 1 {
			config = userConfig(t, h, hub.User{Name: fmt.Sprintf("watcher-%d", i), Groups: []string{hub.GroupViewers}})
		}
		w, err := dynamicFor(t, config).Resource(widgets).Namespace("default").Watch(context.Background(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
		watches[i] = w
	}
	began := time.Now()
	h.Close()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Close with %d open watches took %s, want less than 3 s", count, took)
	}
	for i, w := range watches {
		select {
		case _, open := <-w.ResultChan():
			if open { // a last event, or the error that ends the watch
				t.Logf("watch %d had an event left", i)
			}
		case <-time.After(longWait):
			t.Errorf("watch %d is still open after Close", i)
		}
	}
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	// A directory that was made with wide rights is narrowed.
	dir := filepath.Join(t.TempDir(), "wide")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	startHub(t, dir)
	seen := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		seen[name] = true
		// The socket's own mode does not matter: nobody else gets through its directory.
		if info.Mode()&fs.ModeSocket == 0 && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, want no rights for others", name, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"admin.kubeconfig", "hub.json", "hub.log", "pki/ca.key", "pki/server.key", "etcd/member/snap/db"} {
		if !seen[name] {
			t.Errorf("%s is missing in %v", name, seen)
		}
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	write := func(t *testing.T, dir, name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cases := map[string]struct {
		change func(t *testing.T, c *hub.Config)
		want   []string // parts of the sentence
	}{
		"no directory given": {
			change: func(_ *testing.T, c *hub.Config) { c.DataDir = "" },
			want:   []string{"needs a data directory"},
		},
		"the directory cannot be made": {
			change: func(t *testing.T, c *hub.Config) {
				write(t, c.DataDir, "file", "")
				c.DataDir = filepath.Join(c.DataDir, "file", "data")
			},
			want: []string{"cannot use the data directory", "choose another one"},
		},
		"the directory is somebody else's": {
			change: func(t *testing.T, c *hub.Config) { write(t, c.DataDir, "passwd", "") },
			want:   []string{"holds passwd and is not a hub's", "choose an empty directory"},
		},
		"the address is another machine's": {
			change: func(_ *testing.T, c *hub.Config) { c.BindAddress = "192.0.2.1" }, // reserved for documentation
			want:   []string{"cannot listen on 192.0.2.1:0", "choose an address of this machine"},
		},
		"the port is none": {
			change: func(_ *testing.T, c *hub.Config) { c.Port = 99999 },
			want:   []string{"cannot listen on 127.0.0.1:99999", "choose another address or port"},
		},
		"the address is not one": {
			change: func(_ *testing.T, c *hub.Config) { c.BindAddress = "hub.example" },
			want:   []string{`"hub.example"`, "not an IP address"},
		},
		"the port is taken": {
			change: func(_ *testing.T, c *hub.Config) { c.Port = taken.Addr().(*net.TCPAddr).Port },
			want:   []string{"cannot listen on 127.0.0.1:", "choose another one"},
		},
		"the database is damaged": {
			change: func(t *testing.T, c *hub.Config) {
				write(t, c.DataDir, "etcd/member/snap/db", strings.Repeat("not a database ", 10000))
			},
			want: []string{"cannot open its storage", "restore this directory from a backup"},
		},
		"the authority is damaged": {
			change: func(t *testing.T, c *hub.Config) {
				write(t, c.DataDir, "pki/ca.crt", "not a certificate")
				write(t, c.DataDir, "pki/ca.key", "not a key")
			},
			want: []string{"pki/ca.crt", "restore them from a backup"},
		},
		"what the hub remembers is damaged": {
			change: func(t *testing.T, c *hub.Config) { write(t, c.DataDir, "hub.json", "{") },
			want:   []string{"hub.json is damaged", "remove this file"},
		},
		"a definition is damaged": {
			change: func(t *testing.T, c *hub.Config) {
				dir := t.TempDir()
				write(t, dir, "broken.yaml", "kind: [")
				c.CRDs = os.DirFS(dir)
			},
			want: []string{"custom resource definitions cannot be read", "broken.yaml"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			config := hub.Config{DataDir: t.TempDir()}
			c.change(t, &config)
			h, err := hub.Start(t.Context(), config)
			if err == nil {
				h.Close()
				t.Fatal("the hub started")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want a sentence with %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("got several lines, want one sentence: %s", err)
			}
		})
	}
	startHub(t, t.TempDir()) // none of these spoils the process for the next hub
}

// TestAStartCanBeGivenUp: etcd without its log is never ready, and a person must not wait for it.
func TestAStartCanBeGivenUp(t *testing.T) {
	dir := t.TempDir()
	startHub(t, dir).Close()
	if err := os.RemoveAll(filepath.Join(dir, "etcd", "member", "wal")); err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithTimeout(t.Context(), 3*time.Second)
	defer giveUp()
	began := time.Now()
	h, err := hub.Start(ctx, hub.Config{DataDir: dir})
	if err == nil {
		h.Close()
		t.Fatal("the hub started without its log")
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("giving up after 3 s took %s", took)
	}
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "restore this directory from a backup") {
		t.Errorf("got %q, want a sentence about the storage that wraps the end of the context", err)
	}
}

func TestARememberedPortThatIsTakenIsReplaced(t *testing.T) {
	dir := t.TempDir()
	first := startHub(t, dir)
	first.Close()
	taken, err := net.Listen("tcp", strings.TrimPrefix(first.URL(), "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	second := startHub(t, dir)
	if second.URL() == first.URL() {
		t.Errorf("URL = %s, which another program has", second.URL())
	}
	// A kubeconfig that is issued from outside the hub's process knows the new port.
	kubeconfig, err := hub.IssueKubeconfig(dir, hub.User{Name: "alice", Groups: []string{hub.GroupViewers}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dynamicFor(t, configFrom(t, kubeconfig)).Resource(widgets).List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("with the issued kubeconfig: %v", err)
	}
}

func TestALongPathToTheDataWorks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	startHub(t, dir).Close()
	startHub(t, dir)
}

func TestANewReleaseChangesItsKinds(t *testing.T) {
	dir := t.TempDir()
	startHub(t, dir).Close()
	old, err := os.ReadFile("testdata/crds/widgets.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(old), "self.size <= 10", "self.size <= 20")
	h, err := hub.Start(t.Context(), hub.Config{DataDir: dir, CRDs: fstest.MapFS{"widgets.yaml": {Data: []byte(changed)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	client := dynamicFor(t, h.AdminConfig()).Resource(widgets).Namespace("default")
	eventually(t, "the new rule lets a widget of 15 things in", func(ctx context.Context) error {
		_, err := client.Create(ctx, widget("big", 15), metav1.CreateOptions{})
		return err
	})
}

func TestTheDirectoryCanMove(t *testing.T) {
	old := filepath.Join(t.TempDir(), "old")
	h := startHub(t, old)
	if _, err := dynamicFor(t, h.AdminConfig()).Resource(widgets).Namespace("default").Create(t.Context(), widget("kept", 1), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	h.Close()
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(old, moved); err != nil {
		t.Fatal(err)
	}
	h = startHub(t, moved)
	if _, err := dynamicFor(t, h.AdminConfig()).Resource(widgets).Namespace("default").Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Errorf("the widget after the move: %v", err)
	}
}

func TestANewAuthorityShutsEverybodyOut(t *testing.T) {
	dir := t.TempDir()
	h := startHub(t, dir)
	alice := userConfig(t, h, hub.User{Name: "alice", Groups: []string{hub.GroupAdmins}})
	h.Close()
	if err := os.RemoveAll(filepath.Join(dir, "pki")); err != nil {
		t.Fatal(err)
	}
	startHub(t, dir)
	alice.CAData, alice.Insecure = nil, true // she trusts the new hub, but it must not know her
	_, err := dynamicFor(t, alice).Resource(widgets).List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsUnauthorized(err) {
		t.Errorf("with a certificate of the old authority: %v, want unauthorized", err)
	}
}
