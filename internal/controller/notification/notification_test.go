// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/controller/marks"
	"sengu.dev/sengu/internal/controller/metric"
	"sengu.dev/sengu/internal/notify"
	"sengu.dev/sengu/internal/notify/message"
)

var epoch = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

// inbox is a receiver that keeps what it is told. status is what it answers; 0: 200.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	header http.Header
	got    []string // run.failed by uid and key
	asked  int
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	i := &inbox{header: http.Header{}}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.asked++
		if i.status >= 300 {
			maps.Copy(w.Header(), i.header)
			w.WriteHeader(i.status)
			return
		}
		body, _ := io.ReadAll(r.Body)
		var e struct{ ID, Text string }
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("the receiver cannot read %s", body)
		}
		first, _, _ := strings.Cut(e.Text, "\n")
		i.got = append(i.got, e.ID+first)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *inbox) answers(status int, header ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.header = status, http.Header{}
	for j := 0; j < len(header); j += 2 {
		i.header.Set(header[j], header[j+1])
	}
}

func (i *inbox) wants(t *testing.T, want ...string) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if diff := cmp.Diff(want, i.got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// world is a hub with one fleet that has one run, and the process that tells of it.
type world struct {
	client.Client
	t     *testing.T
	clock *clocktesting.FakeClock
	inbox *inbox
	away  bool // the hub takes no marks
	*office
	runs   *teller[*v1alpha1.UpgradeRun]
	fleets *fleets
}

func newWorld(t *testing.T) *world {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w := &world{t: t, clock: clocktesting.NewFakeClock(epoch), inbox: newInbox(t)}
	fleet := &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: "fleet", Generation: 1}}
	fleet.Spec.Notifications = []v1alpha1.Notification{{Name: "ops", Type: v1alpha1.NotificationCloudEvents, URLSecretRef: ref("ops")}}
	run := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: "to-1-37", UID: "run"}}
	w.Client = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(fleet, run).
		WithObjects(fleet, run, secret("ops", w.inbox.URL+"/T0KEN")).
		WithInterceptorFuncs(interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if w.away {
				return errors.New("the hub is away")
			}
			return c.Patch(ctx, o, p, opts...)
		}}).Build()
	w.process()
	w.look()
	return w
}

func ref(name string) v1alpha1.SecretKeyReference {
	return v1alpha1.SecretKeyReference{Name: name, Key: "url"}
}

func secret(name, url string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: name}, Data: map[string][]byte{"url": []byte(url)}}
}

// process starts a new process, which remembers nothing.
func (w *world) process() {
	w.office = &office{hub: w.Client, secrets: w.Client, clock: w.clock, lanes: newLanes(), counted: metric.Notifications.Counter(nil),
		sender: notify.NewSender(notify.Config{Clock: w.clock, Timeout: 5 * time.Second}), news: make(chan event.GenericEvent, 64)}
	w.lanes.jitter = func() float64 { return 1 }
	w.fleets = &fleets{w.office}
	w.runs = &teller[*v1alpha1.UpgradeRun]{office: w.office, book: marks.NewBook(w.Client, v1alpha1.AnnotationTold), facts: message.OfRun,
		subject: func(_ context.Context, r *v1alpha1.UpgradeRun) (message.Subject, bool, error) {
			return message.Subject{Run: r}, true, nil
		},
		blank: func() *v1alpha1.UpgradeRun { return &v1alpha1.UpgradeRun{} },
	}
}

// look makes a pass over the fleet and returns it.
func (w *world) look() *v1alpha1.Fleet {
	w.t.Helper()
	key := client.ObjectKey{Namespace: "emea", Name: "fleet"}
	if _, err := w.fleets.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
		w.t.Fatal(err)
	}
	f := &v1alpha1.Fleet{}
	if err := w.Get(w.t.Context(), key, f); err != nil {
		w.t.Fatal(err)
	}
	return f
}

