// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"sengu.dev/sengu/internal/labapi"
)

// faults of one cluster, one after the other; each story clears its own.
func faults(t *testing.T, w world) {
	story(t, w, "the API answers 5xx as often as asked", apiErrors)
	story(t, w, "the API is cut off: new requests fail and watches end", apiIsCut)
	story(t, w, "the API hangs: requests wait, and are answered when the fault is over", apiHangs)
	story(t, w, "a fault of the API ends by itself after its seconds", faultsEnd)
	story(t, w, "a fault is added to others, which keep their seconds", addedFaults)
	story(t, w, "an image is missing: the old node stays", imageMissing)
	story(t, w, "the quota is used up: no node is added, a replacement still works", quotaUsedUp)
	story(t, w, "an operation fails with the code and message that were asked for", operationFails)
	story(t, w, "a new node never becomes Ready", nodeNeverReady)
	story(t, w, "a node dies when it is cordoned: it is NotReady and its pods never end", nodeDies)
	story(t, w, "the control plane starts slowly", slowStart)
	story(t, w, "the control plane fails to start, and starts with a new request", startFails)
}

func (w world) inject(all ...labapi.Fault) {
	w.Helper()
	if err := w.cloud.SetFaults(w.Context(), w.name, all...); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := w.cloud.ClearFaults(context.Background(), w.name); err != nil {
			w.Error(err)
		}
	})
}

// ask sends one request to the cluster's API.
func (w world) ask(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	_, err := w.kube.CoreV1().Namespaces().Get(ctx, "default", metav1.GetOptions{})
	return err
}

func apiErrors(w world) {
	w.inject(labapi.Fault{Kind: labapi.FaultAPIErrors, Code: "503", Times: 2})
	for i := range 2 {
		if err := w.ask(limit); !apierrors.IsServiceUnavailable(err) {
			w.Errorf("request %d: %v, want 503", i, err)
		}
		// What is still to come is told as it is.
		if left, err := w.cloud.Faults(w.Context(), w.name); err != nil || len(left) != 1-i || i == 0 && left[0].Times != 1 {
			w.Errorf("after request %d these faults are left: %v, %v", i, left, err)
		}
	}
	if err := w.ask(limit); err != nil {
		w.Errorf("the request after the fault: %v", err)
	}
}

func apiIsCut(w world) {
	watch, err := w.kube.CoreV1().Namespaces().Watch(w.Context(), metav1.ListOptions{})
	noError(w, err)
	defer watch.Stop()
	w.inject(labapi.Fault{Kind: labapi.FaultAPICut})
	started := time.Now()
	if err := w.ask(limit); err == nil {
		w.Error("a request was answered though the API is cut off")
	} else if took := time.Since(started); took > 30*time.Second {
		w.Errorf("the request failed only after %s: a cut is noticed at once", took)
	}
	w.eventually("the open watch ends", func(context.Context) error {
		for {
			select {
			case _, open := <-watch.ResultChan():
				if !open {
					return nil
				}
			case <-time.After(50 * time.Millisecond):
				return errors.New("it is open")
			}
		}
	})
	if got := w.describe().ControlPlane.State; got != labapi.Running {
		w.Errorf("the management API says %s: it does not see the cut", got)
	}
	if err := w.cloud.ClearFaults(w.Context(), w.name); err != nil {
		w.Fatal(err)
	}
	w.eventually("requests are answered again", func(context.Context) error { return w.ask(time.Second) })
}

