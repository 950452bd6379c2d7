// SPDX-License-Identifier: Apache-2.0

package upgraderun

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"sengu.dev/sengu/api/v1alpha1"
)

// TestARunStaysUntilItIsRecorded: one that is deleted vanishes only when its record is complete.
func TestARunStaysUntilItIsRecorded(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	deleted := &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{
		Namespace: "fleet", Name: "r", DeletionTimestamp: &metav1.Time{Time: epoch}, Finalizers: []string{v1alpha1.FinalizerSafePoint},
	}}
	hub := fake.NewClientBuilder().WithScheme(scheme).WithObjects(deleted).Build()
	run := &v1alpha1.UpgradeRun{}
	noRecord := errors.New("the record cannot be written")
	for _, answer := range []error{noRecord, noRecord, nil} {
		if err := hub.Get(t.Context(), client.ObjectKeyFromObject(deleted), run); err != nil {
			t.Fatalf("it is gone before it is recorded: %v", err)
		}
		asked := 0
		r := reconciler{hub: hub, assumed: newAssumed(), goes: func(_ context.Context, of *v1alpha1.UpgradeRun) error {
			asked++
			if len(of.Finalizers) != 1 {
				t.Error("it is recorded as a run that has let go already")
			}
			return answer
		}}
		if err := r.release(t.Context(), run); !errors.Is(err, answer) || asked != 1 {
			t.Errorf("asked %d times, %v, want once and %v", asked, err, answer)
		}
	}
	if err := hub.Get(t.Context(), client.ObjectKeyFromObject(deleted), run); !apierrors.IsNotFound(err) {
		t.Errorf("it stays although it is recorded: %v", err)
	}
}
