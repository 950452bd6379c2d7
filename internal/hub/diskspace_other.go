// SPDX-License-Identifier: Apache-2.0

//go:build !linux && !darwin

package hub

import "errors"

// freeBytes is not known on this system; the hub then starts without asking.
func freeBytes(string) (uint64, error) { return 0, errors.ErrUnsupported }
