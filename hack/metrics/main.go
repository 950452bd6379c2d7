// SPDX-License-Identifier: Apache-2.0

// Command metrics writes the reference page of Sengu's metrics from their list.
package main

import (
	"fmt"
	"os"
	"strings"

	"sengu.dev/sengu/internal/controller/metric"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: metrics PAGE.md")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(page()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "metrics:", err)
		os.Exit(1)
	}
}

// page is a table of all metrics.
func page() string {
	var b strings.Builder
	b.WriteString("# Metrics\n\n" +
		"Served for Prometheus at `/metrics` of `--metrics-address` by `sengu serve` and `sengu controller`; see\n" +
		"[how to monitor Sengu](../how-to/monitor.md). `reason` is a word of [this list](reasons.md). A series ends with its object;\n" +
		"what is told of a run ends a day after the run. Beside these there are those of controller-runtime and of Go.\n" +
		"This page is written by `make generate` from `internal/controller/metric`.\n\n" +
		"| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range metric.All {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, strings.Join(m.Labels, ", "), m.Help)
	}
	return b.String()
}
