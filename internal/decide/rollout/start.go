// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/budget"
	"sengu.dev/sengu/internal/decide/gate"
	"sengu.dev/sengu/internal/decide/versionpath"
	"sengu.dev/sengu/internal/decide/waves"
)

// start accepts the run and freezes its target, its strategy and its clusters; or it says in one sentence why not,
// and changes nothing.
func (p *pass) start() bool {
	switch p.s.Run.Spec.State {
	case v1alpha1.RunStateStop:
		p.end(v1alpha1.RunPhaseStopped)
		p.wait(v1alpha1.ReasonStoppedByUser, "a person stopped the run before it began")
		return false
	case v1alpha1.RunStatePause:
		p.wait(v1alpha1.ReasonPausedByUser, "a person paused the run before it began: `sengu run resume` starts it")
		return false
	}
	if p.s.Strategy == nil {
		p.wait(v1alpha1.ReasonStrategyMissing, fmt.Sprintf("strategy %q does not exist: create it, and the run starts", p.s.Run.Spec.StrategyRef.Name))
		return false
	}
	stages, resolved, err := p.accept()
	if err != nil {
		p.wait(reasonOf(err), err.Error())
		return false
	}
	p.freeze(stages, resolved)
	return true
}

// reasonOf returns the documented reason of a refusal.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*waves.Error](err); ok {
		return e.Reason
	}
	if e, ok := errors.AsType[*versionpath.Error](err); ok {
		return e.Reason
	}
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.reason
	}
	return v1alpha1.ReasonInvalidStrategy
}

// refusal is why a run is not accepted.
type refusal struct{ reason, message string }

func (r *refusal) Error() string { return r.message }

func refuse(reason, format string, args ...any) error {
	return &refusal{reason, fmt.Sprintf(format, args...)}
}

// accept looks at everything that can be known before anything starts.
func (p *pass) accept() ([]waves.Stage, *v1alpha1.ResolvedTarget, error) {
	stages, err := waves.Assign(p.s.Strategy, p.s.Run.Spec.ClusterSelector, p.s.Clusters)
	if err != nil {
		return nil, nil, err
	}
	if err := checkGraph(p.s.Strategy); err != nil {
		return nil, nil, err
	}
	if err := checkLimits(p.s.Strategy, stages); err != nil {
		return nil, nil, err
	}
	var chosen []*v1alpha1.Cluster
	var unknown []string
	for i := range stages {
		for j := range stages[i].Groups {
			for _, name := range stages[i].Groups[j].Clusters {
				c := p.clusters[name]
				chosen = append(chosen, c)
				if c.Status.ControlPlane.Version == "" {
					unknown = append(unknown, name)
				}
			}
		}
	}
	if len(unknown) > 0 {
		return nil, nil, refuse(v1alpha1.ReasonClusterNotDescribed,
			"the provider has not described %s yet: the run starts when it has; `sengu cluster describe` says what is in the way", few(unknown))
	}
	resolved := &v1alpha1.ResolvedTarget{ResolvedAt: p.instant()}
	if resolved.Version, err = p.resolveVersion(chosen); err != nil {
		return nil, nil, err
	}
	resolved.Images, err = p.resolveImages(chosen)
	return stages, resolved, err
}

// resolveVersion finds the exact version, and refuses when a cluster has no way there.
func (p *pass) resolveVersion(clusters []*v1alpha1.Cluster) (string, error) {
	target := p.s.Run.Spec.Target
	if target.Scope == v1alpha1.UpgradeScopeNodeImageOnly {
		return "", nil
	}
	offers := make([]versionpath.Offers, len(clusters))
	for i, c := range clusters {
		offers[i] = versionpath.Offers{Cluster: c.Name, Current: c.Status.ControlPlane.Version, Versions: c.Status.Offers.Kubernetes}
	}
	version, err := versionpath.Resolve(target.Kubernetes, offers...)
	if err != nil {
		return "", err
	}
	for _, c := range clusters {
		hops, err := hopsOf(c, version)
		if err == nil {
			_, err = versionpath.NodeSteps(nodeVersions(c), c.Status.ControlPlane.Version, hops)
		}
		if err != nil {
			return "", refuse(reasonOf(err), "%s: %v", c.Name, err)
		}
	}
	return version, nil
}

// hopsOf returns the hops of one cluster; the target alone for one whose control plane is there already.
func hopsOf(c *v1alpha1.Cluster, version string) ([]string, error) {
	hops, err := versionpath.Hops(c.Status.ControlPlane.Version, version, c.Status.Offers.Kubernetes)
	if err == nil && len(hops) == 0 {
		hops = []string{version}
	}
	return hops, err
}

func nodeVersions(c *v1alpha1.Cluster) []string {
	var out []string
	for i := range c.Status.NodePools {
		out = append(out, c.Status.NodePools[i].Version)
	}
	return out
}

