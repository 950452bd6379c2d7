// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/view/viewtest"
)

// waitingRun puts a run into the fleet that waits for an approval before its last stage, and that another has started.
func waitingRun(s *session) {
	s.t.Helper()
	scene := viewtest.NewScene()
	s.play(scene)
	run := &v1alpha1.UpgradeRun{}
	if err := s.client().Get(s.t.Context(), s.key(scene.Run.Name), run); err != nil {
		s.t.Fatal(err)
	}
	s.gate(run, v1alpha1.GatePlace{Stage: "production", Timing: v1alpha1.GateTimingBefore}, true)
	s.gate(run, v1alpha1.GatePlace{Stage: "production", Timing: v1alpha1.GateTimingAfter}, false)
}

func (s *session) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: s.namespace, Name: name}
}

// gate puts an approval into the fleet as the controllers would.
func (s *session) gate(run *v1alpha1.UpgradeRun, place v1alpha1.GatePlace, reached bool) {
	s.t.Helper()
	g := &v1alpha1.Gate{
		ObjectMeta: metav1.ObjectMeta{Name: run.Name + "-" + place.Stage + "-" + strings.ToLower(string(place.Timing)) + "-go", Labels: map[string]string{v1alpha1.LabelRun: run.Name},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(run, v1alpha1.GroupVersion.WithKind("UpgradeRun"))}},
		Spec: v1alpha1.GateSpec{Type: v1alpha1.GateTypeApproval, RunRef: v1alpha1.LocalObjectReference{Name: run.Name}, Place: place,
			Template: v1alpha1.GateSpecTemplate{Name: "go", Approval: &v1alpha1.ApprovalGate{}}},
	}
	put(s, g, func(g *v1alpha1.Gate) {
		if reached {
			g.Status = v1alpha1.GateStatus{State: v1alpha1.GateStatePending, Reason: v1alpha1.ReasonApprovalNeeded, Message: "it waits for an approval", ReachedAt: viewtest.Ago(0)}
		}
	})
}

// TestApprovingAtTheCommandLine plays one approval: a look, a refusal, and an approval that takes it back.
func TestApprovingAtTheCommandLine(t *testing.T) {
	s := newSession(t)
	waitingRun(s)
	says := func(line, want string) {
		t.Helper()
		if out := s.must(line); !strings.Contains(out, want) {
			t.Errorf("sengu %s says\n%s\nwant %q in it", line, out, want)
		}
	}
	refuses := func(line string, code int, want string) {
		t.Helper()
		if r := s.do(line); r.code != code || !strings.Contains(r.errOut, want) {
			t.Errorf("sengu %s: exit code %d, %q; want %d and %q", line, r.code, r.errOut, code, want)
		}
	}
	says("gate list", "to-1-37-production-before-go   to-1-37   before production/go   Approval   Pending      ApprovalNeeded")
	says("gate list", "to-1-37-production-after-go    to-1-37   after production/go    Approval   NotReached")
	says("gate describe to-1-37 production/go", "Message:        it waits for an approval")
	says("gate describe to-1-37-production-before-go", "prod-tokyo-1: it is no longer in the fleet")
	says("gate refuse to-1-37 production/go --reason later", "gate.sengu.dev/to-1-37-production-before-go refused: it stays closed until you approve it")
	says("gate refuse to-1-37 production/go --reason later", "is refused by you already")
	says("run approve to-1-37", "gate.sengu.dev/to-1-37-production-before-go approved")
	says("gate approve to-1-37-production-before-go --if-no-failures --not-after 12h --comment CHG-1", "approved")
	says("gate approve to-1-37-production-after-go", "approved")
	says("gate describe to-1-37 production/go", "ada refuses, 0s ago: later")
	says("gate describe to-1-37 production/go", "if no cluster fails, if the run comes to the gate by ")

	refuses("gate approve", 2, "needs the name of a gate, or a run and STAGE/GATE")
	refuses("gate approve to-1-37 production/x", 1, `run "to-1-37" has no gate "production/x": it has production/go`)
	refuses("gate approve nothing", 1, `there is no gate "nothing"`)
	refuses("gate approve to-1-37 production/go --not-after tomorrow", 2, `--not-after is "tomorrow"`)
	refuses("gate refuse to-1-37 production/go", 2, "--reason is needed")

	g := &v1alpha1.Gate{}
	if err := s.client().Get(t.Context(), s.key("to-1-37-production-before-go"), g); err != nil {
		t.Fatal(err)
	}
	if n := len(g.Status.Decisions); n != 3 || g.Status.Decisions[0].By != "ada" || g.Status.State != v1alpha1.GateStatePending {
		t.Errorf("%d decisions and state %s, want three of ada's and what the controllers said: %+v", n, g.Status.State, g.Status.Decisions)
	}
}

// TestNobodyApprovesOnesOwnRun: ada has created it.
func TestNobodyApprovesOnesOwnRun(t *testing.T) {
	s := newSession(t)
	s.strategy()
	s.must("run create mine --to 1.37 --strategy staging-first")
	run := &v1alpha1.UpgradeRun{}
	if err := s.client().Get(t.Context(), s.key("mine"), run); err != nil {
		t.Fatal(err)
	}
	if by := run.Annotations[v1alpha1.AnnotationCreatedBy]; by != "ada" {
		t.Errorf("it was created by %q, want ada", by)
	}
	s.gate(run, v1alpha1.GatePlace{Stage: "production", Timing: v1alpha1.GateTimingBefore}, true)
	if r := s.do("run approve mine"); r.code != 1 || !strings.Contains(r.errOut, `you are "ada" and started run "mine": somebody else has to approve`) {
		t.Errorf("exit code %d: %s", r.code, r.errOut)
	}
}
