// SPDX-License-Identifier: Apache-2.0

// Package labtest starts labs for tests, with the program that belongs to the source at hand.
package labtest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sengu.dev/sengu/internal/lab"
	"sengu.dev/sengu/internal/lab/release"
)

// startTimeout is for a machine that compiles something else at the same time; alone a cluster takes 5 s.
const startTimeout = 3 * time.Minute

// Start starts a lab of a fleet file's content ("" for the default fleet) in a directory of its own and stops it
// when the test ends. Start it once a package: a cluster takes seconds and 700 MB.
func Start(t testing.TB, fleet string) *lab.Lab {
	t.Helper()
	return StartIn(t, t.TempDir(), fleet)
}

// StartIn is Start in a directory that the caller chose.
func StartIn(t testing.TB, dir, fleet string) *lab.Lab {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	config := lab.Config{Dir: dir, Binary: Binary(t), Log: t.Output()}
	if fleet != "" {
		config.Fleet = []byte(fleet)
	}
	running, err := lab.Start(ctx, config)
	if err != nil {
		t.Fatalf("start the lab: %v", err)
	}
	t.Cleanup(func() {
		if err := running.Close(); err != nil {
			t.Errorf("stop the lab: %v", err)
		}
	})
	return running
}

// sources of each program, below the repository. Of those that are not here: everything.
var sources = map[string][]string{
	"sengu-lab": {"go.mod", "cmd/sengu-lab", "internal/lab", "internal/labapi"},
}

var everything = []string{"go.mod", "api", "cmd", "config", "examples", "internal", "provider"}

// built holds what this process knows to be up to date, by name.
var built sync.Map

// Binary returns the path of bin/sengu-lab and builds it first when it is missing or older than its source: seconds
// when Go's cache is warm, minutes when it is not.
func Binary(t testing.TB) string {
	t.Helper()
	return Program(t, "sengu-lab")
}

// Program is Binary for any program under cmd.
func Program(t testing.TB, name string) string {
	t.Helper()
	once, _ := built.LoadOrStore(name, sync.OnceValues(func() (string, error) { return build(name) }))
	binary, err := once.(func() (string, error))()
	if err != nil {
		t.Fatalf("build %s: %v", name, err)
	}
	return binary
}

func build(name string) (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	binary := filepath.Join(root, "bin", name)
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return "", err
	}
	// The tests of several packages run at the same time: one builds, the others wait.
	lock, err := os.OpenFile(binary+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	parts, ok := sources[name]
	if !ok {
		parts = everything
	}
	if isCurrent(root, binary, parts) {
		return binary, nil
	}
	// Renamed into place, as a running program cannot be overwritten. The version that Kubernetes reports comes from
	// the linker, as in the Makefile.
	set := "-X k8s.io/component-base/version."
	ldflags := fmt.Sprintf("-s -w %sgitVersion=v%s %sgitMajor=1 %sgitMinor=%s", set, release.Newest, set, set, strings.Split(release.Newest, ".")[1])
	command := exec.Command("go", "build", "-buildvcs=false", "-ldflags", ldflags, "-o", binary+".new", "./cmd/"+name)
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/%s: %w\n%s", name, err, output)
	}
	return binary, os.Rename(binary+".new", binary)
}

// repository is the folder above the working directory that holds go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no folder above the working directory holds go.mod")
}

// isCurrent says whether the program is newer than everything that it is made of.
func isCurrent(root, binary string, parts []string) bool {
	program, err := os.Stat(binary)
	if err != nil {
		return false
	}
	current := true
	for _, part := range parts {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			info, err := entry.Info()
			if err == nil && info.ModTime().After(program.ModTime()) {
				current = false
			}
			return err
		})
		if err != nil {
			return false
		}
	}
	return current
}
