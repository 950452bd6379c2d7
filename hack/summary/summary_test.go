// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCount(t *testing.T) {
	cases := map[string]struct {
		events      string
		wantPassed  int
		wantSkipped int
		wantFailed  []failure
	}{
		"a test with subtests counts as its subtests": {
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/one"}
{"Action":"pass","Package":"p","Test":"TestA/one"}
{"Action":"run","Package":"p","Test":"TestA/two"}
{"Action":"skip","Package":"p","Test":"TestA/two"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p"}`,
			wantPassed: 2, wantSkipped: 1,
		},
		"a failed subtest is one failure, not two or three": {
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/one"}
{"Action":"output","Package":"p","Test":"TestA/one","Output":"a_test.go:7: got 1\n"}
{"Action":"fail","Package":"p","Test":"TestA/one"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			wantFailed: []failure{{"p TestA/one", "a_test.go:7: got 1\n"}},
		},
		"a test that fails after its subtests passed": {
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestA/one"}
{"Action":"pass","Package":"p","Test":"TestA/one"}
{"Action":"output","Package":"p","Test":"TestA","Output":"leaked\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			wantPassed: 1,
			wantFailed: []failure{{"p TestA", "leaked\n"}},
		},
		"a package that does not compile": {
			events: `{"ImportPath":"p [p.test]","Action":"build-output","Output":"a.go:3: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL p [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`,
			wantFailed: []failure{{"p (the package)", "a.go:3: undefined: x\nFAIL p [build failed]\n"}},
		},
		"a process that died in a test": {
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: no\n"}
{"Action":"fail","Package":"p"}`,
			wantFailed: []failure{{"p TestA", "panic: no\n"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := count(strings.NewReader(tc.events))
			if err != nil {
				t.Fatal(err)
			}
			if got.passed != tc.wantPassed || got.skipped != tc.wantSkipped {
				t.Errorf("%d passed, %d skipped; want %d, %d", got.passed, got.skipped, tc.wantPassed, tc.wantSkipped)
			}
			if diff := cmp.Diff(tc.wantFailed, got.failures, cmp.AllowUnexported(failure{})); diff != "" {
				t.Errorf("failures (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCountRefusesWhatIsNotAnEvent(t *testing.T) {
	if _, err := count(strings.NewReader("ok p 0.1s\n")); err == nil {
		t.Error("count = nil error for a line that is no event")
	}
}

func TestReport(t *testing.T) {
	cases := map[string]struct {
		steps  []step
		wantOK bool
		want   string
	}{
		"all is well": {
			steps: []step{
				{target: "lint", took: 4 * time.Second},
				{target: "unit-test", took: 65 * time.Second, tests: &tally{passed: 812}},
			},
			wantOK: true,
			want: `
STEP        RESULT   SECONDS   TESTS
lint        ok       4         -
unit-test   ok       65        812 passed, 0 failed, 0 skipped
812 passed, 0 failed
`,
		},
		"a failed test and a failed linter are shown again": {
			steps: []step{
				{target: "lint", err: errors.New("exit status 1"), output: []byte("a.go:1: bad\n")},
				{target: "unit-test", err: errors.New("exit status 1"), tests: &tally{passed: 2, skipped: 1, failures: []failure{{"p TestA", "got 1\n"}}}},
				{target: "lab-test", tests: &tally{passed: 3}},
			},
			want: `
--- lint failed: exit status 1
a.go:1: bad

--- unit-test: p TestA failed
got 1

STEP        RESULT   SECONDS   TESTS
lint        FAILED   0         -
unit-test   FAILED   0         2 passed, 1 failed, 1 skipped
lab-test    ok       0         3 passed, 0 failed, 0 skipped
5 passed, 1 failed, 1 skipped
`,
		},
		"the events say failed although the target ended well": {
			steps: []step{{target: "unit-test", tests: &tally{passed: 1, failures: []failure{{"p TestA", "got 1"}}}}},
			want: `
--- unit-test: p TestA failed
got 1

STEP        RESULT   SECONDS   TESTS
unit-test   FAILED   0         1 passed, 1 failed, 0 skipped
1 passed, 1 failed
`,
		},
		"no test ran": {
			steps: []step{{target: "lint"}},
			want: `
STEP   RESULT   SECONDS   TESTS
lint   ok       0         -
no test ran at all: that is a failure of its own
0 passed, 0 failed
`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if got := report(&out, tc.steps); got != tc.wantOK {
				t.Errorf("report = %v, want %v", got, tc.wantOK)
			}
			if diff := cmp.Diff(tc.want, out.String()); diff != "" {
				t.Errorf("report (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRunStep runs real make targets: one that leaves test events and one that fails.
func TestRunStep(t *testing.T) {
	t.Chdir(t.TempDir())
	makefile := "tests:\n\t@echo '{\"Action\":\"pass\",\"Package\":\"p\",\"Test\":\"TestA\"}' > results/tests.json\nbroken:\n\t@echo why; exit 3\n"
	if err := os.WriteFile("Makefile", []byte(makefile), 0o600); err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(".", "results")
	if err := os.Mkdir(results, 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer

	if s := runStep("tests", results, &out); s.failed() || s.tests == nil || s.tests.passed != 1 {
		t.Errorf("tests: %+v, want one passed test", s)
	}
	s := runStep("broken", results, &out)
	if !s.failed() || !strings.HasPrefix(string(s.output), "why\n") {
		t.Errorf("broken: %+v, want a failure that keeps its output", s)
	}
	if !strings.Contains(out.String(), "=== broken\nwhy\n") {
		t.Errorf("shown while running: %q", out.String())
	}
}
