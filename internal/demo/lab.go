// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// labCluster is a cluster of the lab, with what a person needs to add it to a fleet.
type labCluster struct {
	Name       string            `json:"name"`
	Labels     map[string]string `json:"labels"`
	endpoint   string
	tokenFile  string
	kubeconfig []byte
}

// labAddress reads where the lab's management API is. It is there when every cluster is up.
func (d *demo) labAddress() (endpoint, token string, err error) {
	data, err := os.ReadFile(filepath.Join(d.labDir(), "lab.json"))
	if err != nil {
		return "", "", err
	}
	var lab struct{ Endpoint, Token string }
	if err := json.Unmarshal(data, &lab); err != nil {
		return "", "", fmt.Errorf("%s cannot be read: %w", filepath.Join(d.labDir(), "lab.json"), err)
	}
	return lab.Endpoint, lab.Token, nil
}

// labReady says whether every cluster of the lab is up.
func (d *demo) labReady(ctx context.Context) bool {
	clusters, err := d.labClusters(ctx)
	return err == nil && len(clusters) > 0
}

// labClusters lists the clusters of the lab, and leaves its token in a file that only this user can read.
func (d *demo) labClusters(ctx context.Context) ([]labCluster, error) {
	endpoint, token, err := d.labAddress()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the lab is not up yet: %w", err)
	}
	if err != nil {
		return nil, err
	}
	tokenFile := filepath.Join(d.dir, "lab.token")
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		return nil, fmt.Errorf("the lab's token cannot be kept: %w", err)
	}
	out, err := d.output(ctx, "sengu-lab", "status", "--dir", d.labDir(), "-o", "json")
	if err != nil {
		return nil, err
	}
	var clusters []labCluster
	if err := json.Unmarshal(out, &clusters); err != nil {
		return nil, fmt.Errorf("what `sengu-lab status -o json` printed cannot be read: %w", err)
	}
	for i := range clusters {
		c := &clusters[i]
		c.endpoint, c.tokenFile = endpoint, tokenFile
		if c.kubeconfig, err = d.output(ctx, "sengu-lab", "kubeconfig", c.Name, "--dir", d.labDir()); err != nil {
			return nil, err
		}
	}
	return clusters, nil
}
