// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"slices"
	"strings"

	"sengu.dev/sengu/internal/decide/versionpath"
)

// target is what the nodes of a pool become at a stop.
type target struct {
	// version of the nodes; empty: any.
	version string
	// image of the nodes; empty: any.
	image string
}

// target of a pool at a stop. The image changes with the last renewal only.
func (p *pass) target(s stop, pool Pool) target {
	t := target{version: s.version}
	if s.last() {
		t.image = p.image(pool)
	}
	return t
}

// image that the pool's nodes get: of several the one of the pool's family; empty: what the provider pairs with the
// version.
func (p *pass) image(pool Pool) string {
	images := p.s.Upgrade.Spec.NodeImages
	if len(images) == 1 {
		return images[0]
	}
	i := slices.IndexFunc(images, func(image string) bool { return family(image) == family(pool.Image) })
	if i < 0 {
		return ""
	}
	return images[i]
}

// family is an image's name without its version: what stands before the first part that begins with a digit.
func family(image string) string {
	parts := strings.Split(image, "-")
	i := slices.IndexFunc(parts, func(part string) bool { return part != "" && part[0] >= '0' && part[0] <= '9' })
	if i > 0 {
		parts = parts[:i]
	}
	return strings.Join(parts, "-")
}

// old says whether a node has to be renewed. A node that is newer than the target stays.
func (t target) old(version, image string) bool {
	if t.version != "" && version != "" && versionpath.Compare(version, t.version) < 0 {
		return true
	}
	return t.image != "" && image != "" && image != t.image
}

// poolOld says whether a pool that the provider renews has to be: what new nodes get, or a node that it shows.
func poolOld(pool Pool, t target) bool {
	return t.old(pool.Version, pool.Image) ||
		slices.ContainsFunc(pool.Nodes, func(n ProviderNode) bool { return t.old(n.Version, n.Image) })
}

// anyOld says whether a node of the pool has to be renewed; of pools that the provider renews, also what new nodes
// get.
func (p *pass) anyOld(pool Pool, t target) bool {
	if p.s.Provider.UpgradesPools {
		return poolOld(pool, t)
	}
	return slices.ContainsFunc(pool.Nodes, func(n ProviderNode) bool { return t.old(p.versionOf(n), p.imageOf(n)) })
}

// versionOf a node: the provider's word, or the member's where it has none.
func (p *pass) versionOf(n ProviderNode) string {
	if m := p.members[n.Name]; n.Version == "" && m != nil {
		return m.Version
	}
	return n.Version
}

func (p *pass) imageOf(n ProviderNode) string {
	if m := p.members[n.Name]; n.Image == "" && m != nil {
		return m.Image
	}
	return n.Image
}
