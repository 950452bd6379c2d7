// SPDX-License-Identifier: Apache-2.0

// Package fleet_test plays stories of a real fleet with the programs that people use: sengu as a process of its own,
// real control planes, real evictions, and faults where they hurt.
package fleet_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/lab"
	"sengu.dev/sengu/internal/lab/labtest"
	"sengu.dev/sengu/internal/labapi"
)

// patience is for a busy machine; nearly every wait is over within seconds.
const patience = 4 * time.Minute

// toNextMinor takes staging before production to 1.37, with a short soak between.
const toNextMinor = `
apiVersion: sengu.dev/v1alpha1
kind: UpgradeRun
metadata: {name: to-1-37}
spec:
  target: {kubernetes: "1.37"}
  clusterSelector: {matchExpressions: [{key: env, operator: In, values: [staging, production]}]}
  strategy:
    stages:
    - name: staging
      groups: [{name: all, selector: {matchLabels: {env: staging}}}]
      soak: {duration: 1s}
    - name: production
      groups: [{name: all, selector: {matchLabels: {env: production}}}]
`

// fleet is a lab, a hub as a process, and what a person types.
type fleet struct {
	t             *testing.T
	lab           *lab.Lab
	sengu         string
	dir           string
	hubKubeconfig string
	process       *exec.Cmd // sengu serve, or sengu controller
	ended         chan error
}

// newFleet starts a lab of a fleet file and a hub, and adds every cluster of the lab.
func newFleet(t *testing.T, definition string) *fleet {
	t.Helper()
	f := newLab(t, definition)
	f.serve()
	t.Cleanup(f.stop)
	clusters, err := f.lab.Client().Clusters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range clusters {
		names = append(names, c.Name)
	}
	f.addAll(names...)
	return f
}

// newLab starts a lab of a fleet file, and no hub.
func newLab(t *testing.T, definition string) *fleet {
	t.Helper()
	if testing.Short() {
		t.Skip("starts control planes")
	}
	f := &fleet{t: t, sengu: labtest.Program(t, "sengu"), dir: t.TempDir()}
	f.hubKubeconfig = f.path("hub/admin.kubeconfig")
	f.lab = labtest.StartIn(t, f.path("lab"), definition)
	connection, err := lab.ReadConnection(f.path("lab"))
	if err != nil {
		t.Fatal(err)
	}
	f.write("lab.token", []byte(connection.Token))
	return f
}

// addAll adds clusters of the lab and waits until they can be upgraded.
func (f *fleet) addAll(names ...string) {
	f.t.Helper()
	for _, name := range names {
		c, err := f.lab.Client().Cluster(f.t.Context(), name)
		if err != nil {
			f.t.Fatal(err)
		}
		f.add(name, "-L", "env="+c.Labels["env"])
	}
	for _, name := range names {
		f.until(name+" can be upgraded", func() bool { return f.condition(name, v1alpha1.ConditionReady) == metav1.ConditionTrue })
	}
}

// add adds a cluster of the lab to the fleet, as a person would; flags may set something else.
func (f *fleet) add(name string, flags ...string) {
	f.t.Helper()
	f.run(0, append([]string{"cluster", "add", name, "--provider", "local", "--lab-endpoint", f.lab.Endpoint(),
		"--lab-token-file", f.path("lab.token"), "--max-surge", "1", "--max-unavailable", "0"}, flags...)...)
}

func (f *fleet) path(name string) string { return filepath.Join(f.dir, name) }

// write writes a file that only this user can read, and returns its path.
func (f *fleet) write(name string, content []byte) string {
	f.t.Helper()
	if err := os.WriteFile(f.path(name), content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return f.path(name)
}

// serve starts the hub, with its controllers unless flags say otherwise, and waits until it is ready.
func (f *fleet) serve(flags ...string) {
	f.t.Helper()
	ready := f.start(append([]string{"serve", "--data-dir", f.path("hub")}, flags...)...)
	select {
	case line := <-ready:
		if !strings.Contains(line, "The hub is ready") {
			f.t.Fatalf("sengu serve ended: %v", <-f.ended)
		}
	case <-time.After(patience):
		f.t.Fatal("sengu serve is not ready")
	}
}

// start starts sengu in the background; the channel has its first line, "" when it ends without one.
func (f *fleet) start(args ...string) <-chan string {
	f.t.Helper()
	f.process = exec.Command(f.sengu, args...)
	out, err := f.process.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	f.process.Stderr = f.t.Output()
	if err := f.process.Start(); err != nil {
		f.t.Fatal(err)
	}
	first, ended, process := make(chan string, 1), make(chan error, 1), f.process
	f.ended = ended
	go func() {
		lines := bufio.NewReader(out)
		line, _ := lines.ReadString('\n')
		first <- line
		_, _ = io.Copy(io.Discard, lines)
		ended <- process.Wait()
	}()
	return first
}

// stop ends the process as Ctrl-C does.
func (f *fleet) stop() {
	f.t.Helper()
	_ = f.process.Process.Signal(os.Interrupt)
	select {
	case err := <-f.ended:
		if err != nil {
			f.t.Errorf("sengu ended with %v after Ctrl-C", err)
		}
	case <-time.After(patience):
		_ = f.process.Process.Kill()
		f.t.Error("sengu does not end after Ctrl-C")
	}
}

// kill ends the process as a power cut does: nothing of the process gets to say goodbye.
func (f *fleet) kill() {
	f.t.Helper()
	if err := f.process.Process.Kill(); err != nil {
		f.t.Fatal(err)
	}
	if err := <-f.ended; err == nil {
		f.t.Fatal("sengu ended well before it could be killed")
	}
}

// run runs a command of sengu on the hub and returns what it said, on both outputs.
func (f *fleet) run(wantCode int, args ...string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, f.sengu, append(args, "--kubeconfig", f.hubKubeconfig)...)
	said, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatalf("sengu %s: %v", strings.Join(args, " "), err)
	}
	if code := command.ProcessState.ExitCode(); code != wantCode {
		f.t.Fatalf("sengu %s: exit code %d, want %d; it said:\n%s", strings.Join(args, " "), code, wantCode, said)
	}
	return string(said)
}

