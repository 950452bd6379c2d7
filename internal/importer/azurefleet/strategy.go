// SPDX-License-Identifier: Apache-2.0

package azurefleet

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"sengu.dev/sengu/api/v1alpha1"
)

// strategy imports an update strategy.
func (m *importer) strategy(raw json.RawMessage, path string) error {
	r, err := m.resource(raw, path)
	if err != nil {
		return err
	}
	if err := validName(r.name, path, 63); err != nil {
		return err
	}
	inner := r.object // a file of stages has no strategy around it
	if r.fields["stages"] == nil {
		if inner, err = r.takeObject("strategy"); err != nil {
			return err
		}
	}
	spec, err := m.stages(inner, join(r.path, "strategy"))
	if err != nil {
		return err
	}
	r.rest()
	s := v1alpha1.UpgradeStrategy{Spec: *spec}
	s.APIVersion, s.Kind = v1alpha1.GroupVersion.String(), "UpgradeStrategy"
	s.Name = r.name
	m.Strategies = append(m.Strategies, s)
	return nil
}

func validName(name, path string, most int) error {
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 || len(name) > most {
		return fmt.Errorf("%s has the name %q, which must be of at most %d lower-case letters, digits and hyphens", at(path), name, most)
	}
	return nil
}

// stages imports the order of work.
func (m *importer) stages(o *object, path string) (*v1alpha1.UpgradeStrategySpec, error) {
	if o == nil {
		return nil, fmt.Errorf("%s is missing", path)
	}
	stages, err := o.takeList("stages")
	if err != nil {
		return nil, err
	}
	if n := len(stages); n < 1 || n > 64 {
		return nil, fmt.Errorf("%s holds %d stages, and a strategy has 1 to 64", at(o.path), n)
	}
	spec := &v1alpha1.UpgradeStrategySpec{}
	taken := map[string]bool{}
	for _, s := range stages {
		stage, err := m.stage(s, taken)
		if err != nil {
			return nil, err
		}
		spec.Stages = append(spec.Stages, *stage)
	}
	o.rest()
	return spec, nil
}

func (m *importer) stage(o *object, taken map[string]bool) (*v1alpha1.StrategyStage, error) {
	s := &v1alpha1.StrategyStage{}
	var err error
	if s.Name, err = o.takeName(taken); err != nil {
		return nil, err
	}
	if err := m.limits(o, &s.MaxConcurrency, &s.MaxFailures); err != nil {
		return nil, err
	}
	filter, err := o.takeSelector()
	if err != nil {
		return nil, err
	}
	if err := m.groups(o, s, filter); err != nil {
		return nil, err
	}
	if s.BeforeGates, err = m.gates(o, "beforeGates"); err != nil {
		return nil, err
	}
	if s.AfterGates, err = m.gates(o, "afterGates"); err != nil {
		return nil, err
	}
	if err := m.wait(o, s); err != nil {
		return nil, err
	}
	m.failures(o, s)
	o.rest()
	return s, nil
}

// groups imports the groups of a stage, or the one that a stage without groups has by its selector.
func (m *importer) groups(o *object, s *v1alpha1.StrategyStage, filter *metav1.LabelSelector) error {
	groups, err := o.takeList("groups")
	if err != nil {
		return err
	}
	if len(groups) > 50 {
		return fmt.Errorf("%s holds %d groups, and a stage has at most 50", join(o.path, "groups"), len(groups))
	}
	if len(groups) == 0 {
		if filter == nil {
			return fmt.Errorf("%s has neither groups nor a memberSelector, so no cluster belongs to it", at(o.path))
		}
		// Its clusters go as many at a time as the stage lets: there is no limit of a group there.
		s.Groups = []v1alpha1.StrategyGroup{{Name: "all", Selector: *filter, MaxConcurrency: s.MaxConcurrency, MaxFailures: s.MaxFailures}}
		if s.MaxConcurrency == nil {
			m.note(Differs, o.path, "the one group of this stage takes one cluster at a time; raise maxConcurrency of group all for more")
		}
		return nil
	}
	taken := map[string]bool{}
	for _, g := range groups {
		group, err := m.group(g, taken, filter)
		if err != nil {
			return err
		}
		s.Groups = append(s.Groups, *group)
	}
	return nil
}

