// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"sengu.dev/sengu/internal/labapi"
)

// evictions counts what the audit log of the API server holds.
func (c *cluster) evictions() (labapi.Evictions, error) {
	var counted labapi.Evictions
	file, err := os.Open(filepath.Join(c.dir, auditLog))
	if errors.Is(err, fs.ErrNotExist) {
		return counted, nil
	}
	if err != nil {
		return counted, fmt.Errorf("read the audit log: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Stage          string
			ResponseStatus struct{ Code int }
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Stage != "ResponseComplete" {
			continue // the last line may be half written
		}
		switch event.ResponseStatus.Code {
		case http.StatusCreated:
			counted.Granted++
		case http.StatusTooManyRequests:
			counted.Refused++
		default:
			counted.Other++
		}
	}
	if err := lines.Err(); err != nil {
		return counted, fmt.Errorf("read the audit log: %w", err)
	}
	return counted, nil
}
