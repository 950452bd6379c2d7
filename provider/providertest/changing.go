// SPDX-License-Identifier: Apache-2.0

package providertest

import (
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"sengu.dev/sengu/provider"
)

// reaches asks the cluster's own API for its version.
func (s *suite) reaches(config *rest.Config) {
	s.Helper()
	config.Timeout = patience
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		s.Fatalf("the kubeconfig cannot be used: %v", err)
	}
	if _, err := client.ServerVersion(); err != nil {
		s.Errorf("the cluster's API does not answer with the issued credentials: %v", err)
	}
}

// controlPlane tells one upgrade from its start to its end.
func controlPlane(s *suite) {
	target := s.nextMinor()
	request := provider.UpgradeRequest{Key: "upgrade-1", Version: target}
	var first *provider.Operation
	started := s.story("starts once, though it is asked for several times at once, and says so", func(s *suite) {
		var op *provider.Operation
		for _, answer := range s.together(request) {
			if answer.err != nil {
				s.Fatalf("StartUpgrade: %v", answer.err)
			}
			if op == nil {
				op = answer.op
			}
			if answer.op.ID != op.ID {
				s.Errorf("the same request started operations %s and %s", op.ID, answer.op.ID)
			}
		}
		first = op
		s.sane(op)
		if d := s.describe(); op.State == provider.OperationRunning && d.BusyWith != op.ID {
			s.Errorf("the cluster is busy with %q, want %s", d.BusyWith, op.ID)
		}
	})
	if !started {
		return
	}
	s.story("another request waits for it", func(s *suite) {
		_, err := s.Provider.StartUpgrade(s.ctx, provider.UpgradeRequest{Key: "upgrade-2", Version: target})
		e := s.refusal(err, provider.ErrWait, provider.CodeOperationInProgress)
		if e.OperationID != first.ID {
			s.Errorf("the error names operation %q, want %s", e.OperationID, first.ID)
		}
	})
	s.story("the same request is the same operation", func(s *suite) { s.same(first, request) })
	s.story("its key cannot be used for another request", func(s *suite) {
		_, err := s.Provider.StartUpgrade(s.ctx, provider.UpgradeRequest{Key: request.Key, Version: s.describe().ControlPlaneVersion + "0"})
		s.refused(err, provider.ErrRejected, provider.CodeRequestKeyReused)
	})
	s.story("ends on the version", func(s *suite) {
		s.succeed(first, nil)
		s.eventually("the control plane runs on "+target, func(d *provider.Description) bool {
			return d.ControlPlaneVersion == target && d.State == provider.ControlPlaneRunning && d.BusyWith == ""
		})
	})
	s.story("the same request is the same operation after its end, too", func(s *suite) {
		before := s.describe()
		s.same(first, request)
		s.unchanged(before)
	})
}

// eventually waits for a description: what an operation did may show a moment after its end.
func (s *suite) eventually(what string, holds func(*provider.Description) bool) {
	s.Helper()
	var last *provider.Description
	defer func() {
		if s.Failed() {
			s.Logf("waited until %s; the last description was %+v", what, last)
		}
	}()
	s.Settle(s.T, func() bool {
		d, err := s.Provider.Describe(s.T.Context())
		if err != nil {
			s.Fatalf("Describe: %v", err)
		}
		last = d
		return holds(d)
	})
}

// answer to a request.
type answer struct {
	op  *provider.Operation
	err error
}

// together makes the same request several times at once, while others look.
func (s *suite) together(r provider.UpgradeRequest) []answer {
	answers := make([]answer, 4)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i].op, answers[i].err = s.Provider.StartUpgrade(s.ctx, r) })
		all.Go(func() {
			if _, err := s.Provider.Describe(s.ctx); err != nil {
				s.Errorf("Describe: %v", err)
			}
		})
	}
	all.Wait()
	return answers
}

// same repeats a request and wants the same operation.
func (s *suite) same(first *provider.Operation, r provider.UpgradeRequest) {
	s.Helper()
	op, err := s.Provider.StartUpgrade(s.ctx, r)
	if err != nil || op.ID != first.ID {
		s.Errorf("the repeated request was answered with %+v, %v, want operation %s", op, err, first.ID)
	}
}

