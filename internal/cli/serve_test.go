// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"sengu.dev/sengu/internal/cli"
	"sengu.dev/sengu/internal/hub/hubtest"
)

func TestServeRunsUntilItIsInterrupted(t *testing.T) {
	s := newSession(t)
	ctx, interrupt := context.WithCancel(t.Context())
	var served cli.ServeOptions
	s.config.Serve = func(ctx context.Context, o cli.ServeOptions) error {
		served = o
		interrupt()
		<-ctx.Done()
		return ctx.Err()
	}
	r := s.run(ctx, "", "serve", "--data-dir", "/var/lib/sengu", "--port", "7443", "--controllers=false")
	if r.code != 0 || r.errOut != "" {
		t.Errorf("Ctrl-C is the normal end, but the exit code is %d: %s", r.code, r.errOut)
	}
	if served.DataDir != "/var/lib/sengu" || served.Port != 7443 || served.BindAddress != "127.0.0.1" || !served.NoControllers {
		t.Errorf("it was served with %+v", served)
	}
}

func TestServeTellsWhyItDied(t *testing.T) {
	s := newSession(t)
	for name, err := range map[string]error{
		"a full disk":              errors.New("the disk is full"),
		"a directory that is none": fmt.Errorf("make the data directory: %w", syscall.ENOTDIR),
		"a port in use":            fmt.Errorf("the hub cannot listen: %w", &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE}),
	} {
		s.config.Serve = func(context.Context, cli.ServeOptions) error { return err }
		if r := s.do("serve"); r.code != 1 || r.errOut != "error: "+err.Error()+"\n" {
			t.Errorf("%s: exit code %d: %s", name, r.code, r.errOut)
		}
	}
}

// TestTheKindsArePrinted as kubectl takes them: one document for each kind of the fleet.
func TestTheKindsArePrinted(t *testing.T) {
	out := newSession(t).must("hub kinds")
	documents := yaml.NewYAMLOrJSONDecoder(strings.NewReader(out), 4096)
	kinds := map[string]bool{}
	for {
		var d apiextensionsv1.CustomResourceDefinition
		if err := documents.Decode(&d); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kinds[d.Spec.Names.Kind] = true
	}
	for _, want := range []string{"Cluster", "ClusterUpgrade", "Gate", "MaintenanceCalendar", "UpgradePolicy", "UpgradeRun", "UpgradeStrategy", "Verification", "Waiver"} {
		if !kinds[want] {
			t.Errorf("%s is missing; there are %v", want, kinds)
		}
	}
	for _, want := range []string{"kind: MutatingAdmissionPolicy\n", "kind: ValidatingAdmissionPolicyBinding\n", "name: gate-decisions.sengu.dev\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing: anybody could decide in another's name", want)
		}
	}
}

func TestControllersGetTheHubOfTheKubeconfig(t *testing.T) {
	s := newSession(t)
	var given cli.ControllerOptions
	s.config.Controller = func(_ context.Context, o cli.ControllerOptions) error {
		given = o
		return nil
	}
	s.must("controller --leader-election --leader-election-lease-duration 30s --leader-election-namespace " + s.namespace)
	if given.Config.Host != hubtest.Hub(t).URL() || !given.LeaderElection || given.Namespace != s.namespace ||
		given.LeaseDuration != 30*time.Second || given.RenewDeadline != 10*time.Second || given.RetryPeriod != 2*time.Second {
		t.Errorf("the controllers were given %s and %+v", given.Config.Host, given)
	}
	if r := s.do("controller extra"); r.code != 2 || !strings.Contains(r.errOut, `takes no arguments, and "extra" is too much`) {
		t.Errorf("exit code %d: %s", r.code, r.errOut)
	}
}

// TestALeaseThatDoesNotHold is refused: with it two processes could work at once.
func TestALeaseThatDoesNotHold(t *testing.T) {
	s := newSession(t)
	s.config.Controller = func(context.Context, cli.ControllerOptions) error {
		t.Error("the controllers were started")
		return nil
	}
	for flags, want := range map[string]string{
		"--leader-election-retry-period 0s":                                         "has to be more than 0",
		"--leader-election-retry-period 8s":                                         "--leader-election-renew-deadline 10s has to be at least half as long again as --leader-election-retry-period 8s",
		"--leader-election-renew-deadline 15s":                                      "--leader-election-lease-duration 15s has to be longer than --leader-election-renew-deadline 15s",
		"--leader-election-lease-duration 10500ms":                                  "has to be whole seconds",
		"--leader-election-lease-duration 5s --leader-election-renew-deadline 2.5s": "half as long again",
	} {
		if r := s.do("controller --leader-election " + flags); r.code != 2 || !strings.Contains(r.errOut, want) {
			t.Errorf("%s: exit code %d, %q, want 2 and %q", flags, r.code, r.errOut, want)
		}
	}
}
