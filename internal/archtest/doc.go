// SPDX-License-Identifier: Apache-2.0

// Package archtest holds the architecture by a test: which package may import which, what a decider may not
// touch, and how large things may grow. The rules are the tables in layers.go, purity.go and size.go; the test
// reads every Go file of the module with the parser alone, so it takes about a second and needs nothing compiled.
//
// The linter checks some of this too, on the line in the editor. This package is the authority: it cannot be
// switched off by a comment, and each of its rules is itself tested against a small tree that breaks it.
package archtest
