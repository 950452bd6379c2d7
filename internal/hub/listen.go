// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// listen opens the hub's port and remembers it, so that kubeconfigs which were handed out stay right.
func (h *Hub) listen() (*listener, error) {
	c, d := h.config, h.dir
	l, err := listenOn(c.BindAddress, c.Port, d.state.Port)
	if err != nil {
		return nil, fmt.Errorf("the hub cannot listen on %s (%w): %s", net.JoinHostPort(c.BindAddress, strconv.Itoa(c.Port)), err, advice(err))
	}
	port := l.Addr().(*net.TCPAddr).Port
	if d.state.Port != 0 && d.state.Port != port {
		c.Log.Info("the hub has another port than before: kubeconfigs of the old port must be made again", "old", d.state.Port, "new", port)
	}
	d.state.Port, d.state.Address = port, clientHost(c.BindAddress)
	if err := d.saveState(); err != nil {
		l.Close()
		return nil, unusable(d.root, err)
	}
	return &listener{Listener: l, open: map[net.Conn]bool{}}, nil
}

// advice says what to do about an address that cannot be listened on.
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "stop what uses this port or choose another one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "choose an address of this machine"
	case errors.Is(err, syscall.EACCES):
		return "choose a port above 1023, or let this user open this one"
	}
	return "choose another address or port"
}

// listenOn takes the wanted port; without a wish the remembered one if it is free, else any.
func listenOn(address string, wanted, remembered int) (net.Listener, error) {
	if wanted == 0 && remembered != 0 {
		if l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(remembered))); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(wanted)))
}

// clientHost is the address by which this machine reaches a server bound to an address.
func clientHost(bind string) string {
	ip := net.ParseIP(bind)
	switch {
	case ip.Equal(net.IPv6unspecified):
		return "::1"
	case ip.IsUnspecified():
		return "127.0.0.1"
	}
	return bind
}

// servingNames are the host names and addresses that the hub's certificate is valid for.
func servingNames(bind string) []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	if host, err := os.Hostname(); err == nil && host != "" {
		names = append(names, host)
	}
	if ip := net.ParseIP(bind); !ip.IsUnspecified() && !ip.IsLoopback() {
		names = append(names, bind)
	}
	return names
}

// listener remembers its open connections, so that a closing hub can end those that clients keep.
type listener struct {
	net.Listener
	mu   sync.Mutex
	open map[net.Conn]bool
}

// Accept returns the next connection.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = true
	return &connection{Conn: c, listener: l}, nil
}

func (l *listener) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		c.Close()
	}
}

// connection takes itself off its listener's list when it ends.
type connection struct {
	net.Conn
	listener *listener
}

// Close ends the connection.
func (c *connection) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.open, c.Conn)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
