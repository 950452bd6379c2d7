// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"sengu.dev/sengu/internal/lab/objects"
	"sengu.dev/sengu/internal/labapi"
)

// settle creates the nodes and workloads of a new cluster and waits until they are ready. What an earlier, killed
// lab has created is left as it is.
func (c *cluster) settle() error {
	if c.state.Settled {
		return nil
	}
	var group errgroup.Group
	group.SetLimit(16)
	for name, pool := range c.state.Pools {
		for _, node := range pool.Nodes {
			group.Go(func() error { return c.createNode(name, node, false) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, workload := range c.definition.Workloads {
		for _, object := range objects.Workload(workload) {
			if err := c.createObject(workload.Namespace, object); err != nil {
				return fmt.Errorf("create %s %s of the fleet file: %w", workload.Kind, workload.Name, err)
			}
		}
	}
	for _, pool := range c.state.Pools {
		for _, node := range pool.Nodes {
			if err := c.awaitReady(node.Name); err != nil {
				return err
			}
		}
	}
	// A fleet may ask for more than its nodes hold, so pods that do not start are told and not an error.
	if err := c.awaitPods(); err != nil {
		c.say("%s: %v", c.name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Settled = true
	return c.save()
}

// createObject creates one object, and its namespace when that is missing. A bare pod is refused until the
// controller manager has made the namespace's service account, so every refusal is tried again for a while.
func (c *cluster) createObject(namespace string, object runtime.Object) error {
	return c.until(func(ctx context.Context) error {
		err := c.create(ctx, object)
		if apierrors.IsNotFound(err) {
			missing := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
			_, err = c.client.CoreV1().Namespaces().Create(ctx, missing, metav1.CreateOptions{})
			if err == nil || apierrors.IsAlreadyExists(err) {
				err = c.create(ctx, object)
			}
		}
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
}

func (c *cluster) create(ctx context.Context, object runtime.Object) (err error) {
	options := metav1.CreateOptions{}
	switch o := object.(type) {
	case *appsv1.Deployment:
		_, err = c.client.AppsV1().Deployments(o.Namespace).Create(ctx, o, options)
	case *appsv1.StatefulSet:
		_, err = c.client.AppsV1().StatefulSets(o.Namespace).Create(ctx, o, options)
	case *appsv1.DaemonSet:
		_, err = c.client.AppsV1().DaemonSets(o.Namespace).Create(ctx, o, options)
	case *batchv1.Job:
		_, err = c.client.BatchV1().Jobs(o.Namespace).Create(ctx, o, options)
	case *policyv1.PodDisruptionBudget:
		_, err = c.client.PolicyV1().PodDisruptionBudgets(o.Namespace).Create(ctx, o, options)
	case *corev1.Service:
		_, err = c.client.CoreV1().Services(o.Namespace).Create(ctx, o, options)
	case *corev1.Pod:
		_, err = c.client.CoreV1().Pods(o.Namespace).Create(ctx, o, options)
	default:
		err = fmt.Errorf("the lab does not create objects of type %T", object)
	}
	return err
}

// awaitPods waits until every pod of the fleet file is ready, or has done its work.
func (c *cluster) awaitPods() error {
	return c.until(func(ctx context.Context) error {
		for _, workload := range c.definition.Workloads {
			want := objects.Pods(workload, c.definition)
			pods, err := c.client.CoreV1().Pods(workload.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + workload.Name})
			if err != nil {
				return err
			}
			ready := 0
			for _, pod := range pods.Items {
				if podIsReady(pod) {
					ready++
				}
			}
			if ready < want {
				return fmt.Errorf("%s %s/%s has %d of %d pods ready after %s: is there room on its nodes?",
					workload.Kind, workload.Namespace, workload.Name, ready, want, patience)
			}
		}
		return nil
	})
}

func podIsReady(pod corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || slices.ContainsFunc(pod.Status.Conditions, func(condition corev1.PodCondition) bool {
		return condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue
	})
}

// resume goes on with the operations that an earlier lab was stopped in.
func (c *cluster) resume() {
	for _, op := range c.operations.running(c.name) {
		if op.Kind == labapi.OperationUpgrade {
			c.mu.Lock()
			c.busy, c.status = op.ID, labapi.Upgrading
			c.mu.Unlock()
		}
		c.work.Go(func() { c.carryOut(op) })
	}
}
