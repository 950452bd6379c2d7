// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"sengu.dev/sengu/internal/lab/fleet"
	"sengu.dev/sengu/internal/labapi"
)

const (
	definitionFile = "cluster.yaml"
	stateFile      = "state.json"
)

// state is what a cluster must still know after a restart of the lab. The machines are kept here and not only as
// Node objects: a management API knows its machines also while the cluster's own API is down.
type state struct {
	// Version the control plane has, or last had.
	Version string `json:"version"`
	// Port of the cluster's API; it is tried again at a restart.
	Port int `json:"port"`
	// Sequence numbers nodes; a number is never used twice.
	Sequence int `json:"sequence"`
	// Settled says that the workloads of the fleet file were created.
	Settled bool `json:"settled"`
	// Pools by name.
	Pools map[string]*poolState `json:"pools"`
}

type poolState struct {
	Version string        `json:"version"`
	Image   string        `json:"image"`
	Nodes   []labapi.Node `json:"nodes"`
}

// pool finds the pool of a node.
func (s *state) poolOf(node string) (pool string, index int, ok bool) {
	for name, p := range s.Pools {
		for i := range p.Nodes {
			if p.Nodes[i].Name == node {
				return name, i, true
			}
		}
	}
	return "", 0, false
}

// loadCluster reads what an earlier lab kept in the directory; ok is false if there is nothing.
func loadCluster(dir string) (definition fleet.Cluster, s state, ok bool, err error) {
	content, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return definition, s, false, nil
	}
	if err != nil {
		return definition, s, false, fmt.Errorf("read the state of a cluster: %w", err)
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return definition, s, false, fmt.Errorf("read the state of a cluster: %w", err)
	}
	content, err = os.ReadFile(filepath.Join(dir, definitionFile))
	if err != nil {
		return definition, s, false, fmt.Errorf("read the definition of a cluster: %w", err)
	}
	if err := yaml.Unmarshal(content, &definition); err != nil {
		return definition, s, false, fmt.Errorf("read the definition of a cluster: %w", err)
	}
	return definition, s, true, nil
}

func saveDefinition(dir string, definition fleet.Cluster) error {
	content, err := yaml.Marshal(definition)
	if err != nil {
		return fmt.Errorf("write the definition of a cluster: %w", err)
	}
	return writeWhole(filepath.Join(dir, definitionFile), content)
}

func saveJSON(path string, value any) error {
	content, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return writeWhole(path, content)
}

// newSuffix of a file that is about to take another's place.
const newSuffix = ".new"

// writeWhole replaces a file in one step: a killed lab leaves the old content or the new, never a part.
func writeWhole(path string, content []byte) error {
	temporary := path + newSuffix
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}
