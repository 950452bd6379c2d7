// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/cli"
	"sengu.dev/sengu/internal/view/viewtest"
)

// watching is a `run watch` that runs beside the test.
type watching struct {
	t      *testing.T
	out    *written
	errOut *written
	code   chan int
}

func (s *session) watch(ctx context.Context, args ...string) *watching {
	s.t.Helper()
	w := &watching{t: s.t, out: newWritten(), errOut: newWritten(), code: make(chan int, 1)}
	c := s.config
	c.Streams = genericiooptions.IOStreams{In: strings.NewReader(""), Out: w.out, ErrOut: w.errOut}
	go func() { w.code <- cli.Run(ctx, c, append([]string{"run", "watch"}, args...)) }()
	return w
}

// ends waits for the end and checks the exit code.
func (w *watching) ends(want int) {
	w.t.Helper()
	select {
	case got := <-w.code:
		if got != want {
			w.t.Errorf("exit code %d, want %d: %s", got, want, w.errOut)
		}
	case <-time.After(20 * time.Second):
		w.t.Fatalf("it does not end; all that it wrote:\n%s%s", w.out, w.errOut)
	}
}

func TestWatchTellsEachChangeAndEndsWithTheRun(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.NewScene())
	w := s.watch(t.Context(), "to-1-37")
	w.out.waitFor(t, "Running: to 1.37.2, 5 clusters")
	s.play(viewtest.Draining())
	w.out.waitFor(t, "node user-7 blocked: waiting for budget shop/cart (healthy 3, needs 3)")
	s.play(doneScene())
	w.ends(0)
	for _, want := range []string{"Succeeded: 5 succeeded", "CLUSTER         FROM     TO       RESULT", "prod-berlin-1   1.36.3   1.37.2   Succeeded   6/6     1m12s      30        1         6"} {
		if !strings.Contains(w.out.String(), want) {
			t.Errorf("it did not say %q:\n%s", want, w.out)
		}
	}
	if n := strings.Count(w.out.String(), "Running: to 1.37.2"); n != 1 {
		t.Errorf("the start was told %d times:\n%s", n, w.out)
	}
}

func TestWatchFailsWithTheRun(t *testing.T) {
	tests := map[string]v1alpha1.RunPhase{"failed": v1alpha1.RunPhaseFailed, "stopped": v1alpha1.RunPhaseStopped}
	for name, phase := range tests {
		t.Run(name, func(t *testing.T) {
			s := newSession(t)
			scene := viewtest.NewScene()
			scene.Run.Status.Phase = phase
			scene.Run.Status.Waiting = &v1alpha1.Waiting{Reason: "Because", Message: "this is why"}
			s.play(scene)
			w := s.watch(t.Context(), "to-1-37")
			w.ends(1)
			if got, want := w.errOut.String(), `error: run "to-1-37" is `+string(phase)+": this is why"; !strings.HasPrefix(got, want) {
				t.Errorf("error %q, want %q", got, want)
			}
		})
	}
}

func TestWatchGoesOnWhenARetryWasAskedFor(t *testing.T) {
	s := newSession(t)
	scene := viewtest.NewScene().Fail("canary-1", "QuotaExceeded", "no cores left")
	scene.Run.Status.Phase = v1alpha1.RunPhaseFailed
	s.play(scene)
	s.must("run retry to-1-37")
	w := s.watch(t.Context(), "to-1-37")
	w.out.waitFor(t, "canary-1")
	done := doneScene()
	done.Run.Status.Attempt = 2
	s.play(done)
	w.ends(0)
}

func TestWatchEndsWhenTheRunIsDeleted(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.NewScene())
	w := s.watch(t.Context(), "to-1-37")
	w.out.waitFor(t, "Running")
	s.must("run delete to-1-37")
	w.ends(1)
	if want := `run "to-1-37" was deleted`; !strings.Contains(w.errOut.String(), want) {
		t.Errorf("error %q, want %q", w.errOut, want)
	}
}

func TestWatchGivesUpAfterItsTimeout(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.NewScene())
	w := s.watch(t.Context(), "to-1-37", "--timeout", "300ms")
	w.ends(1)
	if want := `run "to-1-37" did not end in 300ms; it goes on`; !strings.Contains(w.errOut.String(), want) {
		t.Errorf("error %q, want %q", w.errOut, want)
	}
}

func TestLeavingDoesNotTouchTheRun(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.NewScene())
	ctx, interrupt := context.WithCancel(t.Context())
	w := s.watch(ctx, "to-1-37")
	w.out.waitFor(t, "Running")
	interrupt()
	w.ends(130)
	if want := "The run goes on."; !strings.Contains(w.errOut.String(), want) {
		t.Errorf("it says %q, want %q", w.errOut, want)
	}
	if run := s.theRun(); run.Spec.State != "" {
		t.Errorf("leaving set the run to %s", run.Spec.State)
	}
}

func TestWatchConnectsAgainWhenTheHubIsBack(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.NewScene())
	c := newCable(t)
	t.Setenv("SENGU_KUBECONFIG", s.kubeconfig("https://"+c.address))
	w := s.watch(t.Context(), "to-1-37")
	w.out.waitFor(t, "Running: to 1.37.2")
	c.cut()
	w.out.waitFor(t, "connection to the hub lost, trying again")
	s.play(viewtest.Draining()) // happens while nobody can see it
	c.mend()
	w.out.waitFor(t, "connected to the hub again")
	w.out.waitFor(t, "node user-7 blocked")
	s.play(doneScene())
	w.ends(0)
}

