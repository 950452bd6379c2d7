// SPDX-License-Identifier: Apache-2.0

package marks

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"sengu.dev/sengu/api/v1alpha1"
)

const annotation = "sengu.dev/test"

// hub has one run; while away it takes no writes.
type hub struct {
	client.Client
	t      *testing.T
	away   bool
	writes int
}

func newHub(t *testing.T) *hub {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	h := &hub{t: t}
	run := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: "a", UID: "uid-1"}}
	h.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(run).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if h.away {
				return errors.New("the hub is away")
			}
			h.writes++
			return c.Patch(ctx, o, p, opts...)
		},
	}).Build()
	return h
}

func (h *hub) run() *v1alpha1.UpgradeRun {
	h.t.Helper()
	r := &v1alpha1.UpgradeRun{}
	if err := h.Get(context.Background(), client.ObjectKey{Namespace: "emea", Name: "a"}, r); err != nil {
		h.t.Fatal(err)
	}
	return r
}

func wants(t *testing.T, got, want Marks) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("marks (-want +got):\n%s", diff)
	}
}

// TestMarksOutliveTheProcess: the next process reads what this one has done.
func TestMarksOutliveTheProcess(t *testing.T) {
	h := newHub(t)
	want := Marks{"ops": {"RunStarted"}}
	if err := NewBook(h, annotation).Write(t.Context(), h.run(), want); err != nil {
		t.Fatal(err)
	}
	wants(t, NewBook(h, annotation).Of(h.run()), want)
}

// TestMarksHoldBeforeTheWatchShowsThem: a pass on an old object does nothing twice.
func TestMarksHoldBeforeTheWatchShowsThem(t *testing.T) {
	h := newHub(t)
	old, book := h.run(), NewBook(h, annotation)
	m := book.Of(old)
	m["ops"] = append(m["ops"], "RunStarted")
	if err := book.Write(t.Context(), old, m); err != nil {
		t.Fatal(err)
	}
	wants(t, book.Of(old), Marks{"ops": {"RunStarted"}})
	m["ops"] = nil // the caller's copy is its own
	wants(t, book.Of(old), Marks{"ops": {"RunStarted"}})
}

// TestMarksAreWrittenWhenTheHubIsBack: what was done is not forgotten meanwhile, and is written once.
func TestMarksAreWrittenWhenTheHubIsBack(t *testing.T) {
	h := newHub(t)
	book := NewBook(h, annotation)
	h.away = true
	if err := book.Write(t.Context(), h.run(), Marks{"ops": {"RunStarted"}}); err == nil {
		t.Error("a write that the hub did not take is no error")
	}
	h.away = false
	for range 2 {
		if err := book.Write(t.Context(), h.run(), book.Of(h.run())); err != nil {
			t.Fatal(err)
		}
	}
	wants(t, NewBook(h, annotation).Of(h.run()), Marks{"ops": {"RunStarted"}})
	if h.writes != 1 {
		t.Errorf("written %d times, want once", h.writes)
	}
}

// TestMarksAreOfOneObject: a run of the same name begins without any.
func TestMarksAreOfOneObject(t *testing.T) {
	h := newHub(t)
	book := NewBook(h, annotation)
	if err := book.Write(t.Context(), h.run(), Marks{"ops": {"RunStarted"}}); err != nil {
		t.Fatal(err)
	}
	anew := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Namespace: "emea", Name: "a", UID: "uid-2"}}
	wants(t, book.Of(anew), Marks{})
}

// TestABrokenAnnotationIsWrittenAnew: a person may have edited it.
func TestABrokenAnnotationIsWrittenAnew(t *testing.T) {
	for _, broken := range []string{"{", "null", `["a"]`} {
		h := newHub(t)
		run := h.run()
		run.Annotations = map[string]string{annotation: broken}
		if err := h.Update(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		book := NewBook(h, annotation)
		wants(t, book.Of(run), Marks{})
		if err := book.Write(t.Context(), run, Marks{}); err != nil {
			t.Fatal(err)
		}
		if got := h.run().Annotations[annotation]; got != "{}" {
			t.Errorf("%q became %q", broken, got)
		}
	}
}

// TestKeepDropsWhatIsOver: the annotation does not grow for ever.
func TestKeepDropsWhatIsOver(t *testing.T) {
	m := Marks{"ops": {"RunPaused/1", "RunStarted"}, "dev": {"RunPaused/1"}}
	m.Keep(func(key string) bool { return key == "RunStarted" })
	wants(t, m, Marks{"ops": {"RunStarted"}})
}
