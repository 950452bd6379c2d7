// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
)

// TestADeadStorageStopsTheHub plays what etcd does when the disk is full: it logs a fatal error and expects
// the process to end.
func TestADeadStorageStopsTheHub(t *testing.T) {
	h, err := Start(t.Context(), Config{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Err(); err != nil {
		t.Fatalf("Err of a running hub = %v, want nil", err)
	}
	log := etcdLogger(h.logs, h.store.failure)
	reached := make(chan bool, 1)
	go func() {
		defer close(reached)
		log.Fatal("failed to save Raft hard state and entries", zap.Error(syscall.ENOSPC)) //nolint:revive // that what follows is not reached is what the test is about
		reached <- true
	}()
	if <-reached {
		t.Error("etcd went on after a fatal error, and might acknowledge what it has not stored")
	}
	select {
	case <-h.Done():
	case <-time.After(time.Minute):
		t.Fatal("the hub did not notice")
	}
	err = h.Err()
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "check the disk") {
		t.Errorf("Err = %v, want a sentence about the disk that wraps ENOSPC", err)
	}
	h.StopStorage() // as if the raft goroutine had ended: the API's requests now hang
	began := time.Now()
	h.Close()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("closing a hub with a dead storage took %s, want less than 3 s", took)
	}
}
