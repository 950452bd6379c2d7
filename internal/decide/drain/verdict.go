// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"fmt"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
)

// stuckAfter is how long a pod may outlive its grace period on a node that reports: the kubelet kills at the end
// of the grace and then needs a few seconds to unmount volumes and to tell; after 30 s somebody must look.
const stuckAfter = 30 * time.Second

// verdict says what can be done about one pod now.
type verdict struct {
	pod   *Pod
	guard *guard // the budget that guards it; nil: none
	fate  fate
	// needs a unit of the guard; then it may go only as long as the guard has any left.
	needs bool
	// reason why it may go, for people, or why it may not, a constant of the API.
	reason string
	// until when the verdict holds without an event; zero: until an event.
	until time.Time
}

type fate int

const (
	stays   fate = iota // a drain does not move it
	gone                // nothing of it is left that a drain must wait for
	ending              // it is on its way
	blocked             // it may not go now
	mayGo               // it may go, if there is a unit for it where it needs one
)

// judge follows the order of the checks in the eviction subresource of Kubernetes 1.37, so that what it lets go is
// what the API grants.
func judge(p *Pod, nodeReady bool, g *guards, now time.Time) verdict {
	v := verdict{pod: p}
	switch {
	case p.DaemonSet || p.Mirror:
		v.fate = stays
		return v
	case !p.DeletionAt.IsZero():
		return judgeEnding(v, nodeReady, now)
	}
	several := v.findGuard(g)
	switch {
	case p.Evicting:
		v.fate, v.reason = ending, v1alpha1.ReasonTerminating
		if v.needs && !v.guard.Disrupted[p.Name] {
			v.guard.left-- // granted, and the status in hand does not know yet
		}
	case several:
		v.fate, v.reason, v.needs = blocked, v1alpha1.ReasonSeveralBudgets, false
	case p.RefusedUntil.After(now):
		v.fate, v.reason, v.until = blocked, v1alpha1.ReasonEvictionRefused, p.RefusedUntil
	case v.needs && !v.guard.Observed:
		v.fate, v.reason = blocked, v1alpha1.ReasonBudgetNotObserved
	case v.needs:
		v.fate = mayGo
	default:
		v.fate, v.reason = mayGo, whyFree(p, v.guard)
	}
	return v
}

// findGuard notes the budget that guards the pod and whether the pod needs a unit of it; or it says that there are
// several.
func (v *verdict) findGuard(g *guards) (several bool) {
	if v.pod.Finished || v.pod.Pending {
		return false // the API looks at no budget, not even at how many there are
	}
	v.guard, several = g.of(v.pod)
	v.needs = v.guard != nil && !unhealthyMayGo(v.pod, v.guard)
	return several
}

// judgeEnding judges a pod whose deletion has begun.
func judgeEnding(v verdict, nodeReady bool, now time.Time) verdict {
	end := v.pod.DeletionAt
	switch {
	case !nodeReady && !now.Before(end):
		// Nobody can confirm its end: the kubelet is dead. Were it only cut off, it would have killed the pod by now.
		v.fate = gone
	case nodeReady && now.After(end.Add(stuckAfter)):
		v.fate, v.reason = blocked, v1alpha1.ReasonStuckTerminating
	default:
		v.fate, v.reason, v.until = ending, v1alpha1.ReasonTerminating, end
	}
	return v
}

// unhealthyMayGo says whether a pod that is not Ready may go without a unit of its budget.
func unhealthyMayGo(p *Pod, g *guard) bool {
	if p.Ready {
		return false
	}
	return g.AlwaysAllowUnhealthy || (g.Healthy >= g.Desired && g.Desired > 0)
}

// whyFree is the reason for people why a pod needs no unit of a budget.
func whyFree(p *Pod, g *guard) string {
	switch {
	case p.Finished:
		return "it has finished"
	case p.Pending:
		return "it has not started"
	case g == nil:
		return "no budget guards it"
	case g.AlwaysAllowUnhealthy:
		return fmt.Sprintf("it is not Ready, and budget %s always lets such pods go", g.key)
	default:
		return fmt.Sprintf("it is not Ready, and budget %s has its %d healthy pods without it", g.key, g.Desired)
	}
}

// since is when the pod was first seen blocked.
func (v *verdict) since(now time.Time) time.Time {
	if v.pod.BlockedSince.IsZero() {
		return now
	}
	return v.pod.BlockedSince
}

// blockers are the verdicts as people see them; nil for none.
func blockers(verdicts []*verdict, now time.Time) []Blocker {
	if len(verdicts) == 0 {
		return nil
	}
	out := make([]Blocker, len(verdicts))
	for i, v := range verdicts {
		out[i] = Blocker{Pod: v.pod.Namespace + "/" + v.pod.Name, Reason: v.reason, Since: v.since(now), Until: v.until}
		if v.guard != nil {
			out[i].Budget, out[i].Healthy, out[i].Desired = v.guard.key, v.guard.Healthy, v.guard.Desired
		}
	}
	return out
}