func (m *importer) group(o *object, taken map[string]bool, filter *metav1.LabelSelector) (*v1alpha1.StrategyGroup, error) {
	var original string
	if raw := o.fields["name"]; raw != nil {
		_ = json.Unmarshal(raw, &original) // takeName says what is wrong with it
	}
	g := &v1alpha1.StrategyGroup{}
	var err error
	if g.Name, err = o.takeName(taken); err != nil {
		return nil, err
	}
	if err := m.limits(o, &g.MaxConcurrency, &g.MaxFailures); err != nil {
		return nil, err
	}
	selector, err := o.takeSelector()
	if err != nil {
		return nil, err
	}
	if selector == nil {
		selector = &metav1.LabelSelector{MatchLabels: map[string]string{m.GroupLabel: original}}
		m.note(Needed, "groups", "clusters belong to a group by the label %s: give each Cluster the group of its member there", m.GroupLabel)
	}
	g.Selector = *both(selector, filter)
	if g.BeforeGates, err = m.gates(o, "beforeGates"); err != nil {
		return nil, err
	}
	if g.AfterGates, err = m.gates(o, "afterGates"); err != nil {
		return nil, err
	}
	o.rest()
	return g, nil
}

// both selects what two selectors select.
func both(a, b *metav1.LabelSelector) *metav1.LabelSelector {
	if b == nil {
		return a
	}
	out := a.DeepCopy()
	for _, key := range sortedKeys(b.MatchLabels) {
		if out.MatchLabels[key] == "" {
			metav1.AddLabelToSelector(out, key, b.MatchLabels[key])
			continue
		}
		out.MatchExpressions = append(out.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn, Values: []string{b.MatchLabels[key]}})
	}
	out.MatchExpressions = append(out.MatchExpressions, b.MatchExpressions...)
	return out
}

// operators of a label selector of Azure, which is written as kubectl's -l.
var operators = map[selection.Operator]metav1.LabelSelectorOperator{
	selection.In: metav1.LabelSelectorOpIn, selection.Equals: metav1.LabelSelectorOpIn, selection.DoubleEquals: metav1.LabelSelectorOpIn,
	selection.NotIn: metav1.LabelSelectorOpNotIn, selection.NotEquals: metav1.LabelSelectorOpNotIn,
	selection.Exists: metav1.LabelSelectorOpExists, selection.DoesNotExist: metav1.LabelSelectorOpDoesNotExist,
}

// takeSelector reads memberSelector.byLabel; nil: there is none.
func (o *object) takeSelector() (*metav1.LabelSelector, error) {
	inner, err := o.takeObject("memberSelector")
	if err != nil || inner == nil {
		return nil, err
	}
	text := ""
	if err := inner.take("byLabel", &text); err != nil {
		return nil, err
	}
	inner.rest()
	where := join(inner.path, "byLabel")
	parsed, err := labels.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read as a label selector: %q: %w", where, text, err)
	}
	requirements, _ := parsed.Requirements()
	if len(requirements) == 0 {
		return nil, fmt.Errorf("%s selects nothing on purpose: name at least one label", where)
	}
	s := &metav1.LabelSelector{}
	for _, r := range requirements {
		operator, ok := operators[r.Operator()]
		values := slices.Sorted(slices.Values(r.ValuesUnsorted()))
		switch {
		case !ok:
			return nil, fmt.Errorf("%s compares numbers (%s), which a strategy cannot", where, r.String())
		case operator == metav1.LabelSelectorOpIn && len(values) == 1 && s.MatchLabels[r.Key()] == "":
			metav1.AddLabelToSelector(s, r.Key(), values[0])
		default:
			s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: r.Key(), Operator: operator, Values: values})
		}
	}
	o.m.note(Needed, "memberSelector", "selectors look at the labels of the Clusters: give each Cluster the labels of its member")
	return s, nil
}

