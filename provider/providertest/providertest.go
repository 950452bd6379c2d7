// SPDX-License-Identifier: Apache-2.0

// Package providertest is the contract of package provider as a test suite. Every provider runs it against whatever
// stands in for its cloud: an emulator, a recorded one, a lab.
//
//	func TestContract(t *testing.T) {
//		providertest.Run(t, providertest.Harness{New: func(t *testing.T) providertest.Cluster { ... }})
//	}
package providertest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/version"

	"sengu.dev/sengu/provider"
)

// patience is how long one call may take.
const patience = 30 * time.Second

// Harness makes the clusters that the suite works on.
type Harness struct {
	// New makes a cluster of its own: a pool of at least two nodes, all idle and Ready, on a version from which
	// the next minor is offered. The suite calls it five times, as a real cluster may take minutes to make.
	New func(t *testing.T) Cluster
}

// Cluster is one cluster with the means to play with its world. What is nil cannot be played, and its subtests are
// skipped; Provider and Settle are required.
type Cluster struct {
	// Provider under test.
	Provider provider.Provider
	// Settle returns when done has become true: it moves virtual time on, or waits. It fails the test when that takes
	// too long.
	Settle func(t *testing.T, done func() bool)
	// FailNext makes the next operation fail with a code and a message.
	FailNext func(t *testing.T, code, message string)
	// Outage makes the provider's API stop answering, or answer again.
	Outage func(t *testing.T, on bool)
	// Intruder is a handle on the same cluster with credentials that are wrong.
	Intruder provider.Provider
	// Secrets must be in no error's text.
	Secrets []string
}

// Run runs the suite. Capabilities that the provider does not have are skipped.
func Run(t *testing.T, h Harness) {
	t.Run("reading", func(t *testing.T) { reading(open(t, h)) })
	t.Run("control plane", func(t *testing.T) { controlPlane(open(t, h)) })
	t.Run("failure", func(t *testing.T) { failure(open(t, h)) })
	t.Run("node pools", func(t *testing.T) { nodePools(open(t, h)) })
	t.Run("nodes", func(t *testing.T) { nodes(open(t, h)) })
}

// suite is one cluster in the middle of its story.
type suite struct {
	*testing.T
	Cluster
	ctx context.Context
}

func open(t *testing.T, h Harness) *suite {
	t.Helper()
	s := &suite{T: t, Cluster: h.New(t), ctx: t.Context()}
	if s.Provider == nil || s.Settle == nil {
		t.Fatal("the harness gave no Provider or no Settle")
	}
	return s
}

// story is a subtest on the same cluster.
func (s *suite) story(name string, tell func(s *suite)) bool {
	return s.Run(name, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		tell(&suite{T: t, Cluster: s.Cluster, ctx: ctx})
	})
}

// describe that must succeed.
func (s *suite) describe() *provider.Description {
	s.Helper()
	d, err := s.Provider.Describe(s.ctx)
	if err != nil {
		s.Fatalf("Describe: %v", err)
	}
	return d
}

// pool that the node stories work on: the one with the most nodes.
func (s *suite) pool() provider.NodePool {
	s.Helper()
	d := s.describe()
	if len(d.NodePools) == 0 {
		s.Fatal("the cluster has no node pool")
	}
	return slices.MaxFunc(d.NodePools, func(a, b provider.NodePool) int { return len(a.Nodes) - len(b.Nodes) })
}

// unchanged ends a story that must not have changed anything.
func (s *suite) unchanged(before *provider.Description) {
	s.Helper()
	if diff := cmp.Diff(before, s.describe()); diff != "" {
		s.Errorf("the cluster changed (-before +after):\n%s", diff)
	}
}

// finish waits for the end of an operation and returns it.
func (s *suite) finish(op *provider.Operation, err error) *provider.Operation {
	s.Helper()
	if err != nil {
		s.Fatalf("the start of the operation: %v", err)
	}
	if op.ID == "" {
		s.Fatalf("the operation has no id: %+v", op)
	}
	last := op
	s.Settle(s.T, func() bool {
		now, err := s.Provider.Operation(s.T.Context(), op.ID)
		if err != nil {
			s.Fatalf("Operation(%q): %v", op.ID, err)
		}
		last = now
		return now.Done()
	})
	s.sane(last)
	return last
}

// succeed waits for the good end of an operation.
func (s *suite) succeed(op *provider.Operation, err error) *provider.Operation {
	s.Helper()
	last := s.finish(op, err)
	if last.State != provider.OperationSucceeded {
		s.Fatalf("the operation ended %s: %s: %s", last.State, last.Code, last.Message)
	}
	return last
}

// sane checks what holds for every operation.
func (s *suite) sane(op *provider.Operation) {
	s.Helper()
	if op.PercentComplete < -1 || op.PercentComplete > 100 {
		s.Errorf("PercentComplete is %d, want -1 to 100", op.PercentComplete)
	}
	if !op.FinishedAt.IsZero() && op.FinishedAt.Before(op.StartedAt) {
		s.Errorf("the operation finished at %s before it started at %s", op.FinishedAt, op.StartedAt)
	}
	if op.State == provider.OperationSucceeded && (op.Code != "" || op.Message != "") {
		s.Errorf("the operation succeeded and has code %q and message %q", op.Code, op.Message)
	}
}

// refused checks the kind and the code of an error; no codes: any.
func (s *suite) refused(err error, kind error, codes ...string) {
	s.Helper()
	_ = s.refusal(err, kind, codes...)
}

// refusal is refused, and returns the error for more checks.
func (s *suite) refusal(err error, kind error, codes ...string) *provider.Error {
	s.Helper()
	if err == nil {
		s.Fatalf("no error, want one that is %q with %v", kind, codes)
	}
	e, ok := errors.AsType[*provider.Error](err)
	if !ok {
		s.Fatalf("%v is no *provider.Error", err)
	}
	if !errors.Is(err, kind) {
		s.Errorf("the error %q is not of the kind %q", err, kind)
	}
	if len(codes) > 0 && !slices.Contains(codes, e.Code) {
		s.Errorf("the error %q has the code %s, want one of %v", err, e.Code, codes)
	}
	if strings.TrimSpace(e.Message) == "" {
		s.Errorf("the error %q says nothing to a person", err)
	}
	s.secretless(err.Error())
	return e
}

func (s *suite) secretless(text string) {
	s.Helper()
	for _, secret := range s.Secrets {
		if secret != "" && strings.Contains(text, secret) {
			s.Error("a secret is in an error's text")
		}
	}
}

// parse reads an exact version without a leading v.
func (s *suite) parse(what, text string) *version.Version {
	s.Helper()
	v, err := version.ParseSemantic(text)
	if err != nil || strings.HasPrefix(text, "v") {
		s.Fatalf("%s is %q, want a version such as 1.36.1", what, text)
	}
	return v
}
