// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sengu.dev/sengu/internal/lab"
)

// fill makes files with their content below a new directory.
func fill(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		noError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		noError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return dir
}

// holds reads back what fill made.
func holds(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	noError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		found[strings.TrimPrefix(path, dir+"/")] = string(content)
		return err
	}))
	return found
}

// TestADirectoryOfSomebodyElseIsLeftAlone: down removes what a lab has made, so a lab must not begin among other
// people's files, nor take another program's lock for its own.
func TestADirectoryOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"a file of somebody":            {"thesis.txt": "years of work"},
		"a lock of another program":     {"lock": "4711\n"},
		"a lock and a file of somebody": {"lock": "", "thesis.txt": "years of work"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := fill(t, files)
			config := lab.Config{Dir: dir, Fleet: []byte(small), Binary: "sengu-lab"}
			for what, err := range map[string]error{"Check": lab.Check(config), "Down": lab.Down(dir), "Start": startOnly(t, config)} {
				if err == nil || !strings.Contains(err.Error(), "not the directory of a lab") {
					t.Errorf("%s: %v, want that it is not the directory of a lab", what, err)
				}
			}
			if diff := cmp.Diff(files, holds(t, dir)); diff != "" {
				t.Errorf("the files (-before +after):\n%s", diff)
			}
		})
	}
}

func startOnly(t *testing.T, config lab.Config) error {
	t.Helper()
	running, err := lab.Start(t.Context(), config)
	if err == nil {
		noError(t, running.Close())
	}
	return err
}

func TestDownKeepsWhatPeopleHavePutBesideALab(t *testing.T) {
	t.Parallel()
	dir := fill(t, map[string]string{
		"lock": "sengu-lab 1\n", "clusters/one/state.json": "{}", "lab.json": "{}", "lab.log": "", "operations.json": "[]", "notes.txt": "mine",
	})
	noError(t, lab.Down(dir))
	if diff := cmp.Diff(map[string]string{"notes.txt": "mine"}, holds(t, dir)); diff != "" {
		t.Errorf("after down (-want +got):\n%s", diff)
	}
}

// TestWhatCannotStartChangesNothing: the first cluster could start, and must not when the second one cannot.
func TestWhatCannotStartChangesNothing(t *testing.T) {
	t.Parallel()
	const right = `{name: right, version: "1.36", nodePools: [{name: user, count: 1}]}`
	for name, c := range map[string]struct{ wrong, wantError string }{
		"a version that is not offered": {
			`{name: wrong, version: "1.12", nodePools: [{name: user, count: 1}]}`,
			"clusters[1]: cluster wrong: The version 1.12 of the control plane is not offered: choose one of 1.34.0, ",
		},
		"a pool's version that is not offered": {
			`{name: wrong, version: "1.36", nodePools: [{name: user, count: 1, version: "1.12"}]}`,
			"The version 1.12 of node pool user is not offered",
		},
		"nodes that are newer than their control plane": {
			`{name: wrong, version: "1.36", nodePools: [{name: user, count: 1, version: "1.37"}]}`,
			"Node pool user: a node of 1.37.2 is newer than its control plane of 1.36.0",
		},
		"a field that does not exist": {`{name: wrong, size: 3}`, "clusters[1].size: there is no such field"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "lab")
			config := lab.Config{Dir: dir, Fleet: []byte("clusters: [" + right + "," + c.wrong + "]"), Binary: "sengu-lab", Cache: t.TempDir()}
			for what, err := range map[string]error{"Check": lab.Check(config), "Start": startOnly(t, config)} {
				if err == nil || !strings.Contains(err.Error(), c.wantError) {
					t.Errorf("%s: %v, want %q", what, err, c.wantError)
				}
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("the refusal left %v in the directory", holds(t, dir))
			}
		})
	}
}
