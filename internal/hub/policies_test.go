// SPDX-License-Identifier: Apache-2.0

package hub_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/config/policies"
	"sengu.dev/sengu/internal/hub"
)

// TestPoliciesHoldFromTheStart: as soon as a hub is ready, at its first start and after somebody took them away.
func TestPoliciesHoldFromTheStart(t *testing.T) {
	config := hub.Config{DataDir: t.TempDir(), CRDs: crd.FS, Policies: policies.FS}
	for _, start := range []string{"first", "second"} {
		h, err := hub.Start(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		client := dynamicFor(t, h.AdminConfig())
		run, err := client.Resource(v1alpha1.GroupVersion.WithResource("upgraderuns")).Namespace("default").Create(t.Context(), object("UpgradeRun", start, map[string]any{
			"target": map[string]any{"kubernetes": "1.37"}, "strategyRef": map[string]any{"name": "s"}}), metav1.CreateOptions{})
		if err != nil || run.GetAnnotations()[v1alpha1.AnnotationCreatedBy] != "system:apiserver" {
			t.Errorf("%s start: a run is created by %q, %v", start, run.GetAnnotations()[v1alpha1.AnnotationCreatedBy], err)
		}
		strategy := object("UpgradeStrategy", "s", map[string]any{"stageOrder": "Graph", "stages": []any{map[string]any{"name": "a", "dependsOn": []any{"b"},
			"groups": []any{map[string]any{"name": "all", "selector": map[string]any{"matchLabels": map[string]any{"env": "a"}}}}}}})
		_, err = client.Resource(v1alpha1.GroupVersion.WithResource("upgradestrategies")).Namespace("default").Create(t.Context(), strategy, metav1.CreateOptions{})
		if err == nil || !strings.Contains(err.Error(), "stage a waits for b, which is not listed before it") {
			t.Errorf("%s start: a strategy that can never work: %v", start, err)
		}
		api, err := kubernetes.NewForConfig(h.AdminConfig())
		if err != nil {
			t.Fatal(err)
		}
		admission := api.AdmissionregistrationV1()
		if err := admission.ValidatingAdmissionPolicies().Delete(t.Context(), "strategies.sengu.dev", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		changed, err := admission.ValidatingAdmissionPolicies().Get(t.Context(), "gates.sengu.dev", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(changed.Spec.Validations); n != 3 {
			t.Errorf("%s start: the policy of gates has %d rules, want the 3 of this release", start, n)
		}
		changed.Spec.Validations = changed.Spec.Validations[:1]
		if _, err := admission.ValidatingAdmissionPolicies().Update(t.Context(), changed, metav1.UpdateOptions{}); err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func object(kind, name string, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	o.SetName(name)
	return o
}

// TestPoliciesThatCannotBeUsed end the start with a sentence.
func TestPoliciesThatCannotBeUsed(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"no YAML":         {"a: b: c", "the admission policies cannot be read: p.yaml: "},
		"a rule is wrong": {"apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: p}\nspec: {matchConstraints: {resourceRules: [{apiGroups: [x], apiVersions: [v1], resources: [y], operations: [CREATE]}]}, validations: [{expression: 'object.'}]}\n", "the admission policy p cannot be stored: "},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := hub.Start(t.Context(), hub.Config{DataDir: t.TempDir(), CRDs: os.DirFS("testdata/crds"), Policies: fstest.MapFS{"p.yaml": {Data: []byte(tc.content)}}})
			if err == nil {
				h.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}
