// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/gate"
)

// maxDecisions is how many decisions the API keeps in a gate.
const maxDecisions = 32

// Approval is what goes with an approval.
type Approval struct {
	// At which instant it is given.
	At time.Time
	// Comment for the record; may be empty.
	Comment string
	// NoFailures lets it count only while no cluster of the run has failed.
	NoFailures bool
	// NotAfter lets it count only when the run has come to the gate by then; zero: whenever that is.
	NotAfter time.Time
}

// GetGate reads a gate.
func GetGate(ctx context.Context, c client.Client, key types.NamespacedName) (*v1alpha1.Gate, error) {
	g := &v1alpha1.Gate{}
	return g, get(ctx, c, key, g, "gate")
}

// FindGate finds the gate of a run by its path: STAGE/GATE or STAGE/GROUP/GATE. Of one before and one after the place
// that have the same path, it is the one that the run has come to.
func FindGate(ctx context.Context, c client.Client, run types.NamespacedName, path string) (*v1alpha1.Gate, error) {
	gates, err := gatesOf(ctx, c, run)
	if err != nil {
		return nil, err
	}
	var found []*v1alpha1.Gate
	var paths []string
	for _, g := range gates {
		p := pathOf(g)
		paths = append(paths, p)
		if p == path {
			found = append(found, g)
		}
	}
	if asked := slices.DeleteFunc(slices.Clone(found), func(g *v1alpha1.Gate) bool { return !pending(g) }); len(asked) == 1 {
		found = asked
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		slices.Sort(paths)
		return nil, &Error{Kind: ErrNotFound, Sentence: "run " + quote(run.Name) + " has no gate " + quote(path) + ": it has " + cmp.Or(strings.Join(slices.Compact(paths), ", "), "none")}
	}
	return nil, refused("run %q has two gates %q: name one of them, %s or %s", run.Name, path, found[0].Name, found[1].Name)
}

