// SPDX-License-Identifier: Apache-2.0

// Package metric names every metric of Sengu. The reference page and the checks of the alert rules are made from its
// list; each controller fills in its own.
//
// Labels are names of the hub's objects and documented words, never text from outside, and a series ends with its
// object: what is told of a run ends a day after the run.
package metric

//go:generate go run ../../../hack/metrics ../../../docs/reference/metrics.md

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// KeepEnded is how long a run that has ended is still told of.
const KeepEnded = 24 * time.Hour

// Metric is one metric.
type Metric struct {
	// Name, Kind (gauge, counter, histogram) and Help as Prometheus gets them.
	Name, Kind, Help string
	// Labels in their order.
	Labels []string
	// Buckets of a histogram, upper bounds in seconds.
	Buckets []float64
}

// The metrics of runs and gates.
var (
	RunInfo = Metric{Name: "sengu_run_info", Kind: "gauge", Labels: []string{"namespace", "run", "target"},
		Help: "1 for each run, with the exact version that it goes to (empty: node images only, or not frozen yet)."}
	RunPhase = Metric{Name: "sengu_run_phase", Kind: "gauge", Labels: []string{"namespace", "run", "phase"},
		Help: "1 for the phase in which a run is."}
	RunClusters = Metric{Name: "sengu_run_clusters", Kind: "gauge", Labels: []string{"namespace", "run", "state"},
		Help: "Clusters of a run by state: NotStarted, Running, Succeeded, Failed, Skipped, Stopped, SetAside."}
	RunWaiting = Metric{Name: "sengu_run_waiting", Kind: "gauge", Labels: []string{"namespace", "run", "reason"},
		Help: "1 while a run waits, with the reason."}
	RunWaitingSeconds = Metric{Name: "sengu_run_waiting_seconds", Kind: "gauge", Labels: []string{"namespace", "run", "reason"},
		Help: "How long a run has waited for that reason."}
	GatePending = Metric{Name: "sengu_gate_pending", Kind: "gauge", Labels: []string{"namespace", "run", "gate", "type"},
		Help: "1 while a gate that a run has come to is closed."}
)

// The metrics of cluster upgrades.
var (
	UpgradeDuration = Metric{Name: "sengu_cluster_upgrade_duration_seconds", Kind: "histogram", Labels: []string{"provider", "result"}, Buckets: long,
		Help: "How long the upgrades of clusters took that have ended since this process started, by result: Succeeded, Failed, Skipped."}
	StepDuration = Metric{Name: "sengu_step_duration_seconds", Kind: "histogram", Labels: []string{"provider", "step", "result"}, Buckets: long,
		Help: "How long steps took that have ended since this process started, by kind of step (ControlPlane, NodePool, …) and result: Succeeded, Failed."}
	DrainBlocked = Metric{Name: "sengu_drain_blocked", Kind: "gauge", Labels: []string{"namespace", "run", "cluster"},
		Help: "1 while a budget lets no pod of the nodes in hand go."}
	DrainBlockedSeconds = Metric{Name: "sengu_drain_blocked_seconds", Kind: "gauge", Labels: []string{"namespace", "run", "cluster"},
		Help: "How long a drain has been blocked."}
)

// The metrics of telling people.
var (
	Notifications = Metric{Name: "sengu_notifications_total", Kind: "counter", Labels: []string{"namespace", "notification", "type", "result"},
		Help: "Messages since this process started: delivered, failed (each try that failed), dropped (not delivered within a day)."}
	Spans = Metric{Name: "sengu_spans_total", Kind: "counter", Labels: []string{"result"},
		Help: "Spans of traces since this process started: exported, failed (each try that failed)."}
)

// long are the bounds for what takes from seconds to a night.
var long = []float64{10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800}

// All metrics, in the order of the reference page.
var All = []Metric{
	RunInfo, RunPhase, RunClusters, RunWaiting, RunWaitingSeconds, GatePending,
	UpgradeDuration, StepDuration, DrainBlocked, DrainBlockedSeconds, Notifications, Spans,
}

// Desc is how a collector describes it.
func (m Metric) Desc() *prometheus.Desc { return prometheus.NewDesc(m.Name, m.Help, m.Labels, nil) }

// Gauge is one value of it, for a collector. Labels are in the order of the metric's.
func (m Metric) Gauge(value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(m.Desc(), prometheus.GaugeValue, value, labels...)
}

// Counter registers it as a counter. A nil registerer is fine: nobody looks then.
func (m Metric) Counter(r prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.Labels)
	if r != nil {
		r.MustRegister(c)
	}
	return c
}

// Histogram registers it as a histogram. A nil registerer is fine: nobody looks then.
func (m Metric) Histogram(r prometheus.Registerer) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: m.Name, Help: m.Help, Buckets: m.Buckets}, m.Labels)
	if r != nil {
		r.MustRegister(h)
	}
	return h
}
