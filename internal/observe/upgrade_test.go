// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/upgrade"
	"sengu.dev/sengu/internal/member"
	"sengu.dev/sengu/provider"
)

// TestWhatDoesNotAnswerIsAProblem: it is never an error, and never nothing, because nothing would look like a pass.
func TestWhatDoesNotAnswerIsAProblem(t *testing.T) {
	problem := func(kind upgrade.ProblemKind, code, message string) *upgrade.Problem {
		return &upgrade.Problem{Kind: kind, Code: code, Message: message}
	}
	away := problem(upgrade.ProblemRetry, provider.CodeUnreachable, "no answer")
	tests := map[string]struct {
		objects              []client.Object
		change               func(w *world)
		operations           []v1alpha1.OperationStatus
		wantProvider         *upgrade.Problem
		wantMember           *upgrade.Problem
		wantProviderAnswered bool
		wantMemberAnswered   bool
	}{
		"all answers": {
			change:               func(w *world) { w.playsMember(&api{uid: "a"}) },
			wantProviderAnswered: true, wantMemberAnswered: true,
		},
		"the provider does not answer": {
			change: func(w *world) {
				w.playsMember(&api{uid: "a"})
				w.cloud.fails = provider.Retry(provider.CodeUnreachable, nil, "no answer")
			},
			wantProvider: away, wantMemberAnswered: true,
		},
		"the provider refuses the credentials": {
			change:       func(w *world) { w.cloud.fails = provider.Rejected(provider.CodeUnauthorized, "the token is wrong") },
			wantProvider: problem(upgrade.ProblemRejected, provider.CodeUnauthorized, "the token is wrong"),
		},
		"the provider is busy": {
			change: func(w *world) {
				w.cloud.fails = provider.Wait(provider.CodeThrottled, w.clock.Now().Add(time.Minute), "slower")
			},
			wantProvider: &upgrade.Problem{Kind: upgrade.ProblemWait, Code: provider.CodeThrottled, Message: "slower",
				Until: time.Date(2027, 3, 1, 9, 1, 0, 0, time.UTC)},
		},
		"an error of no kind is asked again": {
			change:       func(w *world) { w.cloud.fails = errors.New("a bug") },
			wantProvider: problem(upgrade.ProblemRetry, v1alpha1.ReasonRetrying, "a bug"),
		},
		"what it offers is not known: that alone stops nothing": {
			change: func(w *world) {
				w.cloud.failsFor = map[string]error{"Offers": provider.Retry(provider.CodeUnreachable, nil, "no answer")}
			},
			wantProviderAnswered: true,
		},
		"an operation cannot be looked at: then the provider's word is worth nothing": {
			change: func(w *world) {
				w.cloud.failsFor = map[string]error{"Operation": provider.Retry(provider.CodeUnreachable, nil, "no answer")}
			},
			operations: []v1alpha1.OperationStatus{{RequestKey: "u/1", ID: "op-1"}}, wantProvider: away,
		},
		"an operation that has no id yet is not looked at": {
			change:               func(w *world) { w.cloud.failsFor = map[string]error{"Operation": errors.New("asked")} },
			operations:           []v1alpha1.OperationStatus{{RequestKey: "u/1"}},
			wantProviderAnswered: true,
		},
		"the provider cannot be opened": {
			change: func(w *world) {
				w.open = func(SecretReader) (provider.Provider, error) {
					return nil, provider.Rejected("BadName", "no such account")
				}
			},
			wantProvider: problem(upgrade.ProblemRejected, "BadName", "no such account"),
			wantMember:   problem(upgrade.ProblemRejected, "BadName", "no such account"),
		},
		"the provider is none of this build": {
			change: func(w *world) {
				w.cluster.Spec.Provider = v1alpha1.ProviderSpec{Local: &v1alpha1.LocalProvider{}}
				if err := w.hub.Update(w.t.Context(), w.cluster); err != nil {
					w.t.Fatal(err)
				}
			},
			wantProvider: problem(upgrade.ProblemRejected, v1alpha1.ReasonProviderUnknown, `this Sengu has no provider "local": use another one, or a build that has it`),
			wantMember:   problem(upgrade.ProblemRejected, v1alpha1.ReasonProviderUnknown, `this Sengu has no provider "local": use another one, or a build that has it`),
		},
		"the cluster's API does not answer": {
			change: func(w *world) {
				w.playsMember(&api{fails: provider.Retry(v1alpha1.ReasonMemberUnreachable, nil, "no answer")})
			},
			wantProviderAnswered: true, wantMember: problem(upgrade.ProblemRetry, v1alpha1.ReasonMemberUnreachable, "no answer"),
		},
		"the cluster's API was just contacted": {
			change:               func(w *world) { w.playsMember(&api{fails: member.ErrNotSynced}) },
			wantProviderAnswered: true,
			wantMember: problem(upgrade.ProblemRetry, v1alpha1.ReasonMemberUnreachable,
				"the cluster's API was just contacted and has not answered everything yet"),
		},
		"the credentials lead to another cluster than before": {
			change: func(w *world) {
				w.playsMember(&api{uid: "b"})
				w.cluster.Status.UID = "a"
				if err := w.hub.Update(w.t.Context(), w.cluster); err != nil {
					w.t.Fatal(err)
				}
			},
			wantProviderAnswered: true,
			wantMember: problem(upgrade.ProblemRejected, v1alpha1.ReasonWrongCluster,
				"the credentials of c lead to another cluster than before (kube-system uid b, was a): correct the kubeconfig, or delete the Cluster and add it again"),
		},
		"the Secret does not exist": {
			change: refersTo("nowhere", "kubeconfig"), wantProviderAnswered: true,
			wantMember: problem(upgrade.ProblemRejected, v1alpha1.ReasonSecretMissing, `Secret fleet/nowhere does not exist: create it with key "kubeconfig"`),
		},
		"the Secret has no such key": {
			objects: []client.Object{secret("config", kubeconfig("t"))}, change: refersTo("access", "kubeconfig"), wantProviderAnswered: true,
			wantMember: problem(upgrade.ProblemRejected, v1alpha1.ReasonSecretMissing, `Secret fleet/access has no key "kubeconfig": add it`),
		},
		"the Secret holds no kubeconfig": {
			objects: []client.Object{secret("kubeconfig", []byte("{nonsense"))}, change: refersTo("access", "kubeconfig"), wantProviderAnswered: true,
			wantMember: problem(upgrade.ProblemRejected, member.CodeInvalidKubeconfig, "the kubeconfig cannot be used: it is not a kubeconfig: correct its YAML"),
		},
		"nobody gives access": {change: func(*world) {}, wantProviderAnswered: true},
		"the look was given up": {
			change:       func(w *world) { w.cloud.fails = context.Canceled },
			wantProvider: problem(upgrade.ProblemRetry, v1alpha1.ReasonRetrying, "context canceled"),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.objects...)
			tc.change(w)
			look := w.look(tc.operations...)
			if diff := cmp.Diff(tc.wantProvider, look.Snapshot.ProviderProblem); diff != "" {
				t.Errorf("the provider's problem (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantMember, look.Snapshot.MemberProblem); diff != "" {
				t.Errorf("the member's problem (-want +got):\n%s", diff)
			}
			if got := look.Snapshot.Provider != nil; got != tc.wantProviderAnswered {
				t.Errorf("the provider answered: %t, want %t", got, tc.wantProviderAnswered)
			}
			if got := look.Snapshot.Member != nil; got != tc.wantMemberAnswered {
				t.Errorf("the member answered: %t, want %t", got, tc.wantMemberAnswered)
			}
			if p := tc.wantMember; p != nil && p.Kind == upgrade.ProblemRejected && look.Access != nil {
				t.Error("a member that is refused can still be acted on")
			}
		})
	}
}