// GatePaths are the paths of a run's gates that begin with a prefix; none when the run cannot be read.
func GatePaths(ctx context.Context, c client.Client, run types.NamespacedName, prefix string) []string {
	gates, err := gatesOf(ctx, c, run)
	if err != nil {
		return nil
	}
	var paths []string
	for _, g := range gates {
		if p := pathOf(g); strings.HasPrefix(p, prefix) {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// PendingApproval is the one approval that a run waits for. It says no when there is none, or more than one.
func PendingApproval(ctx context.Context, c client.Client, run types.NamespacedName) (*v1alpha1.Gate, error) {
	gates, err := gatesOf(ctx, c, run)
	if err != nil {
		return nil, err
	}
	var asked, later []*v1alpha1.Gate
	for _, g := range gates {
		switch {
		case g.Spec.Type != v1alpha1.GateTypeApproval || decided(g):
		case pending(g):
			asked = append(asked, g)
		default:
			later = append(later, g)
		}
	}
	switch {
	case len(asked) == 1:
		return asked[0], nil
	case len(asked) > 1:
		return nil, refused("run %q waits for several approvals: say which, as in 'sengu gate approve %s %s' (%s)", run.Name, run.Name, pathOf(asked[0]), pathsOf(asked))
	case len(later) > 0:
		return nil, refused("run %q has not come to a gate that needs an approval: to approve in advance say which, as in 'sengu gate approve %s %s' (%s)",
			run.Name, run.Name, pathOf(later[0]), pathsOf(later))
	}
	return nil, refused("run %q waits for no approval", run.Name)
}

func quote(s string) string { return `"` + s + `"` }

func pathOf(g *v1alpha1.Gate) string { return gate.Path(g.Spec.Place, g.Spec.Template.Name) }

func pathsOf(gates []*v1alpha1.Gate) string {
	var paths []string
	for _, g := range gates {
		paths = append(paths, pathOf(g))
	}
	return strings.Join(paths, ", ")
}

// decided says whether a gate is open for good.
func decided(g *v1alpha1.Gate) bool {
	return g.Status.State == v1alpha1.GateStatePassed || g.Status.State == v1alpha1.GateStateSkipped
}

// pending says whether the run has come to a gate that is not open.
func pending(g *v1alpha1.Gate) bool { return g.Status.ReachedAt != nil && !decided(g) }

// gatesOf returns the gates of a run, sorted by name. What is of an earlier run of its name is not.
func gatesOf(ctx context.Context, c client.Client, key types.NamespacedName) ([]*v1alpha1.Gate, error) {
	run, err := GetRun(ctx, c, key)
	if err != nil {
		return nil, err
	}
	var list v1alpha1.GateList
	if err := c.List(ctx, &list, client.InNamespace(key.Namespace), client.MatchingLabels{v1alpha1.LabelRun: key.Name}); err != nil {
		return nil, err
	}
	var gates []*v1alpha1.Gate
	for i := range list.Items {
		if metav1.IsControlledBy(&list.Items[i], run) {
			gates = append(gates, &list.Items[i])
		}
	}
	slices.SortFunc(gates, func(a, b *v1alpha1.Gate) int { return strings.Compare(a.Name, b.Name) })
	return gates, nil
}

// ReadinessBehind tells of the clusters that come next behind a gate, as they are now.
func ReadinessBehind(ctx context.Context, c client.Client, g *v1alpha1.Gate) (gate.Readiness, error) {
	run, err := GetRun(ctx, c, types.NamespacedName{Namespace: g.Namespace, Name: g.Spec.RunRef.Name})
	if err != nil {
		return gate.Readiness{}, err
	}
	var list v1alpha1.ClusterList
	if err := c.List(ctx, &list, client.InNamespace(g.Namespace)); err != nil {
		return gate.Readiness{}, err
	}
	clusters := map[string]*v1alpha1.Cluster{}
	for i := range list.Items {
		clusters[list.Items[i].Name] = &list.Items[i]
	}
	target := ""
	if run.Status.Resolved != nil {
		target = run.Status.Resolved.Version
	}
	return gate.ReadinessOf(gate.Next(run, g.Spec.Place), clusters, target), nil
}

// ApproveGate adds the approval of the one who calls to a gate. It returns false when that one approves already.
func ApproveGate(ctx context.Context, c client.Client, key types.NamespacedName, a Approval) (bool, error) {
	d := v1alpha1.GateDecision{Decision: v1alpha1.GateDecisionApprove, At: metav1.NewTime(a.At), Comment: strings.TrimSpace(a.Comment)}
	if a.NoFailures {
		d.Condition = v1alpha1.GateConditionNoFailures
	}
	if !a.NotAfter.IsZero() {
		if !a.NotAfter.After(a.At) {
			return false, invalid("an approval that counts until an instant in the past would never count")
		}
		d.NotAfter = &metav1.Time{Time: a.NotAfter}
	}
	return decide(ctx, c, key, d)
}

// RefuseGate adds the refusal of the one who calls to a gate, which keeps it closed until that one approves. It returns
// false when that one refuses already.
func RefuseGate(ctx context.Context, c client.Client, key types.NamespacedName, reason string, at time.Time) (bool, error) {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return false, invalid("a refusal needs a reason, for the record")
	}
	return decide(ctx, c, key, v1alpha1.GateDecision{Decision: v1alpha1.GateDecisionRefuse, At: metav1.NewTime(at), Comment: reason})
}

// decide appends a decision, under the name by which the hub knows the one who calls. The write is conditional on what
// was read: what another person, or the controllers, wrote in between is looked at first.
func decide(ctx context.Context, c client.Client, key types.NamespacedName, d v1alpha1.GateDecision) (changed bool, err error) {
	review := &authenticationv1.SelfSubjectReview{}
	if err := c.Create(ctx, review); err != nil {
		return false, err
	}
	user := review.Status.UserInfo
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		g, err := GetGate(ctx, c, key)
		if err != nil {
			return err
		}
		run, err := GetRun(ctx, c, types.NamespacedName{Namespace: key.Namespace, Name: g.Spec.RunRef.Name})
		if err != nil {
			return err
		}
		if err := mayDecide(run, g, user, d.Decision); err != nil {
			return err
		}
		d.By, d.Groups = user.Username, gate.Matching(g.Spec.Template.Approval, user.Groups)
		if changed = false; stands(run, g, d) {
			return nil
		}
		if len(g.Status.Decisions) >= maxDecisions {
			return refused("gate %q has %d decisions, and keeps no more: pass over it with 'sengu run skip %s gate %s'", g.Name, maxDecisions, run.Name, pathOf(g))
		}
		g.Status.Decisions = append(g.Status.Decisions, d)
		changed = true
		return explained(c.Status().Update(ctx, g), "gate", g.Name)
	})
	return changed && err == nil, err
}

