// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// kubectl drains with kubectl of the same release, so many nodes at a time, each replaced as soon as it is empty.
func kubectl(ctx context.Context, a *arena, parallel int) error {
	group, ctx := errgroup.WithContext(ctx)
	nodes := make(chan string, len(a.nodes))
	for _, n := range a.nodes {
		nodes <- n
	}
	close(nodes)
	kubeconfig, err := a.writeKubeconfig()
	if err != nil {
		return err
	}
	for range parallel {
		group.Go(func() error {
			for node := range nodes {
				if err := kubectlDrain(ctx, a, kubeconfig, node); err != nil {
					return err
				}
				if err := a.replace(ctx, node); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// writeKubeconfig writes the administrator's kubeconfig once. The one that sengu-lab writes for each kubectl would be
// read by those beside it while it is half written.
func (a *arena) writeKubeconfig() (string, error) {
	path := filepath.Join(a.dir, "bench.kubeconfig")
	return path, os.WriteFile(path, a.kubeconfig, 0o600)
}

// kubectlDrain runs one drain. Kubectl itself waits and asks again when a budget refuses.
func kubectlDrain(ctx context.Context, a *arena, kubeconfig, node string) error {
	command := exec.CommandContext(ctx, a.config.Binary, "kubectl", "--dir", a.dir, "--cluster", clusterName, "--kubeconfig", kubeconfig,
		"drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force")
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("kubectl drain %s: %w: %s", node, err, bytes.TrimSpace(output))
	}
	return nil
}

// kubectlStart is the mean of some starts that do nothing else.
func kubectlStart(ctx context.Context, binary string) (time.Duration, error) {
	const times = 3
	began := time.Now()
	for range times {
		if output, err := exec.CommandContext(ctx, binary, "version").CombinedOutput(); err != nil {
			return 0, fmt.Errorf("start %s: %w: %s", binary, err, bytes.TrimSpace(output))
		}
	}
	return time.Since(began) / times, nil
}
