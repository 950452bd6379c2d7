// SPDX-License-Identifier: Apache-2.0

package simulated

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"

	"sengu.dev/sengu/provider"
)

const (
	// ownPatches is the newest patch that is offered of the control plane's own minor.
	ownPatches = 4
	// nextMinors are offered beyond the own, nextPatches of each.
	nextMinors, nextPatches = 3, 3
	// maxSkew is how many minors a kubelet may be older than its API server.
	maxSkew = 3
)

// parse reads an exact version such as 1.36.1.
func parse(text string) (*version.Version, error) {
	v, err := version.ParseSemantic(text)
	if err != nil || v.String() != text {
		return nil, fmt.Errorf("%q is not a version such as 1.36.1", text)
	}
	return v, nil
}

// offersFor lists what a control plane of a version can move to, oldest first.
func offersFor(current *version.Version) *provider.Offers {
	o := &provider.Offers{Images: []string{imageOf(current.String())}}
	offer := func(minor, patch uint) {
		text := fmt.Sprintf("%d.%d.%d", current.Major(), minor, patch)
		o.Kubernetes = append(o.Kubernetes, provider.OfferedVersion{Version: text})
		o.Images = append(o.Images, imageOf(text))
	}
	for patch := current.Patch() + 1; patch <= ownPatches; patch++ {
		offer(current.Minor(), patch)
	}
	for next := range uint(nextMinors) {
		for patch := range uint(nextPatches) {
			offer(current.Minor()+next+1, patch)
		}
	}
	return o
}

// imageOf is the node image that belongs to a version.
func imageOf(version string) string { return "simulated-" + version + "-1" }

// checkControlPlane refuses versions that a control plane cannot move to. oldest is the oldest version of its nodes.
func checkControlPlane(current, oldest *version.Version, target string) error {
	v, err := parse(target)
	switch {
	case err != nil:
		return provider.Rejected(provider.CodeUnknownVersion, "%v: choose one of those on offer", err)
	case v.LessThan(current):
		return provider.Rejected(provider.CodeDowngrade, "the control plane is on %s and does not go back to %s", current, v)
	case v.Major() == current.Major() && v.Minor() > current.Minor()+1:
		return provider.Rejected(provider.CodeSkippedMinor, "a control plane moves one minor at a time: from %s go to a %d.%d first", current, current.Major(), current.Minor()+1)
	case !v.EqualTo(current) && !offered(current, target):
		return provider.Rejected(provider.CodeUnknownVersion, "version %s is not offered to a control plane on %s", v, current)
	case v.Minor() > oldest.Minor()+maxSkew:
		return provider.Rejected(provider.CodeSkewViolation, "a node on %s would be more than %d minors older than a control plane on %s: upgrade the nodes first", oldest, maxSkew, v)
	}
	return nil
}

func offered(current *version.Version, target string) bool {
	for _, o := range offersFor(current).Kubernetes {
		if o.Version == target {
			return true
		}
	}
	return false
}

// checkNode refuses versions and images that a node cannot have beside a control plane.
func checkNode(controlPlane *version.Version, target, image string) error {
	v, err := parse(target)
	switch {
	case err != nil:
		return provider.Rejected(provider.CodeUnknownVersion, "%v: choose one that is not newer than the control plane's %s", err, controlPlane)
	case controlPlane.LessThan(v):
		return provider.Rejected(provider.CodeSkewViolation, "a node on %s would be newer than its control plane on %s: upgrade that first", v, controlPlane)
	case v.Major() != controlPlane.Major() || v.Minor()+maxSkew < controlPlane.Minor():
		return provider.Rejected(provider.CodeSkewViolation, "a node on %s would be more than %d minors older than its control plane on %s", v, maxSkew, controlPlane)
	case v.Patch() > ownPatches && !v.EqualTo(controlPlane):
		return provider.Rejected(provider.CodeUnknownVersion, "there is no version %s", v)
	}
	if image == "" || knownImage(image) {
		return nil
	}
	return provider.Rejected(provider.CodeUnknownImage, "there is no node image %q: choose one of those on offer", image)
}

func knownImage(image string) bool {
	var major, minor, patch uint
	_, err := fmt.Sscanf(image, "simulated-%d.%d.%d-1", &major, &minor, &patch)
	return err == nil && image == imageOf(fmt.Sprintf("%d.%d.%d", major, minor, patch))
}
