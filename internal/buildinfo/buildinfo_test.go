// SPDX-License-Identifier: Apache-2.0

package buildinfo

import (
	"runtime/debug"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDescribe(t *testing.T) {
	recorded := &debug.BuildInfo{
		GoVersion: "go1.26.1",
		Main:      debug.Module{Version: "v0.2.0"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "recorded-commit"},
			{Key: "vcs.time", Value: "2026-01-02T03:04:05Z"},
		},
	}
	cases := map[string]struct {
		version, commit, date string
		recorded              *debug.BuildInfo
		want                  Info
	}{
		"the linker's word counts before the toolchain's": {
			version: "v0.3.0", commit: "linked-commit", date: "2026-05-06T07:08:09Z", recorded: recorded,
			want: Info{"v0.3.0", "linked-commit", "2026-05-06T07:08:09Z", "go1.26.1"},
		},
		"go install without our linker flags": {
			recorded: recorded,
			want:     Info{"v0.2.0", "recorded-commit", "2026-01-02T03:04:05Z", "go1.26.1"},
		},
		"a local build without version control": {
			recorded: &debug.BuildInfo{GoVersion: "go1.26.1", Main: debug.Module{Version: "(devel)"}},
			want:     Info{"dev", "unknown", "unknown", "go1.26.1"},
		},
		"nothing is known": {
			want: Info{"dev", "unknown", "unknown", "unknown"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { Version, Commit, Date = "", "", "" })
			Version, Commit, Date = tc.version, tc.commit, tc.date
			if diff := cmp.Diff(tc.want, describe(tc.recorded)); diff != "" {
				t.Errorf("describe (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStringNamesEverything(t *testing.T) {
	got := Info{"v0.3.0", "1a2b3c4", "2026-05-06", "go1.26.1"}.String()
	if want := "sengu v0.3.0 (commit 1a2b3c4 of 2026-05-06, go1.26.1)"; got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
}
