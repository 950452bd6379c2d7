// SPDX-License-Identifier: Apache-2.0

package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Port is a port of 127.0.0.1 that the kernel chose and that stays ours: a socket is bound to it, without
// listening, for as long as the Port is open. The child binds the same port with SO_REUSEPORT. Without it the
// kernel could give the port to someone else between two starts of the child.
type Port struct {
	// Number from 1 to 65535.
	Number int
	socket int
}

// ReservePort asks the kernel for a free port.
func ReservePort() (*Port, error) {
	port, err := bind()
	if err != nil {
		return nil, fmt.Errorf("reserve a port on 127.0.0.1: %w", err)
	}
	return port, nil
}

func bind() (*Port, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(socket)
	port, err := bindSocket(socket)
	if err != nil {
		_ = unix.Close(socket)
		return nil, err
	}
	return port, nil
}

func bindSocket(socket int) (*Port, error) {
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return nil, err
	}
	if err := unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	name, err := unix.Getsockname(socket)
	if err != nil {
		return nil, err
	}
	bound, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return nil, fmt.Errorf("the kernel bound an address of type %T", name)
	}
	return &Port{Number: bound.Port, socket: socket}, nil
}

// Close gives the port back.
func (p *Port) Close() { _ = unix.Close(p.socket) }