// playsMember makes the provider play the cluster's own API.
func (w *world) playsMember(a *api) {
	w.cloud.member = a
	w.open = func(SecretReader) (provider.Provider, error) { return played{w.cloud}, nil }
}

// TestAClusterThatLeftTheFleetIsNoProblem: the snapshot has none, which the decider knows.
func TestAClusterThatLeftTheFleetIsNoProblem(t *testing.T) {
	w := newWorld(t)
	if err := w.hub.Delete(t.Context(), w.cluster); err != nil {
		t.Fatal(err)
	}
	if look := w.look(); look.Snapshot.Cluster != nil || look.Handle != nil || look.Snapshot.ProviderProblem != nil {
		t.Errorf("looked at %+v", look.Snapshot)
	}
}

// TestAHubThatDoesNotAnswerIsAnError: without the record nothing can be decided.
func TestAHubThatDoesNotAnswerIsAnError(t *testing.T) {
	w := newWorld(t)
	w.hubSays = errors.New("the hub is away")
	u := &v1alpha1.ClusterUpgrade{Spec: v1alpha1.ClusterUpgradeSpec{Cluster: "c"}}
	if look, err := LookAtUpgrade(t.Context(), w.hub, w.handles, u, w.clock.Now()); !errors.Is(err, w.hubSays) {
		t.Errorf("got %v, %v", look, err)
	}
}