func apiHangs(w world) {
	w.inject(labapi.Fault{Kind: labapi.FaultAPIHangs})
	if err := w.ask(500 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		w.Fatalf("a request to a hanging API: %v, want that it waits until its own deadline", err)
	}
	answered := make(chan error, 1)
	go func() { answered <- w.ask(limit) }()
	select {
	case err := <-answered:
		w.Fatalf("the request was answered while the API hangs: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := w.cloud.ClearFaults(w.Context(), w.name); err != nil {
		w.Fatal(err)
	}
	if err := <-answered; err != nil {
		w.Errorf("the waiting request after the fault: %v", err)
	}
}

func faultsEnd(w world) {
	w.inject(labapi.Fault{Kind: labapi.FaultAPIErrors, Seconds: 0.5})
	if err := w.ask(limit); !apierrors.IsServiceUnavailable(err) {
		w.Errorf("right after the injection: %v, want 503", err)
	}
	w.eventually("the fault ends", func(context.Context) error { return w.ask(time.Second) })
	if left, err := w.cloud.Faults(w.Context(), w.name); err != nil || len(left) != 0 {
		w.Errorf("faults are left: %v, %v", left, err)
	}
}

func addedFaults(w world) {
	w.inject(labapi.Fault{Kind: labapi.FaultAPICut, Seconds: 1}, labapi.Fault{Kind: labapi.FaultAPIErrors, Seconds: 3600})
	w.eventually("the first fault ends while others are added", func(ctx context.Context) error {
		if err := w.cloud.AddFault(ctx, w.name, labapi.Fault{Kind: labapi.FaultQuota, Times: 1}); err != nil {
			return err
		}
		left, err := w.cloud.Faults(ctx, w.name)
		if err == nil && left[0].Kind == labapi.FaultAPICut {
			err = errors.New("the API is still cut")
		}
		return err
	})
	if err := w.ask(limit); !apierrors.IsServiceUnavailable(err) {
		w.Errorf("the API after the first fault: %v, want the 503 of the second one", err)
	}
	// The ends of faults that were replaced must not end those that took their place.
	w.inject(labapi.Fault{Kind: labapi.FaultAPIErrors, Seconds: 0.2}, labapi.Fault{Kind: labapi.FaultAPIHangs, Seconds: 0.2})
	w.inject(labapi.Fault{Kind: labapi.FaultAPIErrors, Seconds: 3600}, labapi.Fault{Kind: labapi.FaultAPIHangs, Seconds: 3600})
	time.Sleep(500 * time.Millisecond) // the ends that must not come would have come by now
	if left, err := w.cloud.Faults(w.Context(), w.name); err != nil || len(left) != 2 {
		w.Errorf("these faults are left: %v, %v, want both", left, err)
	}
}

func imageMissing(w world) {
	old := w.pool("user").Nodes[0].Name
	w.inject(labapi.Fault{Kind: labapi.FaultImageMissing, Times: 1})
	op, err := w.cloud.ReplaceNode(w.Context(), w.name, old, labapi.NodeRequest{RequestKey: "no image"})
	w.failWith(labapi.CodeNodeImageNotFound, op, err)
	if got := nodeReady(w.node(old)); got != corev1.ConditionTrue {
		w.Errorf("the old node is Ready %s, want True: nothing should have been changed", got)
	}
}

func quotaUsedUp(w world) {
	w.inject(labapi.Fault{Kind: labapi.FaultQuota})
	op, err := w.cloud.AddNode(w.Context(), w.name, "user", labapi.NodeRequest{RequestKey: "no quota"})
	w.failWith(labapi.CodeQuotaExceeded, op, err)
	w.succeed(w.cloud.ReplaceNode(w.Context(), w.name, w.pool("user").Nodes[0].Name, labapi.NodeRequest{RequestKey: "within quota"}))
	if got := len(w.pool("user").Nodes); got != 2 {
		w.Errorf("the pool has %d nodes, want 2", got)
	}
}

func operationFails(w world) {
	w.inject(labapi.Fault{Kind: labapi.FaultOperationFails, Operation: labapi.OperationUpgrade, Code: "SubnetFull", Message: "No address is left.", Times: 1})
	w.succeed(w.cloud.ReplaceNode(w.Context(), w.name, w.pool("user").Nodes[0].Name, labapi.NodeRequest{RequestKey: "not an upgrade"}))
	op, err := w.cloud.Upgrade(w.Context(), w.name, labapi.UpgradeRequest{RequestKey: "subnet", Version: "1.37.2"})
	w.failWith("SubnetFull", op, err)
	if got := w.describe(); got.ControlPlane.Version != "1.36.0" || got.ControlPlane.State != labapi.Running || got.BusyWith != "" {
		w.Errorf("after the failed operation: %+v, busy %q", got.ControlPlane, got.BusyWith)
	}
	if done, err := w.cloud.Operation(w.Context(), op.ID); err != nil || done.Message != "No address is left." {
		w.Errorf("the operation says %q, %v", done.Message, err)
	}
}

func nodeNeverReady(w world) {
	w.inject(labapi.Fault{Kind: labapi.FaultNodeNeverReady, Pool: "user", Times: 1})
	op := w.succeed(w.cloud.AddNode(w.Context(), w.name, "user", labapi.NodeRequest{RequestKey: "never"}))
	time.Sleep(time.Second) // longer than a healthy node takes
	if got := nodeReady(w.node(op.NewNode)); got == corev1.ConditionTrue {
		w.Error("the node is Ready")
	}
	for _, node := range w.pool("user").Nodes {
		if node.Name == op.NewNode && node.Ready {
			w.Error("the management API says that the node is ready")
		}
	}
	again := w.succeed(w.cloud.ReplaceNode(w.Context(), w.name, op.NewNode, labapi.NodeRequest{RequestKey: "again"}))
	if got := nodeReady(w.node(again.NewNode)); got != corev1.ConditionTrue {
		w.Errorf("its replacement is Ready %s, want True", got)
	}
	w.succeed(w.cloud.RemoveNode(w.Context(), w.name, again.NewNode, "remove it"))
}

func nodeDies(w world) {
	pods := w.pods("default", "web")
	victim := pods[0].Spec.NodeName
	w.inject(labapi.Fault{Kind: labapi.FaultNodeDies, Node: victim, Times: 1})
	w.eventually("the node is cordoned", func(ctx context.Context) error {
		node := w.node(victim)
		node.Spec.Unschedulable = true
		_, err := w.kube.CoreV1().Nodes().Update(ctx, node, metav1.UpdateOptions{})
		return err
	})
	w.eventually("the node is NotReady", func(context.Context) error {
		if got := nodeReady(w.node(victim)); got != corev1.ConditionUnknown {
			return fmt.Errorf("its Ready is %s", got)
		}
		return nil
	})
	w.eventually("its pods are frozen", func(context.Context) error {
		for _, pod := range w.pods("default", "web") {
			if pod.Spec.NodeName == victim && pod.Annotations["lab.sengu.dev/frozen"] == "" {
				return fmt.Errorf("%s is not", pod.Name)
			}
		}
		return nil
	})
	if err := w.evict(pods[0]); err != nil {
		w.Fatal(err)
	}
	time.Sleep(time.Second) // ten times the pod's stop delay
	pod, err := w.kube.CoreV1().Pods("default").Get(w.Context(), pods[0].Name, metav1.GetOptions{})
	if err != nil || pod.DeletionTimestamp == nil {
		w.Errorf("the pod on the dead node: %v, want that it is terminating for ever", err)
	}
	w.succeed(w.cloud.ReplaceNode(w.Context(), w.name, victim, labapi.NodeRequest{RequestKey: "replace the dead"}))
	if _, err := w.kube.CoreV1().Pods("default").Get(w.Context(), pods[0].Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		w.Errorf("the pod after its machine was replaced: %v, want not found", err)
	}
}

func slowStart(w world) {
	w.inject(labapi.Fault{Kind: labapi.FaultStartSlow, Seconds: 2, Times: 1})
	op, err := w.cloud.Upgrade(w.Context(), w.name, labapi.UpgradeRequest{RequestKey: "slow", Version: "1.36.1"})
	noError(w, err)
	w.eventually("the control plane is being upgraded and its API is away", func(context.Context) error {
		if got := w.describe().ControlPlane.State; got != labapi.Upgrading {
			return fmt.Errorf("it is %s", got)
		}
		if w.ask(time.Second) == nil {
			return errors.New("the API answers")
		}
		return nil
	})
	done := w.succeed(op, nil)
	if took := done.FinishedAt.Sub(done.StartedAt); took < 2*time.Second {
		w.Errorf("the upgrade took %s, less than the 2s of the fault", took)
	}
}

func startFails(w world) {
	w.inject(labapi.Fault{Kind: labapi.FaultStartFails, Times: 1})
	op, err := w.cloud.Upgrade(w.Context(), w.name, labapi.UpgradeRequest{RequestKey: "fails", Version: "1.37.2"})
	w.failWith(labapi.CodeControlPlaneStartFailed, op, err)
	got := w.describe()
	if got.ControlPlane.State != labapi.Failed || got.ControlPlane.Version != "1.36.1" || got.ControlPlane.Message == "" || got.BusyWith != "" {
		w.Errorf("after the failed start: %+v, busy %q", got.ControlPlane, got.BusyWith)
	}
	if w.ask(time.Second) == nil {
		w.Error("the API answers though the control plane is down")
	}
	_, err = w.cloud.ReplaceNode(w.Context(), w.name, got.NodePools[0].Nodes[0].Name, labapi.NodeRequest{RequestKey: "while down"})
	refused(w, err, 503, labapi.CodeControlPlaneDown)
	w.succeed(w.cloud.Upgrade(w.Context(), w.name, labapi.UpgradeRequest{RequestKey: "second try", Version: "1.37.2"}))
	w.eventually("the API answers", func(context.Context) error { return w.ask(time.Second) })
	if got := w.describe().ControlPlane; got.State != labapi.Running || got.Version != "1.37.2" || got.Message != "" {
		w.Errorf("after the second try: %+v", got)
	}
}
