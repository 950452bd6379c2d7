// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view"
)

// A trace is a run, of all its attempts. Every id is made from the uid of the run and from what the span is of, so that
// a span that is exported twice is the same span.

func traceID(run types.UID) []byte {
	sum := sha256.Sum256([]byte("sengu/trace/" + run))
	return sum[:16]
}

func spanID(run types.UID, parts ...any) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "sengu/span/%s/%q", run, parts))
	return sum[:8]
}

func runSpanID(run types.UID, attempt int32) []byte { return spanID(run, "run", attempt) }

func stageSpanID(run types.UID, stage string, attempt int32) []byte {
	return spanID(run, "stage", stage, attempt)
}

// ofRun is the span of one attempt of a run that has ended.
func ofRun(run *v1alpha1.UpgradeRun, from time.Time) *tracepb.Span {
	st := &run.Status
	s := span(run.UID, "run "+run.Name, runSpanID(run.UID, attempt(st.Attempt)), nil)
	s.StartTimeUnixNano, s.EndTimeUnixNano = nanos(from), nanos(st.FinishedAt.Time)
	s.Attributes = attributes("sengu.namespace", run.Namespace, "sengu.run", run.Name, "sengu.target", target(run), "sengu.phase", string(st.Phase))
	s.Attributes = append(s.Attributes, number("sengu.attempt", int64(attempt(st.Attempt))), number("sengu.clusters", int64(st.Counts.Total)),
		number("sengu.clusters.succeeded", int64(st.Counts.Succeeded)), number("sengu.clusters.failed", int64(st.Counts.Failed)))
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK}
	if st.Phase != v1alpha1.RunPhaseSucceeded {
		s.Status = failed(string(st.Phase), st.Waiting)
	}
	return s
}

// ofStage is the span of a stage that has ended, or that was under way when its run ended.
func ofStage(run *v1alpha1.UpgradeRun, st *v1alpha1.RunStageStatus, from, to time.Time) *tracepb.Span {
	n := attempt(run.Status.Attempt)
	s := span(run.UID, "stage "+st.Name, stageSpanID(run.UID, st.Name, n), runSpanID(run.UID, n))
	s.StartTimeUnixNano, s.EndTimeUnixNano = nanos(from), nanos(to)
	s.Attributes = attributes("sengu.namespace", run.Namespace, "sengu.run", run.Name, "sengu.stage", st.Name, "sengu.phase", string(st.Phase))
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK}
	if st.FinishedAt == nil {
		s.Status = failed(string(st.Phase), st.Waiting)
	}
	return s
}

// ofUpgrade are the spans of one attempt on a cluster: its own, and one for each step that was begun since the attempt
// before it ended.
func ofUpgrade(run types.UID, stage string, u *v1alpha1.ClusterUpgrade, before time.Time) []*tracepb.Span {
	st := &u.Status
	n := attempt(st.Attempt)
	own := spanID(run, "cluster", u.UID, n)
	var parent []byte
	if stage != "" {
		parent = stageSpanID(run, stage, n)
	}
	s := span(run, "cluster "+u.Spec.Cluster, own, parent)
	s.Attributes = attributes("sengu.namespace", u.Namespace, "sengu.run", u.Spec.RunRef.Name, "sengu.stage", stage, "sengu.cluster", u.Spec.Cluster,
		"sengu.from", st.FromVersion, "sengu.target", last(u.Spec.Hops), "sengu.phase", string(st.Phase), "sengu.reason", st.Reason)
	s.Attributes = append(s.Attributes, number("sengu.attempt", int64(n)), number("sengu.nodes.renewed", int64(st.NodesRenewed)), number("sengu.pods.evicted", int64(st.Drain.Evicted)))
	s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK}
	if st.Phase == v1alpha1.ClusterUpgradePhaseFailed {
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: clean(st.Reason + ": " + st.Message)}
	}
	spans := []*tracepb.Span{s}
	end := st.FinishedAt.Time
	start := end
	for i := range st.Steps {
		step := &st.Steps[i]
		if step.StartedAt == nil || step.StartedAt.Time.Before(before) {
			continue
		}
		if step.StartedAt.Time.Before(start) {
			start = step.StartedAt.Time
		}
		spans = append(spans, ofStep(run, u, step, own))
	}
	s.StartTimeUnixNano, s.EndTimeUnixNano = nanos(start), nanos(end)
	return spans
}

func ofStep(run types.UID, u *v1alpha1.ClusterUpgrade, step *v1alpha1.StepStatus, parent []byte) *tracepb.Span {
	s := span(run, "step "+step.Name, spanID(run, "step", u.UID, step.Name, step.StartedAt.Unix()), parent)
	end := u.Status.FinishedAt.Time // a step that was under way ends with its upgrade
	if step.FinishedAt != nil {
		end = step.FinishedAt.Time
	}
	s.StartTimeUnixNano, s.EndTimeUnixNano = nanos(step.StartedAt.Time), nanos(end)
	s.Attributes = attributes("sengu.run", u.Spec.RunRef.Name, "sengu.cluster", u.Spec.Cluster, "sengu.step", step.Name, "sengu.result", string(step.Result), "sengu.reason", step.Reason)
	if step.Result == v1alpha1.StepResultFailed {
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: clean(step.Message)}
	}
	return s
}

func span(run types.UID, name string, id, parent []byte) *tracepb.Span {
	return &tracepb.Span{TraceId: traceID(run), SpanId: id, ParentSpanId: parent, Name: clean(name), Kind: tracepb.Span_SPAN_KIND_INTERNAL}
}

func failed(phase string, w *v1alpha1.Waiting) *tracepb.Status {
	text := phase
	if w != nil {
		text = w.Reason + ": " + w.Message
	}
	return &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: clean(text)}
}

// stageOf finds the stage of a cluster; empty: it is in none.
func stageOf(run *v1alpha1.UpgradeRun, cluster string) string {
	for i := range run.Status.Stages {
		for _, g := range run.Status.Stages[i].Groups {
			if slices.Contains(g.Clusters, cluster) {
				return run.Status.Stages[i].Name
			}
		}
	}
	return ""
}

func attempt(n int32) int32 { return max(n, 1) }

func target(run *v1alpha1.UpgradeRun) string {
	if run.Status.Resolved != nil {
		return run.Status.Resolved.Version
	}
	return run.Spec.Target.Kubernetes
}

func last(hops []string) string {
	if len(hops) == 0 {
		return ""
	}
	return hops[len(hops)-1]
}

func nanos(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

// clean bounds text from outside, and leaves nothing in it that a reader would obey.
func clean(s string) string {
	s = view.Clean(s)
	return strings.ToValidUTF8(s[:min(len(s), 1024)], "")
}

// attributes are pairs of a key and a text; an empty text is left out.
func attributes(pairs ...string) []*commonpb.KeyValue {
	var out []*commonpb.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, &commonpb.KeyValue{Key: pairs[i], Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: clean(pairs[i+1])}}})
		}
	}
	return out
}

func number(key string, n int64) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: n}}}
}

// runOf is the uid of the run that owns a cluster upgrade; empty: nobody does.
func runOf(u *v1alpha1.ClusterUpgrade) types.UID {
	if owner := metav1.GetControllerOf(u); owner != nil {
		return owner.UID
	}
	return ""
}
