// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/hub/hubtest"
)

// TestDurations writes durations as people do in YAML. One that Go cannot read would be stored as any string is, and
// every list that it is in would fail from then on: that of the controllers, and that of every command.
func TestDurations(t *testing.T) {
	soak := func(duration string) (kind string, spec map[string]any) {
		return "UpgradeStrategy", map[string]any{"stages": []any{map[string]any{
			"name":   "staging",
			"groups": []any{map[string]any{"name": "all", "selector": map[string]any{"matchLabels": map[string]any{"env": "staging"}}}},
			"soak":   map[string]any{"duration": duration},
		}}}
	}
	drainTimeout := func(duration string) (kind string, spec map[string]any) {
		return "Cluster", map[string]any{
			"provider":    map[string]any{"simulated": map[string]any{"version": "1.36.1"}},
			"nodeRollout": map[string]any{"drainTimeout": duration},
		}
	}
	const notOne = "must be a duration like 90s, 30m or 168h"
	cases := map[string]struct {
		object      func(string) (string, map[string]any)
		duration    string
		wantRefusal string
	}{
		"hours":                         {soak, "168h", ""},
		"hours, minutes and a fraction": {soak, "1h30m0.5s", ""},
		"no soak at all":                {soak, "0s", ""},
		"days":                          {soak, "7d", "days are not a unit"},
		"a number alone":                {drainTimeout, "30", notOne},
		"a word":                        {drainTimeout, "forever", notOne},
		"nothing":                       {drainTimeout, "", notOne},
		"less than nothing":             {drainTimeout, "-5m", notOne},
		"no time to drain":              {drainTimeout, "0s", "and more than 0s"},
		"more than three hundred years": {drainTimeout, "9999999999h", "must be a duration"},
	}
	hub, namespace := hubClient(t), hubtest.Namespace(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			kind, spec := tc.object(tc.duration)
			object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
			object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
			object.SetNamespace(namespace)
			object.SetGenerateName("try-")
			expectRefusal(t, hub.Create(context.Background(), object), tc.wantRefusal)
		})
	}
}
