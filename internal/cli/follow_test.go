// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"sengu.dev/sengu/api/v1alpha1"
)

var errForbidden = apierrors.NewForbidden(schema.GroupResource{Group: "sengu.dev", Resource: "gates"}, "", errors.New("no role is known yet"))

// TestAFollowerOutlivesTheStartOfAHub: a hub that starts again refuses for a moment what it will allow.
func TestAFollowerOutlivesTheStartOfAHub(t *testing.T) {
	run := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Name: "to-1-37", Namespace: "default"}}
	var refusals atomic.Int32
	var answered sync.Map // by kind
	c := interceptor.NewClient(fake.NewClientBuilder().WithScheme(scheme).WithObjects(run).Build(), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			// Each of the three streams reads once; then the hub is killed, and starts.
			if _, again := answered.LoadOrStore(fmt.Sprintf("%T", list), true); again && refusals.Add(1) <= 4 {
				return errForbidden
			}
			if _, ofRuns := list.(*v1alpha1.UpgradeRunList); ofRuns {
				options = []client.ListOption{client.InNamespace("default")} // the fake has no index of names
			}
			return c.List(ctx, list, options...)
		},
		Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (apiwatch.Interface, error) {
			w := apiwatch.NewFake()
			if refusals.Load() < 4 {
				w.Stop()
			}
			return w, nil
		},
	})
	f := (&app{Config: Config{Clock: clock.RealClock{}}}).newFollower(&hub{WithWatch: c, namespace: "default"}, run.Name)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	lost := false
	err := f.follow(ctx, func(n news) bool {
		lost = lost || n.lost != nil
		return !lost || n.lost != nil
	})
	if err != nil || !lost || ctx.Err() != nil {
		t.Errorf("it ended with %v, lost the hub: %v, want that it finds the hub again", err, lost)
	}
}

func TestARefusalThatLastsEndsTheFollowing(t *testing.T) {
	began := time.Date(2026, time.November, 23, 14, 0, 0, 0, time.UTC)
	type answer struct {
		after time.Duration
		err   error
	}
	tests := map[string]struct {
		answered bool
		answers  []answer
		want     bool // after the last answer
	}{
		"at once when the hub never answered":           {false, []answer{{0, errForbidden}}, true},
		"not in the first seconds of a restart":         {true, []answer{{0, errForbidden}, {14 * time.Second, errForbidden}}, false},
		"when it lasts":                                 {true, []answer{{0, errForbidden}, {15 * time.Second, errForbidden}}, true},
		"not when the hub went away in between":         {true, []answer{{0, errForbidden}, {10 * time.Second, errors.New("refused")}, {20 * time.Second, errForbidden}}, false},
		"never while the hub is away":                   {true, []answer{{0, errors.New("refused")}, {time.Hour, errors.New("refused")}}, false},
		"at once when the run was deleted in the while": {true, []answer{{0, errRunDeleted}}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p, got := patience{answered: tc.answered}, false
			for _, a := range tc.answers {
				got = p.over(a.err, began.Add(a.after))
			}
			if got != tc.want {
				t.Errorf("it ends: %v, want %v", got, tc.want)
			}
		})
	}
}
