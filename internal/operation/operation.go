// SPDX-License-Identifier: Apache-2.0

// Package operation is what people can do to a fleet: add and remove clusters, create, pause, resume, stop,
// retry and delete runs, and skip parts of them. The command line and the browser call the same functions.
//
// Each function says no in one clear sentence when there is nothing to do or when it cannot be done. Who did
// what is recorded by the hub itself (managed fields, and its audit log where one is kept).
package operation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"sengu.dev/sengu/api/v1alpha1"
)

var (
	// ErrNotFound: the object that is named does not exist.
	ErrNotFound = errors.New("not found")
	// ErrRefused: the state of the object does not allow it; repeating it changes nothing.
	ErrRefused = errors.New("refused")
	// ErrInvalid: the input cannot be used.
	ErrInvalid = errors.New("invalid")
)

// Error is an answer of no: a sentence for a person, and its kind.
type Error struct {
	// Kind is ErrNotFound, ErrRefused or ErrInvalid.
	Kind error
	// Sentence says what, why, and what to do.
	Sentence string
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Sentence }

// Unwrap lets errors.Is find the kind.
func (e *Error) Unwrap() error { return e.Kind }

func refused(format string, args ...any) error {
	return &Error{Kind: ErrRefused, Sentence: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Sentence: fmt.Sprintf(format, args...)}
}

func notFound(kind, name, namespace string) error {
	return &Error{Kind: ErrNotFound, Sentence: fmt.Sprintf("there is no %s %q in namespace %q", kind, name, namespace)}
}

// GetRun reads a run.
func GetRun(ctx context.Context, c client.Client, key types.NamespacedName) (*v1alpha1.UpgradeRun, error) {
	run := &v1alpha1.UpgradeRun{}
	return run, get(ctx, c, key, run, "run")
}

// GetCluster reads a cluster.
func GetCluster(ctx context.Context, c client.Client, key types.NamespacedName) (*v1alpha1.Cluster, error) {
	cluster := &v1alpha1.Cluster{}
	return cluster, get(ctx, c, key, cluster, "cluster")
}

// GetStrategy reads a strategy.
func GetStrategy(ctx context.Context, c client.Client, key types.NamespacedName) (*v1alpha1.UpgradeStrategy, error) {
	strategy := &v1alpha1.UpgradeStrategy{}
	return strategy, get(ctx, c, key, strategy, "strategy")
}

// GetCalendar reads a calendar.
func GetCalendar(ctx context.Context, c client.Client, key types.NamespacedName) (*v1alpha1.MaintenanceCalendar, error) {
	calendar := &v1alpha1.MaintenanceCalendar{}
	return calendar, get(ctx, c, key, calendar, "calendar")
}

func get(ctx context.Context, c client.Client, key types.NamespacedName, into client.Object, kind string) error {
	err := c.Get(ctx, key, into)
	if IsMissing(err) {
		return notFound(kind, key.Name, key.Namespace)
	}
	return err
}

// IsMissing tells an object that does not exist from a kind that is not served, which is a 404 as well: an API
// server that does not know the kind answers without naming an object, or in plain text.
func IsMissing(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) || apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Name != ""
}

// create explains the answers of the API that people meet: it exists, or a rule of the API refuses it.
func create(ctx context.Context, c client.Client, object client.Object, kind string, dryRun bool) error {
	var options []client.CreateOption
	if dryRun {
		options = append(options, client.DryRunAll)
	}
	return explained(c.Create(ctx, object, options...), kind, object.GetName())
}

func explained(err error, kind, name string) error {
	var status apierrors.APIStatus
	switch {
	case apierrors.IsAlreadyExists(err):
		return refused("%s %q exists already: choose another name", kind, name)
	case apierrors.IsInvalid(err) && errors.As(err, &status):
		return invalid("%s %q is not valid: %s", kind, name, causes(status))
	}
	return err
}

// causes are the sentences of the API's rules that refused an object, each with its field.
func causes(status apierrors.APIStatus) string {
	details := status.Status().Details
	if details == nil || len(details.Causes) == 0 {
		return status.Status().Message
	}
	var sentences []string
	for _, cause := range details.Causes {
		// The API adds this to what is wrong; what is said already has to be corrected anyway.
		if strings.Contains(cause.Message, "some validation rules were not checked") && len(details.Causes) > 1 {
			continue
		}
		sentence := strings.TrimPrefix(strings.TrimPrefix(cause.Message, "Invalid value: "), `"object": `)
		if cause.Field != "" && cause.Field != "<nil>" {
			sentence = cause.Field + ": " + strings.ReplaceAll(sentence, cause.Field+" in body ", "")
		}
		sentences = append(sentences, sentence)
	}
	return strings.Join(sentences, "; ")
}

// change reads a run, lets edit change its spec, and writes it; when somebody else wrote in between, all of
// that again. edit returns false when there is nothing to change.
func change(ctx context.Context, c client.Client, key types.NamespacedName, edit func(*v1alpha1.UpgradeRun) (bool, error)) (changed bool, err error) {
	err = retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		run, err := GetRun(ctx, c, key)
		if err != nil {
			return err
		}
		if changed, err = edit(run); err != nil || !changed {
			return err
		}
		return explained(c.Update(ctx, run), "run", run.Name)
	})
	return changed, err
}