// mayDecide refuses a decision that could never count.
func mayDecide(run *v1alpha1.UpgradeRun, g *v1alpha1.Gate, user authenticationv1.UserInfo, decision v1alpha1.GateDecisionKind) error {
	verb := strings.ToLower(string(decision))
	a := g.Spec.Template.Approval
	switch {
	case !metav1.IsControlledBy(g, run):
		return refused("gate %q is of an earlier run %q, which was deleted: there is nothing to %s", g.Name, run.Name, verb)
	case a == nil:
		return refused("gate %q is a %s, which opens by itself: people can pass over it with 'sengu run skip %s gate %s'", g.Name, g.Spec.Type, run.Name, pathOf(g))
	case g.Status.State == v1alpha1.GateStatePassed:
		return refused("gate %q has passed (%s): there is nothing to %s", g.Name, cmp.Or(g.Status.Message, "nobody knows why"), verb)
	case g.Status.State == v1alpha1.GateStateSkipped:
		return refused("gate %q was skipped: there is nothing to %s", g.Name, verb)
	case over(run) || wanted(run) == v1alpha1.RunStateStop:
		return refused("run %q has ended: there is nothing to %s", run.Name, verb)
	case !gate.MayDecide(a, user.Username, user.Groups):
		return refused("you are %q, and gate %q is decided by %s", user.Username, g.Name, strings.Join(a.Approvers, ", "))
	}
	if decision == v1alpha1.GateDecisionApprove && a.Count <= 1 && slices.Contains(gate.StartersOf(run), user.Username) && !refuses(g, user.Username) {
		return refused("you are %q and started run %q: somebody else has to approve gate %q", user.Username, run.Name, g.Name)
	}
	return nil
}

// refuses says whether a person's last decision is a refusal, which an approval takes back.
func refuses(g *v1alpha1.Gate, person string) bool {
	for _, d := range slices.Backward(g.Status.Decisions) {
		if d.By == person {
			return d.Decision == v1alpha1.GateDecisionRefuse
		}
	}
	return false
}

// stands says whether a person's last decision is the same and still counts. One that has expired is made anew.
func stands(run *v1alpha1.UpgradeRun, g *v1alpha1.Gate, d v1alpha1.GateDecision) bool {
	if d.Decision == v1alpha1.GateDecisionApprove && g.Status.Reason == v1alpha1.ReasonApprovalExpired {
		return false
	}
	counted := gate.Approving(gate.Snapshot{Template: &g.Spec.Template, Status: g.Status, Starters: gate.StartersOf(run)}, d.At.Time)
	for _, before := range slices.Backward(g.Status.Decisions) {
		if before.By == d.By {
			same := before.Decision == d.Decision && before.Condition == d.Condition && before.NotAfter.Equal(d.NotAfter)
			return same && (d.Decision == v1alpha1.GateDecisionRefuse || slices.Contains(counted, d.By))
		}
	}
	return false
}
