// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// decent is a file that breaks no rule, to be extended.
func decent(name, body string) string {
	return licence + "\n// Package " + name + " is for tests.\npackage " + name + "\n" + body
}

// importing is a decent file that imports packages of the module.
func importing(name string, dirs ...string) string {
	var body strings.Builder
	for _, dir := range dirs {
		fmt.Fprintf(&body, "import _ %q\n", module+"/"+dir)
	}
	return decent(name, body.String())
}

// brokenTrees break one rule each. Lines count from the licence: the package clause is line 4.
var brokenTrees = map[string]struct {
	rule  string
	files map[string]string
	want  []string
}{
	"a new folder that nobody placed": {
		rule:  "every package has a place",
		files: map[string]string{"internal/magic/magic.go": decent("magic", ""), "internal/view/view.go": decent("view", "")},
		want:  []string{"internal/magic/magic.go:1: internal/magic belongs to no layer"},
	},
	"the API imports a provider": {
		rule:  "imports point downwards only",
		files: map[string]string{"api/v1alpha1/doc.go": importing("v1alpha1", "internal/buildinfo", "provider")},
		want:  []string{"api/v1alpha1/doc.go:6: imports provider above it: api may not import seam"},
	},
	"observe imports act beside it, a decider its neighbour": {
		rule: "imports point downwards only",
		files: map[string]string{
			"internal/observe/observe.go":       importing("observe", "internal/observe/cache", "internal/act", "internal/decide/waves"),
			"internal/decide/rollout/decide.go": importing("rollout", "internal/decide/waves", "api/v1alpha1"),
		},
		want: []string{"internal/observe/observe.go:6: imports internal/act beside it in the layer of effects"},
	},
	"one provider imports another": {
		rule:  "imports point downwards only",
		files: map[string]string{"internal/providers/aks/aks.go": importing("aks", "provider", "internal/providers/aks/wire", "internal/providers/eks")},
		want:  []string{"internal/providers/aks/aks.go:7: imports internal/providers/eks beside it in the layer of effects"},
	},
	"the product imports the lab": {
		rule: "some packages have few importers",
		files: map[string]string{
			"internal/hub/hub.go":                 importing("hub", "internal/lab/world"),
			"internal/hub/hub_test.go":            importing("hub", "internal/lab"),
			"internal/lab/world/world.go":         importing("world", "internal/lab", "internal/labapi"),
			"internal/providers/aks/aks.go":       importing("aks", "internal/labapi"),
			"internal/providers/local/local.go":   importing("local", "internal/labapi"),
			"cmd/sengu-lab/main.go":               importing("main", "internal/lab"),
			"internal/providers/local/emulate.go": importing("local", "hack/build"),
		},
		want: []string{
			"internal/hub/hub.go:5: imports internal/lab/world, which only its tests and cmd/sengu-lab, internal/demo, test may",
			"internal/providers/aks/aks.go:5: imports internal/labapi, which only its tests and internal/lab, internal/providers/local, internal/demo, test may",
			"internal/providers/local/emulate.go:5: imports hack/build, which only its tests may",
		},
	},
	"a provider decides and the CLI controls": {
		rule: "some packages never meet",
		files: map[string]string{
			"internal/providers/local/local.go": importing("local", "internal/decide/budget"),
			"internal/cli/run.go":               importing("cli", "internal/controller/upgraderun"),
			"internal/web/web.go":               importing("web", "internal/controller", "internal/view"),
		},
		want: []string{
			"internal/cli/run.go:5: imports internal/controller/upgraderun: the CLI talks to the hub, whoever runs the controllers",
			"internal/providers/local/local.go:5: imports internal/decide/budget: a provider does what it is told",
			"internal/web/web.go:5: imports internal/controller: the web talks to the hub, whoever runs the controllers",
		},
	},
	"the product links a test helper": {
		rule: "test helpers stay in tests",
		files: map[string]string{
			"internal/act/act.go":                         importing("act", "provider/providertest"),
			"internal/act/act_test.go":                    importing("act", "provider/providertest"),
			"internal/view/view.go":                       decent("view", "import \"testing\"\n"),
			"provider/providertest/suite.go":              decent("providertest", "import \"testing\"\n"),
			"internal/providers/simulated/sim_test.go":    decent("simulated", "import \"testing\"\n"),
			"internal/controller/controllertest/world.go": importing("controllertest", "provider/providertest"),
		},
		want: []string{
			"internal/act/act.go:5: imports the test helper provider/providertest",
			"internal/view/view.go:5: imports testing outside a test",
		},
	},
	"a decider looks outside": {
		rule: "deciders are pure",
		files: map[string]string{
			"internal/decide/drain/drain.go": decent("drain", `import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sort"
	clock "time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

func decide(ctx context.Context) {
	go decide(ctx)
	_ = clock.Now()
	_ = meta.Now
	_ = clock.Second
}
`),
			"internal/decide/drain/drain_test.go": decent("drain", "import \"math/rand/v2\"\n"),
			"internal/act/act.go":                 decent("act", "import \"context\"\n"),
		},
		want: []string{
			"internal/decide/drain/drain.go:6: imports context",
			"internal/decide/drain/drain.go:7: imports math/rand/v2",
			"internal/decide/drain/drain.go:8: imports net/http",
			"internal/decide/drain/drain.go:14: imports k8s.io/client-go/kubernetes",
			"internal/decide/drain/drain.go:18: starts a goroutine",
			"internal/decide/drain/drain.go:19: reads the wall clock: clock.Now",
			"internal/decide/drain/drain.go:20: reads the wall clock: meta.Now",
		},
	},
	"a controller sleeps, the hub may": {
		rule: "time is an argument",
		files: map[string]string{
			"internal/controller/cluster/reconcile.go": decent("cluster", "import \"time\"\nfunc f() { time.Sleep(time.Second) }\n"),
			"internal/act/act.go":                      decent("act", "import \"time\"\nvar now = time.Now\n"),
			"internal/hub/hub.go":                      decent("hub", "import \"time\"\nfunc f() { time.Sleep(time.Second) }\n"),
			"internal/act/act_test.go":                 decent("act", "import \"time\"\nvar now = time.Now\n"),
		},
		want: []string{
			"internal/act/act.go:6: reads the wall clock: time.Now",
			"internal/controller/cluster/reconcile.go:6: reads the wall clock: time.Sleep",
		},
	},
	"packages that could hold anything": {
		rule: "packages are named by the domain",
		files: map[string]string{
			"internal/util/text/text.go": decent("text", ""),
			"internal/act/things.go":     decent("helpers", ""),
			"internal/view/view.go":      decent("view", ""),
		},
		want: []string{
			`internal/act/things.go:4: a package must not be named "helpers"`,
			`internal/util/text/text.go:4: a package must not be named "util"`,
		},
	},
	"a file nobody can read in one go": {
		rule: "files stay small",
		files: map[string]string{
			"internal/act/code.go":          decent("act", strings.Repeat("var _ = 1\n", 500)),
			"internal/act/full.go":          decent("act", strings.Repeat("var _ = 1\n", 499)),
			"internal/act/text.go":          decent("act", "var _ = `"+strings.Repeat("\n", 500)+"`\n"),
			"internal/act/comments.go":      decent("act", strings.Repeat("// Why.\n", 597)),
			"internal/act/zz_generated.go":  "// Code generated by a program. DO NOT EDIT.\n" + decent("act", strings.Repeat("var _ = 1\n", 900)),
			"internal/act/few_comments.go":  decent("act", strings.Repeat("// Why.\n", 590)),
			"internal/act/testdata/huge.go": decent("act", strings.Repeat("var _ = 1\n", 900)),
		},
		want: []string{
			"internal/act/code.go:1: 501 lines of code, at most 500",
			"internal/act/comments.go:1: 601 lines, at most 600",
			"internal/act/text.go:1: 502 lines of code, at most 500",
		},
	},
	"a main that works instead of wiring": {
		rule: "main only wires",
		files: map[string]string{
			"cmd/sengu/main.go":     decent("main", strings.Repeat("var _ = 1\n", 60)),
			"cmd/sengu-lab/main.go": decent("main", strings.Repeat("var _ = 1\n", 59)),
		},
		want: []string{"cmd/sengu/main.go:1: 61 lines of code in main.go, at most 60"},
	},
	"exported names without their comment": {
		rule: "exported names are documented",
		files: map[string]string{
			"provider/provider.go": licence + `
package provider

type Provider interface {
	// Describe says what is there.
	Describe()
	Start()
}

// Makes an operation.
func NewOperation() {}

// A Quota is a limit.
type Quota[T any] struct{}

func (q *Quota[T]) Left() {}
func (q *Quota[T]) String() string { return "" }

// Running is another word.
type Run struct{}

// Limits of everything.
const (
	MaxNodes = 1
)

var Default = 1

type hidden struct{}

func (hidden) Shown() {}
`,
			"cmd/sengu/main.go": decent("main", "func Exported() {}\n"),
		},
		want: []string{
			"provider/provider.go:12: the comment of NewOperation does not begin with its name",
			"provider/provider.go:17: Left has no comment",
			"provider/provider.go:1: no file of provider has a package comment",
			"provider/provider.go:21: the comment of Run does not begin with its name",
			"provider/provider.go:28: Default has no comment",
			"provider/provider.go:5: Provider has no comment",
			"provider/provider.go:8: Provider.Start has no comment",
		},
	},
	"a file from elsewhere": {
		rule: "files carry the licence",
		files: map[string]string{
			"internal/act/act.go":         "package act\n",
			"api/v1alpha1/zz_deepcopy.go": "//go:build x\n\n" + licence + "\n// Code generated by a program. DO NOT EDIT.\n\npackage v1alpha1\n",
			"api/v1alpha1/zz_bare.go":     "// Code generated by a program. DO NOT EDIT.\n\npackage v1alpha1\n",
		},
		want: []string{
			`api/v1alpha1/zz_bare.go:1: the first line is not "// SPDX-License-Identifier: Apache-2.0"`,
			`internal/act/act.go:1: the first line is not "// SPDX-License-Identifier: Apache-2.0"`,
		},
	},
}