// tells makes a pass over the run and returns after how long the next is due; 0: never.
func (w *world) tells() time.Duration {
	w.t.Helper()
	after, err := w.pass()
	if err != nil {
		w.t.Fatal(err)
	}
	return after
}

func (w *world) pass() (time.Duration, error) {
	result, err := w.runs.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "emea", Name: "to-1-37"}})
	return result.RequeueAfter, err
}

// change edits the run's record.
func (w *world) change(edit func(*v1alpha1.UpgradeRunStatus)) {
	w.t.Helper()
	run := &v1alpha1.UpgradeRun{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "emea", Name: "to-1-37"}, run); err != nil {
		w.t.Fatal(err)
	}
	edit(&run.Status)
	if err := w.Status().Update(w.t.Context(), run); err != nil {
		w.t.Fatal(err)
	}
}

// settings edits the fleet's spec.
func (w *world) settings(edit func(*v1alpha1.Fleet)) {
	w.t.Helper()
	f := &v1alpha1.Fleet{}
	if err := w.Get(w.t.Context(), client.ObjectKey{Namespace: "emea", Name: "fleet"}, f); err != nil {
		w.t.Fatal(err)
	}
	edit(f)
	f.Generation++
	if err := w.Update(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) at() *metav1.Time { return new(metav1.NewTime(w.clock.Now())) }

func (w *world) starts() {
	w.change(func(st *v1alpha1.UpgradeRunStatus) { st.Phase, st.StartedAt = v1alpha1.RunPhaseRunning, w.at() })
}

func (w *world) fails() {
	w.change(func(st *v1alpha1.UpgradeRunStatus) { st.Phase, st.FinishedAt = v1alpha1.RunPhaseFailed, w.at() })
}

// TestEachTransitionIsToldOnce: and again only for a new one.
func TestEachTransitionIsToldOnce(t *testing.T) {
	w := newWorld(t)
	w.tells()
	w.inbox.wants(t)
	w.starts()
	w.tells()
	w.tells()
	w.inbox.wants(t, "run-RunStarted")
	w.clock.Step(time.Hour)
	w.fails()
	w.tells()
	w.inbox.wants(t, "run-RunStarted", "run-RunFailed-1")
	w.change(func(st *v1alpha1.UpgradeRunStatus) {
		st.Phase, st.Attempt, st.FinishedAt = v1alpha1.RunPhaseRunning, 2, nil
	})
	w.tells()
	w.fails()
	w.tells()
	w.inbox.wants(t, "run-RunStarted", "run-RunFailed-1", "run-RunFailed-2")
}

// TestARestartRepeatsNothingAndLosesNothing: neither what was told before, nor what happened while nobody looked.
func TestARestartRepeatsNothingAndLosesNothing(t *testing.T) {
	w := newWorld(t)
	w.starts()
	w.tells()
	w.process()
	w.tells()
	w.inbox.wants(t, "run-RunStarted")
	w.fails()
	w.clock.Step(time.Hour)
	w.process()
	w.tells()
	w.inbox.wants(t, "run-RunStarted", "run-RunFailed-1")
}

// TestAProcessThatDiesBeforeItsMarkTellsOnceMore: under the same id, by which the receiver knows it.
func TestAProcessThatDiesBeforeItsMarkTellsOnceMore(t *testing.T) {
	w := newWorld(t)
	w.starts()
	w.away = true
	if _, err := w.pass(); err == nil {
		t.Error("a mark that the hub did not take is no error")
	}
	if _, err := w.pass(); err == nil {
		t.Error("the mark is not tried again")
	}
	w.inbox.wants(t, "run-RunStarted") // it lives: it knows what it has told
	w.away = false
	w.process()
	w.tells()
	w.inbox.wants(t, "run-RunStarted", "run-RunStarted")
	w.process()
	w.tells()
	w.inbox.wants(t, "run-RunStarted", "run-RunStarted")
}

// TestWhoComesLaterIsNotToldThePast: neither a new notification, nor one that tells of other events from now on.
func TestWhoComesLaterIsNotToldThePast(t *testing.T) {
	w := newWorld(t)
	w.settings(func(f *v1alpha1.Fleet) { f.Spec.Notifications = nil })
	w.look()
	w.starts()
	w.tells()
	w.clock.Step(time.Minute)
	w.settings(func(f *v1alpha1.Fleet) {
		f.Spec.Notifications = []v1alpha1.Notification{{Name: "ops", Type: v1alpha1.NotificationCloudEvents, URLSecretRef: ref("ops"), Events: []v1alpha1.NotificationEvent{v1alpha1.EventRunSucceeded}}}
	})
	if after := w.tells(); after == 0 {
		t.Error("who is not known yet is not looked at again")
	}
	w.look()
	w.fails()
	w.tells()
	w.inbox.wants(t)
	w.clock.Step(time.Minute)
	w.settings(func(f *v1alpha1.Fleet) { f.Spec.Notifications[0].Events = nil })
	w.look()
	w.tells()
	w.inbox.wants(t)
	w.change(func(st *v1alpha1.UpgradeRunStatus) { st.Phase, st.FinishedAt = v1alpha1.RunPhaseSucceeded, w.at() })
	w.tells()
	w.inbox.wants(t, "run-RunSucceeded")
}

// TestAReceiverThatFailsIsTriedLaterAndLater: and a person reads why, without the URL. When it is back, it is told.
func TestAReceiverThatFailsIsTriedLaterAndLater(t *testing.T) {
	w := newWorld(t)
	w.inbox.answers(500)
	w.starts()
	var waits []string
	for range 9 {
		after := w.tells()
		waits = append(waits, after.String())
		if again := w.tells(); again != after {
			t.Errorf("a pass before its time tried again: next in %s, want %s", again, after)
		}
		w.clock.Step(after)
	}
	if diff := cmp.Diff([]string{"5s", "10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s", "5m0s"}, waits); diff != "" {
		t.Error(diff)
	}
	if w.inbox.asked != 9 {
		t.Errorf("asked %d times, want 9", w.inbox.asked)
	}
	c := meta.FindStatusCondition(w.look().Status.Conditions, v1alpha1.ConditionNotificationsDelivered)
	if c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonReceiverFailed || c.Message != "notification ops: the receiver has an error of its own (500 Internal Server Error)" {
		t.Errorf("condition %+v", c)
	}
	w.inbox.answers(200)
	w.tells()
	w.inbox.wants(t, "run-RunStarted")
	if c = meta.FindStatusCondition(w.look().Status.Conditions, v1alpha1.ConditionNotificationsDelivered); c.Status != metav1.ConditionTrue {
		t.Errorf("condition %+v", c)
	}
}

// TestWhenItIsTriedAgain: as the receiver asks, and where a person must act not at once.
func TestWhenItIsTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		header []string
		want   time.Duration
	}{
		"busy for two minutes":   {status: 429, header: []string{"Retry-After", "120"}, want: 2 * time.Minute},
		"busy, and does not say": {status: 429, want: firstBackoff},
		"an unknown webhook":     {status: 404, want: lastBackoff},
		"a redirect":             {status: 307, header: []string{"Location", "http://localhost/"}, want: lastBackoff},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.inbox.answers(tc.status, tc.header...)
			w.starts()
			if got := w.tells(); got != tc.want {
				t.Errorf("tried again after %s, want %s", got, tc.want)
			}
		})
	}
}

