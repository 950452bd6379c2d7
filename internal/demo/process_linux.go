// SPDX-License-Identifier: Apache-2.0

package demo

import "syscall"

// ownGroup puts a child into a process group of its own, so that Ctrl-C reaches the demo alone, which then ends
// its children in order; and has the kernel end the child when the demo is killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// sameGroup leaves a child in the foreground, where it may read the terminal; the kernel ends it too when the demo is
// killed.
func sameGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
