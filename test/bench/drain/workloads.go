// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"fmt"
	"strings"
	"time"
)

// workload of the cluster. StatefulSets start a replacement when the pod is gone, Deployments at once.
type workload struct {
	kind, name  string
	start, stop time.Duration
}

func (c Config) workloads() []workload {
	var out []workload
	for i := range c.Workloads {
		w := workload{
			kind: "Deployment", name: fmt.Sprintf("app-%02d", i),
			start: time.Duration(3+i%4) * c.Delay, stop: time.Duration(3+i%4) * c.Delay,
		}
		if i%2 == 1 {
			w.kind = "StatefulSet"
		}
		out = append(out, w)
	}
	return out
}

// budget is how many pods of a workload may be away: 10 %, rounded up as Kubernetes does.
func (c Config) budget() int { return ceilDiv(c.Replicas, 10) }

// replacement of a machine.
func (c Config) replacement() time.Duration { return 5 * c.Delay }

// fleet is the lab's fleet file.
func (c Config) fleet() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "nodes: {replaceDelay: %s}\nclusters:\n- name: %s\n  version: \"1.37\"\n", c.replacement(), clusterName)
	fmt.Fprintf(&b, "  nodePools:\n  - {name: user, count: %d}\n  workloads:\n", c.Nodes)
	for _, w := range c.workloads() {
		fmt.Fprintf(&b, "  - {kind: %s, name: %s, namespace: shop, replicas: %d, pdb: {maxUnavailable: \"10%%\"}, startDelay: %s, stopDelay: %s}\n",
			w.kind, w.name, c.Replicas, w.start, w.stop)
	}
	b.WriteString("  - {kind: DaemonSet, name: agent, namespace: platform, startDelay: 100ms, stopDelay: 100ms}\n")
	return []byte(b.String())
}
