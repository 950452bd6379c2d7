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
	"maps"
	"path"
	"slices"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"
)

// servedPoll is how often the start looks whether a new kind is served; a look costs below 1 ms.
const servedPoll = 10 * time.Millisecond

// newKindDelay is the age of a kind below which Kubernetes holds each create request for 2 s, lest another
// API server does not know the kind yet. A hub is alone, so it dates its kinds back; times have a resolution
// of 1 s.
const newKindDelay = 3 * time.Second

// installCRDs creates or updates the definitions, waits until each is established and can be listed and
// discovered, and returns their API groups, sorted.
func installCRDs(ctx context.Context, config *rest.Config, files fs.FS) ([]string, error) {
	crds, err := readCRDs(files)
	if err != nil || len(crds) == 0 {
		return nil, err
	}
	client, err := apiextensions.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	groups := map[string]bool{}
	for _, crd := range crds {
		groups[crd.Spec.Group] = true
		if err := applyCRD(ctx, client, crd); err != nil {
			return nil, fmt.Errorf("the definition of %s cannot be stored: %w", crd.Name, err)
		}
	}
	for _, crd := range crds {
		if err := waitServed(ctx, client, crd); err != nil {
			return nil, fmt.Errorf("the kind %s is not served: %w", crd.Name, err)
		}
	}
	return slices.Sorted(maps.Keys(groups)), nil
}

// readCRDs reads every custom resource definition in the *.yaml files of a file system, and skips other
// documents.
func readCRDs(files fs.FS) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	if files == nil {
		return nil, nil
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		found, err := decodeCRDs(content)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		crds = append(crds, found...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("the custom resource definitions cannot be read: %w", err)
	}
	return crds, nil
}

func decodeCRDs(content []byte) ([]*apiextensionsv1.CustomResourceDefinition, error) {
	var crds []*apiextensionsv1.CustomResourceDefinition
	documents := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return crds, nil
		}
		if err != nil {
			return nil, err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.Unmarshal(document, crd); err != nil {
			return nil, err
		}
		if crd.Kind == "CustomResourceDefinition" {
			crds = append(crds, crd)
		}
	}
}

func applyCRD(ctx context.Context, client apiextensions.Interface, crd *apiextensionsv1.CustomResourceDefinition) error {
	api := client.ApiextensionsV1().CustomResourceDefinitions()
	_, err := api.Create(ctx, crd, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		stored, err := api.Get(ctx, crd.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		stored.Spec, stored.Labels, stored.Annotations = crd.Spec, crd.Labels, crd.Annotations
		_, err = api.Update(ctx, stored, metav1.UpdateOptions{})
		return err
	})
}

// waitServed waits until the kind can be listed in each served version, and until the aggregator tells of
// it: before that, kubectl and the garbage collector would not know the kind.
func waitServed(ctx context.Context, client apiextensions.Interface, crd *apiextensionsv1.CustomResourceDefinition) error {
	return wait.PollUntilContextCancel(ctx, servedPoll, true, func(ctx context.Context) (bool, error) {
		api := client.ApiextensionsV1().CustomResourceDefinitions()
		stored, err := api.Get(ctx, crd.Name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		since := establishedSince(stored)
		if since == nil {
			return false, nil
		}
		if time.Since(since.Time) < newKindDelay {
			since.Time = since.Add(-newKindDelay)
			_, err := api.UpdateStatus(ctx, stored, metav1.UpdateOptions{})
			if apierrors.IsConflict(err) {
				err = nil
			}
			return false, err
		}
		for _, version := range crd.Spec.Versions {
			if !version.Served {
				continue
			}
			url := path.Join("/apis", crd.Spec.Group, version.Name, crd.Spec.Names.Plural)
			get := client.Discovery().RESTClient().Get().AbsPath(url).Param("limit", "1")
			if get.Do(ctx).Error() != nil {
				return false, nil //nolint:nilerr // it is not served yet
			}
		}
		return discovered(client.Discovery(), crd), nil
	})
}

// establishedSince is the time in the definition's condition Established, nil if it is not true.
func establishedSince(crd *apiextensionsv1.CustomResourceDefinition) *metav1.Time {
	for i, c := range crd.Status.Conditions {
		if c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue {
			return &crd.Status.Conditions[i].LastTransitionTime
		}
	}
	return nil
}

func discovered(client discovery.DiscoveryInterface, crd *apiextensionsv1.CustomResourceDefinition) bool {
	_, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		return false
	}
	found := 0
	for _, list := range lists {
		for _, version := range crd.Spec.Versions {
			if version.Served && list.GroupVersion == crd.Spec.Group+"/"+version.Name &&
				slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == crd.Spec.Names.Plural }) {
				found++
			}
		}
	}
	return found == servedVersions(crd)
}

func servedVersions(crd *apiextensionsv1.CustomResourceDefinition) int {
	n := 0
	for _, version := range crd.Spec.Versions {
		if version.Served {
			n++
		}
	}
	return n
}
