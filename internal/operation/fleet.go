// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// GetFleet reads the settings of the fleet in a namespace.
func GetFleet(ctx context.Context, c client.Client, namespace string) (*v1alpha1.Fleet, error) {
	fleet := &v1alpha1.Fleet{}
	err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: v1alpha1.FleetName}, fleet)
	if IsMissing(err) {
		return nil, &Error{Kind: ErrNotFound, Sentence: fmt.Sprintf("the fleet in namespace %q has no settings: apply a Fleet named %q to give it some", namespace, v1alpha1.FleetName)}
	}
	return fleet, err
}

// TestNotification asks the controllers to send a test by a notification of the fleet, and returns the request, by
// which status.notificationTest answers. word makes it another request than every one before.
func TestNotification(ctx context.Context, c client.Client, namespace, name, word string) (request string, err error) {
	fleet, err := GetFleet(ctx, c, namespace)
	if err != nil {
		return "", err
	}
	var names []string
	for _, n := range fleet.Spec.Notifications {
		names = append(names, n.Name)
	}
	switch {
	case len(names) == 0:
		return "", refused("the fleet in namespace %q has no notifications: add spec.notifications to its Fleet", namespace)
	case !slices.Contains(names, name):
		return "", &Error{Kind: ErrNotFound, Sentence: fmt.Sprintf("there is no notification %q in the fleet of namespace %q: it has %s", name, namespace, strings.Join(names, ", "))}
	}
	before := fleet.DeepCopy()
	if fleet.Annotations == nil {
		fleet.Annotations = map[string]string{}
	}
	request = name + "/" + word
	fleet.Annotations[v1alpha1.AnnotationTestNotification] = request
	return request, c.Patch(ctx, fleet, client.MergeFrom(before))
}
