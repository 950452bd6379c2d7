// SPDX-License-Identifier: Apache-2.0

package herald

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

// TestTheLogSaysWhatTheEventSays: with the keys by which a log is searched, the same on every line.
func TestTheLogSaysWhatTheEventSays(t *testing.T) {
	tests := map[string]struct {
		object client.Object
		want   map[string]string
	}{
		"a run": {object: &v1alpha1.UpgradeRun{ObjectMeta: metav1.ObjectMeta{Name: "to-1-37"}}, want: map[string]string{"run": "to-1-37"}},
		"a cluster upgrade": {object: &v1alpha1.ClusterUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "to-1-37-prod-1"},
			Spec: v1alpha1.ClusterUpgradeSpec{Cluster: "prod-1", RunRef: v1alpha1.LocalObjectReference{Name: "to-1-37"}}}, want: map[string]string{"run": "to-1-37", "cluster": "prod-1"}},
		"a cluster": {object: &v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "prod-1"}}, want: map[string]string{"cluster": "prod-1"}},
		"another":   {object: &v1alpha1.Gate{}, want: map[string]string{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			ctx := ctrl.LoggerInto(t.Context(), logr.FromSlogHandler(slog.NewJSONHandler(&log, nil)))
			recorder := events.NewFakeRecorder(1)
			New(ctx, recorder, tc.object, "Run").Warning("Failed", "%s\n%d", "as it is", 1)
			if got := <-recorder.Events; got != "Warning Failed as it is 1" {
				t.Errorf("event %q", got)
			}
			var got map[string]string
			if err := json.Unmarshal(log.Bytes(), &got); err != nil {
				t.Fatalf("%s: %v", log.String(), err)
			}
			delete(got, "time")
			tc.want["level"], tc.want["msg"], tc.want["type"], tc.want["reason"] = "INFO", "as it is 1", "Warning", "Failed"
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("line (-want +got):\n%s", diff)
			}
		})
	}
}
