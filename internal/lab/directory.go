// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
)

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
	content, err := os.ReadFile(filepath.Join(dir, connectionFile))
	if err == nil {
		err = json.Unmarshal(content, &connection)
	}
	if err != nil || !held(dir) {
		return connection, fmt.Errorf("no lab runs in %s: start one with sengu-lab up", dir)
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

// Down stops the lab of a directory, ends what an earlier one has left, and removes the directory. A directory
// that is not there is fine; one that is not a lab's is refused.
func Down(dir string) error {
	// The children name their directory in full.
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the lab's directory: %w", err)
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err != nil {
		return fmt.Errorf("%s is not the directory of a lab: it was left as it is", dir)
	}
	if connection, err := ReadConnection(dir); err == nil {
		// The lock is held, so the process id is still that of the lab, or the lab is just ending.
		if err := syscall.Kill(connection.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the lab: %w", err)
		}
		for deadline := time.Now().Add(30 * time.Second); held(dir); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				_ = syscall.Kill(connection.PID, syscall.SIGKILL)
			}
		}
	}
	lock, err := acquire(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := sweep(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove the lab's directory: %w", err)
	}
	return nil
}

// acquire takes the directory for this process; closing the file gives it back, and so does the kernel when the
// process ends, however it does.
func acquire(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lab's lock: %w", err)
	}
	// Whoever looks whether a lab runs holds the lock for an instant.
	for range 10 {
		if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return lock, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	lock.Close()
	return nil, fmt.Errorf("another lab runs in %s: stop it with sengu-lab down, or choose another --dir", dir)
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
