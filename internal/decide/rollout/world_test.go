// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"flag"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/decide/windows"
)

var update = flag.Bool("update", false, "write the golden transcripts anew")

// epoch is when every story begins.
var epoch = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

// world is a scripted fleet: it does what a run decides, and lets upgrades move on, fail and hold.
type world struct {
	t        testing.TB
	now      time.Time
	run      *v1alpha1.UpgradeRun
	strategy *v1alpha1.UpgradeStrategySpec
	clusters map[string]*v1alpha1.Cluster
	upgrades map[string]*v1alpha1.ClusterUpgrade // by cluster
	gates    map[string]*v1alpha1.Gate
	busy     map[string]string
	fleet    *v1alpha1.FleetSpec
	// calendars by name.
	calendars map[string]*v1alpha1.MaintenanceCalendar
	// elsewhere are the clusters in flight in other runs, and soakedBefore what earlier runs have soaked.
	elsewhere    map[string]bool
	soakedBefore map[string]time.Duration
	// fails is how many more attempts on a cluster fail.
	fails map[string]int
	// order of the lists in the snapshot is shuffled by it.
	random *rand.Rand
	log    bytes.Buffer
	last   string
	frozen *v1alpha1.ResolvedTarget
}

func newWorld(t testing.TB, strategy *v1alpha1.UpgradeStrategySpec, envs ...string) *world {
	w := &world{t: t, now: epoch, strategy: strategy, clusters: map[string]*v1alpha1.Cluster{}, upgrades: map[string]*v1alpha1.ClusterUpgrade{},
		gates: map[string]*v1alpha1.Gate{}, busy: map[string]string{}, elsewhere: map[string]bool{}, fails: map[string]int{}, random: rand.New(rand.NewSource(1))}
	for i, env := range envs {
		w.add(fmt.Sprintf("%s-%d", env, i+1), env)
	}
	w.run = &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Name: "r", Namespace: "fleet", Generation: 1,
		Annotations: map[string]string{v1alpha1.AnnotationCreatedBy: "eve", v1alpha1.AnnotationStartedBy: "eve"}},
		Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Strategy: strategy}}
	return w
}

func (w *world) add(name, env string) *v1alpha1.Cluster {
	c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "fleet", Labels: map[string]string{"env": env}}}
	c.Status.ControlPlane.Version = "1.36.1"
	c.Status.NodePools = []v1alpha1.NodePoolStatus{{Name: "user", Version: "1.36.1", Nodes: 3}}
	c.Status.Offers = v1alpha1.ClusterOffers{Kubernetes: []string{"1.36.1", "1.37.0", "1.37.2", "1.38.0-rc.1"}, Images: []string{"image-1", "image-2"}}
	w.clusters[name] = c
	w.health(name, metav1.ConditionTrue)
	return c
}

func (w *world) health(name string, status metav1.ConditionStatus) {
	for _, kind := range []string{v1alpha1.ConditionReachable, v1alpha1.ConditionHealthy} {
		reason, message := v1alpha1.ReasonAvailable, "fine"
		if status != metav1.ConditionTrue {
			reason, message = v1alpha1.ReasonNodesNotReady, "not Ready: node-1"
		}
		meta.SetStatusCondition(&w.clusters[name].Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message})
	}
}

// opens adds a calendar with a window.
func (w *world) opens(name string, window v1alpha1.MaintenanceWindow) *v1alpha1.MaintenanceCalendar {
	if w.calendars == nil {
		w.calendars = map[string]*v1alpha1.MaintenanceCalendar{}
	}
	w.calendars[name] = &v1alpha1.MaintenanceCalendar{ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.MaintenanceCalendarSpec{TimeZone: "UTC", Windows: []v1alpha1.MaintenanceWindow{window}}}
	return w.calendars[name]
}

// takes says how long the control plane of a cluster usually takes.
func (w *world) takes(name string, d time.Duration) {
	w.clusters[name].Spec.Provider.Simulated = &v1alpha1.SimulatedProvider{ControlPlaneDuration: &metav1.Duration{Duration: d}}
}

