// SPDX-License-Identifier: Apache-2.0

// Package azurefleet turns update strategies and update runs of Azure Kubernetes Fleet Manager into Sengu's. It is a
// pure function of a file, and says what has no equal and what differs in meaning.
package azurefleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sengu.dev/sengu/api/v1alpha1"
)

// GroupLabel is the label by which a cluster belongs to an update group, unless another is chosen.
const GroupLabel = "azure-fleet/group"

// memberLabel selects what a run without a strategy takes: every member.
const memberLabel = "azure-fleet/member"

// Options of Import.
type Options struct {
	// Name for a resource that has none, as a request body has.
	Name string
	// GroupLabel instead of the constant; empty: that.
	GroupLabel string
}

// Kind of a note.
type Kind string

const (
	// NoEqual: something was left out.
	NoEqual Kind = "no equal"
	// Differs: something means another thing here.
	Differs Kind = "differs"
	// Needed: a person has to do it before the import works.
	Needed Kind = "to do"
)

// Note is one thing to know about what was imported.
type Note struct {
	// Kind of the note.
	Kind Kind
	// Where in the file, as a path.
	Where string
	// Sentence for people.
	Sentence string
}

// String is the note on one line.
func (n Note) String() string { return fmt.Sprintf("%s: %s: %s", n.Kind, n.Where, n.Sentence) }

// Result is what a file became.
type Result struct {
	// Strategies and Runs in the order of the file.
	Strategies []v1alpha1.UpgradeStrategy
	Runs       []v1alpha1.UpgradeRun
	// Notes in the order of the file, each once.
	Notes []Note
}

// importer carries one file through.
type importer struct {
	Options
	Result
	refers []reference
}

// reference is a run's to a strategy that it does not hold a copy of.
type reference struct{ where, strategy string }

// missing notes the strategies that runs refer to and that are not in the file.
func (m *importer) missing() {
	for _, r := range m.refers {
		if !slices.ContainsFunc(m.Strategies, func(s v1alpha1.UpgradeStrategy) bool { return s.Name == r.strategy }) {
			m.note(Needed, r.where, "the run uses strategy %s, which is not in this file: import it first", r.strategy)
		}
	}
}

// Import reads a resource of Azure's REST API, a list of them, an ARM template, what the az command prints, or a file of
// stages. An error is one sentence about the file, and nothing is imported.
func Import(content []byte, o Options) (*Result, error) {
	if o.GroupLabel == "" {
		o.GroupLabel = GroupLabel
	}
	root, err := read(content)
	if err != nil {
		return nil, err
	}
	m := &importer{Options: o}
	if err := m.any(root, "", ""); err != nil {
		return nil, err
	}
	if len(m.Strategies)+len(m.Runs) == 0 {
		found := ""
		if len(m.Notes) > 0 {
			found = " (" + m.Notes[0].String() + ")"
		}
		return nil, fmt.Errorf("it holds neither an update strategy nor an update run%s: export one with 'az fleet updatestrategy show' or 'az fleet updaterun show'", found)
	}
	m.missing()
	return &m.Result, nil
}

func (m *importer) note(kind Kind, where, format string, args ...any) {
	n := Note{kind, where, fmt.Sprintf(format, args...)}
	if !slices.Contains(m.Notes, n) {
		m.Notes = append(m.Notes, n)
	}
}

// Names of the types of resources, in lower case: Azure writes them either way.
const (
	typeFleet    = "microsoft.containerservice/fleets"
	typeStrategy = typeFleet + "/updatestrategies"
	typeRun      = typeFleet + "/updateruns"
	typeMember   = typeFleet + "/members"
)

// any imports whatever holds resources, in whatever way.
func (m *importer) any(raw json.RawMessage, path, parent string) error {
	if raw[0] == '[' {
		return m.each(raw, path, parent)
	}
	var o map[string]json.RawMessage
	if raw[0] != '{' || json.Unmarshal(raw, &o) != nil {
		return fmt.Errorf("%s is no resource of Azure but %s", at(path), sample(raw))
	}
	kind := typeOf(o, parent)
	switch kind {
	case typeStrategy:
		return m.strategy(raw, path)
	case typeRun:
		return m.run(raw, path)
	case typeMember:
		return m.member(raw, path)
	}
	return m.holder(o, kind, path, parent)
}

// holder imports what holds resources and is none that is imported: an answer with a list, a template, a fleet.
func (m *importer) holder(o map[string]json.RawMessage, kind, path, parent string) error {
	switch {
	case o["value"] != nil && kind == "":
		if next := o["nextLink"]; next != nil && string(next) != "null" && string(next) != `""` {
			m.note(NoEqual, join(path, "nextLink"), "the list goes on in another answer, which is not in this file")
		}
		return m.any(o["value"], join(path, "value"), parent)
	case o["resources"] != nil && (kind == "" || kind == typeFleet):
		return m.children(o["resources"], join(path, "resources"), kind)
	case kind != "":
		m.note(NoEqual, at(path), "a resource of type %s is not imported", kind)
		return nil
	}
	m.note(NoEqual, at(path), "this is no update strategy and no update run")
	return nil
}

// each imports the items of a list.
func (m *importer) each(raw json.RawMessage, path, parent string) error {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return fmt.Errorf("%s cannot be read: %w", at(path), err)
	}
	for i, item := range items {
		if err := m.any(item, fmt.Sprintf("%s[%d]", path, i), parent); err != nil {
			return err
		}
	}
	return nil
}

// children imports the resources of a template: a list, or an object by symbolic names.
func (m *importer) children(raw json.RawMessage, path, parent string) error {
	if raw[0] == '[' {
		return m.each(raw, path, parent)
	}
	var byName map[string]json.RawMessage
	if err := json.Unmarshal(raw, &byName); err != nil {
		return fmt.Errorf("%s must be a list of resources", at(path))
	}
	for _, name := range sortedKeys(byName) {
		if err := m.any(byName[name], join(path, name), parent); err != nil {
			return err
		}
	}
	return nil
}

// typeOf is the type of a resource in lower case; one that does not say is told by what it holds.
func typeOf(o map[string]json.RawMessage, parent string) string {
	var kind string
	if json.Unmarshal(o["type"], &kind) == nil && kind != "" {
		kind = strings.ToLower(kind)
		if !strings.Contains(kind, ".") && parent != "" {
			kind = parent + "/" + kind // a child in a template
		}
		return kind
	}
	properties := o
	if o["properties"] != nil {
		properties = map[string]json.RawMessage{}
		if json.Unmarshal(o["properties"], &properties) != nil {
			return ""
		}
	}
	switch {
	case properties["managedClusterUpdate"] != nil:
		return typeRun
	case properties["strategy"] != nil, o["stages"] != nil:
		return typeStrategy
	}
	return ""
}

// member says how the Cluster of a member is labelled.
func (m *importer) member(raw json.RawMessage, path string) error {
	r, err := m.resource(raw, path)
	if err != nil {
		return err
	}
	var group string
	if err := r.take("group", &group); err != nil {
		return err
	}
	if group != "" {
		m.note(Needed, r.path, "label the Cluster of member %s: kubectl label clusters.sengu.dev %s %s=%s", r.name, r.name, m.GroupLabel, group)
	}
	return nil
}
