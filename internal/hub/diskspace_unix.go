// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package hub

import "syscall"

// freeBytes is how much an unprivileged user may still write to the file system of a path.
func freeBytes(path string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
