// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"sengu.dev/sengu/internal/lab/labtest"
	"sengu.dev/sengu/internal/labapi"
)

// This package does not import cli: linking all of Kubernetes into the test would cost more than running the
// program that is there anyway.

// sengu runs the program and returns what it wrote and its exit code.
func sengu(t *testing.T, stdin string, arguments ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, failed bytes.Buffer
	command := exec.Command(labtest.Binary(t), arguments...)
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &out, &failed
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), failed.String(), command.ProcessState.ExitCode()
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wrong := filepath.Join(dir, "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("clusters:\n- size: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	strange := t.TempDir()
	if err := os.WriteFile(filepath.Join(strange, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Join(dir, "fresh")
	for name, c := range map[string]struct {
		arguments []string
		wantCode  int
		wantError string
	}{
		"an unknown command":                 {[]string{"fly"}, 2, `unknown command "fly"`},
		"an unknown flag":                    {[]string{"up", "--fast"}, 2, "unknown flag"},
		"too many arguments":                 {[]string{"down", "now"}, 2, "wrong number of arguments"},
		"a fault without a cluster":          {[]string{"inject"}, 2, "name a cluster and a fault"},
		"kubectl without a cluster":          {[]string{"kubectl", "get", "pods"}, 2, "name the cluster"},
		"a version that is none":             {[]string{"build", "latest"}, 2, "not a version"},
		"an unknown output":                  {[]string{"status", "-o", "xml"}, 2, "json, yaml or wide"},
		"no lab runs":                        {[]string{"status", "--dir", dir}, 1, "no lab runs in " + dir + ": start one with sengu-lab up"},
		"a fleet file that is missing":       {[]string{"up", "--dir", dir, "-f", filepath.Join(dir, "none")}, 1, "no such file"},
		"a fleet file that is wrong":         {[]string{"up", "--dir", dir, "-f", wrong}, 2, "line 2: clusters[0].size: there is no such field"},
		"a wrong file for the background":    {[]string{"up", "--detach", "--dir", fresh, "-f", wrong}, 2, "line 2: clusters[0].size: there is no such field"},
		"a strange directory":                {[]string{"up", "--dir", strange}, 1, "holds thesis.txt and is not the directory of a lab"},
		"a strange one for the background":   {[]string{"up", "--detach", "--dir", strange}, 1, "holds thesis.txt and is not the directory of a lab"},
		"flags of a fault that is not named": {[]string{"inject", "one", "--pool", "user"}, 2, "name the fault"},
		"a newer release":                    {[]string{"build", "1.99.0"}, 1, "newer than"},
		"down of a strange directory":        {[]string{"down", "--dir", "/"}, 1, "not the directory of a lab"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := sengu(t, "", c.arguments...)
			if code != c.wantCode || !strings.Contains(stderr, c.wantError) {
				t.Errorf("code %d with %q and %q, want code %d with %q", code, stderr, stdout, c.wantCode, c.wantError)
			}
			if _, err := os.Stat(fresh); !os.IsNotExist(err) {
				t.Errorf("the refusal left a directory: %v", err)
			}
		})
	}
}

func TestHelpShowsExamplesAndHidesComponents(t *testing.T) {
	stdout, _, code := sengu(t, "", "--help")
	if code != 0 || !strings.Contains(stdout, "sengu-lab inject canary-1") || strings.Contains(stdout, "kube-apiserver") {
		t.Errorf("code %d, help:\n%s", code, stdout)
	}
	if stdout, _, _ := sengu(t, "", "inject", "--list"); strings.Count(stdout, "\n") != len(labapi.FaultKinds()) {
		t.Errorf("inject --list:\n%s", stdout)
	}
	if strings.Contains(stdout, "--version=raw") {
		t.Errorf("the help tells of a flag of Kubernetes:\n%s", stdout)
	}
	if stdout, _, code := sengu(t, "", "--version"); code != 0 || !strings.HasPrefix(stdout, "sengu-lab version ") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("--version: code %d: %s", code, stdout)
	}
	for typed, want := range map[string]string{
		"status -o": "wide\n", "inject one operation-fails --operation": "ReplaceNode\n", "inject one": "api-cut\t", "inject --list -o": "yaml\n",
	} {
		if stdout, _, _ := sengu(t, "", append([]string{"__complete"}, append(strings.Fields(typed), "")...)...); !strings.Contains(stdout, want) {
			t.Errorf("the shell offers after %q:\n%s", typed, stdout)
		}
	}
	if stdout, _, code := sengu(t, "", "completion", "bash"); code != 0 || !strings.Contains(stdout, "sengu-lab") {
		t.Errorf("completion: code %d, %d bytes", code, len(stdout))
	}
	if stdout, _, code := sengu(t, "", "version"); code != 0 || !strings.Contains(stdout, "Kubernetes 1.36.0: emulated by 1.37.2") {
		t.Errorf("version: code %d: %s", code, stdout)
	}
}

// person works with the lab of one directory.
type person struct {
	*testing.T
	dir string
}

