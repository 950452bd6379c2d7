// SPDX-License-Identifier: Apache-2.0

package azurefleet

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// run imports an update run. It is paused: there a run waits for its start, here it goes as soon as it exists.
func (m *importer) run(raw json.RawMessage, path string) error {
	r, err := m.resource(raw, path)
	if err != nil {
		return err
	}
	if err := validName(r.name, path, 50); err != nil {
		return err
	}
	run := v1alpha1.UpgradeRun{Spec: v1alpha1.UpgradeRunSpec{State: v1alpha1.RunStatePause}}
	run.APIVersion, run.Kind = v1alpha1.GroupVersion.String(), "UpgradeRun"
	run.Name = r.name
	if err := m.order(r, &run.Spec); err != nil {
		return err
	}
	if err := m.target(r, &run.Spec.Target); err != nil {
		return err
	}
	profile := ""
	if err := r.take("autoUpgradeProfileId", &profile); err != nil {
		return err
	}
	if profile != "" {
		m.note(NoEqual, join(r.path, "autoUpgradeProfileId"), "auto-upgrade profile %s is not imported: an UpgradePolicy says what is upgraded by itself", last(profile))
	}
	if err := m.status(r.object); err != nil {
		return err
	}
	r.rest()
	m.note(Differs, "run "+r.name, "it is imported paused, so that it starts nothing: 'sengu run resume %s' starts it", r.name)
	m.Runs = append(m.Runs, run)
	return nil
}

// order imports the strategy of a run. The copy that a run holds counts, as it does there.
func (m *importer) order(r *resource, spec *v1alpha1.UpgradeRunSpec) error {
	id := ""
	if err := r.take("updateStrategyId", &id); err != nil {
		return err
	}
	inner, err := r.takeObject("strategy")
	if err != nil {
		return err
	}
	switch {
	case inner != nil:
		if spec.Strategy, err = m.stages(inner, inner.path); err != nil {
			return err
		}
		if id != "" {
			m.note(Differs, join(r.path, "updateStrategyId"), "the copy of strategy %s that the run holds is imported, not the strategy itself", last(id))
		}
	case id != "":
		name := last(id)
		if err := validName(name, join(r.path, "updateStrategyId"), 63); err != nil {
			return err
		}
		spec.StrategyRef = &v1alpha1.LocalObjectReference{Name: name}
		m.refers = append(m.refers, reference{join(r.path, "updateStrategyId"), name})
	default:
		spec.Strategy = &v1alpha1.UpgradeStrategySpec{Stages: []v1alpha1.StrategyStage{{Name: "all", Groups: []v1alpha1.StrategyGroup{{
			Name:     "all",
			Selector: metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: memberLabel, Operator: metav1.LabelSelectorOpExists}}},
		}}}}}
		m.note(Needed, join(r.path, "strategy"), "the run has no strategy and takes all members one by one: give each Cluster the label %s (a group must name a label)", memberLabel)
	}
	return nil
}

var kubernetesVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+(\.[0-9]+)?$`)

// target imports what the clusters are moved to.
func (m *importer) target(r *resource, t *v1alpha1.UpgradeTarget) error {
	update, err := r.takeObject("managedClusterUpdate")
	if err != nil {
		return err
	}
	if update == nil {
		return fmt.Errorf("%s is missing", join(r.path, "managedClusterUpdate"))
	}
	upgrade, err := update.takeObject("upgrade")
	if err != nil {
		return err
	}
	if upgrade == nil {
		return fmt.Errorf("%s is missing", join(update.path, "upgrade"))
	}
	kind := ""
	for name, into := range map[string]*string{"type": &kind, "kubernetesVersion": &t.Kubernetes} {
		if err := upgrade.take(name, into); err != nil {
			return err
		}
	}
	upgrade.rest()
	t.Scope = v1alpha1.UpgradeScope(kind)
	where := join(upgrade.path, "kubernetesVersion")
	switch t.Scope {
	case v1alpha1.UpgradeScopeNodeImageOnly:
		if t.Kubernetes != "" {
			return fmt.Errorf("%s goes with type Full and ControlPlaneOnly only", where)
		}
	case v1alpha1.UpgradeScopeFull, v1alpha1.UpgradeScopeControlPlaneOnly:
		if !kubernetesVersion.MatchString(t.Kubernetes) {
			return fmt.Errorf("%s is %q, and must be a version like 1.37.2", where, t.Kubernetes)
		}
	default:
		return fmt.Errorf("%s is %q, and only Full, ControlPlaneOnly and NodeImageOnly are known", join(upgrade.path, "type"), kind)
	}
	if err := m.images(update, t); err != nil {
		return err
	}
	update.rest()
	return nil
}

func (m *importer) images(update *object, t *v1alpha1.UpgradeTarget) error {
	selection, err := update.takeObject("nodeImageSelection")
	if err != nil || selection == nil {
		return err
	}
	kind := ""
	if err := selection.take("type", &kind); err != nil {
		return err
	}
	custom, err := selection.takeList("customNodeImageVersions")
	if err != nil {
		return err
	}
	selection.drop("selectedNodeImageVersions")
	selection.rest()
	if t.Scope == v1alpha1.UpgradeScopeControlPlaneOnly {
		return nil // nodes keep what they have
	}
	t.NodeImage = &v1alpha1.NodeImageTarget{Type: v1alpha1.NodeImageSelection(kind)}
	switch t.NodeImage.Type {
	case v1alpha1.NodeImageLatest, v1alpha1.NodeImageConsistent:
		return nil
	case v1alpha1.NodeImageCustom:
	default:
		return fmt.Errorf("%s is %q, and only Latest, Consistent and Custom are known", join(selection.path, "type"), kind)
	}
	for _, c := range custom {
		image := ""
		if err := c.take("version", &image); err != nil {
			return err
		}
		t.NodeImage.Custom = append(t.NodeImage.Custom, image)
	}
	if n := len(custom); n < 1 || n > 16 {
		return fmt.Errorf("%s holds %d images, and a custom selection names 1 to 16", join(selection.path, "customNodeImageVersions"), n)
	}
	m.note(Differs, join(selection.path, "customNodeImageVersions"), "check that the images are named as the clusters are offered them: 'sengu cluster describe' lists them")
	return nil
}

// status notes what was done already: a run that is imported begins anew.
func (m *importer) status(o *object) error {
	st, err := o.takeObject("status")
	if err != nil || st == nil {
		return err
	}
	state, err := stateOf(st)
	if err != nil {
		return err
	}
	if state != "" && state != "NotStarted" {
		m.note(Differs, join(o.path, "status"), "the run is %s there; imported, it begins anew, and clusters that are on the target need no change", state)
	}
	return m.skipped(st)
}

func stateOf(o *object) (string, error) {
	inner, err := o.takeObject("status")
	if err != nil || inner == nil {
		return "", err
	}
	state := ""
	return state, inner.take("state", &state)
}

// skipped notes what was skipped there. Whether a person did it or Azure found nothing to do is not told apart, so it is
// not skipped here.
func (m *importer) skipped(o *object) error {
	for _, level := range []string{"stages", "groups", "members"} {
		items, err := o.takeList(level)
		if err != nil {
			return err
		}
		for _, item := range items {
			name := ""
			if err := item.take("name", &name); err != nil {
				return err
			}
			state, err := stateOf(item)
			if err != nil {
				return err
			}
			if state == "Skipped" {
				what := map[string]string{"stages": "stage", "groups": "group", "members": "cluster"}[level]
				m.note(NoEqual, item.path, "%s %s was skipped there and is not here: 'sengu run skip' does so, with a reason", what, strings.TrimSpace(name))
				continue
			}
			if err := m.skipped(item); err != nil {
				return err
			}
		}
	}
	return nil
}
