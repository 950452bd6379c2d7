// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/internal/operation"
)

func parseSelector(text string) (labels.Selector, error) {
	s, err := labels.Parse(text)
	if err != nil {
		return nil, usage("--selector %q cannot be read: %v", text, err)
	}
	return s, nil
}

// labelSelector reads a selector into the form that objects carry. It knows what -l of kubectl knows, != too.
func labelSelector(text string) (*metav1.LabelSelector, error) {
	parsed, err := parseSelector(text)
	if err != nil {
		return nil, err
	}
	operators := map[selection.Operator]metav1.LabelSelectorOperator{
		selection.In: metav1.LabelSelectorOpIn, selection.NotIn: metav1.LabelSelectorOpNotIn, selection.NotEquals: metav1.LabelSelectorOpNotIn,
		selection.Exists: metav1.LabelSelectorOpExists, selection.DoesNotExist: metav1.LabelSelectorOpDoesNotExist,
	}
	s := &metav1.LabelSelector{}
	requirements, _ := parsed.Requirements()
	for _, r := range requirements {
		values := slices.Sorted(slices.Values(r.ValuesUnsorted()))
		if (r.Operator() == selection.Equals || r.Operator() == selection.DoubleEquals) && len(values) == 1 && s.MatchLabels[r.Key()] == "" {
			metav1.AddLabelToSelector(s, r.Key(), values[0])
			continue
		}
		operator, ok := operators[r.Operator()]
		if !ok {
			return nil, usage("--selector %q compares numbers, which a run cannot", text)
		}
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: r.Key(), Operator: operator, Values: values})
	}
	return s, nil
}

// pick keeps the items with these names, in their order.
func pick[T any](items []T, names []string, namespace, kind string, name func(*T) string) ([]T, error) {
	var picked []T
	for _, n := range names {
		i := slices.IndexFunc(items, func(item T) bool { return name(&item) == n })
		if i < 0 {
			return nil, &operation.Error{Kind: operation.ErrNotFound, Sentence: fmt.Sprintf("there is no %s %q in namespace %q", kind, n, namespace)}
		}
		picked = append(picked, items[i])
	}
	return picked, nil
}

// single is the one object of a list when one was asked for by name, as `kubectl get NAME -o yaml` prints it.
func single(list client.ObjectList, names int) runtime.Object {
	if names != 1 {
		return list
	}
	objects, err := meta.ExtractList(list)
	if err != nil || len(objects) != 1 {
		return list
	}
	return objects[0]
}
