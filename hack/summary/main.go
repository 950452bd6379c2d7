// SPDX-License-Identifier: Apache-2.0

// Command summary runs make targets one after the other, goes on when one fails, and ends with what failed and
// one table. Its last line counts the Go tests: "812 passed, 0 failed".
//
//	go run ./hack/summary -results bin/test-results verify lint unit-test
//
// A target that runs Go tests leaves the events of `go test -json` in <results>/<target>.json.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	results := flag.String("results", "", "folder of the targets' logs and test events, emptied first")
	flag.Parse()
	if *results == "" || flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: summary -results <folder> <make target>...")
		os.Exit(2)
	}
	if err := os.RemoveAll(*results); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := os.MkdirAll(*results, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var steps []step
	for _, target := range flag.Args() {
		steps = append(steps, runStep(target, *results, os.Stdout))
	}
	if !report(os.Stdout, steps) {
		os.Exit(1)
	}
}
