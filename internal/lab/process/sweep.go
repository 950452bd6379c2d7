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

// Sweep kills what is left of an earlier lab by its record and removes the record. Process ids are used again, so
// only processes that name the lab's directory in their command line, as Start makes them do, are touched. It returns how many
// it killed.
func Sweep(path, dir string) (int, error) {
	content, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the record of children: %w", err)
	}
	killed := 0
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil || pid <= 1 || pid == os.Getpid() || !strings.Contains(commandLine(pid), ":"+dir) {
			continue
		}
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	if err := os.Remove(path); err != nil {
		return killed, fmt.Errorf("remove the record of children: %w", err)
	}
	return killed, nil
}

// Alive lists the recorded processes that still run and belong to the directory.
func Alive(path, dir string) []int {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var alive []int
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		if pid, err := strconv.Atoi(lines.Text()); err == nil && strings.Contains(commandLine(pid), ":"+dir) {
			alive = append(alive, pid)
		}
	}
	return alive
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
