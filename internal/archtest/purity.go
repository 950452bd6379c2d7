// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"go/ast"
	"slices"
)

// pureFolders decide on data they are given.
var pureFolders = []string{"internal/decide", "internal/importer", "internal/view", "internal/preflight", "internal/diagnose", "internal/notify/message"}

// impure packages reach outside, keep time, wait, or draw lots. Subfolders count too, except those in pureParts.
var impure = []string{
	"context", "os", "io/ioutil", "syscall", "net", "log", "sync", "math/rand", "crypto/rand", "golang.org/x/sync",
	"k8s.io/client-go", "k8s.io/klog", "k8s.io/utils/clock", "sigs.k8s.io/controller-runtime", "github.com/go-logr",
}

// pureParts are arithmetic on names and addresses although they stand below an impure folder.
var pureParts = []string{"net/netip", "net/url"}

// wallClock is every name that reads the machine's clock or waits on it, by import path.
var wallClock = map[string][]string{
	"time":                                 {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"k8s.io/apimachinery/pkg/apis/meta/v1": {"Now", "NowMicro"},
}

// clockFolders may read the wall clock: programs and the hub, which hand a clock to the rest, and what is not
// part of the product.
var clockFolders = []string{
	"cmd", "internal/hub", "internal/lab", "internal/demo", "internal/archtest", "test", "hack",
}

func decidersArePure(t tree) []string {
	var found []string
	for _, f := range t {
		if f.test || !under(f.dir, pureFolders...) {
			continue
		}
		for _, spec := range f.syntax.Imports {
			if name := imported(spec); under(name, impure...) && !under(name, pureParts...) {
				found = append(found, f.at(f.line(spec), "imports %s", name))
			}
		}
		ast.Inspect(f.syntax, func(node ast.Node) bool {
			if statement, ok := node.(*ast.GoStmt); ok {
				found = append(found, f.at(f.line(statement), "starts a goroutine"))
			}
			return true
		})
		found = append(found, clockReads(f)...)
	}
	return found
}

func timeIsAnArgument(t tree) []string {
	var found []string
	for _, f := range t {
		if f.test || isHelper(f.dir) || under(f.dir, clockFolders...) {
			continue
		}
		found = append(found, clockReads(f)...)
	}
	return found
}

// clockReads finds uses of the wall clock, called or passed on as a function.
func clockReads(f *file) []string {
	var found []string
	for importPath, names := range wallClock {
		local := f.localName(importPath)
		if local == "" {
			continue
		}
		ast.Inspect(f.syntax, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == local && slices.Contains(names, selector.Sel.Name) {
				found = append(found, f.at(f.line(selector), "reads the wall clock: %s.%s", local, selector.Sel.Name))
			}
			return true
		})
	}
	slices.Sort(found)
	return found
}