// nameLimit is what a stage or a group may have for its name here; there it is 50.
const nameLimit = 40

// takeName reads the name of a stage or group.
func (o *object) takeName(taken map[string]bool) (string, error) {
	name := ""
	if err := o.take("name", &name); err != nil {
		return "", err
	}
	if name == "" {
		return "", fmt.Errorf("%s has no name", at(o.path))
	}
	if err := validName(name, o.path, 63); err != nil {
		return "", err
	}
	if taken[name] {
		return "", fmt.Errorf("%s has the name %q, which another one beside it has", at(o.path), name)
	}
	taken[name] = true
	if len(name) > nameLimit {
		sum := sha256.Sum256([]byte(name))
		cut := name[:nameLimit-7] + "-" + hex.EncodeToString(sum[:3])
		o.m.note(Differs, join(o.path, "name"), "names have at most %d characters: %q becomes %q", nameLimit, name, cut)
		return cut, nil
	}
	return name, nil
}

var (
	concurrency = regexp.MustCompile(`^([1-9][0-9]*|([1-9][0-9]?|100)%)$`)
	tolerance   = regexp.MustCompile(`^([0-9]+|([0-9]|[1-9][0-9]|100)%)$`)
)

// limits reads maxConcurrency and maxAllowedFailures.
func (m *importer) limits(o *object, atOnce, failures **intstr.IntOrString) error {
	for _, l := range []struct {
		name string
		is   *regexp.Regexp
		into **intstr.IntOrString
	}{{"maxConcurrency", concurrency, atOnce}, {"maxAllowedFailures", tolerance, failures}} {
		text := ""
		if err := o.take(l.name, &text); err != nil {
			return err
		}
		if text == "" {
			continue
		}
		where := join(o.path, l.name)
		n, err := strconv.Atoi(text)
		if !l.is.MatchString(text) || err == nil && n > 10000 {
			return fmt.Errorf("%s is %q, and must be a number up to 10000 or a percentage", where, text)
		}
		if err != nil {
			*l.into = new(intstr.FromString(text))
			if l.name == "maxAllowedFailures" && text != "0%" && text != "100%" {
				m.note(Differs, where, "%s of the clusters is rounded down here and up there: of five clusters, 25%% are 1 and not 2", text)
			}
			continue
		}
		*l.into = new(intstr.FromInt(n))
	}
	return nil
}

// failures says what the limits mean together. A stage that says nothing allows none there, and as many as its groups
// here.
func (m *importer) failures(o *object, s *v1alpha1.StrategyStage) {
	allow := some(s.MaxFailures)
	for i := range s.Groups {
		allow = allow || some(s.Groups[i].MaxFailures)
	}
	if !allow {
		return
	}
	s.MaxFailures = cmp.Or(s.MaxFailures, new(intstr.FromInt(0)))
	m.note(Differs, join(o.path, "maxAllowedFailures"), "a run with failures that were allowed goes on to the end and is then Failed, not Completed: retry or skip its clusters")
}

func some(limit *intstr.IntOrString) bool {
	return limit != nil && limit.String() != "0" && limit.String() != "0%"
}

// wait imports the wait after a stage as a soak.
func (m *importer) wait(o *object, s *v1alpha1.StrategyStage) error {
	var seconds int64
	if err := o.take("afterStageWaitInSeconds", &seconds); err != nil {
		return err
	}
	where := join(o.path, "afterStageWaitInSeconds")
	if seconds < 0 || seconds > int64((1<<63-1)/time.Second) {
		return fmt.Errorf("%s is %d, which is no time to wait", where, seconds)
	}
	if seconds > 0 {
		s.Soak = &v1alpha1.Soak{Duration: metav1.Duration{Duration: time.Duration(seconds) * time.Second}, Health: v1alpha1.SoakHealthRequired}
		m.note(Differs, where, "a wait becomes a soak, which counts only time in which the clusters are healthy; health: Ignored counts all time, as there")
	}
	return nil
}
