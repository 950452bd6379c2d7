// SPDX-License-Identifier: Apache-2.0

package versionpath

import (
	"fmt"
	"slices"
	"strings"

	"sengu.dev/sengu/api/v1alpha1"
)

// MaxSkew is how many minors a node may be older than its control plane.
const MaxSkew = 3

// Error is a version that cannot be reached, with the sentence for people.
type Error struct {
	// Reason is UnknownVersion, Downgrade, SkippedMinor or SkewTooLarge.
	Reason string
	// Message is one sentence: what is wrong and what can be chosen instead.
	Message string
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Message }

func refuse(reason, format string, args ...any) error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Offers are the versions that one cluster can move to now.
type Offers struct {
	// Cluster by its name, for the sentences.
	Cluster string
	// Current version of its control plane, which counts as offered; empty: not known.
	Current string
	// Versions on offer, any order. What is no exact version is passed over.
	Versions []string
}

func (o Offers) parsed() []Version {
	out := parseAll(o.Versions)
	if v, err := Parse(o.Current); err == nil && !slices.Contains(out, v) {
		out = append(out, v)
	}
	slices.SortFunc(out, Version.Compare)
	return out
}

// Resolve returns the exact version that a target means for all the clusters: for "1.37" the newest patch of that
// minor that each of them is offered, previews left out; "1.37.2" itself when each is offered it. Errors are an
// *Error of reason UnknownVersion, or Downgrade when a cluster is past it.
func Resolve(target string, offers ...Offers) (string, error) {
	exact, exactErr := Parse(target)
	minor, minorErr := Parse(target + ".0")
	if exactErr != nil && (minorErr != nil || minor.Suffix != "") {
		return "", refuse(v1alpha1.ReasonUnknownVersion, "%q is not a version: write a minor as 1.37 or an exact version as 1.37.2", target)
	}
	wanted := func(v Version) bool { return v.SameMinor(minor) && !v.Preview() }
	if exactErr == nil {
		wanted = func(v Version) bool { return v == exact }
	}
	var common []Version
	for i, o := range offers {
		fits := slices.DeleteFunc(o.parsed(), func(v Version) bool { return !wanted(v) })
		if len(fits) == 0 {
			return "", notOffered(target, o)
		}
		if i == 0 {
			common = fits
		}
		common = slices.DeleteFunc(common, func(v Version) bool { return !slices.Contains(fits, v) })
	}
	if len(common) == 0 {
		return "", refuse(v1alpha1.ReasonUnknownVersion,
			"no patch of %s is offered to all clusters: choose fewer clusters, or wait until the same patch is offered everywhere", target)
	}
	newest := slices.MaxFunc(common, Version.Compare)
	for _, o := range offers {
		if current, err := Parse(o.Current); err == nil && current.Compare(newest) > 0 {
			return "", downgrade(newest.String(), o)
		}
	}
	return newest.String(), nil
}

// notOffered says what can be chosen instead.
func notOffered(target string, o Offers) error {
	if current, err := Parse(o.Current); err == nil {
		if t, err := Parse(target); err == nil && t.Compare(current) < 0 {
			return downgrade(target, o)
		}
		if t, err := Parse(target + ".0"); err == nil && t.MinorsBehind(current) > 0 {
			return downgrade(target, o)
		}
	}
	if len(o.Versions) == 0 {
		return refuse(v1alpha1.ReasonUnknownVersion, "%s is not offered to %s: nothing is offered to it now", target, o.name())
	}
	return refuse(v1alpha1.ReasonUnknownVersion, "%s is not offered to %s; offered: %s", target, o.name(), list(parseAll(o.Versions)))
}

func downgrade(target string, o Offers) error {
	return refuse(v1alpha1.ReasonDowngrade, "%s runs %s, which is newer than %s, and Kubernetes does not go back: choose %s or newer",
		o.name(), o.Current, target, o.Current)
}

func (o Offers) name() string {
	if o.Cluster == "" {
		return "the cluster"
	}
	return o.Cluster
}

