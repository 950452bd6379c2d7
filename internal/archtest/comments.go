// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"go/ast"
	"slices"
	"strings"
)

// knownMethods are defined by interfaces of the standard library that everyone knows; a comment would repeat it.
var knownMethods = []string{"Error", "String", "Unwrap", "Is", "As", "Len", "Less", "Swap", "ServeHTTP", "MarshalJSON", "UnmarshalJSON"}

func exportedNamesAreDocumented(t tree) []string {
	var found []string
	documented, first := map[string]bool{}, map[string]*file{}
	for _, f := range t {
		if f.test || f.generated {
			continue
		}
		if first[f.dir] == nil {
			first[f.dir] = f
		}
		documented[f.dir] = documented[f.dir] || f.syntax.Doc != nil
		if f.syntax.Name.Name == "main" {
			continue // nothing in a program can be imported
		}
		for _, declaration := range f.syntax.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				found = append(found, functionComment(f, d)...)
			case *ast.GenDecl:
				found = append(found, groupComments(f, d)...)
			}
		}
	}
	for dir, f := range first {
		if !documented[dir] {
			found = append(found, f.at(1, "no file of %s has a package comment", dir))
		}
	}
	slices.Sort(found)
	return found
}

// functionComment checks a function, or a method of an exported type.
func functionComment(f *file, d *ast.FuncDecl) []string {
	if !d.Name.IsExported() {
		return nil
	}
	if d.Recv != nil && (!ast.IsExported(receiver(d)) || slices.Contains(knownMethods, d.Name.Name)) {
		return nil
	}
	return needsComment(f, d.Name, d.Doc)
}

// receiver is the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	kind := d.Recv.List[0].Type
	for {
		switch k := kind.(type) {
		case *ast.StarExpr:
			kind = k.X
		case *ast.IndexExpr:
			kind = k.X
		case *ast.IndexListExpr:
			kind = k.X
		case *ast.Ident:
			return k.Name
		default:
			return ""
		}
	}
}

// groupComments checks types, and constants and variables, where a comment of the whole group is enough.
func groupComments(f *file, d *ast.GenDecl) []string {
	var found []string
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			doc := s.Doc
			if doc == nil && !d.Lparen.IsValid() {
				doc = d.Doc
			}
			if s.Name.IsExported() {
				found = append(found, needsComment(f, s.Name, doc)...)
				found = append(found, interfaceComments(f, s)...)
			}
		case *ast.ValueSpec:
			if d.Doc == nil && s.Doc == nil && s.Comment == nil && s.Names[0].IsExported() {
				found = append(found, f.at(f.line(s), "%s has no comment", s.Names[0].Name))
			}
		}
	}
	return found
}

// interfaceComments checks the methods of an interface: they are the contract of everyone who implements it.
func interfaceComments(f *file, s *ast.TypeSpec) []string {
	contract, ok := s.Type.(*ast.InterfaceType)
	if !ok {
		return nil
	}
	var found []string
	for _, method := range contract.Methods.List {
		if len(method.Names) == 1 && method.Names[0].IsExported() && method.Doc == nil && method.Comment == nil &&
			!slices.Contains(knownMethods, method.Names[0].Name) {
			found = append(found, f.at(f.line(method), "%s.%s has no comment", s.Name.Name, method.Names[0].Name))
		}
	}
	return found
}

// needsComment checks that a comment is there and begins with the name; an article before it is fine.
func needsComment(f *file, name *ast.Ident, doc *ast.CommentGroup) []string {
	text := strings.TrimSpace(doc.Text())
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	switch rest, ok := strings.CutPrefix(text, name.Name); {
	case text == "":
		return []string{f.at(f.line(name), "%s has no comment", name.Name)}
	case !ok || rest != "" && (rest[0] == '_' || isWord(rest[0])):
		return []string{f.at(f.line(name), "the comment of %s does not begin with its name", name.Name)}
	}
	return nil
}

// isWord reports whether a byte continues an identifier.
func isWord(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}