// TestAChangeOfTheSettingsIsTriedAtOnce: a person who corrects something does not wait for the back-off.
func TestAChangeOfTheSettingsIsTriedAtOnce(t *testing.T) {
	w := newWorld(t)
	w.inbox.answers(404)
	w.starts()
	w.tells()
	w.inbox.answers(200)
	w.settings(func(f *v1alpha1.Fleet) { f.Spec.Notifications[0].Transport = v1alpha1.NotificationPlain })
	w.look()
	w.tells()
	w.inbox.wants(t, "run-RunStarted")
}

// TestOldNewsIsNotTold: what could not be delivered within a day is history.
func TestOldNewsIsNotTold(t *testing.T) {
	w := newWorld(t)
	w.inbox.answers(500)
	w.starts()
	w.tells()
	w.inbox.answers(200)
	w.clock.Step(tooOld + time.Second)
	w.tells()
	w.fails()
	w.tells()
	w.inbox.wants(t, "run-RunFailed-1")
}

// TestWhatIsOverIsNotTold: the pause has ended before its receiver could be told of it.
func TestWhatIsOverIsNotTold(t *testing.T) {
	w := newWorld(t)
	w.inbox.answers(503)
	w.change(func(st *v1alpha1.UpgradeRunStatus) {
		st.Phase, st.Waiting = v1alpha1.RunPhasePaused, &v1alpha1.Waiting{Reason: v1alpha1.ReasonPausedByUser, Since: w.at()}
	})
	w.tells()
	w.inbox.answers(200)
	w.change(func(st *v1alpha1.UpgradeRunStatus) { st.Phase, st.Waiting = v1alpha1.RunPhaseRunning, nil })
	w.clock.Step(time.Minute)
	w.tells()
	w.inbox.wants(t)
}

