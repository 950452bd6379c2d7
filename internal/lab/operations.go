// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"sengu.dev/sengu/internal/labapi"
)

// operations are all operations of a lab, on disk after each change so that a request key means the same operation
// also after a restart.
type operations struct {
	mu   sync.Mutex
	path string
	all  []*labapi.Operation
}

func loadOperations(path string) (*operations, error) {
	o := &operations{path: path}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the operations: %w", err)
	}
	if err := json.Unmarshal(content, &o.all); err != nil {
		return nil, fmt.Errorf("read the operations: %w", err)
	}
	return o, nil
}

// get returns a copy of an operation.
func (o *operations) get(id string) (labapi.Operation, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range o.all {
		if op.ID == id {
			return *op, true
		}
	}
	return labapi.Operation{}, false
}

// of returns copies of a cluster's operations, oldest first; keep chooses, nil: all.
func (o *operations) of(cluster string, keep func(labapi.Operation) bool) []labapi.Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := []labapi.Operation{}
	for _, op := range o.all {
		if op.Cluster == cluster && (keep == nil || keep(*op)) {
			found = append(found, *op)
		}
	}
	return found
}

// running returns the operations of a cluster that are under way.
func (o *operations) running(cluster string) []labapi.Operation {
	return o.of(cluster, func(op labapi.Operation) bool { return !op.Done() })
}

// add records a new operation before anything is done for it.
func (o *operations) add(op labapi.Operation) (labapi.Operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	op.ID = fmt.Sprintf("op-%d", len(o.all)+1)
	op.State, op.StartedAt = labapi.OperationRunning, time.Now().UTC()
	o.all = append(o.all, &op)
	return op, saveJSON(o.path, o.all)
}

// update changes a running operation; one that has ended stays as it is.
func (o *operations) update(id string, change func(*labapi.Operation)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range o.all {
		if op.ID != id || op.Done() {
			continue
		}
		change(op)
		if op.Done() {
			op.FinishedAt = time.Now().UTC()
		}
		return saveJSON(o.path, o.all)
	}
	return nil
}

// cancel ends what a deleted cluster has under way. Its keys are forgotten with it: a new cluster of the same name
// starts anew.
func (o *operations) cancel(cluster string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range o.all {
		if op.Cluster != cluster {
			continue
		}
		op.RequestKey = ""
		if !op.Done() {
			op.State, op.FinishedAt = labapi.OperationCanceled, time.Now().UTC()
			op.Code, op.Message = labapi.CodeCanceled, "The cluster was deleted."
		}
	}
	return saveJSON(o.path, o.all)
}
