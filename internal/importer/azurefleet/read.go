// SPDX-License-Identifier: Apache-2.0

package azurefleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxSize is far above what a fleet can hold: a run of a thousand members has a megabyte.
const maxSize = 16 << 20

// read checks that a file is one JSON value and returns it.
func read(content []byte) (json.RawMessage, error) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")) // some editors put it before UTF-8
	content = bytes.TrimSpace(content)
	switch {
	case len(content) > maxSize:
		return nil, fmt.Errorf("it has %d bytes, and at most %d are read: export one update strategy or run at a time", len(content), maxSize)
	case len(content) == 0:
		return nil, errors.New("it is empty: export with '-o json'")
	case bytes.HasPrefix(content, []byte("\xff\xfe")), bytes.HasPrefix(content, []byte("\xfe\xff")):
		return nil, errors.New("it is UTF-16, as PowerShell writes it: save it as UTF-8")
	case !utf8.Valid(content):
		return nil, errors.New("it is not UTF-8 text")
	case content[0] != '{' && content[0] != '[':
		return nil, errors.New("it is not JSON: export with '-o json' (a Bicep file becomes JSON with 'az bicep build')")
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	if err := unique(decoder, ""); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON: one value is read, so put several resources into a list")
	}
	return content, nil
}

// unique walks over one value and refuses a key that is there twice: which of them counts is anybody's guess.
func unique(d *json.Decoder, path string) error {
	token, err := d.Token()
	if err != nil {
		return broken(err)
	}
	delimiter, _ := token.(json.Delim)
	switch delimiter {
	case '{':
		seen := map[string]bool{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return broken(err)
			}
			name := key.(string)
			if seen[name] {
				return fmt.Errorf("%s is there twice", at(join(path, name)))
			}
			seen[name] = true
			if err := unique(d, join(path, name)); err != nil {
				return err
			}
		}
	case '[':
		for i := 0; d.More(); i++ {
			if err := unique(d, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	if _, err := d.Token(); err != nil {
		return broken(err)
	}
	return nil
}

func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends in the middle: export it again")
	}
	return fmt.Errorf("it is not JSON: %w", err)
}

// object is a JSON object of which fields are taken one by one, so that what nobody takes can be told.
type object struct {
	m      *importer
	path   string
	fields map[string]json.RawMessage
}

// object reads an object.
func (m *importer) object(raw json.RawMessage, path string) (*object, error) {
	o := &object{m: m, path: path}
	if err := json.Unmarshal(raw, &o.fields); err != nil || o.fields == nil {
		return nil, fmt.Errorf("%s must be an object, and is %s", at(path), sample(raw))
	}
	return o, nil
}

// take reads a field into a value, and leaves the value alone when the field is missing or null.
func (o *object) take(name string, into any) error {
	raw, ok := o.fields[name]
	delete(o.fields, name)
	if !ok || string(raw) == "null" {
		return nil
	}
	if text := ""; json.Unmarshal(raw, &text) == nil && strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "[[") && strings.HasSuffix(text, "]") {
		return fmt.Errorf("%s is an expression of a template, %s: import what was deployed, with 'az fleet updatestrategy show' or 'az fleet updaterun show'",
			at(join(o.path, name)), sample(raw))
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s must be %s, and is %s", at(join(o.path, name)), nameOf(into), sample(raw))
	}
	return nil
}

// takeObject reads a field that is an object; nil: it is missing.
func (o *object) takeObject(name string) (*object, error) {
	var raw json.RawMessage
	if err := o.take(name, &raw); err != nil || raw == nil {
		return nil, err
	}
	return o.m.object(raw, join(o.path, name))
}

// takeList reads a field that is a list of objects.
func (o *object) takeList(name string) ([]*object, error) {
	var raw []json.RawMessage
	if err := o.take(name, &raw); err != nil {
		return nil, err
	}
	var items []*object
	for i := range raw {
		item, err := o.m.object(raw[i], fmt.Sprintf("%s[%d]", join(o.path, name), i))
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// drop leaves fields out on purpose: they are what Azure adds, not what a person asked for.
func (o *object) drop(names ...string) {
	for _, name := range names {
		delete(o.fields, name)
	}
}

// rest notes what nobody took.
func (o *object) rest() {
	for _, name := range sortedKeys(o.fields) {
		if string(o.fields[name]) != "null" {
			o.m.note(NoEqual, join(o.path, name), "this field is not known and is left out")
		}
	}
}

// resource is an object with a name whose properties may be flattened, as az prints them.
type resource struct {
	*object
	name string
}

func (m *importer) resource(raw json.RawMessage, path string) (*resource, error) {
	o, err := m.object(raw, path)
	if err != nil {
		return nil, err
	}
	r := &resource{object: o, name: m.Name}
	if err := o.take("name", &r.name); err != nil {
		return nil, err
	}
	r.name = last(r.name) // in a template it is fleet/name
	inner, err := o.takeObject("properties")
	if err != nil {
		return nil, err
	}
	o.drop("id", "type", "apiVersion", "eTag", "etag", "systemData", "resourceGroup", "dependsOn", "location", "tags", "provisioningState")
	if inner != nil {
		o.rest()
		inner.drop("provisioningState")
		r.object = inner
	}
	if r.name == "" {
		return nil, fmt.Errorf("%s has no name: say one with --name", at(path))
	}
	return r, nil
}

func last(id string) string { return id[strings.LastIndex(id, "/")+1:] }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// at is a path as a sentence begins with it.
func at(path string) string {
	if path == "" {
		return "it"
	}
	return path
}

// sample is a value as it is shown in a sentence.
func sample(raw json.RawMessage) string {
	text := string(raw)
	if utf8.RuneCountInString(text) > 60 {
		text = string([]rune(text)[:59]) + "…"
	}
	return text
}

// nameOf says what a field must be.
func nameOf(into any) string {
	switch into.(type) {
	case *string:
		return "a string"
	case *int64:
		return "a whole number"
	case *[]json.RawMessage:
		return "a list"
	}
	return "something else"
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
