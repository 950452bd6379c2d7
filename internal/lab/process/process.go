// SPDX-License-Identifier: Apache-2.0

// Package process starts the lab's child processes and sees to it that none outlives the lab.
//
// Three nets, each for what the one before cannot catch: Stop ends a child; the child ends itself when the pipe to
// its parent breaks, also after a kill -9 of the parent; and a file of process ids lets the next lab of the
// directory end a child that was frozen and could do neither.
package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// ParentPipe is the environment variable that tells a child which descriptor is the pipe to its parent.
const ParentPipe = "SENGU_LAB_PARENT_PIPE"

// parentPipeDescriptor is the first descriptor after the standard ones.
const parentPipeDescriptor = 3

// Spec says what to start.
type Spec struct {
	// Path of the program and its Arguments.
	Path      string
	Arguments []string
	// Dir is the working directory.
	Dir string
	// Log is the file that stdout and stderr are appended to.
	Log string
	// Record is the file that the process id is appended to, for Sweep.
	Record string
}

// Process is a running child.
type Process struct {
	command *exec.Cmd
	pipe    *os.File
	done    chan struct{}
	err     error
}

// Start starts a child in a process group of its own, so that Ctrl-C on a terminal reaches only the lab, which
// then ends its children in the right order.
func Start(s Spec) (*Process, error) {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of a child: %w", err)
	}
	defer log.Close()
	childEnd, parentEnd, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make the pipe to a child: %w", err)
	}
	defer childEnd.Close()

	command := exec.Command(s.Path, s.Arguments...)
	// People see in ps whose child it is, and Sweep finds its mark there.
	command.Args[0] = filepath.Base(s.Path) + ":" + s.Dir
	command.Dir = s.Dir
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{childEnd}
	command.Env = append(os.Environ(), fmt.Sprintf("%s=%d", ParentPipe, parentPipeDescriptor))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		parentEnd.Close()
		return nil, fmt.Errorf("start a child: %w", err)
	}
	p := &Process{command: command, pipe: parentEnd, done: make(chan struct{})}
	if err := record(s.Record, command.Process.Pid); err != nil {
		_ = command.Process.Kill()
		_ = command.Wait()
		parentEnd.Close()
		return nil, err
	}
	go func() {
		p.err = command.Wait()
		_ = parentEnd.Close()
		close(p.done)
	}()
	return p, nil
}

// PID is the process id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the child ended; it is valid after Done.
func (p *Process) Err() error {
	if p.err == nil {
		return errors.New("it ended by itself")
	}
	return p.err
}

// Stop asks the child to end and kills it after the grace. It returns when the child is gone.
func (p *Process) Stop(grace time.Duration) {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	}
	_ = p.command.Process.Kill()
	<-p.done
}
