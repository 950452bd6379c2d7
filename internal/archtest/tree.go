// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// module is the import path of the tree's root.
const module = "sengu.dev/sengu"

// tree is every Go file of the module.
type tree []*file

// file is one parsed Go file.
type file struct {
	path      string // from the module's root, with slashes
	dir       string // folder of path; the package
	test      bool   // name ends in _test.go
	generated bool
	lines     int
	source    []byte
	syntax    *ast.File
	positions *token.FileSet
}

// use is one import of another package of the module.
type use struct {
	dir  string // the imported package's folder
	line int
}

// load parses the module at root. Folders that the go command ignores (testdata, a leading dot or underscore)
// and modules inside the module are left out.
func load(root fs.FS) (tree, error) {
	var t tree
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if ignored(root, name) {
				return fs.SkipDir
			}
			return nil
		case path.Ext(name) != ".go" || strings.HasPrefix(path.Base(name), "_"):
			return nil
		}
		f, err := parse(root, name)
		if err != nil {
			return err
		}
		t = append(t, f)
		return nil
	})
	slices.SortFunc(t, func(a, b *file) int { return cmp.Compare(a.path, b.path) })
	return t, err
}

// ignored reports whether a folder is no part of the module.
func ignored(root fs.FS, dir string) bool {
	if dir == "." {
		return false
	}
	base := path.Base(dir)
	if base == "testdata" || base == "node_modules" || dir == "bin" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err == nil
}

// parse reads one file.
func parse(root fs.FS, name string) (*file, error) {
	source, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	positions := token.NewFileSet()
	syntax, err := parser.ParseFile(positions, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("parse: %w", err)
	}
	return &file{
		path:      name,
		dir:       path.Dir(name),
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(syntax),
		lines:     strings.Count(string(source), "\n"),
		source:    source,
		syntax:    syntax,
		positions: positions,
	}, nil
}

// uses lists the packages of this module that the file imports.
func (f *file) uses() []use {
	var uses []use
	for _, spec := range f.syntax.Imports {
		if dir, ok := strings.CutPrefix(imported(spec), module+"/"); ok {
			uses = append(uses, use{dir, f.line(spec)})
		}
	}
	return uses
}

// imported is the path that an import names.
func imported(spec *ast.ImportSpec) string {
	name, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value // the parser accepts no such import
	}
	return name
}

// localName is what the file calls an imported package, empty when it does not import it. A package without an
// alias is called by the last element of its path; the paths asked for here have no version there.
func (f *file) localName(importPath string) string {
	for _, spec := range f.syntax.Imports {
		if imported(spec) != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}

// line is where a node begins.
func (f *file) line(node ast.Node) int { return f.positions.Position(node.Pos()).Line }

// at makes one finding of the file.
func (f *file) at(line int, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", f.path, line, fmt.Sprintf(format, args...))
}

// under reports whether a folder is one of the given ones or inside it.
func under(dir string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return dir == folder || strings.HasPrefix(dir, folder+"/")
	})
}
