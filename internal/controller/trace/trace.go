// SPDX-License-Identifier: Apache-2.0

// Package trace exports what runs did as OpenTelemetry traces: a run is a trace, its stages, clusters and steps are
// spans.
//
// Spans are made from the records when these show that something has ended, not while it happens: a process that is
// killed in between loses none, and the next one exports what is not marked yet. Ids follow from the records too.
package trace

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller/marks"
	"sengu.dev/sengu/internal/controller/metric"
	"sengu.dev/sengu/internal/observe"
)

const (
	// who marks what was exported.
	who = "otlp"
	// tooOld is how long ago something may have ended to be exported: who begins to collect traces gets no history,
	// which most collectors refuse.
	tooOld = time.Hour
	// exportWithin bounds one export.
	exportWithin = 10 * time.Second
)

// Config of Setup.
type Config struct {
	// Endpoint is the full URL to post spans to.
	Endpoint string
	// Version of this binary, for the resource.
	Version string
	// Clock of the process.
	Clock clock.PassiveClock
	// Metrics to count spans in; nil: they are not counted.
	Metrics prometheus.Registerer
	// Backoff after errors; each controller needs one of its own.
	Backoff func() workqueue.TypedRateLimiter[ctrl.Request]
}

// tracer is what the controllers of this package share.
type tracer struct {
	hub      client.Client
	clock    clock.PassiveClock
	client   otlptrace.Client
	endpoint string
	resource *resourcepb.Resource
	counted  *prometheus.CounterVec
	book     *marks.Book
}

func newTracer(hub client.Client, c Config) (*tracer, error) {
	if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the endpoint for traces is no URL: it must begin with http:// or https:// and name a host")
	}
	t := &tracer{hub: hub, clock: c.Clock, endpoint: c.Endpoint, counted: metric.Spans.Counter(c.Metrics), book: marks.NewBook(hub, v1alpha1.AnnotationTraced),
		resource: &resourcepb.Resource{Attributes: attributes("service.name", "sengu", "service.version", c.Version)}}
	// The work queue tries again, and holds up nothing meanwhile.
	t.client = otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(c.Endpoint), otlptracehttp.WithTimeout(exportWithin),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}))
	return t, nil
}

// Setup registers the controllers.
func Setup(mgr ctrl.Manager, c Config) error {
	t, err := newTracer(mgr.GetClient(), c)
	if err != nil {
		return err
	}
	// It is never stopped: that would break off the export under way, which the receiver has and nobody would mark.
	if err := t.client.Start(context.Background()); err != nil {
		return err
	}
	if err := watch(mgr, c, "trace-upgraderun", &v1alpha1.UpgradeRun{}, &runs{t}); err != nil {
		return err
	}
	u := *t
	u.book = marks.NewBook(t.hub, v1alpha1.AnnotationTraced)
	return watch(mgr, c, "trace-clusterupgrade", &v1alpha1.ClusterUpgrade{}, &upgrades{&u})
}

// export sends spans, and marks what they are of.
func (t *tracer) export(ctx context.Context, o client.Object, told marks.Marks, spans []*tracepb.Span, keys ...string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exportWithin) // when the process is stopped, it comes to its end
	defer cancel()
	if len(spans) > 0 {
		err := t.client.UploadTraces(ctx, []*tracepb.ResourceSpans{{
			Resource:   t.resource,
			ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}},
		}})
		if err != nil {
			t.counted.WithLabelValues("failed").Add(float64(len(spans)))
			return fmt.Errorf("the spans of %s could not be exported: %s", o.GetName(), t.withoutURL(err))
		}
		t.counted.WithLabelValues("exported").Add(float64(len(spans)))
		told[who] = append(told[who], keys...)
	}
	// Also when nothing is new: the hub may not have taken what was marked before.
	return t.book.Write(ctx, o, told)
}

// withoutURL is the text of an error of a request: an endpoint may carry a token.
func (t *tracer) withoutURL(err error) string {
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err
	}
	return clean(strings.ReplaceAll(err.Error(), t.endpoint, "the endpoint"))
}

// mark is the key of an attempt that has ended, with the instant: the next attempt begins there.
func mark(kind string, attempt int32, at time.Time) string {
	return fmt.Sprintf("%s/%d/%d", kind, attempt, at.Unix())
}

