// SPDX-License-Identifier: Apache-2.0

// Package hack tests the scripts beside it.
package hack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goodGo answers like a Go command that is new enough.
const goodGo = "#!/bin/sh\n[ \"$2\" = CC ] && echo gcc || echo go1.26.1\n"

// oldGo refuses to work in a module that needs a newer one, as every go command since 1.21 does.
const oldGo = "#!/bin/sh\n[ \"$(pwd)\" = / ] && echo go1.21.3 || exit 1\n"

func TestPrerequisites(t *testing.T) {
	const works, fails = "#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 1\n"
	cases := map[string]struct {
		commands map[string]string
		want     []string // parts of the one sentence; none: all is there
	}{
		"all is there":       {map[string]string{"go": goodGo, "git": works, "gcc": works}, nil},
		"no Go":              {map[string]string{"git": works, "gcc": works}, []string{"Go 1.26", "go.dev/dl"}},
		"an old Go":          {map[string]string{"go": oldGo, "git": works, "gcc": works}, []string{"Go 1.26", "this is go1.21.3", "go.dev/dl"}},
		"no git":             {map[string]string{"go": goodGo, "gcc": works}, []string{"git", "apt-get install git"}},
		"no C compiler":      {map[string]string{"go": goodGo, "git": works}, []string{"gcc", "apt-get install gcc"}},
		"no C library there": {map[string]string{"go": goodGo, "git": works, "gcc": fails}, []string{"headers", "apt-get install libc6-dev"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("./prerequisites.sh")
			cmd.Env = []string{"PATH=" + pathWith(t, tc.commands)}
			out, err := cmd.CombinedOutput()
			if (err != nil) != (len(tc.want) > 0) {
				t.Fatalf("prerequisites.sh: %v\n%s", err, out)
			}
			if lines := strings.Count(string(out), "\n"); lines != min(1, len(tc.want)) {
				t.Errorf("it says %d lines, want one sentence when something is missing and nothing otherwise:\n%s", lines, out)
			}
			for _, want := range tc.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("it does not say %q: %s", want, out)
				}
			}
		})
	}
}

// pathWith makes a PATH with the given commands and the few that the script itself needs.
func pathWith(t *testing.T, commands map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, needed := range []string{"sh", "sed", "dirname"} {
		found, err := exec.LookPath(needed)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(found, filepath.Join(dir, needed)); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range commands {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
