// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
	"sengu.dev/sengu/internal/view"
)

// watching says what is followed and how.
type watching struct {
	run     string
	timeout time.Duration
	json    bool
	plain   bool
}

func (a *app) runWatch() *cobra.Command {
	var w watching
	var format string
	c := &cobra.Command{
		Use:   "watch NAME",
		Short: "Follow a run live until it ends",
		Long: `Follow a run until it ends: on a terminal as a live tree of stages, groups, clusters and the nodes in hand, with
what each waiting thing waits for and until when; elsewhere as one line for each change.

It exits with 0 only if the run succeeded, 1 when it failed, was stopped or deleted, or the timeout is over, 3 when
there is no hub, and 130 when you leave before the end. Leaving never touches the run. When the hub restarts, it
connects again and says so.`,
		Example: `  # Live
  sengu run watch to-1-37

  # In a pipeline: lines, and fail when the run does
  sengu run watch to-1-37 --timeout 2h

  # For programs: one JSON object for each change
  sengu run watch to-1-37 -o json`,
		Args:              args("NAME"),
		ValidArgsFunction: a.names(&v1alpha1.UpgradeRunList{}),
		RunE: func(c *cobra.Command, words []string) error {
			if format != "" && format != "json" {
				return usage("output format %q is not known here: say json, or leave it out", format)
			}
			w.run, w.json = words[0], format == "json"
			h, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			return a.watch(c.Context(), h, w)
		},
	}
	c.Flags().DurationVar(&w.timeout, "timeout", 0, "Give up following after this long. The run goes on. 0: never.")
	c.Flags().StringVarP(&format, "output", "o", "", "Output format: json is one object for each change.")
	c.Flags().BoolVar(&w.plain, "plain", false, "Lines instead of the live tree on a terminal too.")
	complete(c, "output", "json")
	return c
}

// watch follows a run to its end and returns nil only if it succeeded.
func (a *app) watch(ctx context.Context, h *hub, w watching) error {
	if _, err := operation.GetRun(ctx, h, h.key(w.run)); err != nil {
		return err
	}
	following := ctx
	if w.timeout > 0 {
		var cancel context.CancelFunc
		following, cancel = context.WithCancel(ctx)
		defer cancel()
		over := a.Clock.After(w.timeout)
		go func() {
			select {
			case <-over:
				cancel()
			case <-following.Done():
			}
		}()
	}
	f := a.newFollower(h, w.run)
	_, live := terminal(a.Streams.Out)
	var err error
	if live && !w.json && !w.plain && os.Getenv("TERM") != "dumb" {
		err = a.watchLive(following, f)
	} else {
		err = a.watchLines(following, f, w.json)
	}
	switch {
	case errors.Is(err, errRunDeleted):
		return &exitError{exitFailed, fmt.Sprintf("run %q was deleted", w.run)}
	case err != nil:
		return err
	case ctx.Err() == nil && following.Err() != nil:
		return &exitError{exitFailed, fmt.Sprintf("run %q did not end in %s; it goes on: follow it again with '%s run watch %s'",
			w.run, w.timeout, a.name, w.run)}
	}
	return a.conclude(ctx, h, w)
}

// conclude says how a run ended. It reads everything once more: the run's last word may have come before that
// of its clusters.
func (a *app) conclude(ctx context.Context, h *hub, w watching) error {
	if ctx.Err() != nil {
		fmt.Fprintf(a.Streams.ErrOut, "The run goes on. Follow it again with '%s run watch %s'.\n", a.name, w.run)
		return &exitError{code: exitInterrupted}
	}
	objects, err := runObjects(ctx, h, w.run)
	if err != nil {
		return err
	}
	run := view.NewRun(objects, a.Clock.Now())
	if !run.Final {
		fmt.Fprintf(a.Streams.ErrOut, "The run goes on. Follow it again with '%s run watch %s'.\n", a.name, w.run)
		return &exitError{code: exitInterrupted}
	}
	if !w.json {
		if err := a.printEnd(&run); err != nil {
			return err
		}
	}
	if run.Phase != v1alpha1.RunPhaseSucceeded {
		return &exitError{exitFailed, endSentence(&run)}
	}
	return nil
}

func endSentence(run *view.Run) string {
	sentence := fmt.Sprintf("run %q is %s", run.Name, run.Phase)
	if run.Wait != nil {
		sentence += ": " + run.Wait.Message // of a failed run it says how to go on
	}
	return sentence
}

// printEnd prints the last tree and the table of all clusters. The table of a large fleet would hide the tree.
func (a *app) printEnd(run *view.Run) error {
	width := 0
	fd, live := terminal(a.Streams.Out)
	if live {
		if columns, _, err := term.GetSize(fd); err == nil {
			width = columns
		}
		p := a.palette()
		for _, line := range view.Tree(run, view.TreeOptions{Width: width, MaxClusters: 10, Now: a.Clock.Now()}) {
			fmt.Fprintln(a.Streams.Out, p.line(line))
		}
	}
	const largeFleet = 60
	if run.Counts.Total > largeFleet {
		return nil
	}
	summary := view.Summary(run)
	text := summary.Format(true)
	// The columns of the drain matter less than lines that are not broken.
	if width > 0 && view.Width(text[:strings.IndexByte(text, '\n')]) > width {
		text = summary.Format(false)
	}
	_, err := io.WriteString(a.Streams.Out, "\n"+text)
	return err
}