// resolveImages returns the images that are the same for all clusters.
func (p *pass) resolveImages(clusters []*v1alpha1.Cluster) ([]string, error) {
	image := p.s.Run.Spec.Target.NodeImage
	switch {
	case image == nil:
	case image.Type == v1alpha1.NodeImageCustom:
		for _, c := range clusters {
			for _, want := range image.Custom {
				if !slices.Contains(c.Status.Offers.Images, want) {
					return nil, refuse(v1alpha1.ReasonUnknownImage, "node image %s is not offered to %s; it is offered %s", want, c.Name, offered(c))
				}
			}
		}
		return image.Custom, nil
	case image.Type == v1alpha1.NodeImageConsistent:
		newest := clusters[0].Status.Offers.Images
		for _, candidate := range slices.Backward(newest) {
			if !slices.ContainsFunc(clusters, func(c *v1alpha1.Cluster) bool { return !slices.Contains(c.Status.Offers.Images, candidate) }) {
				return []string{candidate}, nil
			}
		}
		return nil, refuse(v1alpha1.ReasonUnknownImage, "no node image is offered to every cluster of the run: use Latest, or wait until the newest reaches every region")
	}
	return nil, nil
}

func offered(c *v1alpha1.Cluster) string {
	if len(c.Status.Offers.Images) == 0 {
		return "none"
	}
	return strings.Join(c.Status.Offers.Images[max(0, len(c.Status.Offers.Images)-3):], ", ")
}

// imagesFor returns the images for the new nodes of a cluster, as the run's selection says.
func (p *pass) imagesFor(c *v1alpha1.Cluster) []string {
	selection := v1alpha1.NodeImageLatest
	if image := p.s.Run.Spec.Target.NodeImage; image != nil {
		selection = image.Type
	}
	switch selection {
	case v1alpha1.NodeImageKeep:
		return nil
	case v1alpha1.NodeImageLatest:
		if n := len(c.Status.Offers.Images); n > 0 {
			return []string{c.Status.Offers.Images[n-1]}
		}
		return nil
	}
	return p.st.Resolved.Images
}

// freeze puts the accepted input into the record. From here on only the record counts.
func (p *pass) freeze(stages []waves.Stage, resolved *v1alpha1.ResolvedTarget) {
	p.st.Resolved, p.st.Strategy = resolved, p.s.Strategy.DeepCopy()
	p.st.Attempt, p.st.StartedAt = max(p.s.Run.Spec.Attempt, 1), p.instant()
	p.st.Phase = v1alpha1.RunPhaseRunning
	p.st.Stages = nil
	for i := range stages {
		s := v1alpha1.RunStageStatus{Name: stages[i].Name, Phase: v1alpha1.StagePhaseNotStarted}
		for j := range stages[i].Groups {
			s.Groups = append(s.Groups, v1alpha1.RunGroupStatus{Name: stages[i].Groups[j].Name, Phase: v1alpha1.StagePhaseNotStarted, Clusters: stages[i].Groups[j].Clusters})
		}
		p.st.Stages = append(p.st.Stages, s)
	}
	p.survey()
}

// checkLimits refuses limits that cannot be read, before anything depends on them.
func checkLimits(s *v1alpha1.UpgradeStrategySpec, stages []waves.Stage) error {
	_, err := budget.Concurrency("maxConcurrency of the strategy", s.MaxConcurrency, 1, 1)
	if err == nil {
		_, err = budget.Failures("maxFailures of the strategy", s.MaxFailures, 1, 0)
	}
	for i := 0; i < len(stages) && err == nil; i++ {
		err = checkStage(&s.Stages[i])
	}
	if err == nil {
		err = gate.Check(s)
	}
	return err
}

func checkStage(s *v1alpha1.StrategyStage) error {
	_, err := budget.Concurrency("maxConcurrency of stage "+s.Name, s.MaxConcurrency, 1, 1)
	if err == nil {
		_, err = budget.Failures("maxFailures of stage "+s.Name, s.MaxFailures, 1, 0)
	}
	for j := 0; j < len(s.Groups) && err == nil; j++ {
		name := s.Name + "/" + s.Groups[j].Name
		if _, err = budget.Concurrency("maxConcurrency of group "+name, s.Groups[j].MaxConcurrency, 1, 1); err == nil {
			_, err = budget.Failures("maxFailures of group "+name, s.Groups[j].MaxFailures, 1, 0)
		}
	}
	return err
}

// specFor is the work on one cluster.
func (p *pass) specFor(c *v1alpha1.Cluster, s *stage) (*v1alpha1.ClusterUpgradeSpec, error) {
	spec := &v1alpha1.ClusterUpgradeSpec{
		Cluster: c.Name, RunRef: v1alpha1.LocalObjectReference{Name: p.s.Run.Name},
		CalendarRefs: calendarsOf(s), NodeImages: p.imagesFor(c), Scope: cmp.Or(p.s.Run.Spec.Target.Scope, v1alpha1.UpgradeScopeFull), Attempt: p.st.Attempt,
	}
	if spec.Scope == v1alpha1.UpgradeScopeNodeImageOnly {
		return spec, nil
	}
	var err error
	spec.Hops, err = hopsOf(c, p.st.Resolved.Version)
	return spec, err
}

func few(names []string) string {
	if len(names) <= 5 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), len(names)-5)
}
