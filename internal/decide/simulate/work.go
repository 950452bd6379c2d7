// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"time"

	"sengu.dev/sengu/internal/decide/estimate"
)

// course is how the work on one cluster goes.
type course struct {
	// start of the first step and end of the last; zero: it never comes.
	start, end time.Time
	pauses     []Pause
	// tooLong is the step that fits into no window until the horizon; nil: none.
	tooLong *estimate.Step
}

// way is how the work on a cluster is laid.
type way struct {
	percentile Percentile
	// windows that it is laid into; nil: always.
	windows *hours
	horizon time.Time
}

// walk lays steps into windows from an instant on. A step, or a part of it, begins only while the windows are open and
// when what it takes nine times of ten fits into what is left; else it waits for the next opening. Windows that are nil
// are always open.
func (y way) walk(steps []estimate.Step, from time.Time) course {
	p, w := y.percentile, y.windows
	var c course
	at := from
	if len(steps) == 0 || w == nil {
		c.start = from
	}
	for i := range steps {
		if w == nil {
			at = at.Add(p.of(steps[i].Duration))
			continue
		}
		for left := max(steps[i].Parts, 1); left > 0; {
			begin, n := y.fit(&steps[i], left, at)
			if n == 0 {
				c.tooLong = &steps[i]
				return c
			}
			switch {
			case c.start.IsZero():
				c.start = begin
			case begin.After(at):
				c.pauses = append(c.pauses, Pause{at, begin})
			}
			at = begin.Add(p.of(steps[i].Duration) * time.Duration(n) / time.Duration(max(steps[i].Parts, 1)))
			left -= n
		}
	}
	c.end = at
	return c
}

// fit finds when the next parts of a step can begin, and how many of those that are left; 0: none until the horizon.
func (y way) fit(s *estimate.Step, left int, at time.Time) (time.Time, int) {
	from, to, ok := y.windows.next(at, s.Part.P90)
	if !ok || from.After(y.horizon) {
		return at, 0
	}
	each := y.percentile.of(s.Duration) / time.Duration(max(s.Parts, 1))
	if each <= 0 {
		return from, left
	}
	return from, min(left, int((to.Sub(from)-s.Part.P90)/each)+1)
}