// create creates the run, as a person would from a file.
func (f *fleet) create() {
	f.t.Helper()
	f.createAs("to-1-37")
}

// createAs creates it by another name.
func (f *fleet) createAs(name string) {
	f.t.Helper()
	f.run(0, "run", "create", "-f", f.write("run.yaml", []byte(strings.Replace(toNextMinor, "to-1-37", name, 1))))
}

// hubClient is a client of the hub's API. It is made anew each time: the hub may have been started again.
func (f *fleet) hubClient() client.Client {
	f.t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", f.hubKubeconfig)
	if err != nil {
		f.t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		f.t.Fatal(err)
	}
	c, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// condition of a cluster, and "" when it is not known.
func (f *fleet) condition(cluster, kind string) metav1.ConditionStatus {
	f.t.Helper()
	var c v1alpha1.Cluster
	if err := f.hubClient().Get(f.t.Context(), client.ObjectKey{Namespace: "default", Name: cluster}, &c); err != nil {
		return ""
	}
	for _, found := range c.Status.Conditions {
		if found.Type == kind {
			return found.Status
		}
	}
	return ""
}

// upgrade is the record of the work on a cluster; the zero value when there is none.
func (f *fleet) upgrade(cluster string) v1alpha1.ClusterUpgradeStatus {
	f.t.Helper()
	var u v1alpha1.ClusterUpgrade
	if err := f.hubClient().Get(f.t.Context(), client.ObjectKey{Namespace: "default", Name: "to-1-37-" + cluster}, &u); err != nil {
		return v1alpha1.ClusterUpgradeStatus{}
	}
	return u.Status
}

// untilDraining waits until a node of a cluster is being drained.
func (f *fleet) untilDraining(cluster string) {
	f.t.Helper()
	f.until("a node of "+cluster+" is drained", func() bool {
		for _, pool := range f.upgrade(cluster).NodePools {
			for _, n := range pool.Draining {
				if n.State == "Draining" {
					return true
				}
			}
		}
		return false
	})
}

func (f *fleet) until(what string, is func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// nodes of a cluster as its own API has them.
func (f *fleet) nodes(cluster string) []corev1.Node {
	f.t.Helper()
	cfg, err := clientcmd.RESTConfigFromKubeConfig(f.lab.Kubeconfig(cluster))
	if err != nil {
		f.t.Fatal(err)
	}
	list, err := kubernetes.NewForConfigOrDie(cfg).CoreV1().Nodes().List(f.t.Context(), metav1.ListOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return list.Items
}

// wantNothingLeft checks that no node is cordoned or marked by Sengu, and that all are on a version.
func (f *fleet) wantNothingLeft(cluster, version string) {
	f.t.Helper()
	for _, n := range f.nodes(cluster) {
		if n.Spec.Unschedulable || len(n.Spec.Taints) > 0 {
			f.t.Errorf("%s: node %s is cordoned (%t) or tainted (%v)", cluster, n.Name, n.Spec.Unschedulable, n.Spec.Taints)
		}
		for key := range n.Annotations {
			if strings.HasPrefix(key, "sengu.dev/") {
				f.t.Errorf("%s: node %s keeps the mark %s", cluster, n.Name, key)
			}
		}
		if got := n.Status.NodeInfo.KubeletVersion; got != "v"+version {
			f.t.Errorf("%s: node %s runs %s, want %s", cluster, n.Name, got, version)
		}
	}
}

// operations that the lab was asked for, by kind, without those that failed.
func (f *fleet) operations(cluster string) map[labapi.OperationKind]int {
	f.t.Helper()
	all, err := f.lab.Client().Operations(f.t.Context(), cluster)
	if err != nil {
		f.t.Fatal(err)
	}
	done := map[labapi.OperationKind]int{}
	for _, op := range all {
		if op.State == labapi.OperationSucceeded {
			done[op.Kind]++
		}
	}
	return done
}

func (f *fleet) inject(cluster string, faults ...labapi.Fault) {
	f.t.Helper()
	if err := f.lab.Client().SetFaults(f.t.Context(), cluster, faults...); err != nil {
		f.t.Fatal(err)
	}
}

// wantSaid checks that a text holds some words.
func wantSaid(t *testing.T, said string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("it does not say %q:\n%s", w, said)
		}
	}
}

// definition of a fleet: each name is a cluster of two nodes with a budget that lets one pod of four go at a time.
func definition(clusters ...string) string {
	text := "nodes: {replaceDelay: 500ms}\nclusters:\n"
	for _, c := range clusters {
		name, env, _ := strings.Cut(c, "/")
		text += fmt.Sprintf(`- name: %s
  version: "1.36"
  labels: {env: %s}
  nodePools:
  - {name: user, count: 2}
  workloads:
  - {kind: Deployment, name: web, namespace: shop, replicas: 4, pdb: {maxUnavailable: 1}, startDelay: 1s, stopDelay: 1s}
`, name, env)
	}
	return text
}
