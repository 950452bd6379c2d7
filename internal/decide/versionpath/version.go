// SPDX-License-Identifier: Apache-2.0

// Package versionpath works out by which versions a cluster gets from one Kubernetes version to another: control
// planes go one minor at a time through what is offered, and nodes are renewed as seldom as the skew rules allow.
package versionpath

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"sengu.dev/sengu/api/v1alpha1"
)

// Version is an exact Kubernetes version.
type Version struct {
	// Major, Minor and Patch numbers.
	Major, Minor, Patch int
	// Suffix after the patch without its dash: of a preview (alpha.1, beta.0, rc.2), or of a vendor's build
	// (gke.1080000).
	Suffix string
}

// maxNumber bounds each number, so that sums of them never overflow.
const maxNumber = 99999

// Parse reads an exact version as "1.37.2", with or without a leading v, with a suffix as in "1.38.0-rc.1" or
// without. Build metadata after a plus is passed over. The error is an *Error of reason UnknownVersion.
func Parse(text string) (Version, error) {
	rest, _, _ := strings.Cut(strings.TrimPrefix(text, "v"), "+")
	rest, suffix, dashed := strings.Cut(rest, "-")
	parts := strings.Split(rest, ".")
	if len(parts) != 3 || (dashed && !validSuffix(suffix)) {
		return Version{}, notAVersion(text)
	}
	numbers := [3]int{}
	for i, part := range parts {
		n, ok := number(part)
		if !ok {
			return Version{}, notAVersion(text)
		}
		numbers[i] = n
	}
	return Version{Major: numbers[0], Minor: numbers[1], Patch: numbers[2], Suffix: suffix}, nil
}

func notAVersion(text string) error {
	if len(text) > 64 {
		text = text[:64]
	}
	return &Error{Reason: v1alpha1.ReasonUnknownVersion, Message: fmt.Sprintf("%q is not an exact version: write it as 1.37.2", text)}
}

// number reads a decimal without sign or leading zeros.
func number(text string) (int, bool) {
	if text == "" || (len(text) > 1 && text[0] == '0') || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n <= maxNumber
}

func validSuffix(suffix string) bool {
	for part := range strings.SplitSeq(suffix, ".") {
		if part == "" {
			return false
		}
		for _, c := range part {
			if !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-", c) {
				return false
			}
		}
	}
	return true
}

// String writes it as Parse reads it, without a leading v.
func (v Version) String() string {
	s := fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
	if v.Suffix != "" {
		s += "-" + v.Suffix
	}
	return s
}

// Preview says whether it is an alpha, beta or release candidate. A vendor's build suffix is none of them.
func (v Version) Preview() bool {
	for _, word := range []string{"alpha", "beta", "rc"} {
		if strings.HasPrefix(v.Suffix, word) {
			return true
		}
	}
	return false
}

// SameMinor says whether both are patches of one minor.
func (v Version) SameMinor(w Version) bool { return v.Major == w.Major && v.Minor == w.Minor }

// MinorsBehind is how many minors v is older than w; negative when it is newer. Major versions lie apart by more
// than any number of minors.
func (v Version) MinorsBehind(w Version) int {
	return (w.Major-v.Major)*maxNumber + w.Minor - v.Minor
}

// Compare orders versions: -1 when v is older than w, 0 when they are equal, 1 when it is newer. A preview is older
// than its release, a vendor's build is newer.
func (v Version) Compare(w Version) int {
	if c := cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch),
		cmp.Compare(v.rank(), w.rank())); c != 0 {
		return c
	}
	return compareSuffix(v.Suffix, w.Suffix)
}

func (v Version) rank() int {
	switch {
	case v.Preview():
		return -1
	case v.Suffix == "":
		return 0
	}
	return 1
}

// compareSuffix goes part by part as semantic versioning does: numbers by value and before words.
func compareSuffix(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		an, aIsNumber := number(as[i])
		bn, bIsNumber := number(bs[i])
		var c int
		switch {
		case aIsNumber && bIsNumber:
			c = cmp.Compare(an, bn)
		case aIsNumber:
			c = -1
		case bIsNumber:
			c = 1
		default:
			c = cmp.Or(cmp.Compare(len(digits(as[i])), len(digits(bs[i]))), strings.Compare(as[i], bs[i]))
		}
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}

// digits returns a part that is a number too large for number, so that more digits are a larger number.
func digits(part string) string {
	if strings.Trim(part, "0123456789") == "" {
		return strings.TrimLeft(part, "0")
	}
	return ""
}

// Minor returns the minor of a version as "1.37", or "" when it is no exact version.
func Minor(version string) string {
	v, err := Parse(version)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d.%d", v.Major, v.Minor)
}

// Compare orders two versions as Version.Compare does. A text that is no exact version is older than any that is.
func Compare(a, b string) int {
	v, errA := Parse(a)
	w, errB := Parse(b)
	switch {
	case errA != nil && errB != nil:
		return strings.Compare(a, b)
	case errA != nil:
		return -1
	case errB != nil:
		return 1
	}
	return v.Compare(w)
}
