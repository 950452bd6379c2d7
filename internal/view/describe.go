// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/api/v1alpha1"
)

// fields writes aligned "Name: value" lines; empty values are left out.
type fields struct {
	b strings.Builder
}

func (f *fields) add(name, value string) {
	if value != "" {
		f.b.WriteString(pad(name+":", 16) + value + "\n")
	}
}

func (f *fields) section(title, body string) {
	if body == "" {
		return
	}
	f.b.WriteString("\n" + title + ":\n")
	for line := range strings.Lines(body) {
		f.b.WriteString("  " + line)
	}
}

// DescribeCluster tells all that is known of a cluster.
func DescribeCluster(c *v1alpha1.Cluster, now time.Time) string {
	var f fields
	f.add("Name", Clean(c.Name))
	f.add("Namespace", Clean(c.Namespace))
	f.add("Labels", labelsText(c.Labels))
	f.add("Provider", providerText(&c.Spec.Provider))
	f.add("Region", Clean(c.Status.Region))
	f.add("Control plane", strings.TrimSpace(Clean(c.Status.ControlPlane.Version)+" "+Clean(c.Status.ControlPlane.State)))
	f.add("Offers", Clean(strings.Join(c.Status.Offers.Kubernetes, ", ")))
	f.add("Images", Clean(strings.Join(c.Status.Offers.Images, ", ")))
	f.add("Run", Clean(c.Status.ActiveRun))
	if r := c.Status.Readiness; r != nil {
		f.add("Readiness", fmt.Sprintf("%s for %s: %s, %s", r.Verdict, Clean(r.Target), count(r.Blockers, "blocker"), count(r.Warnings, "warning")))
	}
	f.add("Age", age(&c.ObjectMeta, now))
	if c.Status.ObservedAt != nil {
		f.add("Last seen", Elapsed(now.Sub(c.Status.ObservedAt.Time))+" ago")
	}
	if len(c.Status.NodePools) > 0 {
		t := Table{Columns: []Column{{Name: "NAME"}, {Name: "MODE"}, {Name: "VERSION"}, {Name: "IMAGE"}, {Name: "NODES"}, {Name: "READY"}}}
		for _, p := range c.Status.NodePools {
			t.Rows = append(t.Rows, []string{Clean(p.Name), string(p.Mode), Clean(p.Version), Clean(p.Image), fmt.Sprint(p.Nodes), fmt.Sprint(p.Ready)})
		}
		f.section("Node pools", t.Format(false))
	}
	f.section("Conditions", conditionsText(c.Status.Conditions, now))
	return f.b.String()
}

func conditionsText(conditions []metav1.Condition, now time.Time) string {
	if len(conditions) == 0 {
		return ""
	}
	t := Table{Columns: []Column{{Name: "TYPE"}, {Name: "STATUS"}, {Name: "REASON"}, {Name: "SINCE"}, {Name: "MESSAGE"}}}
	for _, c := range conditions {
		t.Rows = append(t.Rows, []string{
			Clean(c.Type), string(c.Status), Clean(c.Reason), sinceText(c.LastTransitionTime, now), Clean(c.Message),
		})
	}
	return t.Format(false)
}

func sinceText(since metav1.Time, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	return Elapsed(now.Sub(since.Time))
}

func providerText(p *v1alpha1.ProviderSpec) string {
	switch {
	case p.AKS != nil:
		return Clean(fmt.Sprintf("aks, %s in resource group %s of subscription %s", p.AKS.Name, p.AKS.ResourceGroup, p.AKS.SubscriptionID))
	case p.Local != nil:
		return Clean(fmt.Sprintf("local, %s of the lab at %s", p.Local.Cluster, p.Local.Endpoint))
	case p.Simulated != nil:
		return Clean(fmt.Sprintf("simulated, %s with %s, nodes moved by the %s", p.Simulated.Version,
			count(cmp.Or(p.Simulated.Nodes, 3), "node"), cmp.Or(p.Simulated.NodeStyle, "Provider")))
	}
	return ""
}

