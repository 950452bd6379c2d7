// SPDX-License-Identifier: Apache-2.0

package message_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/notify/message"
	"sengu.dev/sengu/internal/view/viewtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// told is everything that is told of a scene, run first, in the order of time.
func told(s *viewtest.Scene) []message.Message {
	var out []message.Message
	s.Run.UID = "run-uid"
	for _, f := range message.OfRun(s.Run) {
		out = append(out, message.Of(f, message.Subject{Run: s.Run}))
	}
	for _, g := range s.Gates {
		g.UID, g.CreationTimestamp = "gate-uid", *viewtest.Ago(time.Minute)
		for _, f := range message.OfGate(g) {
			out = append(out, message.Of(f, message.Subject{Run: s.Run, Gate: g}))
		}
	}
	for _, u := range s.Upgrades {
		u.UID = types.UID(u.Spec.Cluster + "-uid")
		for _, f := range message.OfUpgrade(u) {
			out = append(out, message.Of(f, message.Subject{Run: s.Run, Upgrade: u}))
		}
	}
	return out
}

// condition sets one of an object's conditions, a while ago.
func condition(conditions *[]metav1.Condition, kind string, status metav1.ConditionStatus, reason, text string) {
	*conditions = append(*conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: text, LastTransitionTime: *viewtest.Ago(20 * time.Minute)})
}

// scenes from the life of runs that people are told of.
func scenes() map[string]*viewtest.Scene {
	refused := viewtest.NewScene()
	refused.Run.Status = v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseNotStarted}
	condition(&refused.Run.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonUnknownVersion, "version 1.37 is not offered to staging-1")

	draining := viewtest.Draining()
	condition(&draining.Upgrade("canary-1").Status.Conditions, v1alpha1.ConditionDrainBlocked, metav1.ConditionTrue, v1alpha1.ReasonDrainBlocked, "drains wait for budget shop/cart")

	failed := viewtest.NewScene().Succeed("staging-1", 3, time.Minute).Fail("canary-1", "QuotaExceeded", "the region has no cores left.")
	failed.Run.Status.Phase, failed.Run.Status.FinishedAt = v1alpha1.RunPhaseFailed, viewtest.Ago(0)
	failed.Run.Status.Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonTooManyFailures, Message: "1 cluster failed and 0 may"}
	failed.Run.Status.Causes = []v1alpha1.RunCause{{ID: "QuotaExceeded", Clusters: []string{"canary-1"}}}

	diagnosed := viewtest.NewScene().Fail("canary-1", "QuotaExceeded", "the region has no cores left")
	diagnosed.Upgrade("canary-1").Status.Diagnosis = &v1alpha1.Diagnosis{Title: "No quota is left for a surge node", Remedies: []v1alpha1.RemedyAction{{Action: "Ask the cloud for 8 more cores."}}}

	paused := viewtest.NewScene()
	paused.Run.Status.Phase = v1alpha1.RunPhasePaused
	paused.Run.Status.Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonPausedByUser, Since: viewtest.Ago(time.Minute)}

	interrupted := viewtest.NewScene().Succeed("staging-1", 3, time.Minute).Phase("staging", v1alpha1.StagePhaseSoaking)
	interrupted.Stage("staging").Waiting = &v1alpha1.Waiting{Reason: v1alpha1.ReasonSoakInterrupted, Message: "the soak of 1h does not count: staging-1: 1 node is not Ready", Since: viewtest.Ago(9 * time.Minute)}

	said := viewtest.Draining()
	said.Gates[0].Status = v1alpha1.GateStatus{State: v1alpha1.GateStateRefused, DecidedBy: "ada", DecidedAt: viewtest.Ago(time.Second), Message: "not before Monday."}

	stopped := viewtest.NewScene()
	stopped.Run.Status.Phase, stopped.Run.Status.FinishedAt = v1alpha1.RunPhaseStopped, viewtest.Ago(0)

	done := viewtest.NewScene()
	for _, c := range []string{"staging-1", "canary-1", "prod-tokyo-1", "prod-osaka-1", "prod-berlin-1"} {
		done.Succeed(c, 3, time.Minute)
	}
	for _, name := range []string{"staging", "canary", "production"} {
		done.Phase(name, v1alpha1.StagePhaseSucceeded).Stage(name).FinishedAt = viewtest.Ago(time.Second)
	}
	done.Run.Status.Phase, done.Run.Status.FinishedAt = v1alpha1.RunPhaseSucceeded, viewtest.Ago(0)
	return map[string]*viewtest.Scene{"refused": refused, "draining": draining, "failed": failed, "diagnosed": diagnosed, "paused": paused,
		"soak-interrupted": interrupted, "gate-refused": said, "stopped": stopped, "done": done}
}

