// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	start := time.Date(2026, 5, 6, 7, 8, 0, 0, time.UTC)
	many := map[string]bool{}
	for i := range 2310 {
		many["k8s.io/x/"+thousands(i)] = true
	}
	cases := map[string]struct {
		stale map[string]bool
		lines []string
		want  string
	}{
		"nothing is known yet": {
			want: "building sengu: looking for what is not built yet (1m40s)",
		},
		"a fresh machine first downloads": {
			lines: []string{"go: downloading k8s.io/api v0.37.2", "go: downloading k8s.io/client-go v0.37.2"},
			want:  "building sengu: 2 modules downloaded (1m40s; kept for the next build)",
		},
		"a cold build": {
			stale: many,
			lines: []string{"k8s.io/x/1", "k8s.io/x/2,000", "k8s.io/x/2,000"},
			want:  "building sengu: 2 of 2,310 packages (1m40s; cold build, mostly other people's packages; cached afterwards)",
		},
		"one's own change": {
			stale: map[string]bool{"sengu.dev/sengu/act": true, "sengu.dev/sengu/act [sengu.dev/sengu/act.test]": true, "sengu.dev/sengu/cli": true},
			lines: []string{"sengu.dev/sengu/act", "sengu.dev/sengu/act [sengu.dev/sengu/act.test]", "k8s.io/api/core/v1 [k8s.io/api.test]"},
			want:  "building sengu: 2 of 3 packages (1m40s; cached afterwards)",
		},
		"only the linker is left": {
			stale: map[string]bool{"fmt": true},
			lines: []string{"fmt"},
			want:  "building sengu: all 1 packages compiled, finishing (1m40s)",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			p := &progress{what: "sengu", start: start}
			if tc.stale != nil {
				p.compiling(tc.stale)
			}
			for _, line := range tc.lines {
				if !p.seen(line) {
					t.Errorf("seen(%q) = false, want true: it is about progress", line)
				}
			}
			if got := p.line(start.Add(100 * time.Second)); got != tc.want {
				t.Errorf("line\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestCompilerErrorsAreNotProgress(t *testing.T) {
	p := &progress{}
	for _, line := range []string{"# sengu.dev/sengu/internal/act", "internal/act/act.go:7:2: undefined: x", "\tmore about it", ""} {
		if p.seen(line) {
			t.Errorf("seen(%q) = true, want false: people must see it", line)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 2310: "2,310", 1002003: "1,002,003"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestBuild runs the real go command on a module in a folder of its own, which no build cache can know.
func TestBuild(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.test/hello\n\ngo 1.26.0\n")
	write("main.go", "package main\n\nfunc main() {}\n")
	var out bytes.Buffer
	b := build{
		what: "hello", dir: dir, out: &out, interval: time.Hour,
		command: []string{"build", "-buildvcs=false", "-o", "hello"}, packages: []string{"."},
	}

	stale, err := b.stale(&progress{})
	if err != nil || !stale["example.test/hello"] {
		t.Fatalf("stale = %v, %v; want the package that was never built", stale, err)
	}
	if err := b.run(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "hello")); err != nil {
		t.Fatalf("the binary: %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("a short build said %q, want nothing", out.String())
	}

	write("main.go", "package main\n\nfunc main() { undefined() }\n")
	if err := b.run(); err == nil {
		t.Error("run = nil for a program that does not compile")
	}
	if !strings.Contains(out.String(), "undefined: undefined") {
		t.Errorf("output %q, want the compiler's error in it", out.String())
	}
}
