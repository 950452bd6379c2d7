// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// More nodes in a pool, or replicas of a workload, a laptop does not play in reasonable time.
const (
	maxNodes    = 1000
	maxReplicas = 10000
)

var (
	version = regexp.MustCompile(`^1\.\d+(\.\d+)?$`)
	// share is what an API server takes for a budget: strconv would also read "+5%".
	share = regexp.MustCompile(`^(\d+|\d{1,2}%|100%)$`)
)

// check looks at a whole file and fills in the defaults.
func (f *File) check(root *yaml.Node) error {
	at := place{root: root}
	if len(f.Clusters) == 0 {
		return at.at("clusters").wrong("name at least one cluster")
	}
	seen := map[string]bool{}
	for i := range f.Clusters {
		cluster, at := &f.Clusters[i], at.at("clusters").item(i)
		cluster.Nodes.ReplaceDelay = Of(cluster.Nodes.ReplaceDelay.Or(f.Nodes.ReplaceDelay.Or(time.Second)))
		if err := cluster.check(at); err != nil {
			return err
		}
		if seen[cluster.Name] {
			return at.at("name").wrong("two clusters are named %s", cluster.Name)
		}
		seen[cluster.Name] = true
	}
	return nil
}

func (c *Cluster) check(at place) error {
	if err := checkName(c.Name, at.at("name")); err != nil {
		return err
	}
	if !version.MatchString(c.Version) {
		return at.at("version").wrong("%q is not a version such as 1.36 or 1.36.0", c.Version)
	}
	if len(validation.IsValidLabelValue(c.Region)) > 0 {
		return at.at("region").wrong("%q cannot be a label's value", c.Region)
	}
	if len(c.NodePools) == 0 {
		return at.at("nodePools").wrong("name at least one node pool")
	}
	c.Nodes.ReplaceDelay = Of(c.Nodes.ReplaceDelay.Or(time.Second))
	pools := map[string]bool{}
	for i := range c.NodePools {
		at := at.at("nodePools").item(i)
		if err := c.NodePools[i].check(at); err != nil {
			return err
		}
		if pools[c.NodePools[i].Name] {
			return at.at("name").wrong("two node pools are named %s", c.NodePools[i].Name)
		}
		pools[c.NodePools[i].Name] = true
	}
	return c.checkWorkloads(pools, at.at("workloads"))
}

func (c *Cluster) checkWorkloads(pools map[string]bool, at place) error {
	seen := map[string]bool{}
	for i := range c.Workloads {
		workload, at := &c.Workloads[i], at.item(i)
		if err := workload.check(at); err != nil {
			return err
		}
		if workload.NodePool != "" && !pools[workload.NodePool] {
			return at.at("nodePool").wrong("the cluster has no node pool %s", workload.NodePool)
		}
		// The name alone decides, as budget and service carry it too.
		key := workload.Namespace + "/" + workload.Name
		if seen[key] {
			return at.at("name").wrong("two workloads of namespace %s are named %s", workload.Namespace, workload.Name)
		}
		seen[key] = true
	}
	return nil
}

func (p *NodePool) check(at place) error {
	if err := checkName(p.Name, at.at("name")); err != nil {
		return err
	}
	setDefault(&p.Mode, "User")
	if p.Mode != "System" && p.Mode != "User" {
		return at.at("mode").wrong("%q is neither System nor User", p.Mode)
	}
	if p.Count < 1 || p.Count > maxNodes {
		return at.at("count").wrong("%d is not from 1 to %d", p.Count, maxNodes)
	}
	if p.Version != "" && !version.MatchString(p.Version) {
		return at.at("version").wrong("%q is not a version such as 1.36 or 1.36.0", p.Version)
	}
	for i, zone := range p.Zones {
		if len(validation.IsValidLabelValue(zone)) > 0 || zone == "" {
			return at.at("zones").item(i).wrong("%q cannot be a label's value", zone)
		}
	}
	if len(validation.IsValidLabelValue(p.Image)) > 0 {
		return at.at("image").wrong("%q cannot be a label's value", p.Image)
	}
	return p.checkCapacity(at)
}

func (p *NodePool) checkCapacity(at place) error {
	setDefault(&p.CPU, "4")
	setDefault(&p.Memory, "16Gi")
	if p.MaxPods == 0 && !at.at("maxPods").isWritten(at) {
		p.MaxPods = 110
	}
	if p.MaxPods < 1 {
		return at.at("maxPods").wrong("%d is less than 1", p.MaxPods)
	}
	if err := checkQuantity(p.CPU, at.at("cpu")); err != nil {
		return err
	}
	return checkQuantity(p.Memory, at.at("memory"))
}

func (w *Workload) check(at place) error {
	if !slices.Contains([]string{Deployment, StatefulSet, DaemonSet, Job, Pod}, w.Kind) {
		return at.at("kind").wrong("%q is none of Deployment, StatefulSet, DaemonSet, Job, Pod", w.Kind)
	}
	if err := checkName(w.Name, at.at("name")); err != nil {
		return err
	}
	setDefault(&w.Namespace, "default")
	if err := checkName(w.Namespace, at.at("namespace")); err != nil {
		return err
	}
	if err := w.checkReplicas(at); err != nil {
		return err
	}
	if grace := w.TerminationGracePeriod.Or(0); grace%time.Second != 0 {
		return at.at("terminationGracePeriod").wrong("%s is not a whole number of seconds", grace)
	}
	setDefault(&w.CPU, "100m")
	if err := checkQuantity(w.CPU, at.at("cpu")); err != nil {
		return err
	}
	if w.PDB == nil {
		return nil
	}
	return w.PDB.check(at.at("pdb"))
}

func (w *Workload) checkReplicas(at place) error {
	place := at.at("replicas")
	written := w.Replicas != 0 || place.isWritten(at)
	switch {
	case (w.Kind == DaemonSet || w.Kind == Pod) && written:
		return place.wrong("a %s has no replicas", w.Kind)
	case written && (w.Replicas < 1 || w.Replicas > maxReplicas):
		return place.wrong("%d is not from 1 to %d", w.Replicas, maxReplicas)
	case w.Kind == DaemonSet || w.Kind == Pod:
	case !written:
		w.Replicas = 1
	}
	return nil
}

func (p *PDB) check(at place) error {
	if (p.MinAvailable == "") == (p.MaxUnavailable == "") {
		return at.wrong("set exactly one of minAvailable and maxUnavailable")
	}
	field, value := "minAvailable", p.MinAvailable
	if value == "" {
		field, value = "maxUnavailable", p.MaxUnavailable
	}
	if !share.MatchString(value) {
		return at.at(field).wrong("%q is neither a number nor a percentage up to 100%%", value)
	}
	return nil
}

func checkName(name string, at place) error {
	if name == "" {
		return at.wrong("a name is missing")
	}
	// 40 leaves room for what is appended to the names of nodes and pods.
	if len(validation.IsDNS1123Label(name)) > 0 || len(name) > 40 {
		return at.wrong("%q is not a name: at most 40 lower-case letters, digits and dashes", name)
	}
	return nil
}

func checkQuantity(value string, at place) error {
	if quantity, err := resource.ParseQuantity(value); err != nil || quantity.Sign() <= 0 {
		return at.wrong("%q is not a quantity such as 4, 500m or 16Gi", value)
	}
	return nil
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}
