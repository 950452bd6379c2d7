// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"sengu.dev/sengu/api/v1alpha1"
)

// Column is a column of a table.
type Column struct {
	// Name of the column, in capitals.
	Name string
	// Wide columns are shown only when asked for.
	Wide bool
}

// Table is rows under columns, as `kubectl get` prints them.
type Table struct {
	// Columns of the table.
	Columns []Column
	// Rows have one cell for each column, wide ones too. Cells are clean.
	Rows [][]string
	// Namespaces of the rows, for lists over several.
	Namespaces []string
}

// WithNamespaces puts the namespace of each row into a column before the others.
func (t Table) WithNamespaces() Table {
	wider := Table{Columns: append([]Column{{Name: "NAMESPACE"}}, t.Columns...)}
	for i, row := range t.Rows {
		wider.Rows = append(wider.Rows, append([]string{t.Namespaces[i]}, row...))
	}
	return wider
}

// add appends a row about an object.
func (t *Table) add(o *metav1.ObjectMeta, cells ...string) {
	t.Rows = append(t.Rows, cells)
	t.Namespaces = append(t.Namespaces, Clean(o.Namespace))
}

// none stands for a value that is not there.
const none = "<none>"

// Format writes the table with its columns aligned, three spaces apart. It ends with a line break.
func (t Table) Format(wide bool) string {
	var b strings.Builder
	widths := make([]int, len(t.Columns))
	header := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		header[i], widths[i] = c.Name, Width(c.Name)
	}
	for _, row := range t.Rows {
		for i, cell := range row {
			widths[i] = max(widths[i], Width(orNone(cell)))
		}
	}
	for _, row := range append([][]string{header}, t.Rows...) {
		var line strings.Builder
		for i, cell := range row {
			if wide || !t.Columns[i].Wide {
				line.WriteString(pad(orNone(cell), widths[i]+3))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

func orNone(cell string) string {
	if cell == "" {
		return none
	}
	return cell
}

// Clusters lists members of the fleet by name.
func Clusters(clusters []v1alpha1.Cluster, now time.Time) Table {
	t := Table{Columns: []Column{
		{Name: "NAME"}, {Name: "PROVIDER"}, {Name: "VERSION"}, {Name: "NODES"}, {Name: "HEALTHY"}, {Name: "READY"},
		{Name: "RUN"}, {Name: "AGE"}, {Name: "REASON", Wide: true}, {Name: "REGION", Wide: true}, {Name: "OFFERS", Wide: true},
		{Name: "LABELS", Wide: true},
	}}
	for _, c := range sorted(clusters, func(c *v1alpha1.Cluster) string { return c.Name + "/" + c.Namespace }) {
		_, reason := condition(c.Status.Conditions, v1alpha1.ConditionReady)
		healthy, _ := condition(c.Status.Conditions, v1alpha1.ConditionHealthy)
		ready, _ := condition(c.Status.Conditions, v1alpha1.ConditionReady)
		nodes := ""
		if c.Status.ObservedAt != nil || c.Status.Nodes > 0 {
			nodes = fmt.Sprint(c.Status.Nodes)
		}
		t.add(&c.ObjectMeta,
			Clean(c.Name), providerKind(&c.Spec.Provider), Clean(c.Status.ControlPlane.Version), nodes, healthy, ready,
			Clean(c.Status.ActiveRun), age(&c.ObjectMeta, now), reason, Clean(c.Status.Region),
			Clean(strings.Join(c.Status.Offers.Kubernetes, ",")), labelsText(c.Labels),
		)
	}
	return t
}

// Runs lists runs, the newest last.
func Runs(runs []v1alpha1.UpgradeRun, now time.Time) Table {
	t := Table{Columns: []Column{
		{Name: "NAME"}, {Name: "TARGET"}, {Name: "PHASE"}, {Name: "CLUSTERS"}, {Name: "STAGE"}, {Name: "WAITING"},
		{Name: "AGE"}, {Name: "ELAPSED", Wide: true}, {Name: "STRATEGY", Wide: true}, {Name: "MESSAGE", Wide: true},
	}}
	ordered := slices.Clone(runs)
	slices.SortStableFunc(ordered, func(a, b v1alpha1.UpgradeRun) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	for i := range ordered {
		r := &ordered[i]
		v := NewRun(RunObjects{Run: r}, now)
		var reason, message, elapsed, clusters, strategy string
		if v.Wait != nil {
			reason, message = v.Wait.Reason, v.Wait.Message
		}
		if r.Status.StartedAt != nil {
			elapsed, clusters = Elapsed(v.Elapsed), finished(v.Counts)
		}
		if r.Spec.StrategyRef != nil {
			strategy = Clean(r.Spec.StrategyRef.Name)
		}
		t.add(&r.ObjectMeta,
			v.Name, v.Target, phaseText(&v), clusters, Clean(r.Status.CurrentStage), reason,
			age(&r.ObjectMeta, now), elapsed, strategy, message,
		)
	}
	return t
}

// Strategies lists strategies by name.
func Strategies(strategies []v1alpha1.UpgradeStrategy, now time.Time) Table {
	t := Table{Columns: []Column{
		{Name: "NAME"}, {Name: "STAGES"}, {Name: "CONCURRENCY"}, {Name: "ON FAILURE"}, {Name: "AGE"},
	}}
	for _, s := range sorted(strategies, func(s *v1alpha1.UpgradeStrategy) string { return s.Name + "/" + s.Namespace }) {
		var stages []string
		for i := range s.Spec.Stages {
			stages = append(stages, s.Spec.Stages[i].Name)
		}
		t.add(&s.ObjectMeta,
			Clean(s.Name), Clean(strings.Join(stages, " → ")), limitText(s.Spec.MaxConcurrency, "50"),
			onFailure(&s.Spec), age(&s.ObjectMeta, now),
		)
	}
	return t
}

// Summary says how a run ended for each cluster.
func Summary(run *Run) Table {
	t := Table{Columns: []Column{
		{Name: "CLUSTER"}, {Name: "FROM"}, {Name: "TO"}, {Name: "RESULT"}, {Name: "NODES"}, {Name: "DURATION"},
		{Name: "EVICTED", Wide: true}, {Name: "REFUSED", Wide: true}, {Name: "WAITED", Wide: true},
	}}
	for _, stage := range run.Stages {
		for _, group := range stage.Groups {
			for _, c := range group.Clusters {
				row := []string{c.Name, c.From, c.To, string(c.Phase), "", "", "", "", ""}
				if c.Elapsed > 0 {
					row[4], row[5] = fmt.Sprintf("%d/%d", c.Done, c.Total), Elapsed(c.Elapsed)
					row[6], row[7], row[8] = fmt.Sprint(c.Drain.Evicted), fmt.Sprint(c.Drain.Refused), fmt.Sprint(c.Drain.Waited)
				}
				t.Rows = append(t.Rows, row)
			}
		}
	}
	return t
}

// sorted returns pointers to the items, in the order of their names.
func sorted[T any](items []T, name func(*T) string) []*T {
	pointers := make([]*T, len(items))
	for i := range items {
		pointers[i] = &items[i]
	}
	slices.SortFunc(pointers, func(a, b *T) int { return strings.Compare(name(a), name(b)) })
	return pointers
}

func condition(conditions []metav1.Condition, kind string) (status, reason string) {
	c := meta.FindStatusCondition(conditions, kind)
	if c == nil {
		return "Unknown", ""
	}
	return string(c.Status), Clean(c.Reason)
}

func age(o *metav1.ObjectMeta, now time.Time) string {
	if o.CreationTimestamp.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(now.Sub(o.CreationTimestamp.Time))
}

func labelsText(labels map[string]string) string {
	var pairs []string
	for k, v := range labels {
		pairs = append(pairs, Clean(k)+"="+Clean(v))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

func providerKind(p *v1alpha1.ProviderSpec) string {
	switch {
	case p.AKS != nil:
		return "aks"
	case p.Local != nil:
		return "local"
	case p.Simulated != nil:
		return "simulated"
	}
	return ""
}
