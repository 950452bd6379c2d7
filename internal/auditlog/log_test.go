// SPDX-License-Identifier: Apache-2.0

package auditlog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/config/crd"
	"sengu.dev/sengu/internal/auditlog"
	"sengu.dev/sengu/internal/decide/audit"
	"sengu.dev/sengu/internal/hub"
	"sengu.dev/sengu/internal/hub/hubtest"
)

func TestMain(m *testing.M) { hubtest.Main(m, crd.FS) }

func clientOf(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	config = rest.CopyConfig(config)
	config.QPS = -1
	c, err := client.New(config, client.Options{Scheme: s})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fleet is a namespace of the hub with a chain.
type fleet struct {
	client.Client
	t         *testing.T
	namespace string
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	return &fleet{clientOf(t, hubtest.Hub(t).AdminConfig()), t, hubtest.Namespace(t)}
}

func (f *fleet) log(c client.Client) *auditlog.Log {
	return auditlog.New(c, f.Client, f.namespace, clock.RealClock{})
}

// chain reads what is stored and fails the test when it is broken.
func (f *fleet) chain() []v1alpha1.AuditEntry {
	f.t.Helper()
	v := audit.NewVerifier()
	var out []v1alpha1.AuditEntry
	err := auditlog.Each(context.Background(), f, f.namespace, func(e *v1alpha1.AuditEntry) error {
		v.Add(e.Name, &e.Spec, nil)
		out = append(out, *e)
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	if found := v.End(); len(found) > 0 {
		f.t.Errorf("the chain is broken: %v", found)
	}
	return out
}

// keys are the records of a chain, in their order.
func keys(chain []v1alpha1.AuditEntry) []string {
	var out []string
	for i := range chain {
		for _, r := range chain[i].Spec.Records {
			out = append(out, chain[i].Spec.Run+"/"+r.Key)
		}
	}
	return out
}

// look is a run of n clusters that have begun.
func look(run string, n int) audit.Look {
	now := metav1.NewTime(time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC))
	l := audit.Look{Of: audit.Run{Name: run, UID: "uid-of-" + run}, Run: &v1alpha1.UpgradeRun{
		ObjectMeta: metav1.ObjectMeta{Name: run, UID: types.UID("uid-of-" + run), Generation: 1, CreationTimestamp: now},
		Spec:       v1alpha1.UpgradeRunSpec{Target: v1alpha1.UpgradeTarget{Kubernetes: "1.37"}},
	}}
	for i := range n {
		l.Upgrades = append(l.Upgrades, &v1alpha1.ClusterUpgrade{
			Spec:   v1alpha1.ClusterUpgradeSpec{Cluster: fmt.Sprintf("c-%04d", i)},
			Status: v1alpha1.ClusterUpgradeStatus{Phase: v1alpha1.ClusterUpgradePhaseRunning, StartedAt: &now},
		})
	}
	return l
}

// TestTwoWritersAtOnce: the loser of a race reads on and tries the next number; nothing is told twice, nothing is lost.
func TestTwoWritersAtOnce(t *testing.T) {
	f := newFleet(t)
	const rounds = 20
	var wg sync.WaitGroup
	for w := range 2 {
		log := f.log(f)
		wg.Go(func() {
			for i := range rounds {
				// Both tell of one run that grows, and each of a run of its own.
				for _, l := range []audit.Look{look("both", i+1), look(fmt.Sprintf("only-%d", w), i+1)} {
					if _, _, err := log.Record(t.Context(), l, false); err != nil {
						t.Errorf("writer %d: %v", w, err)
					}
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]int{}
	for _, k := range keys(f.chain()) {
		seen[k]++
	}
	if want := 3 * (rounds + 1); len(seen) != want {
		t.Errorf("%d records, want %d", len(seen), want)
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("%s is recorded %d times", k, n)
		}
	}
}

// dying is the way to the hub of a process that ends at one of its writes: before the write arrives, or before its
// answer does.
type dying struct {
	client.Client
	left   int
	answer bool
}

var errEnded = errors.New("the process has ended")

// Create stores an object.
func (d *dying) Create(ctx context.Context, o client.Object, options ...client.CreateOption) error {
	return d.write(func() error { return d.Client.Create(ctx, o, options...) })
}

// Delete deletes an object.
func (d *dying) Delete(ctx context.Context, o client.Object, options ...client.DeleteOption) error {
	return d.write(func() error { return d.Client.Delete(ctx, o, options...) })
}

func (d *dying) write(do func() error) error {
	if d.left--; d.left > 0 {
		return do()
	}
	if d.left == 0 && d.answer {
		if err := do(); err != nil {
			return err
		}
	}
	return errEnded
}

// TestEndedAtEachWrite: a process that ends at any write of the record, before or after it counts, is followed by one
// that tells what is missing and nothing else.
func TestEndedAtEachWrite(t *testing.T) {
	story := []audit.Look{look("run", 0), look("run", 120), look("run", 240)} // 1, 2 and 2 entries
	const writes = 5
	want := fmt.Sprint(keys(undisturbed(t, story)))
	for n := 1; n <= writes; n++ {
		for _, answer := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, stored %t", n, answer), func(t *testing.T) {
				f := newFleet(t)
				log := f.log(&dying{f, n, answer})
				ended := false
				for _, l := range story {
					if _, _, err := log.Record(t.Context(), l, false); err != nil {
						if !errors.Is(err, errEnded) {
							t.Fatal(err)
						}
						ended = true
						log = f.log(f)
						if _, _, err := log.Record(t.Context(), l, false); err != nil {
							t.Fatal(err)
						}
					}
				}
				if got := fmt.Sprint(keys(f.chain())); got != want || !ended {
					t.Errorf("ended %t; the record is\n%s\nwant\n%s", ended, got, want)
				}
			})
		}
	}
}

func undisturbed(t *testing.T, story []audit.Look) []v1alpha1.AuditEntry {
	t.Helper()
	f := newFleet(t)
	log := f.log(f)
	for _, l := range story {
		if _, _, err := log.Record(t.Context(), l, false); err != nil {
			t.Fatal(err)
		}
	}
	return f.chain()
}

// TestALostAnswerIsLookedUp: the same process goes on after a write of which it does not know whether it counts.
func TestALostAnswerIsLookedUp(t *testing.T) {
	f := newFleet(t)
	flaky := &dying{f, 1, true}
	log := f.log(flaky)
	if _, _, err := log.Record(t.Context(), look("run", 3), false); !errors.Is(err, errEnded) {
		t.Fatalf("%v, want the loss of the answer", err)
	}
	flaky.left = 1000
	n, _, err := log.Record(t.Context(), look("run", 3), false)
	if err != nil || n != 0 {
		t.Errorf("%d entries, %v: what was stored is stored again", n, err)
	}
	if got := len(keys(f.chain())); got != 4 {
		t.Errorf("%d records, want 4", got)
	}
}

// TestClustersWaitForEachOther, and people do not.
func TestClustersWaitForEachOther(t *testing.T) {
	f := newFleet(t)
	log := f.log(f)
	if n, waits, err := log.Record(t.Context(), look("run", 1), true); n != 1 || waits || err != nil {
		t.Errorf("the creation: %d entries, waits %t, %v", n, waits, err)
	}
	if n, waits, err := log.Record(t.Context(), look("run", 5), true); n != 0 || !waits || err != nil {
		t.Errorf("clusters: %d entries, waits %t, %v, want them to wait", n, waits, err)
	}
	if n, waits, err := log.Record(t.Context(), look("run", 5), false); n != 1 || waits || err != nil {
		t.Errorf("when it is due: %d entries, waits %t, %v", n, waits, err)
	}
}

// TestPruneIsInterrupted: it may end at any write, and the chain is whole; the next one goes on.
func TestPruneIsInterrupted(t *testing.T) {
	by := v1alpha1.AuditActor{Kind: v1alpha1.AuditActorUser, Name: "ada"}
	for n := 1; n <= 4; n++ { // a checkpoint and three entries
		for _, answer := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, stored %t", n, answer), func(t *testing.T) {
				f := newFleet(t)
				log := f.log(f)
				for i := range 5 {
					if _, _, err := log.Record(t.Context(), look(fmt.Sprintf("run-%d", i), 0), false); err != nil {
						t.Fatal(err)
					}
				}
				limit := audit.Limit{BeforeSequence: 4}
				would, err := log.Prune(t.Context(), limit, by, true)
				if err != nil || would.Entries != 3 || len(f.chain()) != 5 {
					t.Fatalf("a dry run: %+v, %v, and %d entries are left", would, err, len(f.chain()))
				}
				if _, err := f.log(&dying{f, n, answer}).Prune(t.Context(), limit, by, false); !errors.Is(err, errEnded) {
					t.Fatalf("%v, want an end", err)
				}
				f.chain()
				if _, err := f.log(f).Prune(t.Context(), limit, by, false); err != nil {
					t.Fatal(err)
				}
				left := f.chain()
				if left[0].Spec.Sequence != 4 {
					t.Errorf("the chain begins with %d, want 4", left[0].Spec.Sequence)
				}
				// The one who was not told of it goes on all the same.
				if _, _, err := log.Record(t.Context(), look("run-9", 0), false); err != nil {
					t.Error(err)
				}
				f.chain()
			})
		}
	}
}

