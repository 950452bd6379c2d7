// SPDX-License-Identifier: Apache-2.0

package simulate

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/rollout"
)

// setAsideAfterAnHour lets the run go on without clusters that are not available.
func (s *scene) setAsideAfterAnHour() {
	s.strategy.Unavailable = &v1alpha1.UnavailablePolicy{Action: v1alpha1.UnavailableSetAside, After: &metav1.Duration{Duration: hour}}
}

// TestForecastsOfStrategies: what a strategy can ask for beyond a plain sequence.
func TestForecastsOfStrategies(t *testing.T) {
	tests := map[string]struct {
		envs   []string
		change func(*scene)
		want   []string
	}{
		"a canary goes before the others of its group": {
			envs: []string{"production", "production", "production", "production"},
			change: func(s *scene) {
				s.strategy.Stages[0].Groups[0].Canaries, s.strategy.Stages[0].Groups[0].MaxConcurrency = 1, new(intstr.FromInt32(3))
			},
			want: []string{
				"production-1 +0s to +22m", "production-2 +22m to +44m", "production-3 +22m to +44m", "production-4 +22m to +44m",
				"stage production +0s to +44m", "ends +44m",
			},
		},
		"in a graph two regions go side by side, and the last stage waits for the later of them": {
			envs: []string{"east", "west", "west", "global"},
			change: func(s *scene) {
				s.strategy.StageOrder, s.strategy.Stages[2].DependsOn = v1alpha1.StageOrderGraph, []string{"east", "west"}
				s.strategy.Stages[0].Soak = &v1alpha1.Soak{Duration: metav1.Duration{Duration: hour}}
			},
			want: []string{
				"east-1 +0s to +22m", "west-2 +0s to +22m", "west-3 +22m to +44m", "global-4 +1h22m to +1h44m",
				"stage east +0s to +1h22m, soaks +22m to +1h22m", "stage west +0s to +44m", "stage global +1h22m to +1h44m", "ends +1h44m",
			},
		},
		"a cluster that has left the fleet is set aside, and the run fails in the end": {
			envs: []string{"staging", "staging", "production"},
			change: func(s *scene) {
				s.setAsideAfterAnHour()
				s.Snapshot.Run.Status = rollout.Decide(s.Snapshot, epoch).Status
				s.Snapshot.Clusters = slices.Delete(s.Snapshot.Clusters, 0, 1)
			},
			want: []string{
				"staging-1 never to never", "staging-2 +0s to +22m", "production-3 +1h0m to +1h22m",
				"stage staging +0s to +1h0m", "stage production +1h0m to +1h22m", "ends never",
				"Failed: all is done but for clusters that were not available; retry or skip them: staging-1 (ClusterMissingFromFleet)",
			},
		},
		"a cluster of another run is free before it would be set aside": {
			envs: []string{"staging", "staging", "production"},
			change: func(s *scene) {
				s.setAsideAfterAnHour()
				s.Snapshot.BusyWith = map[string]string{"staging-1": "other"}
			},
			want: []string{
				"staging-1 +22m to +44m", "staging-2 +0s to +22m", "production-3 +44m to +1h6m",
				"stage staging +0s to +44m", "stage production +44m to +1h6m", "ends +1h6m",
				"Busy: run other works on clusters, and is assumed to be done with them in time: staging-1",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScene(tc.envs...)
			tc.change(s)
			if diff := cmp.Diff(tc.want, lines(Make(s.Input))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