// Hops returns the exact versions by which a control plane goes from one version to another, one minor at a time
// and the target last: of each minor between, the newest patch that is offered. It is empty when from is the target.
// Errors are an *Error of reason UnknownVersion, Downgrade or SkippedMinor; the latter when a minor between is not
// offered (yet).
func Hops(from, to string, offered []string) ([]string, error) {
	start, err := Parse(from)
	if err != nil {
		return nil, err
	}
	end, err := Parse(to)
	if err != nil {
		return nil, err
	}
	known := parseAll(offered)
	switch c := start.Compare(end); {
	case c == 0:
		return nil, nil
	case c > 0:
		return nil, downgrade(to, Offers{Current: from})
	case start.Major != end.Major:
		return nil, refuse(v1alpha1.ReasonSkippedMinor, "no known path leads from %s to %s: choose a target of major version %d", from, to, start.Major)
	case !slices.Contains(known, end):
		return nil, notOffered(to, Offers{Current: from, Versions: offered})
	}
	var hops []string
	for minor := start.Minor + 1; minor < end.Minor; minor++ {
		between := Version{Major: start.Major, Minor: minor}
		patches := slices.DeleteFunc(slices.Clone(known), func(v Version) bool { return !v.SameMinor(between) || v.Preview() })
		if len(patches) == 0 {
			return nil, refuse(v1alpha1.ReasonSkippedMinor,
				"the way from %s to %s leads through %d.%d, of which nothing is offered; offered: %s", from, to, between.Major, minor, list(known))
		}
		hops = append(hops, patches[len(patches)-1].String())
	}
	return append(hops, end.String()), nil
}

// NodeSteps returns at which versions of the control plane the nodes are renewed so that none is ever more than
// MaxSkew minors older: as few as possible, so each as late as possible, and the last hop always. The first may be
// from itself, when the nodes are too old even for the first hop. nodes are the versions of the nodes now; those of
// which the version is not known are passed over. The error is an *Error of reason SkewTooLarge, when a node is
// already too old for from or newer than it, or UnknownVersion.
func NodeSteps(nodes []string, from string, hops []string) ([]string, error) {
	at, err := Parse(from)
	if err != nil {
		return nil, err
	}
	known := parseAll(nodes)
	if len(hops) == 0 || len(known) == 0 {
		return nil, nil
	}
	oldest, newest := known[0], known[len(known)-1]
	if err := CheckSkew(newest.String(), from); err != nil {
		return nil, err
	}
	if err := CheckSkew(oldest.String(), from); err != nil {
		return nil, err
	}
	var steps []string
	for _, hop := range hops {
		next, err := Parse(hop)
		if err != nil {
			return nil, err
		}
		if oldest.MinorsBehind(next) > MaxSkew {
			steps = append(steps, at.String())
			oldest = at
		}
		at = next
	}
	return append(steps, at.String()), nil
}

// CheckSkew says whether a node of a version may be in a cluster whose control plane has another. The error is an
// *Error of reason SkewTooLarge or UnknownVersion.
func CheckSkew(node, controlPlane string) error {
	n, err := Parse(node)
	if err != nil {
		return err
	}
	c, err := Parse(controlPlane)
	if err != nil {
		return err
	}
	switch {
	case n.Compare(c) > 0:
		return refuse(v1alpha1.ReasonSkewTooLarge, "nodes on %s are newer than the control plane on %s: upgrade the control plane first", node, controlPlane)
	case n.MinorsBehind(c) > MaxSkew:
		return refuse(v1alpha1.ReasonSkewTooLarge, "nodes on %s are more than %d minors older than a control plane on %s: renew the nodes first", node, MaxSkew, controlPlane)
	}
	return nil
}

// parseAll returns what can be parsed, oldest first.
func parseAll(texts []string) []Version {
	var out []Version
	for _, text := range texts {
		if v, err := Parse(text); err == nil {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, Version.Compare)
	return slices.Compact(out)
}

func list(versions []Version) string {
	var texts []string
	for _, v := range versions {
		texts = append(texts, v.String())
	}
	return strings.Join(texts, ", ")
}