// failure tells of an operation that fails, and of the way on.
func failure(s *suite) {
	if s.FailNext == nil {
		s.Skip("the harness cannot make an operation fail")
	}
	target := s.nextMinor()
	before := s.describe()
	s.FailNext(s.T, provider.CodeQuotaExceeded, "there is no quota left for this")
	told := s.story("its code and message are told", func(s *suite) {
		op := s.finish(s.Provider.StartUpgrade(s.ctx, provider.UpgradeRequest{Key: "fails", Version: target}))
		if op.State != provider.OperationFailed || op.Code != provider.CodeQuotaExceeded || !strings.Contains(op.Message, "no quota left") {
			s.Errorf("the operation ended %s with %q: %q, want Failed with %s and its message", op.State, op.Code, op.Message, provider.CodeQuotaExceeded)
		}
	})
	if !told {
		return
	}
	s.story("the cluster can still be described", func(s *suite) {
		s.eventually("the cluster is not busy", func(d *provider.Description) bool { return d.BusyWith == "" })
		if d := s.describe(); d.ControlPlaneVersion != before.ControlPlaneVersion {
			s.Errorf("the control plane is on %s, want still %s", d.ControlPlaneVersion, before.ControlPlaneVersion)
		}
	})
	s.story("the same request is still the failed operation", func(s *suite) {
		op, err := s.Provider.StartUpgrade(s.ctx, provider.UpgradeRequest{Key: "fails", Version: target})
		if err != nil || op.State != provider.OperationFailed {
			s.Errorf("the repeated request was answered with %+v, %v, want the failed operation", op, err)
		}
	})
	s.story("a new request succeeds", func(s *suite) {
		s.succeed(s.Provider.StartUpgrade(s.ctx, provider.UpgradeRequest{Key: "again", Version: target}))
	})
}

// raise upgrades the control plane, so that nodes can follow.
func (s *suite) raise() string {
	s.Helper()
	target := s.nextMinor()
	s.succeed(s.Provider.StartUpgrade(s.T.Context(), provider.UpgradeRequest{Key: "raise", Version: target}))
	s.eventually("the control plane runs on "+target, func(d *provider.Description) bool {
		return d.ControlPlaneVersion == target && d.State == provider.ControlPlaneRunning
	})
	return target
}

// nodePools tells of a provider that moves the nodes itself.
func nodePools(s *suite) {
	upgrader, ok := s.Provider.(provider.NodePoolUpgrader)
	if !ok {
		s.Skip("the provider does not upgrade node pools")
	}
	pool := s.pool()
	request := provider.NodePoolUpgradeRequest{
		Key: "pool", Pool: pool.Name, Version: s.nextMinor(), MaxSurge: 1, DrainTimeout: time.Minute,
	}
	s.story("nodes newer than the control plane are refused", func(s *suite) {
		before := s.describe()
		_, err := upgrader.StartNodePoolUpgrade(s.ctx, request)
		s.refused(err, provider.ErrRejected, provider.CodeSkewViolation, provider.CodeUnknownVersion)
		s.unchanged(before)
	})
	s.story("an unknown pool is refused", func(s *suite) {
		unknown := request
		unknown.Pool, unknown.Version = "no-such-pool", pool.Version
		_, err := upgrader.StartNodePoolUpgrade(s.ctx, unknown)
		s.refused(err, provider.ErrRejected, provider.CodeNodePoolNotFound)
	})
	request.Version = s.raise()
	s.story("all nodes move", func(s *suite) {
		op, err := upgrader.StartNodePoolUpgrade(s.ctx, request)
		again, againErr := upgrader.StartNodePoolUpgrade(s.ctx, request)
		if err == nil && (againErr != nil || again.ID != op.ID) {
			s.Errorf("the repeated request was answered with %+v, %v, want operation %s", again, againErr, op.ID)
		}
		s.succeed(op, err)
		s.eventually("every node runs on "+request.Version, func(d *provider.Description) bool {
			now := poolOf(d, pool.Name)
			return len(now.Nodes) == pool.Desired && now.Version == request.Version &&
				!slices.ContainsFunc(now.Nodes, func(n provider.Node) bool { return n.Version != request.Version || !n.Ready })
		})
	})
}

func poolOf(d *provider.Description, name string) provider.NodePool {
	i := slices.IndexFunc(d.NodePools, func(p provider.NodePool) bool { return p.Name == name })
	if i < 0 {
		return provider.NodePool{}
	}
	return d.NodePools[i]
}
