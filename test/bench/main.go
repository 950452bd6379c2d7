// SPDX-License-Identifier: Apache-2.0

// Command bench measures what the documentation claims and prints it as Markdown: the drain against kubectl and
// against the computed lower bound, a fleet through the embedded hub, how soon it moves on after a kill, single
// decisions, calendars and forecasts.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"sengu.dev/sengu/internal/lab/release"
	"sengu.dev/sengu/test/bench/decide"
	"sengu.dev/sengu/test/bench/drain"
	"sengu.dev/sengu/test/bench/fleet"
	"sengu.dev/sengu/test/bench/forecast"
	"sengu.dev/sengu/test/bench/resume"
)

// benchmark is one part of the page.
type benchmark struct {
	name, title string
	run         func(context.Context) (string, error)
}

func main() {
	klog.SetLogger(logr.Discard())
	ctrllog.SetLogger(logr.Discard())
	if len(os.Args) == 4 && os.Args[1] == resume.ChildArgument {
		if err := resume.Child(context.Background(), os.Args[2], os.Args[3], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	only := flag.String("only", "decide,calendar,forecast,fleet,resume,drain", "which benchmarks to run")
	out := flag.String("out", "", "file to write the page to; default: standard output")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, strings.Split(*only, ","), *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only []string, out string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	all := []benchmark{
		{"decide", "One decision", func(context.Context) (string, error) { return decisions() }},
		{"calendar", "Calendars", func(context.Context) (string, error) { return calendars() }},
		{"forecast", "A forecast", func(context.Context) (string, error) {
			r, err := forecast.Run()
			return forecast.Markdown(r), err
		}},
		{"fleet", "A fleet", func(ctx context.Context) (string, error) {
			r, err := fleet.Run(ctx, fleet.Default(os.Stderr))
			return r.Markdown(), err
		}},
		{"resume", "After a kill", func(ctx context.Context) (string, error) {
			r, err := resume.Run(ctx, resume.Default(self, os.Stderr))
			return r.Markdown(), err
		}},
		{"drain", "The drain", func(ctx context.Context) (string, error) {
			r, err := drain.Run(ctx, drain.Default(filepath.Join(filepath.Dir(self), "sengu-lab"), os.Stderr))
			return r.Markdown(), err
		}},
	}
	var page strings.Builder
	fmt.Fprintf(&page, introduction, machine(), release.Newest)
	for _, b := range all {
		if !slices.Contains(only, b.name) {
			continue
		}
		text, err := b.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		fmt.Fprintf(&page, "## %s\n\n%s\n", b.title, text)
	}
	if out != "" {
		return os.WriteFile(out, []byte(page.String()), 0o644)
	}
	_, err = os.Stdout.WriteString(page.String())
	return err
}

// introduction is the page's beginning: how to repeat it, and where it was measured.
const introduction = `# Benchmarks

    make bench                                        # all of it: about 25 minutes on two cores
    bin/sengu-bench -only drain                       # one part: decide, calendar, forecast, fleet, resume or drain
    bin/sengu-bench -out docs/benchmarks.md           # this page anew

What is compared was measured in one run, one after the other, on the same machine and with the same limits: ratios count,
seconds are this machine's. Nothing else should run meanwhile. Measured on %s; Kubernetes %s.

`

// machine says what was measured on.
func machine() string {
	text := fmt.Sprintf("%s/%s, %d CPUs", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if model := cpuModel(); model != "" {
		text += " (" + model + ")"
	}
	return text + ", " + runtime.Version()
}

// cpuModel is the processor's name where the system tells it.
func cpuModel() string {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(name), ":"))
		}
	}
	return ""
}

func decisions() (string, error) {
	results, err := decide.Run()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("`rollout.Decide` for a run of three stages, half done and 50 clusters in flight. Aim: 10,000 clusters in\n" +
		"at most 10 ms, and growth no worse than linear (× 100 from 100 to 10,000 clusters).\n\n" +
		"| clusters | one decision | per cluster | × of 100 clusters | allocations | accepting the run |\n|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %d | %s | %s | %.1f | %d | %s |\n", r.Clusters, r.Took.Round(10*time.Microsecond), r.Took/time.Duration(r.Clusters),
			float64(r.Took)/float64(results[0].Took), r.Allocations, r.Begin.Round(100*time.Microsecond))
	}
	return b.String(), nil
}

func calendars() (string, error) {
	results, err := decide.RunCalendars()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("A year of questions for the next opening of two hours, one every ten minutes, to a calendar in New York together\n" +
		"with the freezes of a company. Aim: at most 1 µs each, the working out of the year included.\n\n" +
		"| calendar | openings in the year | compile | work out the year | one question | … of nothing worked out |\n|---|---:|---:|---:|---:|---:|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s |\n", r.Calendars, r.Openings, r.Compile.Round(time.Microsecond),
			r.Expand.Round(time.Microsecond), r.PerQuery, r.Alone.Round(100*time.Nanosecond))
	}
	return b.String(), nil
}
