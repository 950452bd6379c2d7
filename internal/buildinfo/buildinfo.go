// SPDX-License-Identifier: Apache-2.0

// Package buildinfo says which Sengu this is. Anything may import it; it imports nothing of Sengu.
package buildinfo

import (
	"cmp"
	"fmt"
	"runtime/debug"
)

// Set by the linker from git; see LDFLAGS in the Makefile. Empty in a plain `go build` or `go test`.
var (
	// Version is the release or its nearest tag, for example v0.3.0 or v0.3.0-12-g1a2b3c4.
	Version string
	// Commit is the full hash of the commit.
	Commit string
	// Date is when the commit was made, RFC 3339; not when it was built, so that builds are reproducible.
	Date string
)

// Info describes the running binary. Fields that nobody knows are "unknown", the version then is "dev".
type Info struct {
	// Version of Sengu, for example v0.3.0.
	Version string `json:"version"`
	// Commit is the full hash of the commit.
	Commit string `json:"commit"`
	// Date of the commit, RFC 3339.
	Date string `json:"date"`
	// Go is the version of the compiler, for example go1.26.1.
	Go string `json:"go"`
}

// Get returns what the linker set, and for the rest what the Go toolchain recorded in the binary.
func Get() Info {
	recorded, _ := debug.ReadBuildInfo() // nil only in a binary without modules
	return describe(recorded)
}

// describe is Get for a given record, which may be nil.
func describe(recorded *debug.BuildInfo) Info {
	info := Info{Version: Version, Commit: Commit, Date: Date}
	if recorded != nil {
		info.Go = recorded.GoVersion
		if recorded.Main.Version != "(devel)" {
			info.Version = cmp.Or(info.Version, recorded.Main.Version)
		}
		for _, s := range recorded.Settings {
			switch s.Key {
			case "vcs.revision":
				info.Commit = cmp.Or(info.Commit, s.Value)
			case "vcs.time":
				info.Date = cmp.Or(info.Date, s.Value)
			}
		}
	}
	return Info{
		Version: cmp.Or(info.Version, "dev"),
		Commit:  cmp.Or(info.Commit, "unknown"),
		Date:    cmp.Or(info.Date, "unknown"),
		Go:      cmp.Or(info.Go, "unknown"),
	}
}

// String is the description in one line.
func (i Info) String() string {
	return fmt.Sprintf("sengu %s (commit %s of %s, %s)", i.Version, i.Commit, i.Date, i.Go)
}
