// SPDX-License-Identifier: Apache-2.0

package calendar

import (
	"fmt"
	"regexp"
	"time"
	_ "time/tzdata" // for machines that have no time zone data; theirs is used where it is

	"sengu.dev/sengu/api/v1alpha1"
)

// zoneName is an IANA name. Go would also take the name of any file below the machine's zone folder.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)

// Zone finds a time zone by its IANA name. Names whose meaning depends on the machine are refused.
func Zone(name string) (*time.Location, error) {
	unknown := fmt.Errorf("%q is not a time zone: use an IANA name like Asia/Tokyo or UTC", name)
	if !zoneName.MatchString(name) || name == "Local" || name == "Factory" {
		return nil, unknown
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, unknown
	}
	return location, nil
}

// reach is farther than any zone ever was from UTC.
const reach = 17 * 60 * 60

// wallClock maps seconds of a zone's wall clock to instants. It remembers the period in hand, the time between two
// changes of the clock, so that most questions cost a comparison. It is not for several at once.
type wallClock struct {
	location *time.Location
	gap      v1alpha1.GapPolicy
	fold     v1alpha1.FoldPolicy
	now      period
}

// period is a time in which a zone does not change its offset.
type period struct {
	span
	offset int64
}

// instants yields when the wall clock shows a time, with the policies for times that do not exist or come twice. It
// returns what the last yield returned.
func (c *wallClock) instants(wall int64, yield func(int64) bool) bool {
	// Wall time and instant are at most reach apart. A period that covers all of that leaves one answer.
	if c.now.from <= wall-reach && wall+reach < c.now.to {
		return yield(wall - c.now.offset)
	}
	first, last, shifted := c.candidates(wall)
	switch {
	case first > last && (shifted == forever || c.gap == v1alpha1.GapPolicySkip):
		return true
	case first > last:
		return yield(shifted)
	case c.fold == v1alpha1.FoldPolicySecond:
		return yield(last)
	case c.fold == v1alpha1.FoldPolicyBoth && first < last:
		return yield(first) && yield(last)
	}
	return yield(first)
}

// candidates are the first and the last instant at which the wall clock shows a time, first after last when there is
// none; and for a time that it jumps over, the instant to which it is shifted.
func (c *wallClock) candidates(wall int64) (first, last, shifted int64) {
	first, last, shifted = forever, always, forever
	p := c.periodAt(wall - reach)
	for {
		at := wall - p.offset
		if p.from <= at && at < p.to {
			first, last = min(first, at), max(last, at)
		}
		c.now = p
		if p.to > wall+reach {
			return first, last, shifted
		}
		next := c.periodAt(p.to)
		// The clock jumps over this time between the two. RFC 5545 (3.3.5) reads it with the offset before the gap,
		// which is the gap's length later on the clock.
		if at >= p.to && wall-next.offset < p.to {
			shifted = min(shifted, at)
		}
		p = next
	}
}

// periodAt is the period of the zone that contains an instant.
func (c *wallClock) periodAt(at int64) period {
	t := time.Unix(at, 0).In(c.location)
	_, offset := t.Zone()
	p := period{span{always, forever}, int64(offset)}
	from, to := t.ZoneBounds()
	if !from.IsZero() {
		p.from = from.Unix()
	}
	if !to.IsZero() {
		p.to = to.Unix()
	}
	return p
}
