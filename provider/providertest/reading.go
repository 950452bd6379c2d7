// SPDX-License-Identifier: Apache-2.0

package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"k8s.io/client-go/tools/clientcmd"

	"sengu.dev/sengu/provider"
)

// reading are the stories that leave the cluster as it is.
func reading(s *suite) {
	s.story("describes a running cluster", describesCluster)
	s.story("offers versions that can be read, the next minor among them", offersVersions)
	s.story("many may look at the same time", looksConcurrently)
	s.story("an unknown operation is rejected", func(s *suite) {
		_, err := s.Provider.Operation(s.ctx, "no-such-operation")
		s.refused(err, provider.ErrRejected, provider.CodeOperationNotFound)
	})
	s.story("a version that makes no sense is rejected and changes nothing", refusesVersions)
	s.story("a canceled context is what is returned", returnsContextError)
	s.story("an outage is a retry and ends", survivesOutage)
	s.story("wrong credentials are rejected", func(s *suite) {
		if s.Intruder == nil {
			s.Skip("the harness has no intruder")
		}
		_, err := s.Intruder.Describe(s.ctx)
		s.refused(err, provider.ErrRejected, provider.CodeUnauthorized)
	})
	s.story("credentials work and are in no error", issuesCredentials)
}

func describesCluster(s *suite) {
	d := s.describe()
	s.parse("the control plane's version", d.ControlPlaneVersion)
	if d.State != provider.ControlPlaneRunning {
		s.Errorf("the control plane is %s (%s), want Running", d.State, d.StateText)
	}
	if d.BusyWith != "" {
		s.Errorf("the cluster is busy with %s though nothing was asked of it", d.BusyWith)
	}
	pools, names := map[string]bool{}, map[string]bool{}
	for _, p := range d.NodePools {
		if p.Name == "" || pools[p.Name] {
			s.Errorf("the name %q of a pool is empty or used twice", p.Name)
		}
		pools[p.Name] = true
		if p.Mode != "System" && p.Mode != "User" {
			s.Errorf("the mode of pool %s is %q, want System or User", p.Name, p.Mode)
		}
		s.parse("the version of pool "+p.Name, p.Version)
		if len(p.Nodes) != p.Desired {
			s.Errorf("pool %s has %d nodes and wants %d", p.Name, len(p.Nodes), p.Desired)
		}
		for _, n := range p.Nodes {
			if n.Name == "" || names[n.Name] {
				s.Errorf("the name %q of a node is empty or used twice", n.Name)
			}
			names[n.Name] = true
			s.parse("the version of node "+n.Name, n.Version)
			if !n.Ready {
				s.Errorf("node %s is not Ready", n.Name)
			}
		}
	}
	if len(names) < 2 {
		s.Errorf("the harness made a cluster of %d nodes, want 2 at least", len(names))
	}
}

func offersVersions(s *suite) {
	o, err := s.Provider.Offers(s.ctx)
	if err != nil {
		s.Fatalf("Offers: %v", err)
	}
	seen := map[string]bool{}
	for _, v := range o.Kubernetes {
		s.parse("an offered version", v.Version)
		if seen[v.Version] {
			s.Errorf("%s is offered twice", v.Version)
		}
		seen[v.Version] = true
	}
	if slices.Contains(o.Images, "") {
		s.Error("an offered image has no name")
	}
	s.nextMinor()
}

// offered versions that differ from the control plane's own by some minors, in the order of the offer.
func (s *suite) offered(minors int) []string {
	s.Helper()
	current := s.parse("the control plane's version", s.describe().ControlPlaneVersion)
	o, err := s.Provider.Offers(s.ctx)
	if err != nil {
		s.Fatalf("Offers: %v", err)
	}
	var found []string
	for _, v := range o.Kubernetes {
		if parsed := s.parse("an offered version", v.Version); int(parsed.Minor())-int(current.Minor()) == minors {
			found = append(found, v.Version)
		}
	}
	return found
}

// nextMinor is an offered version of the next minor.
func (s *suite) nextMinor() string {
	s.Helper()
	next := s.offered(1)
	if len(next) == 0 {
		s.Fatal("no version of the next minor is offered: the harness must make a cluster that can be upgraded")
	}
	return next[len(next)-1]
}

