// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T, dir, script string) *Process {
	t.Helper()
	work := filepath.Join(dir, "work")
	if err := os.MkdirAll(work, 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := Start(Spec{
		Path: "/bin/sh", Arguments: []string{"-c", script}, Dir: work,
		Log: filepath.Join(dir, "log"), Record: filepath.Join(dir, "record"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(0) })
	return p
}

func TestStopAsksFirstAndKillsThen(t *testing.T) {
	for name, c := range map[string]struct {
		script      string
		wantAtLeast time.Duration
	}{
		"one that listens": {"trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done", 0},
		"one that is deaf": {"trap '' TERM; echo up; while :; do sleep 0.01; done", 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, dir, c.script)
			waitFor(t, "the child is up", func() bool {
				log, _ := os.ReadFile(filepath.Join(dir, "log"))
				return strings.Contains(string(log), "up")
			})
			began := time.Now()
			p.Stop(300 * time.Millisecond)
			took := time.Since(began)
			if took < c.wantAtLeast || took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			if c.wantAtLeast == 0 && took > 250*time.Millisecond {
				t.Errorf("it took %s though the child listens", took)
			}
			if runs(p.PID()) {
				t.Error("the child is alive")
			}
		})
	}
}

func TestChildHoldsThePipeOfItsParent(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, `test -p /dev/fd/$`+ParentPipe+` && echo "it is a pipe"`)
	<-p.Done()
	if log, _ := os.ReadFile(filepath.Join(dir, "log")); !strings.Contains(string(log), "it is a pipe") {
		t.Errorf("the child says %q", log)
	}
}

func TestSweepEndsOnlyWhatBelongsToTheDirectory(t *testing.T) {
	dir := t.TempDir()
	mine := start(t, dir, "while :; do sleep 0.1; done")
	stranger := exec.Command("/bin/sh", "-c", "while :; do sleep 0.1; done")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	path := filepath.Join(dir, "record")
	if err := record(path, stranger.Process.Pid); err != nil {
		t.Fatal(err)
	}
	killed, err := Sweep(path, dir)
	if err != nil || killed != 1 {
		t.Errorf("swept %d, %v, want 1", killed, err)
	}
	<-mine.Done()
	if !runs(stranger.Process.Pid) {
		t.Error("a process that only has a recorded id was killed")
	}
	if killed, err := Sweep(path, dir); killed != 0 || err != nil {
		t.Errorf("the second sweep: %d, %v, want nothing to do", killed, err)
	}
}

func TestReservedPortIsOurs(t *testing.T) {
	port, err := ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	seen := map[int]bool{port.Number: true}
	for range 200 {
		other, err := ReservePort()
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if seen[other.Number] {
			t.Fatalf("port %d was given twice", other.Number)
		}
		seen[other.Number] = true
	}
}

func runs(pid int) bool { return commandLine(pid) != "" }

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10s", what)
		}
	}
}