// TestWhatPeopleAreTold: what, where and what next, for every scene.
func TestWhatPeopleAreTold(t *testing.T) {
	seen := map[v1alpha1.NotificationEvent]bool{}
	for name, s := range scenes() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, m := range told(s) {
				seen[m.Event] = true
				fmt.Fprintf(&b, "%s %s %s\n  %s\n  %s\n  %s\n", m.Severity, m.ID, m.Reason, m.What, m.Where, m.Next)
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v: run the test with -update and look at what it writes", err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", path, diff)
			}
		})
	}
	if len(seen) != 13 {
		t.Errorf("the scenes tell of %d of the 13 events: %v", len(seen), seen)
	}
}

// TestWhatIsNotTold: what is still to come, what ends by itself, and what a person did not ask for.
func TestWhatIsNotTold(t *testing.T) {
	waiting := viewtest.NewScene()
	waiting.Run.Status = v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseNotStarted}
	condition(&waiting.Run.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonClusterNotDescribed, "")
	if got := message.OfRun(waiting.Run); len(got) > 0 {
		t.Errorf("a run that waits for a description: %v", got)
	}
	passed := viewtest.Draining().Gates[0]
	for _, state := range []v1alpha1.GateState{v1alpha1.GateStatePassed, v1alpha1.GateStateSkipped} {
		passed.Status.State = state
		if got := message.OfGate(passed); len(got) > 0 {
			t.Errorf("a gate that is %s: %v", state, got)
		}
	}
	scheduled := viewtest.Draining().Gates[0]
	scheduled.Spec.Type = v1alpha1.GateTypeScheduledStart
	if got := message.OfGate(scheduled); len(got) > 0 {
		t.Errorf("a gate that opens by itself: %v", got)
	}
}

// TestWhatComesAndGoesMustLast: people are told of what may pass by itself only when it has lasted.
func TestWhatComesAndGoesMustLast(t *testing.T) {
	want := map[v1alpha1.NotificationEvent]time.Duration{
		v1alpha1.EventRunRefused: 30 * time.Second, v1alpha1.EventSoakInterrupted: 5 * time.Minute, v1alpha1.EventDrainBlocked: 10 * time.Minute,
	}
	for name, s := range scenes() {
		facts := message.OfRun(s.Run)
		for _, u := range s.Upgrades {
			facts = append(facts, message.OfUpgrade(u)...)
		}
		for _, f := range facts {
			if got := f.Due.Sub(f.At); got != want[f.Event] {
				t.Errorf("%s: %s is told after %s, want %s", name, f.Event, got, want[f.Event])
			}
		}
	}
}

// TestKeysTellFactsApart: the same fact has the same key after any other change; another of its kind has another.
func TestKeysTellFactsApart(t *testing.T) {
	key := func(change func(*v1alpha1.UpgradeRun), event v1alpha1.NotificationEvent) string {
		run := scenes()["failed"].Run
		change(run)
		facts := message.OfRun(run)
		i := slices.IndexFunc(facts, func(f message.Fact) bool { return f.Event == event })
		if i < 0 {
			t.Fatalf("no %s in %v", event, facts)
		}
		return facts[i].Key
	}
	first := key(func(*v1alpha1.UpgradeRun) {}, v1alpha1.EventRunFailed)
	if got := key(func(r *v1alpha1.UpgradeRun) { r.Generation, r.Status.Waiting = 9, nil }, v1alpha1.EventRunFailed); got != first {
		t.Errorf("the same failure has keys %q and %q", first, got)
	}
	if got := key(func(r *v1alpha1.UpgradeRun) { r.Status.Attempt = 2 }, v1alpha1.EventRunFailed); got == first {
		t.Errorf("the failure of the second attempt has the key of the first: %q", got)
	}
	paused := func(since time.Duration) func(*v1alpha1.UpgradeRun) {
		return func(r *v1alpha1.UpgradeRun) {
			r.Status.Phase, r.Status.Waiting = v1alpha1.RunPhasePaused, &v1alpha1.Waiting{Since: viewtest.Ago(since)}
		}
	}
	if a, b := key(paused(time.Minute), v1alpha1.EventRunPaused), key(paused(time.Second), v1alpha1.EventRunPaused); a == b {
		t.Errorf("two pauses have one key: %q", a)
	}
}

// nasty is what a cloud, or somebody who names things, could write.
const nasty = "<!channel> <@U1> @here @all & [a](https://evil.example) \x1b[31m\u202e {{DATE(2020)}}\nsecond line <https://evil.example|click>"

// poisoned is a failure whose every free text is nasty.
func poisoned() message.Message {
	s := viewtest.NewScene().Fail("canary-1", nasty, nasty+strings.Repeat("ü", 4000))
	m := told(s)
	return m[len(m)-1]
}

