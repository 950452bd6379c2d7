// SPDX-License-Identifier: Apache-2.0

package view

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// whyText is what is said of a reason. Names in braces stand for what has been met on the way: in a sentence
// {cluster} is "cluster staging-1" or "a cluster", in a command it is the bare name or CLUSTER.
type whyText struct {
	// says is the headline.
	says string
	// do is what a person can do.
	do []Fix
	// by is what brings the next change, and next says which.
	by, next string
	// then is what happens at the end of the wait's time when next did not come before.
	then string
	// works says that nothing is in the way.
	works bool
}

// nothingInTheWay begins the headline of what works.
const nothingInTheWay = "Nothing is in the way: "

// blank is a name in braces.
var blank = regexp.MustCompile(`\{[a-z]+\}`)

// kinds are the names in braces that stand with their kind before them, and what is said without a name.
var kinds = map[string]string{
	"run": "the run", "stage": "the stage", "group": "the group", "cluster": "a cluster", "node": "a node",
	"budget": "a budget", "pod": "a pod", "gate": "a gate", "calendar": "the calendar", "strategy": "the strategy",
}

// sentence fills in the names.
func (w *why) sentence(text, message string) string {
	filled := blank.ReplaceAllStringFunc(text, func(b string) string {
		key := strings.Trim(b, "{}")
		name := Clean(w.names[key])
		switch without, isKind := kinds[key]; {
		case key == "message":
			return Clean(message)
		case isKind && name == "":
			return without
		case isKind:
			return key + " " + name
		}
		return name
	})
	return capital(strings.TrimSuffix(strings.TrimSpace(filled), ":"))
}

// plain is a word that a shell takes as it is.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@=,+-]+$`)

// command fills in the names as words of a shell: what comes from a member must not become a command of its own.
func (w *why) command(text string) string {
	return blank.ReplaceAllStringFunc(text, func(b string) string {
		key := strings.Trim(b, "{}")
		name := Clean(w.names[key])
		switch {
		case name == "":
			return strings.ToUpper(key)
		case plain.MatchString(name):
			return name
		}
		return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
	})
}

func capital(s string) string { return firstRune(s, unicode.ToUpper) }

// small makes a sentence a part of another; a word of capitals like API stays as it is.
func small(s string) string {
	if len(s) > 1 && unicode.IsUpper(rune(s[1])) {
		return s
	}
	return firstRune(s, unicode.ToLower)
}

func firstRune(s string, change func(rune) rune) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 || r == utf8.RuneError {
		return s
	}
	return string(change(r)) + s[size:]
}

// stopped ends a sentence.
func stopped(s string) string {
	if s == "" || strings.ContainsRune(".!?", rune(s[len(s)-1])) {
		return s
	}
	return s + "."
}

// dash stands for an empty cell.
func dash(cell string) string {
	if cell == "" {
		return "-"
	}
	return cell
}
