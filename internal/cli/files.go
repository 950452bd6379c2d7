// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// objectsFromFile reads the objects of a YAML or JSON file. A field that a kind does not have is an error:
// silently left out, it would change what happens.
func (a *app) objectsFromFile(path string) ([]client.Object, error) {
	content, err := a.readFile(path)
	if err != nil {
		return nil, err
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	var objects []client.Object
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, usage("%s cannot be read: %v", source(path), err)
		}
		if len(bytes.TrimSpace(document)) == 0 {
			continue
		}
		decoded, _, err := decoder.Decode(document, nil, nil)
		if runtime.IsNotRegisteredError(err) || runtime.IsMissingKind(err) {
			return nil, usage("%s holds something that is not a kind of Sengu (%v): apply it with kubectl", source(path), err)
		}
		if err != nil {
			return nil, usage("%s cannot be read: %v", source(path), err)
		}
		object, ok := decoded.(client.Object)
		if !ok {
			return nil, usage("%s holds a list: write its items as documents of their own", source(path))
		}
		objects = append(objects, object)
	}
}

// additionsFromFile reads Clusters and the Secrets that they refer to.
func (a *app) additionsFromFile(path string) ([]addition, error) {
	objects, err := a.objectsFromFile(path)
	if err != nil {
		return nil, err
	}
	secrets := map[string]*corev1.Secret{}
	var additions []addition
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.Secret:
			secrets[o.Name] = o
		case *v1alpha1.Cluster:
			additions = append(additions, addition{cluster: o})
		default:
			return nil, usage("%s holds %s, and only Clusters and their Secrets can be added: apply it with kubectl", source(path), object.GetName())
		}
	}
	if len(additions) == 0 {
		return nil, usage("%s holds no Cluster", source(path))
	}
	for i := range additions {
		for _, name := range secretNames(&additions[i].cluster.Spec) {
			if s := secrets[name]; s != nil {
				additions[i].secrets = append(additions[i].secrets, s)
				delete(secrets, name) // one that two clusters share belongs to the first
			}
		}
	}
	for name := range secrets {
		return nil, usage("%s holds the Secret %q, which none of its Clusters refers to", source(path), name)
	}
	return additions, nil
}

func secretNames(spec *v1alpha1.ClusterSpec) []string {
	var names []string
	if spec.Provider.Local != nil {
		names = append(names, spec.Provider.Local.TokenSecretRef.Name)
	}
	if ref := spec.Access.KubeconfigSecretRef; ref != nil {
		names = append(names, ref.Name)
	}
	return names
}

// runFromFile reads the one UpgradeRun of a file.
func (a *app) runFromFile(path string) (*v1alpha1.UpgradeRun, error) {
	objects, err := a.objectsFromFile(path)
	if err != nil {
		return nil, err
	}
	if len(objects) == 1 {
		if run, ok := objects[0].(*v1alpha1.UpgradeRun); ok {
			return run, nil
		}
	}
	return nil, usage("%s must hold one UpgradeRun and nothing else: apply other kinds with kubectl", source(path))
}

// settle puts an object into the fleet's namespace. One that names another is refused, as kubectl does.
func settle(object client.Object, namespace string) error {
	if own := object.GetNamespace(); own != "" && own != namespace {
		return usage("%s is of namespace %q, but the namespace in use is %q: choose with --namespace", object.GetName(), own, namespace)
	}
	object.SetNamespace(namespace)
	return nil
}
