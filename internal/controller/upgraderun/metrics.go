// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller/metric"
	"sengu.dev/sengu/internal/observe"
)

// collectWithin bounds one look at the hub's caches, which may be filling.
const collectWithin = 5 * time.Second

// collector tells of runs and gates as they are when it is asked: nothing is left of what was deleted.
type collector struct {
	hub     client.Reader
	clock   clock.PassiveClock
	elected <-chan struct{}
}

// Describe names the metrics.
func (*collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range []metric.Metric{metric.RunInfo, metric.RunPhase, metric.RunClusters, metric.RunWaiting, metric.RunWaitingSeconds, metric.GatePending} {
		out <- m.Desc()
	}
}

// Collect tells of each run. Of several processes only the one that leads does: the others would say the same.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	select {
	case <-c.elected:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectWithin)
	defer cancel()
	var runs v1alpha1.UpgradeRunList
	var gates v1alpha1.GateList
	for _, list := range []client.ObjectList{&runs, &gates} {
		if err := c.hub.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return
		}
	}
	now := c.clock.Now()
	going := map[string]bool{}
	for i := range runs.Items {
		run := &runs.Items[i]
		if at := run.Status.FinishedAt; at != nil && observe.RunEnded(run) && now.Sub(at.Time) > metric.KeepEnded {
			continue
		}
		going[string(run.UID)] = !observe.RunEnded(run)
		collectRun(out, run, now)
	}
	for i := range gates.Items {
		g := &gates.Items[i]
		owner := metav1.GetControllerOf(g)
		if owner != nil && going[string(owner.UID)] && closed(g.Status.State) {
			out <- metric.GatePending.Gauge(1, g.Namespace, g.Spec.RunRef.Name, g.Name, string(g.Spec.Type))
		}
	}
}

func closed(s v1alpha1.GateState) bool {
	return s != v1alpha1.GateStatePassed && s != v1alpha1.GateStateSkipped
}

func collectRun(out chan<- prometheus.Metric, run *v1alpha1.UpgradeRun, now time.Time) {
	st, ns, name := &run.Status, run.Namespace, run.Name
	target := ""
	if st.Resolved != nil {
		target = st.Resolved.Version
	}
	out <- metric.RunInfo.Gauge(1, ns, name, target)
	phase := st.Phase
	if phase == "" {
		phase = v1alpha1.RunPhaseNotStarted
	}
	out <- metric.RunPhase.Gauge(1, ns, name, string(phase))
	for _, c := range []struct {
		state string
		n     int32
	}{
		{"NotStarted", st.Counts.NotStarted}, {"Running", st.Counts.Running}, {"Succeeded", st.Counts.Succeeded}, {"Failed", st.Counts.Failed},
		{"Skipped", st.Counts.Skipped}, {"Stopped", st.Counts.Stopped}, {"SetAside", st.Counts.SetAside},
	} {
		out <- metric.RunClusters.Gauge(float64(c.n), ns, name, c.state)
	}
	// What has ended waits for nothing: its last words say why it ended.
	if w := st.Waiting; w != nil && !observe.RunEnded(run) {
		out <- metric.RunWaiting.Gauge(1, ns, name, w.Reason)
		if w.Since != nil {
			out <- metric.RunWaitingSeconds.Gauge(max(0, now.Sub(w.Since.Time).Seconds()), ns, name, w.Reason)
		}
	}
}
