// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/internal/lab"
	"sengu.dev/sengu/internal/lab/labtest"
	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/internal/labapi"
)

const small = `{clusters: [{name: small, version: "1.36", nodePools: [{name: user, count: 1}]}]}`

// alive lists the processes whose command line names the directory.
func alive(t *testing.T, dir string) []string {
	t.Helper()
	output, err := exec.Command("ps", "-eww", "-o", "pid=,args=").Output()
	if err != nil {
		t.Skipf("list the processes: %v", err)
	}
	var found []string
	for line := range strings.Lines(string(output)) {
		if strings.Contains(line, ":"+dir) || strings.Contains(line, "--dir "+dir) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func noneAlive(t *testing.T, dir string) {
	t.Helper()
	w := world{T: t}
	w.eventually("no process of "+dir+" is left", func(context.Context) error {
		if left := alive(t, dir); len(left) > 0 {
			return fmt.Errorf("%d are: %s", len(left), strings.Join(left, "\n"))
		}
		return nil
	})
}

// program is a `sengu-lab up` as people run it.
type program struct {
	*exec.Cmd
	output bytes.Buffer
	ended  chan struct{}
}

// wait waits for its end.
func (p *program) wait() *os.ProcessState {
	<-p.ended
	return p.ProcessState
}

// runProgram starts a lab and does not wait for anything.
func runProgram(t *testing.T, dir string) *program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := os.WriteFile(file, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &program{Cmd: exec.Command(labtest.Binary(t), "up", "--dir", dir, "-f", file), ended: make(chan struct{})}
	p.Stdout, p.Stderr = &p.output, &p.output
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.ended
	})
	return p
}

// startProgram starts a lab and waits until it is up.
func startProgram(t *testing.T, dir string) *program {
	t.Helper()
	p := runProgram(t, dir)
	world{T: t}.eventually("the lab is up", func(context.Context) error {
		_, err := lab.ReadConnection(dir)
		select {
		case <-p.ended:
			t.Fatalf("the lab ended: %s", p.output.String())
		default:
		}
		return err
	})
	return p
}

// TestNothingIsLeft ends a lab in every way that one can end.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	signaled := func(end syscall.Signal) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			command := startProgram(t, dir)
			if n := len(alive(t, dir)); n < 6 {
				t.Fatalf("%d processes run, want the lab and five of its cluster", n)
			}
			if err := command.Process.Signal(end); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, end := range map[string]func(t *testing.T, dir string){
		"Ctrl-C":                     signaled(syscall.SIGINT),
		"the parent is killed by -9": signaled(syscall.SIGKILL),
		"down": func(t *testing.T, dir string) {
			startProgram(t, dir)
			if err := lab.Down(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("the directory after down: %v, want that it is gone", err)
			}
		},
		"Close": func(t *testing.T, dir string) {
			if err := labtest.StartIn(t, dir, small).Close(); err != nil {
				t.Fatal(err)
			}
		},
		"down while a lab starts, after an earlier one was killed by -9": func(t *testing.T, dir string) {
			if err := startProgram(t, dir).Process.Kill(); err != nil {
				t.Fatal(err)
			}
			noneAlive(t, dir)
			again := runProgram(t, dir)
			world{T: t}.eventually("the second lab starts", func(context.Context) error {
				if _, err := lab.ReadConnection(dir); err == nil || !strings.Contains(err.Error(), "starting or stopping") {
					return fmt.Errorf("the lab is not starting: %w", cmp.Or(err, errors.New("it is up")))
				}
				return nil
			})
			if err := lab.Down(dir); err != nil {
				t.Fatal(err)
			}
			if state := again.wait(); state.ExitCode() != 1 {
				t.Errorf("the second lab ended with %s, want exit code 1: it was stopped before it was up", state)
			}
		},
		"down, after the parent was killed by -9 while a child was frozen": func(t *testing.T, dir string) {
			command := startProgram(t, dir)
			freezeOne(t, dir)
			if err := command.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := lab.Down(dir); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "lab")
			end(t, dir)
			noneAlive(t, dir)
		})
	}
}

// freezeOne stops a child as a debugger or a full disk would, so that it cannot end itself.
func freezeOne(t *testing.T, dir string) {
	t.Helper()
	signalTo(t, dir, "etcd", syscall.SIGSTOP)
}

// signalTo sends a signal to a component of the lab's only cluster.
func signalTo(t *testing.T, dir, component string, signal syscall.Signal) {
	t.Helper()
	for _, line := range alive(t, dir) {
		var pid int
		if _, err := fmt.Sscan(line, &pid); err == nil && strings.Contains(line, " "+component+" ") {
			noError(t, syscall.Kill(pid, signal))
			return
		}
	}
	t.Fatalf("no %s runs", component)
}

// TestAPartThatEndsIsTold: a component that is killed, as for lack of memory, makes the control plane Failed, and a
// new request starts it again.
func TestAPartThatEndsIsTold(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, small)
	w := visit(t, l, "small")
	for _, component := range []string{"kube-scheduler", "kube-apiserver"} {
		signalTo(t, l.Dir(), component, syscall.SIGKILL)
		w.eventually("the control plane is Failed", func(context.Context) error {
			if got := w.describe().ControlPlane; got.State != labapi.Failed || !strings.HasPrefix(got.Message, component+" ended by itself (signal: killed): ") {
				return fmt.Errorf("it is %+v", got)
			}
			return nil
		})
		w.succeed(w.cloud.Upgrade(t.Context(), "small", labapi.UpgradeRequest{RequestKey: "after " + component, Version: "1.36.0"}))
		if got := w.describe().ControlPlane; got.State != labapi.Running || got.Message != "" {
			t.Errorf("the control plane after it was started again is %+v", got)
		}
	}
}

