// SPDX-License-Identifier: Apache-2.0

package controller_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// theRun of every story.
const theRun = "to-1-37"

// story is what a fleet lives through.
type story struct {
	// clusters by name.
	clusters map[string]v1alpha1.SimulatedProvider
	// change of the run, which else has a stage for each cluster, in the order of their names.
	change func(*v1alpha1.UpgradeRun)
	// person does something when the fleet is at some point.
	person []personStep
	// deleted: the person deletes the run, so that in the end there is none.
	deleted bool
	// from which change on the story is one of its own: before that it is like another.
	from string
}

type personStep struct {
	name string
	when func(seen) bool
	do   func(context.Context, *trial) error
}

// aMoment is what a step of a provider takes.
const aMoment = 60 * time.Millisecond

func simulatedCluster(style string, nodes int32, change func(*v1alpha1.SimulatedProvider)) v1alpha1.SimulatedProvider {
	c := v1alpha1.SimulatedProvider{Version: "1.36.1", NodeStyle: style, Nodes: nodes,
		ControlPlaneDuration: &metav1.Duration{Duration: aMoment}, NodeDuration: &metav1.Duration{Duration: aMoment}}
	if change != nil {
		change(&c)
	}
	return c
}

func (s *story) objects() []client.Object {
	var out []client.Object
	strategy := &v1alpha1.UpgradeStrategySpec{}
	for _, name := range slices.Sorted(maps.Keys(s.clusters)) {
		c := &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}},
			Spec: v1alpha1.ClusterSpec{Provider: v1alpha1.ProviderSpec{Simulated: new(s.clusters[name])}}}
		if c.Spec.Provider.Simulated.Nodes > 1 {
			c.Spec.NodeRollout.MaxSurge = new(intstr.FromInt32(1))
		} else {
			c.Spec.NodeRollout.MaxSurge, c.Spec.NodeRollout.MaxUnavailable = new(intstr.FromInt32(0)), new(intstr.FromInt32(1))
		}
		out = append(out, c)
		strategy.Stages = append(strategy.Stages, v1alpha1.StrategyStage{Name: name, Groups: []v1alpha1.StrategyGroup{{
			Name: "all", Selector: metav1.LabelSelector{MatchLabels: map[string]string{"name": name}}}}})
	}
	run := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Name: theRun},
		Spec: v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}, Strategy: strategy}}
	if s.change != nil {
		s.change(run)
	}
	return append(out, run)
}

// over says whether the story has come to its end.
func (s *story) over(f seen) bool {
	if s.deleted {
		return f.run == nil && len(f.upgrades) == 0
	}
	return f.run != nil && f.run.Status.Phase == v1alpha1.RunPhaseSucceeded
}

func runIs(phase v1alpha1.RunPhase) func(seen) bool {
	return func(s seen) bool { return s.run != nil && s.run.Status.Phase == phase }
}

func draining(s seen) bool {
	for i := range s.upgrades {
		for _, p := range s.upgrades[i].Status.NodePools {
			if len(p.Draining) > 0 {
				return true
			}
		}
	}
	return false
}

// blocked drain: it does not get on by itself, so what follows is the same each time.
func blocked(s seen) bool {
	for i := range s.upgrades {
		if w := s.upgrades[i].Status.Waiting; w != nil && w.Reason == v1alpha1.ReasonDrainBlocked {
			return true
		}
	}
	return false
}

// editRun is what a person does to the run.
func editRun(change func(*v1alpha1.UpgradeRunSpec)) func(context.Context, *trial) error {
	return func(ctx context.Context, tr *trial) error {
		run := &v1alpha1.UpgradeRun{}
		if err := tr.arena.hub.Get(ctx, client.ObjectKey{Namespace: tr.namespace, Name: theRun}, run); err != nil {
			return err
		}
		before := run.DeepCopy()
		change(&run.Spec)
		return tr.arena.hub.Patch(ctx, run, client.MergeFrom(before))
	}
}

func deleteRun(ctx context.Context, tr *trial) error {
	run := &v1alpha1.UpgradeRun{}
	run.Namespace, run.Name = tr.namespace, theRun
	return tr.arena.hub.Delete(ctx, run)
}

