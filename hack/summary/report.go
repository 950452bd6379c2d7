// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// tailLines of a failed target's output are shown again at the end; the whole stands above.
const tailLines = 40

// report writes what failed, the table and the count, and reports whether all is well.
func report(out io.Writer, steps []step) bool {
	for _, s := range steps {
		again(out, s)
	}
	fmt.Fprintln(out)
	ok := table(out, steps)

	var passed, failed, skipped int
	for _, s := range steps {
		if s.tests != nil {
			passed += s.tests.passed
			failed += len(s.tests.failures)
			skipped += s.tests.skipped
		}
	}
	if passed+failed == 0 {
		fmt.Fprintln(out, "no test ran at all: that is a failure of its own")
		ok = false
	}
	line := fmt.Sprintf("%d passed, %d failed", passed, failed)
	if skipped > 0 {
		line += fmt.Sprintf(", %d skipped", skipped)
	}
	fmt.Fprintln(out, line)
	return ok
}

// again repeats what a failed step said: its failed tests, or the end of its output when no test failed.
func again(out io.Writer, s step) {
	if !s.failed() {
		return
	}
	if s.tests == nil || len(s.tests.failures) == 0 {
		fmt.Fprintf(out, "\n--- %s failed: %v\n%s\n", s.target, s.err, tail(s.output))
		return
	}
	for _, f := range s.tests.failures {
		fmt.Fprintf(out, "\n--- %s: %s failed\n%s\n", s.target, f.name, strings.TrimSpace(f.output))
	}
}

// table writes one line a step and reports whether all steps are well.
func table(out io.Writer, steps []step) bool {
	ok := true
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "STEP\tRESULT\tSECONDS\tTESTS")
	for _, s := range steps {
		result, tests := "ok", "-"
		if s.failed() {
			result, ok = "FAILED", false
		}
		if s.tests != nil {
			tests = fmt.Sprintf("%d passed, %d failed, %d skipped", s.tests.passed, len(s.tests.failures), s.tests.skipped)
		}
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\n", s.target, result, s.took.Seconds(), tests)
	}
	w.Flush()
	return ok
}

// tail is the end of an output.
func tail(output []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(output), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-tailLines):], []byte("\n"))
}
