// SPDX-License-Identifier: Apache-2.0

// The sengu-lab program runs real Kubernetes control planes on this machine, for the demo, the tests and rehearsals.
package main

import (
	"os"

	"sengu.dev/sengu/internal/lab/cli"
	"sengu.dev/sengu/internal/lab/component"
)

func main() {
	// The lab's children are this program too.
	if code, ok := component.Run(os.Args); ok {
		os.Exit(code)
	}
	os.Exit(cli.Run(os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
