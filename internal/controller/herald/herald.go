// SPDX-License-Identifier: Apache-2.0

// Package herald tells of a change twice: as an event, for those who look at the hub, and as a line of the log, for
// those who run Sengu. Both have the same reason and the same words.
package herald

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
)

// maxNote is what an event takes in its note, in bytes.
const maxNote = 1024

// Herald tells of the changes of one object in one pass.
type Herald struct {
	ctx      context.Context //nolint:containedctx // it lives for one pass, as its context does
	recorder events.EventRecorder
	object   client.Object
	action   string
}

// New returns a herald. The action is what was being done: Run, Upgrade, Drain.
func New(ctx context.Context, r events.EventRecorder, o client.Object, action string) *Herald {
	return &Herald{ctx: ctx, recorder: r, object: o, action: action}
}

// Normal tells of what goes as it should.
func (h *Herald) Normal(reason, format string, args ...any) {
	h.tell(corev1.EventTypeNormal, reason, fmt.Sprintf(format, args...))
}

// Warning tells of what a person should look at.
func (h *Herald) Warning(reason, format string, args ...any) {
	h.tell(corev1.EventTypeWarning, reason, fmt.Sprintf(format, args...))
}

// tell cleans and bounds the words: they hold what clouds and people wrote.
func (h *Herald) tell(kind, reason, note string) {
	note = view.Clean(note)
	if len(note) > maxNote {
		note = strings.ToValidUTF8(note[:maxNote], "")
	}
	h.recorder.Eventf(h.object, nil, kind, reason, h.action, "%s", note)
	ctrl.LoggerFrom(h.ctx).Info(note, append(names(h.object), "type", kind, "reason", reason)...)
}

// names are the keys by which every line of the log says what it is about.
func names(o client.Object) []any {
	switch o := o.(type) {
	case *v1alpha1.UpgradeRun:
		return []any{"run", o.Name}
	case *v1alpha1.ClusterUpgrade:
		return []any{"run", o.Spec.RunRef.Name, "cluster", o.Spec.Cluster}
	case *v1alpha1.Cluster:
		return []any{"cluster", o.Name}
	}
	return nil
}
