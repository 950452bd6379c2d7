// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"iter"
	"strings"

	"sengu.dev/sengu/api/v1alpha1"
)

// Name of the Gate object of a gate of a run.
func Name(run string, place v1alpha1.GatePlace, gate string) string {
	parts := []string{run, place.Stage}
	if place.Group != "" {
		parts = append(parts, place.Group)
	}
	return strings.Join(append(parts, strings.ToLower(string(place.Timing)), gate), "-")
}

// Path of a gate as people write it: STAGE/GATE or STAGE/GROUP/GATE.
func Path(place v1alpha1.GatePlace, gate string) string {
	if place.Group != "" {
		return place.Stage + "/" + place.Group + "/" + gate
	}
	return place.Stage + "/" + gate
}

// All are the gates of a strategy with their places, in the order of its stages.
func All(s *v1alpha1.UpgradeStrategySpec) iter.Seq2[v1alpha1.GatePlace, *v1alpha1.GateSpecTemplate] {
	return func(yield func(v1alpha1.GatePlace, *v1alpha1.GateSpecTemplate) bool) {
		each := func(templates []v1alpha1.GateSpecTemplate, stage, group string, timing v1alpha1.GateTiming) bool {
			for i := range templates {
				if !yield(v1alpha1.GatePlace{Stage: stage, Group: group, Timing: timing}, &templates[i]) {
					return false
				}
			}
			return true
		}
		for i := range s.Stages {
			stage := &s.Stages[i]
			if !each(stage.BeforeGates, stage.Name, "", v1alpha1.GateTimingBefore) {
				return
			}
			for j := range stage.Groups {
				g := &stage.Groups[j]
				if !each(g.BeforeGates, stage.Name, g.Name, v1alpha1.GateTimingBefore) || !each(g.AfterGates, stage.Name, g.Name, v1alpha1.GateTimingAfter) {
					return
				}
			}
			if !each(stage.AfterGates, stage.Name, "", v1alpha1.GateTimingAfter) {
				return
			}
		}
	}
}

// Check refuses gates that could never open, and two gates that would have one object.
func Check(s *v1alpha1.UpgradeStrategySpec) error {
	seen := map[string]string{}
	for place, t := range All(s) {
		path, name := Path(place, t.Name), Name("", place, t.Name)
		if other, twice := seen[name]; twice {
			return fmt.Errorf("gates %s and %s would have the same name: call one of them otherwise", other, path)
		}
		seen[name] = path
		start := t.ScheduledStart
		if start == nil || start.At != nil {
			continue
		}
		_, err := Zone(start.TimeZone)
		if err == nil {
			_, _, _, err = parseNext(start.Next)
		}
		if err != nil {
			return fmt.Errorf("gate %s: %w", path, err)
		}
	}
	return nil
}