var stories = map[string]*story{
	"two hops and a soak, then the next stage": {
		clusters: map[string]v1alpha1.SimulatedProvider{
			"a": simulatedCluster("Provider", 2, func(c *v1alpha1.SimulatedProvider) { c.Version = "1.35.4" }),
			"b": simulatedCluster("Provider", 1, nil),
		},
		change: func(r *v1alpha1.UpgradeRun) {
			r.Spec.Strategy.Stages[0].Soak = &v1alpha1.Soak{Duration: metav1.Duration{Duration: time.Second}}
		},
	},
	"node by node": {from: "steer", clusters: map[string]v1alpha1.SimulatedProvider{"a": simulatedCluster("Sengu", 2, nil)}},
	"a gate is passed over": {
		from:     "POST gates",
		clusters: map[string]v1alpha1.SimulatedProvider{"a": simulatedCluster("Provider", 1, nil)},
		change: func(r *v1alpha1.UpgradeRun) {
			r.Spec.Strategy.Stages[0].BeforeGates = []v1alpha1.GateSpecTemplate{{Name: "ok", Approval: &v1alpha1.ApprovalGate{}}}
		},
		person: []personStep{{"pass over the gate",
			func(s seen) bool {
				return s.run != nil && s.run.Status.Waiting != nil && s.run.Status.Waiting.Reason == v1alpha1.ReasonGateClosed
			},
			editRun(func(r *v1alpha1.UpgradeRunSpec) {
				r.Skip = append(r.Skip, v1alpha1.Skip{Kind: v1alpha1.SkipKindGate, Stage: "a", Gate: "ok", Reason: "a rehearsal"})
			})}},
	},
	"a failure and a retry": {
		from: "PATCH clusterupgrades",
		clusters: map[string]v1alpha1.SimulatedProvider{"a": simulatedCluster("Provider", 1, func(c *v1alpha1.SimulatedProvider) {
			c.Failures = []v1alpha1.SimulatedFailure{{Operation: "NodePool", Times: 1, Code: "QuotaExceeded", Message: "no quota is left"}}
		})},
		person: []personStep{{"retry", runIs(v1alpha1.RunPhaseFailed), editRun(func(r *v1alpha1.UpgradeRunSpec) { r.Attempt = 2 })}},
	},
	"paused and resumed in a drain": {
		from:     "PATCH clusterupgrades",
		clusters: map[string]v1alpha1.SimulatedProvider{"a": simulatedCluster("Sengu", 2, nil)},
		person: []personStep{
			{"pause", draining, editRun(func(r *v1alpha1.UpgradeRunSpec) { r.State = v1alpha1.RunStatePause })},
			{"resume", runIs(v1alpha1.RunPhasePaused), editRun(func(r *v1alpha1.UpgradeRunSpec) { r.State = v1alpha1.RunStateRun })},
		},
	},
	"deleted in a drain": {
		from:     "PATCH clusterupgrades",
		clusters: map[string]v1alpha1.SimulatedProvider{"a": simulatedCluster("Sengu", 1, nil)},
		person:   []personStep{{"delete the run", blocked, deleteRun}},
		deleted:  true,
	},
}

// outcome is what a story comes to: the clusters, and what is written about them.
type outcome struct {
	Clusters map[string]clusterOutcome
	Run      string
	Upgrades map[string]upgradeOutcome
}

type clusterOutcome struct {
	Version    string
	Nodes      []string // version and image of each
	Marks      []string
	Pods       int // that are Ready
	Operations map[string]int
}

type upgradeOutcome struct {
	Phase      string
	Steps      []string
	Operations int32
}

func (tr *trial) outcome() outcome {
	out := outcome{Clusters: map[string]clusterOutcome{}, Upgrades: map[string]upgradeOutcome{}}
	s, err := tr.look(context.Background(), tr.arena.hub)
	if err != nil {
		tr.arena.t.Fatal(err)
	}
	if s.run != nil {
		out.Run = fmt.Sprintf("%s, %s, gates %v", s.run.Status.Phase, s.run.Status.Progress, gateStates(s.run))
	}
	for i := range s.upgrades {
		u := &s.upgrades[i]
		o := upgradeOutcome{Phase: string(u.Status.Phase), Operations: u.Status.OperationCount}
		for _, step := range u.Status.Steps {
			o.Steps = append(o.Steps, step.Name+" "+string(step.Result))
		}
		out.Upgrades[u.Name] = o
	}
	for name, c := range tr.story.clusters {
		out.Clusters[name] = tr.outcomeOf(name, c)
	}
	return out
}

func gateStates(run *v1alpha1.UpgradeRun) (out []string) {
	for _, s := range run.Status.Stages {
		for _, g := range s.Gates {
			out = append(out, g.Name+" "+string(g.State))
		}
	}
	return out
}