// TestWhatMayPassIsToldWhenItLasts: and exactly then.
func TestWhatMayPassIsToldWhenItLasts(t *testing.T) {
	w := newWorld(t)
	w.change(func(st *v1alpha1.UpgradeRunStatus) {
		st.Stages = []v1alpha1.RunStageStatus{{Name: "staging", Phase: v1alpha1.StagePhaseSoaking,
			Waiting: &v1alpha1.Waiting{Reason: v1alpha1.ReasonSoakInterrupted, Since: w.at()}}}
	})
	after := w.tells()
	if after != 5*time.Minute {
		t.Errorf("looked at again after %s, want 5m", after)
	}
	w.inbox.wants(t)
	w.clock.Step(after)
	w.tells()
	w.inbox.wants(t, fmt.Sprintf("run-SoakInterrupted-staging-%d", epoch.Unix()))
}

// TestOneReceiverDoesNotHoldUpAnother: each is told in order, and a chat not faster than it takes.
func TestOneReceiverDoesNotHoldUpAnother(t *testing.T) {
	w := newWorld(t)
	chat := newInbox(t)
	if err := w.Create(t.Context(), secret("chat", chat.URL)); err != nil {
		t.Fatal(err)
	}
	w.settings(func(f *v1alpha1.Fleet) {
		f.Spec.Notifications = append(f.Spec.Notifications, v1alpha1.Notification{Name: "chat", Type: v1alpha1.NotificationSlack, URLSecretRef: ref("chat")})
	})
	w.look()
	w.inbox.answers(500)
	w.starts()
	w.fails()
	if after := w.tells(); after != chatPace {
		t.Errorf("looked at again after %s, want %s", after, chatPace)
	}
	chat.wants(t, "ℹ️ Run started: to-1-37")
	w.clock.Step(chatPace)
	w.tells()
	chat.wants(t, "ℹ️ Run started: to-1-37", "❌ Run failed: to-1-37")
	w.inbox.answers(200)
	w.clock.Step(lastBackoff)
	w.tells()
	w.inbox.wants(t, "run-RunStarted", "run-RunFailed-1")
	chat.wants(t, "ℹ️ Run started: to-1-37", "❌ Run failed: to-1-37")
}

// TestASlowReceiverTakesOneWorker: another pass finds the lane taken, and does not wait for it.
func TestASlowReceiverTakesOneWorker(t *testing.T) {
	l, key := newLanes(), client.ObjectKey{Namespace: "emea", Name: "ops"}
	if _, ok := l.take(key, epoch); !ok {
		t.Fatal("an empty lane is closed")
	}
	if again, ok := l.take(key, epoch); ok || !again.Equal(epoch.Add(busyFor)) {
		t.Errorf("a taken lane is open: %t, again %s", ok, again)
	}
	if _, ok := l.take(client.ObjectKey{Namespace: "emea", Name: "other"}, epoch); !ok {
		t.Error("another receiver's lane is closed")
	}
	l.leave(key, nil, epoch, 0)
	if _, ok := l.take(key, epoch); !ok {
		t.Error("a lane that was left is closed")
	}
}

