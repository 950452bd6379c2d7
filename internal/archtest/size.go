// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"go/scanner"
	"go/token"
	"path"
	"slices"
	"strings"
)

// Limits of a file that people write. Lines of code have a token on them; blank lines and comments are free up
// to maxLines.
const (
	maxCode     = 500
	maxLines    = 600
	maxMainCode = 60
)

// licence is the first line of every Go file.
const licence = "// SPDX-License-Identifier: Apache-2.0\n"

// vagueNames say nothing about what is inside.
var vagueNames = []string{
	"util", "utils", "common", "helper", "helpers", "pkg", "type", "types", "manager", "managers", "misc", "shared", "base",
}

func domainNames(t tree) []string {
	var found []string
	seen := map[string]bool{}
	for _, f := range t {
		if seen[f.dir] {
			continue
		}
		names := append(strings.Split(f.dir, "/"), strings.TrimSuffix(f.syntax.Name.Name, "_test"))
		if i := slices.IndexFunc(names, func(name string) bool { return slices.Contains(vagueNames, name) }); i >= 0 {
			seen[f.dir] = true
			found = append(found, f.at(f.line(f.syntax.Name), "a package must not be named %q", names[i]))
		}
	}
	return found
}

func filesStaySmall(t tree) []string {
	var found []string
	for _, f := range t {
		if f.generated {
			continue
		}
		if code := f.code(); code > maxCode {
			found = append(found, f.at(1, "%d lines of code, at most %d", code, maxCode))
		} else if f.lines > maxLines {
			found = append(found, f.at(1, "%d lines, at most %d", f.lines, maxLines))
		}
	}
	return found
}

func mainOnlyWires(t tree) []string {
	var found []string
	for _, f := range t {
		if f.test || !under(f.dir, "cmd") || path.Base(f.path) != "main.go" {
			continue
		}
		if code := f.code(); code > maxMainCode {
			found = append(found, f.at(1, "%d lines of code in main.go, at most %d", code, maxMainCode))
		}
	}
	return found
}

func filesCarryTheLicence(t tree) []string {
	var found []string
	for _, f := range t {
		// A generator puts its build constraint first.
		if !strings.HasPrefix(string(f.source), licence) && (!f.generated || !strings.Contains(string(f.source), licence)) {
			found = append(found, f.at(1, "the first line is not %q", strings.TrimSpace(licence)))
		}
	}
	return found
}

// code counts the lines with at least one token.
func (f *file) code() int {
	positions := token.NewFileSet()
	source := positions.AddFile(f.path, -1, len(f.source))
	var s scanner.Scanner
	s.Init(source, f.source, nil, 0) // no comments
	lines := map[int]bool{}
	for {
		pos, kind, text := s.Scan()
		if kind == token.EOF {
			return len(lines)
		}
		if kind == token.SEMICOLON && text == "\n" {
			continue // put in by the scanner, not written by anyone
		}
		first := positions.Position(pos).Line
		for i := range strings.Count(text, "\n") + 1 { // a raw string covers its lines
			lines[first+i] = true
		}
	}
}
