// SPDX-License-Identifier: Apache-2.0

package operation_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/operation"
)

var key = types.NamespacedName{Namespace: "default", Name: "to-1-37"}

func newHub(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(funcs).Build()
}

// aRun is a run in a phase, with edits.
func aRun(phase v1alpha1.RunPhase, edits ...func(*v1alpha1.UpgradeRun)) *v1alpha1.UpgradeRun {
	run := &v1alpha1.UpgradeRun{
		ObjectMeta: metav1.ObjectMeta{Name: key.Name, Namespace: key.Namespace},
		Status: v1alpha1.UpgradeRunStatus{
			Phase: phase, Attempt: 1,
			Stages: []v1alpha1.RunStageStatus{{
				Name: "staging", Phase: v1alpha1.StagePhaseRunning,
				Gates:  []v1alpha1.RunGateStatus{{Name: "approve", State: v1alpha1.GateStatePending}, {Name: "window", State: v1alpha1.GateStatePassed}},
				Groups: []v1alpha1.RunGroupStatus{{Name: "all", Clusters: []string{"staging-1"}}},
			}},
		},
	}
	for _, edit := range edits {
		edit(run)
	}
	return run
}

func wanting(state v1alpha1.RunState) func(*v1alpha1.UpgradeRun) {
	return func(run *v1alpha1.UpgradeRun) { run.Spec.State = state }
}

func withFailures(n int32) func(*v1alpha1.UpgradeRun) {
	return func(run *v1alpha1.UpgradeRun) { run.Status.Counts.Failed = n }
}

func TestSteeringARun(t *testing.T) {
	tests := map[string]struct {
		run         *v1alpha1.UpgradeRun
		do          func(context.Context, client.Client, types.NamespacedName) (bool, error)
		wantChanged bool
		wantState   v1alpha1.RunState
		wantAttempt int32
		wantError   string
	}{
		"a running run is paused":        {run: aRun(v1alpha1.RunPhaseRunning), do: operation.Pause, wantChanged: true, wantState: v1alpha1.RunStatePause},
		"a paused run stays paused":      {run: aRun(v1alpha1.RunPhasePaused, wanting(v1alpha1.RunStatePause)), do: operation.Pause, wantState: v1alpha1.RunStatePause},
		"a run that ended is not paused": {run: aRun(v1alpha1.RunPhaseSucceeded), do: operation.Pause, wantError: `run "to-1-37" is Succeeded: there is nothing to pause`},
		"a failed run is not paused":     {run: aRun(v1alpha1.RunPhaseFailed), do: operation.Pause, wantError: `run "to-1-37" is Failed: there is nothing to pause`},
		"a run on its way to its end is not paused": {
			run: aRun(v1alpha1.RunPhaseStopping, wanting(v1alpha1.RunStateStop)), do: operation.Pause, wantState: v1alpha1.RunStateStop,
			wantError: `run "to-1-37" is being stopped, which is final: there is nothing to pause`,
		},
		"a paused run is resumed":         {run: aRun(v1alpha1.RunPhasePaused, wanting(v1alpha1.RunStatePause)), do: operation.Resume, wantChanged: true, wantState: v1alpha1.RunStateRun},
		"a running run stays running":     {run: aRun(v1alpha1.RunPhaseRunning), do: operation.Resume},
		"a failed run is not resumed":     {run: aRun(v1alpha1.RunPhaseFailed), do: operation.Resume, wantError: `run "to-1-37" is Failed: retry it instead of resuming it`},
		"a run is stopped":                {run: aRun(v1alpha1.RunPhasePending), do: operation.Stop, wantChanged: true, wantState: v1alpha1.RunStateStop},
		"a failed run may be ended":       {run: aRun(v1alpha1.RunPhaseFailed), do: operation.Stop, wantChanged: true, wantState: v1alpha1.RunStateStop},
		"a stopped run is not stopped":    {run: aRun(v1alpha1.RunPhaseStopped, wanting(v1alpha1.RunStateStop)), do: operation.Stop, wantState: v1alpha1.RunStateStop, wantError: `run "to-1-37" is Stopped: there is nothing to stop`},
		"failed clusters are retried":     {run: aRun(v1alpha1.RunPhaseFailed, withFailures(2)), do: operation.Retry, wantChanged: true, wantAttempt: 2},
		"a retry is not asked for twice":  {run: aRun(v1alpha1.RunPhaseFailed, withFailures(2), func(r *v1alpha1.UpgradeRun) { r.Spec.Attempt = 2 }), do: operation.Retry, wantAttempt: 2},
		"without failures is no retry":    {run: aRun(v1alpha1.RunPhaseRunning), do: operation.Retry, wantError: `no cluster of run "to-1-37" has failed or was set aside: there is nothing to retry`},
		"what was set aside is retried":   {run: aRun(v1alpha1.RunPhaseFailed, func(r *v1alpha1.UpgradeRun) { r.Status.Counts.SetAside = 1 }), do: operation.Retry, wantChanged: true, wantAttempt: 2},
		"a stopped run is not retried":    {run: aRun(v1alpha1.RunPhaseStopped, wanting(v1alpha1.RunStateStop), withFailures(1)), do: operation.Retry, wantState: v1alpha1.RunStateStop, wantError: `run "to-1-37" was stopped, which is final: create a new run`},
		"what fails may be tried running": {run: aRun(v1alpha1.RunPhaseRunning, withFailures(1)), do: operation.Retry, wantChanged: true, wantAttempt: 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			hub := newHub(t, interceptor.Funcs{}, tc.run)
			changed, err := tc.do(t.Context(), hub, key)
			if got := sentence(err); got != tc.wantError {
				t.Errorf("error %q, want %q", got, tc.wantError)
			}
			if err != nil && !errors.Is(err, operation.ErrRefused) {
				t.Errorf("the error is not of kind refused: %v", err)
			}
			if changed != tc.wantChanged {
				t.Errorf("changed is %v, want %v", changed, tc.wantChanged)
			}
			after, err := operation.GetRun(t.Context(), hub, key)
			if err != nil {
				t.Fatal(err)
			}
			if after.Spec.State != tc.wantState || after.Spec.Attempt != tc.wantAttempt {
				t.Errorf("state %q attempt %d, want %q and %d", after.Spec.State, after.Spec.Attempt, tc.wantState, tc.wantAttempt)
			}
		})
	}
}