// snapshot is what the run sees, in any order.
func (w *world) snapshot() Snapshot {
	s := Snapshot{Run: w.run, Strategy: w.strategy, BusyWith: w.busy, Deleting: w.run.DeletionTimestamp != nil,
		Fleet: w.fleet, SoakedBefore: w.soakedBefore}
	var calendars []*v1alpha1.MaintenanceCalendar
	for _, k := range shuffled(w.random, w.calendars) {
		calendars = append(calendars, w.calendars[k])
	}
	s.Calendars = windows.Read(calendars)
	for _, k := range shuffled(w.random, w.elsewhere) {
		s.Elsewhere = append(s.Elsewhere, &v1alpha1.ClusterUpgrade{Spec: v1alpha1.ClusterUpgradeSpec{Cluster: k}})
	}
	for _, k := range shuffled(w.random, w.clusters) {
		s.Clusters = append(s.Clusters, w.clusters[k])
	}
	for _, k := range shuffled(w.random, w.upgrades) {
		s.Upgrades = append(s.Upgrades, w.upgrades[k])
	}
	for _, k := range shuffled(w.random, w.gates) {
		s.Gates = append(s.Gates, w.gates[k])
	}
	return s
}

func shuffled[V any](r *rand.Rand, m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	return keys
}

// decide makes one pass, does what it says and checks the safety rules.
func (w *world) decide() Decision {
	w.t.Helper()
	before := w.snapshot()
	kept := before.Run.DeepCopy()
	d := Decide(before, w.now)
	if diff := cmp.Diff(kept, before.Run); diff != "" {
		w.t.Fatalf("the snapshot was changed:\n%s", diff)
	}
	if again := Decide(w.snapshot(), w.now); cmp.Diff(d, again) != "" {
		w.t.Fatalf("the order of the input matters:\n%s", cmp.Diff(d, again))
	}
	w.checkRules(d)
	w.run.Status = d.Status
	for _, a := range d.Actions {
		w.do(a)
	}
	w.tell(d)
	return d
}

func (w *world) do(a Action) {
	switch a.Kind {
	case ActionStartCluster:
		if w.upgrades[a.Cluster] == nil {
			w.upgrades[a.Cluster] = &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: a.Upgrade}, Spec: *a.Spec}
		}
	case ActionSetState:
		w.byName(a.Upgrade).Spec.State = a.State
	case ActionRetry:
		u := w.byName(a.Upgrade)
		u.Spec.Attempt, u.Spec.State = a.Attempt, v1alpha1.ClusterUpgradeStateRun
	case ActionCreateGate:
		if w.gates[a.Gate] == nil {
			w.gates[a.Gate] = &v1alpha1.Gate{ObjectMeta: metav1.ObjectMeta{Name: a.Gate}, Spec: *a.GateSpec}
		}
	case ActionDecideGate:
		if g := w.gates[a.Gate]; g.ResourceVersion == a.GateVersion {
			g.Status = *a.GateStatus.DeepCopy()
			touch(g)
		}
	case ActionSkipGate:
		w.gates[a.Gate].Status.State = v1alpha1.GateStateSkipped
		touch(w.gates[a.Gate])
	}
}

// touch gives a gate that was written its next version.
func touch(g *v1alpha1.Gate) { g.ResourceVersion += "+" }

// says lets a person decide a gate.
func (w *world) says(person string, decision v1alpha1.GateDecisionKind, gate string, with ...func(*v1alpha1.GateDecision)) {
	w.t.Helper()
	g := w.gates[gate]
	if g == nil {
		w.t.Fatalf("there is no gate %s", gate)
	}
	d := v1alpha1.GateDecision{By: person, At: metav1.NewTime(w.now), Decision: decision, Comment: "as they say"}
	for _, f := range with {
		f(&d)
	}
	g.Status.Decisions = append(g.Status.Decisions, d)
	touch(g)
}

func (w *world) byName(name string) *v1alpha1.ClusterUpgrade {
	for _, u := range w.upgrades {
		if u.Name == name {
			return u
		}
	}
	w.t.Fatalf("an action names cluster upgrade %q, which does not exist", name)
	return nil
}

