// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// build is one go command with its progress.
type build struct {
	what     string
	dir      string
	tests    bool
	command  []string
	packages []string
	out      io.Writer
	interval time.Duration
}

// run asks the go command what is not cached, then compiles it. While either takes longer than the
// interval, a line says how far it is.
func (b build) run() error {
	p := &progress{what: b.what, start: time.Now()}
	stop := p.every(b.interval, b.out)
	defer stop()

	stale, err := b.stale(p)
	if err != nil {
		return err
	}
	p.compiling(stale)

	args := append([]string{b.command[0], "-v"}, b.command[1:]...)
	if err := b.goCommand(nil, p, append(args, b.packages...)...); err != nil {
		return err
	}
	stop()
	if line := p.done(b.interval); line != "" {
		fmt.Fprintln(b.out, line)
	}
	return nil
}

// stale lists the packages that the build cache does not hold. With -v the go command prints exactly these
// when it compiles them, so both numbers of the progress line count the same thing.
func (b build) stale(p *progress) (map[string]bool, error) {
	args := []string{"list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"}
	if b.tests {
		args = append(args, "-test")
	}
	var listed bytes.Buffer
	if err := b.goCommand(&listed, p, append(args, b.packages...)...); err != nil {
		return nil, err
	}
	stale := map[string]bool{}
	for line := range strings.Lines(listed.String()) {
		if name := strings.TrimSpace(line); name != "" {
			stale[name] = true
		}
	}
	return stale, nil
}

// goCommand runs one go command. Lines about its progress are counted, all others (a compiler's errors) are
// passed on.
func (b build) goCommand(stdout io.Writer, p *progress, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir = b.dir
	cmd.Stdout = stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the go command: %w", err)
	}
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if !p.seen(lines.Text()) {
			fmt.Fprintln(b.out, lines.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go %s failed: %w", args[0], err)
	}
	return nil
}