func (tr *trial) outcomeOf(name string, spec v1alpha1.SimulatedProvider) clusterOutcome {
	key := tr.namespace + "/" + name
	handle := tr.arena.world.Open(key, spec)
	d, err := handle.Describe(context.Background())
	if err != nil {
		tr.arena.t.Fatal(err)
	}
	out := clusterOutcome{Version: d.ControlPlaneVersion, Operations: map[string]int{}}
	for _, n := range d.NodePools[0].Nodes {
		out.Nodes = append(out.Nodes, n.Version+" "+n.Image)
	}
	slices.Sort(out.Nodes)
	for _, op := range tr.arena.world.Cluster(key).Operations() {
		out.Operations[op.Kind+" "+string(op.State)]++
	}
	if spec.NodeStyle == "Sengu" {
		f := &fleet{t: tr.arena.t, namespace: tr.namespace, world: tr.arena.world}
		out.Marks = f.marks(name)
	}
	return out
}

// seed of the second deaths. A failure prints it; any other is as good.
var seed = time.Now().UnixNano()

// TestAKillAtEveryChange plays each story once undisturbed, and then once for every change that it makes in the hub, at
// the provider or in a member: in that fleet the process dies right after it, without hearing of it, and for what is more
// than a new state of a record, in another fleet right before it. (The world right before a change is the one right after
// the change before.) The next process of every third fleet dies too, somewhere. The last one brings each story to the
// same end, with each operation done once.
func TestAKillAtEveryChange(t *testing.T) {
	a := newArena(t)
	undisturbed := map[string]*trial{}
	for name, s := range stories {
		undisturbed[name] = &trial{story: s, lives: []*life{newLife(death{})}}
	}
	a.play(slices.Collect(maps.Values(undisturbed)), 1)

	r := rand.New(rand.NewSource(seed))
	trials, missed := map[string][]*trial{}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(stories)) {
		for _, d := range stories[name].deaths(undisturbed[name].lives[0].changes) {
			second := death{}
			if r.Intn(3) == 0 {
				changes := undisturbed[name].lives[0].changes
				second = death{change{changes[r.Intn(len(changes))].what, 1}, r.Intn(2) == 0}
			}
			trials[name] = append(trials[name], &trial{story: stories[name], lives: []*life{newLife(d), newLife(second), newLife(death{})}})
			missed[d.kind()] = true
		}
	}
	a.play(slices.Concat(slices.Collect(maps.Values(trials))...), 3)
	for name := range stories {
		t.Run(name, func(t *testing.T) { judge(t, undisturbed[name], trials[name]) })
		for _, tr := range trials[name] {
			if d := tr.lives[0].death; tr.lives[0].over() {
				delete(missed, d.kind())
			}
		}
	}
	if len(missed) > 0 {
		t.Errorf("no process died %s", slices.Sorted(maps.Keys(missed)))
	}
}

// deaths are what a story is played with: one or two for each change of it that no other story has.
func (s *story) deaths(changes []change) (out []death) {
	from := slices.IndexFunc(changes, func(c change) bool { return c.what == s.from })
	for _, c := range changes[max(0, from):] {
		out = append(out, death{c, true})
		if !strings.HasPrefix(c.what, "PUT") && !strings.HasPrefix(c.what, "PATCH") {
			out = append(out, death{c, false})
		}
	}
	return out
}

// judge compares what became of the fleets of a story.
func judge(t *testing.T, undisturbed *trial, trials []*trial) {
	if undisturbed.stuck != "" {
		t.Fatalf("undisturbed: %s", undisturbed.stuck)
	}
	want, died := undisturbed.outcome(), 0
	for _, tr := range trials {
		if tr.lives[0].over() {
			died++
		}
		if tr.stuck != "" {
			t.Errorf("%s%s", tr, tr.stuck)
			continue
		}
		if diff := cmp.Diff(want, tr.outcome()); diff != "" {
			t.Errorf("%swhat became of it (-undisturbed +killed):\n%s", tr, diff)
		}
		for what, n := range tr.created {
			if n > 1 {
				t.Errorf("%s%s was created %d times", tr, what, n)
			}
		}
		for _, f := range tr.faults {
			t.Errorf("%s%s", tr, f)
		}
	}
	// How often a record is written depends on the time that all takes, so not every change comes in every fleet.
	t.Logf("%d changes undisturbed; the process died in %d of %d fleets", len(undisturbed.lives[0].changes), died, len(trials))
}

// String tells what the processes of a fleet did.
func (tr *trial) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, namespace %s\n", seed, tr.namespace)
	for i, l := range tr.lives {
		if len(l.changes) == 0 {
			continue
		}
		fmt.Fprintf(&b, "  process %d:\n", i+1)
		for j, c := range l.changes {
			fmt.Fprintf(&b, "    %d. %s\n", j+1, c.what)
		}
		if l.over() {
			fmt.Fprintf(&b, "    and dies %s\n", l.death)
		}
	}
	return b.String()
}
