// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// failingFleet is how many clusters a failing run has; one of them, in the first wave, fails.
const failingFleet, failingParallel = 12, 3

// stop is what one failing run showed.
type stop struct {
	latency time.Duration
	late    int
}

// measureStops lets many small runs meet a failure, twenty at a time.
func (w *world) measureStops(ctx context.Context, r *Result) error {
	fmt.Fprintf(w.Progress, "fleet: %d small runs meet a failure\n", w.FailingRuns)
	stops := make([]stop, w.FailingRuns)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(20)
	for i := range stops {
		g.Go(func() error {
			var err error
			stops[i], err = w.failingRun(ctx, fmt.Sprintf("failing-%03d", i))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	slices.SortFunc(stops, func(a, b stop) int { return int(a.latency - b.latency) })
	r.StopP50 = stops[len(stops)/2].latency
	r.StopP99 = stops[min(len(stops)-1, len(stops)*99/100)].latency
	for _, s := range stops {
		r.StartedAfter += s.late
	}
	return nil
}

func (w *world) failingRun(ctx context.Context, name string) (stop, error) {
	ns, err := w.namespace(ctx, name)
	if err != nil {
		return stop{}, err
	}
	for i := range failingFleet {
		var failures []v1alpha1.SimulatedFailure
		if i == 0 {
			failures = []v1alpha1.SimulatedFailure{{Operation: "ControlPlane", Code: "QuotaExceeded", Message: "no quota is left"}}
		}
		if err := w.client.Create(ctx, w.cluster(ns, fmt.Sprintf("c%02d", i), failures)); err != nil {
			return stop{}, err
		}
	}
	if err := w.described(ctx, ns, failingFleet); err != nil {
		return stop{}, err
	}
	if err := w.client.Create(ctx, run(ns, "r", failingParallel, 0)); err != nil {
		return stop{}, err
	}
	limit := 3*(w.ControlPlane+w.Node) + time.Minute
	if _, err := w.until(ctx, ns, "r", stopping, limit); err != nil {
		return stop{}, err
	}
	seen := time.Now()
	failedAt, err := w.failureOf(ctx, ns+"/c00")
	if err != nil {
		return stop{}, err
	}
	if _, err := w.until(ctx, ns, "r", finished, limit); err != nil {
		return stop{}, err
	}
	late, err := w.startedAfter(ctx, ns, seen)
	return stop{latency: seen.Sub(failedAt), late: late}, err
}

// failureOf asks the provider, not the hub, when the operation failed.
func (w *world) failureOf(ctx context.Context, key string) (time.Time, error) {
	for _, op := range w.simulated.Cluster(key).Operations() {
		if op.Code == "QuotaExceeded" {
			return op.FinishedAt, nil
		}
	}
	return time.Time{}, fmt.Errorf("no operation of %s failed: %w", key, context.Cause(ctx))
}

// startedAfter counts the cluster upgrades that were created after an instant. Creation times are whole seconds.
func (w *world) startedAfter(ctx context.Context, ns string, at time.Time) (int, error) {
	var list v1alpha1.ClusterUpgradeList
	if err := w.client.List(ctx, &list, client.InNamespace(ns)); err != nil {
		return 0, err
	}
	late := 0
	for i := range list.Items {
		if list.Items[i].CreationTimestamp.After(at) {
			late++
		}
	}
	return late, nil
}

func finished(p v1alpha1.RunPhase) bool {
	return p == v1alpha1.RunPhaseSucceeded || p == v1alpha1.RunPhaseFailed || p == v1alpha1.RunPhaseStopped
}

func stopping(p v1alpha1.RunPhase) bool { return p == v1alpha1.RunPhaseStopping || finished(p) }

// until follows a run by a watch, so that the instant of a phase is known to the millisecond.
func (w *world) until(ctx context.Context, ns, name string, done func(v1alpha1.RunPhase) bool, limit time.Duration) (v1alpha1.RunPhase, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last v1alpha1.UpgradeRun
	for ctx.Err() == nil {
		events, err := w.client.Watch(ctx, &v1alpha1.UpgradeRunList{}, client.InNamespace(ns), client.MatchingFields{"metadata.name": name})
		if err != nil {
			return "", err
		}
		for e := range events.ResultChan() {
			if run, ok := e.Object.(*v1alpha1.UpgradeRun); ok {
				last = *run
				if done(run.Status.Phase) {
					events.Stop()
					return run.Status.Phase, nil
				}
			}
		}
	}
	return "", fmt.Errorf("run %s/%s is still %s after %s: %v", ns, name, last.Status.Phase, limit, last.Status.Waiting)
}

// peakRSS reads the high-water mark of this process in MiB.
func peakRSS() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no VmHWM")
}
