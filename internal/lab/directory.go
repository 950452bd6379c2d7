// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sengu.dev/sengu/internal/lab/process"
	"sengu.dev/sengu/internal/labapi"
)

// Names of the files in a lab's directory.
const (
	connectionFile = "lab.json"
	lockFile       = "lock"
	recordFile     = "children"
	operationsFile = "operations.json"
	clustersDir    = "clusters"
	// LogFile is where a lab in the background writes.
	LogFile = "lab.log"
)

// ownFiles are all that a lab has at the top of its directory. The lock comes last: it says whose directory it is
// for as long as something else is left.
var ownFiles = []string{
	clustersDir, operationsFile, operationsFile + newSuffix, connectionFile, connectionFile + newSuffix, recordFile, LogFile, lockFile,
}

// lockMark begins the content of the lock, so that another program's file of that name is not taken for it.
const lockMark = "sengu-lab"

// Connection is how to reach a running lab. It is secret.
type Connection struct {
	// Endpoint of the management API, for example http://127.0.0.1:40123.
	Endpoint string `json:"endpoint"`
	// Token for it.
	Token string `json:"token"`
	// PID of the lab's process.
	PID int `json:"pid"`
}

// DefaultDir is the directory of a lab when none is named: sengu/lab in the user's state directory.
func DefaultDir() (string, error) {
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "sengu", "lab"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the lab's directory: %w", err)
	}
	return filepath.Join(home, ".local", "state", "sengu", "lab"), nil
}

// ReadConnection finds the lab that runs in a directory. The error says in one sentence that none does.
func ReadConnection(dir string) (Connection, error) {
	var connection Connection
	if !held(dir) {
		return connection, fmt.Errorf("no lab runs in %s: start one with sengu-lab up", dir)
	}
	content, err := os.ReadFile(filepath.Join(dir, connectionFile))
	if err == nil {
		err = json.Unmarshal(content, &connection)
	}
	if err != nil {
		return connection, fmt.Errorf("the lab in %s is not up: it is starting or stopping, so try again in some seconds", dir)
	}
	return connection, nil
}

// Connect returns a client of the lab that runs in a directory.
func Connect(dir string) (*labapi.Client, error) {
	connection, err := ReadConnection(dir)
	if err != nil {
		return nil, err
	}
	return labapi.NewClient(connection.Endpoint, connection.Token), nil
}

// Down stops the lab of a directory, also one that is still starting, ends what an earlier one has left, and removes
// what a lab has there, and the directory when nothing else is in it. A directory that is not there is fine; one
// that is not a lab's is refused.
func Down(dir string) error {
	// The children name their directory in full.
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the lab's directory: %w", err)
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err != nil || usable(dir) != nil {
		return fmt.Errorf("%s is not the directory of a lab: it was left as it is", dir)
	}
	if err := stopHolder(dir); err != nil {
		return err
	}
	lock, err := acquire(dir, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // another down was faster
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := sweep(dir); err != nil {
		return err
	}
	for _, name := range ownFiles {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("remove the lab's directory: %w", err)
		}
	}
	_ = os.Remove(dir) // it stays when people keep something else in it
	return nil
}

// stopTimeout is how long a lab may take to end by itself: about 3 s for four clusters.
const stopTimeout = 30 * time.Second

// stopHolder ends the process that holds the directory and waits until it is gone.
func stopHolder(dir string) error {
	signal, seen, told := syscall.SIGTERM, 0, 0
	for began := time.Now(); held(dir); time.Sleep(20 * time.Millisecond) {
		switch waited := time.Since(began); {
		case waited > 2*stopTimeout:
			return fmt.Errorf("the lab in %s does not end: end process %d and try again", dir, holder(dir))
		case waited > stopTimeout:
			signal, told = syscall.SIGKILL, 0
		}
		// A lab that took the lock an instant ago has not replaced the id of a dead one yet, and ids are used again:
		// only the one that stands there at two looks is its own.
		pid := holder(dir)
		if pid > 0 && pid == seen && pid != told {
			if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("stop the lab, which is process %d: %w", pid, err)
			}
			told = pid
		}
		seen = pid
	}
	return nil
}

// holder is the process id in the lock; 0 when there is none.
func holder(dir string) int {
	content, err := os.ReadFile(filepath.Join(dir, lockFile))
	if err != nil {
		return 0
	}
	text, ok := strings.CutPrefix(string(content), lockMark+" ")
	if !ok {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0
	}
	return pid
}

// usable refuses a directory that holds anything while no lab has made it: down would have to tell what is whose.
func usable(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the lab's directory: %w", err)
	}
	content, err := os.ReadFile(filepath.Join(dir, lockFile))
	if err == nil && strings.HasPrefix(string(content), lockMark) {
		return nil
	}
	for _, entry := range entries {
		// An empty lock is that of a lab that was killed in its first instant.
		isOurs := slices.Contains(ownFiles, entry.Name()) && (entry.Name() != lockFile || len(content) == 0)
		if !isOurs {
			return fmt.Errorf("%s holds %s and is not the directory of a lab: choose a new or an empty one with --dir", dir, entry.Name())
		}
	}
	return nil
}

// acquire takes the directory for a process, 0: for one that is not to be stopped; closing the file gives it back,
// and so does the kernel when the process ends, however it does.
func acquire(dir string, pid int) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lab's lock: %w", err)
	}
	// Whoever looks whether a lab runs holds the lock for an instant.
	for range 10 {
		if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if err := mark(lock, pid); err != nil {
			lock.Close()
			return nil, err
		}
		return lock, nil
	}
	lock.Close()
	return nil, anotherLab(dir)
}

func anotherLab(dir string) error {
	return fmt.Errorf("another lab runs in %s: stop it with sengu-lab down, or choose another --dir", dir)
}

// mark writes whose the lock is.
func mark(lock *os.File, pid int) error {
	content := lockMark + "\n"
	if pid > 0 {
		content = fmt.Sprintf("%s %d\n", lockMark, pid)
	}
	if err := lock.Truncate(0); err != nil {
		return fmt.Errorf("write the lab's lock: %w", err)
	}
	if _, err := lock.WriteAt([]byte(content), 0); err != nil {
		return fmt.Errorf("write the lab's lock: %w", err)
	}
	return nil
}

// held says whether a lab runs in the directory.
func held(dir string) bool {
	lock, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return false
	}
	defer lock.Close()
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil
}

// sweep ends what is left of an earlier lab of the directory.
func sweep(dir string) error {
	_, err := process.Sweep(filepath.Join(dir, recordFile), dir)
	return err
}
