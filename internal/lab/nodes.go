// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"sengu.dev/sengu/internal/lab/fleet"
	"sengu.dev/sengu/internal/lab/objects"
	"sengu.dev/sengu/internal/labapi"
)

// nextName names a new node. c.mu is held, or nobody else knows the cluster yet.
func (c *cluster) nextName(pool string) string {
	c.state.Sequence++
	return fmt.Sprintf("%s-%04d", pool, c.state.Sequence)
}

// inventNode makes the record of a new machine in the zone of the pool that has the fewest.
func (c *cluster) inventNode(pool fleet.NodePool, name, version, image string) labapi.Node {
	node := labapi.Node{Name: name, Version: version, Image: image}
	fewest := -1
	for _, zone := range pool.Zones {
		count := 0
		for _, other := range c.state.Pools[pool.Name].Nodes {
			if other.Zone == zone {
				count++
			}
		}
		if fewest < 0 || count < fewest {
			fewest, node.Zone = count, zone
		}
	}
	return node
}

// createNode creates the Node object of a machine. A booting machine becomes Ready when finishBoot is called.
func (c *cluster) createNode(poolName string, node labapi.Node, booting bool) error {
	pool, _ := c.pool(poolName)
	object := objects.Node(objects.Machine{Node: node, Pool: pool, Region: c.definition.Region, Booting: booting})
	err := c.until(func(ctx context.Context) error {
		_, err := c.client.CoreV1().Nodes().Create(ctx, object, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("create node %s: %w", node.Name, err)
	}
	return nil
}

// finishBoot lets the kubelet of a machine start.
func (c *cluster) finishBoot(name string) error {
	return c.annotateNode(name, objects.BootingAnnotation, nil)
}

func (c *cluster) annotateNode(name, annotation string, value any) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotation: value}}})
	if err != nil {
		return fmt.Errorf("annotate node %s: %w", name, err)
	}
	err = c.until(func(ctx context.Context) error {
		_, err := c.client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
		return ignoreNotFound(err)
	})
	if err != nil {
		return fmt.Errorf("annotate node %s: %w", name, err)
	}
	return nil
}

// destroyNode deletes the Node object, and the pods that ran there: with the machine everything on it is gone at
// once, whatever a budget says. Without this the garbage collector would find them after a minute.
func (c *cluster) destroyNode(name string) error {
	now := int64(0)
	err := c.until(func(ctx context.Context) error {
		if err := ignoreNotFound(c.client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})); err != nil {
			return err
		}
		pods, err := c.client.CoreV1().Pods("").List(ctx, onNode(name))
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			err := c.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
			if ignoreNotFound(err) != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("destroy node %s: %w", name, err)
	}
	return nil
}

func onNode(name string) metav1.ListOptions {
	return metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("spec.nodeName", name).String()}
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// awaitReady waits until the watch has seen the node Ready.
func (c *cluster) awaitReady(name string) error {
	return c.until(func(context.Context) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.ready[name] {
			return fmt.Errorf("node %s is not Ready after %s", name, patience)
		}
		return nil
	})
}

// watchNodes keeps c.ready up to date and plays the death of cordoned nodes, until the context ends.
func (c *cluster) watchNodes(ctx context.Context) {
	factory := informers.NewSharedInformerFactory(c.client, 0)
	informer := factory.Core().V1().Nodes().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { c.sawNode(object) },
		UpdateFunc: func(_, object any) { c.sawNode(object) },
		DeleteFunc: func(object any) { c.lostNode(object) },
	})
	if err != nil {
		c.say("%s: watch the nodes: %v", c.name, err)
		return
	}
	factory.Start(ctx.Done())
}

func (c *cluster) sawNode(object any) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return
	}
	isReady := slices.ContainsFunc(node.Status.Conditions, func(condition corev1.NodeCondition) bool {
		return condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue
	})
	c.mu.Lock()
	c.ready[node.Name] = isReady
	pool, _, known := c.state.poolOf(node.Name)
	dying := c.dying[node.Name]
	c.mu.Unlock()
	if !node.Spec.Unschedulable || !isReady || !known || dying || node.Annotations[objects.DeadAnnotation] != "" {
		return
	}
	if _, dies := c.faults.take(labapi.FaultNodeDies, hitsNode(pool, node.Name)); !dies {
		return
	}
	c.mu.Lock()
	c.dying[node.Name] = true
	c.mu.Unlock()
	c.work.Go(func() {
		if err := c.kill(node.Name); err != nil {
			c.say("%s: %v", c.name, err)
		}
	})
}

func (c *cluster) lostNode(object any) {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	if node, ok := object.(*corev1.Node); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.ready, node.Name)
		delete(c.dying, node.Name)
	}
}

// kill lets a machine die: its heartbeat and its pods stop as they are, and the node is NotReady at once; a real
// one would be after 50 s of silence, which no rehearsal needs to sit through.
func (c *cluster) kill(name string) error {
	if err := c.annotateNode(name, objects.DeadAnnotation, "true"); err != nil {
		return err
	}
	now := metav1.Now().UTC().Format(time.RFC3339)
	status := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":"Unknown","reason":"NodeStatusUnknown",`+
		`"message":"Kubelet stopped posting node status.","lastTransitionTime":%q}]}}`, now)
	frozen := fmt.Sprintf(`{"metadata":{"annotations":{%q:"true"}}}`, objects.FrozenAnnotation)
	err := c.until(func(ctx context.Context) error {
		_, err := c.client.CoreV1().Nodes().Patch(ctx, name, types.StrategicMergePatchType, []byte(status), metav1.PatchOptions{}, "status")
		if ignoreNotFound(err) != nil {
			return err
		}
		pods, err := c.client.CoreV1().Pods("").List(ctx, onNode(name))
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			_, err := c.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, []byte(frozen), metav1.PatchOptions{})
			if ignoreNotFound(err) != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("let node %s die: %w", name, err)
	}
	return nil
}
