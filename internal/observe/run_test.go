// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

func run(name, uid string, phase v1alpha1.RunPhase) *v1alpha1.UpgradeRun {
	return &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)}, Status: v1alpha1.UpgradeRunStatus{Phase: phase}}
}

func owned(by *v1alpha1.UpgradeRun, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name,
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(by, v1alpha1.GroupVersion.WithKind("UpgradeRun"))}}
}

// upgradeBy is the cluster upgrade of a cluster in a run.
func upgradeBy(by *v1alpha1.UpgradeRun, cluster string, phase v1alpha1.ClusterUpgradePhase) *v1alpha1.ClusterUpgrade {
	return &v1alpha1.ClusterUpgrade{ObjectMeta: owned(by, by.Name+"-"+cluster), Status: v1alpha1.ClusterUpgradeStatus{Phase: phase},
		Spec: v1alpha1.ClusterUpgradeSpec{Cluster: cluster, RunRef: v1alpha1.LocalObjectReference{Name: by.Name}}}
}

func gateOf(by *v1alpha1.UpgradeRun, name string) *v1alpha1.Gate {
	return &v1alpha1.Gate{ObjectMeta: owned(by, name), Spec: v1alpha1.GateSpec{RunRef: v1alpha1.LocalObjectReference{Name: by.Name}}}
}

func claimed(name, by string) *v1alpha1.Cluster {
	return &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Status: v1alpha1.ClusterStatus{ActiveRun: by}}
}

// TestWhatARunSees of a fleet in which others work as well.
func TestWhatARunSees(t *testing.T) {
	mine, before := run("r", "uid-2", v1alpha1.RunPhaseRunning), run("r", "uid-1", v1alpha1.RunPhaseRunning)
	other, ended := run("other", "uid-3", v1alpha1.RunPhaseRunning), run("ended", "uid-4", v1alpha1.RunPhaseSucceeded)
	short := run("r-a", "uid-5", v1alpha1.RunPhaseRunning)
	w := newWorld(t, mine, other, ended, short,
		claimed("a", "r"), claimed("b", "other"), claimed("d", "ended"), claimed("e", "nobody"), claimed("f", ""), claimed("a-f", ""),
		upgradeBy(mine, "a", v1alpha1.ClusterUpgradePhaseRunning), gateOf(mine, "r-ok"),
		upgradeBy(before, "b", v1alpha1.ClusterUpgradePhaseSucceeded), gateOf(before, "r-old"),
		upgradeBy(other, "d", v1alpha1.ClusterUpgradePhaseRunning), gateOf(other, "other-ok"),
		upgradeBy(other, "e", v1alpha1.ClusterUpgradePhaseFailed),
		upgradeBy(short, "f", v1alpha1.ClusterUpgradePhaseSucceeded), // it is called r-a-f, as that of a-f in r would be
	)
	s, err := LookAtRun(t.Context(), w.hub, mine)
	if err != nil {
		t.Fatal(err)
	}
	var upgrades, gates []string
	for _, u := range s.Upgrades {
		upgrades = append(upgrades, u.Name)
	}
	for _, g := range s.Gates {
		gates = append(gates, g.Name)
	}
	if !slices.Equal(upgrades, []string{"r-a"}) || !slices.Equal(gates, []string{"r-ok"}) {
		t.Errorf("upgrades %v and gates %v, want its own: r-a and r-ok", upgrades, gates)
	}
	if diff := cmp.Diff(map[string]string{"b": "other", "d": "other"}, s.BusyWith); diff != "" {
		t.Errorf("busy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"b": "r", "a-f": "r-a"}, s.Taken); diff != "" {
		t.Errorf("names that are taken (-want +got):\n%s", diff)
	}
	if len(s.Elsewhere) != 1 || s.Elsewhere[0].Name != "other-d" {
		t.Errorf("%d cluster upgrades elsewhere, want the one that has not ended: other-d", len(s.Elsewhere))
	}
	if names := len(s.Clusters); names != 7 {
		t.Errorf("%d clusters, want all 7 of the namespace", names)
	}
}

// TestTheSettingsOfTheFleet are part of what a run sees, where there are any.
func TestTheSettingsOfTheFleet(t *testing.T) {
	mine := run("r", "uid-1", v1alpha1.RunPhaseRunning)
	settings := v1alpha1.FleetSpec{MaxConcurrency: new(intstr.FromInt(3))}
	for name, tc := range map[string]struct {
		objects []client.Object
		want    *v1alpha1.FleetSpec
	}{
		"none":                   {},
		"some":                   {objects: []client.Object{&v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: v1alpha1.FleetName}, Spec: settings}}, want: &settings},
		"those of another fleet": {objects: []client.Object{&v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Namespace: "elsewhere", Name: v1alpha1.FleetName}, Spec: settings}}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := LookAtRun(t.Context(), newWorld(t, append(tc.objects, mine)...).hub, mine)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, s.Fleet); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatEarlierRunsHaveSoaked counts for the same target only, and each hour once.
