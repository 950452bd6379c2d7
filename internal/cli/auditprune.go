// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/auditlog"
	"sengu.dev/sengu/internal/decide/audit"
)

func (a *app) auditPrune() *cobra.Command {
	var before int64
	var older time.Duration
	var dryRun, yes bool
	c := &cobra.Command{
		Use:   "prune --before-sequence N | --older-than DURATION",
		Short: "Take the oldest entries away, after you have exported them",
		Long: `Take the oldest entries away, after you have exported them. A checkpoint is written first: it carries the hash of the
last entry that goes, and your name, so that 'audit verify' accepts the record that is left.

Entries of a run that has not ended stay, with all that came after them: they say what of it is recorded already.
A run that succeeded or was stopped has ended; one that failed can still be retried, so delete it first.`,
		Example: `  # Keep half a year in the hub
  sengu audit export > audit-2027-03.jsonl
  sengu audit prune --older-than 4380h`,
		Args:              args(),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().Int64Var(&before, "before-sequence", 0, "Take away the entries with a smaller sequence.")
	c.Flags().DurationVar(&older, "older-than", 0, "Take away the entries that are older, like 4380h.")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "Say what would be taken away, and take nothing.")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "Do not ask.")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if before < 0 || older < 0 || before == 0 && older == 0 {
			return usage("say with --before-sequence or --older-than what is taken away: a number or a duration of more than zero")
		}
		limit := audit.Limit{BeforeSequence: before}
		if older > 0 {
			limit.Before = a.Clock.Now().Add(-older)
		}
		if _, asks := terminal(a.Streams.In); asks && !yes && !dryRun && !a.confirmed("Take entries away for good? Export them first. [y/N] ") {
			return &exitError{exitFailed, "nothing is taken away"}
		}
		return a.prune(c.Context(), limit, dryRun)
	}
	return c
}

func (a *app) prune(ctx context.Context, limit audit.Limit, dryRun bool) error {
	h, err := a.connect(ctx)
	if err != nil {
		return err
	}
	by, err := h.me(ctx)
	if err != nil {
		return err
	}
	done, err := auditlog.New(h, h, h.namespace, a.Clock).Prune(ctx, limit, by, dryRun)
	if err != nil {
		return err
	}
	if done.Held != "" {
		fmt.Fprintln(a.Streams.ErrOut, done.Held)
	}
	switch {
	case done.Through == 0:
		a.say("nothing is taken away")
	case dryRun:
		a.say("%d entries up to %d would be taken away (dry run)", done.Entries, done.Through)
	default:
		a.say("%d entries up to %d are taken away, and a checkpoint says so", done.Entries, done.Through)
	}
	return nil
}

// me is who the hub takes this person for.
func (h *hub) me(ctx context.Context) (v1alpha1.AuditActor, error) {
	c, err := kubernetes.NewForConfig(h.config)
	if err != nil {
		return v1alpha1.AuditActor{}, err
	}
	review, err := c.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return v1alpha1.AuditActor{}, fmt.Errorf("the hub does not say who you are: %w", err)
	}
	return v1alpha1.AuditActor{Kind: v1alpha1.AuditActorUser, Name: review.Status.UserInfo.Username}, nil
}
