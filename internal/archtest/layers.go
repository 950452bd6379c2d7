// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"slices"
	"strings"
)

// layer is one step of the staircase. Code imports packages of lower layers, and of its own folder.
type layer struct {
	name string
	// folders of the layer; "/*" makes each subfolder a part of its own.
	folders []string
	// siblings of the layer may import each other. Go itself refuses a cycle.
	siblings bool
}

// layers from the bottom to the top. Packages that do not exist yet cost nothing here.
var layers = []layer{
	{name: "leaves", folders: []string{"config", "examples", "knowledge", "internal/buildinfo", "internal/labapi"}},
	{name: "api", folders: []string{"api"}, siblings: true},
	{name: "pure", folders: []string{"internal/decide/*", "internal/importer/*", "internal/view", "internal/preflight", "internal/diagnose"}, siblings: true},
	{name: "seam", folders: []string{"provider"}},
	{name: "members", folders: []string{"internal/member", "internal/lab"}},
	{name: "effects", folders: []string{"internal/observe", "internal/act", "internal/auditlog", "internal/operation", "internal/providers/*"}},
	{name: "pure", folders: []string{"internal/decide/*", "internal/view", "internal/preflight", "internal/diagnose", "internal/notify/message"}, siblings: true},
	{name: "seam", folders: []string{"provider"}},
	{name: "members", folders: []string{"internal/member", "internal/lab"}},
	{name: "effects", folders: []string{"internal/observe", "internal/act", "internal/operation", "internal/notify", "internal/providers/*"}},
	{name: "edges", folders: []string{"internal/cli", "internal/web", "internal/controller", "internal/hub"}},
	{name: "stages", folders: []string{"internal/demo", "test"}},
	{name: "programs", folders: []string{"cmd/*", "hack", "internal/archtest"}},
}

// importers names who alone may import a folder (and the folder itself). Tests may import anything.
var importers = map[string][]string{
	"internal/labapi":   {"internal/lab", "internal/providers/local", "internal/demo", "test"},
	"internal/lab":      {"cmd/sengu-lab", "internal/demo", "test"},
	"internal/demo":     {"cmd/sengu-demo"},
	"internal/archtest": {},
	"test":              {},
	"hack":              {},
	"cmd":               {},
}

// strangers are folders whose code never imports the others, though the layers alone would let it.
var strangers = []struct {
	folder string
	never  []string
	why    string
}{
	{"provider", []string{"internal/decide", "internal/view", "internal/preflight", "internal/diagnose"}, "the public seam depends on nothing but the API"},
	{"internal/providers", []string{"internal/decide"}, "a provider does what it is told"},
	{"internal/lab", []string{"api", "internal/decide", "internal/view", "internal/preflight", "internal/diagnose"}, "the lab is the world Sengu acts on and must not know it"},
	{"internal/cli", []string{"internal/controller"}, "the CLI talks to the hub, whoever runs the controllers"},
	{"internal/web", []string{"internal/controller"}, "the web talks to the hub, whoever runs the controllers"},
}

// placeOf finds the layer of a folder and the part of it that the folder belongs to; -1 when it has none.
func placeOf(dir string) (rank int, part string) {
	for rank, l := range layers {
		for _, folder := range l.folders {
			parent, each := strings.CutSuffix(folder, "/*")
			if !under(dir, parent) {
				continue
			}
			if !each || dir == parent {
				return rank, parent
			}
			child, _, _ := strings.Cut(strings.TrimPrefix(dir, parent+"/"), "/")
			return rank, parent + "/" + child
		}
	}
	return -1, ""
}

func everyPackageHasAPlace(t tree) []string {
	var found []string
	seen := map[string]bool{}
	for _, f := range t {
		if rank, _ := placeOf(f.dir); rank < 0 && !seen[f.dir] {
			seen[f.dir] = true
			found = append(found, f.at(1, "%s belongs to no layer", f.dir))
		}
	}
	return found
}

func importsPointDownwards(t tree) []string {
	return eachUse(t, func(f *file, u use) string {
		fromRank, from := placeOf(f.dir)
		toRank, to := placeOf(u.dir)
		switch {
		case fromRank < 0 || toRank < 0 || from == to || toRank < fromRank:
			return ""
		case toRank == fromRank && layers[fromRank].siblings:
			return ""
		case toRank == fromRank:
			return "imports " + u.dir + " beside it in the layer of " + layers[fromRank].name
		}
		return "imports " + u.dir + " above it: " + layers[fromRank].name + " may not import " + layers[toRank].name
	})
}

func fewImporters(t tree) []string {
	return eachUse(t, func(f *file, u use) string {
		for folder, allowed := range importers {
			if under(u.dir, folder) && !under(f.dir, folder) && !under(f.dir, allowed...) {
				return "imports " + u.dir + ", which only its tests" + listed(allowed) + " may"
			}
		}
		return ""
	})
}

// listed writes the allowed importers after "its tests".
func listed(allowed []string) string {
	if len(allowed) == 0 {
		return ""
	}
	return " and " + strings.Join(allowed, ", ")
}

func neverMeet(t tree) []string {
	return eachUse(t, func(f *file, u use) string {
		for _, s := range strangers {
			if under(f.dir, s.folder) && under(u.dir, s.never...) {
				return "imports " + u.dir + ": " + s.why
			}
		}
		return ""
	})
}

// helperFolders are written for tests without being tests themselves, besides every package named …test.
var helperFolders = []string{"test"}

func testHelpersStayInTests(t tree) []string {
	found := eachUse(t, func(f *file, u use) string {
		if isHelper(u.dir) && !isHelper(f.dir) && !under(f.dir, helperFolders...) {
			return "imports the test helper " + u.dir
		}
		return ""
	})
	for _, f := range t {
		if f.test || isHelper(f.dir) || under(f.dir, helperFolders...) {
			continue
		}
		for _, spec := range f.syntax.Imports {
			if name := imported(spec); under(name, "testing") {
				found = append(found, f.at(f.line(spec), "imports %s outside a test", name))
			}
		}
	}
	return found
}

// isHelper reports whether a package is named as a test helper, like providertest. archtest is a test itself.
func isHelper(dir string) bool {
	return dir != "internal/archtest" && dir != "test" && strings.HasSuffix(dir, "test")
}

// eachUse asks about every import of one package of the module by another, tests left out: a test may look at
// its subject from anywhere. The answer is a finding, or empty.
func eachUse(t tree, ask func(*file, use) string) []string {
	var found []string
	for _, f := range t {
		if f.test {
			continue
		}
		for _, u := range f.uses() {
			if sentence := ask(f, u); sentence != "" {
				found = append(found, f.at(u.line, "%s", sentence))
			}
		}
	}
	slices.Sort(found)
	return found
}
