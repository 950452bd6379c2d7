// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
)

const (
	// minFreeBytesFirst is what the first start needs on disk: etcd preallocates two log segments of 64 MB,
	// and the database and the hub's own log need room to work.
	minFreeBytesFirst = 256 << 20
	// minFreeBytes is what a later start needs: one more log segment.
	minFreeBytes = 64 << 20
)

// dataDir is the directory with everything a hub stores.
type dataDir struct {
	root  string
	lock  *fileutil.LockedFile
	state state
}

// state is what a hub remembers about itself between starts; it is hub.json in the data directory.
type state struct {
	// Address is the IP address that clients on this machine connect to.
	Address string `json:"address"`
	// Port is the TCP port of the last start.
	Port int `json:"port"`
	// SocketDir is where etcd's socket was put when the data directory's own path is too long for one.
	SocketDir string `json:"socketDir,omitempty"`
}

// openDataDir makes the directory if needed and takes it for this process.
func openDataDir(root string) (*dataDir, error) {
	if root == "" {
		return nil, errors.New("the hub needs a data directory, and none was given")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, unusable(root, err)
	}
	if err := ownOrEmpty(root); err != nil {
		return nil, err
	}
	for _, dir := range []string{root, filepath.Join(root, "pki"), filepath.Join(root, "etcd")} {
		if err := privateDir(dir); err != nil {
			return nil, unusable(root, err)
		}
	}
	d := &dataDir{root: root}
	d.lock, err = fileutil.TryLockFile(d.path("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, fmt.Errorf("the data directory %s is in use by another hub%s: stop that one or choose another directory", root, d.holder())
	}
	if err != nil {
		return nil, unusable(root, err)
	}
	if err := d.claim(); err != nil {
		d.unlock()
		return nil, err
	}
	return d, nil
}

// ownOrEmpty refuses a directory in which somebody else keeps files: the hub would take away the rights of everybody
// else to it, and `--data-dir /var` would end the machine's work. What a start that failed left behind is the hub's own.
func ownOrEmpty(root string) error {
	if _, err := os.Stat(filepath.Join(root, "hub.json")); err == nil {
		return nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil //nolint:nilerr // there is no directory yet, or making it private tells what is wrong with it
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), newPrefix) {
			continue
		}
		switch e.Name() {
		case "pki", "etcd", "lock", "hub.log", "hub.log.1", "admin.kubeconfig", "lost+found":
		default:
			return fmt.Errorf("the directory %s holds %s and is not a hub's: choose an empty directory, or one that does not exist yet", root, e.Name())
		}
	}
	return nil
}

// claim checks that a locked directory can carry a hub, and notes which process has it.
func (d *dataDir) claim() error {
	var need uint64 = minFreeBytes
	if _, err := os.Stat(d.path("etcd", "member")); errors.Is(err, os.ErrNotExist) {
		need = minFreeBytesFirst
	}
	if free, err := freeBytes(d.root); err == nil && free < need {
		return fmt.Errorf("the disk of the data directory %s has %d MiB free and the hub needs at least %d MiB: free some space",
			d.root, free>>20, need>>20)
	}
	if err := d.lock.Truncate(0); err != nil {
		return unusable(d.root, err)
	}
	if _, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return unusable(d.root, err)
	}
	state, err := readState(d.root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	d.state = state
	return nil
}

// holder names the process that has the directory, as far as its lock file tells.
func (d *dataDir) holder() string {
	b, err := os.ReadFile(d.path("lock"))
	if err != nil {
		return ""
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

func (d *dataDir) unlock() {
	// Closing the file gives the lock back; the file stays, since removing it would race with the next hub.
	d.lock.Close()
}

func (d *dataDir) path(elem ...string) string {
	return filepath.Join(append([]string{d.root}, elem...)...)
}

// clientAddress is host:port for clients on this machine.
func (d *dataDir) clientAddress() string {
	return net.JoinHostPort(d.state.Address, strconv.Itoa(d.state.Port))
}

func (d *dataDir) saveState() error {
	b, err := json.MarshalIndent(d.state, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(d.path("hub.json"), append(b, '\n'))
}

func readState(root string) (state, error) {
	var s state
	b, err := os.ReadFile(filepath.Join(root, "hub.json"))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s is damaged (%w): remove this file, the hub makes it again", filepath.Join(root, "hub.json"), err)
	}
	return s, nil
}

// privateDir makes a directory that only its owner may enter, also if it existed with wider rights.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.Chmod(dir, 0o700)
}

// newPrefix begins the name of a file that is about to take another's place.
const newPrefix = ".new-"

// writePrivate replaces a file in one step, readable by its owner only, so that a crash leaves either the
// old or the new content.
func writePrivate(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), newPrefix+"*") // CreateTemp makes files with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // fails after the rename, when there is nothing left to remove
	if _, err := f.Write(content); err != nil {
		f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func unusable(root string, err error) error {
	return fmt.Errorf("the hub cannot use the data directory %s (%w): make it writable for this user or choose another one", root, err)
}
