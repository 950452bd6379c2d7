// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// startTimeout is how long the lab and the hub may take: a warm start takes 10 s on two cores.
const startTimeout = 3 * time.Minute

// stopTimeout is how long a child may take to end before it is killed.
const stopTimeout = 15 * time.Second

// child is a program that runs beside the demo.
type child struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
	tail *tail
}

// start runs a program in the background; its lines are shown with its name in front.
func (d *demo) start(name, program string, args ...string) (*child, error) {
	cmd := exec.Command(d.binary(program), args...)
	cmd.SysProcAttr = ownGroup()
	c := &child{name: name, cmd: cmd, done: make(chan struct{}), tail: &tail{}}
	out := &prefixed{to: d.Out, prefix: fmt.Sprintf("%s │ ", name)}
	cmd.Stdout, cmd.Stderr = io.MultiWriter(out, c.tail), io.MultiWriter(out, c.tail)
	d.echo(program, args)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s could not be started: %w; run `make build` first", program, err)
	}
	go func() {
		c.err = cmd.Wait()
		close(c.done)
	}()
	d.children = append(d.children, c)
	return c, nil
}

// show runs a command of sengu on the demo's hub to its end in the foreground, with the command in front.
func (d *demo) show(ctx context.Context, args ...string) error {
	return d.showAs(ctx, d.hubKubeconfig(), args...)
}

// showAs runs a command of sengu with the rights of somebody else's kubeconfig.
func (d *demo) showAs(ctx context.Context, kubeconfig string, args ...string) error {
	const program = "sengu"
	args = append(args, "--kubeconfig", kubeconfig)
	d.echo(program, args)
	cmd := exec.CommandContext(ctx, d.binary(program), args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = d.In, d.Out, d.Err
	cmd.SysProcAttr = sameGroup()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("`%s %s` failed: %w", program, strings.Join(args, " "), err)
	}
	return nil
}

// quiet runs a program to its end and shows nothing.
func (d *demo) quiet(ctx context.Context, program string, args ...string) error {
	return exec.CommandContext(ctx, d.binary(program), args...).Run()
}

// output runs a program to its end and returns what it printed.
func (d *demo) output(ctx context.Context, program string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, d.binary(program), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("`%s %s` failed: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// until waits for something to become true while a child runs.
func (d *demo) until(ctx context.Context, c *child, ready func() bool) error {
	deadline := d.Clock.Now().Add(startTimeout)
	var done chan struct{}
	if c != nil {
		done = c.done
	}
	for !ready() {
		if d.Clock.Now().After(deadline) {
			return fmt.Errorf("not ready after %s", startTimeout)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-done:
			return fmt.Errorf("the %s ended too early: %s", c.name, c.tail.String())
		case <-d.Clock.After(300 * time.Millisecond):
		}
	}
	return nil
}

// close ends the children, the last started first, and removes the data.
func (d *demo) close() error {
	var errs []error
	for _, c := range slices.Backward(d.children) {
		errs = append(errs, c.stop(d.Clock.After(stopTimeout)))
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

func (c *child) stop(patience <-chan time.Time) error {
	if err := c.cmd.Process.Signal(os.Interrupt); errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	select {
	case <-c.done:
		return nil
	case <-patience:
	}
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("the %s cannot be stopped: %w", c.name, err)
	}
	<-c.done
	return nil
}

func (d *demo) binary(program string) string { return filepath.Join(d.Binaries, program) }

func (d *demo) echo(program string, args []string) {
	fmt.Fprintf(d.Out, "$ %s\n", strings.Join(append([]string{program}, args...), " "))
}

// prefixed writes whole lines with a prefix, so that programs which run side by side stay readable.
type prefixed struct {
	mu     sync.Mutex
	to     io.Writer
	prefix string
	rest   []byte
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = append(p.rest, b...)
	for {
		i := bytes.IndexByte(p.rest, '\n')
		if i < 0 {
			return len(b), nil
		}
		if _, err := fmt.Fprintf(p.to, "%s%s\n", p.prefix, p.rest[:i]); err != nil {
			return 0, err
		}
		p.rest = p.rest[i+1:]
	}
}

// tail keeps the last lines that a child printed, for the sentence that says why it ended.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		t.lines = append(t.lines, s.Text())
	}
	t.lines = t.lines[max(0, len(t.lines)-5):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "; ")
}
