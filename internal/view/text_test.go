// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"strings"
	"testing"
	"time"

	"sengu.dev/sengu/internal/view"
	"sengu.dev/sengu/internal/view/viewtest"
)

func TestTextFromOutsideCannotControlATerminal(t *testing.T) {
	tests := map[string]struct {
		text, want string
	}{
		"plain text stays":                      {"quota used up in 東京 – é", "quota used up in 東京 – é"},
		"line breaks become spaces":             {"first\nsecond\r\n\tthird", "first second   third"},
		"escape sequences are shown":            {"\x1b[2J\x1b]0;title\x07gone", `\x1b[2J\x1b]0;title\x07gone`},
		"eight-bit controls are shown":          {"a\u009b31mb", `a\u009b31mb`},
		"bidirectional overrides are shown":     {"user\u202egnp.exe", `user\u202egnp.exe`},
		"bidirectional isolates are shown":      {"\u2066x\u2069", `\u2066x\u2069`},
		"invisible characters are shown":        {"a\u200bb\ufeffc\U000e0041", `a\u200bb\ufeffc\U000e0041`},
		"line separators are shown":             {"a\u2028b", `a\u2028b`},
		"broken UTF-8 is shown":                 {"a\xff\xfeb", `a\xff\xfeb`},
		"a backspace cannot rub out what it is": {"evil\b\b\b\bgood", `evil\x08\x08\x08\x08good`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := view.Clean(tc.text); got != tc.want {
				t.Errorf("Clean(%q) = %q, want %q", tc.text, got, tc.want)
			}
		})
	}
}

func TestHostileNamesDoNotBreakTheTree(t *testing.T) {
	scene := viewtest.Draining()
	scene.Drain("canary-1", 0, 1, viewtest.Blocked("node\x1b[31m\nrun to-1-37 Succeeded"))
	scene.Fail("prod-tokyo-1", "Bad\u202e", "line one\nline two\x1b[0m")
	run := view.NewRun(scene.RunObjects, viewtest.Now)
	for _, line := range view.Tree(&run, view.TreeOptions{Width: 80, Now: viewtest.Now}) {
		if strings.ContainsAny(line.String(), "\x1b\n\u202e") {
			t.Errorf("a control character reached the tree: %q", line)
		}
	}
}

func TestTruncateCountsCells(t *testing.T) {
	tests := map[string]struct {
		text  string
		cells int
		want  string
	}{
		"short text stays":              {"abc", 3, "abc"},
		"long text ends in an ellipsis": {"abcdef", 4, "abc…"},
		"wide characters are two cells": {"東京大阪", 5, "東京…"},
		"no room":                       {"abc", 0, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := view.Truncate(tc.text, tc.cells); got != tc.want {
				t.Errorf("Truncate(%q, %d) = %q, want %q", tc.text, tc.cells, got, tc.want)
			}
		})
	}
}

func TestElapsedHasTwoUnits(t *testing.T) {
	tests := map[string]struct {
		d    time.Duration
		want string
	}{
		"nothing":                {0, "0s"},
		"clocks that disagree":   {-time.Minute, "0s"},
		"seconds":                {59*time.Second + 900*time.Millisecond, "59s"},
		"minutes":                {3*time.Minute + 2*time.Second, "3m02s"},
		"hours":                  {5*time.Hour + 3*time.Minute + 59*time.Second, "5h03m"},
		"days":                   {76 * time.Hour, "3d04h"},
		"the soak of the manual": {168 * time.Hour, "7d00h"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := view.Elapsed(tc.d); got != tc.want {
				t.Errorf("Elapsed(%s) = %q, want %q", tc.d, got, tc.want)
			}
		})
	}
}

func TestUntilNamesTheInstantWhenItIsFar(t *testing.T) {
	if got, want := view.Until(viewtest.Now.Add(40*time.Second), viewtest.Now), "in 40s"; got != want {
		t.Errorf("near: %q, want %q", got, want)
	}
	tokyo := time.FixedZone("JST", 9*60*60)
	if got, want := view.Until(viewtest.Now.Add(17*time.Hour), viewtest.Now.In(tokyo)), "at Tue 2026-11-24 16:03 JST (in 17h00m)"; got != want {
		t.Errorf("far: %q, want %q", got, want)
	}
}