func sentence(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestARunThatIsNotThereIsNamed(t *testing.T) {
	_, err := operation.Pause(t.Context(), newHub(t, interceptor.Funcs{}), key)
	if !errors.Is(err, operation.ErrNotFound) {
		t.Errorf("not of kind not found: %v", err)
	}
	if got, want := sentence(err), `there is no run "to-1-37" in namespace "default"`; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func TestAKindThatIsNotServedIsNotAMissingRun(t *testing.T) {
	notServed := &apierrors.StatusError{ErrStatus: metav1.Status{Code: 404, Reason: metav1.StatusReasonNotFound, Details: &metav1.StatusDetails{}}}
	hub := newHub(t, interceptor.Funcs{Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
		return notServed
	}})
	if _, err := operation.Pause(t.Context(), hub, key); errors.Is(err, operation.ErrNotFound) {
		t.Errorf("the hub does not serve runs, and the error says that the run is missing: %v", err)
	}
}

// The controller writes runs all the time: a person's change must not be lost to that, nor undo it.
func TestAChangeIsMadeAgainWhenSomebodyElseWroteInBetween(t *testing.T) {
	conflicts := 2
	hub := newHub(t, interceptor.Funcs{Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
		if conflicts > 0 {
			conflicts--
			other, err := operation.GetRun(ctx, c, key)
			if err != nil {
				return err
			}
			other.Spec.Attempt++
			if err := c.Update(ctx, other); err != nil {
				return err
			}
		}
		return c.Update(ctx, o, opts...)
	}}, aRun(v1alpha1.RunPhaseRunning))
	if _, err := operation.Pause(t.Context(), hub, key); err != nil {
		t.Fatal(err)
	}
	run, err := operation.GetRun(t.Context(), hub, key)
	if err != nil {
		t.Fatal(err)
	}
	if run.Spec.State != v1alpha1.RunStatePause || run.Spec.Attempt != 2 {
		t.Errorf("state %q attempt %d: want Pause, and both changes of the other kept", run.Spec.State, run.Spec.Attempt)
	}
}

