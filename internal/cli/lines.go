// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
)

// ending is the last line of `run watch -o json`.
type ending struct {
	// Time of the end.
	Time time.Time `json:"time"`
	// Run by name.
	Run string `json:"run"`
	// Phase it ended in.
	Phase v1alpha1.RunPhase `json:"phase"`
	// Counts of clusters.
	Counts v1alpha1.RunCounts `json:"counts"`
	// Seconds that it took.
	Seconds float64 `json:"seconds"`
}

// watchLines prints one line for each change until the run ends.
func (a *app) watchLines(ctx context.Context, f *follower, asJSON bool) error {
	var before *view.Run
	lost := false
	return f.follow(ctx, func(n news) bool {
		now := a.Clock.Now()
		if (n.lost != nil) != lost {
			lost = n.lost != nil
			a.tellConnection(f.run, n.lost, now, asJSON)
		}
		if n.objects.Run == nil {
			return true
		}
		run := view.NewRun(n.objects, now)
		for _, change := range view.Changes(before, &run, now) {
			a.tellChange(&change, asJSON)
		}
		before = &run
		if run.Final && asJSON {
			a.tellJSON(ending{now, run.Name, run.Phase, run.Counts, run.Elapsed.Seconds()})
		}
		return !run.Final
	})
}

func (a *app) tellChange(c *view.Change, asJSON bool) {
	if asJSON {
		a.tellJSON(c)
		return
	}
	a.say("%s", c)
}

func (a *app) tellConnection(run string, lost error, now time.Time, asJSON bool) {
	change := view.Change{At: now, Run: view.Clean(run), What: "connected to the hub again"}
	if lost != nil {
		change.What, change.Why = "connection to the hub lost, trying again", view.Clean(innermost(lost).Error())
	}
	a.tellChange(&change, asJSON)
}

func (a *app) tellJSON(v any) {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err) // these types have no value that cannot be written
	}
	fmt.Fprintln(a.Streams.Out, string(line))
}
