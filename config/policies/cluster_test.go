// SPDX-License-Identifier: Apache-2.0

package policies_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/config/policies"
	"sengu.dev/sengu/internal/lab/labtest"
)

// TestInAClusterOfOnesOwn installs what `sengu hub kinds` prints in a Kubernetes cluster that is no hub: its API server
// does by the mutating policy what the hub does by itself.
func TestInAClusterOfOnesOwn(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a cluster")
	}
	l := labtest.Start(t, "clusters: [{name: management, version: 1.37.2, nodePools: [{name: user, count: 1}]}]")
	config, err := clientcmd.RESTConfigFromKubeConfig(l.Kubeconfig("management"))
	if err != nil {
		t.Fatal(err)
	}
	admin := clientFor(t, config, "", nil)
	install(t, admin, crd.FS)
	install(t, admin, policies.FS)
	create(t, admin, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "fleet"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"sengu.dev"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"}}}})
	create(t, admin, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "fleet"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "fleet"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: "people"}}})
	eve, bob := clientFor(t, config, "eve", []string{"people"}), clientFor(t, config, "bob", []string{"people"})

	f := &fleet{t: t, namespace: "default"}
	untilEnforced(t, eve, &v1alpha1.UpgradeStrategy{ObjectMeta: f.named("s"), Spec: v1alpha1.UpgradeStrategySpec{Stages: []v1alpha1.StrategyStage{gated("Local")}}})
	run := run(f)
	run.Annotations = map[string]string{v1alpha1.AnnotationCreatedBy: "bob"}
	create(t, eve, run) // when the API server has read its own schema
	check := func(created, changed, started string) {
		t.Helper()
		a := run.Annotations
		if a[v1alpha1.AnnotationCreatedBy] != created || a[v1alpha1.AnnotationChangedBy] != changed || a[v1alpha1.AnnotationStartedBy] != started {
			t.Errorf("annotations %q, want that it was created by %s, changed by %s and started by %q", a, created, changed, started)
		}
	}
	change := func(c client.Client, edit func()) {
		t.Helper()
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(run), run); err != nil {
			t.Fatal(err)
		}
		edit()
		if err := c.Update(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	check("eve", "eve", "eve")
	change(bob, func() { run.Annotations = nil })
	check("eve", "eve", "eve")
	change(bob, func() { run.Spec.State = v1alpha1.RunStatePause })
	check("eve", "bob", "eve")
	change(bob, func() { run.Spec.State = v1alpha1.RunStateRun })
	check("eve", "bob", "eve\nbob")
	change(eve, func() { run.Spec.Attempt = 2 })
	check("eve", "eve", "eve\nbob")

	gate := &v1alpha1.Gate{ObjectMeta: f.named("g"), Spec: v1alpha1.GateSpec{Type: v1alpha1.GateTypeApproval, RunRef: v1alpha1.LocalObjectReference{Name: "r"},
		Place: v1alpha1.GatePlace{Stage: "a", Timing: v1alpha1.GateTimingBefore}, Template: v1alpha1.GateSpecTemplate{Name: "ok", Approval: &v1alpha1.ApprovalGate{}}}}
	refused(t, bob.Create(t.Context(), gate.DeepCopy()), "gates are made by the controllers")
	create(t, admin, gate) // who has every right has the verb decide, and may be the controllers
	opened := gate.DeepCopy()
	opened.Status.State = v1alpha1.GateStatePassed
	refused(t, bob.Status().Update(t.Context(), opened.DeepCopy()), "only the controllers say what a gate is")
	refused(t, admin.Status().Update(t.Context(), opened), "")
}

func clientFor(t *testing.T, config *rest.Config, user string, groups []string) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	config = rest.CopyConfig(config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// install creates what is in the files.
func install(t *testing.T, c client.Client, files fs.FS) {
	t.Helper()
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq("\n"+string(content), "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
				t.Fatal(err)
			}
			if len(o.Object) > 0 {
				create(t, c, o)
			}
		}
	}
}

// untilEnforced waits until the last of the policies refuses an object that it should.
func untilEnforced(t *testing.T, c client.Client, wrong client.Object) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := c.Create(ctx, wrong.DeepCopyObject().(client.Object), client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "strategies.sengu.dev"), nil
	})
	if err != nil {
		t.Fatalf("the policies are not enforced: %v", err)
	}
}

// create creates an object, as soon as the API server serves its kind and has read what it needs for it.
func create(t *testing.T, c client.Client, o client.Object) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		fresh := o.DeepCopyObject().(client.Object)
		if last = c.Create(ctx, fresh); last == nil {
			return true, c.Get(ctx, client.ObjectKeyFromObject(fresh), o)
		}
		notYet := apierrors.IsServiceUnavailable(last) || apierrors.IsForbidden(last) || apierrors.IsNotFound(last) || meta.IsNoMatchError(last) || apierrors.IsInvalid(last)
		if !notYet {
			return false, last
		}
		return false, nil
	})
	if err != nil {
		t.Fatalf("%s cannot be created: %v (%v)", o.GetName(), err, last)
	}
}
