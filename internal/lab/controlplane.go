// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sengu.dev/sengu/internal/lab/pki"
	"sengu.dev/sengu/internal/lab/process"
)

//go:embed stages.yaml
var stages []byte

//go:embed audit-policy.yaml
var auditPolicy []byte

const (
	etcdSocket = "etcd.sock"
	auditLog   = "audit.log"

	// startTimeout of a component: an API server is ready after 1 to 4 s, on a busy machine after 20.
	startTimeout = 90 * time.Second
	// stopGrace lets a component end by itself. An API server with open watches would take its 60 s; nothing is lost
	// when it is killed, as all its data is in etcd.
	stopGrace = time.Second
)

// controlPlane is the processes of one cluster. Its methods are called one at a time.
type controlPlane struct {
	dir    string
	binary string // sengu-lab
	record string
	tokens map[string]string
	port   *process.Port
	http   *http.Client

	etcd, apiserver *process.Process
	others          []part
}

// part is a process with its name, which is also that of its log.
type part struct {
	*process.Process
	name string
}

// parts are all processes of a control plane that runs.
func (p *controlPlane) parts() []part {
	return append([]part{{p.etcd, "etcd"}, {p.apiserver, "kube-apiserver"}}, p.others...)
}

func newControlPlane(dir, binary, record string) (*controlPlane, error) {
	if err := pki.Ensure(dir); err != nil {
		return nil, err
	}
	tokens, err := pki.Tokens(dir)
	if err != nil {
		return nil, err
	}
	roots, err := roots(dir)
	if err != nil {
		return nil, err
	}
	port, err := process.ReservePort()
	if err != nil {
		return nil, err
	}
	p := &controlPlane{dir: dir, binary: binary, record: record, tokens: tokens, port: port, http: &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
	}}
	return p, p.writeFiles()
}

// writeFiles writes what the components read at their start.
func (p *controlPlane) writeFiles() error {
	files := map[string][]byte{"stages.yaml": stages, "audit-policy.yaml": auditPolicy}
	for _, user := range []string{pki.ControllerManager, pki.Scheduler, pki.Kwok} {
		content, err := p.kubeconfig(user, p.address())
		if err != nil {
			return err
		}
		files[kubeconfigFile(user)] = content
	}
	for name, content := range files {
		if err := writeWhole(filepath.Join(p.dir, name), content); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfigFile(user string) string {
	return strings.ReplaceAll(strings.TrimPrefix(user, "system:"), ":", "-") + ".kubeconfig"
}

// address of the API server itself, behind the proxy.
func (p *controlPlane) address() string { return fmt.Sprintf("127.0.0.1:%d", p.port.Number) }

// stop stops everything but the storage: first the clients, so that the API server has no watches to wait for.
func (p *controlPlane) stop() {
	var group sync.WaitGroup
	for _, other := range p.others {
		group.Go(func() { other.Stop(stopGrace) })
	}
	group.Wait()
	p.others = nil
	if p.apiserver != nil {
		p.apiserver.Stop(stopGrace)
		p.apiserver = nil
	}
	p.http.CloseIdleConnections()
}

// close stops everything and gives the port back.
func (p *controlPlane) close() {
	p.stop()
	if p.etcd != nil {
		p.etcd.Stop(2 * stopGrace)
		p.etcd = nil
	}
	p.port.Close()
}

func roots(dir string) (*x509.CertPool, error) {
	authority, err := os.ReadFile(filepath.Join(dir, pki.CAFile))
	if err != nil {
		return nil, fmt.Errorf("read the cluster's authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("the cluster's authority is not a certificate")
	}
	return pool, nil
}

// listenAgain listens on the port that the cluster had, or on a new one if another program has it now.
func listenAgain(port int) (net.Listener, error) {
	if port != 0 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return l, nil
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on 127.0.0.1: %w", err)
	}
	return l, nil
}
