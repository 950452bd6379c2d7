// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"

	"sengu.dev/sengu/api/v1alpha1"
)

// policyResources are the kinds of admission policies that a hub takes, with their resources. What mutating ones do
// for a cluster of one's own, the hub does by itself: see whoRuns.
var policyResources = map[string]string{
	"ValidatingAdmissionPolicy":        "validatingadmissionpolicies",
	"ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}

// lastPolicy is the last one in the order of the files.
const lastPolicy = "strategies.sengu.dev"

// enforcedPoll is how often the start looks whether new policies hold. The API server takes up to 1 s to read them.
const enforcedPoll = 50 * time.Millisecond

// installPolicies creates or updates the admission policies, and says whether any is new or has changed.
func installPolicies(ctx context.Context, config *rest.Config, files fs.FS) (bool, error) {
	policies, err := readPolicies(files)
	if err != nil || len(policies) == 0 {
		return false, err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return false, err
	}
	changed := false
	for _, policy := range policies {
		anew, err := applyPolicy(ctx, client, policy)
		if err != nil {
			return false, fmt.Errorf("the admission policy %s cannot be stored: %w", policy.GetName(), err)
		}
		changed = changed || anew
	}
	return changed, nil
}

// readPolicies reads every admission policy and binding in the *.yaml files of a file system, in their order.
func readPolicies(files fs.FS) ([]*unstructured.Unstructured, error) {
	if files == nil {
		return nil, nil
	}
	var policies []*unstructured.Unstructured
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
		for {
			document, err := documents.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			policy := &unstructured.Unstructured{}
			if err == nil {
				err = yaml.Unmarshal(document, &policy.Object)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if policyResources[policy.GetKind()] != "" {
				policies = append(policies, policy)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("the admission policies cannot be read: %w", err)
	}
	return policies, nil
}

func applyPolicy(ctx context.Context, client dynamic.Interface, policy *unstructured.Unstructured) (changed bool, err error) {
	api := client.Resource(admissionregistrationv1.SchemeGroupVersion.WithResource(policyResources[policy.GetKind()]))
	_, err = api.Create(ctx, policy, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return true, err
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		stored, err := api.Get(ctx, policy.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		before := stored.DeepCopy()
		stored.Object["spec"] = policy.Object["spec"]
		stored, err = api.Update(ctx, stored, metav1.UpdateOptions{})
		// What defaults add is there again after the update, so what is compared is complete.
		changed = err == nil && !equality.Semantic.DeepEqual(before.Object["spec"], stored.Object["spec"])
		return err
	})
	return changed, err
}

// waitEnforced waits until the policies hold: a strategy that could never work is refused. The policy that does so is
// the last that was stored, so that the others hold as well.
func waitEnforced(ctx context.Context, config *rest.Config) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	probe := &unstructured.Unstructured{Object: map[string]any{"spec": strategyThatNeverWorks()}}
	probe.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("UpgradeStrategy"))
	probe.SetName("policy-probe")
	api := client.Resource(v1alpha1.GroupVersion.WithResource("upgradestrategies")).Namespace(metav1.NamespaceDefault)
	err = wait.PollUntilContextCancel(ctx, enforcedPoll, true, func(ctx context.Context) (bool, error) {
		_, err := api.Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return apierrors.IsInvalid(err) && strings.Contains(err.Error(), lastPolicy), nil
	})
	if err != nil {
		return fmt.Errorf("the admission policies are not enforced: %w", err)
	}
	return nil
}

func strategyThatNeverWorks() map[string]any {
	return map[string]any{"stages": []any{map[string]any{
		"name":   "probe",
		"groups": []any{map[string]any{"name": "probe", "selector": map[string]any{"matchLabels": map[string]any{"probe": "probe"}}}},
		"beforeGates": []any{map[string]any{
			"name": "probe", "scheduledStart": map[string]any{"next": "MON 09:00", "timeZone": "Local"},
		}},
	}}}
}
