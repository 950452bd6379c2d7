// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of `go test -json`.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output
	Test        string
	Output      string
	FailedBuild string
}

// tally counts tests. A test with subtests counts as its subtests, so that one check is counted once.
type tally struct {
	passed, skipped int
	failures        []failure
}

// failure is one failed test, or a package that failed outside its tests (it did not compile, or panicked).
type failure struct {
	name   string
	output string
}

// key names a test; an empty test is the package itself.
type key struct{ pkg, test string }

// record gathers what was said about every test of a run.
type record struct {
	result map[key]string
	output map[key]string
	builds map[string]string // compiler output by import path
	broken map[string]string // package → import path that did not compile
}

// count reads the events of `go test -json`.
func count(events io.Reader) (*tally, error) {
	r := record{map[key]string{}, map[key]string{}, map[string]string{}, map[string]string{}}
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 16<<20) // one event carries one line of output, which a test may make long
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("not an event of go test -json: %q: %w", lines.Text(), err)
		}
		r.add(e)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return r.tally(), nil
}

// add takes one event into the record.
func (r *record) add(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		r.builds[e.ImportPath] += e.Output
	case "output":
		r.output[k] += e.Output
	case "run":
		// Stays like this when the process ends before the test does: that is a failure.
		r.result[k] = "unfinished"
	case "pass", "fail", "skip":
		r.result[k] = e.Action
		if e.FailedBuild != "" {
			r.broken[e.Package] = e.FailedBuild
		}
	}
}

// tally turns the record into counts, failures in the order of their names.
func (r *record) tally() *tally {
	parents := r.parents()
	failedIn := map[string]bool{}
	t := &tally{}
	byName := func(a, b key) int { return strings.Compare(a.String(), b.String()) }
	for _, k := range slices.SortedFunc(maps.Keys(r.result), byName) {
		if k.test == "" || parents[k] {
			continue
		}
		switch r.result[k] {
		case "pass":
			t.passed++
		case "skip":
			t.skipped++
		default:
			failedIn[k.pkg] = true
			t.failures = append(t.failures, failure{k.String(), r.output[k]})
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(r.result), byName) {
		if k.test == "" && r.result[k] == "fail" && !failedIn[k.pkg] {
			t.failures = append(t.failures, failure{k.pkg + " (the package)", r.builds[r.broken[k.pkg]] + r.output[k]})
		}
	}
	return t
}

// parents are the tests that are counted as their subtests. One that failed while none of its subtests did has
// failed by itself and is counted too.
func (r *record) parents() map[key]bool {
	parents, blamed := map[key]bool{}, map[key]bool{}
	for k, result := range r.result {
		for at := strings.LastIndex(k.test, "/"); at > 0; at = strings.LastIndex(k.test[:at], "/") {
			parent := key{k.pkg, k.test[:at]}
			parents[parent] = true
			if result == "fail" || result == "unfinished" {
				blamed[parent] = true
			}
		}
	}
	for parent := range parents {
		if result := r.result[parent]; (result == "fail" || result == "unfinished") && !blamed[parent] {
			delete(parents, parent)
		}
	}
	return parents
}

// String is the test as people name it.
func (k key) String() string { return k.pkg + " " + k.test }
