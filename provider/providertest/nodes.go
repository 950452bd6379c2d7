// SPDX-License-Identifier: Apache-2.0

package providertest

import (
	"slices"

	"sengu.dev/sengu/provider"
)

// nodes tells of a provider whose nodes Sengu moves.
func nodes(s *suite) {
	replacer, ok := s.Provider.(provider.NodeReplacer)
	if !ok {
		s.Skip("the provider does not replace single nodes")
	}
	pool := s.pool()
	s.story("a node newer than the control plane is refused", func(s *suite) {
		before := s.describe()
		newer := s.nextMinor()
		_, err := replacer.AddNode(s.ctx, provider.AddNodeRequest{Key: "newer-1", Pool: pool.Name, Version: newer})
		s.refused(err, provider.ErrRejected, provider.CodeSkewViolation)
		_, err = replacer.ReplaceNode(s.ctx, provider.ReplaceNodeRequest{Key: "newer-2", Pool: pool.Name, Node: pool.Nodes[0].Name, Version: newer})
		s.refused(err, provider.ErrRejected, provider.CodeSkewViolation)
		s.unchanged(before)
	})
	s.story("what does not exist is refused", func(s *suite) { refusesStrangers(s, replacer, pool) })
	target := s.raise()
	s.story("add makes exactly one node", func(s *suite) {
		request := provider.AddNodeRequest{Key: "add", Pool: pool.Name, Version: target}
		before := s.names(pool.Name)
		op, err := replacer.AddNode(s.ctx, request)
		again, againErr := replacer.AddNode(s.ctx, request)
		if err == nil && (againErr != nil || again.ID != op.ID) {
			s.Errorf("the repeated request was answered with %+v, %v, want operation %s", again, againErr, op.ID)
		}
		s.moved(before, pool.Name, s.succeed(op, err), "", target)
	})
	s.story("replace changes exactly that node", func(s *suite) {
		before, gone := s.names(pool.Name), pool.Nodes[0].Name
		op := s.succeed(replacer.ReplaceNode(s.ctx, provider.ReplaceNodeRequest{Key: "replace", Pool: pool.Name, Node: gone, Version: target}))
		s.moved(before, pool.Name, op, gone, target)
	})
	s.story("remove takes exactly that node", func(s *suite) {
		before, gone := s.names(pool.Name), pool.Nodes[1].Name
		s.succeed(replacer.RemoveNode(s.ctx, provider.RemoveNodeRequest{Key: "remove", Pool: pool.Name, Node: gone}))
		want := slices.DeleteFunc(slices.Clone(before), func(n string) bool { return n == gone })
		s.eventually("node "+gone+" alone is gone", func(d *provider.Description) bool { return slices.Equal(namesOf(poolOf(d, pool.Name)), want) })
	})
	s.story("a failing operation changes no node", func(s *suite) {
		if s.FailNext == nil {
			s.Skip("the harness cannot make an operation fail")
		}
		before := s.names(pool.Name)
		s.FailNext(s.T, provider.CodeQuotaExceeded, "there is no quota left for this")
		op := s.finish(replacer.AddNode(s.ctx, provider.AddNodeRequest{Key: "add-fails", Pool: pool.Name, Version: target}))
		if op.State != provider.OperationFailed || op.Code != provider.CodeQuotaExceeded {
			s.Errorf("the operation ended %s with %q, want Failed with %s", op.State, op.Code, provider.CodeQuotaExceeded)
		}
		if after := s.names(pool.Name); !slices.Equal(before, after) {
			s.Errorf("the nodes were %v and are %v", before, after)
		}
	})
}

func refusesStrangers(s *suite, replacer provider.NodeReplacer, pool provider.NodePool) {
	before := s.describe()
	_, err := replacer.ReplaceNode(s.ctx, provider.ReplaceNodeRequest{Key: "stranger-1", Pool: pool.Name, Node: "no-such-node", Version: pool.Version})
	s.refused(err, provider.ErrRejected, provider.CodeNodeNotFound)
	_, err = replacer.RemoveNode(s.ctx, provider.RemoveNodeRequest{Key: "stranger-2", Pool: pool.Name, Node: "no-such-node"})
	s.refused(err, provider.ErrRejected, provider.CodeNodeNotFound)
	_, err = replacer.AddNode(s.ctx, provider.AddNodeRequest{Key: "stranger-3", Pool: "no-such-pool", Version: pool.Version})
	s.refused(err, provider.ErrRejected, provider.CodeNodePoolNotFound)
	s.unchanged(before)
}

func (s *suite) names(pool string) []string {
	s.Helper()
	return namesOf(poolOf(s.describe(), pool))
}

func namesOf(p provider.NodePool) []string {
	var names []string
	for _, n := range p.Nodes {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	return names
}

// moved wants one new node, which the operation names, in the place of gone, all others as they were.
func (s *suite) moved(before []string, pool string, op *provider.Operation, gone, version string) {
	s.Helper()
	if op.Node == "" {
		s.Fatal("the operation does not name the new node")
	}
	want := append(slices.DeleteFunc(slices.Clone(before), func(n string) bool { return n == gone }), op.Node)
	slices.Sort(want)
	s.eventually("the nodes are as wanted, and the new one is Ready", func(d *provider.Description) bool {
		p := poolOf(d, pool)
		i := slices.IndexFunc(p.Nodes, func(n provider.Node) bool { return n.Name == op.Node })
		return i >= 0 && p.Nodes[i].Ready && p.Nodes[i].Version == version && slices.Equal(namesOf(p), want)
	})
}
