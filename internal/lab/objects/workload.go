// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/internal/lab/fleet"
)

// Delays of a pod that says nothing.
const (
	defaultDelay   = time.Second
	defaultGrace   = 30 * time.Second
	defaultRunTime = 5 * time.Second
)

// Workload builds the objects of a workload in the order in which they are created: its service and budget first,
// so that no pod is ever without them.
func Workload(w fleet.Workload) []runtime.Object {
	var all []runtime.Object
	if w.Service || w.Kind == fleet.StatefulSet {
		all = append(all, service(w))
	}
	if w.PDB != nil {
		all = append(all, budget(w))
	}
	meta, template, selector := named(w), podTemplate(w), &metav1.LabelSelector{MatchLabels: labels(w)}
	replicas := int32(w.Replicas)
	switch w.Kind {
	case fleet.Deployment:
		all = append(all, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: selector, Template: template,
		}})
	case fleet.StatefulSet:
		all = append(all, &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, Selector: selector, Template: template, ServiceName: w.Name,
			PodManagementPolicy: appsv1.ParallelPodManagement,
		}})
	case fleet.DaemonSet:
		template.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		all = append(all, &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template}})
	case fleet.Job:
		template.Spec.RestartPolicy = corev1.RestartPolicyNever
		all = append(all, &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{
			Completions: &replicas, Parallelism: &replicas, Template: template,
		}})
	case fleet.Pod:
		meta.Annotations = template.Annotations
		all = append(all, &corev1.Pod{ObjectMeta: meta, Spec: template.Spec})
	}
	return all
}

func labels(w fleet.Workload) map[string]string { return map[string]string{"app": w.Name} }

func named(w fleet.Workload) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: w.Name, Namespace: w.Namespace, Labels: labels(w)}
}

func podTemplate(w fleet.Workload) corev1.PodTemplateSpec {
	grace := int64(w.TerminationGracePeriod.Or(defaultGrace) / time.Second)
	annotations := map[string]string{
		StartDelayAnnotation: milliseconds(w.StartDelay.Or(defaultDelay)),
		StopDelayAnnotation:  milliseconds(w.StopDelay.Or(defaultDelay)),
	}
	if w.Kind == fleet.Job {
		annotations[RunTimeAnnotation] = milliseconds(w.RunTime.Or(defaultRunTime))
	}
	spec := corev1.PodSpec{
		TerminationGracePeriodSeconds: &grace,
		Containers: []corev1.Container{{
			Name: "app", Image: "lab.sengu.dev/" + w.Name,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(w.CPU)}},
		}},
	}
	if w.NodePool != "" {
		spec.NodeSelector = map[string]string{PoolLabel: w.NodePool}
	}
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels(w), Annotations: annotations}, Spec: spec}
}

// milliseconds writes a duration in the one unit that the stages parse without a library.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }

func service(w fleet.Workload) *corev1.Service {
	s := &corev1.Service{ObjectMeta: named(w), Spec: corev1.ServiceSpec{
		Selector: labels(w), Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}},
	}}
	if w.Kind == fleet.StatefulSet {
		s.Spec.ClusterIP = corev1.ClusterIPNone
	}
	return s
}

func budget(w fleet.Workload) *policyv1.PodDisruptionBudget {
	b := &policyv1.PodDisruptionBudget{ObjectMeta: named(w), Spec: policyv1.PodDisruptionBudgetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels(w)},
	}}
	if w.PDB.MinAvailable != "" {
		value := intstr.Parse(w.PDB.MinAvailable)
		b.Spec.MinAvailable = &value
	} else {
		value := intstr.Parse(w.PDB.MaxUnavailable)
		b.Spec.MaxUnavailable = &value
	}
	return b
}

// Pods is how many pods a workload has when all of them are there.
func Pods(w fleet.Workload, c fleet.Cluster) int {
	switch w.Kind {
	case fleet.Pod:
		return 1
	case fleet.DaemonSet:
	default:
		return w.Replicas
	}
	nodes := 0
	for _, pool := range c.NodePools {
		if w.NodePool == "" || w.NodePool == pool.Name {
			nodes += pool.Count
		}
	}
	return nodes
}
