// SPDX-License-Identifier: Apache-2.0

// Command build runs a go command that may compile for minutes (Kubernetes is some 2,800 packages) and says
// every ten seconds how far it is. A build that is cached prints nothing.
//
//	go run ./hack/build -what sengu-lab build -o bin/ -- ./cmd/sengu-lab
//
// What stands before "--" goes to the go command as it is, what stands after it are packages.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

func main() {
	what := flag.String("what", "the packages", "what is built, as people call it")
	dir := flag.String("C", ".", "folder to run the go command in")
	tests := flag.Bool("test", false, "count what the packages' tests need too")
	flag.Parse()

	split := slices.Index(flag.Args(), "--")
	if split < 1 || split == flag.NArg()-1 {
		fmt.Fprintln(os.Stderr, "usage: build [-what name] [-C folder] [-test] <go command and flags> -- <packages>")
		os.Exit(2)
	}
	b := build{
		what:     *what,
		dir:      *dir,
		tests:    *tests,
		command:  flag.Args()[:split],
		packages: flag.Args()[split+1:],
		out:      os.Stderr,
		interval: 10 * time.Second,
	}
	if err := b.run(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", *what, err)
		os.Exit(1)
	}
}