func refusesVersions(s *suite) {
	current := s.parse("the control plane's version", s.describe().ControlPlaneVersion)
	minor := func(difference int) string {
		if offered := s.offered(difference); len(offered) > 0 {
			return offered[0]
		}
		return fmt.Sprintf("%d.%d.0", current.Major(), int(current.Minor())+difference)
	}
	for name, refusal := range map[string]struct {
		version string
		codes   []string
	}{
		"a skipped minor":           {minor(2), []string{provider.CodeSkippedMinor, provider.CodeUnknownVersion}},
		"a downgrade":               {minor(-1), []string{provider.CodeDowngrade, provider.CodeUnknownVersion}},
		"a patch that is not there": {fmt.Sprintf("%d.%d.4711", current.Major(), current.Minor()), []string{provider.CodeUnknownVersion}},
		"a word":                    {"newest", []string{provider.CodeUnknownVersion}},
		"nothing":                   {"", []string{provider.CodeUnknownVersion}},
	} {
		before := s.describe()
		op, err := s.Provider.StartUpgrade(s.ctx, provider.UpgradeRequest{Key: "refused-" + name, Version: refusal.version})
		if err == nil {
			s.Errorf("%s (%q) was accepted as operation %s", name, refusal.version, op.ID)
			continue
		}
		s.refused(err, provider.ErrRejected, refusal.codes...)
		s.unchanged(before)
	}
	if skipped := s.offered(2); len(skipped) > 0 {
		_, err := s.Provider.StartUpgrade(s.ctx, provider.UpgradeRequest{Key: "skips", Version: skipped[0]})
		s.refused(err, provider.ErrRejected, provider.CodeSkippedMinor)
	}
}

func returnsContextError(s *suite) {
	before, version := s.describe(), s.nextMinor()
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	for name, call := range map[string]func() error{
		"Describe":  func() error { _, err := s.Provider.Describe(ctx); return err },
		"Offers":    func() error { _, err := s.Provider.Offers(ctx); return err },
		"Operation": func() error { _, err := s.Provider.Operation(ctx, "any"); return err },
		"StartUpgrade": func() error {
			_, err := s.Provider.StartUpgrade(ctx, provider.UpgradeRequest{Key: "canceled", Version: version})
			return err
		},
	} {
		if err := call(); !errors.Is(err, context.Canceled) || provider.CodeOf(err) != "" {
			s.Errorf("%s returned %v, want the context's error", name, err)
		}
	}
	s.unchanged(before)
}

func looksConcurrently(s *suite) {
	before := s.describe()
	var looks sync.WaitGroup
	for range 16 {
		looks.Go(func() {
			d, err := s.Provider.Describe(s.ctx)
			if err != nil {
				s.Errorf("Describe: %v", err)
				return
			}
			d.NodePools[0].Nodes[0].Name = "changed by its reader" // each answer is its reader's own
			if _, err := s.Provider.Offers(s.ctx); err != nil {
				s.Errorf("Offers: %v", err)
			}
		})
	}
	looks.Wait()
	s.unchanged(before)
}

func survivesOutage(s *suite) {
	if s.Outage == nil {
		s.Skip("the harness cannot play an outage")
	}
	before := s.describe()
	s.Outage(s.T, true)
	_, err := s.Provider.Describe(s.ctx)
	s.refused(err, provider.ErrRetry)
	_, err = s.Provider.StartUpgrade(s.ctx, provider.UpgradeRequest{Key: "outage", Version: before.ControlPlaneVersion})
	s.refused(err, provider.ErrRetry)
	s.Outage(s.T, false)
	s.unchanged(before)
}

func issuesCredentials(s *suite) {
	issuer, ok := s.Provider.(provider.CredentialIssuer)
	if !ok {
		s.Skip("the provider issues no credentials")
	}
	c, err := issuer.Credentials(s.ctx)
	if err != nil {
		s.Fatalf("Credentials: %v", err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(c.Kubeconfig)
	if err != nil {
		s.Fatalf("the kubeconfig cannot be used: %v", err)
	}
	s.reaches(config)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if _, err := issuer.Credentials(ctx); err == nil || !errors.Is(err, context.Canceled) {
		s.Errorf("Credentials returned %v, want the context's error", err)
	}
	if s.Outage == nil {
		return
	}
	s.Outage(s.T, true)
	_, err = issuer.Credentials(s.ctx)
	s.Outage(s.T, false)
	s.Secrets = append(s.Secrets, config.BearerToken, string(config.KeyData), string(c.Kubeconfig))
	s.refused(err, provider.ErrRetry)
}