// DescribeRun tells where a run is, why, and what it waits for.
func DescribeRun(o RunObjects, now time.Time) string {
	run := NewRun(o, now)
	var f fields
	f.add("Name", run.Name)
	f.add("Namespace", Clean(o.Run.Namespace))
	f.add("Target", run.Target)
	if asked := Clean(o.Run.Spec.Target.Kubernetes); asked != "" && asked != run.Target {
		f.add("Asked for", asked)
	}
	f.add("Node image", nodeImage(o.Run))
	if o.Run.Spec.StrategyRef != nil {
		f.add("Strategy", Clean(o.Run.Spec.StrategyRef.Name))
	} else {
		f.add("Strategy", "in the run itself")
	}
	f.add("Selector", selectorText(o.Run.Spec.ClusterSelector, "every cluster of the fleet"))
	f.add("Phase", phaseText(&run))
	f.add("Clusters", strings.TrimSuffix(fmt.Sprintf("%d: %s", run.Counts.Total, countsSentence(run.Counts)), ": "))
	if attempt := o.Run.Spec.Attempt; attempt > 1 {
		f.add("Attempt", fmt.Sprint(attempt))
	}
	if o.Run.Status.StartedAt != nil {
		f.add("Started", o.Run.Status.StartedAt.In(now.Location()).Format(time.RFC3339)+", "+Elapsed(run.Elapsed)+" of work")
	}
	f.section("Skipped", skipsText(o.Run.Spec.Skip))
	var lines strings.Builder
	for _, line := range Tree(&run, TreeOptions{MaxClusters: 50, Now: now}) {
		lines.WriteString(line.String() + "\n")
	}
	f.section("Progress", lines.String())
	f.section("Aside", asideText(o.Run, now))
	var why strings.Builder
	for _, sentence := range Explain(&run, now) {
		why.WriteString("- " + sentence + "\n")
	}
	f.section("What it does and waits for", why.String())
	f.section("Conditions", conditionsText(o.Run.Status.Conditions, now))
	return f.b.String()
}

// maxAside is how many clusters that wait aside are listed.
const maxAside = 20

// asideText lists the clusters that cannot start now, and those that the run goes on without.
func asideText(run *v1alpha1.UpgradeRun, now time.Time) string {
	t := Table{Columns: []Column{{Name: "CLUSTER"}, {Name: "STAGE"}, {Name: "STATE"}, {Name: "REASON"}, {Name: "SINCE"}}}
	more := 0
	for i := range run.Status.Stages {
		for j := range run.Status.Stages[i].Groups {
			for _, a := range run.Status.Stages[i].Groups[j].Aside {
				if len(t.Rows) == maxAside {
					more++
					continue
				}
				since := ""
				if a.Since != nil {
					since = sinceText(*a.Since, now)
				}
				t.Rows = append(t.Rows, []string{Clean(a.Cluster), Clean(run.Status.Stages[i].Name), Clean(string(a.State)), Clean(a.Reason), since})
			}
		}
	}
	if len(t.Rows) == 0 {
		return ""
	}
	text := t.Format(false)
	if more > 0 {
		text += fmt.Sprintf("and %d more\n", more)
	}
	return text
}

func nodeImage(run *v1alpha1.UpgradeRun) string {
	image := run.Spec.Target.NodeImage
	switch {
	case run.Spec.Target.Scope == v1alpha1.UpgradeScopeControlPlaneOnly:
		return ""
	case run.Status.Resolved != nil && len(run.Status.Resolved.Images) > 0:
		return Clean(strings.Join(run.Status.Resolved.Images, ", "))
	case image == nil:
		return string(v1alpha1.NodeImageLatest)
	case len(image.Custom) > 0:
		return Clean(strings.Join(image.Custom, ", "))
	}
	return string(image.Type)
}

func skipsText(skips []v1alpha1.Skip) string {
	var b strings.Builder
	for i := range skips {
		b.WriteString(SkipText(&skips[i]) + ": " + Clean(skips[i].Reason) + "\n")
	}
	return b.String()
}

// SkipText names what is skipped, as the command line does: "gate canary/approve".
func SkipText(s *v1alpha1.Skip) string {
	path := s.Cluster
	if s.Kind != v1alpha1.SkipKindCluster {
		path = s.Stage
		if s.Group != "" {
			path += "/" + s.Group
		}
		if s.Gate != "" {
			path += "/" + s.Gate
		}
	}
	return strings.ToLower(string(s.Kind)) + " " + Clean(path)
}

func selectorText(s *metav1.LabelSelector, empty string) string {
	if s == nil || len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0 {
		return empty
	}
	return Clean(metav1.FormatLabelSelector(s))
}
