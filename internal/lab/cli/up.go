// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sengu.dev/sengu/internal/lab"
)

func newUp(o *options) *cobra.Command {
	var file string
	var detach, detached bool
	command := &cobra.Command{
		Use:   "up",
		Short: "Start a lab, or go on with the one of the directory",
		Long: "Start a lab and stay in the foreground until Ctrl-C, which stops everything. The data stays: the next up goes on\n" +
			"with it, and down removes it.",
		Example: "  sengu-lab up\n  sengu-lab up -f fleet.yaml --detach\n  sengu-lab up --dir /tmp/other-lab   # a second lab beside the first",
		Args:    arguments(0, 0),
		RunE: func(command *cobra.Command, _ []string) error {
			fleet, err := readFleet(o.In, file)
			if err != nil {
				return err
			}
			if detach {
				return upDetached(command.Context(), o, fleet)
			}
			return up(command.Context(), o, fleet, detached)
		},
	}
	command.Flags().StringVarP(&file, "file", "f", "", "fleet file, - for standard input (default: a fleet of four clusters)")
	command.Flags().BoolVar(&detach, "detach", false, "return when the lab is up and leave it running")
	command.Flags().BoolVar(&detached, backgroundFlag, false, "")
	_ = command.Flags().MarkHidden(backgroundFlag) // it exists
	return command
}

// backgroundFlag tells the lab that upDetached starts that nobody can press Ctrl-C on it.
const backgroundFlag = "in-background"

// readFleet returns nil for the default fleet.
func readFleet(in io.Reader, file string) ([]byte, error) {
	switch file {
	case "":
		return nil, nil
	case "-":
		content, err := io.ReadAll(in)
		if err != nil {
			return nil, fmt.Errorf("read the fleet file: %w", err)
		}
		return content, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the fleet file: %w", err)
	}
	return content, nil
}

func up(ctx context.Context, o *options, fleet []byte, detached bool) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the lab's program: %w", err)
	}
	began := time.Now()
	running, err := lab.Start(ctx, lab.Config{Dir: o.dir, Fleet: fleet, Binary: binary, Log: o.Out})
	if errors.Is(err, context.Canceled) {
		return errors.New("stopped before it was up")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "the lab is up after %.1f s: %s\n", time.Since(began).Seconds(), strings.Join(running.Clusters(), ", "))
	fmt.Fprintf(o.Out, "management API: %s, its token is in %s\n", running.Endpoint(), filepath.Join(running.Dir(), "lab.json"))
	if !detached {
		fmt.Fprintln(o.Out, "Ctrl-C stops it")
	}
	<-ctx.Done()
	fmt.Fprintln(o.Out, "stopping")
	return running.Close()
}

// upDetached starts the same command in a session of its own and shows what it says until it is up.
func upDetached(ctx context.Context, o *options, fleet []byte) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the lab's program: %w", err)
	}
	// Before the log is made: what is refused leaves nothing behind, and the log of a lab that runs there stays.
	if err := lab.Check(lab.Config{Dir: o.dir, Fleet: fleet, Binary: binary}); err != nil {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return fmt.Errorf("make the lab's directory: %w", err)
	}
	path := filepath.Join(o.dir, lab.LogFile)
	written, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the lab's log: %w", err)
	}
	defer written.Close()
	read, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the lab's log: %w", err)
	}
	defer read.Close()
	command := exec.Command(binary, "up", "--dir", o.dir, "--"+backgroundFlag)
	if fleet != nil {
		command.Args = append(command.Args, "--file", "-")
		command.Stdin = strings.NewReader(string(fleet))
	}
	command.Stdout, command.Stderr = written, written
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start the lab: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // how it ended stands in its log
	}()
	for {
		select {
		case <-ended:
			_, _ = io.Copy(o.Err, read)
			return &exitError{codeFailed} // its error is in what was copied
		case <-ctx.Done():
			_ = command.Process.Signal(syscall.SIGTERM)
			<-ended
			return errors.New("stopped before it was up")
		case <-time.After(50 * time.Millisecond):
		}
		_, _ = io.Copy(o.Out, read)
		if c, err := lab.ReadConnection(o.dir); err == nil && c.PID == command.Process.Pid {
			fmt.Fprintf(o.Out, "the lab runs in the background: its log is %s, sengu-lab down stops it\n", path)
			return nil
		}
	}
}

func newDown(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "Stop the lab of the directory and remove all its data",
		Long: "Stop the lab of the directory, also one that is still starting, and remove all its data. Files that are not the\n" +
			"lab's stay. Where there is no lab, nothing is done.",
		Example: "  sengu-lab down\n  sengu-lab down --dir /tmp/other-lab",
		Args:    arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if err := lab.Down(o.dir); err != nil {
				return err
			}
			fmt.Fprintf(o.Out, "no lab is left in %s\n", o.dir)
			return nil
		},
	}
}
