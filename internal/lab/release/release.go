// SPDX-License-Identifier: Apache-2.0

// Package release knows the Kubernetes versions that a lab can run: minors emulated by the newest binary, which is
// linked into sengu-lab, and genuine older releases that were built once and are kept in the user's cache.
package release

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Newest is the version of Kubernetes that sengu-lab is linked with: that of k8s.io/kubernetes in go.mod.
const Newest = "1.37.2"

// emulated versions: the first patch of each minor that Newest can emulate, and a second one of 1.36 so that an
// upgrade within a minor can be rehearsed. The two behave the same.
var emulated = []string{"1.34.0", "1.35.0", "1.36.0", "1.36.1"}

// supportEnds of the minors, as the Kubernetes project announced or plans them.
var supportEnds = map[int]time.Time{
	34: time.Date(2026, time.October, 27, 0, 0, 0, 0, time.UTC),
	35: time.Date(2027, time.February, 28, 0, 0, 0, 0, time.UTC),
	36: time.Date(2027, time.June, 28, 0, 0, 0, 0, time.UTC),
	37: time.Date(2027, time.October, 28, 0, 0, 0, 0, time.UTC),
}

// Images of nodes, oldest first. They are names: no node of a lab runs anything.
func Images() []string {
	return []string{"lab-linux-2026.09.1", "lab-linux-2026.10.1", "lab-linux-2026.11.1"}
}

// Release is one version that a lab can run.
type Release struct {
	// Version as "1.36.3".
	Version string
	// Binary of a genuine release; empty: sengu-lab itself.
	Binary string
	// Emulate is the minor that sengu-lab's own components play, as "1.36"; empty: none.
	Emulate string
}

// Genuine says whether the release runs its own binaries.
func (r Release) Genuine() bool { return r.Binary != "" }

// SupportEnds is the day after which the minor gets no more patches; zero: not known.
func (r Release) SupportEnds() time.Time {
	v, err := ParseVersion(r.Version)
	if err != nil {
		return time.Time{}
	}
	return supportEnds[v.Minor]
}

// Catalog lists the releases that can be run now, oldest first: cache is the folder of genuine builds. A genuine
// release takes the place of an emulated one of the same version.
func Catalog(cache string) []Release {
	byVersion := map[string]Release{Newest: {Version: Newest}}
	for _, version := range emulated {
		v, _ := ParseVersion(version)
		byVersion[version] = Release{Version: version, Emulate: fmt.Sprintf("1.%d", v.Minor)}
	}
	folders, _ := os.ReadDir(cache) // none were built
	for _, folder := range folders {
		binary := filepath.Join(cache, folder.Name(), binaryName)
		if _, err := ParseVersion(folder.Name()); err != nil {
			continue
		}
		if _, err := os.Stat(binary); err == nil && folder.Name() != Newest {
			byVersion[folder.Name()] = Release{Version: folder.Name(), Binary: binary}
		}
	}
	var all []Release
	for _, r := range byVersion {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Release) int { return Compare(a.Version, b.Version) })
	return all
}

// Find looks for an exact version, or for the oldest one of a minor ("1.36").
func Find(catalog []Release, version string) (Release, bool) {
	for _, r := range catalog {
		if r.Version == version || strings.Count(version, ".") == 1 && strings.HasPrefix(r.Version, version+".") {
			return r, true
		}
	}
	return Release{}, false
}

// Version is a version of Kubernetes in its parts.
type Version struct {
	// Major, Minor and Patch of 1.36.3 are 1, 36 and 3.
	Major, Minor, Patch int
}

// ParseVersion reads "1.36.3".
func ParseVersion(text string) (Version, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return Version{}, fmt.Errorf("%q is not a version such as 1.36.3", text)
	}
	var numbers [3]int
	for i, part := range parts {
		number, err := strconv.Atoi(part)
		if err != nil || number < 0 {
			return Version{}, fmt.Errorf("%q is not a version such as 1.36.3", text)
		}
		numbers[i] = number
	}
	return Version{numbers[0], numbers[1], numbers[2]}, nil
}

// Compare orders two versions; what is no version comes first.
func Compare(a, b string) int {
	x, _ := ParseVersion(a)
	y, _ := ParseVersion(b)
	return cmp.Or(cmp.Compare(x.Major, y.Major), cmp.Compare(x.Minor, y.Minor), cmp.Compare(x.Patch, y.Patch))
}

// CacheDir is where genuine releases are kept for all labs of the user.
func CacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for built releases: %w", err)
	}
	return filepath.Join(cache, "sengu", "kubernetes"), nil
}
