// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package demo

import "syscall"

// ownGroup puts a child into a process group of its own, so that Ctrl-C reaches the demo alone, which then ends
// its children in order.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// sameGroup leaves a child in the foreground, where it may read the terminal.
func sameGroup() *syscall.SysProcAttr { return nil }