// TestLabsSideBySide runs two labs with clusters of the same name, and refuses a second one in the same directory.
func TestLabsSideBySide(t *testing.T) {
	t.Parallel()
	one, two := labtest.Start(t, small), labtest.Start(t, small)
	w1, w2 := visit(t, one, "small"), visit(t, two, "small")
	w1.succeed(w1.cloud.AddNode(t.Context(), "small", "user", labapi.NodeRequest{RequestKey: "add"}))
	for w, want := range map[*world]int{&w1: 2, &w2: 1} {
		nodes, err := w.kube.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
		if got := len(must(t, nodes, err).Items); got != want {
			t.Errorf("%d nodes, want %d: the labs are not apart", got, want)
		}
	}
	if _, err := labapi.NewClient(two.Endpoint(), one.Token()).Clusters(t.Context()); err == nil {
		t.Error("the token of one lab opens the other")
	}
	started := time.Now()
	_, err := lab.Start(t.Context(), lab.Config{Dir: one.Dir(), Fleet: []byte(small), Binary: labtest.Binary(t)})
	if err == nil || !strings.Contains(err.Error(), "another lab runs in "+one.Dir()) {
		t.Errorf("a second lab in the same directory: %v, want one sentence that another runs there", err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("the refusal took %s", took)
	}
	if _, err := w1.cloud.Clusters(t.Context()); err != nil {
		t.Errorf("the first lab after the refusal: %v", err)
	}
}

// TestLabGoesOn stops a lab in the middle of an upgrade and of nothing, and starts it again.
func TestLabGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := labtest.StartIn(t, dir, small)
	w := visit(t, first, "small")
	created, err := w.cloud.CreateCluster(t.Context(), []byte(`{name: byhand, version: "1.36", nodePools: [{name: user, count: 1}]}`))
	if must(t, created, err).ControlPlane.State != labapi.Running {
		t.Errorf("the created cluster is %+v", created)
	}
	replaced := w.succeed(w.cloud.ReplaceNode(t.Context(), "small", "user-0001", labapi.NodeRequest{RequestKey: "kept"}))
	node := w.node(replaced.NewNode)
	if err := w.cloud.SetFaults(t.Context(), "small", labapi.Fault{Kind: labapi.FaultStartSlow, Seconds: 60}); err != nil {
		t.Fatal(err)
	}
	upgrade, err := w.cloud.Upgrade(t.Context(), "small", labapi.UpgradeRequest{RequestKey: "interrupted", Version: "1.37.2"})
	noError(t, err)
	w.eventually("the upgrade is under way", func(context.Context) error {
		if got := w.describe().ControlPlane.State; got != labapi.Upgrading {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	kubeconfig := first.Kubeconfig("byhand")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := labtest.StartIn(t, dir, small)
	w = visit(t, second, "small")
	again, err := w.cloud.Upgrade(t.Context(), "small", labapi.UpgradeRequest{RequestKey: "interrupted", Version: "1.37.2"})
	if must(t, again, err).ID != upgrade.ID {
		t.Errorf("after the restart the same request is operation %s, want %s", again.ID, upgrade.ID)
	}
	w.succeed(again, nil)
	if got := w.describe().ControlPlane.Version; got != "1.37.2" {
		t.Errorf("the interrupted upgrade ended on %s, want 1.37.2", got)
	}
	repeated, err := w.cloud.ReplaceNode(t.Context(), "small", "user-0001", labapi.NodeRequest{RequestKey: "kept"})
	if must(t, repeated, err).NewNode != replaced.NewNode {
		t.Errorf("after the restart the same replacement made %s, want %s", repeated.NewNode, replaced.NewNode)
	}
	if got := w.node(replaced.NewNode); got.UID != node.UID {
		t.Error("the node is another object after the restart")
	}
	if !bytes.Equal(kubeconfig, second.Kubeconfig("byhand")) {
		t.Error("the kubeconfig changed with the restart")
	}
	if err := w.cloud.DeleteCluster(t.Context(), "byhand"); err != nil {
		t.Fatal(err)
	}
	if got := second.Clusters(); len(got) != 1 || got[0] != "small" {
		t.Errorf("after the deletion the lab has %v", got)
	}
}

// TestGenuineRelease upgrades a cluster from another release's own binaries. Building one takes minutes, so the test
// takes the newest that `sengu-lab build` has left in the cache.
func TestGenuineRelease(t *testing.T) {
	t.Parallel()
	cache, err := release.CacheDir()
	noError(t, err)
	var genuine string
	for _, r := range release.Catalog(cache) {
		if r.Genuine() && strings.HasPrefix(r.Version, "1.36.") {
			genuine = r.Version
		}
	}
	if genuine == "" {
		t.Skip("no genuine 1.36 is built: run sengu-lab build 1.36.3")
	}
	l := labtest.Start(t, fmt.Sprintf(`{clusters: [{name: old, version: %s, nodePools: [{name: user, count: 1}], workloads: [{kind: Deployment, name: web}]}]}`, genuine))
	w := visit(t, l, "old")
	serves := func(want string) {
		t.Helper()
		version, err := w.kube.Discovery().ServerVersion()
		if got := must(t, version, err).GitVersion; got != "v"+want {
			t.Errorf("the API server is %s, want the genuine v%s", got, want)
		}
	}
	serves(genuine)
	pod := w.pods("default", "web")[0]
	w.succeed(w.cloud.Upgrade(t.Context(), "old", labapi.UpgradeRequest{RequestKey: "up", Version: release.Newest}))
	serves(release.Newest)
	if again := w.pods("default", "web")[0]; again.UID != pod.UID {
		t.Errorf("pod %s took the place of %s with the upgrade", again.Name, pod.Name)
	}
}
