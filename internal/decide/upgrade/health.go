// SPDX-License-Identifier: Apache-2.0

package upgrade

import (
	"fmt"
	"slices"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/versionpath"
)

// verifyTimeout is how long a cluster may take to be healthy before and after a step. Nodes that lost their control
// plane report again within a minute, and pods of the system that restart with it need a few; 10 min is no accident.
const verifyTimeout = 10 * time.Minute

// verify waits until the cluster serves on what a stop made of it. It is made even where nothing had to be done:
// success means healthy.
func (p *pass) verify(s planned) progress {
	if p.s.MemberProblem != nil && p.s.MemberProblem.Kind == ProblemRejected {
		p.withoutMember()
		return failed
	}
	if s.kind == stepVerifyNodes && p.s.Member != nil && !p.uncordonOurs() {
		p.waitFor(v1alpha1.ReasonVerifying, "nodes are being uncordoned", time.Time{})
		return waits
	}
	if missing := p.missingVersion(s); missing != "" {
		return p.await(s, v1alpha1.ReasonVerifying, v1alpha1.ReasonVerifyTimeout, missing)
	}
	return p.awaitHealth(s, v1alpha1.ReasonVerifyTimeout)
}

// missingVersion says what is not on the stop's version yet; empty: all is.
func (p *pass) missingVersion(s planned) string {
	if s.stop.version != "" && versionpath.Compare(p.s.Provider.Version, s.stop.version) < 0 {
		return fmt.Sprintf("the control plane runs %s and should run %s", p.s.Provider.Version, s.stop.version)
	}
	if s.kind != stepVerifyNodes || !s.stop.last() {
		return ""
	}
	for _, pool := range p.s.Provider.Pools {
		t := p.target(s.stop, pool)
		for _, n := range pool.Nodes {
			if t.old(p.versionOf(n), p.imageOf(n)) {
				return fmt.Sprintf("node %s of pool %s is not on the target", n.Name, pool.Name)
			}
		}
	}
	return ""
}

// awaitHealth waits until the cluster is healthy, up to verifyTimeout after the step began.
func (p *pass) awaitHealth(s planned, timeoutReason string) progress {
	reason, missing := p.unhealthy()
	if missing == "" {
		return succeeded
	}
	if s.kind != stepPreflight {
		reason = v1alpha1.ReasonVerifying
	}
	return p.await(s, reason, timeoutReason, missing)
}

func (p *pass) await(s planned, reason, timeoutReason, missing string) progress {
	deadline := p.step(s.name()).StartedAt.Add(verifyTimeout)
	if p.tooLate(deadline) {
		p.fail(s.name(), timeoutReason, fmt.Sprintf("the cluster was not healthy within %s: %s", verifyTimeout, missing))
		return failed
	}
	again := p.now.Add(pollEvery)
	if deadline.Before(p.now) {
		deadline = again // this first look after a while was not the last
	}
	p.waitFor(reason, missing, deadline)
	p.lookAt(again)
	return waits
}

// unhealthy says what keeps the cluster from being healthy; an empty message: nothing.
func (p *pass) unhealthy() (reason, message string) {
	if !p.s.Provider.Running {
		return v1alpha1.ReasonControlPlaneNotRunning, fmt.Sprintf("the control plane is %s", p.s.Provider.State)
	}
	if p.s.MemberProblem != nil {
		return v1alpha1.ReasonMemberUnreachable, "the cluster's API cannot be used: " + says(p.s.MemberProblem.Message, p.s.MemberProblem.Code)
	}
	var notReady []string
	for _, pool := range p.s.Provider.Pools {
		for _, n := range pool.Nodes {
			if !p.nodeServes(n) {
				notReady = append(notReady, n.Name)
			}
		}
	}
	if len(notReady) == 0 {
		return "", ""
	}
	slices.Sort(notReady)
	return v1alpha1.ReasonNodesNotReady, "not Ready: " + listed(notReady)
}

// nodeServes says whether a node is as it should be. One that is not Ready and that somebody else has cordoned is out
// of service on purpose.
func (p *pass) nodeServes(n ProviderNode) bool {
	if p.s.Member == nil {
		return n.Ready
	}
	m := p.members[n.Name]
	if m == nil {
		return false
	}
	return m.Ready || (m.Cordoned && !m.CordonedByUs)
}

// withoutProvider says why nothing moves while the provider does not answer. Evictions of nodes in hand go on: they
// need only the cluster's own API.
func (p *pass) withoutProvider() {
	problem := p.s.ProviderProblem
	if problem == nil {
		problem = &Problem{Kind: ProblemRetry, Message: "it was not asked"}
	}
	message := says(problem.Message, problem.Code)
	if problem.Kind == ProblemRejected {
		p.fail(p.currentStep(), problem.Code, message)
		return
	}
	if p.s.Member != nil && p.aim() == aimWork {
		p.drainInHand()
	}
	p.wait = nil // that the provider is away is what a person must know
	p.backOff(v1alpha1.ReasonProviderUnreachable, "the provider does not answer: "+message, problem.Until, lastBackoff)
}

// currentStep is the step in hand, or the first that there is.
func (p *pass) currentStep() string {
	if p.st.CurrentStep != "" {
		return p.st.CurrentStep
	}
	if hops := p.s.Upgrade.Spec.Hops; len(hops) > 0 {
		return hops[0] + "/" + string(stepPreflight)
	}
	return stopNodeImage + "/" + string(stepPreflight)
}

// withoutMember waits for the cluster's own API, or fails when a person must act.
func (p *pass) withoutMember() {
	problem := p.s.MemberProblem
	if problem == nil {
		problem = &Problem{Kind: ProblemRetry, Message: "it was not asked"}
	}
	message := says(problem.Message, problem.Code)
	if problem.Kind == ProblemRejected && p.aim() == aimWork {
		p.fail(p.currentStep(), problem.Code, message)
		return
	}
	p.backOff(v1alpha1.ReasonMemberUnreachable, "the cluster's API cannot be used: "+message, problem.Until, pollEvery)
}
