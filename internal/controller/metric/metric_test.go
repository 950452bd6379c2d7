// SPDX-License-Identifier: Apache-2.0

package metric

import (
	"cmp"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"sigs.k8s.io/yaml"
)

// TestNamesFollowTheCustoms: those of Prometheus, by which people guess what a metric is.
func TestNamesFollowTheCustoms(t *testing.T) {
	name, label := regexp.MustCompile(`^sengu_[a-z]+(_[a-z]+)*$`), regexp.MustCompile(`^[a-z]+$`)
	seen := map[string]bool{}
	for _, m := range All {
		if !name.MatchString(m.Name) || seen[m.Name] {
			t.Errorf("%s: the name is not as it should be, or is there twice", m.Name)
		}
		seen[m.Name] = true
		if counts := strings.HasSuffix(m.Name, "_total"); counts != (m.Kind == "counter") {
			t.Errorf("%s is a %s", m.Name, m.Kind)
		}
		if (m.Kind == "histogram") != (m.Buckets != nil) || !slices.IsSorted(m.Buckets) {
			t.Errorf("%s is a %s with buckets %v", m.Name, m.Kind, m.Buckets)
		}
		if !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s: %q is no sentence", m.Name, m.Help)
		}
		for _, l := range m.Labels {
			if !label.MatchString(l) || l == "le" || l == "job" || l == "instance" {
				t.Errorf("%s has the label %q", m.Name, l)
			}
		}
	}
}

// rules is a file of alert rules.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr         string
			For                 string
			Labels, Annotations map[string]string
		}
	}
}

// TestAlertRules: each can be read by Prometheus, asks for metrics and labels that there are, and has a runbook.
func TestAlertRules(t *testing.T) {
	content, err := os.ReadFile("../../../config/alerts/sengu.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file rules
	if err := yaml.UnmarshalStrict(content, &file); err != nil {
		t.Fatal(err)
	}
	guide, err := os.ReadFile("../../../docs/how-to/monitor.md")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(file.Groups[0].Rules); n != 9 {
		t.Errorf("%d rules", n)
	}
	for _, r := range file.Groups[0].Rules {
		t.Run(r.Alert, func(t *testing.T) {
			has := asksFor(t, r.Expr)
			for _, l := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(r.Annotations["summary"], -1) {
				if !has[l[1]] {
					t.Errorf("the summary names the label %s, which the expression has not", l[1])
				}
			}
			if _, err := metricsql.DurationValue(cmp.Or(r.For, "0s"), 0); err != nil {
				t.Error(err)
			}
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("labels %v, annotations %v", r.Labels, r.Annotations)
			}
			page, section, _ := strings.Cut(r.Annotations["runbook"], "#")
			if page != "docs/how-to/monitor.md" || section != strings.ToLower(r.Alert) || !strings.Contains(string(guide), "\n### "+r.Alert+"\n") {
				t.Errorf("the runbook %q is no section of the guide", r.Annotations["runbook"])
			}
		})
	}
}

// asksFor checks that an expression asks for metrics and labels that there are, and returns the labels of what it gets.
func asksFor(t *testing.T, expression string) (has map[string]bool) {
	t.Helper()
	known := map[string][]string{"up": {"job"}}
	for _, m := range All {
		known[m.Name] = m.Labels
		if m.Kind == "histogram" {
			known[m.Name+"_bucket"] = append([]string{"le"}, m.Labels...)
		}
	}
	parsed, err := metricsql.Parse(expression)
	if err != nil {
		t.Fatal(err)
	}
	has = map[string]bool{}
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		series, ok := e.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		for _, filters := range series.LabelFilterss {
			name := filters[0].Value // the name of the metric is always the first
			if _, ok := known[name]; !ok {
				t.Errorf("there is no metric %s", name)
			}
			for _, f := range filters[1:] {
				if !slices.Contains(known[name], f.Label) {
					t.Errorf("%s has no label %s", name, f.Label)
				}
			}
			for _, l := range known[name] {
				has[l] = true
			}
		}
	})
	return has
}
