// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// FieldError says what is wrong with a file, and where.
type FieldError struct {
	// Line in the file, from 1; 0: not known.
	Line int
	// Field as a path, for example clusters[0].nodePools[1].count; empty: the whole file.
	Field string
	// Problem is what is wrong, without a full stop.
	Problem string

	// about is the key or the value that the problem was seen at, and tag that of the value, while the field is
	// looked for.
	about, tag string
}

// Error returns "line 7: clusters[0].name: problem".
func (e *FieldError) Error() string {
	var parts []string
	if e.Line > 0 {
		parts = append(parts, fmt.Sprintf("line %d", e.Line))
	}
	if e.Field != "" {
		parts = append(parts, e.Field)
	}
	return strings.Join(append(parts, e.Problem), ": ")
}

// Parse reads a fleet file and fills in the defaults. An error is a *FieldError.
func Parse(content []byte) (*File, error) {
	var file File
	root, err := decode(content, &file)
	if err != nil {
		return nil, err
	}
	if err := file.check(root); err != nil {
		return nil, err
	}
	return &file, nil
}

// ParseCluster reads one entry of `clusters` that stands alone. An error is a *FieldError.
func ParseCluster(content []byte) (*Cluster, error) {
	var cluster Cluster
	root, err := decode(content, &cluster)
	if err != nil {
		return nil, err
	}
	if err := cluster.check(place{root: root}); err != nil {
		return nil, err
	}
	return &cluster, nil
}

// decode reads the content strictly into the value and returns the document's tree, which knows the lines.
func decode(content []byte, value any) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, decodeError(err)
	}
	if len(document.Content) == 0 {
		return nil, &FieldError{Problem: "the file is empty"}
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(value); err != nil {
		return nil, locate(document.Content[0], decodeError(err))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &FieldError{Problem: "the file holds more than one document"}
	}
	return document.Content[0], nil
}

var (
	lineOf       = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknownField = regexp.MustCompile(`^field (\S+) not found in type .*$`)
	wrongType    = regexp.MustCompile("^cannot unmarshal !!(\\w+)(?: `(.*)`)? into (\\S+)$")
)

// decodeError translates the library's words: people do not know our Go types.
func decodeError(err error) *FieldError {
	text := err.Error()
	if typed, ok := errors.AsType[*yaml.TypeError](err); ok {
		text = typed.Errors[0]
	}
	if own, ok := errors.AsType[*FieldError](err); ok {
		return own
	}
	result := &FieldError{Problem: strings.TrimPrefix(text, "yaml: ")}
	if match := lineOf.FindStringSubmatch(text); match != nil {
		_, _ = fmt.Sscan(match[1], &result.Line)
		result.Problem = match[2]
	}
	if match := unknownField.FindStringSubmatch(result.Problem); match != nil {
		result.about, result.Problem = match[1], "there is no such field"
		result.Field = match[1]
	} else if match := wrongType.FindStringSubmatch(result.Problem); match != nil {
		result.tag, result.about = "!!"+match[1], match[2]
		result.Problem = fmt.Sprintf("%s does not fit here: want %s", quoted(match[2]), wanted(match[3]))
	}
	return result
}

// quoted is a value as people wrote it, or what stands for a list or fields, which have none.
func quoted(value string) string {
	if value == "" {
		return "what is written"
	}
	return strconv.Quote(value)
}

// locate fills in the path of the field that an error of the library is about: it tells the line and, of a long
// value, only the beginning.
func locate(root *yaml.Node, e *FieldError) *FieldError {
	about := strings.TrimSuffix(e.about, "...")
	isKey := e.tag == ""
	walk(place{root: root}, func(key *yaml.Node, value place) bool {
		node := value.root
		if isKey {
			node = key
		}
		if node == nil || node.Line != e.Line || !strings.HasPrefix(node.Value, about) || !isKey && node.ShortTag() != e.tag {
			return false
		}
		e.Field = value.path
		return value.path != ""
	})
	return e
}

// walk visits all places below one, those of fields with their key, until visit returns true.
func walk(at place, visit func(key *yaml.Node, value place) bool) bool {
	content := at.root.Content
	for i := range content {
		var key *yaml.Node
		next := at.item(i)
		if at.root.Kind == yaml.MappingNode {
			if i%2 == 1 {
				continue
			}
			key, next = content[i], at.at(content[i].Value)
		}
		if visit(key, next) || walk(next, visit) {
			return true
		}
	}
	return false
}

// wanted names a Go type in words.
func wanted(goType string) string {
	switch {
	case goType == "int":
		return "a whole number"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a text"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	}
	return "fields with values"
}

// UnmarshalYAML reads a duration such as 1.5s.
func (d *Duration) UnmarshalYAML(node *yaml.Node) error {
	value, err := time.ParseDuration(node.Value)
	if err != nil || value < 0 {
		return &FieldError{Line: node.Line, Problem: quoted(node.Value) + " is not a duration such as 1.5s or 300ms", about: node.Value, tag: node.ShortTag()}
	}
	*d = Of(value)
	return nil
}

// place is a field of the document, with the tree that knows its line.
type place struct {
	root *yaml.Node
	path string
}

// tree is the place's, also where an anchor of the document is repeated.
func (p place) tree() *yaml.Node {
	if p.root != nil && p.root.Kind == yaml.AliasNode {
		return p.root.Alias
	}
	return p.root
}

// at goes to a field of an object.
func (p place) at(field string) place {
	p.root = p.tree()
	next := place{root: p.root, path: field}
	if p.path != "" {
		next.path = p.path + "." + field
	}
	if p.root == nil || p.root.Kind != yaml.MappingNode {
		return next
	}
	for i := 0; i+1 < len(p.root.Content); i += 2 {
		if p.root.Content[i].Value == field {
			next.root = p.root.Content[i+1]
		}
	}
	return next
}

// item goes to an entry of a list.
func (p place) item(index int) place {
	p.root = p.tree()
	next := place{root: p.root, path: fmt.Sprintf("%s[%d]", p.path, index)}
	if p.root != nil && p.root.Kind == yaml.SequenceNode && index < len(p.root.Content) {
		next.root = p.root.Content[index]
	}
	return next
}

// isWritten says whether the place, a field of the parent, is in the document: only then has it a tree of its own.
func (p place) isWritten(parent place) bool { return p.root != parent.tree() }

// wrong is an error at the place. A field that is not written has the line of what it is missing in.
func (p place) wrong(format string, arguments ...any) error {
	e := &FieldError{Field: p.path, Problem: fmt.Sprintf(format, arguments...)}
	if p.root != nil {
		e.Line = p.root.Line
	}
	return e
}

// MarshalYAML writes the duration as UnmarshalYAML reads it.
func (d Duration) MarshalYAML() (any, error) { return d.value.String(), nil }

// IsZero says that nothing was set.
func (d Duration) IsZero() bool { return !d.set }
