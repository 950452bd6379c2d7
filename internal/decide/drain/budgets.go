// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// guard is a budget in one pass, with what is left of it to hand out.
type guard struct {
	*Budget
	key   string
	left  int
	alone bool // the label that it is kept by is all that it asks for
}

// room is how many pods of the budget may be away at once, at least 1 so that it can divide.
func (g *guard) room() int { return max(1, g.Expected-g.Desired) }

// neverAllows says that all its pods must be healthy at all times, so that waiting does not help. While a
// rollout has more pods than it needs even such a budget may allow one, so this only counts when none is left.
func (g *guard) neverAllows() bool { return g.Expected > 0 && g.Desired >= g.Expected }

// guards finds the budgets of a pod. Nearly every budget asks for an exact label (app=web), so the budgets of a
// namespace are kept by that label: 15,000 pods under 300 budgets of one namespace cost 15,000 look-ups and not
// 4.5 million selector matches.
type guards struct {
	all        []guard
	namespaces map[string]*namespaceGuards
}

type namespaceGuards struct {
	byLabel []labelGuards
	others  []*guard
}

// labelGuards are the budgets that ask for one value of a label, by the value.
type labelGuards struct {
	key     string
	byValue map[string][]*guard
}

// index prepares the budgets for one pass.
func index(budgets []Budget) *guards {
	g := &guards{all: make([]guard, len(budgets)), namespaces: map[string]*namespaceGuards{}}
	for i := range budgets {
		b := &budgets[i]
		g.all[i] = guard{Budget: b, key: b.Namespace + "/" + b.Name, left: max(0, b.DisruptionsAllowed)}
		ns := g.namespaces[b.Namespace]
		if ns == nil {
			ns = &namespaceGuards{}
			g.namespaces[b.Namespace] = ns
		}
		ns.add(&g.all[i])
	}
	return g
}

func (ns *namespaceGuards) add(g *guard) {
	if g.Selector == nil {
		return // as in the API: a budget without a selector has no pods
	}
	requirements, selectable := g.Selector.Requirements()
	if !selectable {
		return
	}
	for _, r := range requirements {
		if value, ok := exact(r); ok {
			g.alone = len(requirements) == 1
			ns.under(r.Key()).byValue[value] = append(ns.under(r.Key()).byValue[value], g)
			return
		}
	}
	ns.others = append(ns.others, g)
}

// under returns the budgets that ask for a value of the label.
func (ns *namespaceGuards) under(key string) *labelGuards {
	for i := range ns.byLabel {
		if ns.byLabel[i].key == key {
			return &ns.byLabel[i]
		}
	}
	ns.byLabel = append(ns.byLabel, labelGuards{key: key, byValue: map[string][]*guard{}})
	return &ns.byLabel[len(ns.byLabel)-1]
}

// exact returns the only value that satisfies a requirement.
func exact(r labels.Requirement) (string, bool) {
	switch r.Operator() {
	case selection.Equals, selection.DoubleEquals, selection.In:
		if values := r.ValuesUnsorted(); len(values) == 1 {
			return values[0], true
		}
	}
	return "", false
}

// of returns a budget of the pod and whether there are more. With several it is the one whose name comes first,
// so that the order of the input does not matter.
func (g *guards) of(p *Pod) (first *guard, several bool) {
	ns := g.namespaces[p.Namespace]
	if ns == nil {
		return nil, false
	}
	consider := func(candidates []*guard) {
		for _, c := range candidates {
			if !c.alone && !c.Selector.Matches(labels.Set(p.Labels)) {
				continue
			}
			if first != nil {
				several = true
			}
			if first == nil || strings.Compare(c.Name, first.Name) < 0 {
				first = c
			}
		}
	}
	for i := range ns.byLabel {
		if value, ok := p.Labels[ns.byLabel[i].key]; ok {
			consider(ns.byLabel[i].byValue[value])
		}
	}
	consider(ns.others)
	return first, several
}
