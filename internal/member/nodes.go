// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/provider"
)

// AnnotationCordonedBefore on a member's node: somebody else had cordoned it before Sengu did, so it stays cordoned
// when Sengu is done with it.
const AnnotationCordonedBefore = "sengu.dev/cordoned-before"

// CodeNodeHeld is the code of a node that another cluster upgrade has cordoned.
const CodeNodeHeld = "NodeHeld"

// nodeEdit is what to change of a node; nil fields stay, a nil annotation is removed, empty taints are none.
type nodeEdit struct {
	unschedulable *bool
	taints        []corev1.Taint
	annotations   map[string]*string
}

// Cordon marks a node unschedulable and notes the owner.
func (l *live) Cordon(ctx context.Context, node, owner string) error {
	return l.edit(ctx, node, "cordoning node "+node, func(n *corev1.Node) (*nodeEdit, error) {
		holder := n.Annotations[v1alpha1.AnnotationCordonedBy]
		switch {
		case holder == owner && n.Spec.Unschedulable:
			return nil, nil
		case holder != "" && holder != owner && n.Spec.Unschedulable:
			return nil, provider.Rejected(CodeNodeHeld,
				"node %s is cordoned by another upgrade (%s): let that end, or remove the annotation %s from the node", node, holder, v1alpha1.AnnotationCordonedBy)
		}
		e := &nodeEdit{unschedulable: new(true), annotations: map[string]*string{v1alpha1.AnnotationCordonedBy: &owner}}
		_, before := n.Annotations[AnnotationCordonedBefore]
		switch {
		case n.Spec.Unschedulable:
			e.annotations[AnnotationCordonedBefore] = new("true")
		case before: // left over from a time that somebody ended by uncordoning the node
			e.annotations[AnnotationCordonedBefore] = nil
		}
		return e, nil
	})
}

// Uncordon takes back what Cordon of the same owner did; a node without that mark is not touched, nor is one that is
// gone.
func (l *live) Uncordon(ctx context.Context, node, owner string) error {
	l.withdrawRequests(ctx, node)
	err := l.edit(ctx, node, "uncordoning node "+node, func(n *corev1.Node) (*nodeEdit, error) {
		if n.Annotations[v1alpha1.AnnotationCordonedBy] != owner {
			return nil, nil
		}
		e := &nodeEdit{annotations: map[string]*string{v1alpha1.AnnotationCordonedBy: nil, AnnotationCordonedBefore: nil}}
		if _, before := n.Annotations[AnnotationCordonedBefore]; !before {
			e.unschedulable = new(false)
		}
		return e, nil
	})
	if provider.CodeOf(err) == provider.CodeNodeNotFound {
		return nil
	}
	return err
}

// Quarantine leaves a node of this owner cordoned on purpose and notes why. The owner's mark goes: whoever wants the
// node back uncordons it as any other.
func (l *live) Quarantine(ctx context.Context, node, owner, reason string) error {
	return l.edit(ctx, node, "quarantining node "+node, func(n *corev1.Node) (*nodeEdit, error) {
		if n.Annotations[v1alpha1.AnnotationCordonedBy] != owner {
			return nil, nil
		}
		return &nodeEdit{unschedulable: new(true), annotations: map[string]*string{
			v1alpha1.AnnotationCordonedBy: nil, AnnotationCordonedBefore: nil, v1alpha1.AnnotationQuarantined: &reason,
		}}, nil
	})
}

// edit reads the node, asks what to change, and changes that, provided that nobody changed the node in between; then
// it starts again.
func (l *live) edit(ctx context.Context, node, doing string, decide func(*corev1.Node) (*nodeEdit, error)) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	nodes := l.client.CoreV1().Nodes()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		n, err := nodes.Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		e, err := decide(n)
		if e == nil || err != nil {
			return err
		}
		_, err = nodes.Patch(ctx, node, types.MergePatchType, e.patch(n), metav1.PatchOptions{FieldManager: "sengu"})
		return err
	})
	switch {
	case err == nil, provider.CodeOf(err) != "":
		return err
	case apierrors.IsNotFound(err):
		return provider.Retry(provider.CodeNodeNotFound, err, "node %s does not exist any more", node)
	default:
		return explain(err, doing)
	}
}

// patch is a JSON merge patch that only applies to the node as it was read.
func (e *nodeEdit) patch(n *corev1.Node) []byte {
	meta := map[string]any{"resourceVersion": n.ResourceVersion, "uid": n.UID}
	if e.annotations != nil { // null would remove them all
		meta["annotations"] = e.annotations
	}
	spec := map[string]any{}
	if e.unschedulable != nil {
		spec["unschedulable"] = *e.unschedulable
	}
	if e.taints != nil {
		spec["taints"] = e.taints
	}
	p := map[string]any{"metadata": meta, "spec": spec}
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and booleans always marshal
	}
	return data
}
