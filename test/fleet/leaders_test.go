// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/internal/labapi"
)

// worker is a process of `sengu controller` beside the hub's.
type worker struct {
	f       *fleet
	process *exec.Cmd
	ended   chan error
}

// work starts controllers as a process of their own.
func (f *fleet) work(kubeconfig string, flags ...string) *worker {
	f.t.Helper()
	w := &worker{f: f, process: exec.Command(f.sengu, append([]string{"controller", "--kubeconfig", kubeconfig}, flags...)...), ended: make(chan error, 1)}
	w.process.Stderr = f.t.Output()
	if err := w.process.Start(); err != nil {
		f.t.Fatal(err)
	}
	go func() { w.ended <- w.process.Wait() }()
	f.t.Cleanup(func() { _ = w.process.Process.Kill() })
	return w
}

func (w *worker) signal(s syscall.Signal) {
	w.f.t.Helper()
	if err := w.process.Process.Signal(s); err != nil {
		w.f.t.Fatal(err)
	}
}

// holder waits until another process than before has the lease, and returns its name.
func (f *fleet) holder(before string) (name string) {
	f.t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", f.hubKubeconfig)
	if err != nil {
		f.t.Fatal(err)
	}
	leases := kubernetes.NewForConfigOrDie(cfg).CoordinationV1().Leases("default")
	f.until("another process than "+before+" leads", func() bool {
		var l *coordinationv1.Lease
		if l, err = leases.Get(f.t.Context(), "sengu-controller", metav1.GetOptions{}); err != nil || l.Spec.HolderIdentity == nil {
			return false
		}
		name = *l.Spec.HolderIdentity
		return name != "" && name != before
	})
	return name
}

// wantEachOnce checks that two nodes with one of surge were renewed by one added, one replaced and one removed.
func (f *fleet) wantEachOnce(cluster string) {
	f.t.Helper()
	got := f.operations(cluster)
	if got[labapi.OperationUpgrade] != 1 || got[labapi.OperationAddNode] != 1 || got[labapi.OperationReplaceNode]+got[labapi.OperationRemoveNode] != 2 {
		f.t.Errorf("%s: operations %v, want each once", cluster, got)
	}
}

// TestALeaderStandsStillInTheMiddleOfADrain, as on a machine that is suspended. Another process takes over. When the
// first goes on it does not know how much time has passed: it does nothing any more, and ends.
func TestALeaderStandsStillInTheMiddleOfADrain(t *testing.T) {
	t.Parallel()
	f := newLab(t, definition("staging-1/staging"))
	f.serve("--controllers=false")
	t.Cleanup(f.stop)
	flags := []string{"--leader-election", "--leader-election-lease-duration", "4s", "--leader-election-renew-deadline", "3s", "--leader-election-retry-period", "500ms"}
	first := f.work(f.hubKubeconfig, flags...)
	leads := f.holder("")
	second := f.work(f.hubKubeconfig, flags...)
	f.addAll("staging-1")
	f.create()
	f.untilDraining("staging-1")

	first.signal(syscall.SIGSTOP)
	f.holder(leads)
	f.untilDraining("staging-1")
	first.signal(syscall.SIGCONT)
	select {
	case err := <-first.ended:
		if err == nil {
			t.Error("the first ended as if all were well")
		}
	case <-time.After(patience):
		t.Error("the first goes on without its lease")
	}
	wantSaid(t, f.run(0, "run", "watch", "to-1-37"), "Succeeded")
	f.wantNothingLeft("staging-1", release.Newest)
	f.wantEachOnce("staging-1")
	second.signal(syscall.SIGTERM)
	if err := <-second.ended; err != nil {
		t.Errorf("the second ended with %v", err)
	}
}

// TestTheHubIsAwayDuringADrain: the controllers wait for it, however often they are refused, and go on.
func TestTheHubIsAwayDuringADrain(t *testing.T) {
	t.Parallel()
	f := newLab(t, definition("staging-1/staging"))
	f.serve("--controllers=false")
	t.Cleanup(f.stop)
	line := &line{}
	controllers := f.work(f.through(line))
	f.addAll("staging-1")
	f.create()
	f.untilDraining("staging-1")

	line.cut(true)
	time.Sleep(20 * time.Second) // several tries of each
	line.cut(false)
	wantSaid(t, f.run(0, "run", "watch", "to-1-37"), "Succeeded")
	f.wantNothingLeft("staging-1", release.Newest)
	f.wantEachOnce("staging-1")
	controllers.signal(syscall.SIGTERM)
	if err := <-controllers.ended; err != nil {
		t.Errorf("the controllers ended with %v", err)
	}
}

// through writes a kubeconfig that leads to the hub on a line that can be cut.
func (f *fleet) through(l *line) string {
	f.t.Helper()
	config, err := clientcmd.LoadFromFile(f.hubKubeconfig)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, c := range config.Clusters {
		server, err := url.Parse(c.Server)
		if err != nil {
			f.t.Fatal(err)
		}
		c.Server = strings.Replace(c.Server, server.Host, l.to(f.t, server.Host), 1)
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.write("line.kubeconfig", content)
}

// line is a connection that can be cut.
type line struct {
	mu    sync.Mutex
	isCut bool
	open  []net.Conn
}

// to listens, and connects whoever comes with a host.
func (l *line) to(t *testing.T, host string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", host)
			if err != nil {
				_ = near.Close()
				continue
			}
			l.connect(near, far)
		}
	}()
	return listener.Addr().String()
}

func (l *line) connect(near, far net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isCut {
		_ = near.Close()
		_ = far.Close()
		return
	}
	l.open = append(l.open, near, far)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
		}()
	}
}

// cut the line, with everything that is on it, or mend it.
func (l *line) cut(isCut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isCut = isCut
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}