// TestASecretThatCannotBeUsedIsToldBeforeAnythingHappens: and its correction too.
func TestASecretThatCannotBeUsedIsToldBeforeAnythingHappens(t *testing.T) {
	w := newWorld(t)
	s := &corev1.Secret{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: "emea", Name: "ops"}, s); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		data       map[string][]byte
		wantReason string
		wantText   string
	}{
		{data: map[string][]byte{"url": []byte("T0KEN")}, wantReason: v1alpha1.ReasonInvalidReceiver, wantText: `notification ops: key "url" of Secret ops is no URL that can be posted to: it must begin with https:// and name a host`},
		{data: map[string][]byte{}, wantReason: v1alpha1.ReasonSecretMissing, wantText: `notification ops: Secret emea/ops has no key "url": add it`},
		{data: map[string][]byte{"url": []byte(w.inbox.URL)}, wantReason: v1alpha1.ReasonDelivered, wantText: "no receiver has refused what it was told last"},
	} {
		s.Data = tc.data
		if err := w.Update(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		c := meta.FindStatusCondition(w.look().Status.Conditions, v1alpha1.ConditionNotificationsDelivered)
		if c.Reason != tc.wantReason || c.Message != tc.wantText {
			t.Errorf("condition %s: %q, want %s: %q", c.Reason, c.Message, tc.wantReason, tc.wantText)
		}
	}
	if w.inbox.asked != 0 {
		t.Errorf("the receiver was asked %d times", w.inbox.asked)
	}
}

// TestATestIsAnsweredOnce: it goes the way of every message, also while that waits for its back-off.
func TestATestIsAnsweredOnce(t *testing.T) {
	w := newWorld(t)
	w.inbox.answers(404)
	w.starts()
	w.tells()
	ask := func(request string) *v1alpha1.NotificationTest {
		w.settings(func(f *v1alpha1.Fleet) {
			f.Annotations = map[string]string{v1alpha1.AnnotationTestNotification: request}
		})
		w.look()
		return w.look().Status.NotificationTest
	}
	if got := ask("ops/1"); got.Reason != v1alpha1.ReasonReceiverRefused || got.Message == "" {
		t.Errorf("answer %+v", got)
	}
	w.inbox.answers(200)
	if got := ask("ops/2"); got.Request != "ops/2" || got.Reason != "" {
		t.Errorf("answer %+v", got)
	}
	w.inbox.wants(t, "emea-Test-ops-2")
	if got := ask("nobody/3"); got.Reason != v1alpha1.ReasonInvalidReceiver {
		t.Errorf("answer %+v", got)
	}
}

// TestOnlyNewFactsAreLookedAt: a record that only counts on is no reason to look.
func TestOnlyNewFactsAreLookedAt(t *testing.T) {
	w := newWorld(t)
	before := &v1alpha1.UpgradeRun{Status: v1alpha1.UpgradeRunStatus{Phase: v1alpha1.RunPhaseRunning, StartedAt: w.at()}}
	counts, failed := before.DeepCopy(), before.DeepCopy()
	counts.Status.Counts.Succeeded, failed.Status.Phase = 3, v1alpha1.RunPhaseFailed
	p := w.runs.newFacts()
	if p.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: counts}) || !p.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: failed}) {
		t.Error("a count is looked at, or a failure is not")
	}
}

// TestTheDefaultLeavesOutWhatIsNoNews: every other event is among it, and among the words of the API.
func TestTheDefaultLeavesOutWhatIsNoNews(t *testing.T) {
	if len(byDefault) != 12 || slices.Contains(byDefault, v1alpha1.EventClusterSucceeded) {
		t.Errorf("by default %v", byDefault)
	}
}
