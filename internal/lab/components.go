// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sengu.dev/sengu/internal/lab/pki"
	"sengu.dev/sengu/internal/lab/process"
	"sengu.dev/sengu/internal/lab/release"
)

// startStorage starts etcd. Its sockets are files in the cluster's directory: nobody else on the machine can read
// the cluster's secrets through them, and no port is needed.
func (p *controlPlane) startStorage(ctx context.Context) error {
	for _, socket := range []string{etcdSocket, "peer.sock"} {
		_ = os.Remove(filepath.Join(p.dir, socket)) // left by a killed lab
	}
	started, err := p.run(p.binary, "etcd",
		"--name=lab", "--data-dir=etcd", "--log-level=warn",
		"--listen-client-urls=unix://"+etcdSocket, "--advertise-client-urls=unix://"+etcdSocket,
		"--listen-peer-urls=unix://peer.sock", "--initial-advertise-peer-urls=unix://peer.sock",
		"--initial-cluster=lab=unix://peer.sock",
		// A lab's data need not outlive a power cut.
		"--unsafe-no-fsync")
	if err != nil {
		return err
	}
	p.etcd = started
	return p.await(ctx, "etcd", started, func() bool {
		// The full path of a socket may be longer than the system allows, so the file alone is looked for; etcd makes
		// it when it is about to serve, and the API server waits for the rest.
		_, err := os.Stat(filepath.Join(p.dir, etcdSocket))
		return err == nil
	})
}

// start starts the control plane of a release on the data that is there; extra flags go to the API server.
func (p *controlPlane) start(ctx context.Context, r release.Release, extra ...string) error {
	binary, emulation := p.binary, []string(nil)
	if r.Genuine() {
		binary = r.Binary
	}
	if r.Emulate != "" {
		emulation = []string{"--emulated-version=" + r.Emulate}
	}
	arguments := append([]string{
		"--etcd-servers=unix://" + etcdSocket,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", p.port.Number),
		"--permit-port-sharing=true",
		"--tls-cert-file=" + pki.CertificateFile, "--tls-private-key-file=" + pki.KeyFile,
		"--token-auth-file=" + pki.TokenFile, "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + pki.ServiceAccountKeyFile, "--service-account-signing-key-file=" + pki.ServiceAccountKeyFile,
		"--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none",
		"--audit-policy-file=audit-policy.yaml", "--audit-log-path=" + auditLog,
		"--shutdown-delay-duration=0s", "--profiling=false",
	}, append(emulation, extra...)...)
	started, err := p.run(binary, "kube-apiserver", arguments...)
	if err != nil {
		return err
	}
	p.apiserver = started
	if err := p.await(ctx, "kube-apiserver", started, p.ready); err != nil {
		return err
	}
	return p.startOthers(binary, emulation)
}

// startOthers starts what works through the API server.
func (p *controlPlane) startOthers(binary string, emulation []string) error {
	// One process plays what many would do, so the limits for one are not the point here.
	common := append([]string{
		"--kube-api-qps=500", "--kube-api-burst=1000", "--leader-elect=false", "--secure-port=0", "--profiling=false",
	}, emulation...)
	for _, c := range []struct {
		binary, name string
		arguments    []string
	}{
		{binary, "kube-controller-manager", append([]string{
			"--kubeconfig=" + kubeconfigFile(pki.ControllerManager), "--root-ca-file=" + pki.CAFile,
			"--service-account-private-key-file=" + pki.ServiceAccountKeyFile,
		}, common...)},
		{binary, "kube-scheduler", append([]string{"--kubeconfig=" + kubeconfigFile(pki.Scheduler)}, common...)},
		{p.binary, "kwok", []string{
			"--kubeconfig=" + kubeconfigFile(pki.Kwok), "--config=stages.yaml", "--cidr=10.128.0.0/14", "--node-ip=127.0.0.1",
			"--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
			// A lease is held by one KWOK for 40 s after its end: the one of a restarted lab would have to wait.
			"--node-lease-duration-seconds=0",
		}},
	} {
		started, err := p.run(c.binary, c.name, c.arguments...)
		if err != nil {
			return err
		}
		p.others = append(p.others, part{started, c.name})
	}
	return nil
}

func (p *controlPlane) run(binary, name string, arguments ...string) (*process.Process, error) {
	started, err := process.Start(process.Spec{
		Path: binary, Arguments: append([]string{name}, arguments...), Dir: p.dir,
		Log: filepath.Join(p.dir, name+".log"), Record: p.record,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return started, nil
}

// await waits until a component is up, or has ended.
func (p *controlPlane) await(ctx context.Context, name string, started *process.Process, up func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !up() {
		select {
		case <-started.Done():
			return fmt.Errorf("%s did not start: %s", name, p.lastWords(name))
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%s is not ready after %s: see %s", name, startTimeout, filepath.Join(p.dir, name+".log"))
			}
			return ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
	return nil
}

// ready asks the API server itself.
func (p *controlPlane) ready() bool {
	request, err := http.NewRequest(http.MethodGet, "https://"+p.address()+"/readyz", nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+p.tokens[pki.Lab])
	response, err := p.http.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// lastWords is the last line that a component wrote, without the flags' help.
func (p *controlPlane) lastWords(name string) string {
	content, err := os.ReadFile(filepath.Join(p.dir, name+".log"))
	if err != nil {
		return "it left no log"
	}
	lines := strings.Split(string(bytes.TrimSpace(content)), "\n")
	line := lines[len(lines)-1]
	if _, reason, ok := strings.Cut(line, `err="`); ok {
		line = strings.TrimSuffix(reason, `"`)
	}
	return line
}
