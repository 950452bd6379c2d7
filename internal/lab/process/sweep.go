// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// record appends a process id to the file.
func record(path string, pid int) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("record a child: %w", err)
	}
	if _, err := fmt.Fprintln(file, pid); err != nil {
		file.Close()
		return fmt.Errorf("record a child: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("record a child: %w", err)
	}
	return nil
}

// sweepTimeout is how long killed processes may take to be gone: the kernel has to give their memory back first.
const sweepTimeout = 10 * time.Second

// Sweep kills what is left of an earlier lab by its record, waits until it is gone, and removes the record. Process
// ids are used again, so only processes that name the lab's directory in their command line, as Start makes them do,
// are touched. It returns how many it killed.
func Sweep(path, dir string) (int, error) {
	left := alive(path, dir)
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended by itself meanwhile
	}
	for deadline := time.Now().Add(sweepTimeout); len(alive(path, dir)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return len(left), fmt.Errorf("processes %v of an earlier lab do not end", alive(path, dir))
		}
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return len(left), fmt.Errorf("remove the record of children: %w", err)
	}
	return len(left), nil
}

// alive lists the recorded processes that still run and belong to the directory.
func alive(path, dir string) []int {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil // no record, no children
	}
	var found []int
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		pid, err := strconv.Atoi(lines.Text())
		if err == nil && pid > 1 && pid != os.Getpid() && strings.Contains(commandLine(pid), ":"+dir+"/") {
			found = append(found, pid)
		}
	}
	return found
}

// commandLine of a process; empty when there is none. A dead child that was not waited for has none either.
func commandLine(pid int) string {
	if content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil {
		return string(content)
	}
	if _, err := os.Stat("/proc/self"); err == nil {
		return ""
	}
	output, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return string(output)
}
