// SPDX-License-Identifier: Apache-2.0

package member

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func TestEvictFollowsTheBudget(t *testing.T) {
	w := newWorld(t)
	pods := w.settled("pair", 2)
	first, second := pods[0], pods[1]
	if err := w.access.Cordon(t.Context(), first.Spec.NodeName, "upgrade-1"); err != nil { // so that changes matter
		t.Fatal(err)
	}
	defer func() { _ = w.access.Uncordon(t.Context(), first.Spec.NodeName, "upgrade-1") }()

	if err := w.access.Evict(t.Context(), ref(first)); err != nil {
		t.Fatalf("the first of two, of which one may be away: %v", err)
	}
	if granted, _ := w.view().Eviction(string(first.UID)); granted.IsZero() {
		t.Error("that it was granted is not remembered")
	}
	var refused *RefusedError
	if err := w.access.Evict(t.Context(), ref(second)); !errors.As(err, &refused) || !refused.Budget {
		t.Fatalf("the second: %v, want a refusal by the budget", err)
	}
	before := time.Now()
	if granted, until := w.view().Eviction(string(second.UID)); !granted.IsZero() {
		t.Errorf("granted at %s, and refused until %s", granted, until)
	}
	// The replacement is Ready after 1 s; nothing may hold the second back until the 5 s of the refusal are over.
	w.until("the refusal ends with the budget's change", func() bool {
		_, until := w.view().Eviction(string(second.UID))
		return until.IsZero() && len(w.settled("pair", 2)) == 2
	})
	if took := time.Since(before); took > 4*time.Second {
		t.Errorf("the refusal lasted %s", took)
	}
	if err := w.access.Evict(t.Context(), ref(second)); err != nil {
		t.Errorf("the second, after the replacement of the first is Ready: %v", err)
	}
	w.until("the pods are gone and forgotten", func() bool {
		granted, _ := w.view().Eviction(string(second.UID))
		return granted.IsZero()
	})
}

func TestEvictMeansExactlyThisPod(t *testing.T) {
	w := newWorld(t)
	pod := w.settled("free", 2)[0]
	other := ref(pod)
	other.UID = "00000000-0000-0000-0000-000000000000"
	if err := w.access.Evict(t.Context(), other); err != nil {
		t.Errorf("a predecessor that is gone: %v", err)
	}
	// The same without the cache's help: the precondition must hold in the API, too.
	if err := w.access.(*live).evict(t.Context(), other); err != nil {
		t.Errorf("a predecessor that is gone, asked of the API: %v", err)
	}
	now, err := w.client.CoreV1().Pods(pod.Namespace).Get(t.Context(), pod.Name, metav1.GetOptions{})
	if err != nil || now.DeletionTimestamp != nil {
		t.Errorf("the pod of that name was evicted though another was meant (%v)", err)
	}
	if err := w.access.Evict(t.Context(), PodRef{Namespace: "shop", Name: "nobody", UID: "x"}); err != nil {
		t.Errorf("a pod that does not exist: %v", err)
	}
}

// TestEvictSideBySide: under one budget the API server makes evictions that meet wait for 500 ms each.
func TestEvictSideBySide(t *testing.T) {
	w := newWorld(t)
	pods := w.settled("many", 12)[:8]
	began := time.Now()
	var wg sync.WaitGroup
	for _, p := range pods {
		wg.Go(func() {
			if err := w.access.Evict(t.Context(), ref(p)); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
			t.Log(time.Since(began))
		})
	}
	wg.Wait()
	t.Logf("8 evictions under one budget took %s", time.Since(began))
	w.settled("many", 12)
}

func TestTwoBudgetsRefuse(t *testing.T) {
	w := newWorld(t)
	pod := w.settled("twice", 1)[0]
	budgets := w.client.PolicyV1().PodDisruptionBudgets("shop")
	second, err := budgets.Get(t.Context(), "twice", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	second = &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "twice-more"}, Spec: second.Spec}
	if _, err := budgets.Create(t.Context(), second, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = budgets.Delete(t.Context(), "twice-more", metav1.DeleteOptions{}) }()
	var refused *RefusedError
	if err := w.access.Evict(t.Context(), ref(pod)); !errors.As(err, &refused) || refused.Budget {
		t.Fatalf("two budgets: %v, want a refusal that no budget's change ends", err)
	}
	if _, until := w.view().Eviction(string(pod.UID)); until.IsZero() {
		t.Error("it would be asked again at once, and for ever")
	}
}

func TestEvictionErrors(t *testing.T) {
	budget := apierrors.NewTooManyRequests("no", 10)
	budget.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause}}
	tests := map[string]struct {
		err  error
		want *RefusedError // nil: no refusal
	}{
		"a budget":                    {err: budget, want: &RefusedError{Budget: true, RetryAfter: 10 * time.Second, Message: "no"}},
		"too many requests":           {err: apierrors.NewTooManyRequests("busy", 3), want: &RefusedError{RetryAfter: 3 * time.Second, Message: "busy"}},
		"an admission webhook":        {err: apierrors.NewForbidden(policyv1.Resource("x"), "a", errors.New("hook")), want: &RefusedError{Message: `x.policy "a" is forbidden: hook`}},
		"several budgets":             {err: apierrors.NewInternalError(errors.New("several")), want: &RefusedError{Message: "Internal error occurred: several"}},
		"a server that is overloaded": {err: apierrors.NewServiceUnavailable("starting")},
		"a lost connection":           {err: errors.New("connection reset")},
		"a refused token":             {err: apierrors.NewUnauthorized("who")},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var refused *RefusedError
			is := errors.As(evictionError(PodRef{}, tc.err), &refused)
			if is != (tc.want != nil) || is && *refused != *tc.want {
				t.Errorf("got %+v, want %+v", refused, tc.want)
			}
		})
	}
}

// TestAnEvictionUnderWayIsNotTakenBack: Sengu is stopped while the API server has taken a unit of the budget and not
// deleted the pod yet.
func TestAnEvictionUnderWayIsNotTakenBack(t *testing.T) {
	arrived, ended := make(chan struct{}), make(chan error, 1)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices that a client is gone only when the body is read
		close(arrived)
		select {
		case <-r.Context().Done():
			ended <- r.Context().Err()
		case <-time.After(300 * time.Millisecond):
			ended <- nil
			w.WriteHeader(http.StatusCreated)
		}
	}))
	defer api.Close()
	l := &live{client: kubernetes.NewForConfigOrDie(&rest.Config{Host: api.URL})}
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-arrived
		stop()
	}()
	if err := l.evict(ctx, PodRef{Namespace: "shop", Name: "web-1", UID: "u"}); err != nil {
		t.Errorf("the eviction: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the request was taken back: %v", err)
	}
}
