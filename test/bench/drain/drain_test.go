// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"flag"
	"strings"
	"testing"
	"time"

	"sengu.dev/sengu/internal/lab/labtest"
)

var full = flag.Bool("full", false, "measure at full size, as make bench does: about 10 minutes")

// TestRun plays the whole figure in small, so that it cannot rot, and holds what does not depend on the machine: no
// budget is violated, every pod is moved, and Sengu is not slower than kubectl.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("needs the lab")
	}
	c := Config{Nodes: 3, Parallel: 2, Workloads: 2, Replicas: 4, Delay: 50 * time.Millisecond, Limit: 2 * time.Minute}
	if *full {
		c = Default("", nil)
	}
	c.Binary, c.Progress = labtest.Binary(t), t.Output()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + r.Markdown())
	for _, f := range r.Runs {
		if f.Unfinished {
			t.Errorf("%s was not ready after %s", f.Name, f.Took)
			continue
		}
		if f.Violations > 0 || f.Spare < 0 {
			t.Errorf("%s violated budgets %d times, by up to %d pods", f.Name, f.Violations, -f.Spare)
		}
		if f.Granted < c.Workloads*c.Replicas || f.Looks < 3*f.Granted {
			t.Errorf("%s: %d evictions and %d changes seen; all %d pods have to move", f.Name, f.Granted, f.Looks, c.Workloads*c.Replicas)
		}
		if strings.HasPrefix(f.Name, "kubectl") && f.Took < r.Runs[0].Took {
			t.Errorf("%s took %s, faster than Sengu's %s", f.Name, f.Took, r.Runs[0].Took)
		}
	}
}
