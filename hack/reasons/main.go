// SPDX-License-Identifier: Apache-2.0

// Command reasons writes the reference page of conditions and reasons from the comments of their constants.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: reasons CONSTANTS.go PAGE.md")
		os.Exit(2)
	}
	page, err := write(os.Args[1])
	if err == nil {
		err = os.WriteFile(os.Args[2], []byte(page), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reasons:", err)
		os.Exit(1)
	}
}

// write returns the page: a table for each block of constants.
func write(source string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var page strings.Builder
	page.WriteString("# Conditions, reasons, labels\n\n" +
		"The same word appears in a condition, in `status.waiting.reason`, in an event and in what the CLI prints.\n" +
		"This page is written by `make generate` from the comments in `api/v1alpha1/conditions.go`.\n")
	for _, decl := range file.Decls {
		block, ok := decl.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		fmt.Fprintf(&page, "\n## %s\n\n| word | meaning |\n|---|---|\n", title(block.Doc.Text()))
		for _, spec := range block.Specs {
			if err := row(&page, spec.(*ast.ValueSpec)); err != nil {
				return "", err
			}
		}
	}
	return page.String(), nil
}

// title is the first sentence of a block's comment.
func title(doc string) string {
	first, _, _ := strings.Cut(strings.ReplaceAll(doc, "\n", " "), ".")
	return first
}

func row(page *strings.Builder, spec *ast.ValueSpec) error {
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		return fmt.Errorf("%s is not a plain string", spec.Names[0].Name)
	}
	word, err := strconv.Unquote(literal.Value)
	if err != nil {
		return err
	}
	text := strings.ReplaceAll(strings.TrimSpace(spec.Doc.Text()), "\n", " ")
	text = strings.TrimPrefix(text, spec.Names[0].Name)
	text = strings.TrimPrefix(strings.TrimPrefix(text, ":"), " ")
	_, err = fmt.Fprintf(page, "| `%s` | %s |\n", word, text)
	return err
}