// TestNobodyChangesAnEntry, and only controllers make one.
func TestNobodyChangesAnEntry(t *testing.T) {
	f := newFleet(t)
	if _, _, err := f.log(f).Record(t.Context(), look("run", 1), false); err != nil {
		t.Fatal(err)
	}
	e := f.chain()[0]
	altered := e.DeepCopy()
	altered.Spec.Records[0].Reason = "all was well"
	if err := f.Update(t.Context(), altered); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "an audit entry is immutable") {
		t.Errorf("an admin alters it: %v", err)
	}
	wrong := &v1alpha1.AuditEntry{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "000000000009"}, Spec: e.Spec}
	wrong.Spec.Sequence, wrong.Spec.PreviousHash = 8, e.Spec.Hash
	if err := f.Create(t.Context(), wrong); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "is named by its sequence") {
		t.Errorf("an entry of another name: %v", err)
	}
	for _, group := range []string{hub.GroupOperators, hub.GroupViewers} {
		content, err := hubtest.Hub(t).Kubeconfig(hub.User{Name: "ben", Groups: []string{group}})
		if err != nil {
			t.Fatal(err)
		}
		config, err := clientcmd.RESTConfigFromKubeConfig(content)
		if err != nil {
			t.Fatal(err)
		}
		ben := clientOf(t, config)
		next := &v1alpha1.AuditEntry{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: audit.Name(2)}, Spec: e.Spec}
		next.Spec.Sequence = 2
		for what, err := range map[string]error{
			"create": ben.Create(t.Context(), next), "update": ben.Update(t.Context(), e.DeepCopy()), "delete": ben.Delete(t.Context(), e.DeepCopy()),
		} {
			if !apierrors.IsForbidden(err) {
				t.Errorf("%s may %s: %v", group, what, err)
			}
		}
		if err := ben.Get(t.Context(), client.ObjectKeyFromObject(&e), &v1alpha1.AuditEntry{}); err != nil {
			t.Errorf("%s cannot read: %v", group, err)
		}
	}
}