func TestRulesCatchABrokenTree(t *testing.T) {
	for name, tc := range brokenTrees {
		t.Run(name, func(t *testing.T) {
			got := named(t, tc.rule).check(fake(t, tc.files))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings of %q (-want +got):\n%s", tc.rule, diff)
			}
		})
	}
}

// A rule that no tree breaks might never fail.
func TestEveryRuleHasABrokenTree(t *testing.T) {
	tried := map[string]bool{}
	for _, tc := range brokenTrees {
		tried[tc.rule] = true
	}
	for _, r := range rules {
		if !tried[r.name] {
			t.Errorf("no tree breaks the rule %q", r.name)
		}
	}
}

// A tree that follows every rule has no findings, and what the go command ignores is not read at all.
func TestRulesLeaveADecentTreeAlone(t *testing.T) {
	module := fake(t, map[string]string{
		"api/v1alpha1/doc.go":               decent("v1alpha1", ""),
		"internal/decide/rollout/decide.go": importing("rollout", "api/v1alpha1", "internal/decide/waves"),
		"internal/controller/run/run.go":    importing("run", "internal/decide/rollout", "internal/act", "internal/buildinfo"),
		"internal/act/act.go":               importing("act", "provider", "internal/member"),
		"cmd/sengu/main.go":                 importing("main", "internal/cli", "internal/controller", "internal/hub"),
		"hack/tools/tools.go":               "package broken",
		"hack/tools/go.mod":                 "module other",
		"internal/act/testdata/x.go":        "not Go at all",
		"bin/x.go":                          "not Go at all",
		".cache/x.go":                       "not Go at all",
	})
	for _, r := range rules {
		if found := r.check(module); len(found) > 0 {
			t.Errorf("rule %q: %v", r.name, found)
		}
	}
}

func TestLoadNamesTheFileThatDoesNotParse(t *testing.T) {
	_, err := load(fstest.MapFS{"api/v1alpha1/doc.go": {Data: []byte("package\n")}})
	if err == nil || !strings.Contains(err.Error(), "api/v1alpha1/doc.go:1") {
		t.Errorf("load = %v, want an error that names the file and line", err)
	}
}

// fake parses a tree from strings.
func fake(t *testing.T, files map[string]string) tree {
	t.Helper()
	root := fstest.MapFS{}
	for name, content := range files {
		root[name] = &fstest.MapFile{Data: []byte(content)}
	}
	parsed, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// named finds a rule.
func named(t *testing.T, name string) rule {
	t.Helper()
	for _, r := range rules {
		if r.name == name {
			return r
		}
	}
	t.Fatalf("no rule is named %q", name)
	return rule{}
}