// TestUntrustedTextHasNoPower: it mentions nobody, links nowhere, colours nothing, and fits.
func TestUntrustedTextHasNoPower(t *testing.T) {
	for name, write := range map[string]func(message.Message) ([]byte, error){"Slack": message.Slack, "Teams": message.Teams, "CloudEvent": message.CloudEvent} {
		t.Run(name, func(t *testing.T) {
			body, err := write(poisoned())
			if err != nil {
				t.Fatal(err)
			}
			if len(body) > 20_000 || !utf8.Valid(body) {
				t.Errorf("%d bytes, valid: %t; Teams takes 28 KB", len(body), utf8.Valid(body))
			}
			var decoded any
			if err := json.Unmarshal(body, &decoded); err != nil {
				t.Fatal(err)
			}
			for path, text := range texts("", decoded) {
				if strings.ContainsAny(text, "\x1b\u202e") || strings.Contains(text, "\n") && path != "/text" {
					t.Errorf("%s holds control characters: %q", path, text)
				}
				if name != "CloudEvent" && (strings.Contains(text, "@here") || strings.Contains(text, "@all")) {
					t.Errorf("%s mentions people: %q", path, text)
				}
			}
		})
	}
}

// TestSlackReadsPlainText: every text that Slack would parse is escaped, and the others are plain.
func TestSlackReadsPlainText(t *testing.T) {
	body, err := message.Slack(poisoned())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Text   string
		Blocks []struct {
			Type     string
			Text     *struct{ Type, Text string }
			Elements []struct{ Type, Text string }
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(got.Text, "<>") || !strings.Contains(got.Text, "&lt;!channel&gt;") {
		t.Errorf("text is not escaped: %q", got.Text)
	}
	var kinds []string
	for _, b := range got.Blocks {
		kinds = append(kinds, b.Type)
		texts := b.Elements
		if b.Text != nil {
			texts = append(texts, *b.Text)
		}
		for _, text := range texts {
			if text.Type != "plain_text" || text.Text == "" || len(text.Text) > 3000 || b.Type == "header" && len(text.Text) > 150 {
				t.Errorf("block %s: %q of type %s", b.Type, text.Text, text.Type)
			}
		}
	}
	if diff := cmp.Diff([]string{"header", "section", "section", "context"}, kinds); diff != "" {
		t.Error(diff)
	}
}

// TestTeamsReadsACard: the envelope is what a workflow takes, and no text of it is Markdown.
func TestTeamsReadsACard(t *testing.T) {
	body, err := message.Teams(poisoned())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Type, Version string
				Body          []struct {
					Type    string
					Inlines []struct{ Type, Text string }
				}
			}
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "message" || len(got.Attachments) != 1 || got.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" || got.Attachments[0].Content.Type != "AdaptiveCard" {
		t.Fatalf("the envelope is %s", body)
	}
	for _, b := range got.Attachments[0].Content.Body {
		// A TextBlock or a FactSet would read Markdown and functions like {{DATE(…)}}.
		if b.Type != "RichTextBlock" || len(b.Inlines) != 1 || b.Inlines[0].Type != "TextRun" || b.Inlines[0].Text == "" {
			t.Errorf("block %+v", b)
		}
	}
}

// TestCloudEventsKeepToTheirSchema: that of CloudEvents 1.0, and the one in the reference.
func TestCloudEventsKeepToTheirSchema(t *testing.T) {
	content, err := os.ReadFile("../../../docs/reference/notification.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	schema := &spec.Schema{}
	if err := json.Unmarshal(content, schema); err != nil {
		t.Fatal(err)
	}
	validator := validate.NewSchemaValidator(schema, nil, "", strfmt.Default)
	messages := []message.Message{poisoned(), message.Test("emea", "ops", "ops/1", viewtest.Now)}
	for _, s := range scenes() {
		messages = append(messages, told(s)...)
	}
	for _, m := range messages {
		body, err := message.CloudEvent(m)
		if err != nil {
			t.Fatal(err)
		}
		var e cloudevents.Event
		if err := json.Unmarshal(body, &e); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if err := e.Validate(); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		var data map[string]any
		if err := e.DataAs(&data); err != nil {
			t.Fatal(err)
		}
		if result := validator.Validate(data); !result.IsValid() {
			t.Errorf("%s: %v", e.Data(), result.Errors)
		}
		if again, err := message.CloudEvent(m); err != nil || string(again) != string(body) {
			t.Errorf("the same message is written in two ways: %s and %s", body, again)
		}
	}
}

// texts are all strings of a JSON document, by their path.
func texts(path string, v any) map[string]string {
	out := map[string]string{}
	add := func(key string, v any) {
		maps.Copy(out, texts(path+"/"+key, v))
	}
	switch v := v.(type) {
	case string:
		out[path] = v
	case []any:
		for i, item := range v {
			add(fmt.Sprint(i), item)
		}
	case map[string]any:
		for key, item := range v {
			add(key, item)
		}
	}
	return out
}