func TestSkippingParts(t *testing.T) {
	tests := map[string]struct {
		kind, path string
		run        *v1alpha1.UpgradeRun
		want       []v1alpha1.Skip
		wantError  string
		wantKind   error
	}{
		"a cluster":              {kind: "cluster", path: "staging-1", want: []v1alpha1.Skip{{Kind: "Cluster", Cluster: "staging-1", Reason: "why"}}},
		"a stage":                {kind: "stage", path: "staging", want: []v1alpha1.Skip{{Kind: "Stage", Stage: "staging", Reason: "why"}}},
		"a soak":                 {kind: "Soak", path: "staging", want: []v1alpha1.Skip{{Kind: "Soak", Stage: "staging", Reason: "why"}}},
		"a group":                {kind: "group", path: "staging/all", want: []v1alpha1.Skip{{Kind: "Group", Stage: "staging", Group: "all", Reason: "why"}}},
		"a gate of a stage":      {kind: "gate", path: "staging/approve", want: []v1alpha1.Skip{{Kind: "Gate", Stage: "staging", Gate: "approve", Reason: "why"}}},
		"no such cluster":        {kind: "cluster", path: "prod-9", wantError: `run "to-1-37" has no cluster "prod-9"`, wantKind: operation.ErrRefused},
		"no such stage":          {kind: "soak", path: "prod", wantError: `run "to-1-37" has no stage "prod": its stages are staging`, wantKind: operation.ErrRefused},
		"no such group":          {kind: "group", path: "staging/x", wantError: `stage "staging" of run "to-1-37" has no group "x"`, wantKind: operation.ErrRefused},
		"no such gate":           {kind: "gate", path: "staging/x", wantError: `stage staging of run "to-1-37" has no gate "x"`, wantKind: operation.ErrRefused},
		"no such gate of group":  {kind: "gate", path: "staging/all/x", wantError: `group staging/all of run "to-1-37" has no gate "x"`, wantKind: operation.ErrRefused},
		"a gate that has passed": {kind: "gate", path: "staging/window", wantError: `gate "window" of run "to-1-37" has passed: there is nothing to skip`, wantKind: operation.ErrRefused},
		"a run that ended":       {kind: "stage", path: "staging", run: aRun(v1alpha1.RunPhaseSucceeded), wantError: `run "to-1-37" is Succeeded: there is nothing to skip`, wantKind: operation.ErrRefused},
		"a wrong word":           {kind: "node", path: "n1", wantError: `"node" cannot be skipped: say cluster, group, stage, soak or gate`, wantKind: operation.ErrInvalid},
		"a group without stage":  {kind: "group", path: "all", wantError: `"all" does not name a group: write STAGE/GROUP`, wantKind: operation.ErrInvalid},
		"an empty name":          {kind: "gate", path: "staging/", wantError: `"staging/" has an empty name in it`, wantKind: operation.ErrInvalid},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			run := tc.run
			if run == nil {
				run = aRun(v1alpha1.RunPhaseRunning)
			}
			hub := newHub(t, interceptor.Funcs{}, run)
			skip, err := operation.ParseSkip(tc.kind, tc.path, " why ")
			if err == nil {
				_, err = operation.Skip(t.Context(), hub, key, skip)
			}
			if got := sentence(err); got != tc.wantError || !errors.Is(err, tc.wantKind) {
				t.Errorf("error %q of kind %v, want %q", got, errors.Unwrap(err), tc.wantError)
			}
			after, err := operation.GetRun(t.Context(), hub, key)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, after.Spec.Skip); diff != "" {
				t.Errorf("skips (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASkipNeedsAReasonAndIsRecordedOnce(t *testing.T) {
	if _, err := operation.ParseSkip("stage", "staging", "  "); !errors.Is(err, operation.ErrInvalid) {
		t.Errorf("a skip without a reason was taken: %v", err)
	}
	hub := newHub(t, interceptor.Funcs{}, aRun(v1alpha1.RunPhaseRunning))
	for i, want := range []bool{true, false} {
		changed, err := operation.Skip(t.Context(), hub, key, v1alpha1.Skip{Kind: "Stage", Stage: "staging", Reason: []string{"first", "second"}[i]})
		if err != nil || changed != want {
			t.Errorf("call %d: changed %v and %v, want %v", i+1, changed, err, want)
		}
	}
}

func aCluster(edits ...func(*v1alpha1.Cluster)) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "staging-1", Namespace: "default"}}
	for _, edit := range edits {
		edit(c)
	}
	return c
}

func aSecret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "staging-1-lab-token", Namespace: "default"}, Data: map[string][]byte{"token": []byte("t")}}
}

func TestAClusterOwnsTheSecretsItWasAddedWith(t *testing.T) {
	hub := newHub(t, interceptor.Funcs{})
	if err := operation.AddCluster(t.Context(), hub, aCluster(), []*corev1.Secret{aSecret()}, false); err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	if err := hub.Get(t.Context(), client.ObjectKeyFromObject(aSecret()), secret); err != nil {
		t.Fatal(err)
	}
	if owners := secret.OwnerReferences; len(owners) != 1 || owners[0].Kind != "Cluster" || owners[0].Name != "staging-1" {
		t.Errorf("the owners of the secret are %v, want the cluster", owners)
	}
}