func TestWatchWritesJSONForPrograms(t *testing.T) {
	s := newSession(t)
	s.play(doneScene())
	w := s.watch(t.Context(), "to-1-37", "-o", "json")
	w.ends(0)
	lines := strings.Split(strings.TrimSpace(w.out.String()), "\n")
	var last map[string]any
	for _, line := range lines {
		last = map[string]any{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("a line is not JSON: %v: %s", err, line)
		}
		if last["run"] != "to-1-37" {
			t.Errorf("a line does not name its run: %s", line)
		}
	}
	if last["phase"] != "Succeeded" {
		t.Errorf("the last line is %v, want the phase the run ended in", last)
	}
}

func TestTheLiveTreeOnATerminal(t *testing.T) {
	s := newSession(t)
	t.Setenv("TERM", "xterm-256color")
	s.play(viewtest.Draining())
	person, terminal, err := pty.Open()
	if err != nil {
		t.Skipf("this machine has no pseudo terminals: %v", err)
	}
	defer person.Close()
	defer terminal.Close()
	if err := pty.Setsize(person, &pty.Winsize{Cols: 100, Rows: 30}); err != nil {
		t.Fatal(err)
	}
	screen := newWritten()
	go func() { _, _ = io.Copy(screen, person) }() // ends when the terminal is closed
	code := make(chan int, 1)
	go func() {
		c := s.config
		c.Streams = genericiooptions.IOStreams{In: terminal, Out: terminal, ErrOut: terminal}
		code <- cli.Run(t.Context(), c, []string{"run", "watch", "to-1-37"})
	}()
	screen.waitFor(t, "2 pods left, waiting for budget shop/cart (healthy 3, needs 3)")
	screen.waitFor(t, "q leave (the run goes on)")
	if _, err := person.WriteString("p"); err != nil {
		t.Fatal(err)
	}
	screen.waitFor(t, "pausing: clusters in flight go to a safe point")
	if run := s.theRun(); run.Spec.State != v1alpha1.RunStatePause {
		t.Errorf("after p the run is asked to be %q", run.Spec.State)
	}
	if _, err := person.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-code:
		if got != 130 {
			t.Errorf("leaving exits with %d, want 130", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("q does not leave")
	}
}

func TestStopAsksOnATerminal(t *testing.T) {
	s := newSession(t)
	s.play(viewtest.Draining())
	person, terminal, err := pty.Open()
	if err != nil {
		t.Skipf("this machine has no pseudo terminals: %v", err)
	}
	defer person.Close()
	defer terminal.Close()
	for _, answer := range []struct {
		text      string
		wantCode  int
		wantState v1alpha1.RunState
	}{{"\n", 1, ""}, {"no\n", 1, ""}, {"y\n", 0, v1alpha1.RunStateStop}} {
		if _, err := person.WriteString(answer.text); err != nil {
			t.Fatal(err)
		}
		asked := newWritten()
		c := s.config
		c.Streams = genericiooptions.IOStreams{In: terminal, Out: io.Discard, ErrOut: asked}
		code := cli.Run(t.Context(), c, []string{"run", "stop", "to-1-37"})
		if code != answer.wantCode || !strings.Contains(asked.String(), "Stop run to-1-37 for good?") {
			t.Errorf("the answer %q gives exit code %d, want %d: %s", answer.text, code, answer.wantCode, asked)
		}
		if got := s.theRun().Spec.State; got != answer.wantState {
			t.Errorf("the answer %q makes the run %q, want %q", answer.text, got, answer.wantState)
		}
	}
}

func TestWatchForgetsWhatIsDeleted(t *testing.T) {
	s := newSession(t)
	scene := viewtest.Draining()
	s.play(scene)
	w := s.watch(t.Context(), "to-1-37")
	w.out.waitFor(t, "canary-1              Running")
	upgrade := scene.Upgrade("canary-1").DeepCopy()
	upgrade.Namespace = s.namespace
	if err := s.client().Delete(t.Context(), upgrade); err != nil {
		t.Fatal(err)
	}
	w.out.waitFor(t, "canary-1              NotStarted")
}

// TestTheLastTableFitsTheTerminal: a table that is broken over lines cannot be read, so the columns of the drain go.
func TestTheLastTableFitsTheTerminal(t *testing.T) {
	s := newSession(t)
	s.play(doneScene())
	for columns, wantDrain := range map[uint16]bool{80: false, 140: true} {
		person, terminal, err := pty.Open()
		if err != nil {
			t.Skipf("this machine has no pseudo terminals: %v", err)
		}
		if err := pty.Setsize(person, &pty.Winsize{Cols: columns, Rows: 30}); err != nil {
			t.Fatal(err)
		}
		screen := newWritten()
		go func() { _, _ = io.Copy(screen, person) }() // ends when the terminal is closed
		c := s.config
		c.Streams = genericiooptions.IOStreams{In: terminal, Out: terminal, ErrOut: terminal}
		if code := cli.Run(t.Context(), c, []string{"run", "watch", "to-1-37"}); code != 0 {
			t.Errorf("exit code %d: %s", code, screen)
		}
		screen.waitFor(t, "prod-berlin-1   1.36.3   1.37.2   Succeeded   6/6     1m12s")
		if got := strings.Contains(screen.String(), "EVICTED"); got != wantDrain {
			t.Errorf("at %d columns the table tells of evictions: %v, want %v:\n%s", columns, got, wantDrain, screen)
		}
		terminal.Close()
		person.Close()
	}
}
