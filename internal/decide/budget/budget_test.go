// SPDX-License-Identifier: Apache-2.0

package budget

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func number(n int) *intstr.IntOrString  { return new(intstr.FromInt(n)) }
func text(s string) *intstr.IntOrString { return new(intstr.FromString(s)) }

// limit of a strategy, and what becomes of it for a number of clusters.
type limit struct {
	limit           *intstr.IntOrString
	total, fallback int
	want            int
	wantRefused     bool
}

func TestConcurrency(t *testing.T) {
	check(t, Concurrency, "a number from 1 or a percentage from 1% to 100%", map[string]limit{
		"nothing is set":                            {total: 10, fallback: 50, want: 50},
		"a number":                                  {limit: number(3), total: 10, fallback: 50, want: 3},
		"more than there are clusters":              {limit: number(30), total: 10, want: 30},
		"a percentage":                              {limit: text("20%"), total: 10, want: 2},
		"a percentage is rounded down":              {limit: text("67%"), total: 3, want: 2},
		"a little of few is still one":              {limit: text("1%"), total: 10, want: 1},
		"a percentage of nothing is one":            {limit: text("50%"), total: 0, want: 1},
		"all of them":                               {limit: text("100%"), total: 10_000, want: 10_000},
		"a third of a large fleet, rounded down":    {limit: text("33%"), total: 9_999, want: 3_299},
		"zero would never end":                      {limit: number(0), total: 10, wantRefused: true},
		"zero percent would never end":              {limit: text("0%"), total: 10, wantRefused: true},
		"a negative number":                         {limit: number(-1), total: 10, wantRefused: true},
		"a negative percentage":                     {limit: text("-5%"), total: 10, wantRefused: true},
		"a percentage with a sign":                  {limit: text("+5%"), total: 10, wantRefused: true},
		"more than all":                             {limit: text("101%"), total: 10, wantRefused: true},
		"a number as text":                          {limit: text("5"), total: 10, wantRefused: true},
		"a percent sign alone":                      {limit: text("%"), total: 10, wantRefused: true},
		"two percent signs":                         {limit: text("5%%"), total: 10, wantRefused: true},
		"a part of a percent":                       {limit: text("2.5%"), total: 10, wantRefused: true},
		"a space before the sign":                   {limit: text("5 %"), total: 10, wantRefused: true},
		"a word":                                    {limit: text("all"), total: 10, wantRefused: true},
		"nothing as text":                           {limit: text(""), total: 10, wantRefused: true},
		"a percentage that no machine number holds": {limit: text("99999999999999999999%"), total: 10, wantRefused: true},
	})
}

func TestFailures(t *testing.T) {
	check(t, Failures, "a number from 0 or a percentage from 0% to 100%", map[string]limit{
		"nothing is set":                 {total: 10, fallback: 7, want: 7},
		"none may fail":                  {limit: number(0), total: 10, fallback: 7, want: 0},
		"a number":                       {limit: number(3), total: 10, want: 3},
		"a percentage":                   {limit: text("20%"), total: 10, want: 2},
		"a percentage is rounded down":   {limit: text("50%"), total: 3, want: 1},
		"a little of few is none at all": {limit: text("9%"), total: 10, want: 0},
		"zero percent":                   {limit: text("0%"), total: 10, want: 0},
		"all may fail":                   {limit: text("100%"), total: 10, want: 10},
		"a negative number":              {limit: number(-1), total: 10, wantRefused: true},
		"a negative percentage":          {limit: text("-1%"), total: 10, wantRefused: true},
		"more than all":                  {limit: text("101%"), total: 10, wantRefused: true},
		"a number as text":               {limit: text("5"), total: 10, wantRefused: true},
		"a word":                         {limit: text("some"), total: 10, wantRefused: true},
	})
}

// check resolves limits, and looks at the sentence of those that are refused: it names the place and what is accepted.
func check(t *testing.T, resolve func(string, *intstr.IntOrString, int, int) (int, error), accepted string, limits map[string]limit) {
	t.Helper()
	for name, tc := range limits {
		t.Run(name, func(t *testing.T) {
			got, err := resolve("the limit of stage staging", tc.limit, tc.total, tc.fallback)
			if !tc.wantRefused {
				if got != tc.want || err != nil {
					t.Errorf("got %d, %v, want %d", got, err, tc.want)
				}
				return
			}
			var refused *Error
			if !errors.As(err, &refused) || got != 0 {
				t.Fatalf("got %d, %v, want an *Error", got, err)
			}
			want := &Error{Field: "the limit of stage staging", Value: tc.limit.String(), Want: accepted}
			if diff := cmp.Diff(want, refused); diff != "" {
				t.Errorf("refusal (-want +got):\n%s", diff)
			}
			if sentence := `the limit of stage staging is "` + tc.limit.String() + `": write ` + accepted; err.Error() != sentence {
				t.Errorf("it says %q, want %q", err, sentence)
			}
		})
	}
}

// TestRoom: limits that hold together are used together, and one that is used up keeps the others from being used.
func TestRoom(t *testing.T) {
	run, stage := &Limit{Max: 5}, &Limit{Max: 3, Used: 1}
	first, second := &Limit{Max: 1}, &Limit{Max: 4}
	takes := func(group *Limit) (n int) {
		for (Room{run, stage, group}).Take() {
			n++
		}
		return n
	}
	if n := takes(first); n != 1 {
		t.Errorf("the first group started %d, want 1: its own limit", n)
	}
	if n := takes(second); n != 1 {
		t.Errorf("the second group started %d, want 1: one of the stage's three was in flight and the first took one", n)
	}
	want := []Limit{{Max: 5, Used: 2}, {Max: 3, Used: 3}, {Max: 1, Used: 1}, {Max: 4, Used: 1}}
	if diff := cmp.Diff(want, []Limit{*run, *stage, *first, *second}); diff != "" {
		t.Errorf("what is used (-want +got):\n%s", diff)
	}
}

func TestRoomAtItsEdges(t *testing.T) {
	tests := map[string]struct {
		room Room
		want bool
	}{
		"no limit at all":                        {want: true},
		"one is left":                            {room: Room{{Max: 2, Used: 1}}, want: true},
		"none is left":                           {room: Room{{Max: 2, Used: 2}}},
		"more is used than allowed by now":       {room: Room{{Max: 1, Used: 3}}},
		"the last of several limits is used up":  {room: Room{{Max: 9}, {Max: 9}, {Max: 1, Used: 1}}},
		"the first of several limits is used up": {room: Room{{Max: 1, Used: 1}, {Max: 9}}},
		"nothing may start":                      {room: Room{{}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var before []int
			for _, l := range tc.room {
				before = append(before, l.Used)
			}
			if full := tc.room.Full(); (full == nil) != tc.want {
				t.Errorf("the full limit is %+v, want one: %t", full, !tc.want)
			}
			if got := tc.room.Take(); got != tc.want {
				t.Errorf("taken: %t, want %t", got, tc.want)
			}
			for i, l := range tc.room {
				if used := l.Used - before[i]; (used == 1) != tc.want {
					t.Errorf("limit %d: %d more used after Take said %t", i, used, tc.want)
				}
			}
		})
	}
}