// run runs a command that must succeed.
func (p person) run(stdin string, arguments ...string) string {
	p.Helper()
	stdout, stderr, code := sengu(p.T, stdin, append([]string{"--dir", p.dir}, arguments...)...)
	if code != 0 {
		p.Fatalf("sengu-lab %s: code %d: %s%s", strings.Join(arguments, " "), code, stdout, stderr)
	}
	return stdout
}

// reads checks that what a command says holds all the words.
func (p person) reads(said string, words ...string) {
	p.Helper()
	for _, word := range words {
		if !strings.Contains(said, word) {
			p.Errorf("%q is missing in:\n%s", word, said)
		}
	}
}

// TestLabFromTheCommandLine walks through the life of a detached lab as a person does.
func TestLabFromTheCommandLine(t *testing.T) {
	t.Parallel()
	p := person{T: t, dir: filepath.Join(t.TempDir(), "lab")}
	t.Cleanup(func() { _, _, _ = sengu(t, "", "down", "--dir", p.dir) })
	p.reads(p.run(`{clusters: [{name: one, version: "1.36", nodePools: [{name: user, count: 1}]}]}`, "up", "--detach", "-f", "-"),
		"starting one: API server ready after", "the lab runs in the background")
	looksAround(p)
	addsACluster(p)
	injectsFaults(p)
	log, err := os.ReadFile(filepath.Join(p.dir, "lab.log"))
	if err != nil || strings.Contains(string(log), "Ctrl-C") {
		t.Errorf("the log of a lab without a terminal: %v, %s", err, log)
	}
	if _, stderr, code := sengu(t, "", "--dir", p.dir, "up", "--detach"); code != 1 || !strings.Contains(stderr, "another lab runs in "+p.dir) {
		t.Errorf("a second lab in the background of the directory: code %d, %s", code, stderr)
	}
	if after, err := os.ReadFile(filepath.Join(p.dir, "lab.log")); err != nil || !bytes.Equal(log, after) {
		t.Errorf("the log of the lab after the refusal of another: %v, %s", err, after)
	}
	if _, stderr, code := sengu(t, "", "--dir", p.dir, "up"); code != 1 || !strings.Contains(stderr, "another lab runs in "+p.dir) {
		t.Errorf("a second lab in the directory: code %d, %s", code, stderr)
	}
	p.run("", "down")
	if _, err := os.Stat(p.dir); !os.IsNotExist(err) {
		t.Errorf("the directory after down: %v", err)
	}
}

func looksAround(p person) {
	p.reads(p.run("", "status"), "one", "1.36.0", "Running")
	p.reads(p.run("", "status", "-o", "wide"), "lab-linux", "https://127.0.0.1:")
	var clusters []labapi.Cluster
	if err := json.Unmarshal([]byte(p.run("", "status", "-o", "json")), &clusters); err != nil || len(clusters) != 1 {
		p.Errorf("status -o json: %v, %v", clusters, err)
	}
	if got := p.run("", "kubectl", "--cluster", "one", "get", "nodes", "-o", "name"); got != "node/user-0001\n" {
		p.Errorf("kubectl says %q", got)
	}
	if _, _, code := sengu(p.T, "", "kubectl", "--dir", p.dir, "--cluster=one", "get", "unicorns"); code != 1 {
		p.Errorf("a kubectl that fails ends with %d, want its own 1", code)
	}
	info, err := os.Stat(filepath.Join(p.dir, "lab.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		p.Errorf("the connection file: %v, %v, want mode 0600", info, err)
	}
}

func addsACluster(p person) {
	p.run("{name: two, version: '1.35', nodePools: [{name: user, count: 1}]}", "cluster", "create", "-f", "-")
	config, err := clientcmd.Load([]byte(p.run("", "kubeconfig")))
	if err != nil || len(config.Contexts) != 2 || len(config.AuthInfos) != 2 {
		p.Errorf("the merged kubeconfig: %v, %v", config.Contexts, err)
	}
	p.run("", "cluster", "delete", "two")
	if got := p.run("", "cluster", "list"); strings.Contains(got, "two") {
		p.Errorf("after the deletion: %s", got)
	}
}

func injectsFaults(p person) {
	p.run("", "inject", "one", "api-errors", "--code", "500", "--times", "1")
	p.run("", "inject", "one", "quota-exceeded", "--pool", "user")
	p.reads(p.run("", "inject", "one"), "api-errors", "quota-exceeded")
	var left []labapi.Fault
	if err := json.Unmarshal([]byte(p.run("", "inject", "one", "-o", "json")), &left); err != nil || len(left) != 2 {
		p.Errorf("inject -o json: %v, %v", left, err)
	}
	if _, stderr, code := sengu(p.T, "", "--dir", p.dir, "inject", "one", "api-hangs", "--times", "2"); code != 2 || !strings.Contains(stderr, "it takes seconds") {
		p.Errorf("a fault with a flag that is not its own: code %d, %s", code, stderr)
	}
	p.run("", "inject", "one", "--clear")
	p.reads(p.run("", "inject", "one"), "no fault")
}
