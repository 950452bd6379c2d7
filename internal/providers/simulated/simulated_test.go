// SPDX-License-Identifier: Apache-2.0

package simulated_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/providers/simulated"
	"sengu.dev/sengu/provider"
)

// play is one cluster of a world whose time the test turns.
type play struct {
	*testing.T
	provider.Provider
	clock *clocktesting.FakeClock
	world *simulated.World
}

const key = "default/c1"

func begins(t *testing.T, spec v1alpha1.SimulatedProvider) play {
	t.Helper()
	clock := clocktesting.NewFakeClock(begin)
	world := simulated.NewWorld(simulated.Config{Clock: clock})
	if spec.Version == "" {
		spec.Version = "1.36.1"
	}
	return play{T: t, Provider: world.Open(key, spec), clock: clock, world: world}
}

func (p play) describe() *provider.Description {
	p.Helper()
	d, err := p.Describe(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	return d
}

// after turns the clock to an instant after the beginning.
func (p play) after(d time.Duration) { p.clock.SetTime(begin.Add(d)) }

// lookAgain is how long after the beginning the provider wants to be looked at again.
func (p play) lookAgain() string {
	next := p.Provider.(provider.Pacer).LookAgain(p.clock.Now())
	if next.IsZero() {
		return "never"
	}
	return next.Sub(begin).String()
}

func (p play) upgrade(key, version string) *provider.Operation {
	p.Helper()
	op, err := p.StartUpgrade(p.Context(), provider.UpgradeRequest{Key: key, Version: version})
	if err != nil {
		p.Fatal(err)
	}
	return op
}

func TestAClusterBeginsWithItsDefaults(t *testing.T) {
	p := begins(t, v1alpha1.SimulatedProvider{Region: "japaneast"})
	node := func(name string) provider.Node {
		return provider.Node{Name: name, Version: "1.36.1", Image: "simulated-1.36.1-1", Ready: true}
	}
	want := &provider.Description{
		ControlPlaneVersion: "1.36.1", State: provider.ControlPlaneRunning, StateText: "Running", Region: "japaneast",
		NodePools: []provider.NodePool{{
			Name: "user", Mode: "User", Version: "1.36.1", Image: "simulated-1.36.1-1", Desired: 3,
			Nodes: []provider.Node{node("user-1"), node("user-2"), node("user-3")},
		}},
	}
	if diff := cmp.Diff(want, p.describe()); diff != "" {
		t.Errorf("Describe (-want +got):\n%s", diff)
	}
	if got := p.lookAgain(); got != "never" {
		t.Errorf("an idle cluster is looked at again after %s", got)
	}
}

func TestOffers(t *testing.T) {
	for version, want := range map[string][]string{
		"1.36.1": {"1.36.2", "1.36.3", "1.36.4", "1.37.0", "1.37.1", "1.37.2", "1.38.0", "1.38.1", "1.38.2", "1.39.0", "1.39.1", "1.39.2"},
		"1.36.9": {"1.37.0", "1.37.1", "1.37.2", "1.38.0", "1.38.1", "1.38.2", "1.39.0", "1.39.1", "1.39.2"},
	} {
		o, err := begins(t, v1alpha1.SimulatedProvider{Version: version}).Offers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		images := []string{"simulated-" + version + "-1"}
		for _, v := range o.Kubernetes {
			got, images = append(got, v.Version), append(images, "simulated-"+v.Version+"-1")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("versions offered to %s (-want +got):\n%s", version, diff)
		}
		if diff := cmp.Diff(images, o.Images); diff != "" {
			t.Errorf("images offered to %s (-want +got):\n%s", version, diff)
		}
	}
}

func TestAControlPlaneUpgradeTakesItsTime(t *testing.T) {
	for at, want := range map[time.Duration]struct {
		version string
		state   provider.ControlPlaneState
		percent int
		look    string
	}{
		time.Second:                   {"1.36.1", provider.ControlPlaneUpgrading, 0, "1m41s"},
		51 * time.Second:              {"1.36.1", provider.ControlPlaneUpgrading, 50, "1m41s"},
		101*time.Second - 1:           {"1.36.1", provider.ControlPlaneUpgrading, 99, "1m41s"},
		101 * time.Second:             {"1.37.0", provider.ControlPlaneRunning, 100, "never"},
		101*time.Second + 5*time.Hour: {"1.37.0", provider.ControlPlaneRunning, 100, "never"},
	} {
		q := begins(t, v1alpha1.SimulatedProvider{ControlPlaneDuration: &metav1.Duration{Duration: 100 * time.Second}})
		q.after(time.Second)
		op := q.upgrade("k", "1.37.0")
		q.after(at)
		d := q.describe()
		now, err := q.Operation(t.Context(), op.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d.ControlPlaneVersion != want.version || d.State != want.state || now.PercentComplete != want.percent {
			t.Errorf("after %s: %s %s at %d %%, want %s %s at %d %%", at, d.ControlPlaneVersion, d.State, now.PercentComplete, want.version, want.state, want.percent)
		}
		if got := q.lookAgain(); got != want.look {
			t.Errorf("after %s: look again at %s, want %s", at, got, want.look)
		}
		if want.percent == 100 && !now.FinishedAt.Equal(begin.Add(101*time.Second)) {
			t.Errorf("after %s: finished at %s, want the exact end", at, now.FinishedAt)
		}
	}
}

func TestAPoolUpgradeMovesAsManyNodesAsItMay(t *testing.T) {
	for name, tc := range map[string]struct {
		nodes              int32
		surge, unavailable int
		soak               time.Duration
		want               time.Duration
		wantOut            int
	}{
		"one by one":               {nodes: 3, surge: 1, want: 12 * time.Minute},
		"two at a time":            {nodes: 5, surge: 1, unavailable: 1, want: 12 * time.Minute, wantOut: 1},
		"all missing":              {nodes: 4, unavailable: 4, want: 4 * time.Minute, wantOut: 4},
		"more surge than nodes":    {nodes: 2, surge: 10, want: 4 * time.Minute},
		"neither: one by one":      {nodes: 2, want: 8 * time.Minute, wantOut: 1},
		"soaking after each batch": {nodes: 2, surge: 1, soak: time.Minute, want: 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			p := begins(t, v1alpha1.SimulatedProvider{Nodes: tc.nodes})
			p.upgrade("cp", "1.37.1")
			p.after(10 * time.Minute)
			op, err := p.Provider.(provider.NodePoolUpgrader).StartNodePoolUpgrade(t.Context(), provider.NodePoolUpgradeRequest{
				Key: "pool", Pool: "user", Version: "1.37.1", MaxSurge: tc.surge, MaxUnavailable: tc.unavailable, NodeSoak: tc.soak,
			})
			if err != nil {
				t.Fatal(err)
			}
			out := 0
			for _, n := range p.describe().NodePools[0].Nodes {
				if !n.Ready {
					out++
				}
			}
			if out != tc.wantOut {
				t.Errorf("%d nodes are not Ready at first, want %d", out, tc.wantOut)
			}
			p.after(10*time.Minute + tc.want - 1)
			if now, _ := p.Operation(t.Context(), op.ID); now.Done() {
				t.Errorf("it ended before %s", tc.want)
			}
			p.after(10*time.Minute + tc.want)
			if now, _ := p.Operation(t.Context(), op.ID); now.State != provider.OperationSucceeded {
				t.Errorf("it is %s after %s, want Succeeded", now.State, tc.want)
			}
			for _, n := range p.describe().NodePools[0].Nodes {
				if n.Version != "1.37.1" || n.Image != "simulated-1.37.1-1" || !n.Ready {
					t.Errorf("node %+v is not renewed", n)
				}
			}
		})
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		style string
		start func(ctx context.Context, p provider.Provider) error
		want  string
	}{
		"a node five minors behind": {"Sengu", add(provider.AddNodeRequest{Key: "k", Pool: "user", Version: "1.31.0"}), provider.CodeSkewViolation},
		"a patch that is not there": {"Sengu", add(provider.AddNodeRequest{Key: "k", Pool: "user", Version: "1.35.77"}), provider.CodeUnknownVersion},
		"an unknown image":          {"Sengu", add(provider.AddNodeRequest{Key: "k", Pool: "user", Version: "1.36.1", Image: "ubuntu"}), provider.CodeUnknownImage},
		"an image with a tail":      {"Sengu", add(provider.AddNodeRequest{Key: "k", Pool: "user", Version: "1.36.1", Image: "simulated-1.36.1-1x"}), provider.CodeUnknownImage},
		"no key":                    {"Sengu", add(provider.AddNodeRequest{Pool: "user", Version: "1.36.1"}), simulated.CodeBadRequest},
		"a version with a v":        {"", to("v1.37.0"), provider.CodeUnknownVersion},
		"a version with zeros":      {"", to("1.37.00"), provider.CodeUnknownVersion},
		"three minors":              {"", to("1.39.0"), provider.CodeSkippedMinor},
		"an older patch":            {"", to("1.36.0"), provider.CodeDowngrade},
		"an older major":            {"", to("0.99.0"), provider.CodeDowngrade},
		"a newer major":             {"", to("2.0.0"), provider.CodeUnknownVersion},
	} {
		t.Run(name, func(t *testing.T) {
			p := begins(t, v1alpha1.SimulatedProvider{NodeStyle: tc.style})
			err := tc.start(t.Context(), p.Provider)
			if !errors.Is(err, provider.ErrRejected) || provider.CodeOf(err) != tc.want {
				t.Errorf("got %v, want a rejection with %s", err, tc.want)
			}
			if ops := p.world.Cluster(key).Operations(); len(ops) != 0 {
				t.Errorf("operations %+v, want none", ops)
			}
		})
	}
}

func add(r provider.AddNodeRequest) func(context.Context, provider.Provider) error {
	return func(ctx context.Context, p provider.Provider) error {
		_, err := p.(provider.NodeReplacer).AddNode(ctx, r)
		return err
	}
}

func to(version string) func(context.Context, provider.Provider) error {
	return func(ctx context.Context, p provider.Provider) error {
		_, err := p.StartUpgrade(ctx, provider.UpgradeRequest{Key: "k", Version: version})
		return err
	}
}

func TestAControlPlaneDoesNotLeaveItsNodesBehind(t *testing.T) {
	p := begins(t, v1alpha1.SimulatedProvider{Version: "1.33.1"})
	for i, version := range []string{"1.34.0", "1.35.0", "1.36.0"} {
		p.upgrade(version, version)
		p.after(time.Duration(i+1) * 10 * time.Minute)
	}
	err := to("1.37.0")(t.Context(), p.Provider)
	if provider.CodeOf(err) != provider.CodeSkewViolation {
		t.Errorf("nodes on 1.33 under 1.37: got %v, want %s", err, provider.CodeSkewViolation)
	}
}

func TestScriptedFailures(t *testing.T) {
	p := begins(t, v1alpha1.SimulatedProvider{Failures: []v1alpha1.SimulatedFailure{
		{Operation: "ControlPlane", Times: 2, Code: "QuotaExceeded", Message: "no quota"},
		{Operation: "Describe", Times: 1, Code: "Unauthorized", Message: "the token is wrong"},
		{Operation: "Describe", Times: 1},
	}})
	if _, err := p.Describe(t.Context()); !errors.Is(err, provider.ErrRejected) || provider.CodeOf(err) != provider.CodeUnauthorized {
		t.Errorf("first look: %v, want a rejection with Unauthorized", err)
	}
	if _, err := p.Describe(t.Context()); !errors.Is(err, provider.ErrRetry) || provider.CodeOf(err) != simulated.CodeSimulatedFailure {
		t.Errorf("second look: %v, want a retry with %s", err, simulated.CodeSimulatedFailure)
	}
	p.describe()
	for i, want := range []provider.OperationState{provider.OperationFailed, provider.OperationFailed, provider.OperationSucceeded} {
		op := p.upgrade(fmt.Sprint("try-", i), "1.37.0")
		if op.Code != "" || op.Message != "" {
			t.Errorf("try %d tells its failure %s before it fails", i, op.Code)
		}
		p.after(time.Duration(i+1) * 10 * time.Minute)
		if op, _ = p.Operation(t.Context(), op.ID); op.State != want {
			t.Errorf("try %d ended %s, want %s", i, op.State, want)
		}
	}
	want := []simulated.OperationRecord{
		{ID: "op-1", Key: "try-0", Kind: "ControlPlane", State: provider.OperationFailed, Code: "QuotaExceeded", Message: "no quota", StartedAt: begin, FinishedAt: begin.Add(10 * time.Minute)},
		{ID: "op-2", Key: "try-1", Kind: "ControlPlane", State: provider.OperationFailed, Code: "QuotaExceeded", Message: "no quota", StartedAt: begin.Add(10 * time.Minute), FinishedAt: begin.Add(20 * time.Minute)},
		{ID: "op-3", Key: "try-2", Kind: "ControlPlane", State: provider.OperationSucceeded, StartedAt: begin.Add(20 * time.Minute), FinishedAt: begin.Add(30 * time.Minute)},
	}
	if diff := cmp.Diff(want, p.world.Cluster(key).Operations()); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
}

func TestAFailureWithoutTimesIsForGood(t *testing.T) {
	p := begins(t, v1alpha1.SimulatedProvider{Failures: []v1alpha1.SimulatedFailure{{Operation: "Describe"}}})
	for range 3 {
		if _, err := p.Describe(t.Context()); err == nil {
			t.Error("Describe succeeded")
		}
	}
}

func TestAKeyOpensTheSameClusterAgain(t *testing.T) {
	p := begins(t, v1alpha1.SimulatedProvider{})
	p.upgrade("k", "1.37.0")
	p.after(time.Hour)
	again := p.world.Open(key, v1alpha1.SimulatedProvider{Version: "1.30.0", NodeStyle: "Sengu"})
	d, err := again.Describe(t.Context())
	if err != nil || d.ControlPlaneVersion != "1.37.0" {
		t.Errorf("opened again: %+v, %v, want the cluster on 1.37.0", d, err)
	}
	if p.world.Cluster("default/other") != nil {
		t.Error("a cluster that was never opened exists")
	}
}

func TestAVersionThatIsNoneIsSaidAndCanBeCorrected(t *testing.T) {
	p := begins(t, v1alpha1.SimulatedProvider{Version: "99999999999999999999.1.1"})
	if _, err := p.Describe(t.Context()); !errors.Is(err, provider.ErrRejected) || provider.CodeOf(err) != provider.CodeUnknownVersion {
		t.Errorf("got %v, want a rejection with %s", err, provider.CodeUnknownVersion)
	}
	if _, err := p.world.Open(key, v1alpha1.SimulatedProvider{Version: "1.36.0"}).Describe(t.Context()); err != nil {
		t.Errorf("after the correction: %v", err)
	}
}

func TestARestoredWorldGoesOn(t *testing.T) {
	for _, style := range []string{"", "Sengu"} {
		p := begins(t, v1alpha1.SimulatedProvider{NodeStyle: style, Failures: []v1alpha1.SimulatedFailure{{Operation: "Node", Times: 3}}})
		op := p.upgrade("k", "1.37.0")
		p.after(time.Minute)
		saved, err := p.world.State()
		if err != nil {
			t.Fatal(err)
		}
		restored := simulated.NewWorld(simulated.Config{Clock: p.clock})
		if err := restored.Restore(saved); err != nil {
			t.Fatal(err)
		}
		p.after(time.Hour)
		q := play{T: t, Provider: restored.Open(key, v1alpha1.SimulatedProvider{}), clock: p.clock, world: restored}
		if diff := cmp.Diff(p.describe(), q.describe()); diff != "" {
			t.Errorf("restored (-went on +restored):\n%s", diff)
		}
		if again := q.upgrade("k", "1.37.0"); again.ID != op.ID {
			t.Errorf("the repeated request is operation %s, want %s", again.ID, op.ID)
		}
		both := make([]string, 2)
		for i, w := range []*simulated.World{p.world, restored} {
			data, err := w.State()
			if err != nil {
				t.Fatal(err)
			}
			both[i] = string(data)
		}
		if both[0] != both[1] {
			t.Errorf("the states differ:\n%s\n%s", both[0], both[1])
		}
		if _, sengu := q.Provider.(provider.NodeReplacer); sengu != (style == "Sengu") {
			t.Errorf("the node style %q was lost", style)
		}
	}
	if err := simulated.NewWorld(simulated.Config{}).Restore([]byte("{")); err == nil {
		t.Error("a broken state was restored")
	}
}

func TestLookAgainShowsWhatHappenedSinceTheCallersNow(t *testing.T) {
	p := begins(t, v1alpha1.SimulatedProvider{})
	p.upgrade("k", "1.37.0")
	pacer := p.Provider.(provider.Pacer)
	early := begin.Add(10*time.Minute - time.Second)
	p.after(10*time.Minute + time.Second)
	if next := pacer.LookAgain(p.clock.Now()); !next.After(p.clock.Now()) || next.Sub(p.clock.Now()) > time.Millisecond {
		t.Errorf("an end that nobody has seen yet is looked at at %s, want at once", next)
	}
	p.describe() // by somebody else
	if next := pacer.LookAgain(early); !next.Equal(begin.Add(10 * time.Minute)) {
		t.Errorf("a caller that looked at %s is told %s, want the instant of the change", early, next)
	}
}

func TestManyUseOneClusterAtOnce(t *testing.T) {
	p := begins(t, v1alpha1.SimulatedProvider{NodeStyle: "Sengu", Nodes: 20})
	var users sync.WaitGroup
	ids := make([]string, 32)
	for i := range ids {
		users.Go(func() {
			op, err := p.Provider.(provider.NodeReplacer).ReplaceNode(t.Context(), provider.ReplaceNodeRequest{
				Key: fmt.Sprint("replace-", i%16), Pool: "user", Node: fmt.Sprintf("user-%d", i%16+1), Version: "1.36.1"})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = op.ID
			if _, err := p.Describe(t.Context()); err != nil {
				t.Error(err)
			}
			p.lookAgain()
		})
	}
	users.Wait()
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 16 {
		t.Errorf("%d operations, want 16", n)
	}
	p.after(time.Hour)
	if n := len(p.describe().NodePools[0].Nodes); n != 20 {
		t.Errorf("%d nodes after all, want 20", n)
	}
}

func BenchmarkDescribe(b *testing.B) {
	for _, nodes := range []int32{3, 100, 5000} {
		b.Run(fmt.Sprintf("%d nodes", nodes), func(b *testing.B) {
			world := simulated.NewWorld(simulated.Config{Clock: clocktesting.NewFakeClock(begin)})
			p := world.Open(key, v1alpha1.SimulatedProvider{Version: "1.36.1", Nodes: nodes})
			if _, err := p.StartUpgrade(b.Context(), provider.UpgradeRequest{Key: "k", Version: "1.37.0"}); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Describe(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
