// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// step is one make target that has been run.
type step struct {
	target string
	err    error
	took   time.Duration
	output []byte
	tests  *tally // nil when the target runs no Go tests
}

// failed reports whether the target or one of its tests failed. A target that ends well although a test's
// events say otherwise has failed: the events are what the tests themselves said.
func (s step) failed() bool {
	return s.err != nil || s.tests != nil && len(s.tests.failures) > 0
}

// runStep runs one make target, shows its output while it runs and keeps it for the end.
func runStep(target, results string, out io.Writer) step {
	fmt.Fprintf(out, "\n=== %s\n", target)
	s := step{target: target}
	start := time.Now()

	var kept bytes.Buffer
	cmd := exec.Command("make", "--no-print-directory", target)
	cmd.Stdout = io.MultiWriter(out, &kept)
	cmd.Stderr = cmd.Stdout
	s.err = cmd.Run()
	s.took = time.Since(start)
	s.output = kept.Bytes()

	events, err := os.Open(filepath.Join(results, target+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return s
	}
	if err != nil {
		s.err = errors.Join(s.err, err)
		return s
	}
	defer events.Close()
	if s.tests, err = count(events); err != nil {
		s.err = errors.Join(s.err, fmt.Errorf("read the test events of %s: %w", target, err))
	}
	return s
}
