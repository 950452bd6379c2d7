// SPDX-License-Identifier: Apache-2.0

// Package view turns objects of the hub into what people read: rows, the tree of a run, its timeline, its
// summary and the explanation of why it does not move.
//
// Everything here is a pure function of objects and an instant. Text that comes from outside (messages of
// providers, names from members) is cleaned when it enters a view, so that an edge can print a view as it is.
package view

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// ellipsis stands for text that was cut off.
const ellipsis = "…"

// Clean makes text from outside safe to print on one line: line breaks and tabs become spaces, and everything
// that a terminal would obey or that changes how other text is shown (control characters, escape sequences,
// bidirectional overrides, invisible characters, broken UTF-8) is shown as an escape like \x1b or \u202e.
func Clean(s string) string {
	if !strings.ContainsFunc(s, needsEscape) && utf8.ValidString(s) {
		return strings.TrimSpace(s)
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n' || r == '\r' || r == '\t':
			b.WriteByte(' ')
		case !needsEscape(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return strings.TrimSpace(b.String())
}

// needsEscape reports characters that must not reach a terminal: controls, formats (which hold the
// bidirectional overrides and the invisible ones), line and paragraph separators, and private use.
func needsEscape(r rune) bool {
	if ' ' <= r && r <= '~' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}

// Width is the number of terminal cells that s takes.
func Width(s string) int { return ansi.StringWidth(s) }

// Truncate cuts s to at most cells terminal cells, with an ellipsis in the last one when something is cut.
func Truncate(s string, cells int) string {
	if cells <= 0 {
		return ""
	}
	return ansi.Truncate(s, cells, ellipsis)
}

// pad fills s with spaces up to cells terminal cells.
func pad(s string, cells int) string {
	return s + strings.Repeat(" ", max(0, cells-Width(s)))
}

// wrap breaks s into lines of at most cells terminal cells, at spaces where there are any.
func wrap(s string, cells int) []string {
	if cells <= 0 || Width(s) <= cells {
		return []string{s}
	}
	return strings.Split(ansi.Wrap(s, cells, " "), "\n")
}

// Elapsed writes a duration the way people say it, to two units: 42s, 3m12s, 5h03m, 3d04h. Less than a second,
// and less than zero (clocks that disagree), is 0s.
func Elapsed(d time.Duration) string {
	seconds := max(0, int64(d/time.Second))
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 60*60:
		return fmt.Sprintf("%dm%02ds", seconds/60, seconds%60)
	case seconds < 24*60*60:
		return fmt.Sprintf("%dh%02dm", seconds/3600, seconds/60%60)
	default:
		return fmt.Sprintf("%dd%02dh", seconds/86400, seconds/3600%24)
	}
}

// Until says when something is looked at again: what is near as a duration, what is far as an instant in the
// time zone of now as well.
func Until(at, now time.Time) string {
	left := at.Sub(now)
	if left < time.Hour {
		return "in " + Elapsed(left)
	}
	return fmt.Sprintf("at %s (in %s)", at.In(now.Location()).Format("Mon 2006-01-02 15:04 MST"), Elapsed(left))
}

// count writes a number with its noun.
func count[N ~int | ~int32](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