func TestNothingStaysOfAClusterThatIsRefused(t *testing.T) {
	invalid := apierrors.NewInvalid(schema.GroupKind{Group: "sengu.dev", Kind: "Cluster"}, "staging-1", nil)
	tests := map[string]func(*client.CreateOptions) bool{
		"by the check before":   func(o *client.CreateOptions) bool { return len(o.DryRun) > 0 },
		"although it was fine":  func(o *client.CreateOptions) bool { return len(o.DryRun) == 0 },
		"at every single write": func(*client.CreateOptions) bool { return true },
	}
	for name, refuse := range tests {
		t.Run(name, func(t *testing.T) {
			hub := newHub(t, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
				options := &client.CreateOptions{}
				options.ApplyOptions(opts)
				if _, ok := o.(*v1alpha1.Cluster); ok && refuse(options) {
					return invalid
				}
				return c.Create(ctx, o, opts...)
			}})
			err := operation.AddCluster(t.Context(), hub, aCluster(), []*corev1.Secret{aSecret()}, false)
			if !errors.Is(err, operation.ErrInvalid) {
				t.Errorf("error %v, want one of kind invalid", err)
			}
			secrets := &corev1.SecretList{}
			if err := hub.List(t.Context(), secrets); err != nil || len(secrets.Items) > 0 {
				t.Errorf("%d secrets are left behind (%v)", len(secrets.Items), err)
			}
		})
	}
}

func TestADryRunKeepsNothing(t *testing.T) {
	hub := newHub(t, interceptor.Funcs{})
	if err := operation.AddCluster(t.Context(), hub, aCluster(), []*corev1.Secret{aSecret()}, true); err != nil {
		t.Fatal(err)
	}
	clusters, secrets := &v1alpha1.ClusterList{}, &corev1.SecretList{}
	if err := errors.Join(hub.List(t.Context(), clusters), hub.List(t.Context(), secrets)); err != nil {
		t.Fatal(err)
	}
	if len(clusters.Items)+len(secrets.Items) > 0 {
		t.Errorf("the dry run kept %d clusters and %d secrets", len(clusters.Items), len(secrets.Items))
	}
}

// TestADryRunChecksTheSecretsToo: who may not write Secrets would learn that only when it counts.
func TestADryRunChecksTheSecretsToo(t *testing.T) {
	hub := newHub(t, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
		if _, secret := o.(*corev1.Secret); secret {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("no role allows it"))
		}
		return c.Create(ctx, o, opts...)
	}})
	err := operation.AddCluster(t.Context(), hub, aCluster(), []*corev1.Secret{aSecret()}, true)
	if !apierrors.IsForbidden(err) {
		t.Errorf("error %v, want that secrets are forbidden", err)
	}
}

func TestAClusterThatARunWorksOnStays(t *testing.T) {
	busy := aCluster(func(c *v1alpha1.Cluster) { c.Status.ActiveRun = "to-1-37" })
	hub := newHub(t, interceptor.Funcs{}, busy)
	err := operation.RemoveCluster(t.Context(), hub, client.ObjectKeyFromObject(busy))
	if want := `run "to-1-37" works on cluster "staging-1": skip the cluster in the run or stop the run first`; sentence(err) != want {
		t.Errorf("error %q, want %q", sentence(err), want)
	}
	if _, err := operation.GetCluster(t.Context(), hub, client.ObjectKeyFromObject(busy)); err != nil {
		t.Errorf("the cluster is gone: %v", err)
	}
}

func TestARunNeedsItsStrategy(t *testing.T) {
	run := aRun("")
	run.Spec.StrategyRef = &v1alpha1.LocalObjectReference{Name: "staging-first"}
	hub := newHub(t, interceptor.Funcs{})
	if err := operation.CreateRun(t.Context(), hub, run, false); !errors.Is(err, operation.ErrNotFound) {
		t.Errorf("error %v, want that the strategy is not there", err)
	}
	strategy := &v1alpha1.UpgradeStrategy{ObjectMeta: metav1.ObjectMeta{Name: "staging-first", Namespace: "default"}}
	if err := hub.Create(t.Context(), strategy); err != nil {
		t.Fatal(err)
	}
	if err := operation.CreateRun(t.Context(), hub, run, false); err != nil {
		t.Errorf("with its strategy the run is refused: %v", err)
	}
	if err := operation.CreateRun(t.Context(), hub, aRun(""), false); !errors.Is(err, operation.ErrRefused) {
		t.Errorf("a second run of that name: error %v, want one of kind refused", err)
	}
}
