// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"net"
	"sync"
)

// Mode is what happens to connections.
type Mode int

// The modes of a proxy.
const (
	// Cut resets connections.
	Cut Mode = iota
	// Open passes everything.
	Open
	// Hang accepts connections and freezes them.
	Hang
)

// gate holds the mode and the connections that it rules.
type gate struct {
	mu          sync.Mutex
	mode        Mode
	changed     chan struct{} // closed at each change of mode
	connections map[*connection]bool
}

func newGate() *gate {
	return &gate{changed: make(chan struct{}), connections: map[*connection]bool{}}
}

func (g *gate) set(m Mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mode == m {
		return
	}
	g.mode = m
	close(g.changed)
	g.changed = make(chan struct{})
	if m != Cut {
		return
	}
	for c := range g.connections {
		reset(c.Conn)
	}
}

func (g *gate) listener(l net.Listener) net.Listener { return &listener{Listener: l, gate: g} }

// admit takes a connection under the gate's rule, or resets it.
func (g *gate) admit(raw net.Conn) (net.Conn, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mode == Cut {
		reset(raw)
		return nil, false
	}
	c := &connection{Conn: raw, gate: g, closed: make(chan struct{})}
	g.connections[c] = true
	return c, true
}

// reset closes a connection with an RST, as a firewall or a dead host does, not with a polite FIN.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

type listener struct {
	net.Listener
	gate *gate
}

// Accept returns the next connection that the gate lets through.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c, ok := l.gate.admit(raw); ok {
			return c, nil
		}
	}
}

type connection struct {
	net.Conn
	gate   *gate
	once   sync.Once
	closed chan struct{}
}

// Read keeps what has come until the gate is no longer frozen.
func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.thaw()
	return n, err
}

// Write waits until the gate is no longer frozen.
func (c *connection) Write(b []byte) (int, error) {
	c.thaw()
	return c.Conn.Write(b)
}

// Close ends the connection and whoever waits in it.
func (c *connection) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.gate.mu.Lock()
		delete(c.gate.connections, c)
		c.gate.mu.Unlock()
	})
	return c.Conn.Close()
}

// thaw waits while the gate is frozen and the connection is open.
func (c *connection) thaw() {
	for {
		c.gate.mu.Lock()
		mode, changed := c.gate.mode, c.gate.changed
		c.gate.mu.Unlock()
		if mode != Hang {
			return
		}
		select {
		case <-changed:
		case <-c.closed:
			return
		}
	}
}
