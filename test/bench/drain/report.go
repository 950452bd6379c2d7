// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"fmt"
	"strings"
)

// Markdown is the result as a page's section.
func (r Result) Markdown() string {
	var b strings.Builder
	c := r.Config
	fmt.Fprintf(&b, "%d nodes, %d at a time; %d pods in %d workloads, half of them StatefulSets, each with a budget of maxUnavailable 10 %%;\n"+
		"pods start and stop in %s to %s, a machine is replaced in %s.\n\n",
		c.Nodes, c.Parallel, c.Workloads*c.Replicas, c.Workloads, 3*c.Delay, 6*c.Delay, c.replacement())
	fmt.Fprintf(&b, "Lower bound: %.1f s, the larger of %.1f s (budgets: for each workload, pods to move ÷ its budget × (stop + start of the\n"+
		"replacement)) and %.1f s (waves of nodes × (slowest stop + replacing the machine)). Aim: at most 1.15 × the bound, at least\n"+
		"3 × faster than node by node, and no budget ever violated, by a watcher that shares no code with Sengu.\n\n"+
		"The pods of the first %d nodes have nowhere to go but to nodes that are still to come, and so move twice: with them the\n"+
		"bound is %.1f s. Where the scheduler put the pods of the slowest workloads makes the rest of the difference, and some\n"+
		"seconds from run to run.\n\n",
		r.Bound().Seconds(), r.Budgets.Seconds(), r.Waves.Seconds(), c.Parallel, r.SecondMoves().Seconds())
	b.WriteString("| | seconds | × the bound | × that with second moves | × Sengu | evictions | refused | least spare pods | violations |\n" +
		"|---|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, f := range r.Runs {
		more := ""
		if f.Unfinished {
			more = "> "
		}
		fmt.Fprintf(&b, "| %s | %s%.1f | %.2f | %.2f | %.2f | %d | %d | %d | %d |\n", f.Name, more, f.Took.Seconds(), f.Took.Seconds()/r.Bound().Seconds(),
			f.Took.Seconds()/r.SecondMoves().Seconds(), f.Took.Seconds()/r.Runs[0].Took.Seconds(), f.Granted, f.Refused, f.Spare, f.Violations)
	}
	fmt.Fprintf(&b, "\nEvery contestant had a new cluster; starting the lab's kubectl takes %.2f s, which is part of each of its drains.\n", r.KubectlStart.Seconds())
	return b.String()
}
