// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"sengu.dev/sengu/api/v1alpha1"
)

// AddCluster puts a cluster into the fleet together with the Secrets that it refers to, which then belong to it
// and go with it. With dryRun the hub checks them and keeps nothing. When the cluster is refused, no
// Secret is left behind.
func AddCluster(ctx context.Context, c client.Client, cluster *v1alpha1.Cluster, secrets []*corev1.Secret, dryRun bool) error {
	if err := create(ctx, c, cluster.DeepCopy(), "cluster", true); err != nil {
		return err
	}
	if dryRun {
		for _, s := range secrets {
			if err := create(ctx, c, s.DeepCopy(), "secret", true); err != nil {
				return err
			}
		}
		return nil
	}
	var created []*corev1.Secret
	for _, s := range secrets {
		if err := create(ctx, c, s, "secret", false); err != nil {
			return errors.Join(err, remove(ctx, c, created))
		}
		created = append(created, s)
	}
	if err := create(ctx, c, cluster, "cluster", false); err != nil {
		return errors.Join(err, remove(ctx, c, created))
	}
	return own(ctx, c, cluster, created)
}

// own makes the cluster the owner of its Secrets, so that the hub deletes them with it.
func own(ctx context.Context, c client.Client, cluster *v1alpha1.Cluster, secrets []*corev1.Secret) error {
	gvk, err := apiutil.GVKForObject(cluster, c.Scheme())
	if err != nil {
		return err
	}
	for _, s := range secrets {
		before := client.MergeFrom(s.DeepCopy())
		s.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Name: cluster.Name, UID: cluster.UID,
		}}
		if err := c.Patch(ctx, s, before); err != nil {
			return fmt.Errorf("cluster %q was added, but its secret %q will stay when it is removed: %w", cluster.Name, s.Name, err)
		}
	}
	return nil
}

// remove takes back what this call created. It goes on when the caller has given up.
func remove(ctx context.Context, c client.Client, secrets []*corev1.Secret) error {
	var failures error
	for _, s := range secrets {
		if err := client.IgnoreNotFound(c.Delete(context.WithoutCancel(ctx), s)); err != nil {
			failures = errors.Join(failures, fmt.Errorf("secret %q stays: %w", s.Name, err))
		}
	}
	return failures
}

// RemoveCluster takes a cluster out of the fleet. The cluster itself is not touched. It refuses while a run
// works on it.
func RemoveCluster(ctx context.Context, c client.Client, key types.NamespacedName) error {
	cluster, err := GetCluster(ctx, c, key)
	if err != nil {
		return err
	}
	if run := cluster.Status.ActiveRun; run != "" {
		return refused("run %q works on cluster %q: skip the cluster in the run or stop the run first", run, cluster.Name)
	}
	return client.IgnoreNotFound(c.Delete(ctx, cluster))
}