func TestWhatEarlierRunsHaveSoaked(t *testing.T) {
	soaked := func(name, version string, hours, taken int) *v1alpha1.UpgradeRun {
		r := run(name, "uid-"+name, v1alpha1.RunPhaseStopped)
		r.Status.Resolved = &v1alpha1.ResolvedTarget{Version: version}
		r.Status.Stages = []v1alpha1.RunStageStatus{{Name: "staging", SoakedFor: &metav1.Duration{Duration: time.Duration(hours) * time.Hour}}, {Name: "production"}}
		if taken > 0 {
			r.Status.Stages[0].SoakedBefore = &metav1.Duration{Duration: time.Duration(taken) * time.Hour}
		}
		return r
	}
	mine := soaked("mine", "1.37.2", 1, 0)
	s, err := LookAtRun(t.Context(), newWorld(t, mine, soaked("first", "1.37.2", 30, 0), soaked("second", "1.37.2", 50, 30),
		soaked("another target", "1.37.1", 100, 0), run("not accepted", "uid-x", v1alpha1.RunPhaseNotStarted)).hub, mine)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]time.Duration{"staging": 50 * time.Hour}, s.SoakedBefore); diff != "" {
		t.Errorf("soaked before (-want +got):\n%s", diff)
	}
}

func TestTheStrategyOfARun(t *testing.T) {
	spec := v1alpha1.UpgradeStrategySpec{OnFailure: v1alpha1.FailureActionFinishStage}
	stored := &v1alpha1.UpgradeStrategy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "standard"}, Spec: spec}
	tests := map[string]struct {
		change func(*v1alpha1.UpgradeRun)
		want   *v1alpha1.UpgradeStrategySpec
	}{
		"its own":                 {change: func(r *v1alpha1.UpgradeRun) { r.Spec.Strategy = &spec }, want: &spec},
		"one that it refers to":   {change: refers("standard"), want: &spec},
		"one that does not exist": {change: refers("nowhere")},
		"it is frozen, and not read again": {change: func(r *v1alpha1.UpgradeRun) {
			refers("standard")(r)
			r.Status.Strategy = &v1alpha1.UpgradeStrategySpec{}
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := run("r", "uid-1", "")
			tc.change(r)
			s, err := LookAtRun(t.Context(), newWorld(t, stored.DeepCopy()).hub, r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, s.Strategy); diff != "" {
				t.Errorf("strategy (-want +got):\n%s", diff)
			}
		})
	}
}

func refers(name string) func(*v1alpha1.UpgradeRun) {
	return func(r *v1alpha1.UpgradeRun) { r.Spec.StrategyRef = &v1alpha1.LocalObjectReference{Name: name} }
}

// TestWhoHoldsACluster: one that has failed lets go, until it is retried.
func TestWhoHoldsACluster(t *testing.T) {
	holds := map[v1alpha1.ClusterUpgradePhase]bool{
		"": true, v1alpha1.ClusterUpgradePhaseNotStarted: true, v1alpha1.ClusterUpgradePhaseRunning: true, v1alpha1.ClusterUpgradePhaseHolding: true,
		v1alpha1.ClusterUpgradePhaseHeld: true, v1alpha1.ClusterUpgradePhaseFailed: false, v1alpha1.ClusterUpgradePhaseSucceeded: false, v1alpha1.ClusterUpgradePhaseSkipped: false,
	}
	for _, phase := range slices.Sorted(maps.Keys(holds)) {
		u := &v1alpha1.ClusterUpgrade{Status: v1alpha1.ClusterUpgradeStatus{Phase: phase, Attempt: 1}}
		if got := HoldsCluster(u); got != holds[phase] {
			t.Errorf("%q holds the cluster: %t, want %t", phase, got, holds[phase])
		}
		u.Spec.Attempt = 2
		if retried := holds[phase] || phase == v1alpha1.ClusterUpgradePhaseFailed; HoldsCluster(u) != retried {
			t.Errorf("%q, retried, holds the cluster: %t, want %t", phase, !retried, retried)
		}
	}
}