// ended is when the last attempt that is marked ended; zero: none is.
func ended(told marks.Marks, kind string) time.Time {
	var at time.Time
	for _, key := range told[who] {
		words := strings.Split(key, "/")
		if len(words) != 3 || words[0] != kind {
			continue
		}
		if unix, err := strconv.ParseInt(words[2], 10, 64); err == nil && unix > at.Unix() {
			at = time.Unix(unix, 0)
		}
	}
	return at
}

type upgrades struct{ *tracer }

// Reconcile exports the spans of an attempt on a cluster when it has ended.
func (t *upgrades) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	u := &v1alpha1.ClusterUpgrade{}
	if err := t.hub.Get(ctx, req.NamespacedName, u, client.UnsafeDisableDeepCopy); err != nil {
		t.book.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	told := t.book.Of(u)
	run, at := runOf(u), u.Status.FinishedAt
	if at == nil || run == "" || observe.HoldsCluster(u) || t.clock.Since(at.Time) > tooOld {
		return ctrl.Result{}, nil
	}
	key := mark("upgrade", attempt(u.Status.Attempt), at.Time)
	var spans []*tracepb.Span
	if !told.Has(who, key) {
		stage, err := t.stage(ctx, u)
		if err != nil {
			return ctrl.Result{}, err
		}
		spans = ofUpgrade(run, stage, u, ended(told, "upgrade"))
	}
	return ctrl.Result{}, t.export(ctx, u, told, spans, key)
}

// stage finds the stage of a cluster upgrade in the record of its run.
func (t *tracer) stage(ctx context.Context, u *v1alpha1.ClusterUpgrade) (string, error) {
	run := &v1alpha1.UpgradeRun{}
	err := t.hub.Get(ctx, types.NamespacedName{Namespace: u.Namespace, Name: u.Spec.RunRef.Name}, run, client.UnsafeDisableDeepCopy)
	if err != nil || run.UID != runOf(u) {
		return "", client.IgnoreNotFound(err)
	}
	return stageOf(run, u.Spec.Cluster), nil
}

type runs struct{ *tracer }

// Reconcile exports the spans of the stages of a run that have ended, and its own when it has.
func (t *runs) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	run := &v1alpha1.UpgradeRun{}
	if err := t.hub.Get(ctx, req.NamespacedName, run, client.UnsafeDisableDeepCopy); err != nil {
		t.book.Forget(req.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	told := t.book.Of(run)
	if run.Status.StartedAt == nil {
		return ctrl.Result{}, nil
	}
	spans, keys := t.spans(run, told)
	return ctrl.Result{}, t.export(ctx, run, told, spans, keys...)
}

// endOfStage is when a stage ended, or its run did in the middle of it, with the key of that; empty: neither has.
func endOfStage(st *v1alpha1.UpgradeRunStatus, stage *v1alpha1.RunStageStatus, over bool) (to time.Time, key string) {
	switch {
	case stage.StartedAt == nil:
	case stage.FinishedAt != nil:
		return stage.FinishedAt.Time, "stage/" + stage.Name
	case over:
		return st.FinishedAt.Time, mark("part-of-"+stage.Name, attempt(st.Attempt), st.FinishedAt.Time)
	}
	return time.Time{}, ""
}

// spans are those of a run that are not marked yet.
func (t *runs) spans(run *v1alpha1.UpgradeRun, told marks.Marks) (spans []*tracepb.Span, keys []string) {
	st := &run.Status
	from := st.StartedAt.Time
	if before := ended(told, "run"); before.After(from) {
		from = before
	}
	over := st.FinishedAt != nil && observe.RunEnded(run)
	for i := range st.Stages {
		stage := &st.Stages[i]
		to, key := endOfStage(st, stage, over)
		if key == "" || told.Has(who, key) || t.clock.Since(to) > tooOld {
			continue
		}
		begun := stage.StartedAt.Time
		if begun.Before(from) && from.Before(to) {
			begun = from
		}
		spans, keys = append(spans, ofStage(run, stage, begun, to)), append(keys, key)
	}
	if !over || t.clock.Since(st.FinishedAt.Time) > tooOld {
		return spans, keys
	}
	if key := mark("run", attempt(st.Attempt), st.FinishedAt.Time); !slices.Contains(told[who], key) {
		spans, keys = append(spans, ofRun(run, from)), append(keys, key)
	}
	return spans, keys
}
