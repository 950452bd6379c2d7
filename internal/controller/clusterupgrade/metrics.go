// SPDX-License-Identifier: Apache-2.0

package clusterupgrade

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller/metric"
	"sengu.dev/sengu/internal/observe"
)

// collectWithin bounds one look at the hub's caches, which may be filling.
const collectWithin = 5 * time.Second

// durations are observed when a record shows for the first time that something has ended.
type durations struct {
	upgrades, steps *prometheus.HistogramVec
}

func newDurations(r prometheus.Registerer) *durations {
	return &durations{metric.UpgradeDuration.Histogram(r), metric.StepDuration.Histogram(r)}
}

// observe compares a record with the one that was written before it. One that was not written is the same.
func (d *durations) observe(look *observe.Upgrade, before, after *v1alpha1.ClusterUpgradeStatus) {
	if look.Snapshot.Cluster == nil {
		return
	}
	provider := observe.ProviderKind(look.Snapshot.Cluster.Spec.Provider)
	if ends(after.Phase) && !ends(before.Phase) {
		d.took(d.upgrades.WithLabelValues(provider, string(after.Phase)), after.StartedAt, after.FinishedAt)
	}
	was := map[string]v1alpha1.StepResult{}
	for _, s := range before.Steps {
		was[s.Name] = s.Result
	}
	for _, s := range after.Steps {
		if s.Result != was[s.Name] && (s.Result == v1alpha1.StepResultSucceeded || s.Result == v1alpha1.StepResultFailed) {
			d.took(d.steps.WithLabelValues(provider, stepKind(s.Name), string(s.Result)), s.StartedAt, s.FinishedAt)
		}
	}
}

func (*durations) took(o prometheus.Observer, from, to *metav1.Time) {
	if from != nil && to != nil {
		o.Observe(max(0, to.Sub(from.Time).Seconds()))
	}
}

func ends(p v1alpha1.ClusterUpgradePhase) bool {
	return p == v1alpha1.ClusterUpgradePhaseSucceeded || p == v1alpha1.ClusterUpgradePhaseFailed || p == v1alpha1.ClusterUpgradePhaseSkipped
}

var stepKinds = []string{"Preflight", "Backup", "ControlPlane", "Verify", "NodePool", "VerifyNodes"}

// stepKind is the second word of a step's name (stop/kind or stop/kind/pool): the others are without bound.
func stepKind(step string) string {
	words := strings.Split(step, "/")
	if len(words) > 1 && slices.Contains(stepKinds, words[1]) {
		return words[1]
	}
	return "Other"
}

// collector tells of blocked drains as they are when it is asked.
type collector struct {
	hub     client.Reader
	clock   clock.PassiveClock
	elected <-chan struct{}
}

// Describe names the metrics.
func (*collector) Describe(out chan<- *prometheus.Desc) {
	out <- metric.DrainBlocked.Desc()
	out <- metric.DrainBlockedSeconds.Desc()
}

// Collect tells of each cluster upgrade whose drain is blocked; of several processes only the one that leads does.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	select {
	case <-c.elected:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectWithin)
	defer cancel()
	var list v1alpha1.ClusterUpgradeList
	if err := c.hub.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return
	}
	now := c.clock.Now()
	for i := range list.Items {
		u := &list.Items[i]
		blocked := meta.FindStatusCondition(u.Status.Conditions, v1alpha1.ConditionDrainBlocked)
		if blocked == nil || blocked.Status != metav1.ConditionTrue || ends(u.Status.Phase) {
			continue
		}
		labels := []string{u.Namespace, u.Spec.RunRef.Name, u.Spec.Cluster}
		out <- metric.DrainBlocked.Gauge(1, labels...)
		out <- metric.DrainBlockedSeconds.Gauge(max(0, now.Sub(blocked.LastTransitionTime.Time).Seconds()), labels...)
	}
}
