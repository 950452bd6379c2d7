// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

const (
	maxEvidence     = 64
	maxEvidenceLine = 512
)

// Readiness is what is known of the clusters that come next.
type Readiness struct {
	// Blocked says what keeps a gate closed although it is approved; empty: nothing.
	Blocked string
	// Evidence for people: a summary, then one line a cluster, the worst first.
	Evidence []string
}

// Next returns the clusters that come next behind a gate, in their order: before a place those of the place, after it
// those of the stages that follow. What people left out, and what was set aside, does not come.
func Next(run *v1alpha1.UpgradeRun, place v1alpha1.GatePlace) []string {
	following := map[string]bool{place.Stage: true}
	group := place.Group
	if place.Timing == v1alpha1.GateTimingAfter {
		following, group = stagesAfter(run, place.Stage), ""
	}
	var out []string
	for i := range run.Status.Stages {
		s := &run.Status.Stages[i]
		if !following[s.Name] || skipped(run, v1alpha1.Skip{Kind: v1alpha1.SkipKindStage, Stage: s.Name}) {
			continue
		}
		for j := range s.Groups {
			g := &s.Groups[j]
			if group != "" && g.Name != group || skipped(run, v1alpha1.Skip{Kind: v1alpha1.SkipKindGroup, Stage: s.Name, Group: g.Name}) {
				continue
			}
			for _, name := range g.Clusters {
				aside := slices.ContainsFunc(g.Aside, func(a v1alpha1.RunAside) bool { return a.Cluster == name && a.State == v1alpha1.AsideSetAside })
				if !aside && !skipped(run, v1alpha1.Skip{Kind: v1alpha1.SkipKindCluster, Cluster: name}) {
					out = append(out, name)
				}
			}
		}
	}
	return out
}

// stagesAfter are the stages that begin when a stage is finished. A stage that people skip hands on to those after it.
func stagesAfter(run *v1alpha1.UpgradeRun, stage string) map[string]bool {
	out := map[string]bool{}
	if run.Status.Strategy == nil {
		return out
	}
	finished := map[string]bool{stage: true} // and those that are skipped behind it
	for i := range run.Status.Strategy.Stages {
		s := &run.Status.Strategy.Stages[i]
		if run.Status.Strategy.StageOrder == v1alpha1.StageOrderGraph {
			if !slices.ContainsFunc(s.DependsOn, func(name string) bool { return finished[name] }) {
				continue
			}
		} else if i == 0 || !finished[run.Status.Strategy.Stages[i-1].Name] {
			continue
		}
		if skipped(run, v1alpha1.Skip{Kind: v1alpha1.SkipKindStage, Stage: s.Name}) {
			finished[s.Name] = true
			continue
		}
		out[s.Name] = true
	}
	return out
}

func skipped(run *v1alpha1.UpgradeRun, what v1alpha1.Skip) bool {
	return slices.ContainsFunc(run.Spec.Skip, func(s v1alpha1.Skip) bool {
		s.Reason = ""
		return s == what
	})
}

// grade of a cluster, the worst first.
type grade int

const (
	gradeBlocked grade = iota
	gradeUnhealthy
	gradeUnknown
	gradeWarn
	gradeReady
)

var gradeNames = map[grade]string{gradeBlocked: "blocked", gradeUnhealthy: "not healthy", gradeUnknown: "not checked", gradeWarn: "with warnings", gradeReady: "ready"}

type finding struct {
	name, text string
	grade      grade
}

// ReadinessOf grades the clusters that come next for a target. A cluster that is not healthy, or whose checks found a
// blocker, blocks. One that was not checked does not, and does not count as ready either.
func ReadinessOf(names []string, clusters map[string]*v1alpha1.Cluster, target string) Readiness {
	if len(names) == 0 {
		return Readiness{Evidence: []string{"no cluster comes next"}}
	}
	findings := make([]finding, 0, len(names))
	counts := map[grade]int{}
	for _, name := range names {
		f := look(clusters[name], target)
		f.name = name
		counts[f.grade]++
		findings = append(findings, f)
	}
	slices.SortStableFunc(findings, func(a, b finding) int { return cmp.Compare(a.grade, b.grade) })
	var parts []string
	for g := gradeReady; g >= gradeBlocked; g-- {
		if counts[g] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[g], gradeNames[g]))
		}
	}
	come := "clusters come"
	if len(names) == 1 {
		come = "cluster comes"
	}
	r := Readiness{Evidence: []string{fmt.Sprintf("%d %s next: %s", len(names), come, strings.Join(parts, ", "))}}
	for i, f := range findings {
		if i == maxEvidence-2 && len(findings) > maxEvidence-1 {
			r.Evidence = append(r.Evidence, fmt.Sprintf("… and %d more", len(findings)-i))
			break
		}
		r.Evidence = append(r.Evidence, cut(f.name+": "+f.text, maxEvidenceLine))
	}
	r.Blocked = blocked(findings)
	return r
}

func blocked(findings []finding) string {
	var out []string
	n := 0
	for _, f := range findings {
		if f.grade > gradeUnhealthy {
			break
		}
		if n++; n <= 3 {
			out = append(out, cut(f.name+": "+f.text, 200))
		}
	}
	if n > 3 {
		out = append(out, fmt.Sprintf("and %d more", n-3))
	}
	return strings.Join(out, "; ")
}

// look grades one cluster. A condition that is missing or unknown is not a pass.
func look(c *v1alpha1.Cluster, target string) finding {
	if c == nil {
		return finding{text: "it is no longer in the fleet", grade: gradeUnhealthy}
	}
	for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
		condition := meta.FindStatusCondition(c.Status.Conditions, kind)
		if condition == nil {
			return finding{text: "its health is not known yet", grade: gradeUnhealthy}
		}
		if condition.Status != metav1.ConditionTrue {
			return finding{text: cmp.Or(condition.Message, "it is not "+kind), grade: gradeUnhealthy}
		}
	}
	r := c.Status.Readiness
	switch {
	case r == nil || r.Verdict == "":
		return finding{text: "healthy, not checked for the target", grade: gradeUnknown}
	case !sameTarget(r.Target, target):
		return finding{text: fmt.Sprintf("healthy, checked for %s and not for %s", r.Target, target), grade: gradeUnknown}
	}
	switch r.Verdict {
	case v1alpha1.ReadinessBlocked:
		return finding{text: fmt.Sprintf("Blocked: the checks found %d blockers", r.Blockers), grade: gradeBlocked}
	case v1alpha1.ReadinessWarn:
		return finding{text: fmt.Sprintf("healthy, the checks found %d warnings", r.Warnings), grade: gradeWarn}
	case v1alpha1.ReadinessReady:
		return finding{text: "healthy and Ready", grade: gradeReady}
	}
	return finding{text: "healthy, the checks could not tell", grade: gradeUnknown}
}

// sameTarget says whether checks for one target speak of another: for 1.37 they do of 1.37.2. A run that keeps every
// version, and checks that name no target, speak of anything.
func sameTarget(checked, target string) bool {
	return checked == "" || target == "" || checked == target || strings.HasPrefix(target, checked+".")
}
