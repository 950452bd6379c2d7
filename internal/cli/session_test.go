// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/config/policies"
	"sengu.dev/sengu/internal/buildinfo"
	"sengu.dev/sengu/internal/cli"
	"sengu.dev/sengu/internal/hub"
	"sengu.dev/sengu/internal/hub/hubtest"
	"sengu.dev/sengu/internal/view/viewtest"
)

func TestMain(m *testing.M) { hubtest.Main(m, crd.FS, policies.FS) }

// session is a person at a command line with a fleet of their own.
type session struct {
	t         *testing.T
	namespace string
	config    cli.Config
}

// newSession has a new namespace of the shared hub, and a kubeconfig for it in $SENGU_KUBECONFIG.
func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{t: t, namespace: hubtest.Namespace(t), config: cli.Config{
		Clock: clock.RealClock{}, Version: buildinfo.Info{Version: "v0.1.0", Commit: "abc", Date: "2026-11-23", Go: "go1.26"},
	}}
	t.Setenv("SENGU_KUBECONFIG", s.kubeconfig(""))
	t.Setenv("NO_COLOR", "1")
	return s
}

// kubeconfig writes one for this fleet; a server replaces the hub's address when it is not empty.
func (s *session) kubeconfig(server string) string {
	s.t.Helper()
	content, err := hubtest.Hub(s.t).Kubeconfig(hub.User{Name: "ada", Groups: []string{hub.GroupAdmins}})
	if err != nil {
		s.t.Fatal(err)
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		s.t.Fatal(err)
	}
	config.Contexts[config.CurrentContext].Namespace = s.namespace
	if server != "" {
		config.Clusters[config.Contexts[config.CurrentContext].Cluster].Server = server
	}
	path := filepath.Join(s.t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// result is what a command left.
type result struct {
	code        int
	out, errOut string
}

// do runs a command line; words in it are separated by spaces.
func (s *session) do(line string) result { return s.run(s.t.Context(), "", strings.Fields(line)...) }

func (s *session) run(ctx context.Context, input string, args ...string) result {
	s.t.Helper()
	var out, errOut bytes.Buffer
	c := s.config
	c.Streams = genericiooptions.IOStreams{In: strings.NewReader(input), Out: &out, ErrOut: &errOut}
	code := cli.Run(ctx, c, args)
	return result{code, out.String(), errOut.String()}
}

// must fails the test unless the command exits with 0.
func (s *session) must(line string) string {
	s.t.Helper()
	r := s.do(line)
	if r.code != 0 {
		s.t.Fatalf("sengu %s: exit code %d: %s", line, r.code, r.errOut)
	}
	return r.out
}

// client talks to the hub as the controllers do.
func (s *session) client() client.Client {
	s.t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		s.t.Fatal(err)
	}
	c, err := client.New(hubtest.Hub(s.t).AdminConfig(), client.Options{Scheme: scheme})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// strategy puts the strategy of the scenes into the fleet.
func (s *session) strategy() {
	s.t.Helper()
	err := s.client().Create(s.t.Context(), &v1alpha1.UpgradeStrategy{
		ObjectMeta: metav1.ObjectMeta{Name: "staging-first", Namespace: s.namespace}, Spec: viewtest.Strategy(),
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// play writes a scene into the fleet as the controllers would: the run's word last.
func (s *session) play(scene *viewtest.Scene) {
	s.t.Helper()
	run := scene.Run.DeepCopy()
	put(s, run, func(*v1alpha1.UpgradeRun) {}) // its status comes last, when all that belongs to it is there
	owner := []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("UpgradeRun"))}
	for _, u := range scene.Upgrades {
		status, owned := u.Status, u.DeepCopy()
		owned.OwnerReferences = owner
		put(s, owned, func(u *v1alpha1.ClusterUpgrade) { u.Status = status })
	}
	for _, g := range scene.Gates {
		status, owned := g.Status, g.DeepCopy()
		owned.OwnerReferences = owner
		put(s, owned, func(g *v1alpha1.Gate) { g.Status = status })
	}
	put(s, scene.Run.DeepCopy(), func(r *v1alpha1.UpgradeRun) { r.Status = scene.Run.Status })
}

// put creates an object unless it is there, and sets its status.
func put[T client.Object](s *session, object T, setStatus func(T)) {
	s.t.Helper()
	c, ctx := s.client(), context.WithoutCancel(s.t.Context())
	object.SetNamespace(s.namespace)
	if err := client.IgnoreAlreadyExists(c.Create(ctx, object)); err != nil {
		s.t.Fatal(err)
	}
	if err := c.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		s.t.Fatal(err)
	}
	setStatus(object)
	if err := c.Status().Update(ctx, object); err != nil {
		s.t.Fatal(err)
	}
}

// doneScene is a run that succeeded.
func doneScene() *viewtest.Scene {
	scene := viewtest.NewScene()
	for _, name := range []string{"staging-1", "canary-1", "prod-tokyo-1", "prod-osaka-1", "prod-berlin-1"} {
		scene.Succeed(name, 6, 72*time.Second)
	}
	for _, name := range []string{"staging", "canary", "production"} {
		scene.Phase(name, v1alpha1.StagePhaseSucceeded)
	}
	scene.Run.Status.Phase, scene.Run.Status.FinishedAt = v1alpha1.RunPhaseSucceeded, viewtest.Ago(0)
	return scene
}

// written is a writer whose content can be waited for.
type written struct {
	mutex   sync.Mutex
	content bytes.Buffer
	grew    chan struct{}
}

func newWritten() *written { return &written{grew: make(chan struct{}, 1)} }

// Write keeps what is written.
func (w *written) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.content.Write(p)
	select {
	case w.grew <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (w *written) String() string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.content.String()
}

// waitFor waits until the text was written.
func (w *written) waitFor(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(w.String(), text) {
		select {
		case <-w.grew:
		case <-deadline:
			t.Fatalf("%q was not written; all that was:\n%s", text, w)
		}
	}
}

// cable is the connection to the hub, which can be cut and mended.
type cable struct {
	t       *testing.T
	hub     string
	address string

	mutex    sync.Mutex
	listener net.Listener
	ends     []net.Conn
}

// newCable leads to the shared hub.
func newCable(t *testing.T) *cable {
	t.Helper()
	c := &cable{t: t, hub: strings.TrimPrefix(hubtest.Hub(t).URL(), "https://"), address: "127.0.0.1:0"}
	c.mend()
	t.Cleanup(c.cut)
	return c
}

func (c *cable) mend() {
	c.t.Helper()
	listener, err := net.Listen("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.listener, c.address = listener, listener.Addr().String()
	go c.carry(listener)
}

func (c *cable) carry(listener net.Listener) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", c.hub)
		if err != nil {
			near.Close()
			return
		}
		c.mutex.Lock()
		c.ends = append(c.ends, near, far)
		c.mutex.Unlock()
		go func() { _, _ = io.Copy(near, far) }() // ends when the cable is cut
		go func() { _, _ = io.Copy(far, near) }()
	}
}

func (c *cable) cut() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.listener.Close()
	for _, end := range c.ends {
		end.Close()
	}
	c.ends = nil
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