// move lets the upgrade of a cluster make one step.
func (w *world) move(name string) {
	u := w.upgrades[name]
	st := &u.Status
	attempt := max(u.Spec.Attempt, 1)
	switch {
	case st.Phase == v1alpha1.ClusterUpgradePhaseFailed && attempt <= st.Attempt,
		st.Phase == v1alpha1.ClusterUpgradePhaseSucceeded, st.Phase == v1alpha1.ClusterUpgradePhaseSkipped:
	case u.Spec.State == v1alpha1.ClusterUpgradeStateSkip:
		st.Phase = v1alpha1.ClusterUpgradePhaseSkipped
	case u.Spec.State == v1alpha1.ClusterUpgradeStateHold:
		st.Phase, st.Attempt = v1alpha1.ClusterUpgradePhaseHeld, attempt
	case st.Phase != v1alpha1.ClusterUpgradePhaseRunning:
		st.Phase, st.Attempt = v1alpha1.ClusterUpgradePhaseRunning, attempt
	case w.fails[name] > 0:
		w.fails[name]--
		st.Phase, st.Reason, st.Message = v1alpha1.ClusterUpgradePhaseFailed, "QuotaExceeded", "no quota is left"
	default:
		st.Phase = v1alpha1.ClusterUpgradePhaseSucceeded
		if c := w.clusters[name]; c != nil && len(u.Spec.Hops) > 0 {
			c.Status.ControlPlane.Version = u.Spec.Hops[len(u.Spec.Hops)-1]
		}
	}
}

// settle lets everything move until nothing does any more without time.
func (w *world) settle() Decision {
	w.t.Helper()
	var d Decision
	for range 100 {
		d = w.decide()
		before := fmt.Sprint(w.phases())
		for _, name := range sorted(w.upgrades) {
			w.move(name)
		}
		if len(d.Actions) == 0 && fmt.Sprint(w.phases()) == before {
			return d
		}
		w.now = w.now.Add(time.Second)
	}
	w.t.Fatal("the run never settles")
	return d
}

func (w *world) phases() map[string]string {
	out := map[string]string{}
	for k, u := range w.upgrades {
		out[k] = fmt.Sprint(u.Status.Phase, u.Status.Attempt, u.Spec.State)
	}
	return out
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// tell writes what happened into the transcript, when it is something new.
func (w *world) tell(d Decision) {
	var line strings.Builder
	for _, a := range d.Actions {
		fmt.Fprintf(&line, "        %s %s%s%s: %s\n", a.Kind, a.Cluster, a.Gate, a.State, a.Reason)
	}
	st := d.Status
	fmt.Fprintf(&line, "        %s", st.Phase)
	if st.CurrentStage != "" {
		fmt.Fprintf(&line, " in %s", st.CurrentStage)
	}
	if st.Progress != "" {
		fmt.Fprintf(&line, " %s", st.Progress)
	}
	if st.Waiting != nil {
		fmt.Fprintf(&line, "; %s: %s", st.Waiting.Reason, st.Waiting.Message)
		if st.Waiting.Until != nil {
			fmt.Fprintf(&line, " until +%s", st.Waiting.Until.Sub(epoch))
		}
	}
	if d.ReleaseFinalizer {
		line.WriteString("; may be deleted")
	}
	if line.String() == w.last {
		return
	}
	w.last = line.String()
	fmt.Fprintf(&w.log, "+%s\n%s\n", w.now.Sub(epoch), line.String())
}

func (w *world) note(format string, args ...any) {
	fmt.Fprintf(&w.log, "+%s\n    %s\n", w.now.Sub(epoch), fmt.Sprintf(format, args...))
}

// golden compares the transcript with the one that a person has read.
func (w *world) golden() {
	w.t.Helper()
	file := filepath.Join("testdata", strings.ReplaceAll(w.t.Name(), "/", "_")+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(file, w.log.Bytes(), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		w.t.Fatalf("%v; write it with -update and read it", err)
	}
	if diff := cmp.Diff(string(want), w.log.String()); diff != "" {
		w.t.Errorf("the story went otherwise (-want +got):\n%s", diff)
	}
}

// order is a strategy of one group a stage.
func order(envs ...string) *v1alpha1.UpgradeStrategySpec {
	s := &v1alpha1.UpgradeStrategySpec{}
	for _, env := range envs {
		s.Stages = append(s.Stages, v1alpha1.StrategyStage{Name: env, Groups: []v1alpha1.StrategyGroup{{
			Name: "all", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"env": env}},
		}}})
	}
	return s
}

func number(n int) *intstr.IntOrString     { return new(intstr.FromInt(n)) }
func percent(s string) *intstr.IntOrString { return new(intstr.FromString(s)) }
