// SPDX-License-Identifier: Apache-2.0

package fleet_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sengu.dev/sengu/internal/lab/labtest"
)

// demo is `make demo` after its build, without a terminal.
type demo struct {
	*exec.Cmd
	t   *testing.T
	dir string // where all its data is

	mu   sync.Mutex
	said bytes.Buffer
}

func startDemo(t *testing.T, definition string) *demo {
	t.Helper()
	if testing.Short() {
		t.Skip("starts control planes")
	}
	labtest.Program(t, "sengu")
	labtest.Program(t, "sengu-lab")
	d := &demo{t: t, dir: t.TempDir()}
	fleetFile := filepath.Join(t.TempDir(), "fleet.yaml")
	if err := os.WriteFile(fleetFile, []byte(definition), 0o600); err != nil {
		t.Fatal(err)
	}
	d.Cmd = exec.Command(labtest.Program(t, "sengu-demo"), "-fleet", fleetFile)
	d.Env = append(os.Environ(), "TMPDIR="+d.dir)
	d.Stdout, d.Stderr = d, d
	d.WaitDelay = 10 * time.Second // a child that is left must fail the test, not hang it
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// Write keeps what it says.
func (d *demo) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said.Write(p)
}

func (d *demo) all() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said.String()
}

// untilSaid waits until it has said something.
func (d *demo) untilSaid(words string) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(d.all(), words); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = d.Process.Kill()
			d.t.Fatalf("not within %s: %q; it said:\n%s", patience, words, d.all())
		}
	}
}

// wantNoProcess checks that nothing runs any more that works in the demo's directory.
func (d *demo) wantNoProcess() {
	d.t.Helper()
	var left []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		left = nil
		commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			d.t.Fatal(err)
		}
		for _, file := range commands {
			// A process that ended meanwhile has no command line.
			if command, _ := os.ReadFile(file); bytes.Contains(command, []byte(d.dir)) {
				left = append(left, strings.ReplaceAll(string(command), "\x00", " "))
			}
		}
		if len(left) == 0 {
			return
		}
	}
	d.t.Errorf("%d processes are left:\n%s", len(left), strings.Join(left, "\n"))
}

func (d *demo) wantNoFile() {
	d.t.Helper()
	left, err := os.ReadDir(d.dir)
	if err != nil || len(left) > 0 {
		d.t.Errorf("files are left: %v, %v", left, err)
	}
}

// TestTheDemo plays it to its end: a fleet goes to the next minor, every budget is kept by witnesses that are not
// Sengu's, and nothing is left.
func TestTheDemo(t *testing.T) {
	t.Parallel()
	d := startDemo(t, definition("one/staging", "two/canary", "three/production"))
	err := d.Wait()
	said := d.all()
	if err != nil {
		t.Fatalf("%v; it said:\n%s", err, said)
	}
	wantSaid(t, said, "what would happen, and why", "run to-next-minor     Succeeded: 3 succeeded", "Every budget was kept at every moment")
	if strings.Index(said, "stage canary") < strings.Index(said, "stage staging") || strings.Index(said, "stage production") < strings.Index(said, "stage canary") {
		t.Errorf("the stages are not in their order:\n%s", said)
	}
	d.wantNoProcess()
	d.wantNoFile()
}

// TestTheDemoIsLeft: however it is ended, it takes what it started with it.
func TestTheDemoIsLeft(t *testing.T) {
	t.Parallel()
	d := startDemo(t, definition("one/staging"))
	d.untilSaid("stage staging         Running")
	if err := d.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := d.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v; it said:\n%s", err, d.all())
	}
	d.wantNoProcess()
	d.wantNoFile()

	d = startDemo(t, definition("one/staging"))
	d.untilSaid("stage staging         Running")
	if err := d.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = d.Wait()
	d.wantNoProcess()
}
