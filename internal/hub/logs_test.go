// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheLogDoesNotFillTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.log")
	l, err := openLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
	for range 35 {
		if _, err := l.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := l.Write(line); n != len(line) || err != nil {
		t.Errorf("writing after Close: %d, %v, want it discarded", n, err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 {
		t.Errorf("files = %v, want hub.log and hub.log.1", files)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Size() > maxLogBytes || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want at most %d bytes and mode 0600", f.Name(), info, err, maxLogBytes)
		}
	}
}
